"""Which of nested intervals holds a moment? The innermost one, for many moments at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE: Final = -1


class Timeline:
    """Intervals of one thread; a moment t lies in [start, end), in the one that began last."""

    def __init__(self, start: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        order = np.lexsort((-end, start))
        order = order[(start < end)[order]]
        starts, ends = start[order], end[order]
        if np.all(starts[1:] >= ends[:-1]):
            self._bounds, self._owner = _one_after_another(starts, ends)
        else:
            self._bounds, self._owner = _nested(starts, ends)
        self._interval = np.append(order, NONE)

    def at(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the interval that holds each time; `NONE` where none does."""
        place = np.searchsorted(self._bounds, times, "right") - 1
        owner = np.where(place < 0, NONE, self._owner[np.maximum(place, 0)])
        return self._interval[owner]


def _one_after_another(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    bounds = np.column_stack((starts, ends)).reshape(-1)
    owner = np.column_stack((np.arange(len(starts)), np.full(len(starts), NONE))).reshape(-1)
    return (bounds, owner) if len(bounds) else _nested(starts, ends)


def _nested(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sweep over intervals by start: (where the holder changes, who holds from there on)."""
    bounds, owner = [np.iinfo(np.int64).min], [NONE]
    open_ones: list[tuple[int, int]] = []  # (end, number), the one that began last on top

    def close(until: int) -> None:
        while open_ones and open_ones[-1][0] <= until:
            end, _ = open_ones.pop()
            while open_ones and open_ones[-1][0] <= end:
                open_ones.pop()
            bounds.append(end)
            owner.append(open_ones[-1][1] if open_ones else NONE)

    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        close(start)
        bounds.append(start)
        owner.append(number)
        open_ones.append((end, number))
    close(np.iinfo(np.int64).max)
    return np.array(bounds, dtype=np.int64), np.array(owner, dtype=np.int64)
