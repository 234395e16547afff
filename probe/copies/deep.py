"""Deep mode's records as the table `writes`: what a stage wrote, and how much copies explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe.copies.records import MOST_BYTES, MOST_NS
from probe.tape import NULL, WRITES, WRITTEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from probe.tape import Tape

BESIDE: Final = 1
"""Flag of a range that a stage of another thread may have written."""
COLUMNS: Final = (
    "frame", "stage", "thread", "start_ns", "end_ns", "written_bytes", "explained_bytes",
    "uncertain_bytes", "beside",
)  # fmt: skip


def writes_of(tapes: Sequence[Tape], threads: Sequence[str]) -> pd.DataFrame:
    """Return the columns of `writes` but `measured`, one row a stage and frame, by start.

    `threads` names the thread of each tape. A record whose numbers cannot be is left out.
    """
    rows = [row for tape, thread in zip(tapes, threads, strict=True) for row in _rows(tape, thread)]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    table = table.astype({"frame": "Int64", "stage": "string", "beside": "string"})
    return table.sort_values("start_ns", kind="stable", ignore_index=True)


def _rows(tape: Tape, thread: str) -> list[tuple[object, ...]]:
    records = tape.records[(tape.records["kind"] == WRITES) | (tape.records["kind"] == WRITTEN)]
    heads = np.flatnonzero(records["kind"] == WRITES)
    uncertain = _uncertain(records, heads)
    found: list[tuple[object, ...]] = []
    for row, doubtful in zip(records[heads].tolist(), uncertain.tolist(), strict=True):
        _, _, _, name, start, end, frame, written, explained, said, _ = row
        if not (0 <= explained <= written < MOST_BYTES and 0 <= start <= end < MOST_NS):
            continue
        beside = tape.names.get((said >> 32) & 0xFFFF_FFFF, "").split("\n")
        found.append((
            None if frame == NULL else frame,
            tape.names.get(name, f"?{name}"),
            thread,
            start, end, written, explained,
            min(doubtful, written - explained),
            ", ".join(beside) or None,
        ))  # fmt: skip
    return found


def _uncertain(records: NDArray[Any], heads: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each WRITES the bytes of the ranges after it that may be another stage's."""
    flagged = (records["kind"] == WRITTEN) & ((records["flags"] & BESIDE) != 0)
    sane = flagged & (records["t1"] > 0) & (records["t1"] < MOST_BYTES)
    rows = np.flatnonzero(sane)
    owner = np.searchsorted(heads, rows, "right") - 1
    rows, owner = rows[owner >= 0], owner[owner >= 0]
    sums = np.zeros(len(heads), dtype=np.int64)
    np.add.at(sums, owner, records["t1"][rows].astype(np.int64))
    return sums
