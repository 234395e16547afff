"""LiteRT's table of operators as rows of `ops`: what its benchmark tool prints of each node.

``benchmark_model --enable_op_profiling=true`` prints, tab separated, in the order of execution:
``[node type] [start] [first] [avg ms] [%] [cdf%] [mem KB] [times called] [Name]``; newer builds
have no ``[start]`` and begin each line with ``INFO:``. The average is that of one inference over
all of the benchmark's runs; there is no clock, so `start_ns` stays null. A node that a delegate
took is one row, whatever it holds.

Source: a published printout of a delegate's run; not seen on hardware.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import pandas as pd

from probe import store
from probe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ORDER: Final = re.compile(r"=+ Run Order =+")
HEAD: Final = re.compile(r"\[[^\[\]]+\]")
TYPE, AVERAGE, NAME = "[node type]", "[avg ms]", "[Name]"
ROW: Final = re.compile(r"\s*(?:INFO:\s*)?(?P<fields>.*)")
PROCESSOR: Final = "LiteRT CPU"
MARKS: Final = (b"Run Order", b"[node type]")
MOST_BYTES: Final = 64 * 2**20
LONGEST_MS: Final = 1e9


def is_table(head: bytes) -> bool:
    """Say whether a file that begins with `head` has such a table."""
    return all(mark in head for mark in MARKS)


def read(file: Path) -> pd.DataFrame:
    """Return the operators of one inference; raises `InputError` where no row can be read."""
    remedy = "give what `benchmark_model --enable_op_profiling=true` printed"
    if file.stat().st_size > MOST_BYTES:
        raise InputError(f"{file}: too large for a table of LiteRT", remedy=remedy)
    rows = _rows(file.read_text(encoding="utf-8", errors="replace").splitlines())
    if not rows:
        raise InputError(f"{file}: no table of operators of LiteRT", remedy=remedy)
    table = pd.DataFrame(rows, columns=["index", "op", "node", "self_ns", "provider"])
    return store.as_table("ops", table.assign(run=0))


def _rows(lines: Sequence[str]) -> list[tuple[int, str, str, int, str]]:
    """Return the rows of the last table in order of execution: that of the regular runs."""
    begin = max((k for k, line in enumerate(lines) if ORDER.search(line)), default=None)
    if begin is None or begin + 1 >= len(lines):
        return []
    head = HEAD.findall(lines[begin + 1])
    if not {TYPE, AVERAGE, NAME} <= set(head):
        return []
    rows: list[tuple[int, str, str, int, str]] = []
    for line in lines[begin + 2 :]:
        row = _row(line, head)
        if row is None:
            break
        rows.append((len(rows), *row))
    return rows


def _row(line: str, head: Sequence[str]) -> tuple[str, str, int, str] | None:
    found = ROW.fullmatch(line)
    fields = found["fields"].split("\t") if found is not None else []
    fields = [field.strip() for field in fields]
    if len(fields) < len(head):
        return None
    values = dict(zip(head, fields, strict=False))
    try:
        average = float(values[AVERAGE])
    except ValueError:
        return None
    if not (math.isfinite(average) and 0 <= average < LONGEST_MS and values[TYPE]):
        return None
    kind = values[TYPE]
    provider = kind if kind.lower().endswith("delegate") else PROCESSOR
    return kind, values[NAME], round(average * 1e6), provider
