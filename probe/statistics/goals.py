"""Was a measured goal met? Only a whole interval beyond it says no (METHOD: which rule decides).

On a shared machine a program differs from itself by several percent: a point beyond a goal is no
miss, and a point within it no proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from probe.statistics.resampling import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE: Final = 0.95


class Met(StrEnum):
    """What an interval says of a goal."""

    HELD = "held"
    MISSED = "missed"
    UNRESOLVED = "not resolved here"


@dataclass(frozen=True)
class Resolved:
    """Whether a goal was met; `text` is what to print, in METHOD's words."""

    met: Met
    text: str


def median_interval(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the median of independent values, as of pairs of runs, with its exact interval.

    The order statistics between which the median lies at `confidence`, whatever the distribution
    (David and Nagaraja, Order Statistics, 2003, 7.1): as many values fall below it as heads in so
    many throws of a coin. None where even the extremes are not enough: below six values at 95 %.
    Raises `ValueError` for NaN.
    """
    count, tail = len(values), (1 - confidence) / 2
    if np.isnan(values).any():
        raise ValueError("a value that is not known (NaN) has no place among the others")
    ranks = np.arange((count + 1) // 2)
    least = int(np.count_nonzero(special.bdtr(ranks, count, 0.5) <= tail)) if count else 0
    if least == 0:
        return None
    ordered = np.sort(values)
    return Interval(
        float(np.median(ordered)), float(ordered[least - 1]), float(ordered[-least]), count, 1
    )


def resolved(
    found: Interval | None, goal: float, unit: str = "", *, at_most: bool = True
) -> Resolved:
    """Say whether a goal was met by an interval: held, missed, or not resolved here.

    The goal is an upper bound, with `at_most` False a lower one. Reaching it is holding it.
    """
    if found is None:
        return Resolved(Met.UNRESOLVED, f"{Met.UNRESOLVED}: too few values for an interval")
    far, near = (found.high, found.low) if at_most else (-found.low, -found.high)
    bound = goal if at_most else -goal
    if far <= bound:
        return Resolved(Met.HELD, Met.HELD.value)
    if near > bound:
        return Resolved(Met.MISSED, Met.MISSED.value)
    side, end = ("at most", found.high) if at_most else ("at least", found.low)
    return Resolved(Met.UNRESOLVED, f"{Met.UNRESOLVED}, {side} {end:.3g}{unit and f' {unit}'}")
