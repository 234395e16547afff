"""Which outputs show a frame that was shown before, and what rate do they feign?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import breakdown, cases, cases_pace, measured, statistics
from probe.model import Audit, Case, Fate, Finding, FindingOutcome, Outcome
from probe.tape import NULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Frames, Outputs
    from probe.store import Run

ID: Final = "duplicate_frames"
TITLE: Final = "Outputs that show a frame again"
REMEDY: Final = (
    "deliver each frame once and let the display repeat it; skip work on a source picture that has "
    "not changed before the model, not after it; state the rate of unique frames"
)
MOST_ROWS: Final = 5
MS_NS: Final = 1e6


def judge(run: Run) -> list[Finding]:
    """Count outputs of frames that had one before, and frames that the program calls duplicates."""
    every = measured.frames_of(run)
    if not len(every):
        return [] if run.manifest.get("mode") == "generate" else [_unknown()]
    outputs = measured.outputs_of(run)
    outputs = outputs.rows(outputs.frame != NULL)
    if not len(outputs) or not outputs.measured.any():
        return [_unknown()]
    again = _again(outputs, every)[outputs.measured]
    shown = outputs.rows(outputs.measured)
    called = every.rows(every.measured & every.of(Fate.DUPLICATE))
    silent = called.due_ns[~np.isin(called.number, shown.frame)]
    count = int(again.sum()) + len(silent)
    if not count:
        title = f"{TITLE}: none of {len(shown)}"
        evidence = {"outputs": len(shown), "again": 0}
        return [Finding(ID, title, FindingOutcome.PASSED, evidence, REMEDY)]
    order = np.argsort(np.concatenate([shown.delivered_ns, silent]), kind="stable")
    series = np.concatenate([again, np.ones(len(silent), dtype=bool)])[order]
    answer = statistics.answer(statistics.sample_of(series, measured.tier_of(run.manifest)))
    refuted = answer.outcome is Outcome.REFUTED
    times = np.concatenate([shown.delivered_ns[again], called.due_ns])
    return [
        Finding(
            audit=ID,
            title=f"{TITLE}: {count} of {len(series)}",
            outcome=FindingOutcome.FAILED if refuted else FindingOutcome.WARNING,
            evidence=_evidence(run, shown, again, called),
            remedy=REMEDY,
            cost_ms_per_frame=_wasted_ms(run, every, called),
            from_ns=int(times.min()),
            to_ns=int(times.max()),
        )
    ]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: no output says which frame it shows",
        FindingOutcome.NOT_MEASURED,
        {"outputs": 0},
        'call probe.mark("delivered", frame=k) when the output of frame k is out',
    )


def _again(outputs: Outputs, frames: Frames) -> NDArray[np.bool_]:
    """Mark outputs, in order of delivery, of a frame that had one or that is called a duplicate."""
    _, first = np.unique(outputs.frame, return_index=True)
    again = np.ones(len(outputs), dtype=bool)
    again[first] = False
    return again | np.isin(outputs.frame, frames.number[frames.of(Fate.DUPLICATE)])


def _evidence(run: Run, shown: Outputs, again: NDArray[np.bool_], called: Frames) -> dict[str, Any]:
    window = measured.window_of(run.manifest)
    seconds = window.length_ns / 1e9 if window is not None and window.length_ns > 0 else None
    rows = np.flatnonzero(again)[:MOST_ROWS]
    return {
        "outputs": len(shown),
        "again": int(again.sum()),
        "called_duplicate": len(called),
        "counted_fps": None if seconds is None else len(shown) / seconds,
        "unique_fps": None if seconds is None else int((~again).sum()) / seconds,
        "first": [
            {"frame": int(shown.frame[k]), "delivered_ns": int(shown.delivered_ns[k])}
            for k in rows.tolist()
        ]
        or [{"frame": int(number)} for number in called.number[:MOST_ROWS]],
    }


def _wasted_ms(run: Run, every: Frames, called: Frames) -> float | None:
    """Return the work on frames that were then called duplicates, in ms per measured frame."""
    spent = breakdown.breakdown_of(called, measured.spans_of(run))
    if not len(called) or not spent.stages:
        return None
    return float(np.nansum(spent.work_ns.clip(0.0))) / int(every.measured.sum()) / MS_NS


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A picture that is delivered twice doubles the frames that are counted and shows nothing "
    "new: the rate of a program that repeats itself says nothing of its speed.",
    source="METHOD, rate: unique rendered frames, duplicates are not frames. A display's own "
    "repeats of a picture are not outputs and do not count. Failed where the exact test of rules 3 "
    "and 4 refutes that 99 % of the outputs are new",
    requires=("frames", "outputs"),
    related=(
        "frozen_output",
        "lost_frames",
    ),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case("each frame once", lambda: cases.live_run([20.0] * 100), (FindingOutcome.PASSED,)),
        Case(
            "lost frames are no duplicates",
            lambda: cases.live_run([20.0, None] * 50),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "one frame delivered twice",
            lambda: cases_pace.repeating(cases.live_run([20.0] * 100), {50: 1}),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "every second frame is the one before, delivered again",
            lambda: cases_pace.repeating(
                cases.live_run([20.0, None] * 50), dict.fromkeys(range(0, 100, 2), 1)
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a program that says so itself",
            lambda: cases.live_run(
                [20.0] * 100,
                lost=dict.fromkeys(range(0, 100, 3), "duplicate"),
                work_ms={"decode": [4.0] * 100},
            ),
            (FindingOutcome.FAILED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
    optional=("spans",),
)
