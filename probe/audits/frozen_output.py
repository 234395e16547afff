"""When did outputs go on and show nothing new?

A stall is silent (`pipeline_stall`). This is the other kind: pictures keep coming, so the rate
looks fine, and all of them are old: repeated, shown after a newer one, or duplicates. A program
that gives out the last result for a new frame is found by what its outputs say of their pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe import cases, cases_pace, measured
from probe.model import Audit, Case, Fate, Finding, FindingOutcome, Grade
from probe.regimes import ALLOWED_SHARE, STALL_NS, STALL_PERIODS, WINDOW_NS
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.measured import Frames, Outputs, Window
    from probe.store import Run

ID: Final = "frozen_output"
TITLE: Final = "Outputs go on and show nothing new"
REMEDY: Final = (
    "find what keeps giving out the old picture: a cache or a similarity filter that returns the "
    "last result, a buffer that is shown before it is written, a capture that gives up and repeats "
    "its last frame; deliver nothing rather than an old picture, so that the silence can be seen"
)
SHORT_NS: Final = WINDOW_NS
"""A single freeze under a window of METHOD is a hiccup, however short the run: our own number."""
MOST_ROWS: Final = 5
SAME_NS: Final = WINDOW_NS
CHANGES: Final = 0.9
LEAST_STEPS: Final = 20
"""What outputs say stays the same for a second though it changes at nine of ten pictures elsewhere,
of at least 20: our own numbers. It is a sign and no proof, as a scene may stand still."""
RESTS: Final = 0.5
"""... and so it does where half of the steps between its pictures say the same in another round."""
MS_NS: Final = 1e6


@dataclass(frozen=True)
class _Freezes:
    """Stretches without a newer picture though outputs came; `shown` counts these outputs."""

    begin_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    frame: NDArray[np.int64]
    shown: NDArray[np.int64]


def judge(run: Run) -> list[Finding]:
    """Find stretches longer than a stall between two newer pictures in which outputs came."""
    frames = measured.frames_of(run)
    if not len(frames):
        return [] if run.manifest.get("mode") == "generate" else [_unknown()]
    outputs = measured.outputs_of(run)
    outputs = outputs.rows((outputs.frame != NULL) & (outputs.presented_ns != NULL))
    window, period = measured.live_window(run.manifest, frames), frames.period_ns
    if window is None or period is None or window.length_ns <= 0 or not len(outputs):
        return [_unknown()]
    limit = max(float(STALL_NS), STALL_PERIODS * period)
    found = _freezes(frames, outputs, window, limit)
    alike = _alike(run, frames)
    if not len(found.begin_ns):
        if alike:
            return alike
        title = f"{TITLE}: never for longer than {limit / MS_NS:.0f} ms"
        evidence = {"freezes": 0, "outputs": len(outputs), "limit_ms": limit / MS_NS}
        return [Finding(ID, title, FindingOutcome.PASSED, evidence, REMEDY)]
    return [_found(frames, window, found), *alike]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: no output says which frame it shows",
        FindingOutcome.NOT_MEASURED,
        {"outputs": 0},
        'call probe.mark("delivered", frame=k) when the output of frame k is out',
    )


def _freezes(frames: Frames, outputs: Outputs, window: Window, limit_ns: float) -> _Freezes:
    """Return the freezes inside the window.

    A picture is new when its frame is newer than all that were shown before, and the program does
    not call it a duplicate. Outputs must have come at least once each `limit_ns` of the stretch.
    """
    outputs = outputs.rows(np.argsort(outputs.presented_ns, kind="stable"))
    shown = outputs.presented_ns
    before = np.maximum.accumulate(np.concatenate(([-1], outputs.frame)))[:-1]
    called = np.isin(outputs.frame, frames.number[frames.of(Fate.DUPLICATE)])
    new = np.flatnonzero((outputs.frame > before) & ~called)
    if not len(new):
        new = np.array([0])
    begin = shown[new].clip(window.start_ns, window.end_ns)
    end = np.append(shown[new[1:]], window.end_ns).clip(window.start_ns, window.end_ns)
    at = np.sort(np.concatenate((np.delete(shown, new), _unshown(frames, outputs))))
    between = np.searchsorted(at, end) - np.searchsorted(at, begin)
    frozen = (end - begin > limit_ns) & (between * limit_ns >= end - begin - limit_ns)
    frozen &= between > 0
    return _Freezes(begin[frozen], end[frozen], outputs.frame[new][frozen], between[frozen])


def _unshown(frames: Frames, outputs: Outputs) -> NDArray[np.int64]:
    """Return when frames ended that the program calls duplicates and never showed."""
    called = frames.of(Fate.DUPLICATE) & ~np.isin(frames.number, outputs.frame)
    ended: NDArray[np.int64] = np.where(frames.fate_ns == NULL, frames.due_ns, frames.fate_ns)
    return ended[called]


def _found(frames: Frames, window: Window, found: _Freezes) -> Finding:
    lengths = found.end_ns - found.begin_ns
    total, share = float(lengths.sum()), float(lengths.sum()) / window.length_ns
    times = "once" if len(lengths) == 1 else f"{len(lengths)} times"
    often = len(lengths) > 1 or total > SHORT_NS
    longest = np.sort(np.argsort(-lengths, kind="stable")[:MOST_ROWS])
    rows: list[dict[str, Any]] = [
        {
            "frame": int(found.frame[k]),
            "from_ns": int(found.begin_ns[k]),
            "length_ms": float(lengths[k]) / MS_NS,
            "outputs": int(found.shown[k]),
        }
        for k in longest.tolist()
    ]
    return Finding(
        audit=ID,
        title=f"{TITLE}: {times}, {total / 1e9:.1f} s in all, {100 * share:.1f} % of the window",
        outcome=FindingOutcome.FAILED
        if often and share > ALLOWED_SHARE
        else FindingOutcome.WARNING,
        evidence={"freezes": len(lengths), "share": share, "longest": rows},
        remedy=REMEDY,
        cost_ms_per_frame=total / max(1, int(frames.measured.sum())) / MS_NS,
        from_ns=int(found.begin_ns[0]),
        to_ns=int(found.end_ns[-1]),
    )


def _alike(run: Run, frames: Frames) -> list[Finding]:
    """Return a warning for each time in which outputs of new pictures said the same as before."""
    table = run.table("outputs").dropna(subset=["frame", "presented_ns", "result"])
    table = table[table["result"].str.contains("[1-9]").fillna(value=False)]  # says something
    table = table.sort_values("presented_ns", kind="stable").drop_duplicates("frame")
    shown, frame = (measured.integers(table[name]) for name in ("presented_ns", "frame"))
    if len(shown) <= LEAST_STEPS:
        return []
    said = pd.factorize(table["result"])[0]
    order = np.argsort(frames.number, kind="stable")
    place = order[np.searchsorted(frames.number, frame, sorter=order).clip(0, len(order) - 1)]
    picture = frames.source_index[place]
    same = np.concatenate(([False], (said[1:] == said[:-1]) & _new(picture)))
    edges = np.flatnonzero(np.diff(np.concatenate((same, [False])).astype(np.int8)))
    rows = edges.reshape(-1, 2)  # the output that the others are like, and the last of these
    long = rows[shown[rows[:, 1]] - shown[rows[:, 0]] > SAME_NS]
    inside = np.zeros(len(same), dtype=bool)
    for first, last in long.tolist():
        inside[first : last + 1] = True
    if np.count_nonzero(~inside) < LEAST_STEPS or np.mean(~same[~inside]) < CHANGES:
        return []
    return [
        _same(frame[first : last + 1], shown[first], shown[last])
        for first, last in long.tolist()
        if not _still(picture, said, inside, picture[first : last + 1])
    ]


def _new(picture: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark steps to another source picture; where nobody says which it is, each is another."""
    other: NDArray[np.bool_] = (picture[1:] != picture[:-1]) | (picture[1:] == NULL)
    return other


