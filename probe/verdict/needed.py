"""How much longer must a run be before it tells whether the p99 is within the deadline?

Nothing is estimated by a formula: the measured series of misses is made longer, and asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from probe import statistics
from probe.measured import STANDARD_NS, WARMUP_NS
from probe.model import Outcome, Tier

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from probe.statistics import Sample
    from probe.verdict.evidence import Evidence

    Question = Callable[[Sample], bool]
    Series = Callable[[NDArray[np.bool_], int], NDArray[np.bool_]]

MOST_FRAMES: Final = 5 * 10**6
"""Two days at 30 fps; what takes longer to tell is not told."""


@dataclass(frozen=True)
class Longer:
    """How much longer: whole seconds, and the frames that the source gives in them."""

    seconds: int
    frames: int


def clean(missed: NDArray[np.bool_], total: int) -> NDArray[np.bool_]:
    """Return the series made longer without a further miss."""
    return np.concatenate((missed, np.zeros(total - len(missed), dtype=bool)))


def as_before(missed: NDArray[np.bool_], total: int) -> NDArray[np.bool_]:
    """Return the series made longer by itself: the same misses, in the same bursts.

    Where misses come by chance not each run of that length tells: a third to two thirds of those
    that were simulated.
    """
    return np.resize(missed, total)


def supported(sample: Sample) -> bool:
    """Say whether 99 % of the frames are in time."""
    return statistics.answer(sample).outcome is Outcome.SUPPORTED


def refuted(sample: Sample) -> bool:
    """Say whether fewer than 99 % of the frames are in time."""
    return statistics.answer(sample).outcome is Outcome.REFUTED


def longer(evidence: Evidence, further: Series, question: Question) -> Longer | None:
    """Return the fewest whole seconds after which the answer to `question` is yes.

    The further frames come at the measured rate and miss as `further` says. From 600 s on the run
    is of the standard tier, which asks for more. None where the rate is not known, or the answer
    is still no after `MOST_FRAMES`.
    """
    rate, missed = frames_per_second(evidence), evidence.frames.missed
    if rate is None or not len(missed):
        return None

    def yes(seconds: int) -> bool:
        total = len(missed) + _frames_in(evidence, seconds)
        return question(statistics.sample_of(further(missed, total), tier_after(evidence, seconds)))

    most = int((MOST_FRAMES - len(missed)) / rate)
    border = _seconds_to_standard(evidence)
    for low, high in ((0, min(border - 1, most)), (max(0, border - 1), most)):
        found = _first(yes, low, high)
        if found is not None:
            return Longer(found, _frames_in(evidence, found))
    return None


def _first(yes: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the first number above `low`, up to `high`, at which the answer turns to yes."""
    no, step = low, 1
    while no < high:
        tried = min(no + step, high)
        if not yes(tried):
            no, step = tried, 2 * step
            continue
        while tried - no > 1:
            middle = (no + tried) // 2
            no, tried = (no, middle) if yes(middle) else (middle, tried)
        return tried
    return None


def frames_per_second(evidence: Evidence) -> float | None:
    """Return the rate at which the source gave the measured frames; None where it is not known."""
    window = evidence.window
    if window is None or window.length_ns <= 0 or not len(evidence.frames):
        return None
    return len(evidence.frames) / (window.length_ns / 1e9)


def _frames_in(evidence: Evidence, seconds: int) -> int:
    """Return the whole frames that the source gives in so many seconds; counted in integers."""
    window = evidence.window
    return 0 if window is None else seconds * 10**9 * len(evidence.frames) // window.length_ns


def tier_after(evidence: Evidence, seconds: int) -> Tier:
    """Return the tier of the same run, so many seconds longer."""
    if evidence.tier is Tier.QUICK and seconds >= _seconds_to_standard(evidence):
        return Tier.STANDARD
    return evidence.tier


def _seconds_to_standard(evidence: Evidence) -> int:
    """Return after how many further seconds a quick run is of the standard tier.

    0 where it is no quick one; a run with a short warm-up never is: `MOST_FRAMES`.
    """
    window = evidence.window
    if evidence.tier is not Tier.QUICK:
        return 0
    if window is None or window.warmup_ns < WARMUP_NS:
        return MOST_FRAMES
    return max(1, -(-(STANDARD_NS - window.length_ns) // 10**9))
