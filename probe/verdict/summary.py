"""The numbers of a verdict: latency, rate, speed, drift, stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import measured, statistics
from probe.drift import drift_of
from probe.model import Fate
from probe.tape import NULL
from probe.verdict import generation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Spans
    from probe.statistics import Sample
    from probe.verdict.evidence import Evidence

LOST: Final = "lost"
MS_NS: Final = 1e6
Number = float | str | None
"""A value in its unit, "lost" where it falls on a lost frame, None where there is none."""


def fates(evidence: Evidence) -> dict[str, int] | None:
    """Return how many measured frames met each fate; None without a live input."""
    if evidence.generates or not len(evidence.all_frames):
        return None
    frames = evidence.frames
    return {fate.value.replace(" ", "_"): int(np.count_nonzero(frames.of(fate))) for fate in Fate}


def latency(evidence: Evidence) -> dict[str, Number] | None:
    """Return the response latency in ms over all measured frames, a lost one being infinite."""
    if not evidence.live:
        return None
    return _distribution(evidence.frames.latency_ns / MS_NS, evidence.sample)


def rendered_latency(evidence: Evidence) -> dict[str, Number] | None:
    """Return the response latency in ms over the frames that were rendered, and so flatters."""
    if not evidence.live:
        return None
    frames = evidence.frames.rows(evidence.frames.answered)
    sample = statistics.sample_of(frames.missed, evidence.tier)
    return _distribution(frames.latency_ns / MS_NS, sample)


def _distribution(values: NDArray[np.float64], sample: Sample) -> dict[str, Number]:
    ordered = np.sort(values)
    named: dict[str, Number] = {
        f"p{round(share * 100)}": number(statistics.percentile(ordered, share))
        for share in (0.5, 0.95, 0.99)
    }
    named["p99_upper"] = number(statistics.upper_bound(values, sample))
    named["max"] = number(float(ordered[-1])) if len(ordered) else None
    named["n"] = len(ordered)
    named["n_eff"] = sample.effective
    return named


def number(value: float | None) -> Number:
    """Return a latency as the verdict holds it: infinite is "lost"."""
    if value is None:
        return None
    return LOST if np.isinf(value) else value


def slack_p99(evidence: Evidence, found: dict[str, Number] | None) -> float | None:
    """Return the deadline minus the p99 in ms; None where the p99 is no time."""
    p99 = (found or {}).get("p99")
    return evidence.deadline_ns / MS_NS - p99 if isinstance(p99, float) else None


def rate(evidence: Evidence) -> float | None:
    """Return unique frames per second: rendered in the window, or delivered where none is shown.

    None without a live input: what a generator makes a second is `generation.rate`, and no rate.
    """
    window = evidence.window
    if window is None or window.length_ns <= 0 or evidence.generates:
        return None
    if len(evidence.all_frames):
        frames = evidence.all_frames
        times = frames.rendered_ns[frames.answered]
    else:
        times = evidence.outputs.delivered_ns
    if not len(evidence.outputs):
        return 0.0 if evidence.live and evidence.mode != "command" else None
    inside = (times >= window.start_ns) & (times < window.end_ns)
    return float(np.count_nonzero(inside)) / (window.length_ns / 1e9)


def speed(evidence: Evidence) -> float | None:
    """Return seconds of media made per second of wall time."""
    if not len(evidence.all_frames):
        return generation.overall_speed(evidence.requests)
    period, per_second = evidence.all_frames.period_ns, rate(evidence)
    return None if period is None or per_second is None else per_second * period / 1e9


def time_to_first_frame(evidence: Evidence) -> float | None:
    """Return ms from the first scheduled frame to the first output, warm-up and all.

    Without a live input: the median over the measured requests, each from when it was made.
    """
    if not len(evidence.all_frames):
        waits = [
            each.first_ns - each.asked_ns for each in evidence.requests if each.first_ns is not None
        ]
        return float(np.median(waits)) / MS_NS if waits else None
    shown = evidence.all_frames.rendered_ns
    shown = shown[shown != NULL]
    window = evidence.window
    return (int(shown.min()) - window.first_ns) / MS_NS if len(shown) and window else None


def drift(evidence: Evidence) -> float | None:
    """Return the slope of latency up to delivery of rendered frames in ms per minute.

    None where they are too few, or of too short a time (`probe.drift`, which says why up to
    delivery).
    """
    found = drift_of(evidence.frames)
    return None if isinstance(found, str) else found.trend.slope


def in_flight_mean(evidence: Evidence) -> float | None:
    """Return the mean of the gauge of frames in flight inside the window."""
    return None if evidence.in_flight is None else evidence.in_flight.gauge


def stages(evidence: Evidence) -> list[dict[str, Any]]:
    """Return work and queue wait of each stage in ms per execution, and its share of all work.

    Executions count for the measured frames; without a live input those that began in the window.
    """
    spans = measured_spans(evidence)
    work = (spans.end_ns - spans.start_ns) / MS_NS
    total = float(work.sum())
    order = np.argsort(spans.stage, kind="stable")
    bounds = np.searchsorted(spans.stage[order], np.arange(len(spans.stages) + 1))
    found = []
    for k, name in enumerate(spans.stages):
        rows = order[bounds[k] : bounds[k + 1]]
        if not len(rows):
            continue
        ordered = np.sort(work[rows])
        queued = spans.queue_ns[rows]
        waits = np.sort(queued[queued != NULL]) / MS_NS
        found.append(
            {
                "stage": name,
                "p50_ms": statistics.percentile(ordered, 0.5),
                "p99_ms": statistics.percentile(ordered, 0.99),
                "queue_p50_ms": statistics.percentile(waits, 0.5),
                "queue_p99_ms": statistics.percentile(waits, 0.99),
                "share": float(ordered.sum()) / total if total > 0 else None,
                "n": len(rows),
            }
        )
    return found


def measured_spans(evidence: Evidence) -> Spans:
    """Return the executions that count: of the measured frames, else those begun in the window."""
    if len(evidence.all_frames):
        return measured.measured_spans_of(evidence.run)
    spans, window = evidence.spans, evidence.window
    if window is None:
        return spans
    return spans.rows((spans.start_ns >= window.start_ns) & (spans.start_ns < window.end_ns))
