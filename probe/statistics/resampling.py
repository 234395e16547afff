"""How sure is a statistic of a series whose values depend on their neighbours? Blocks are drawn.

Runs, which are the samples of a comparison, are permuted: `probe.effects`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from probe.statistics.dependence import autocovariance, inflation, ranks
from probe.statistics.percentiles import rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Statistic = Callable[[NDArray[np.float64]], float]

SEED: Final = 7
"""The same data have the same interval each time."""
BLOCK_RESAMPLES: Final = 1_000
LEAST_BLOCKS: Final = 10
"""Fewer blocks give no interval: there would be next to nothing to draw from. Our own bound."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval, in units of the values.

    `samples` counts the values it stands on; `block` is the length of the blocks that were drawn.
    """

    estimate: float
    low: float
    high: float
    samples: int
    block: int


def block_length(values: NDArray[np.float64]) -> int:
    """Return how long blocks must be to carry the dependence of a series, from 1 to n / 3.

    The automatic choice of Politis and White, 2004, with the correction of Patton, Politis and
    White, 2009, for circular blocks. It is taken of the ranks, so that lost frames (inf) and
    outliers count as late and no more.
    """
    count = len(values)
    if count <= 1:
        return 1
    covariance = autocovariance(ranks(values))
    if covariance[0] <= 0:
        return 1
    quiet = max(5, math.ceil(math.sqrt(math.log10(count))))
    most = min(math.ceil(math.sqrt(count)) + quiet, count - 1)
    loud = np.abs(covariance[1 : most + 1] / covariance[0]) >= 2 * math.sqrt(
        math.log10(count) / count
    )
    lags = np.flatnonzero(loud)
    # the first lag that `quiet` lags without correlation follow
    ends = [0, *(int(lag) + 1 for lag in lags)]
    gaps = np.diff([*ends, most + quiet + 1])
    last = ends[int(np.argmax(gaps > quiet))]
    width = min(2 * max(last, 1), most)
    at = np.arange(1, width + 1)
    window = np.minimum(1.0, 2 * (1 - at / width)) * covariance[at]
    spectrum = float(covariance[0] + 2 * window.sum())
    if spectrum <= 0:
        return 1
    bias = 2 * float((at * window).sum())
    length = math.cbrt(1.5 * (bias / spectrum) ** 2 * count)
    return int(max(1, math.ceil(min(length, 3 * math.sqrt(count), count / 3))))


def block_interval(
    values: NDArray[np.float64],
    statistic: Statistic,
    confidence: float = 0.95,
    block: int | None = None,
) -> Interval | None:
    """Return a statistic of a series in order of time with its interval; None from few blocks.

    The circular block bootstrap (Politis and Romano, A circular block-resampling procedure for
    stationary data, 1992) with percentile limits: blocks of length `block`, `block_length` where it
    is not given, drawn with replacement from the series closed to a ring. Blocks cut the dependence
    at their ends and are few, so the limits are moved out by what that takes from the variance
    (`_shortfall`). None below `LEAST_BLOCKS` blocks. Lost frames may be inf where the statistic
    allows it; raises `ValueError` for NaN.

    Simulated (150 AR(1) series each), 95 % covers the mean 92 to 95 % of the time, and the median
    93 to 97 %, for rho 0 to 0.95 and n 200 to 4,000; without the moving out it was 85 to 95 %.
    """
    count = len(values)
    if np.isnan(values).any():
        raise ValueError("a value that is not known (NaN) has no place in a series")
    length = block_length(values) if block is None else block
    if count < LEAST_BLOCKS * length:
        return None
    rng = np.random.default_rng(SEED)
    ring = np.concatenate([values, values[: length - 1]])
    blocks = np.lib.stride_tricks.sliding_window_view(ring, length)
    each = -(-count // length)
    found = [
        statistic(blocks[rng.integers(0, count, each)].ravel()[:count])
        for _ in range(BLOCK_RESAMPLES)
    ]
    low, high = _limits(np.array(found), confidence)
    middle = float(statistic(values))
    if math.isfinite(middle):
        wider = _shortfall(values, length, confidence)
        low, high = (middle + (end - middle) * wider for end in (low, high))
    return Interval(middle, low, high, count, length)


def _shortfall(values: NDArray[np.float64], length: int, confidence: float) -> float:
    """Return by how much limits that were drawn from blocks are too near, of the ranks' mean.

    The standard deviation of the mean of blocks against that by `inflation`, and Student's t of so
    many blocks against the normal distribution.
    """
    order = ranks(values)
    covariance = autocovariance(order)
    inside = 1 - np.arange(1, length) / length
    within = float(covariance[0] + 2 * (inside * covariance[1:length]).sum())
    whole = inflation(order) * float(covariance[0])
    missing = max(1.0, whole / within) if within > 0 else 1.0
    blocks, at = len(values) / length, (1 + confidence) / 2
    student = float(special.stdtrit(blocks - 1, at) / special.ndtri(at))
    return student * math.sqrt(missing * blocks / (blocks - 1))


def _limits(found: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Return the order statistics that leave half of the rest on either side."""
    ordered, tail = np.sort(found), (1 - confidence) / 2
    at = rank(len(ordered), tail)
    return float(ordered[at - 1]), float(ordered[-at])
