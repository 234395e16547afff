"""Which copy wrote what another one reads? By address and time, within a process.

A copy reads what an earlier one wrote when its source lies within the destination of the last copy
that touched any of it, and no large allocation began there since. A copy that keeps the format
(memcpy, materialize) reads as many bytes as it writes, or the span of its rows; of a conversion or
a transfer only the first byte of the source is known. A source that several copies wrote has no
lineage.

The search is a segment tree over addresses, taken level by level so that each step is one sort and
one search over all copies: O(n log^2 n), whatever the tapes say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NO_WRITER: Final = -1
FARTHEST: Final = 2**47
"""No copy reaches further: the size of an address space."""


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


def sources(
    writes: Ranges,
    written_ns: NDArray[np.int64],
    writer: NDArray[np.int64],
    reads: Ranges,
    *,
    read_ns: NDArray[np.int64],
    whole: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the writer of what each read reads; -1 where there is none.

    `written_ns` is when a write was complete, `writer` what to answer: -1 for a write that is no
    copy, such as a new allocation. `whole` marks reads whose whole range must come from it; of the
    others the first byte counts.
    """
    real = np.flatnonzero(writes.start < writes.end)
    order = real[np.argsort(written_ns[real], kind="stable")]
    begin, end = writes.start[order], writes.end[order]
    before = np.searchsorted(written_ns[order], read_ns, "right")  # writes that were complete
    asked = np.flatnonzero((reads.start < reads.end) & (before > 0))
    if not len(order) or not len(asked):
        return np.full(len(read_ns), NO_WRITER)
    until = np.where(whole[asked], reads.end[asked], reads.start[asked] + 1)
    last = _last_touching(Ranges(begin, end), Ranges(reads.start[asked], until), before[asked])
    found = np.full(len(read_ns), NO_WRITER)
    touched = last >= 0
    holds = touched & (begin[last] <= reads.start[asked]) & (until <= end[last])
    found[asked[holds]] = writer[order][last[holds]]
    return found


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
