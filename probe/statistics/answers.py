"""Is a share of the frames in time: supported, refuted, or not to be told yet?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from probe.model import Outcome
from probe.statistics.binomial import LEVEL, P99, allowed_misses, at_least, at_most
from probe.statistics.bursts import LONGEST_BURST, Sample, sample_at, sample_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


MOST_FRAMES: Final = 2**40
"""More frames than anybody measures: 1,000 years of 30 a second."""
MOST_TRIED: Final = 100
"""An upper bound of a percentile is looked for among so many values at most."""


@dataclass(frozen=True)
class Answer:
    """Whether `share` of the frames met a bound."""

    outcome: Outcome
    sample: Sample
    share: float

    @cached_property
    def allowed(self) -> int | None:
        """How many of the counted frames may miss, hanging together as these do, to be supported.

        None where the sample is too small for any.
        """
        return _allowed(self.sample, self.share)

    @cached_property
    def still_needed(self) -> int | None:
        """How many further frames, of which none misses, make the answer "supported".

        Tried on the series made longer, as its bursts then weigh otherwise. None where the answer
        is not "inconclusive".
        """
        if self.outcome is not Outcome.INCONCLUSIVE:
            return None
        return _still_needed(self.sample, self.share)


def answer(sample: Sample, share: float = P99) -> Answer:
    """Say whether `share` of the frames are in time: supported, refuted, or inconclusive.

    Misses are scaled to the effective sample, rounded up to support and down to refute, so that
    rounding never helps an answer (METHOD: rules 3 and 4). To refute, the effective sample is at
    least that of bursts of mean `LONGEST_BURST`: half a run of misses in one piece would otherwise
    weigh as one frame, and say nothing. Raises `ValueError` for a share that is not inside (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of {share} is not between 0 and 1")
    if _supports(sample, share):
        return Answer(Outcome.SUPPORTED, sample, share)
    outcome = Outcome.REFUTED if _refutes(sample, share) else Outcome.INCONCLUSIVE
    return Answer(outcome, sample, share)


def upper_bound(
    values: NDArray[np.float64],
    sample: Sample,
    share: float = P99,
) -> float | None:
    """Return an upper confidence bound of a percentile: an order statistic, not an interpolation.

    `values` are in order of time, inf where lost; `sample` are their misses of a deadline. It is
    the least value that no more of them exceed than may miss the deadline (the distribution-free
    bound of David and Nagaraja, Order Statistics, 2003, 7.1), if the frames beyond it, too, hang
    together no more than the test allows; so it lies within the deadline exactly where `answer`
    supports that. Of many values at most `MOST_TRIED` are tried. None where the effective sample is
    too small for any. Raises `ValueError` for NaN.
    """
    if np.isnan(values).any():
        raise ValueError("a percentile of values that are not known (NaN) has no bound")
    allowed = _allowed(sample, share) if sample.frames else None
    if allowed is None:
        return None
    ordered = np.sort(values)
    tried = np.unique(np.linspace(0, allowed, min(allowed + 1, MOST_TRIED)).astype(np.int64))
    for beyond in sorted({*tried.tolist(), min(sample.misses, allowed)}, reverse=True):
        value = float(ordered[len(ordered) - 1 - beyond])
        if _supports(sample_of(values > value, sample.tier), share):
            return value
    return None


def _supports(sample: Sample, share: float) -> bool:
    if sample.frames == 0:
        return False
    scaled = math.ceil(sample.misses * sample.weight * sample.effective / sample.frames)
    return at_most(scaled, sample.effective, 1 - share) < sample.level


def _refutes(sample: Sample, share: float) -> bool:
    if sample.frames == 0:
        return False
    weight = max(sample.effective, sample.frames // (2 * LONGEST_BURST - 1))
    return at_least(sample.misses * weight // sample.frames, weight, 1 - share) < LEVEL


def _allowed(sample: Sample, share: float) -> int | None:
    """Return the misses that the whole sample may have: the largest m with ceil(m w r) allowed."""
    of_effective = allowed_misses(share, sample.effective, sample.level)
    if of_effective is None:
        return None
    weight = sample.effective * sample.weight
    return min(of_effective * sample.frames // weight, sample.frames - 1)


def _still_needed(sample: Sample, share: float) -> int | None:
    def enough(frames: int) -> bool:
        return _supports(sample_at(sample.at, sample.frames + frames, sample.tier), share)

    few, many = 0, 1
    while not enough(many):
        few, many = many, 2 * many
        if many > MOST_FRAMES:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many
