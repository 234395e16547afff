"""Which copy wrote what another one reads? By address and time, within a process.

A copy reads what an earlier one wrote when its source lies within the destination of the last copy
that touched any of it, and no large allocation began there since. A copy that keeps the format
(memcpy, materialize) reads as many bytes as it writes, or the span of its rows; of a conversion or
a transfer only the first byte of the source is known. A source that several copies wrote has no
lineage.

The search is a segment tree over addresses, taken level by level so that each step is one sort and
one search over many copies: O(n log^2 n), whatever the tapes say. Time is gone through in stretches
of `STRETCH` copies; of what was written before only what is still there is kept, so that an hour of
copies takes no more memory than a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe.copies.kinds import BY_NUMPY
from probe.copies.records import groups
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from probe.copies.records import Buffers, Copies

NO_WRITER: Final = -1
FARTHEST: Final = 2**47
"""No copy reaches further: the size of an address space."""
STRETCH: Final = 2**19
"""Copies that are looked at together."""


class Ranges(NamedTuple):
    """Ranges of addresses, [start, end); an empty one (start >= end) is not known."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]


def extent(
    address: NDArray[np.int64],
    size: NDArray[np.int64],
    rows: NDArray[np.int64],
    row_bytes: NDArray[np.int64],
    stride: NDArray[np.int64],
) -> Ranges:
    """Return what copies touch: `size` bytes, and no less than from first to last of their rows.

    `address` is that of the first row; with a negative stride the others lie below it. 0 is not
    known. The rows may be those of the first of several planes, whose `size` is that of all. Rows
    that reach further than an address space are taken for a block.
    """
    shaped = (rows != NULL) & (stride != NULL)
    shaped &= np.abs(stride.astype(np.float64)) * rows.astype(np.float64) < FARTHEST
    reach = np.where(shaped, (rows - 1) * np.where(shaped, stride, 0), 0)
    last = np.where(shaped, np.minimum(row_bytes, FARTHEST), size)
    start = address + np.minimum(reach, 0)
    end = np.maximum(address + np.maximum(reach, 0) + last, start + size)
    return Ranges(start, np.where(address > 0, end, start))


