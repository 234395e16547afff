"""How sure is a number whose distribution nobody knows? Bootstraps and permutations.

Of frames, which depend on their neighbours, whole blocks are drawn; of runs, single ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import fft

from probe.statistics.percentiles import rank
from probe.statistics.trend import ranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Statistic = Callable[[NDArray[np.float64]], float]

SEED: Final = 7
"""The same data have the same interval each time."""
BLOCK_RESAMPLES: Final = 1_000
RUN_RESAMPLES: Final = 10_000
LEAST_BLOCKS: Final = 10
"""Fewer blocks give no interval: there would be next to nothing to draw from. Our own bound."""
LEAST_RUNS: Final = 2
"""One run a side says nothing of the scatter between runs (METHOD: comparison)."""
EXACT_PERMUTATIONS: Final = 20_000
"""Up to so many, which is eight runs a side, all are counted; above, so many are drawn."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval, in units of the values.

    `samples` counts the values it stands on, runs of both sides in a difference; `block` is the
    length of the blocks that were drawn, 1 for runs.
    """

    estimate: float
    low: float
    high: float
    samples: int
    block: int


@dataclass(frozen=True)
class Permutation:
    """How often chance alone sets two sides of runs as far apart.

    `p_value` is two-sided; `least` is the smallest that so many runs a side can reach: where it is
    above the level that is asked for, there are too few runs, whatever they say. `exact` where
    every permutation was counted.
    """

    p_value: float
    least: float
    permutations: int
    exact: bool


def block_length(values: NDArray[np.float64]) -> int:
    """Return how long blocks must be to carry the dependence of a series, from 1 to n / 3.

    The automatic choice of Politis and White, 2004, with the correction of Patton, Politis and
    White, 2009, for circular blocks. It is taken of the ranks, so that lost frames (inf) and
    outliers count as late and no more.
    """
    count = len(values)
    covariance = _autocovariance(ranks(values))
    if count <= 1 or covariance[0] <= 0:
        return 1
    quiet = max(5, math.ceil(math.log10(count)))
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

    The circular block bootstrap (Politis and Romano, 1992) with percentile limits: blocks of length
    `block`, `block_length` where it is not given, drawn with replacement from the series closed to
    a ring. None below `LEAST_BLOCKS` blocks. Lost frames may be inf where the statistic allows it.
    Simulated (200 AR(1) series each), a 95 % interval of a mean covers it 98 % of the time at
    rho 0 and 90 % at 0.7 (n = 1,000), 88 % at 0.5 (n = 200) and 96 % at 0.9 (n = 4,000).
    """
    count = len(values)
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
    return Interval(float(statistic(values)), low, high, count, length)


def median_difference(
    base: NDArray[np.float64], other: NDArray[np.float64], confidence: float = 0.95
) -> Interval | None:
    """Return median(other) - median(base) over runs with its interval; None from one run a side.

    The percentile bootstrap with each side drawn by itself (Efron and Tibshirani, An Introduction
    to the Bootstrap, 1993, 13.3). Simulated without a difference (1,000 pairs, normal and
    exponential), its 95 % covers zero 65 to 68 % of the time for two runs a side, 90 to 91 for
    three, 93 for four, and 95 to 98 for five to twenty.
    """
    if min(len(base), len(other)) < LEAST_RUNS:
        return None
    rng = np.random.default_rng(SEED)
    sides = (
        np.median(side[rng.integers(0, len(side), (RUN_RESAMPLES, len(side)))], axis=1)
        for side in (base, other)
    )
    before, after = sides
    low, high = _limits(after - before, confidence)
    estimate = float(np.median(other) - np.median(base))
    return Interval(estimate, low, high, len(base) + len(other), 1)


def permutation(base: NDArray[np.float64], other: NDArray[np.float64]) -> Permutation | None:
    """Return how likely two sides of runs differ so much by chance; None from one run a side.

    A permutation test of the difference in mean rank (Wilcoxon's rank sum, exact with ties too),
    by scipy.stats.permutation_test: ranks, so that one run that a neighbour threw off weighs no
    more than by being the slowest. Up to `EXACT_PERMUTATIONS` all are counted, above so many are
    drawn with `SEED`.
    """
    from scipy import stats  # a second of imports, for the few who ask

    if min(len(base), len(other)) < LEAST_RUNS:
        return None
    order = ranks(np.concatenate([base, other]))
    ways = math.comb(len(order), len(base))
    found = stats.permutation_test(
        (order[: len(base)], order[len(base) :]),
        lambda one, two, axis: two.mean(axis) - one.mean(axis),
        vectorized=True,
        n_resamples=EXACT_PERMUTATIONS,
        random_state=np.random.default_rng(SEED),
    )
    exact = ways <= EXACT_PERMUTATIONS
    least = 2 / ways if exact else 2 / (EXACT_PERMUTATIONS + 1)
    return Permutation(float(found.pvalue), least, min(ways, EXACT_PERMUTATIONS), exact)


def _autocovariance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocovariance at every lag, by the transform of Wiener and Khinchin."""
    count = len(values)
    size = fft.next_fast_len(2 * count, real=True)
    power = np.abs(fft.rfft(values - values.mean(), size)) ** 2
    covariance: NDArray[np.float64] = fft.irfft(power, size)[:count] / count
    return covariance


def _limits(found: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Return the order statistics that leave half of the rest on either side."""
    ordered, tail = np.sort(found), (1 - confidence) / 2
    low = ordered[rank(len(ordered), tail) - 1]
    return float(low), float(ordered[rank(len(ordered), 1 - tail) - 1])
