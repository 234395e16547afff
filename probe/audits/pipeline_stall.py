"""When did nothing come out, and what stage was at work meanwhile?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cases, cases_pace, explaining, measured
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.regimes import ALLOWED_SHARE, STALL_NS, STALL_PERIODS, WINDOW_NS, bursts_of, silences
from probe.tape import NULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Frames, Outputs, Spans, Window
    from probe.store import Run

ID: Final = "pipeline_stall"
TITLE: Final = "Nothing came out"
REMEDY: Final = (
    "see what the stage named here waits for while it is at work: a lock, the disk, a model that "
    "compiles or grows its memory in the middle of a run, a network; give each stage a thread of "
    "its own, so that one that hangs costs only its own frames. Where no stage was at work, frames "
    "were swallowed or an execution never ended; where none was released either, the whole program "
    "stood still: stopped, swapped out, or its source waited"
)
SHORT_NS: Final = WINDOW_NS
"""A single stall under a window of METHOD is a hiccup, however short the run: our own number."""
HOLDS: Final = 0.5
"""A stage is named where it was at work for half of the time in which nothing came out."""
MOST_ROWS: Final = 5
MS_NS: Final = 1e6


def judge(run: Run) -> list[Finding]:
    """Say how often and for how long nothing was delivered though frames were due."""
    frames = measured.frames_of(run)
    if not len(frames):
        return [] if run.manifest.get("mode") == "generate" else [_unknown()]
    window, period = measured.live_window(run.manifest, frames), frames.period_ns
    if window is None or period is None or window.length_ns <= 0 or not frames.measured.any():
        return [_unknown()]
    delivered = np.sort(frames.delivered_ns[frames.delivered_ns != NULL])
    if not len(delivered) and run.manifest.get("mode") == "command":
        return [_unknown()]
    limit = max(float(STALL_NS), STALL_PERIODS * period)
    found = silences(frames, bursts_of(delivered, period), window.end_ns, period)
    without_new = np.array(found, dtype=np.int64).reshape(-1, 2)
    stalls = _inside(_silent(without_new, measured.outputs_of(run), limit), window, limit)
    if not len(stalls):
        title = f"{TITLE}: never for longer than {limit / MS_NS:.0f} ms"
        old = np.diff(_inside(without_new, window, limit), axis=1).sum() / 1e9
        if old:
            title += f"; for {old:.1f} s what came out was old (frozen_output)"
        evidence = {"stalls": 0, "measured": int(frames.measured.sum()), "limit_ms": limit / MS_NS}
        return [Finding(ID, title, FindingOutcome.PASSED, evidence, REMEDY)]
    return [_found(run, frames, window, stalls)]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: no frame was measured, or no delivery was ever said",
        FindingOutcome.NOT_MEASURED,
        {"measured": 0},
        "call probe.frame(k, scheduled_ns=...) when frame k enters and probe.mark("
        '"delivered", frame=k) when its output is out',
    )


def _silent(stalls: NDArray[np.int64], outputs: Outputs, limit_ns: float) -> NDArray[np.int64]:
    """Return the parts of stretches without a new picture in which no old one came out either."""
    parts = [np.zeros((0, 2), dtype=np.int64)]
    for begin, end in stalls.tolist():
        first, last = np.searchsorted(outputs.delivered_ns, [begin, end], "right")
        edges = np.concatenate(([begin], outputs.delivered_ns[first:last].clip(begin, end), [end]))
        part = np.column_stack((edges[:-1], edges[1:]))
        parts.append(part[part[:, 1] - part[:, 0] > limit_ns])
    return np.concatenate(parts)


def _inside(stalls: NDArray[np.int64], window: Window, limit_ns: float) -> NDArray[np.int64]:
    """Return the parts inside the window of stalls that are its own, as `probe.regimes` counts."""
    parts = stalls.clip(window.start_ns, window.end_ns)
    own = np.minimum(limit_ns, np.diff(stalls, axis=1) / 2)
    return parts[(np.diff(parts, axis=1) >= own)[:, 0]]


def _found(run: Run, frames: Frames, window: Window, stalls: NDArray[np.int64]) -> Finding:
    lengths = stalls[:, 1] - stalls[:, 0]
    total, share = float(lengths.sum()), float(lengths.sum()) / window.length_ns
    times = "once" if len(stalls) == 1 else f"{len(stalls)} times"
    often = len(stalls) > 1 or total > SHORT_NS
    busy = _busy_ns(measured.spans_of(run), stalls)
    worst = max(busy, key=lambda name: busy[name], default=None)
    held = worst if worst is not None and busy[worst] >= HOLDS * total else None
    longest = np.argsort(-lengths, kind="stable")[:MOST_ROWS]
    rows = [_row(frames, *stalls[k].tolist()) for k in sorted(longest.tolist())]
    silent = sum(row["source_silent_ms"] for row in rows)
    still = held is None and silent >= (1 - HOLDS / 2) * sum(row["length_ms"] for row in rows)
    said = ", nor was a frame released: the whole program stood still" if still else ""
    return Finding(
        audit=ID,
        title=f"{TITLE}: {times}, {total / 1e9:.1f} s in all, {100 * share:.1f} % of the window"
        + said,
        outcome=FindingOutcome.FAILED
        if often and share > ALLOWED_SHARE
        else FindingOutcome.WARNING,
        evidence={
            "stalls": len(stalls),
            "share": share,
            "longest": rows,
            "busy": explaining.in_ms({name: time / MS_NS for name, time in busy.items()}),
        },
        remedy=REMEDY,
        cost_ms_per_frame=total / max(1, int(frames.measured.sum())) / MS_NS,
        stage=held,
        from_ns=int(stalls[0, 0]),
        to_ns=int(stalls[-1, 1]),
    )


def _row(frames: Frames, begin: int, end: int) -> dict[str, Any]:
    first, after = np.searchsorted(frames.due_ns, [begin, end])
    first = min(int(first), len(frames) - 1)
    return {
        "from_ns": begin,
        "length_ms": (end - begin) / MS_NS,
        "first_frame": int(frames.number[first]),
        "frames_due": max(0, int(after) - first),
        "source_silent_ms": _unreleased_ns(frames, begin, end) / MS_NS,
    }


def _unreleased_ns(frames: Frames, begin: int, end: int) -> int:
    """Return the longest time inside a stall in which no frame was released."""
    captured = frames.captured_ns
    inside = np.sort(captured[(captured > begin) & (captured < end)])
    return int(np.diff(np.concatenate(([begin], inside, [end]))).max())


def _busy_ns(spans: Spans, stalls: NDArray[np.int64]) -> dict[str, float]:
    """Return how long each stage was at work inside the stalls; those that never were are left out.

    Stalls do not overlap: the time inside them up to t is a sum that is read off at both ends.
    """
    edges = stalls.ravel()
    inside = np.concatenate(([0], np.cumsum(np.diff(edges) * (np.arange(len(edges) - 1) % 2 == 0))))

    def until(times: NDArray[np.int64]) -> NDArray[np.float64]:
        read: NDArray[np.float64] = np.interp(times - edges[0], edges - edges[0], inside)
        return read

    overlap = until(spans.end_ns) - until(spans.start_ns)
    total = np.bincount(spans.stage, overlap, len(spans.stages))
    return {name: float(total[k]) for k, name in enumerate(spans.stages) if total[k] > 0}


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Whatever a pipeline answers on average: while nothing comes out, the picture stands still "
    "and nobody acts on what the camera sees.",
    source="METHOD, regimes: with a live input nothing came out for longer than 3 frame periods, "
    "at least 150 ms; pauses between blocks are block_delivery's. Any stall is a warning, and "
    "failed where several, or one of over a second, take over 1 % of the window, as much as a "
    "real-time window may lose",
    requires=("frames",),
    related=(
        "content_pacing",
        "frozen_output",
        "jitter",
        "late_frames",
        "lost_frames",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case("never", lambda: cases.live_run([20.0] * 100), (FindingOutcome.PASSED,)),
        Case(
            "two frames in a row lost are no stall",
            lambda: cases.live_run([*[20.0] * 50, None, None, *[20.0] * 50]),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "inference hangs for a second, and what waited is given up",
            lambda: cases_pace.served_run([20.0] * 50 + [1000.0] + [20.0] * 99, room=2),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a fifth of a second in a minute",
            lambda: cases.live_run([*[20.0] * 750, *[None] * 5, *[20.0] * 750]),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a single hiccup in a short run",
            lambda: cases.live_run([*[20.0] * 60, *[None] * 6, *[20.0] * 60]),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "swallowed until the end",
            lambda: cases.live_run([*[20.0] * 60, *[None] * 40]),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the last picture over and over is no silence",
            lambda: cases_pace.repeating(
                cases.live_run([*[20.0] * 60, *[None] * 50, *[20.0] * 60]), {59: 50}
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "late is not stalled",
            lambda: cases_pace.warmed(cases.live_run([400.0] * 100), 25),
            (FindingOutcome.PASSED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
    optional=("spans", "outputs"),
)
