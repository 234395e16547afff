"""Does the picture fall behind, little by little? The slope of latency, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cases, explaining, measured
from probe.drift import drift_of
from probe.model import Audit, Case, Finding, FindingOutcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.drift import Drift
    from probe.measured import Frames
    from probe.statistics import Trend
    from probe.store import Run

ID: Final = "sync_drift"
TITLE: Final = "Latency that drifts"
REMEDY: Final = (
    "where it rises without end, frames come faster than the stage named here works: let queues "
    "give up old frames instead of keeping them, or lower source.fps; a clock of source or display "
    "that runs at another rate needs a frame dropped or repeated now and then; one step at a time "
    "is a throttled or disturbed machine"
)
SOUND_LEADS_MS: Final = 45.0
SOUND_LAGS_MS: Final = 125.0
"""How far sound may lead or lag the picture before a viewer notices (ITU-R BT.1359-1, 1998). A
latency that rises lets the sound lead."""
HORIZON_MINUTES: Final = measured.STANDARD_NS / 60e9
"""A drift that reaches this within the standard tier's ten minutes is worth a warning."""
LEAST_SHARE: Final = 0.1
"""A change is worth a word from a tenth of the median latency on, as in METHOD's rule 8."""
MS_NS: Final = 1e6
MINUTE_NS: Final = 60e9


def judge(run: Run) -> list[Finding]:
    """Say how fast the latency up to delivery of answered frames rises or falls."""
    every = measured.frames_of(run)
    if not len(every):
        return [] if run.manifest.get("mode") == "generate" else [_unknown("no frame was measured")]
    found = drift_of(every.rows(every.measured))
    return [_unknown(found) if isinstance(found, str) else _found(run, found)]


def _unknown(why: str) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: {why}",
        FindingOutcome.NOT_MEASURED,
        {},
        "measure for longer: a slope in ms per minute needs a stretch of time",
    )


def _found(run: Run, drift: Drift) -> Finding:
    found, frames, latency = drift
    minutes = float(frames.due_ns[-1] - frames.due_ns[0]) / MINUTE_NS
    outcome = _outcome(found, minutes, float(np.median(latency)))
    evidence: dict[str, Any] = {
        "frames": len(frames),
        "ms_per_min": found.slope,
        "ms_per_min_99_pct": [found.low, found.high],
        "over_the_window_ms": found.slope * minutes,
        "first_tenth_ms": _tenth(latency, first=True),
        "last_tenth_ms": _tenth(latency, first=False),
        "first": _row(frames, latency, 0),
        "last": _row(frames, latency, len(frames) - 1),
    }
    slope = (
        f"{found.slope:+.1f} ms per minute up to delivery, by 99 % between {found.low:+.1f} and "
        f"{found.high:+.1f}"
    )
    if outcome is FindingOutcome.PASSED:
        title = f"{TITLE}: none that is sure and would be noticed, {slope}"
        return Finding(ID, title, outcome, evidence, REMEDY)
    stages = _rises_ms(run, frames, falling=found.slope < 0)
    return Finding(
        audit=ID,
        title=f"{TITLE}: {slope}",
        outcome=outcome,
        evidence=evidence | {"stages": explaining.in_ms(stages)},
        remedy=REMEDY,
        cost_ms_per_frame=abs(found.slope) * minutes / 2,
        stage=explaining.foremost(
            stages, abs(evidence["last_tenth_ms"] - evidence["first_tenth_ms"])
        ),
        from_ns=int(frames.due_ns[0]),
        to_ns=int(frames.delivered_ns[-1]),
    )


def _outcome(found: Trend, minutes: float, usual_ms: float) -> FindingOutcome:
    """Judge the end of the interval that is nearer to no drift."""
    rising = found.low > 0
    if not rising and found.high >= 0:
        return FindingOutcome.PASSED
    sure = found.low if rising else -found.high
    noticed = SOUND_LEADS_MS if rising else SOUND_LAGS_MS
    if sure * minutes >= noticed:
        return FindingOutcome.FAILED
    grows = sure * HORIZON_MINUTES >= noticed and sure * minutes >= LEAST_SHARE * usual_ms
    return FindingOutcome.WARNING if grows else FindingOutcome.PASSED


def _tenth(values: NDArray[np.float64], *, first: bool) -> float:
    size = max(1, len(values) // 10)
    return float(np.median(values[:size] if first else values[-size:]))


def _row(frames: Frames, latency: NDArray[np.float64], k: int) -> dict[str, Any]:
    return {
        "frame": int(frames.number[k]),
        "scheduled_ns": int(frames.due_ns[k]),
        "latency_ms": float(latency[k]),
    }


def _rises_ms(run: Run, frames: Frames, *, falling: bool) -> dict[str, float]:
    """Return by how much each stage and its queue rose (fell) from the first to the last tenth."""
    sign = -1.0 if falling else 1.0
    rises = {}
    for name, total in explaining.totals_of(run, frames).items():
        known = total[np.isfinite(total)] / MS_NS
        if len(known):
            rises[name] = sign * (_tenth(known, first=False) - _tenth(known, first=True))
    return rises


def _rising(ms_per_min: float, seconds: int = 40, start_ms: float = 20.0) -> list[float | None]:
    """Return latencies that change at a rate, with a scatter of a millisecond."""
    return [
        start_ms + ms_per_min * k / 1500 + (0.0, 0.7, -0.4, 1.0)[k % 4] for k in range(25 * seconds)
    ]


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A latency that rises by a few milliseconds a minute passes every short test, and after an "
    "hour the picture lags the sound and the deadline is gone.",
    source="METHOD, sync drift: Theil-Sen slope, its interval at 99 %; here of latency up to "
    "delivery, for a display whose refreshes beat with the source moves the rest up and down. "
    "Noticed from 45 ms of leading or 125 ms of lagging sound on (ITU-R BT.1359-1): failed where "
    "the window itself has as much; warning where ten minutes would, and the window has a tenth of "
    "the latency (METHOD, rule 8)",
    requires=("frames",),
    related=(
        "late_frames",
        "queue_buildup",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case("steady", lambda: cases.live_run(_rising(0.0)), (FindingOutcome.PASSED,)),
        Case(
            "two milliseconds a minute are not noticed in ten minutes",
            lambda: cases.live_run(_rising(2.0)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "nine milliseconds a minute are, by the inference",
            lambda: cases.live_run(
                _rising(9.0),
                work_ms={"decode": [5.0] * 1000, "infer": [10.0 + 0.006 * k for k in range(1000)]},
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a second a minute: it can never catch up",
            lambda: cases.live_run(_rising(1000.0)),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a latency that falls was too high at first",
            lambda: cases.live_run(_rising(-30.0, start_ms=60.0)),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "five seconds tell no slope",
            lambda: cases.live_run(_rising(60.0, seconds=5)),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
    optional=("spans",),
)
