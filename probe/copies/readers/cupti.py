"""What did the GPU copy? The memory copies of CUPTI, in an SQLite export of Nsight Systems.

``nsys export --type sqlite`` writes one table a kind of record. `CUPTI_ACTIVITY_KIND_MEMCPY` has
start and end in ns since the session began, bytes, and what lies at both sides; the thread that
called is that of the record of `CUPTI_ACTIVITY_KIND_RUNTIME` with the same correlation id. The
session's begin (CLOCK_REALTIME) is in `TARGET_INFO_SESSION_START_TIME`.

Source: NVIDIA's reference of the SQLite export schema. Not seen on hardware: tested on databases
of that schema.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from probe.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"SQLite format 3\0"
MEMCPY: Final = "CUPTI_ACTIVITY_KIND_MEMCPY"
RUNTIME: Final = "CUPTI_ACTIVITY_KIND_RUNTIME"
SESSION: Final = "TARGET_INFO_SESSION_START_TIME"
MOST_ROWS: Final = 5_000_000
COLUMNS: Final = ("pid", "tid", "t_ns", "end_ns", "bytes", "source", "destination", "detail")
_SESSION_QUERY: Final = "SELECT utcEpochNs FROM TARGET_INFO_SESSION_START_TIME LIMIT 1"
_RUNTIME_QUERY: Final = "SELECT correlationId, globalTid FROM CUPTI_ACTIVITY_KIND_RUNTIME LIMIT ?"
_COLUMNS_QUERY: Final = "SELECT name FROM pragma_table_info('CUPTI_ACTIVITY_KIND_MEMCPY')"
_MEMCPY_QUERY: Final = (
    "SELECT start, end, bytes, copyKind, srcKind, dstKind, correlationId, globalPid "
    "FROM CUPTI_ACTIVITY_KIND_MEMCPY ORDER BY start LIMIT ?"
)
_MEMCPY_QUERY_WITHOUT_PID: Final = _MEMCPY_QUERY.replace("globalPid", "NULL")
_SIDES: Final = {
    1: ("cpu", "gpu"), 2: ("gpu", "cpu"), 3: ("cpu", "gpu"), 4: ("gpu", "cpu"),
    5: ("gpu", "gpu"), 6: ("gpu", "gpu"), 7: ("gpu", "gpu"), 8: ("gpu", "gpu"),
    9: ("cpu", "cpu"), 10: ("gpu", "gpu"),
}  # fmt: skip
"""Domains of the values of CUpti_ActivityMemcpyKind: 1 host to device ... 10 peer to peer."""
_HOST_MEMORY: Final = {1: "pageable", 2: "pinned"}
"""Values of CUpti_ActivityMemoryKind that lie in the host's memory. A pageable one is staged:
a hidden copy into pinned memory comes first."""
_ID_BITS: Final = 24
"""A global id is hardware, VM, process and thread: 24 bits each for the last two."""


def read(file: Path, wall_to_monotonic_ns: int = 0) -> pd.DataFrame:
    """Return the copies of an export, one row each, columns `COLUMNS`; `tid` null if not told.

    Raises `InputError` when the file is no such database or has no memory copies' table.
    """
    remedy = "export with: nsys export --type sqlite REPORT.nsys-rep"
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as database:
            rows = _rows(database, wall_to_monotonic_ns)
    except sqlite3.Error as error:
        raise InputError(
            f"{file}: no export of Nsight Systems that can be read: {error}", remedy=remedy
        ) from error
    if rows is None:
        raise InputError(f"{file}: has no table {MEMCPY}", remedy=remedy)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {key: "string" if key in ("source", "destination", "detail") else "Int64"
         for key in COLUMNS}
    )  # fmt: skip


def _rows(database: sqlite3.Connection, offset_ns: int) -> list[tuple[Any, ...]] | None:
    database.execute("PRAGMA query_only = ON")
    kinds = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = {name for (name,) in database.execute(kinds)}
    if MEMCPY not in tables:
        return None
    began = 0
    if SESSION in tables:
        row = database.execute(_SESSION_QUERY).fetchone()
        began = int(row[0]) if row and isinstance(row[0], int) else 0
    callers: dict[int, int] = {}
    if RUNTIME in tables:
        callers = {
            key: thread
            for key, thread in database.execute(_RUNTIME_QUERY, (MOST_ROWS,))
            if isinstance(key, int) and isinstance(thread, int)
        }
    columns = {row[0] for row in database.execute(_COLUMNS_QUERY)}
    query = _MEMCPY_QUERY if "globalPid" in columns else _MEMCPY_QUERY_WITHOUT_PID
    return [
        found
        for each in database.execute(query, (MOST_ROWS,))
        if (found := _row(each, callers, began + offset_ns)) is not None
    ]


def _row(each: tuple[Any, ...], callers: dict[int, int], base_ns: int) -> tuple[Any, ...] | None:
    start, end, size, kind, source, destination, correlation, process = each
    if not all(isinstance(value, int) for value in (start, end, size)) or size < 0 or end < start:
        return None
    domains = _SIDES.get(kind, ("unknown", "unknown"))
    held = next(
        (
            _HOST_MEMORY[memory]
            for domain, memory in zip(domains, (source, destination), strict=True)
            if domain == "cpu" and memory in _HOST_MEMORY
        ),
        None,
    )
    thread = callers.get(correlation)
    mask = (1 << _ID_BITS) - 1
    owner = process if isinstance(process, int) else thread
    return (
        None if owner is None else (owner >> _ID_BITS) & mask,
        None if thread is None else thread & mask,
        base_ns + start,
        base_ns + end,
        size,
        *domains,
        "CUPTI" if held is None else f"CUPTI, {held} host memory",
    )
