"""How fast does latency rise or fall? Its slope, where there is time enough to tell one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe import statistics
from probe.tape import NULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Frames
    from probe.statistics import Trend

LEAST_SECONDS: Final = 20.0
"""A slope per minute is not read off a shorter stretch: our own number."""
CONFIDENCE: Final = 0.99
MS_NS: Final = 1e6
MINUTE_NS: Final = 60e9


class Drift(NamedTuple):
    """The slope in ms per minute, and what it is of: answered frames, and their latency in ms."""

    trend: Trend
    frames: Frames
    latency_ms: NDArray[np.float64]


def drift_of(frames: Frames) -> Drift | str:
    """Return the drift of the answered ones of `frames`, or why it cannot be told.

    Theil and Sen's slope of latency over the scheduled time, its interval at `CONFIDENCE`. Taken up
    to delivery: the wait for a refresh stays within one refresh, so that in the long run it adds
    nothing. Where refreshes beat with the source (30 fps on 59.94 Hz) it would read as a drift in a
    short one: simulated, with nothing that drifts, up to 60 ms per minute in 20 s, 4 in a minute
    and 0.06 in ten, against 3, 0.6 and 0.02 up to delivery.
    """
    chosen = frames.rows(frames.answered & (frames.delivered_ns != NULL))
    seconds = 0.0
    if len(chosen):
        seconds = (float(np.ptp(chosen.due_ns)) + (frames.period_ns or 0.0)) / 1e9
    if round(seconds, 1) < LEAST_SECONDS:
        return f"frames over {seconds:.1f} s were answered, {LEAST_SECONDS:.0f} s needed"
    latency = (chosen.delivered_ns - chosen.due_ns) / MS_NS
    minutes = (chosen.due_ns - chosen.due_ns[0]) / MINUTE_NS
    found = statistics.trend(minutes, latency, CONFIDENCE)
    if found is None:
        return f"{len(chosen)} frames were answered, {statistics.LEAST_FOR_SLOPE} are needed"
    return Drift(found, chosen, latency)