def _still(
    picture: NDArray[np.int64],
    said: NDArray[Any],
    inside: NDArray[np.bool_],
    frozen: NDArray[np.int64],
) -> bool:
    """Say whether the same pictures said the same in another round of the clip: the scene rests."""
    other = np.flatnonzero(~inside & np.isin(picture, frozen[frozen != NULL]))
    return len(other) > 1 and float(np.mean(np.diff(said[other]) == 0)) > RESTS


def _same(frame: NDArray[np.int64], begin_ns: int, end_ns: int) -> Finding:
    return Finding(
        audit=ID,
        title=f"Outputs say the same of {len(frame)} pictures in a row, for "
        f"{(end_ns - begin_ns) / 1e9:.1f} s",
        outcome=FindingOutcome.WARNING,
        evidence={
            "pictures": len(frame), "first_frame": int(frame[0]), "last_frame": int(frame[-1]),
        },
        remedy=f"where the scene did not stand still: {REMEDY}",
        from_ns=int(begin_ns),
        to_ns=int(end_ns),
        grade=Grade.INFERRED,
    )  # fmt: skip


def _cached(same: Mapping[int, int], count: int = 150) -> Run:
    """Return a Run whose outputs from frame `first` on say what it said, `same[first]` times."""
    areas = [0.2 + 0.001 * (k * 7 % 150) for k in range(count)]
    for first, times in same.items():
        areas[first : first + times] = [areas[first]] * times
    said = {k: {"area": round(area, 3)} for k, area in enumerate(areas)}
    return cases.live_run([20.0] * count, results=said)


def _frozen(live: int, frozen: int, then: int) -> Run:
    """Return a Run whose last good picture is delivered again for each frame of a stretch."""
    latencies = [*[20.0] * live, *[None] * frozen, *[20.0] * then]
    return cases_pace.repeating(cases.live_run(latencies), {live - 1: frozen})


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A frozen picture that is delivered thirty times a second counts as thirty frames a "
    "second; only who looks at what the outputs show sees that it is not live.",
    source="METHOD: frozen frames are not frames; as long as a stall, 3 frame periods and at least "
    "150 ms (a freeze of WebRTC's statistics is as long: the larger of 3 times the mean interval "
    "and 150 ms over it). Failed where several, or one of over a second, take over 1 % of the "
    "window. Results that stay the same for a second and change elsewhere are a warning: our own "
    "numbers",
    requires=("frames", "outputs"),
    related=(
        "duplicate_frames",
        "lost_frames",
        "pipeline_stall",
    ),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case("each output newer", lambda: cases.live_run([20.0] * 100), (FindingOutcome.PASSED,)),
        Case(
            "the last picture again for two seconds",
            lambda: _frozen(60, 50, 60),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "for half a second",
            lambda: _frozen(60, 12, 60),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "two repeats are no freeze",
            lambda: _frozen(60, 2, 60),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "frozen until the end",
            lambda: _frozen(60, 40, 0),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "frames that the program itself calls duplicates",
            lambda: cases.live_run([20.0] * 100, lost=dict.fromkeys(range(30, 60), "duplicate")),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a silence is a stall, no freeze",
            lambda: cases.live_run([*[20.0] * 50, *[None] * 50, *[20.0] * 50]),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "new frames, and for two seconds the result of an old one",
            lambda: _cached({50: 50}),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "results that rarely change tell nothing",
            lambda: _cached(dict.fromkeys(range(0, 150, 10), 10) | {50: 50}),
            (FindingOutcome.PASSED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
