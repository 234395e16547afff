"""When did a run change? Its regimes and the level of its latency, one after the other."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe import statistics
from probe.model import Regime
from probe.regimes import WINDOW_NS, WINDOW_PERIODS, merged
from probe.tape import NULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.regimes import Segment
    from probe.verdict.evidence import Evidence

MATERIAL: Final = 0.10
"""A level counts as another from a tenth on: what METHOD's rule 8 calls not sustained."""
MOST_TOLD: Final = 4
"""A sentence names so many stretches; more are counted."""
MS_NS: Final = 1e6


class Change(NamedTuple):
    """A moment at which the latency of rendered frames took another level: medians in ms."""

    at_ns: int
    before_ms: float
    after_ms: float


def latency_changes(evidence: Evidence) -> list[Change]:
    """Return when the response latency changed its level by a tenth or more, in order of time.

    A stretch lasts at least a window of METHOD. The moments are found up to the delivery: the beat
    of source and display moves the time of rendering up and down (`summary.drift`). A change that
    the display hides, for it shows both levels at one refresh, is none of the response latency.
    """
    frames = evidence.frames
    period = frames.period_ns
    frames = frames.rows(frames.answered & (frames.delivered_ns != NULL))
    if period is None or not len(frames):
        return []
    least = max(WINDOW_PERIODS, round(WINDOW_NS / period))
    made = (frames.delivered_ns - frames.due_ns) / MS_NS
    shown = frames.latency_ns / MS_NS
    points = _material(shown, _material(made, statistics.change_points(made, least)))
    levels = [float(np.median(part)) for part in np.split(shown, points)] if points else []
    return [
        Change(int(frames.due_ns[at]), before, after)
        for at, (before, after) in zip(points, pairwise(levels), strict=True)
    ]


def _material(values: NDArray[np.float64], found: list[int]) -> list[int]:
    """Drop the smallest step, one after the other, until each is a tenth of its level or more."""
    points = list(found)
    levels = [float(np.median(part)) for part in np.split(values, points)]
    steps = [_step(*both) for both in pairwise(levels)]
    while points:
        least = int(np.argmin(steps))
        if steps[least] >= MATERIAL:
            break
        del points[least], steps[least]
        begin, end = ([0, *points, len(values)][k] for k in (least, least + 1))
        levels[least : least + 2] = [float(np.median(values[begin:end]))]
        for k in (least - 1, least):  # the steps into the joined stretch and out of it
            if 0 <= k < len(steps):
                steps[k] = _step(levels[k], levels[k + 1])
    return points


def _step(before: float, after: float) -> float:
    return abs(after - before) / abs(before) if before else np.inf


def course(evidence: Evidence, changes: list[Change]) -> str | None:
    """Return what a run was, one stretch after the other; None without a live input."""
    segments = merged(evidence.windows)
    if evidence.generates or not segments:
        return None
    begin = segments[0].from_ns
    return "; ".join([_stretches(segments, begin), *_steps(changes, begin)])


def _stretches(segments: list[Segment], begin: int) -> str:
    if len(segments) > MOST_TOLD:
        first = next(each for each in segments if each.regime is not Regime.REAL_TIME)
        when = f"first {first.regime.value} at {_s(first.from_ns - begin)}"
        return f"{segments[0].regime.value} first, {len(segments) - 1} changes of regime, {when}"
    told = [f"{each.regime.value} for {_s(each.length_ns)}" for each in segments]
    return ", then ".join(told)


def _steps(changes: list[Change], begin: int) -> list[str]:
    if not changes:
        return []
    if len(changes) < MOST_TOLD:
        told = [
            f"{'rose' if each.after_ms > each.before_ms else 'fell'} from {each.before_ms:.1f} to "
            f"{each.after_ms:.1f} ms at {_s(each.at_ns - begin)}"
            for each in changes
        ]
        return [f"latency {', '.join(told)}"]
    most = max(changes, key=lambda each: abs(each.after_ms - each.before_ms))
    step = f"from {most.before_ms:.1f} to {most.after_ms:.1f} ms at {_s(most.at_ns - begin)}"
    return [f"latency changed its level {len(changes)} times, most {step}"]


def _s(length_ns: int) -> str:
    """Return seconds in at most one digit after the point."""
    return f"{round(length_ns / 1e9, 1):g} s"
