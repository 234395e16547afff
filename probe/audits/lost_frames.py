"""Which frames were never answered, where were they given up, and what did they cost?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import breakdown, cases, cases_pace, measured, stated, statistics
from probe.model import Audit, Case, Fate, Finding, FindingOutcome, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Frames
    from probe.store import Run

ID: Final = "lost_frames"
TITLE: Final = "Frames that were never answered"
REMEDY: Final = (
    "the stage at which frames are given up is slower than the source: make it faster, run it "
    "beside the others, or lower source.fps to what it holds; a frame in flight at the end was "
    "swallowed: see that every frame reaches the sink or is marked dropped"
)
MS_NS: Final = 1e6
TOO_FAST: Final = 1.01
"""A source of 60 fps on a display of 59.94 Hz is as it should be: our own number."""
LOSSES: Final = (Fate.DROPPED, Fate.DUPLICATE, Fate.STALE, Fate.INVALID, Fate.IN_FLIGHT)
MOST_REASONS: Final = 8


def judge(run: Run) -> list[Finding]:
    """Say whether losses alone break the deadline at p99, where they happen, what they wasted."""
    every = measured.frames_of(run)
    if not len(every):
        return [] if run.manifest.get("mode") == "generate" else [_unknown()]
    frames = measured.measured_frames_of(run)
    if not len(frames):
        return [_unknown()]
    cut = _cut_off(run, frames)
    lost = ~frames.answered & ~cut
    if not lost.any():
        title = f"{TITLE}: none of {len(frames)}"
        if cut.any():
            title += f"; {int(cut.sum())} were on their way when the run was cut short"
        evidence = {"lost": 0, "cut_off": int(cut.sum()), "measured": len(frames)}
        return [Finding(ID, title, FindingOutcome.PASSED, evidence, REMEDY)]
    tier = measured.tier_of(run.manifest)
    answer = statistics.answer(statistics.sample_of(lost, tier))
    refuted = answer.outcome is Outcome.REFUTED
    places = _places(run, frames.number[lost])
    return [
        Finding(
            audit=ID,
            title=f"{TITLE}: {int(lost.sum())} of {len(frames)}{_too_fast(run, every)}",
            outcome=FindingOutcome.FAILED if refuted else FindingOutcome.WARNING,
            evidence=_counts(frames, lost) | {"cut_off": int(cut.sum()), "places": places},
            remedy=REMEDY,
            cost_ms_per_frame=_wasted_ms(run, frames, lost),
            stage=next((place["stage"] for place in places if place["stage"]), None),
            from_ns=int(frames.due_ns[lost][0]),
            to_ns=int(frames.due_ns[lost][-1]),
        )
    ]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: no frame was measured",
        FindingOutcome.NOT_MEASURED,
        {"measured": 0},
        "call probe.frame(k, scheduled_ns=...) when frame k enters, inside the measured window",
    )


def _cut_off(run: Run, frames: Frames) -> NDArray[np.bool_]:
    """Mark frames on their way in a run that was cut short before they had the time of a drain."""
    window = measured.window_of(run.manifest)
    if window is None or run.manifest.get("state") == "complete":
        return np.zeros(len(frames), dtype=bool)
    ended = (run.manifest.get("program") or {}).get("ended_ns")
    until = window.end_ns if ended is None else int(ended)
    return frames.of(Fate.IN_FLIGHT) & (frames.due_ns > until - window.drain_ns)


def _too_fast(run: Run, frames: Frames) -> str:
    """Say so where the display cannot show all that the source gives, however fast the program."""
    hertz, period = stated.refresh_hz(run.manifest), frames.period_ns
    if hertz is None or period is None or 1e9 / period <= TOO_FAST * hertz:
        return ""
    return f"; a display of {hertz:g} Hz cannot show {1e9 / period:.4g} fps"


def _counts(frames: Frames, lost: NDArray[np.bool_]) -> dict[str, Any]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], lost, [False])).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    longest = int(np.argmax(lengths))
    return {
        "lost": int(lost.sum()),
        "measured": len(frames),
        "fates": {fate.value: int(frames.of(fate)[lost].sum()) for fate in LOSSES},
        "first": {
            "frame": int(frames.number[edges[0]]), "scheduled_ns": int(frames.due_ns[edges[0]]),
        },
        "stretches": len(lengths),
        "longest": {
            "frames": int(lengths[longest]), "first_frame": int(frames.number[edges[2 * longest]]),
        },
    }  # fmt: skip


def _places(run: Run, numbers: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return where and why frames were given up, most frequent first."""
    every = measured.integers(run.column("frames", "frame"))
    rows = np.flatnonzero(measured.among(every, numbers))
    named = (
        run.column("frames", name).iloc[rows].astype("string").fillna("").tolist()
        for name in ("fate", "fate_stage", "fate_reason")
    )
    counted = Counter(zip(*named, strict=True)).most_common(MOST_REASONS)
    return [
        {"fate": fate, "stage": stage or None, "reason": reason or None, "frames": count}
        for (fate, stage, reason), count in counted
    ]


def _wasted_ms(run: Run, frames: Frames, lost: NDArray[np.bool_]) -> float | None:
    """Return the work that stages did on frames which were then lost, in ms per measured frame."""
    spent = breakdown.breakdown_of(frames.rows(lost), measured.spans_of(run))
    if not spent.stages:
        return None
    return float(np.nansum(spent.work_ns.clip(0.0))) / len(frames) / MS_NS


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A pipeline that gives up frames can keep a low latency for the rest: the picture then "
    "stutters while the numbers look fine. Work on frames that are then lost is wasted.",
    source="METHOD, rules 3 to 5: every fate but on time is a miss, and the p99 is over all "
    "measured frames, tested by an exact binomial test at 99 % confidence. Of a run that was cut "
    "short, a frame without a fate that was younger than a drain is no loss: nobody waited for it",
    requires=("frames", "spans"),
    related=(
        "content_pacing",
        "duplicate_frames",
        "frozen_output",
        "pipeline_stall",
        "queue_buildup",
        "stage_over_budget",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "every frame answered",
            lambda: cases.live_run([20.0] * 100),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a late frame is not lost",
            lambda: cases.live_run([90.0] * 100),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "one of a hundred lost is what a p99 allows",
            lambda: cases.live_run([20.0] * 50 + [None] + [20.0] * 49),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "every third frame given up before inference",
            lambda: cases.live_run([20.0, 20.0, None] * 40),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "shown after a newer frame: stale, and so lost",
            lambda: cases.live_run([20.0] * 100, lost=dict.fromkeys(range(0, 100, 4), "stale")),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "on the way when the run was interrupted",
            lambda: cases_pace.cut_short(cases.live_run([20.0] * 97, lost={96: "in flight"})),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "swallowed long before the interruption",
            lambda: cases_pace.cut_short(
                cases.live_run([20.0] * 97, lost=dict.fromkeys(range(8, 40, 4), "in flight"))
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a display of 12.5 Hz shows every second frame, whatever the program does",
            lambda: cases_pace.stated(
                cases.live_run([20.0, None] * 50), display={"refresh_hz": 12.5}
            ),
            (FindingOutcome.FAILED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
