"""Why did operators fall back? What ONNX Runtime logged of it, in words of its own.

Reads the lines that ONNX Runtime writes on stderr while a session is made: nodes that were not
given to the provider asked for, copies that were added between providers, providers that are not
there. Nothing else of the log is kept, for it may name files.

Source: messages of ONNX Runtime 1.16 to 1.31; those of CUDA and QNN: not seen on hardware.
"""

from __future__ import annotations

import re
from typing import Final

COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
ORIGIN: Final = re.compile(r"^.*?\[[VIWEF]:onnxruntime:[^\]]*\]\s*")
TELLING: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\d+ Memcpy nodes are added to the graph",
        r"Add Memcpy(From|To)Host ",
        r"[Ss]ome nodes were not assigned to the preferred execution providers",
        r"Rerunning with verbose output on a non-minimal build will show node assignments",
        r"nodes? placed on \[",
        r"assigned to the default CPU EP",
        r"Specified provider '\w+' is not in available provider names",
        r"Unknown Provider Type: \w+",
        r"Failed to create \w+ExecutionProvider",
        r"Number of partitions supported by \w+",
    )
)
MOST: Final = 20
LONGEST: Final = 300


def reasons(text: str) -> list[str]:
    """Return the telling lines of a log, without time, origin and colour, each once."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        if any(pattern.search(line) for pattern in TELLING):
            words = ORIGIN.sub("", COLOUR.sub("", line)).strip()
            found.setdefault(words[:LONGEST])
    return list(found)[:MOST]
