"""How far do the values of a series hang together, and how few independent ones is it worth?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray


def autocovariance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocovariance at every lag, by the transform of Wiener and Khinchin."""
    count = len(values)
    size = fft.next_fast_len(2 * count, real=True)
    power = np.abs(fft.rfft(values - values.mean(), size)) ** 2
    covariance: NDArray[np.float64] = fft.irfft(power, size)[:count] / count
    return covariance


def inflation(values: NDArray[np.float64]) -> float:
    """Return how many of its values a series needs for one independent one, at least 1.

    The sum of the autocorrelation over all lags, as long as the sums of neighbouring pairs of it
    stay positive, and not above the last (Geyer, Practical Markov chain Monte Carlo, 1992): fast
    noise over a slow wander has little at lag 1, and is worth few values all the same.
    """
    if len(values) <= 1:
        return 1.0
    covariance = autocovariance(values)
    if covariance[0] <= 0:
        return 1.0
    even = len(covariance) // 2 * 2
    pairs = covariance[:even:2] + covariance[1:even:2]
    ended = np.flatnonzero(pairs <= 0)
    falling = np.minimum.accumulate(pairs[: ended[0] if len(ended) else None])
    return max(1.0, float((2 * falling.sum() - covariance[0]) / covariance[0]))


def ranks(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rank of each value from 1, ties at their mean rank; inf are the last."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    order: NDArray[np.float64] = (ends - (counts - 1) / 2)[which]
    return order
