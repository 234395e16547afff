"""Which values does a percentile stand on? Series in order of time, in ms.

Where a Run has none, a text says why.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from probe.verdict.evidence import Evidence

    Series = NDArray[np.float64] | str

MS_NS: Final = 1e6
NO_INPUT: Final = "a program without a live input has no such number"


def _latency(evidence: Evidence) -> Series:
    return evidence.frames.latency_ns / MS_NS if evidence.live else NO_INPUT


def _rendered_latency(evidence: Evidence) -> Series:
    if not evidence.live:
        return NO_INPUT
    return evidence.frames.latency_ns[evidence.frames.answered] / MS_NS


def shown(evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.int64]] | str:
    """Return when the unique frames of the window were rendered, in order, and were due."""
    window, frames = evidence.window, evidence.all_frames
    if not evidence.live or window is None:
        return NO_INPUT
    at = frames.rendered_ns
    inside = frames.answered & (at >= window.start_ns) & (at < window.end_ns)
    order = np.argsort(at[inside], kind="stable")
    return at[inside][order], frames.due_ns[inside][order]


def _intervals(evidence: Evidence) -> Series:
    found = shown(evidence)
    return found if isinstance(found, str) else np.diff(found[0]) / MS_NS


def _pacing(evidence: Evidence) -> Series:
    found = shown(evidence)
    if isinstance(found, str):
        return found
    errors: NDArray[np.float64] = np.abs(np.diff(found[0]) - np.diff(found[1])) / MS_NS
    return errors


def _first(evidence: Evidence) -> Series:
    return _of_requests(evidence, [each.first_ns for each in evidence.requests])


def _duration(evidence: Evidence) -> Series:
    return _of_requests(evidence, [each.to_ns for each in evidence.requests])


def _of_requests(evidence: Evidence, ends: list[int | None]) -> Series:
    if not evidence.requests:
        return "no request was measured"
    waits = [
        math.inf if end is None else (end - each.asked_ns) / MS_NS
        for each, end in zip(evidence.requests, ends, strict=True)
    ]
    return np.array(waits)


SERIES: Final[dict[str | None, Callable[[Evidence], Series]]] = {
    "latency": _latency,
    "rendered_latency": _rendered_latency,
    "present.interval": _intervals,
    "pacing.error": _pacing,
    "request.first": _first,
    "request.duration": _duration,
}
"""What `Metric.series` names."""
