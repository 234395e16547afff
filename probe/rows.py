"""From records to rows: what the tapes of a program hold, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probe import store
from probe.tape import FLAG_FLOAT, FLAG_RAISED, FRAME, MARK, NULL, SPAN, Tape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def spans_of(tapes: Iterable[Tape]) -> pd.DataFrame:
    """Return the table `spans` of all tapes, by start."""
    parts = []
    for tape in tapes:
        rows = tape.records[tape.records["kind"] == SPAN]
        if not len(rows):
            continue
        parts.append(
            pd.DataFrame(
                {
                    "frame": _nullable(rows["frame"]),
                    "stage": _texts(tape, rows["name"]),
                    "thread": _repeat(f"{tape.header.thread}:{tape.header.tid}", len(rows)),
                    "start_ns": rows["t0"].astype(np.int64),
                    "end_ns": rows["t1"].astype(np.int64),
                    "queue_ns": _nullable(rows["a"]),
                    "bytes_in": _nullable(rows["b"]),
                    "bytes_out": _nullable(rows["c"]),
                    "raised": (rows["flags"] & FLAG_RAISED) != 0,
                }
            )
        )
    joined = _concatenate("spans", parts)
    return joined.sort_values("start_ns", kind="stable", ignore_index=True)


def frames_of(tapes: Iterable[Tape]) -> pd.DataFrame:
    """Return what `probe.frame` said, one row a frame: the first time it was said."""
    parts = []
    for tape in tapes:
        rows = tape.records[tape.records["kind"] == FRAME]
        if len(rows):
            parts.append(
                pd.DataFrame(
                    {
                        "frame": _nullable(rows["frame"]),
                        "source_index": _nullable(rows["b"]),
                        "pts_ns": _nullable(rows["a"]),
                        "scheduled_ns": _nullable(rows["t0"]),
                        "captured_ns": _nullable(rows["t1"]),
                    }
                )
            )
    joined = _concatenate("frames", parts).dropna(subset=["frame"])
    return joined.drop_duplicates("frame").sort_values("frame", ignore_index=True)


def mark_rows(tape: Tape | None) -> pd.DataFrame:
    """Return the marks of a tape with their names looked up; `value` is a float, null if unsaid."""
    if tape is None:
        columns = ["name", "t_ns", "frame", "value", "stage", "text", "output"]
        empty = pd.DataFrame({key: pd.Series(dtype="string") for key in columns})
        return empty.astype(
            {"t_ns": "Int64", "frame": "Int64", "value": "Float64", "output": "Int64"}
        )
    rows = tape.records[tape.records["kind"] == MARK]
    as_float = np.ascontiguousarray(rows["t1"]).view(np.float64)
    exact = (rows["flags"] & FLAG_FLOAT) != 0
    value = np.where(exact, as_float, rows["t1"].astype(np.float64))
    said = exact | (rows["t1"] != NULL)
    return pd.DataFrame(
        {
            "name": _texts(tape, rows["name"]),
            "t_ns": pd.array(rows["t0"].astype(np.int64), dtype="Int64"),
            "frame": _nullable(rows["frame"]),
            "value": pd.array(np.where(said, value, np.nan), dtype="Float64"),
            "stage": _texts(tape, rows["a"]),
            "text": _texts(tape, rows["b"]),
            "output": _nullable(rows["c"]),
        }
    )


def _concatenate(name: str, parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return store.empty_table(name)
    return store.as_table(name, pd.concat(parts, ignore_index=True))


def _nullable(values: NDArray[Any]) -> pd.api.extensions.ExtensionArray:
    plain = values.astype(np.int64)
    return pd.arrays.IntegerArray(plain, plain == NULL)


def _texts(tape: Tape, ids: NDArray[Any]) -> pd.api.extensions.ExtensionArray:
    """Look names up by id; an id that the tape does not define reads ``?<id>``."""
    distinct, where = np.unique(ids, return_inverse=True)
    known = [tape.names.get(int(identity), f"?{identity}") for identity in distinct]
    return pd.array(np.array(known, dtype=object)[where], dtype="string")


def _repeat(text: str, count: int) -> pd.api.extensions.ExtensionArray:
    return pd.array(np.full(count, text, dtype=object), dtype="string")
