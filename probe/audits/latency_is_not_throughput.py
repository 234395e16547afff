"""Does a rate that holds hide answers that come late? Depth times period is a latency.

A pipeline whose stages work on different frames at the same time gives one output each frame
period, however long a frame is on its way: `depth` frames are then in flight, and by Little's law
each waits `depth` periods. `1/rate` says nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import breakdown, cases, cases_pace, measured
from probe.model import Audit, Case, Finding, FindingOutcome

if TYPE_CHECKING:
    from probe.measured import Frames
    from probe.store import Run

ID: Final = "latency_is_not_throughput"
TITLE: Final = "A rate that hides a latency"
REMEDY: Final = (
    "have fewer frames on the way: smaller queues that keep the newest frame "
    '(source.policy = "latest"), no look-ahead, fewer stages in parallel; where the work of one '
    "frame alone is over the deadline, only less work helps. State latency beside the rate"
)
HOLDS: Final = 0.95
"""So much of the source's rate reads as its rate: 28.5 of 30 fps. Our own number."""
LEAST_FRAMES: Final = 20
"""A window has at least 20 frame periods (METHOD): fewer frames say nothing of a rate."""
MS_NS: Final = 1e6


def judge(run: Run) -> list[Finding]:
    """Say whether half of the frames come after the deadline though the rate holds."""
    every = measured.frames_of(run)
    if not len(every):
        return [] if run.manifest.get("mode") == "generate" else [_unknown("no frame was measured")]
    frames, period = measured.measured_frames_of(run), every.period_ns
    if len(frames) < LEAST_FRAMES or period is None:
        return [_unknown(f"{len(frames)} frames measured, {LEAST_FRAMES} are needed")]
    if not frames.answered.any():
        return [_unknown("no frame was answered")]
    rate = _rate_fps(frames, period)
    found = _found(run, frames, rate)
    holds = rate * period >= HOLDS * 1e9
    # without a rate that holds there is nothing to hide behind: `lost_frames` has it
    return [found] if holds or found.outcome is FindingOutcome.PASSED else []


def _unknown(why: str) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: {why}",
        FindingOutcome.NOT_MEASURED,
        {},
        'call probe.frame(k, scheduled_ns=...) when frame k enters and probe.mark("delivered", '
        "frame=k) when its output is out",
    )


def _rate_fps(frames: Frames, period_ns: float) -> float:
    """Return the rate of the answers, by their own times or their share, whichever is lower.

    A backlog is answered slower and not less, a program that swallows frames less and not slower.
    """
    shown = frames.rendered_ns[frames.answered]
    lasted = int(shown.max()) - int(shown.min())
    pace = (len(shown) - 1) * 1e9 / lasted if lasted > 0 else 0.0
    return min(pace, float(frames.answered.mean()) * 1e9 / period_ns)


def _found(run: Run, frames: Frames, rate: float) -> Finding:
    latency = float(np.median(frames.latency_ns))
    deadline = measured.deadline_ns(run.manifest)
    interval = 1e3 / rate if rate else None
    evidence: dict[str, Any] = {
        "frames": len(frames),
        "rate_fps": rate,
        "interval_ms": interval,
        "latency_p50_ms": latency / MS_NS if np.isfinite(latency) else None,
        "deadline_ms": deadline / MS_NS,
        "depth_frames": rate * latency / 1e9 if np.isfinite(latency) else None,
    }
    if latency <= deadline:
        title = f"{TITLE}: no, half of the frames are answered within {latency / MS_NS:.1f} ms"
        return Finding(ID, title, FindingOutcome.PASSED, evidence, REMEDY)
    return Finding(
        audit=ID,
        title=f"{TITLE}: {rate:.1f} fps, one output each {interval or 0:.0f} ms, but half of "
        f"them {latency / MS_NS:.0f} ms or more after their frame",
        outcome=FindingOutcome.FAILED,
        evidence=evidence | _spent(run, frames),
        remedy=REMEDY,
        cost_ms_per_frame=(latency - deadline) / MS_NS,
        from_ns=int(frames.due_ns[0]),
        to_ns=int(frames.due_ns[-1]),
    )


def _spent(run: Run, frames: Frames) -> dict[str, float | None]:
    """Return the medians of a frame's work and queue waits: which of both makes it late?"""
    spans = measured.spans_of(run)
    spent = breakdown.breakdown_of(frames, spans, breakdown.beside(run.manifest))
    return {"work_p50_ms": _median_ms(spent.work_ns), "queue_p50_ms": _median_ms(spent.queue_ns)}


def _median_ms(by_stage: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float | None:
    known = np.isfinite(by_stage)
    rows = known.any(axis=1)
    if not rows.any():
        return None
    return float(np.median(np.where(known, by_stage, 0.0)[rows].sum(axis=1))) / MS_NS


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Frames per second are what is advertised, and they are the same for an answer after 30 ms "
    "and one after 300: a pipeline of depth 8 at 30 fps answers 267 ms late.",
    source="METHOD, quantities: 1/rate is never called latency. The rate holds where 95 % of "
    "the frames are answered, at 95 % of the source's rate (our own number); the median is "
    "compared with the deadline, as the p99 is rule 3's",
    requires=("frames", "spans"),
    related=(
        "block_delivery",
        "late_frames",
        "queue_buildup",
        "stage_over_budget",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "the rate holds, and so does the latency",
            lambda: cases.live_run([20.0] * 60),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the full rate, eight periods late",
            lambda: cases.live_run([320.0] * 60),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "exactly at the deadline is in time",
            lambda: cases.live_run([50.0] * 60),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "some late frames are another audit's",
            lambda: cases.live_run([20.0, 20.0, 90.0] * 20),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a rate that does not hold hides nothing",
            lambda: cases.live_run([320.0, None] * 30),
            (),
        ),
        Case(
            "a backlog of 45 ms of work each 40 ms: all answered in the end, at 22 of 25 fps",
            lambda: cases_pace.served_run([45.0] * 120),
            (),
        ),
        Case(
            "too few frames for a rate",
            lambda: cases.live_run([320.0] * 10),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
