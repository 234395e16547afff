"""How was each large allocation filled? By the copies that went into it while it lived.

Blocks that live at the same time do not overlap, so each is a rectangle of addresses and time that
touches no other, and a copy is a point in at most one. The points are found with a segment tree
over time, taken level by level: the blocks that live through a whole node of it lie one beside the
other, so that one binary search a level answers for all copies. O(n log^2 n), whatever tapes say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe.copies.kinds import KINDS, MEMCPY
from probe.copies.lineage import extent
from probe.copies.records import groups
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from probe.copies.records import Buffers, Copies

ROWS: Final = "rows"
UNKNOWN: Final = "unknown"
UNTOUCHED: Final = "untouched"
MOST: Final = 0.5
"""Of the bytes that were touched, copies must have written so much to have filled a block."""

_FILLERS: Final = (*(kind.value for kind in KINDS), ROWS)
_BY_ROWS: Final = len(KINDS)
PIECE: Final = 2**18
"""Copies that are looked up together: what the search needs besides stays small."""
_NOWHERE: Final = -1
_FOREVER: Final = 2**62
_LARGEST: Final = 2**36
"""Sums of sizes are kept within 64 bits: no real block is larger."""


class Blocks(NamedTuple):
    """Allocations of one process: addresses [start, end), alive in [born, gone)."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    born: NDArray[np.int64]
    gone: NDArray[np.int64]


def filled(
    blocks: Buffers, copies: Copies, kinds: NDArray[np.int8], process: NDArray[np.int64]
) -> tuple[Sequence[str], NDArray[np.int64]]:
    """Return what filled each block, and how many of its bytes copies wrote.

    `kinds` has the place of each copy's kind in `KINDS`, `process` the process of each tape. What
    filled a block is the kind with the most bytes, "rows" for plain copies of rows, where copies
    wrote at least `MOST` of it (of its resident bytes, where they are known). "untouched" is one
    whose pages came new from the kernel and beyond the first, which holds the allocator's header,
    are still not there; "unknown" is any other.
    """
    size = np.minimum(blocks.bytes, _LARGEST)
    alive = Blocks(
        blocks.address,
        blocks.address + size,
        blocks.start,
        np.where(blocks.end == NULL, _FOREVER, np.maximum(blocks.end, blocks.start) + 1),
    )
    written = _Written(copies)
    block = np.full(len(copies), _NOWHERE)
    theirs = dict(groups(process[copies.tape]))
    for pid, mine in groups(process[blocks.tape]):
        rows = theirs.get(pid, mine[:0])
        rows = rows[written.counts[rows]]
        of_process = Blocks(*(column[mine] for column in alive))
        place = _into(of_process, written, rows)
        block[rows] = np.where(place == _NOWHERE, _NOWHERE, mine[place])
    into = np.flatnonzero(block != _NOWHERE)
    bytes_by_kind = _bytes_by_kind(
        block[into], written.rows(into), _fillers(copies, kinds)[into], len(size)
    )
    covered = _covered(alive, size, block[into], written.rows(into))
    return _named(blocks, size, bytes_by_kind, covered), covered


class _Written:
    """Where copies went, and when: [start, end) with `bytes` of it written."""

    def __init__(self, copies: Copies) -> None:
        reach = extent(
            copies.destination, copies.bytes, copies.rows_moved, copies.row_bytes,
            copies.destination_stride,
        )  # fmt: skip
        self.start, self.end = reach
        self.bytes = copies.bytes
        self.begun_ns, self.ended_ns = copies.start, copies.end
        self.counts = (self.start < self.end) & ~copies.nested

    def rows(self, chosen: NDArray[np.int64]) -> _Extents:
        """Return the chosen ones."""
        return _Extents(self.start[chosen], self.end[chosen], self.bytes[chosen])


class _Extents(NamedTuple):
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    bytes: NDArray[np.int64]


