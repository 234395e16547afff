"""What is a percentile of so many values: one of them, or nothing where they are too few."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from probe.statistics.binomial import frames_needed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def percentile(ordered: NDArray[np.float64], share: float) -> float | None:
    """Return the nearest-rank percentile of values in rising order, inf where it is a lost frame.

    None from fewer values than the percentile needs at 99 % confidence (METHOD: rule 2): a number
    without a sample is not interpolated. Raises `ValueError` for NaN, which sorts behind "lost".
    """
    count = len(ordered)
    if count and math.isnan(ordered[-1]):
        raise ValueError("a value that is not known (NaN) has no place among the others")
    if count < frames_needed(share):
        return None
    return float(ordered[rank(count, share) - 1])


def rank(count: int, share: float) -> int:
    """Return the nearest rank, from 1, of a percentile among `count` values."""
    return min(count, max(1, math.ceil(share * count - 1e-9)))