class Memory:
    """What was written to the memory of a process so far, and of that what is still there."""

    def __init__(self) -> None:
        nothing = np.empty(0, dtype=np.int64)
        self._there = Ranges(nothing, nothing)
        self._writer = nothing

    def sources(
        self,
        writes: Ranges,
        written_ns: NDArray[np.int64],
        writer: NDArray[np.int64],
        reads: Ranges,
        *,
        read_ns: NDArray[np.int64],
        whole: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Take further writes; return the writer of what each read reads, -1 where there is none.

        `written_ns` is when a write was complete, `writer` what to answer: -1 for a write that is
        no copy, such as a new allocation. `whole` marks reads whose whole range must come from it;
        of the others the first byte counts. What is read here comes after all that was taken
        before.
        """
        real = np.flatnonzero(writes.start < writes.end)
        order = real[np.argsort(written_ns[real], kind="stable")]
        before = len(self._writer) + np.searchsorted(written_ns[order], read_ns, "right")
        self._writer = np.concatenate((self._writer, writer[order]))
        self._there = Ranges(
            np.concatenate((self._there.start, writes.start[order])),
            np.concatenate((self._there.end, writes.end[order])),
        )
        found = np.full(len(read_ns), NO_WRITER)
        asked = np.flatnonzero((reads.start < reads.end) & (before > 0))
        if len(asked):
            past = np.where(whole[asked], reads.end[asked], reads.start[asked] + 1)
            last = _holding(self._there, Ranges(reads.start[asked], past), before[asked])
            found[asked] = np.where(last >= 0, self._writer[last], NO_WRITER)
        return found

    def forget(self) -> None:
        """Let go of what was written over: nobody can read it any more."""
        seen = _visible(self._there)
        self._there = Ranges(self._there.start[seen], self._there.end[seen])
        self._writer = self._writer[seen]


def source_copies(
    copies: Copies,
    blocks: Buffers,
    process: NDArray[np.int64],
    keeps: NDArray[np.bool_],
    stretch: int = STRETCH,
) -> NDArray[np.int64]:
    """Return for each copy the row of the one that wrote what it reads; -1 for none.

    The copies are in order of their start, `process` has the process of each tape, `keeps` marks
    copies that read as many bytes as they write.
    """
    source = np.full(len(copies), NO_WRITER)
    begun = dict(groups(process[blocks.tape]))
    for pid, rows in groups(process[copies.tape]):
        if pid < 0:
            continue
        fresh = begun.get(pid, rows[:0])  # first: a block begins before what is copied into it
        written_ns = np.concatenate((blocks.start[fresh], copies.end[rows]))
        order = np.argsort(written_ns, kind="stable")
        memory, taken = Memory(), 0
        for begin in range(0, len(rows), stretch):
            now = rows[begin : begin + stretch]
            until = int(np.searchsorted(written_ns, copies.start[now[-1]], "right", sorter=order))
            writes = order[taken:until]
            new, made = fresh[writes[writes < len(fresh)]], writes[writes >= len(fresh)]
            made = rows[made - len(fresh)]
            written, read = (_extents(copies, each) for each in (made, now))
            source[now] = memory.sources(
                Ranges(
                    np.concatenate((blocks.address[new], written[0].start)),
                    np.concatenate((blocks.address[new] + blocks.bytes[new], written[0].end)),
                ),
                np.concatenate((blocks.start[new], copies.end[made])),
                np.concatenate((np.full(len(new), NO_WRITER), made)),
                read[1],
                read_ns=copies.start[now],
                whole=keeps[now],
            )
            memory.forget()
            taken = until
    return source


def _extents(copies: Copies, chosen: NDArray[np.int64]) -> tuple[Ranges, Ranges]:
    """Return what the chosen copies write and what they read."""
    size, row_bytes = copies.bytes[chosen], copies.row_bytes[chosen]
    rows = np.where(BY_NUMPY[copies.method[chosen]], NULL, copies.rows_moved[chosen])
    written, read = (
        extent(address[chosen], size, rows, row_bytes, stride[chosen])
        for address, stride in (
            (copies.destination, copies.destination_stride),
            (copies.source, copies.source_stride),
        )
    )
    return written, read


def _holding(writes: Ranges, reads: Ranges, before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the last of the first `before` writes that touches a read, if it holds all of it."""
    last = _last_touching(writes, reads, before)
    holds = (writes.start[last] <= reads.start) & (reads.end <= writes.end[last])
    return np.where((last >= 0) & holds, last, NO_WRITER)


def _visible(writes: Ranges) -> NDArray[np.int64]:
    """Return the writes of which a part was not written over by later ones, in their order."""
    places = _distinct(np.concatenate((writes.start, writes.end)))
    low, high = np.searchsorted(places, writes.start), np.searchsorted(places, writes.end)
    levels = [np.full(len(places), NO_WRITER)]
    for level, rows, node in _cover(low, high):
        while len(levels) <= level:
            levels.append(np.full((len(levels[-1]) + 1) // 2, NO_WRITER))
        np.maximum.at(levels[level], node, rows)
    upper = levels.pop()
    while levels:  # down again: what covers a node covers both of its halves
        lower = levels.pop()
        upper = np.maximum(lower, np.repeat(upper, 2)[: len(lower)])
    seen = np.zeros(len(low), dtype=bool)
    seen[upper[upper >= 0]] = True
    return np.flatnonzero(seen)


def _last_touching(writes: Ranges, reads: Ranges, before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the last of the first `before` writes that overlaps each read; -1 for none.

    A write overlaps a read when it holds the first byte of it, or begins within the rest.
    """
    places = _distinct(np.concatenate((writes.start, writes.end, reads.start, reads.end)))
    low, high = np.searchsorted(places, writes.start), np.searchsorted(places, writes.end)
    first, past = np.searchsorted(places, reads.start), np.searchsorted(places, reads.end)
    last = np.full(len(before), NO_WRITER)
    count = len(low)
    for level, rows, node in _cover(low, high):
        keys = np.sort(node * count + rows)
        last = np.maximum(last, _latest(keys, count, first >> level, before))
    for level, rows, node in _cover(first + 1, past):
        keys = np.sort((low >> level) * count + np.arange(count))
        last[rows] = np.maximum(last[rows], _latest(keys, count, node, before[rows]))
    return last


def _distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the values in rising order, each once; `numpy.unique` hashes, which is slower here."""
    values.sort()
    return values[np.append(values[1:] != values[:-1], True)] if len(values) else values


def _cover(
    low: NDArray[np.int64], high: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (level, rows, nodes): the largest aligned blocks of 2^level that make up [low, high).

    A range has two blocks of a level at most; they come one after the other.
    """
    rows = np.flatnonzero(low < high)
    low, high, level = low[rows], high[rows], 0
    while len(rows):
        for odd, node in (((low & 1) == 1, low), ((high & 1) == 1, high - 1)):
            if odd.any():
                yield level, rows[odd], node[odd]
        low, high, level = (low + 1) >> 1, high >> 1, level + 1
        left = low < high
        rows, low, high = rows[left], low[left], high[left]


def _latest(
    keys: NDArray[np.int64],
    count: int,
    node: NDArray[np.int64],
    before: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the last number below `before` that stands at `node`; -1 for none.

    `keys` are node times `count` plus number, in rising order.
    """
    place = np.searchsorted(keys, node * count + before) - 1
    key = keys[np.maximum(place, 0)]
    return np.where((place >= 0) & (key // count == node), key % count, NO_WRITER)
