"""What the interposer's tapes hold, as plain arrays: copies, entry points, allocations, notes.

Tapes are foreign input. A record whose numbers cannot be (a copy of no or of negative bytes, an end
before its begin, a method that nobody knows) is left out and counted; what belongs to it (a shape
without its copy) is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

import numpy as np

from probe.copies.methods import METHODS
from probe.marks import json_value
from probe.tape import (
    BUFFER,
    COPY,
    COUNTERS,
    COUNTERS_OFFSET,
    ENTRY,
    NOTE,
    NULL,
    SHAPE,
    WRITER_INTERPOSER,
    Tape,
    record_dtype,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

CHUNK: Final = 2**18
"""Records that are looked at together: what is taken of them stays small beside a tape."""
MOST_BYTES: Final = 2**47
"""Of one copy or allocation: an address space has no more."""
MOST_NS: Final = 2**62
DETAIL_LENGTH: Final = 200
MOST_NOTES: Final = 1_000
"""Of one tape."""
NESTED: Final = 1
FRESH: Final = 1
NOT_COUNTED: Final = 2**32 - 1

Lookup = tuple["NDArray[np.int64]", "NDArray[np.int32]"]
"""Numbers that a tape defines, rising, and what each stands for."""
Found = TypeVar("Found")


class _Rows:
    """Arrays of equal length, one entry a record."""

    @classmethod
    def room(cls, like: Self, count: int) -> Self:
        """Return columns as `like` has them, for `count` records that are still to be put there."""
        names = cls.__dataclass_fields__  # type: ignore[attr-defined]
        return cls(*(np.empty(count, getattr(like, name).dtype) for name in names))

    def put(self, begin: int, part: Self) -> None:
        """Put the records of a part there, from `begin` on."""
        for name in self.__dataclass_fields__:  # type: ignore[attr-defined]
            column = getattr(part, name)
            getattr(self, name)[begin : begin + len(column)] = column

    def rows(self, chosen: NDArray[Any] | slice) -> Self:
        """Return the chosen records: of a mask or row numbers a copy, of a slice a view."""
        names = self.__dataclass_fields__  # type: ignore[attr-defined]
        return type(self)(*(getattr(self, name)[chosen] for name in names))

    def select(self, order: NDArray[np.int64]) -> Self:
        """Keep these records, in this order, in place: a second set would need as much memory."""
        for name in self.__dataclass_fields__:  # type: ignore[attr-defined]
            column = getattr(self, name)
            column[: len(order)] = column[order]
        return self.rows(slice(0, len(order)))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the records of several, one after the other."""
        names = cls.__dataclass_fields__  # type: ignore[attr-defined]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Copies(_Rows):
    """Copies: `tape` numbers the tapes, -1 for one that another runtime told of.

    `site` and `detail` number merged sites and texts, -1 where there is none; an address of 0 is
    not known; `faults` and the four of the shape are `NULL` where they are not known.
    """

    tape: NDArray[np.int32]
    method: NDArray[np.uint16]
    nested: NDArray[np.bool_]
    site: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    bytes: NDArray[np.int64]
    destination: NDArray[np.int64]
    source: NDArray[np.int64]
    faults: NDArray[np.int64]
    source_domain: NDArray[np.uint8]
    domain: NDArray[np.uint8]
    rows_moved: NDArray[np.int64]
    row_bytes: NDArray[np.int64]
    destination_stride: NDArray[np.int64]
    source_stride: NDArray[np.int64]
    detail: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Entries(_Rows):
    """Calls of a library's entry points."""

    tape: NDArray[np.int32]
    method: NDArray[np.uint16]
    site: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    handle: NDArray[np.int64]
    bytes: NDArray[np.int64]
    result: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Buffers(_Rows):
    """Large allocations; `end` and `resident` are `NULL` where they are not known."""

    tape: NDArray[np.int32]
    site: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    bytes: NDArray[np.int64]
    address: NDArray[np.int64]
    resident: NDArray[np.int64]
    fresh: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)


class Note(NamedTuple):
    """Something to know of a process: a key and a JSON object."""

    pid: int
    key: str
    said: dict[str, Any]


class Counters(NamedTuple):
    """What an interposer counted on one tape, whatever found room (`probe.tape.COUNTERS`)."""

    small_copies: int
    small_bytes: int
    copies: int
    bytes: int
    passed_unseen: int
    untracked_buffers: int
    rows: int


def of_interposer(tape: Tape) -> bool:
    """Say whether an interposer wrote this tape, and not the program itself."""
    return tape.header.writer == WRITER_INTERPOSER


class Texts:
    """Free texts of all tapes, numbered: each text once."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of a text; -1 for none."""
        short = text[:DETAIL_LENGTH]
        return self.known.setdefault(short, len(self.known)) if short else -1

    def lookup(self, tape: Tape) -> Lookup:
        """Return what the names of a tape stand for, as a lookup."""
        return lookup_of({key: self.number(text) for key, text in tape.names.items()})


