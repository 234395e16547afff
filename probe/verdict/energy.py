"""What did a line of power take of the window, and in how much of the window was it read?

A reading is a point of a line that goes straight to the next one. Mean and energy are taken from
that one line: the mean is the energy by the time that it was read in. Where the next reading did
not come in time, or said nothing, the line has a gap: nothing is known of it, and it is not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Window

MOST_STEPS: Final = 3.0
"""Of the line's own median step: after this long without a reading there is a gap: our own number.
A source that is late by one reading has none."""
LONGEST_GAP: Final = 0.1
"""Of the window: where more of it was not read, its energy is not known: our own number."""

UNKNOWN: Final = "no two readings follow each other in the window: one alone is no mean"


@dataclass(frozen=True)
class Drawn:
    """What was taken in equal stretches of the window (nJ), and in how much of each it was read.

    `starts_ns` and `ends_ns` are the times that were read, in order, within the window.
    """

    nanojoules: NDArray[np.float64]
    read_ns: NDArray[np.int64]
    starts_ns: NDArray[np.int64]
    ends_ns: NDArray[np.int64]
    length_ns: int

    @property
    def joules(self) -> float:
        """What was taken in the time that was read."""
        return float(self.nanojoules.sum()) / 1e9

    @property
    def mean(self) -> float:
        """Watts, over the time that was read."""
        return float(self.nanojoules.sum()) / int(self.read_ns.sum())

    @property
    def means(self) -> NDArray[np.float64] | None:
        """Watts of each stretch; None where one of them was not read at all."""
        return self.nanojoules / self.read_ns if bool((self.read_ns > 0).all()) else None

    @property
    def gap(self) -> str | None:
        """Say how much of the window was not read, where it is too much; None where it is not."""
        missing = self.length_ns - int(self.read_ns.sum())
        if missing <= LONGEST_GAP * self.length_ns:
            return None
        return f"power was not read for {missing / 1e9:.1f} s of the window"

    def count(self, times: NDArray[np.int64]) -> int:
        """Return how many of these times lie where it was read."""
        place = np.searchsorted(self.starts_ns, times, side="right") - 1
        return int(np.count_nonzero((place >= 0) & (times < self.ends_ns[place])))


def drawn(
    times: NDArray[np.int64], watts: NDArray[np.float64], window: Window, parts: int
) -> Drawn | None:
    """Return what a line took; None where no two readings follow each other in the window.

    `watts` are NaN where the source said nothing. Readings outside of the window do not count: the
    first and the last one inside are held to its edges.
    """
    inside = (times >= window.start_ns) & (times < window.end_ns)
    times, first = np.unique(times[inside], return_index=True)
    watts = watts[inside][first]
    if len(times) < 2:  # noqa: PLR2004 - two ends of a line
        return None
    longest = MOST_STEPS * float(np.median(np.diff(times)))
    times = np.concatenate(([window.start_ns], times, [window.end_ns]))
    watts = np.concatenate((watts[:1], watts, watts[-1:]))
    read = np.isfinite(watts[1:]) & np.isfinite(watts[:-1]) & (np.diff(times) <= longest)
    steps = np.linspace(0, window.length_ns, parts + 1).round().astype(np.int64)
    edges = window.start_ns + steps
    nodes = np.unique(np.concatenate((edges, times)))
    known = read[np.searchsorted(times, nodes[:-1], side="right") - 1]
    if not known.any():
        return None
    at = np.interp(nodes - window.start_ns, times - window.start_ns, np.nan_to_num(watts))
    long = np.diff(nodes)
    part = np.searchsorted(edges, nodes[:-1], side="right") - 1
    nanojoules, read_ns = np.zeros(parts), np.zeros(parts, np.int64)
    np.add.at(nanojoules, part[known], ((at[1:] + at[:-1]) / 2 * long)[known])
    np.add.at(read_ns, part[known], long[known])
    return Drawn(nanojoules, read_ns, nodes[:-1][known], nodes[1:][known], window.length_ns)
