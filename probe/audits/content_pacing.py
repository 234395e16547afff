"""Does the picture move as the scene did? Display intervals against capture intervals.

An even cadence can show the wrong moments: each step on the display should be as long as the step
between the two pictures was at the source. What differs is seen as judder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cadence, cases, cases_device, cases_pace, explaining, measured
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.verdict.evidence import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.cadence import Steps
    from probe.store import Run

ID: Final = "content_pacing"
TITLE: Final = "Pictures shown out of step with their content"
REMEDY: Final = (
    "show each picture at a constant delay after its capture instead of as soon as it is done: "
    "hold it until its schedule plus the usual latency; and make the stage named here take equally "
    "long for every picture"
)
LEAST_STEPS: Final = 20
"""Fewer steps than a window of METHOD has frame periods say nothing of a rhythm."""
MS_NS: Final = 1e6


def judge(run: Run) -> list[Finding]:
    """Say how many steps on the display differ too far from those at the source."""
    every = measured.frames_of(run)
    if not len(every):
        return [] if run.manifest.get("mode") == "generate" else [_unknown(0)]
    steps = cadence.steps_of(every, run.manifest)
    if Evidence(run).closed_loop:
        return [_no_rhythm()]
    if steps is None or len(steps) < LEAST_STEPS:
        return [_unknown(0 if steps is None else len(steps))]
    off = steps.off(steps.error_ns)
    outcome = cadence.outcome_of(off, measured.tier_of(run.manifest))
    evidence = _evidence(steps, off)
    title = f"{TITLE}: {int(off.sum())} of {len(steps)} steps{steps.in_blocks}"
    if outcome is FindingOutcome.PASSED:
        return [Finding(ID, title, outcome, evidence, REMEDY)]
    stages = _changes_ms(run, steps, off)
    where = np.flatnonzero(off)
    return [
        Finding(
            audit=ID,
            title=title,
            outcome=outcome,
            evidence=evidence | {"stages": explaining.in_ms(stages)},
            remedy=REMEDY,
            cost_ms_per_frame=float(np.abs(steps.error_ns[off]).sum()) / len(steps) / MS_NS,
            stage=explaining.foremost(stages, _off_ms(steps, off)),
            from_ns=int(steps.frames.rendered_ns[where[0]]),
            to_ns=int(steps.frames.rendered_ns[where[-1] + 1]),
        )
    ]


def _unknown(steps: int) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: {steps} steps between shown frames, {LEAST_STEPS} are needed",
        FindingOutcome.NOT_MEASURED,
        {"steps": steps},
        "measure longer, and say when each frame is due and shown: probe.frame(k, scheduled_ns=...)"
        ' and probe.mark("presented", frame=k)',
    )


def _no_rhythm() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: each frame is due when the one before was answered, so there is no rhythm to "
        "keep (speed_as_live)",
        FindingOutcome.NOT_MEASURED,
        {},
        "let a source give frames at their own times, whatever became of the one before",
    )


def _evidence(steps: Steps, off: NDArray[np.bool_]) -> dict[str, Any]:
    size = np.sort(np.abs(steps.error_ns)) / MS_NS
    worst = int(np.argmax(np.abs(steps.error_ns)))
    said: dict[str, Any] = {
        "steps": len(steps),
        "off": int(off.sum()),
        "limit_ms": steps.limit_ns / MS_NS,
        "refresh_ms": steps.refresh_ns / MS_NS,
        "block_size": steps.block_size,
        "error_p50_ms": float(size[len(size) // 2]),
        "error_p95_ms": float(size[int(0.95 * (len(size) - 1))]),
        "worst": _row(steps, worst),
    }
    return said | ({"first": _row(steps, int(np.argmax(off)))} if off.any() else {})


def _row(steps: Steps, k: int) -> dict[str, Any]:
    interval, error = float(steps.interval_ns[k]), float(steps.error_ns[k])
    return {
        "frame": int(steps.frames.number[k + 1]),
        "presented_ns": int(steps.frames.rendered_ns[k + 1]),
        "shown_after_ms": interval / MS_NS,
        "captured_after_ms": (interval - error) / MS_NS,
    }


def _off_ms(steps: Steps, off: NDArray[np.bool_]) -> float:
    return float(np.median(np.abs(steps.error_ns[off]))) / MS_NS


def _changes_ms(run: Run, steps: Steps, off: NDArray[np.bool_]) -> dict[str, float]:
    """Return by how much each stage and its queue changed over the steps that are off, median."""
    totals = explaining.totals_of(run, steps.frames)
    changes = {
        name: explaining.median(np.abs(np.diff(total))[off]) / MS_NS
        for name, total in totals.items()
    }
    return {name: change for name, change in changes.items() if np.isfinite(change)}


_SLOW_EACH_SECOND: Final = [20.0, 45.0] * 40

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A viewer sees motion, not latency: pictures that come evenly but show uneven moments, or "
    "the reverse, look like a stumbling camera, at any frame rate.",
    source="METHOD, content-pacing error (r_k - r_{k-1}) - (s_k - s_{k-1}), as PresentMon's "
    "animation error with capture times in place of simulation times. A step is off from half a "
    "frame period on, besides one refresh of the display (our number); two steps or 1 % may be; "
    "failed where the exact test of rules 3 and 4 refutes 99 %",
    requires=("frames",),
    related=(
        "block_delivery",
        "jitter",
        "lost_frames",
        "pipeline_stall",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "each step as long as the scene's",
            lambda: cases.live_run([30.0] * 100),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "late all the time, and in step",
            lambda: cases.live_run([300.0] * 100),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a frame that is left out is no error of pacing: both steps are twice as long",
            lambda: cases.live_run([30.0, 30.0, None] * 40),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "one hiccup: out of step and back",
            lambda: cases.live_run([20.0] * 50 + [45.0] + [20.0] * 49),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "in time and out of step: every second picture 25 ms later",
            lambda: cases.live_run(
                _SLOW_EACH_SECOND,
                work_ms={"decode": [4.0] * 80, "infer": [12.0, 37.0] * 40},
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the same on a display of 20 Hz, which can do no better",
            lambda: cases_pace.stated(
                cases.live_run(_SLOW_EACH_SECOND), display={"refresh_hz": 20.0}
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "four stumbles in a hundred frames are too many, and too few to be sure",
            lambda: cases.live_run([*[20.0] * 48, 45.0, 20.0, 45.0, *[20.0] * 49]),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "six frames are no rhythm",
            lambda: cases.live_run([20.0, 45.0] * 3),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "a loop that asks for the next frame itself keeps no rhythm",
            cases_device.closed_loop,
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
    optional=("spans",),
)
