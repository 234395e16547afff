"""The copies of a Run, added up by where they come from: as integers, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from probe.moves import Moves


class Groups:
    """The measured copies by site, stage, kind, method and domains.

    Each array has an entry a group: `typical` is the row of its first copy of the most frequent
    shape; the others are sums. `faults` leaves out copies whose faults were not counted.
    """

    def __init__(self, moves: Moves) -> None:
        self._moves = moves
        self._rows = np.flatnonzero(moves.counted)
        keys = [moves.numbers("site")]
        keys += [moves.texts(name).codes for name in ("stage", "kind", "method", "domains")]
        self._group, self._count = coded([key[self._rows] for key in keys])
        self.typical = typical(moves, self._rows, self._group)
        self.copies = np.bincount(self._group, minlength=self._count)
        self.bytes = self._added(moves.numbers("bytes"))
        self.duration_ns = self._added(moves.numbers("duration_ns"))
        self.faults = self._added(moves.numbers("faults"))
        self.avoidable = self._added(np.where(moves.again, moves.numbers("bytes"), 0))

    def __len__(self) -> int:
        return self._count

    def _added(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add a column up by group, exactly; what is not known adds nothing."""
        summed = np.zeros(self._count, dtype=np.int64)
        chosen = values[self._rows]
        np.add.at(summed, self._group, np.where(chosen == NULL, 0, chosen))
        return summed


def typical(moves: Moves, rows: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each group of rows, in order, the first of its most frequent size and shape."""
    geometry = ("bytes", "rows", "row_bytes", "destination_stride", "source_stride")
    keys = [*(moves.numbers(name) for name in geometry), moves.texts("detail").codes]
    shape, count = coded([group, *(key[rows] for key in keys)])
    often = np.bincount(shape, minlength=count)
    first = np.full(count, len(shape), dtype=np.int64)
    np.minimum.at(first, shape, np.arange(len(shape)))
    order = np.lexsort((first, -often, group[first]))
    begins = np.flatnonzero(np.diff(group[first][order], prepend=-1))
    return rows[first[order][begins]]


def coded(keys: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], int]:
    """Return the number of each row's combination of columns, and how many there are."""
    found, count = np.zeros(len(keys[0]), dtype=np.int64), 1
    for key in keys:
        codes, distinct = pd.factorize(key)
        combined, values = pd.factorize(found * max(len(distinct), 1) + codes)
        found, count = combined.astype(np.int64), len(values)
    return found, count if len(found) else 0
