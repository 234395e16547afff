"""How sure can a number be? Exact binomial tests for frames whose misses come in bursts.

A percentile is stated only from enough frames, bounded by an order statistic, and tested with the
effective number of independent frames (METHOD: rules 2 to 4).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from probe.model import Outcome, Tier

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL: Final = 0.01
"""One minus the confidence of every statement: 99 % (METHOD: rule 2)."""
NOMINAL_LEVEL: Final = {Tier.QUICK: LEVEL, Tier.STANDARD: 0.003, Tier.CERTIFIED: 0.003}
"""Level at which a tier supports "within the deadline". An estimated effective sample passes too
often at 0.01: 1.0 and 2.0 % of the time for bursts of mean 10 and 30, at n = 18,000 and a true miss
rate of 1 %. At 0.003 it is 0.5 and 0.9 % (10,000 simulated runs each; METHOD: rule 4)."""
P99: Final = 0.99
FEW_BURSTS: Final = 5
"""With fewer bursts of misses their length is not known, and one is assumed (METHOD: rule 4)."""
ASSUMED_BURST: Final = {Tier.QUICK: 1, Tier.STANDARD: 10, Tier.CERTIFIED: 10}
"""Mean length of bursts, in frames, that a tier assumes where few were seen (METHOD: rule 4)."""
LONGEST_BURST: Final = 30
"""The longest mean burst that the tests answer for (METHOD: rule 4). A longer stretch of misses is
no cluster of chance but another behaviour: it may refute with the weight that such bursts have."""
ALL_PAIRS: Final = 700
"""Up to so many points a slope is the median over all pairs, above over as many drawn pairs."""
PAIRS_SEED: Final = 7
LEAST_FOR_SLOPE: Final = 90
"""Fewer points give no slope: as many as a p95 needs."""
_MOST_FRAMES: Final = 2**40


@dataclass(frozen=True)
class Sample:
    """What a series of misses is worth.

    `frames` and `misses` are counted; `effective` is the number of independent frames that tell as
    much; `rho` the lag-1 autocorrelation of the misses, None where it is undefined; `assumed_burst`
    the mean burst that was assumed because fewer than `FEW_BURSTS` were seen, else None; `level` is
    the `NOMINAL_LEVEL` at which it may support.
    """

    frames: int
    misses: int
    bursts: int
    rho: float | None
    assumed_burst: int | None
    effective: int
    level: float


@dataclass(frozen=True)
class Answer:
    """Whether a share of frames met a bound, and the smallest number of further frames to tell.

    `allowed` is how many of the counted frames may miss for the answer to be "supported", None
    where the sample is too small for any. `still_needed` counts frames without a further miss; it
    is None where the answer is not "inconclusive".
    """

    outcome: Outcome
    sample: Sample
    allowed: int | None
    still_needed: int | None


def at_most(misses: int, frames: int, rate: float) -> float:
    """Return P[Bin(frames, rate) <= misses], exactly (the incomplete beta function)."""
    if misses < 0:
        return 0.0
    return 1.0 if misses >= frames else float(special.bdtr(misses, frames, rate))


def at_least(misses: int, frames: int, rate: float) -> float:
    """Return P[Bin(frames, rate) >= misses], exactly (the incomplete beta function)."""
    if misses <= 0:
        return 1.0
    return 0.0 if misses > frames else float(special.bdtrc(misses - 1, frames, rate))


@functools.cache
def frames_needed(share: float, misses: int = 0, level: float = LEVEL) -> int:
    """Return the fewest frames from which `misses` misses support that `share` of all are in time.

    The binomial test of MLPerf LoadGen's early stopping with zero tolerance: the least n with
    ``P[Bin(n, 1 - share) <= misses] < level``.
    """
    low, high = misses, max(misses, 1)
    while at_most(misses, high, 1 - share) >= level:
        low, high = high, high * 2
        if high > _MOST_FRAMES:
            raise ValueError(f"no number of frames tells a share of {share}")
    while high - low > 1:
        middle = (low + high) // 2
        if at_most(misses, middle, 1 - share) < level:
            high = middle
        else:
            low = middle
    return high


def allowed_misses(share: float, frames: int, level: float = LEVEL) -> int | None:
    """Return the most misses in `frames` that support `share`; None where even none is too many."""
    if at_most(0, frames, 1 - share) >= level:
        return None
    low, high = 0, frames
    while high - low > 1:
        middle = (low + high) // 2
        if at_most(middle, frames, 1 - share) < level:
            low = middle
        else:
            high = middle
    return low


def sample_of(missed: NDArray[np.bool_], tier: Tier) -> Sample:
    """Weigh a series of misses in order of time, by what its tier assumes.

    ``n (1 - rho) / (1 + rho)`` is the effective size of a first-order autocorrelated sample (von
    Storch and Zwiers, Statistical Analysis in Climate Research, 1999, 6.6.8). With fewer than
    `FEW_BURSTS` bursts it is at most ``n / (2 b - 1)``, which is the same formula for bursts of
    mean length b: their autocorrelation is close to ``1 - 1/b`` where misses are rare.
    """
    frames, misses = len(missed), int(np.count_nonzero(missed))
    rho = _autocorrelation(missed)
    ratio = 1.0 if rho is None else (1 - rho) / (1 + rho)
    starts = missed.copy()
    starts[1:] &= ~missed[:-1]
    bursts = int(np.count_nonzero(starts))
    assumed = ASSUMED_BURST[tier] if bursts < FEW_BURSTS else None
    if assumed is not None:
        ratio = min(ratio, 1 / (2 * assumed - 1))
    effective = min(frames, max(1, math.floor(frames * ratio))) if frames else 0
    return Sample(frames, misses, bursts, rho, assumed, effective, NOMINAL_LEVEL[tier])


def _autocorrelation(missed: NDArray[np.bool_]) -> float | None:
    """Return the lag-1 autocorrelation clamped to [0, 1); None for a series that never changes."""
    series = missed.astype(np.float64)
    if len(series) <= 1 or series.min() == series.max():
        return None
    series -= series.mean()
    # sums and not dot products: those wake the threads of the linear algebra library
    rho = float((series[1:] * series[:-1]).sum()) / float((series * series).sum())
    return min(max(rho, 0.0), math.nextafter(1.0, 0.0))


def answer(sample: Sample, share: float = P99) -> Answer:
    """Say whether `share` of the frames are in time: supported, refuted, or inconclusive.

    Misses are scaled to the effective sample, rounded up to support and down to refute, so that
    rounding never helps an answer (METHOD: rules 3 and 4). To refute, the effective sample is at
    least that of bursts of mean `LONGEST_BURST`: half a run of misses in one piece would otherwise
    weigh as one frame, and say nothing.
    """
    allowed = _allowed(sample, share)
    if sample.frames == 0:
        needed = frames_needed(share, 0, sample.level)
        return Answer(Outcome.INCONCLUSIVE, sample, None, needed)
    if allowed is not None and sample.misses <= allowed:
        return Answer(Outcome.SUPPORTED, sample, allowed, None)
    weight = max(sample.effective, sample.frames // (2 * LONGEST_BURST - 1))
    if at_least(sample.misses * weight // sample.frames, weight, 1 - share) < LEVEL:
        return Answer(Outcome.REFUTED, sample, allowed, None)
    return Answer(Outcome.INCONCLUSIVE, sample, allowed, _still_needed(sample, share))


def _allowed(sample: Sample, share: float) -> int | None:
    """Return the misses that the whole sample may have: the largest m with ceil(m r) allowed."""
    of_effective = allowed_misses(share, sample.effective, sample.level)
    if of_effective is None:
        return None
    return min(of_effective * sample.frames // sample.effective, sample.frames - 1)


def _still_needed(sample: Sample, share: float) -> int:
    scaled = -(-sample.misses * sample.effective // sample.frames)
    effective = frames_needed(share, scaled, sample.level)
    total = -(-effective * sample.frames // sample.effective)
    return max(1, total - sample.frames)


def percentile(ordered: NDArray[np.float64], share: float) -> float | None:
    """Return the nearest-rank percentile of values in rising order, inf where it is a lost frame.

    None from fewer values than the percentile needs at 99 % confidence (METHOD: rule 2): a number
    without a sample is not interpolated.
    """
    count = len(ordered)
    if count < frames_needed(share):
        return None
    return float(ordered[rank(count, share) - 1])


def rank(count: int, share: float) -> int:
    """Return the nearest rank, from 1, of a percentile among `count` values."""
    return min(count, max(1, math.ceil(share * count - 1e-9)))


def upper_bound(
    ordered: NDArray[np.float64],
    sample: Sample,
    share: float = P99,
) -> float | None:
    """Return an upper confidence bound of a percentile: an order statistic, not an interpolation.

    `ordered` are the sample's values in rising order, inf where lost. It is the value that exactly
    the allowed number of frames exceed (the distribution-free bound of David and Nagaraja, Order
    Statistics, 2003, 7.1), so that it lies within a deadline exactly where `answer` supports it.
    None where the effective sample is too small for one.
    """
    allowed = _allowed(sample, share) if sample.frames else None
    return None if allowed is None else float(ordered[sample.frames - allowed - 1])


def slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """Return the median slope of y over x (Theil and Sen), None below `LEAST_FOR_SLOPE` points.

    Up to `ALL_PAIRS` points it is the median over all pairs (Sen, Estimates of the regression
    coefficient based on Kendall's tau, 1968). Above, over as many pairs drawn with `PAIRS_SEED`:
    O(n), the same answer each time, and no fixed distance that a periodic y could hide behind.
    """
    count = len(x)
    if count < LEAST_FOR_SLOPE:
        return None
    if count <= ALL_PAIRS:
        first, second = np.triu_indices(count, 1)
    else:
        pairs = ALL_PAIRS * (ALL_PAIRS - 1) // 2
        first, second = np.random.default_rng(PAIRS_SEED).integers(0, count, (2, pairs))
    run = x[second] - x[first]
    apart = run != 0
    if not apart.any():
        return None
    return float(np.median((y[second] - y[first])[apart] / run[apart]))


def rank_correlation(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Return Spearman's rank correlation, ties at their mean rank; 0 where either never varies."""
    if len(x) <= 1 or x.min() == x.max() or y.min() == y.max():
        return 0.0
    one, other = _ranks(x), _ranks(y)
    one -= one.mean()
    other -= other.mean()
    return float((one * other).sum() / np.sqrt((one * one).sum() * (other * other).sum()))


def _ranks(values: NDArray[np.int64]) -> NDArray[np.float64]:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[which]
    return ranks
