"""Do frames in flight agree with rate times latency? Little's law holds, so a gap is in the data.

The gauge is read from a thread apart from the spans; the frames' own times say how many were
between capture and fate at the same moments (`probe.verdict.sanity`, which rule 14 asks as well).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cases, cases_device
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.tape import NULL
from probe.verdict.evidence import Evidence
from probe.verdict.sanity import LITTLE_FRAMES, LITTLE_TOLERANCE, Little, little_of

if TYPE_CHECKING:
    from probe.store import Run

ID: Final = "little_mismatch"
TITLE: Final = "Frames in flight against rate times latency"
REMEDY: Final = (
    "the instrumentation is wrong, so trust no latency of this run: more in flight by the gauge "
    "than by the frames means frames that were never marked or marked too early; fewer means that "
    "the gauge misses a queue or a stage"
)


def judge(run: Run) -> list[Finding]:
    """Compare the gauge's mean with the mean of the frames' own times at the same moments."""
    evidence = Evidence(run)
    if not len(evidence.all_frames):
        return [] if run.manifest.get("mode") == "generate" else [_unknown("no frame was measured")]
    little = little_of(evidence)
    if little is None:
        return [_unknown(_missing(evidence))]
    ratio = little.gauge / little.counted - 1 if little.counted else None
    found: dict[str, Any] = {
        "gauge_frames": little.gauge,
        "counted_frames": little.counted,
        "difference_share": ratio,
        "standard_error_frames": little.error,
        "allowed_share": LITTLE_TOLERANCE,
        "frames": len(evidence.frames),
        **_product(evidence),
    }
    return [_finding(little, found)]


def _finding(little: Little, found: dict[str, Any]) -> Finding:
    both = f"{little.gauge:.2f} by the gauge, {little.counted:.2f} by the frames"
    if little.beyond > 0:
        return Finding(ID, f"{TITLE}: {both}", FindingOutcome.FAILED, found, REMEDY)
    return Finding(ID, f"{TITLE}: they agree, {both}", FindingOutcome.PASSED, found, REMEDY)


def _missing(evidence: Evidence) -> str:
    if len(evidence.frames) < LITTLE_FRAMES:
        return f"{len(evidence.frames)} frames measured, {LITTLE_FRAMES} are needed"
    if evidence.in_flight is None:
        return "no gauge of frames in flight"
    return "not every frame says when it was captured and met its fate"


def _unknown(why: str) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: {why}",
        FindingOutcome.NOT_MEASURED,
        {},
        'read the number of frames on their way every 50 ms in a thread of its own: probe.mark("'
        'in_flight", value=n); measure at least 300 frames; mark each lost one: probe.mark('
        '"dropped", frame=k, stage=...)',
    )


def _product(evidence: Evidence) -> dict[str, float | None]:
    """Return rate times latency over the measured frames that met a fate, and both factors."""
    frames, window = evidence.frames, evidence.window
    known = (frames.captured_ns != NULL) & (frames.fate_ns != NULL)
    if window is None or window.length_ns <= 0 or not known.any():
        return {"rate_fps": None, "latency_mean_ms": None, "rate_times_latency": None}
    rate = float(np.count_nonzero(known)) / (window.length_ns / 1e9)
    seconds = float(np.mean(frames.fate_ns[known] - frames.captured_ns[known])) / 1e9
    return {
        "rate_fps": rate, "latency_mean_ms": seconds * 1e3, "rate_times_latency": rate * seconds,
    }  # fmt: skip


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Every number of a run rests on its marks. Two ways of counting that must agree and do not "
    "show marks that are missing, early or late, which no single number would.",
    source="METHOD, rule 14 and quantities: from 300 frames on within 10 %, over all frames, lost "
    "ones included; a difference counts with its whole 95 % interval. The law: J. D. C. Little, "
    "Operations Research 9 (1961)",
    requires=("frames", "samples"),
    related=("clock_sanity",),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "the gauge counts what the frames say",
            lambda: cases_device.gauged_run(1.0),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the gauge counts half as much again",
            lambda: cases_device.gauged_run(1.5),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the gauge misses a queue",
            lambda: cases_device.gauged_run(0.7),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "5 % apart is within the law's tolerance",
            lambda: cases_device.gauged_run(1.05),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "too few frames",
            lambda: cases_device.gauged_run(1.5, frames=100),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("no gauge", lambda: cases.live_run([20.0] * 400), (FindingOutcome.NOT_MEASURED,)),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
