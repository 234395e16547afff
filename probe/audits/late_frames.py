"""Which frames came too late, by how much, and which stage made them late?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import breakdown, cases, explaining, measured, statistics
from probe.model import Audit, Case, Fate, Finding, FindingOutcome, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.breakdown import Breakdown
    from probe.measured import Frames
    from probe.store import Run

ID: Final = "late_frames"
TITLE: Final = "Frames shown after the deadline"
REMEDY: Final = (
    "make the stage that grows on late frames faster, or take work from it: a smaller model or "
    "input, a faster provider, fewer threads in each other's way; if a queue wait dominates, the "
    "stage behind that queue is the slow one; where it is the wait before capture, the source is"
)
MS_NS: Final = 1e6


def judge(run: Run) -> list[Finding]:
    """Say whether lateness alone breaks the deadline at p99, and where it comes from."""
    frames = measured.frames_of(run)
    if not len(frames):
        return [] if run.manifest.get("mode") == "generate" else [_unknown()]
    frames = frames.rows(frames.measured)
    if not len(frames):
        return [_unknown()]
    late = frames.of(Fate.LATE)
    if not late.any():
        return [_finding(f"{TITLE}: none of {len(frames)}", FindingOutcome.PASSED,
                         {"late": 0, "measured": len(frames)})]  # fmt: skip
    tier = measured.tier_of(run.manifest)
    answer = statistics.answer(statistics.sample_of(late, tier))
    refuted = answer.outcome is Outcome.REFUTED
    spent = breakdown.breakdown_of(frames, measured.spans_of(run), breakdown.beside(run.manifest))
    usual = frames.of(Fate.ON_TIME)
    stages = _with_source(_by_stage(spent, late, usual), frames, late, usual)
    deadline = measured.deadline_ns(run.manifest)
    over = np.where(late, frames.latency_ns - deadline, 0.0).clip(0.0)
    longer = _longer_ms(frames, late)
    return [
        _finding(
            f"{TITLE}: {int(late.sum())} of {len(frames)}",
            FindingOutcome.FAILED if refuted else FindingOutcome.WARNING,
            {**_counts(frames, late, over), "longer_ms": longer, "stages": stages},
            cost_ms_per_frame=float(over.sum()) / len(frames) / MS_NS,
            stage=explaining.foremost(
                {name: each["more_ms"] for name, each in stages.items()}, longer
            ),
            from_ns=int(frames.due_ns[late][0]),
            to_ns=int(frames.rendered_ns[late].max()),
        )
    ]


def _finding(
    title: str,
    outcome: FindingOutcome,
    evidence: dict[str, Any],
    **more: Any,
) -> Finding:
    return Finding(ID, title, outcome, evidence, REMEDY, **more)


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: no frame was measured",
        FindingOutcome.NOT_MEASURED,
        {"measured": 0},
        "call probe.frame(k, scheduled_ns=...) when frame k enters, inside the measured window",
    )


def _counts(frames: Frames, late: NDArray[np.bool_], over: NDArray[np.float64]) -> dict[str, Any]:
    first, worst = int(np.argmax(late)), int(np.argmax(over))
    return {
        "late": int(late.sum()),
        "measured": len(frames),
        "over_p50_ms": float(np.median(over[late])) / MS_NS,
        "first": _row(frames, first),
        "worst": _row(frames, worst),
    }


def _row(frames: Frames, k: int) -> dict[str, Any]:
    return {
        "frame": int(frames.number[k]),
        "scheduled_ns": int(frames.due_ns[k]),
        "latency_ms": float(frames.latency_ns[k]) / MS_NS,
    }


def _by_stage(
    spent: Breakdown, late: NDArray[np.bool_], usual: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Return ms in each stage and its queue: of a late frame, of one on time, and the difference.

    Medians, so that one wild frame does not name the stage. Without a frame on time the whole time
    of a late one counts as more.
    """
    found = {}
    for k, name in enumerate(spent.stages):
        total = spent.work_ns[:, k] + spent.queue_ns[:, k]
        slow, normal = _median(total[late]), _median(total[usual])
        if slow is None:
            continue
        found[name] = {
            "late_ms": slow,
            "late_queue_ms": _median(spent.queue_ns[late, k]) or 0.0,
            "more_ms": slow - (normal or 0.0),
        }
    return found


def _with_source(
    stages: dict[str, dict[str, float]],
    frames: Frames,
    late: NDArray[np.bool_],
    usual: NDArray[np.bool_],
) -> dict[str, dict[str, float]]:
    """Add how long frames waited for their release, as a wait before the stage that captures."""
    waited = explaining.release_ns(frames)
    slow, normal = _median(waited[late]) or 0.0, _median(waited[usual]) or 0.0
    own = stages.get(explaining.SOURCE, {"late_ms": 0.0, "late_queue_ms": 0.0, "more_ms": 0.0})
    added = {"late_ms": slow, "late_queue_ms": slow, "more_ms": slow - normal}
    return stages | {explaining.SOURCE: {name: own[name] + added[name] for name in own}}


def _longer_ms(frames: Frames, late: NDArray[np.bool_]) -> float:
    """Return how much longer a late frame takes than one on time; all of it where there is none."""
    usual = frames.latency_ns[frames.of(Fate.ON_TIME)]
    normal = float(np.median(usual)) if len(usual) else 0.0
    return (float(np.median(frames.latency_ns[late])) - normal) / MS_NS


def _median(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) / MS_NS if len(known) else None


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A frame that comes after its deadline is shown late or out of step; whoever watches sees "
    "a jerk, and whatever acts on it acts on the past.",
    source="METHOD, rules 3 and 4: the p99 is within the deadline where an exact binomial test at "
    "99 % confidence, on the effective sample, does not refute it",
    requires=("frames", "spans"),
    related=(
        "latency_is_not_throughput",
        "pipeline_stall",
        "queue_buildup",
        "stage_over_budget",
        "sync_drift",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "every frame on time",
            lambda: cases.live_run([20.0] * 100),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "exactly at the deadline is on time",
            lambda: cases.live_run([50.0] * 100),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "one late frame of a hundred is what a p99 allows",
            lambda: cases.live_run([20.0] * 99 + [70.0]),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "every second frame late, by the inference",
            lambda: cases.live_run(
                [20.0, 70.0] * 50,
                work_ms={"decode": [4.0, 4.0] * 50, "infer": [12.0, 62.0] * 50},
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "lost frames are another audit's",
            lambda: cases.live_run([20.0, None] * 50),
            (FindingOutcome.PASSED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
