"""The samples of a Run as a file of https://www.speedscope.app, one profile a thread.

The outermost frame of each stack is the stage. Files go by their last name, below the standard
library and installed packages by their path from there: no folder of anybody's is in it.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from probe.errors import EnvironmentUnmet

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

FILE: Final = "profile.speedscope.json"
SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
OUTSIDE: Final = "outside of stages"
_BELOW: Final = re.compile(r".*/(?:site-packages|dist-packages|lib/python\d\.\d+)/(.+)", re.DOTALL)
NO_SYMBOL: Final = "(no symbols)"
_ADDRESS: Final = re.compile(r"0x[0-9A-Fa-f]+")
_PATH: Final = re.compile(r"(?:~|/)[^\s'\"<>()]*/")


def short(file: str) -> str:
    """Return a file without the folders that tell where somebody keeps it."""
    plain = file.replace("\\", "/")
    found = _BELOW.fullmatch(plain)
    return found[1] if found else plain.rstrip("/").rpartition("/")[2]


def readable(name: str) -> str:
    """Return the name of a function without the folders of a path in it, as native ones may have.

    Bare addresses of a library without symbols all have one name.
    """
    return NO_SYMBOL if _ADDRESS.fullmatch(name) else _PATH.sub("", name)


def document(samples: pd.DataFrame, stacks: pd.DataFrame, name: str) -> dict[str, Any]:
    """Return the tables `stack_samples` and `stacks` as speedscope's JSON; `name` is the Run's."""
    frames = _Frames()
    told = dict(zip(stacks["stack"], stacks["frames"].map(json.loads), strict=True))
    first_ns = int(samples["t_ns"].min()) if len(samples) else 0
    profiles = [
        _profile(str(thread), rows, told, frames, first_ns)
        for thread, rows in samples.groupby("thread", sort=False)
    ]
    return {
        "$schema": SCHEMA,
        "name": name,
        "exporter": "liveprobe",
        "activeProfileIndex": 0,
        "shared": {"frames": frames.listed},
        "profiles": profiles,
    }


def write(file: Path, found: dict[str, Any]) -> None:
    """Write the file whole or not at all; raises `EnvironmentUnmet` where the disk is full."""
    partial = file.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(found, separators=(",", ":")), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise EnvironmentUnmet(
            f"{file}: cannot be written: {error.strerror or error}",
            remedy="make room, then `liveprobe audit` the Run: its tapes are kept",
        ) from error


class _Frames:
    """The frames of all profiles, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str | None, int | None], int] = {}

    def number(self, name: str, file: str | None = None, line: int | None = None) -> int:
        return self._known.setdefault((name, file, line), len(self._known))

    @property
    def listed(self) -> list[dict[str, Any]]:
        return [
            {"name": name}
            | ({} if file is None else {"file": file})
            | ({} if line is None else {"line": line})
            for name, file, line in self._known
        ]


def _profile(
    thread: str, rows: pd.DataFrame, told: dict[int, Any], frames: _Frames, first_ns: int
) -> dict[str, Any]:
    """Return a thread's samples by time; where it was not sampled, a stack without frames."""
    stacks: list[list[int]] = []
    weights: list[int] = []
    start = at = int(rows["t_ns"].iloc[0])
    whole: dict[tuple[object, int], list[int]] = {}
    columns = (rows[name] for name in ("t_ns", "held_ns", "stage", "stack"))
    for t_ns, held_ns, stage, number in zip(*columns, strict=True):
        key = (stage if isinstance(stage, str) else None, int(number))
        if key not in whole:
            root = f"stage {key[0]}" if key[0] else OUTSIDE
            inner = [
                frames.number(readable(function), file and short(file), line)
                for file, line, function in reversed(told[key[1]])
            ]
            whole[key] = [frames.number(root), *inner]
        if t_ns > at:
            stacks.append([])
            weights.append(int(t_ns) - at)
        stacks.append(whole[key])
        weights.append(int(held_ns))
        at = max(at, int(t_ns)) + int(held_ns)
    return {
        "type": "sampled",
        "name": readable(thread),
        "unit": "nanoseconds",
        "startValue": start - first_ns,
        "endValue": start - first_ns + sum(weights),
        "samples": stacks,
        "weights": weights,
    }