def _into(blocks: Blocks, written: _Written, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the block that each copy went into; the end of rows that were joined is an estimate.

    A conversion may begin before its destination is allocated, so its end counts.
    """
    place = located(blocks, written.start[rows], written.ended_ns[rows])
    again = np.flatnonzero(place == _NOWHERE)
    place[again] = located(blocks, written.start[rows[again]], written.begun_ns[rows[again]])
    return place


def located(
    blocks: Blocks, address: NDArray[np.int64], t_ns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the block in which each address lay at its time; -1 for none."""
    found = np.full(len(address), _NOWHERE)
    if not len(blocks.start) or not len(address):
        return found
    order = np.lexsort((blocks.born, blocks.start))
    starts, ends = blocks.start[order], blocks.end[order]
    times = np.unique(np.concatenate((blocks.born, blocks.gone)))
    rank = np.searchsorted(starts, address, "right") - 1
    leaf = np.searchsorted(times, t_ns, "right") - 1
    left = np.flatnonzero((rank >= 0) & (leaf >= 0))
    left = left[np.argsort(rank[left], kind="stable")]  # neighbours in the search are in memory too
    tree = _levels(
        np.searchsorted(times, blocks.born[order]), np.searchsorted(times, blocks.gone[order]),
        len(times),
    )  # fmt: skip
    for level, node, block in tree:
        key = np.sort(node * len(starts) + block)
        waiting = [left[begin : begin + PIECE] for begin in range(0, len(left), PIECE)]
        for number, rows in enumerate(waiting):
            wanted = ((leaf[rows] + _width(len(times))) >> level) * len(starts) + rank[rows]
            near = key[np.maximum(np.searchsorted(key, wanted, "right") - 1, 0)]
            candidate = near % len(starts)
            inside = (near <= wanted) & (near // len(starts) == wanted // len(starts))
            inside &= address[rows] < ends[candidate]
            found[rows[inside]] = order[candidate[inside]]
            waiting[number] = rows[~inside]
        left = np.concatenate([left[:0], *waiting])
    return found


def _width(leaves: int) -> int:
    return 1 << (leaves - 1).bit_length()


def _levels(
    first: NDArray[np.int64], last: NDArray[np.int64], leaves: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the levels of a segment tree from its leaves up: (level, node, what lives through it).

    Each interval [first, last) of leaves is at most two nodes of a level.
    """
    low, high = first + _width(leaves), last + _width(leaves)
    open_ones = np.flatnonzero(low < high)
    for level in range(_width(leaves).bit_length()):
        low_ones = open_ones[(low[open_ones] & 1) == 1]
        high_ones = open_ones[(high[open_ones] & 1) == 1]
        nodes = np.concatenate((low[low_ones], high[high_ones] - 1))
        if len(nodes):
            yield level, nodes, np.concatenate((low_ones, high_ones))
        low, high = (low + 1) >> 1, high >> 1
        open_ones = open_ones[low[open_ones] < high[open_ones]]


def _fillers(copies: Copies, kinds: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the place in `_FILLERS` of each copy."""
    return np.where((copies.rows_moved > 1) & (kinds == MEMCPY), np.int8(_BY_ROWS), kinds)


def _bytes_by_kind(
    block: NDArray[np.int64], written: _Extents, filler: NDArray[np.int8], count: int
) -> NDArray[np.float64]:
    """Return bytes written, [blocks, fillers]."""
    sums = np.bincount(
        block * len(_FILLERS) + filler, written.bytes, minlength=count * len(_FILLERS)
    )
    return sums.astype(np.float64).reshape(count, len(_FILLERS))


def _covered(
    blocks: Blocks, size: NDArray[np.int64], block: NDArray[np.int64], written: _Extents
) -> NDArray[np.int64]:
    """Return how many bytes of each block were written, those written twice counted once.

    The blocks are laid one behind the other, so that one running maximum serves all. Rows with gaps
    between them count by what they wrote of their extent.
    """
    base = np.cumsum(size) - size
    start = base[block] + np.maximum(written.start - blocks.start[block], 0)
    end = base[block] + np.minimum(written.end - blocks.start[block], size[block])
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reached = np.concatenate(([0], np.maximum.accumulate(end)[:-1])) if len(end) else end
    new = np.maximum(end - np.maximum(start, reached), 0)
    dense = np.minimum(written.bytes / np.maximum(written.end - written.start, 1), 1.0)[order]
    sums = np.bincount(block[order], new * dense, minlength=len(size))
    return np.minimum(np.rint(sums).astype(np.int64), size)


def _named(
    blocks: Buffers,
    size: NDArray[np.int64],
    bytes_by_kind: NDArray[np.float64],
    covered: NDArray[np.int64],
) -> Sequence[str]:
    known = blocks.fresh & (blocks.resident != NULL)
    touched = np.where(known, np.minimum(blocks.resident, size), size)
    by_copies = (covered > 0) & (covered >= MOST * touched)
    number = np.where(by_copies, bytes_by_kind.argmax(axis=1), len(_FILLERS))
    number[~by_copies & known & (blocks.resident == 0)] = len(_FILLERS) + 1
    return [(*_FILLERS, UNKNOWN, UNTOUCHED)[each] for each in number.tolist()]