def groups(keys: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each distinct key with the rows that have it, in rising order of both."""
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    for rows in np.split(order, bounds) if len(order) else ():
        yield int(keys[rows[0]]), rows


def lookup_of(known: dict[int, int]) -> Lookup:
    """Return a dictionary as two arrays, for `found`."""
    keys = sorted(known)
    values = np.array([known[key] for key in keys], dtype=np.int32)
    return np.array(keys, dtype=np.int64), values


def found(lookup: Lookup, numbers: NDArray[Any]) -> NDArray[np.int32]:
    """Look numbers up; -1 for one that is not defined."""
    keys, values = lookup
    if not len(keys):
        return np.full(len(numbers), -1, dtype=np.int32)
    wanted = numbers.astype(np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], np.int32(-1))


def copies_of(tapes: Sequence[Tape], sites: Sequence[Lookup], texts: Texts) -> tuple[Copies, int]:
    """Return the copies of all tapes, tape by tape, and how many records could not be.

    `sites` has the merged sites of each tape (`probe.copies.sites`).
    """
    # All in one place from the start: joined afterwards, they would take twice the memory.
    nothing = _copies(np.empty(0, record_dtype()), -1, lookup_of({}))[0]
    most = sum(int(np.count_nonzero(tape.records["kind"] == COPY)) for tape in tapes)
    copies = Copies.room(nothing, most)
    count = refused = 0
    for number, (tape, known) in enumerate(zip(tapes, sites, strict=True)):
        begin, sequences = count, []
        for chunk in _chunks(tape, COPY):
            part, sequence, left_out = _copies(chunk, number, known)
            copies.put(count, part)
            count, refused = count + len(part), refused + left_out
            sequences.append(sequence)
        if sequences:
            mine = copies.rows(slice(begin, count))
            _add_shapes(mine, np.concatenate(sequences), tape, texts)
    return copies.rows(slice(0, count)), refused


def _chunks(tape: Tape, kind: int) -> Iterator[NDArray[Any]]:
    for begin in range(0, len(tape.records), CHUNK):
        records = tape.records[begin : begin + CHUNK]
        chosen = records[records["kind"] == kind]
        if len(chosen):
            yield chosen


_MOVES: Final = np.zeros(2**16, dtype=bool)
_MOVES[[number for number, method in METHODS.items() if method.kind is not None]] = True


def _copies(
    records: NDArray[Any], number: int, sites: Lookup
) -> tuple[Copies, NDArray[np.uint64], int]:
    size, start, end = records["frame"], records["t0"], records["t1"]
    sane = (size > 0) & (size < MOST_BYTES) & _in_time(start, end) & _MOVES[records["part"]]
    refused = len(records) - int(np.count_nonzero(sane))
    if refused:
        records = records[sane]
    count = len(records)
    said = records["c"].astype(np.uint64)
    faults = (said & np.uint64(NOT_COUNTED)).astype(np.int64)
    blank = np.full(count, NULL)
    copies = Copies(
        tape=np.full(count, number, dtype=np.int32),
        method=records["part"].astype(np.uint16),
        nested=(records["flags"] & NESTED) != 0,
        site=found(sites, records["name"]),
        start=records["t0"].astype(np.int64),
        end=records["t1"].astype(np.int64),
        bytes=records["frame"].astype(np.int64),
        destination=_addresses(records["a"]),
        source=_addresses(records["b"]),
        faults=np.where(faults == NOT_COUNTED, NULL, faults),
        source_domain=((said >> np.uint64(32)) & np.uint64(0xFF)).astype(np.uint8),
        domain=((said >> np.uint64(40)) & np.uint64(0xFF)).astype(np.uint8),
        rows_moved=blank,
        row_bytes=blank.copy(),
        destination_stride=blank.copy(),
        source_stride=blank.copy(),
        detail=np.full(count, -1, dtype=np.int32),
    )
    return copies, records["sequence"].astype(np.uint64), refused


def _in_time(start: NDArray[Any], end: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((start >= 0) & (start <= end) & (end < MOST_NS), dtype=bool)


def _addresses(said: NDArray[Any]) -> NDArray[np.int64]:
    plain = said.astype(np.int64)
    return np.where((plain > 0) & (plain < MOST_NS), plain, 0)


def _add_shapes(copies: Copies, sequences: NDArray[np.uint64], tape: Tape, texts: Texts) -> None:
    details = texts.lookup(tape)
    for records in _chunks(tape, SHAPE):
        wanted = records["c"].astype(np.uint64)
        place = np.minimum(np.searchsorted(sequences, wanted), len(sequences) - 1)
        sane = (sequences[place] == wanted) if len(sequences) else np.zeros(len(wanted), bool)
        place, records = place[sane], records[sane]  # noqa: PLW2901 - of this chunk
        copies.detail[place] = found(details, records["b"])
        rows = (records["t0"] > 0) & (records["t1"] > 0)
        place, records = place[rows], records[rows]  # noqa: PLW2901 - likewise
        copies.rows_moved[place] = records["t0"]
        copies.row_bytes[place] = records["t1"]
        copies.destination_stride[place] = records["frame"]
        copies.source_stride[place] = records["a"]


def entries_of(tapes: Sequence[Tape], sites: Sequence[Lookup]) -> Entries:
    """Return the calls of entry points of all tapes."""
    return Entries.joined(_all(tapes, sites, ENTRY, _entries))


def _entries(records: NDArray[Any], number: int, sites: Lookup) -> Entries:
    records = records[_in_time(records["t0"], records["t1"])]
    return Entries(
        tape=np.full(len(records), number, dtype=np.int32),
        method=records["part"].astype(np.uint16),
        site=found(sites, records["name"]),
        start=records["t0"].astype(np.int64),
        end=records["t1"].astype(np.int64),
        handle=records["a"].astype(np.int64),
        bytes=records["b"].astype(np.int64),
        result=records["c"].astype(np.int64),
    )


def buffers_of(tapes: Sequence[Tape], sites: Sequence[Lookup]) -> Buffers:
    """Return the large allocations of all tapes, each with the tape of who allocated it."""
    parts = _all(tapes, sites, BUFFER, _buffers)
    buffers = Buffers.joined([part for part, _, _ in parts])
    names = np.concatenate([name for _, name, _ in parts])
    threads = np.concatenate([thread for _, _, thread in parts])
    opened: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for number, tape in enumerate(tapes):
        head = tape.header
        opened.setdefault((head.pid, head.tid), []).append((head.monotonic_ns, number))
    for recorder, rows in groups(buffers.tape):
        for thread, mine in groups(threads[rows]):
            chosen = rows[mine]
            known = sorted(opened.get((tapes[recorder].header.pid, thread), ()))
            if known:  # a thread id may be given again: the tape that was open then
                times = np.array([at for at, _ in known[1:]], dtype=np.int64)
                numbers = np.array([number for _, number in known])
                buffers.tape[chosen] = numbers[
                    np.searchsorted(times, buffers.start[chosen], "right")
                ]
    for number, rows in groups(buffers.tape):
        buffers.site[rows] = found(sites[number], names[rows])
    return buffers


def _buffers(
    records: NDArray[Any], number: int, _: Lookup
) -> tuple[Buffers, NDArray[np.int64], NDArray[np.int64]]:
    """Return allocations, the site of each, and the thread whose tape has it."""
    size, start, end = records["frame"], records["t0"], records["t1"]
    sane = (size > 0) & (size < MOST_BYTES) & _in_time(start, np.where(end == NULL, start, end))
    records = records[sane & (records["a"] > 0) & (records["a"] < MOST_NS)]
    buffers = Buffers(
        tape=np.full(len(records), number, dtype=np.int32),
        site=np.full(len(records), -1, dtype=np.int32),
        start=records["t0"].astype(np.int64),
        end=records["t1"].astype(np.int64),
        bytes=records["frame"].astype(np.int64),
        address=records["a"].astype(np.int64),
        resident=records["b"].astype(np.int64),
        fresh=(records["flags"] & FRESH) != 0,
    )
    return buffers, records["name"].astype(np.int64), records["c"].astype(np.int64)


def _all(
    tapes: Sequence[Tape],
    sites: Sequence[Lookup],
    kind: int,
    taken: Callable[[NDArray[Any], int, Lookup], Found],
) -> list[Found]:
    """Return what is taken of each chunk of records of a kind; of no record where there is none."""
    return [
        taken(np.empty(0, record_dtype()), -1, lookup_of({})),
        *(
            taken(records, number, known)
            for number, (tape, known) in enumerate(zip(tapes, sites, strict=True))
            for records in _chunks(tape, kind)
        ),
    ]


def notes_of(tapes: Iterable[Tape]) -> list[Note]:
    """Return the notes of all tapes in order of time.

    One that is no JSON object says its text under "text".
    """
    notes = []
    for tape in tapes:
        records = np.concatenate([tape.records[:0], *_chunks(tape, NOTE)])[:MOST_NOTES]
        columns = (records[field].tolist() for field in ("t0", "name", "a"))
        for t_ns, name, text in zip(*columns, strict=True):
            said = tape.names.get(text, "")
            try:
                value = json_value(said)
            except (ValueError, RecursionError):
                value = None
            known = value if isinstance(value, dict) else {"text": said[:DETAIL_LENGTH]}
            key = tape.names.get(name, f"?{name}")
            notes.append((t_ns, Note(tape.header.pid, key, known)))
    return [note for _, note in sorted(notes, key=lambda pair: pair[0])]


def counters_of(tape: Tape) -> Counters:
    """Read what the interposer counted on a tape; zeros where the file is gone."""
    try:
        with tape.path.open("rb") as file:
            file.seek(COUNTERS_OFFSET)
            data = file.read(COUNTERS.size)
    except OSError:
        data = b""
    return Counters(*COUNTERS.unpack(data.ljust(COUNTERS.size, b"\0")))
