"""Is a share of the frames in time: supported, refuted, or not to be told yet?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probe.model import Outcome
from probe.statistics.binomial import LEVEL, P99, allowed_misses, at_least, frames_needed
from probe.statistics.bursts import LONGEST_BURST, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


def _allowed(sample: Sample, share: float) -> int | None:
    """Return the misses that the whole sample may have: the largest m with ceil(m w r) allowed."""
    of_effective = allowed_misses(share, sample.effective, sample.level)
    if of_effective is None:
        return None
    weight = sample.effective * sample.weight
    return min(of_effective * sample.frames // weight, sample.frames - 1)


def _still_needed(sample: Sample, share: float) -> int:
    scaled = -(-sample.misses * sample.weight * sample.effective // sample.frames)
    effective = frames_needed(share, scaled, sample.level)
    total = -(-effective * sample.frames // sample.effective)
    return max(1, total - sample.frames)
