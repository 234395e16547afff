r"""The tape: the file that a program writes while it runs, byte by byte, and its reader.

A tape is one file per writing thread, `<pid>-<tid>-<n>.tape`: a header of 256 bytes, then
records of 64 bytes. Everything is little-endian. Times are CLOCK_MONOTONIC in nanoseconds.
`NULL` (the smallest int64) in a field means "not said".

Header::

    offset size type  field
         0    8 bytes magic        b"LPTAPE\r\n"
         8    4 u32   version      1
        12    4 u32   header_bytes 256
        16    4 u32   record_bytes 64
        20    4 u32   pid
        24    8 u64   tid          kernel thread id
        32    8 i64   monotonic_ns both clocks, read together when the tape was opened
        40    8 i64   wall_ns
        48    8 u64   lost         records that found no room (updated as it happens)
        56    4 u32   state        1 recording, 2 closed, 3 stopped (the disk was full)
        60    4 u32   writer       1 Python, 2 C extension, 3 C header, 4 interposer
        64   64 bytes thread       name in UTF-8, padded with NUL
       128   56 7 u64 counters     of an interposer (`COUNTERS`), else zero
       184   72 bytes reserved     zero

Record::

    offset size type  field
         0    1 u8    kind         see below; 0 is an unwritten slot
         1    1 u8    flags        bit 0: t1 holds a float64; bit 1: the stage raised
         2    2 u16   part         DEFINE: number of this 40-byte part, from 0
         4    4 u32   name         id of an interned name; ids start at 1 in each tape
         8    8 i64   t0
        16    8 i64   t1
        24    8 i64   frame
        32    8 i64   a
        40    8 i64   b
        48    8 i64   c
        56    8 u64   sequence     number of the record in its file, from 1; written last

Whether t1 is a float64 is decided by its flag before it is compared with `NULL`.

A record counts only when `sequence` is right. It is written last, by a store of its own, so a
record torn by SIGKILL does not look finished. The pages belong to the kernel: what was finished
survives the process. A slot may stay unwritten between records (a signal handler takes one of its
own); readers pass over it.

===== ==== =============================================================================
kind  code fields
===== ==== =============================================================================
DEFINE  1  name = id being defined; bytes 8..47 = 40 bytes of UTF-8 of part `part`;
           c = length in bytes of the whole text (at most `MAX_TEXT_BYTES`)
SPAN    2  name = stage; t0 = start; t1 = end; frame; a = queue wait in ns;
           b = bytes in; c = bytes out
FRAME   3  t0 = scheduled; t1 = captured (released); frame; a = pts in ns;
           b = index of the picture in its source
MARK    4  name; t0 = time; t1 = value (int64, or float64 by flag) or NULL; frame;
           a = id of a stage or 0; b = id of a text or 0; c = number of an output
===== ==== =============================================================================

Codes from 64 on are the copy interposer's (`collectors/copies/interposer.h`): `part` is a method
(`probe.copies.methods`), addresses are of the process `pid`. A reader skips kinds that it does not
know.

======= ==== ===========================================================================
kind    code fields
======= ==== ===========================================================================
COPY     64  name = site; part = method; t0 = start; t1 = end; frame = bytes written;
             a = destination; b = source (0: not known);
             c = minor faults (bits 0..31, all ones: not counted), domain from (32..39),
             domain to (40..47); flags: 1 nested, 2 a SHAPE follows, 4 t1 is an estimate
SHAPE    65  of the COPY with sequence c: t0 = rows; t1 = bytes of a row;
             frame = destination stride; a = source stride; b = id of a text (detail) or 0
SITE     66  name = id being defined; t0 = return address; t1 = id of the module's path;
             frame = offset in the module; a = id of a symbol or 0;
             b = id of the Python stack or 0: lines of file, line, end line, column, end
             column, function, with tabs between, innermost first
ENTRY    67  a library's entry point: part = method; name = site; t0; t1;
             frame = its number on this thread; a = handle; b = bytes; c = result
BUFFER   68  an allocation of `threshold` bytes or more: name = site; t0 = allocated;
             t1 = freed, NULL while alive; frame = bytes; a = address;
             b = resident bytes at its end beyond its first page, or NULL; c = kernel id of
             the thread that allocated it: `name` is a site of that thread's tape (the last
             one of an interposer that was opened before t0); flags: 1 pages fresh from the
             kernel
NOTE     69  name = id of a key; a = id of its text, JSON; t0
WRITES   70  deep mode: name = stage; t0; t1; frame; a = bytes of written pages;
             b = of them explained; c = pages armed (bits 0..31), id of a text (32..63):
             names of stages of other threads, a line each, that may have written
             unexplained pages, or 0
WRITTEN  71  an unexplained range of the WRITES before: t0 = address, 0 for all that found no
             room; t1 = bytes; a = site, b = thread, as in BUFFER; flags: 1 a stage beside
             may have written it
======= ==== ===========================================================================

Keys of notes: ``process`` {exe, interposer, threshold, page (its size in bytes)}, ``python``
{version, frames, why}, ``hook`` {hook, state, why}, ``blind`` {what, why}, ``stopped`` {why},
``deep`` {state, why}.

Marks with a meaning (any other name is the program's own):

``delivered``   the output that depends on `frame` reached the sink at t0 (`output` numbers it)
``presented``   that output is shown at t0 (computed: may lie ahead); value = extra refreshes shown
``dropped``     `frame` was given up at `stage`; the text says why
``invalid``     `frame` could not be processed at `stage`; the text says why
``duplicate``   the picture of `frame` repeats an earlier one, as its source or an observer saw
``skipped``     a side branch (an encoder beside the display) left out `frame` at `stage`: an event
``request``     in a program without a live input: request number `frame` begins
``fact:<key>``  the text is JSON that goes into run.json under program.facts.<key>
with a value    a mark that has a value and no meaning above is a sample of track
                ``program.<name>``, labelled with `stage`
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.errors import TapeError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MAGIC: Final = b"LPTAPE\r\n"
VERSION: Final = 1
HEADER_BYTES: Final = 256
RECORD_BYTES: Final = 64
NULL: Final = -(2**63)
TEXT_PART_BYTES: Final = 40
MAX_TEXT_BYTES: Final = 65_535 * TEXT_PART_BYTES
MAX_NAME_BYTES: Final = 1_024
ENVIRONMENT: Final = "LIVEPROBE_TAPE"
SUFFIX: Final = ".tape"

DEFINE: Final = 1
SPAN: Final = 2
FRAME: Final = 3
MARK: Final = 4
COPY: Final = 64
SHAPE: Final = 65
SITE: Final = 66
ENTRY: Final = 67
BUFFER: Final = 68
NOTE: Final = 69
WRITES: Final = 70
WRITTEN: Final = 71

FLAG_FLOAT: Final = 1
FLAG_RAISED: Final = 2

RECORDING: Final = 1
CLOSED: Final = 2
STOPPED: Final = 3

WRITER_PYTHON: Final = 1
WRITER_C: Final = 2
WRITER_INTERPOSER: Final = 4

HEADER: Final = struct.Struct("<8sIIIIQqqQII64s")
"""Packs the first 128 bytes of the header."""
LOST_OFFSET: Final = 48
STATE_OFFSET: Final = 56
COUNTERS: Final = struct.Struct("<7Q")
"""Of an interposer's tape, at `COUNTERS_OFFSET`: copies below the size of a row, their bytes;
copies recorded, their bytes; calls from within its own code, passed on unseen; large allocations
that found no room in its ledger; rows that were joined."""
COUNTERS_OFFSET: Final = 128

BODY: Final = struct.Struct("<BBHIqqqqqq")
"""Packs the first 56 bytes of a record; `SEQUENCE` packs the last 8, afterwards."""
SEQUENCE: Final = struct.Struct("<Q")
DEFINITION: Final = struct.Struct("<BBHI40sq")


@dataclass(frozen=True)
class TapeHeader:
    """Who wrote a tape, and how it ended."""

    pid: int
    tid: int
    monotonic_ns: int
    wall_ns: int
    lost: int
    state: int
    writer: int
    thread: str


@dataclass(frozen=True)
class Tape:
    """A tape as read: its header, its finished records, its names.

    `records` is a structured array (dtype of `record_dtype`), a copy-free view of the mapped file.
    `torn` counts slots that were begun and not finished. `names` maps ids to texts; 0 is "".
    """

    path: Path
    header: TapeHeader
    records: NDArray[Any]
    names: dict[int, str]
    torn: int


def record_dtype() -> np.dtype[Any]:
    """Return the numpy dtype of a record: 64 bytes, packed, little-endian."""
    import numpy as np

    return np.dtype(
        [
            ("kind", "u1"),
            ("flags", "u1"),
            ("part", "<u2"),
            ("name", "<u4"),
            ("t0", "<i8"),
            ("t1", "<i8"),
            ("frame", "<i8"),
            ("a", "<i8"),
            ("b", "<i8"),
            ("c", "<i8"),
            ("sequence", "<u8"),
        ]
    )


def read_header(data: bytes, path: Path) -> TapeHeader:
    """Parse the first 128 bytes of a tape.

    Raises `TapeError` when it is no tape, is cut short, or is of a newer version.
    """
    if len(data) < HEADER.size:
        raise TapeError(f"{path}: {len(data)} bytes are too few for a tape header")
    (
        magic,
        version,
        header_bytes,
        record_bytes,
        pid,
        tid,
        mono,
        wall,
        lost,
        state,
        writer,
        name,
    ) = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise TapeError(f"{path}: not a tape (it begins with {magic!r})")
    if version > VERSION:
        raise TapeError(
            f"{path}: tape version {version}, this reader knows up to {VERSION}",
            remedy="read it with a newer liveprobe",
        )
    if (version, header_bytes, record_bytes) != (VERSION, HEADER_BYTES, RECORD_BYTES):
        raise TapeError(
            f"{path}: damaged header (version {version}, sizes {header_bytes}, {record_bytes})"
        )
    text = name.split(b"\0", 1)[0].decode("utf-8", "replace")
    return TapeHeader(pid, tid, mono, wall, lost, state, writer, text)


def read(path: Path) -> Tape:
    """Read one tape, whatever state its writer left it in.

    Raises `TapeError` when the file is no tape, `OSError` when it cannot be opened.
    """
    import numpy as np

    if path.is_fifo() or path.is_socket():
        raise TapeError(f"{path}: not a file")  # opening it would wait for ever
    with path.open("rb") as file:
        header = read_header(file.read(HEADER.size), path)
        slots = max(0, os.fstat(file.fileno()).st_size - HEADER_BYTES) // RECORD_BYTES
    if slots == 0:
        return Tape(path, header, np.empty(0, record_dtype()), {0: ""}, 0)
    raw = np.memmap(path, dtype=record_dtype(), mode="r", offset=HEADER_BYTES, shape=(slots,))
    finished = raw["sequence"] == np.arange(1, slots + 1, dtype=np.uint64)
    torn = int(np.count_nonzero((raw["kind"] != 0) & ~finished))
    count = slots if finished.all() else int(np.argmin(finished))
    records = raw[:count] if count == np.count_nonzero(finished) else raw[finished]
    return Tape(path, header, records, _names(records), torn)


def read_all(folder: Path) -> tuple[list[Tape], list[tuple[Path, str]]]:
    """Read every tape of a folder in order of name; also (path, why) of the others."""
    tapes: list[Tape] = []
    rejected: list[tuple[Path, str]] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            tapes.append(read(path))
        except (TapeError, OSError) as error:
            rejected.append((path, str(error)))
    return tapes, rejected


def _names(records: NDArray[Any]) -> dict[int, str]:
    definitions = records[records["kind"] == DEFINE]
    parts: dict[int, dict[int, bytes]] = {}
    lengths: dict[int, int] = {}
    for record in definitions:
        identity = int(record["name"])
        parts.setdefault(identity, {})[int(record["part"])] = record.tobytes()[8:48]
        lengths[identity] = min(max(int(record["c"]), 0), MAX_TEXT_BYTES)
    names = {0: ""}
    for identity, chunks in parts.items():
        joined = b"".join(chunks[part] for part in sorted(chunks))
        names[identity] = joined[: lengths[identity]].decode("utf-8", "replace")
    return names
