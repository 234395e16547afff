"""What does it cost to start: loading, the first frame, the first executions of each stage?

Warm-up frames are no part of the measured numbers (METHOD: rule 6); here is where they are told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cases, cases_pace, explaining, measured, stated, statistics
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.verdict.generation import requests_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.measured import Frames
    from probe.store import Run

ID: Final = "cold_start"
TITLE: Final = "Cold start"
REMEDY: Final = (
    "run the whole way once on a made-up frame before the first real one, at its size and format, "
    "so that memory, converters and the model's plan are there; keep the compiled model (a cache "
    "of the provider); load while the camera starts. Where cold frames reach into the window, set "
    "a longer run.warmup"
)
COLD_NS: Final = 100 * 10**6
ANSWER_NS: Final = 10**9
LOAD_NS: Final = 10 * 10**9
"""0.1 s seems instant, 1 s is noticed but keeps the thought, 10 s keep the attention (Miller,
Response time in man-computer conversational transactions, 1968; Nielsen, Usability Engineering,
1993, chapter 5)."""
USUAL_SHARE: Final = 0.5
"""A first answer is slow where it takes half as long again as the later ones: our own number."""
LATE_SHARE: Final = 0.99
MS_NS: Final = 1e6
OWN_WEIGHT: Final = "graph_pass_ns"
"""Part of the reference program's loading that only the measurement needs."""


def judge(run: Run) -> list[Finding]:
    """Report loading and first frames; cold frames are those before the first usual one."""
    frames, load = measured.frames_of(run), _load_ns(run.manifest)
    if len(frames):
        return [_of_frames(run, frames, load)]
    waits = _waits_ns(run)
    if load is None and len(waits) <= 1:
        return [_unknown()]
    return [_of_requests(run, waits, load)]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: neither a first frame nor two requests are known",
        FindingOutcome.NOT_MEASURED,
        {},
        "call probe.frame(k, scheduled_ns=...) from the first frame on, those of warm-up too",
    )


def _load_ns(manifest: Mapping[str, Any]) -> int | None:
    """Return the time from the program's start to its first frame, less what only we need of it."""
    program = manifest.get("program") or {}
    load, began, ended = (program.get(name) for name in ("load_ns", "started_ns", "ended_ns"))
    if load is None or load < 0:
        return None
    if began is not None and ended is not None and load > ended - began:
        return None  # a first frame after the end is of another clock: `clock_sanity` has it
    own = stated.table(manifest, "load").get(OWN_WEIGHT)
    return int(load) - (own if isinstance(own, int) else 0)


def _parts_ms(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Return what the program says of its loading, in ms."""
    said = stated.table(manifest, "load")
    return {
        f"{name.removesuffix('_ns')}_ms": value / MS_NS
        for name, value in said.items()
        if name.endswith("_ns") and isinstance(value, int)
    }


def _of_frames(run: Run, frames: Frames, load_ns: int | None) -> Finding:
    usual, limit = _usual_ns(frames, measured.deadline_ns(run.manifest))
    cold = int(np.argmin(np.append(frames.latency_ns > limit, False)))
    until = int(frames.due_ns[min(cold, len(frames) - 1)])
    lasted = until - int(frames.due_ns[0])
    inside = int(frames.measured[:cold].sum())
    slow = lasted > COLD_NS
    outcome = _outcome(cold=slow, inside=slow and inside > 0, load_ns=load_ns)
    first = float(frames.latency_ns[0])
    excess = _first_excess_ms(run, frames)
    evidence: dict[str, Any] = {
        "load_ms": None if load_ns is None else load_ns / MS_NS,
        "load_parts": _parts_ms(run.manifest) or None,
        "first_frame": {
            "frame": int(frames.number[0]),
            "latency_ms": first / MS_NS if np.isfinite(first) else None,
        },
        "usual_latency_ms": usual / MS_NS if np.isfinite(usual) else None,
        "cold_frames": cold,
        "cold_frames_measured": inside,
        "steady_after_ms": _steady_after_ms(frames),
        "first_executions_longer_by": explaining.in_ms(excess),
    }
    stage = explaining.foremost(excess, max(0.0, first - usual) / MS_NS) if cold else None
    return Finding(
        audit=ID,
        title=_title(load_ns, f"{cold} frames cold" + (f", {inside} of them measured"
                                                       if inside else "")),
        outcome=outcome,
        evidence=evidence,
        remedy=REMEDY,
        cost_ms_per_frame=_measured_ns(frames, until) / int(frames.measured.sum()) / MS_NS
        if slow and inside
        else None,
        stage=stage,
        from_ns=int(frames.due_ns[0]) if slow else None,
        to_ns=until if slow else None,
    )  # fmt: skip


def _measured_ns(frames: Frames, until_ns: int) -> int:
    """Return for how long frames were cold inside the window: what warm-up did not hide."""
    return until_ns - int(frames.due_ns[np.argmax(frames.measured)])


def _title(load_ns: int | None, rest: str) -> str:
    loaded = "loading not known" if load_ns is None else f"loaded in {load_ns / 1e9:.1f} s"
    return f"{TITLE}: {loaded}, {rest}"


def _outcome(*, cold: bool, inside: bool, load_ns: int | None) -> FindingOutcome:
    if inside:
        return FindingOutcome.FAILED
    slow = load_ns is not None and load_ns > LOAD_NS
    return FindingOutcome.WARNING if cold or slow else FindingOutcome.PASSED


def _usual_ns(frames: Frames, deadline_ns: int) -> tuple[float, float]:
    """Return the median latency of the later half of the measured frames, and what is usual there.

    A frame is cold over the deadline and over all but 1 % of these; where more of them are lost,
    no frame is.
    """
    every = frames.latency_ns[frames.measured]
    late = np.sort(every[len(every) // 2 :])
    if not len(late):
        return float("inf"), float("inf")
    most = float(late[statistics.rank(len(late), LATE_SHARE) - 1])
    return float(late[len(late) // 2]), max(float(deadline_ns), most)


def _steady_after_ms(frames: Frames) -> float | None:
    """Return after how long the latency stood still by itself; None where it never does.

    It informs only: a warm-up is declared, never inferred (METHOD: rule 6).
    """
    answered = frames.rows(np.isfinite(frames.latency_ns))
    at = statistics.settled(answered.latency_ns)
    return None if at is None else float(answered.due_ns[at] - frames.due_ns[0]) / MS_NS


def _first_excess_ms(run: Run, frames: Frames) -> dict[str, float]:
    """Return by how much the first execution of each stage was longer than the measured ones."""
    spans = measured.spans_of(run)
    mine = measured.among(spans.frame, frames.number[frames.measured])
    found = {}
    for k, stage in enumerate(spans.stages):
        own = spans.stage == k
        if not (own & mine).any():
            continue
        took = (spans.end_ns - spans.start_ns) / MS_NS
        first = int(np.flatnonzero(own)[np.argmin(spans.start_ns[own])])
        found[stage] = float(took[first] - np.median(took[own & mine]))
    return found


def _waits_ns(run: Run) -> NDArray[np.float64]:
    """Return how long each request waited for its first output, those of warm-up too."""
    window = measured.window_of(run.manifest)
    if window is None:
        return np.zeros(0)
    requests = requests_of(run, replace(window, start_ns=window.first_ns))
    waits = [each.first_ns - each.asked_ns for each in requests if each.first_ns is not None]
    return np.array(waits, dtype=np.float64)


def _of_requests(run: Run, waits: NDArray[np.float64], load_ns: int | None) -> Finding:
    usual = float(np.median(waits[1:])) if len(waits) > 1 else None
    more = None if usual is None else float(waits[0]) - usual
    cold = usual is not None and more is not None and more > max(ANSWER_NS, USUAL_SHARE * usual)
    rest = "no request to compare" if more is None else f"first answer {more / MS_NS:+.0f} ms"
    evidence: dict[str, Any] = {
        "load_ms": None if load_ns is None else load_ns / MS_NS,
        "load_parts": _parts_ms(run.manifest) or None,
        "requests": len(waits),
        "first_answer_ms": float(waits[0]) / MS_NS if len(waits) else None,
        "usual_answer_ms": None if usual is None else usual / MS_NS,
    }
    return Finding(
        ID,
        _title(load_ns, rest),
        _outcome(cold=cold, inside=False, load_ns=load_ns),
        evidence,
        REMEDY,
    )


_COLD: Final = [400.0, 360.0, 320.0, 280.0, 240.0, 200.0, 160.0, 120.0, 80.0]

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Whoever starts the program waits for it, and sees its first frames late: caches are cold, "
    "converters are made, the model plans its memory. Warm-up hides that from the numbers.",
    source="METHOD, rule 6: warm-up is declared, excluded and reported. A cold frame is over the "
    "deadline and over 99 % of the later half of the measured ones. Loading over 10 s, cold frames "
    "for over 0.1 s, or a first answer over 1 s slower than the usual one: warning (Miller 1968, "
    "Nielsen 1993); cold frames for over 0.1 s that reach into the window: failed",
    requires=("frames", "outputs"),
    related=("model_delivery",),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "loaded in two seconds, first frame on time",
            lambda: cases_pace.stated(
                cases_pace.warmed(cases.live_run([20.0] * 100), 25), load_ms=2000.0
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the first frame alone is late",
            lambda: cases_pace.warmed(cases.live_run([90.0] + [20.0] * 99), 25),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "nine cold frames in the warm-up",
            lambda: cases_pace.warmed(
                cases.live_run(
                    [*_COLD, *[20.0] * 91], work_ms={"infer": [380.0] + [12.0] * 99}
                ),
                25,
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "the same with a warm-up of four frames",
            lambda: cases_pace.warmed(cases.live_run([*_COLD, *[20.0] * 91]), 4),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "always late is not cold",
            lambda: cases_pace.warmed(cases.live_run([200.0] * 100), 25),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a model that compiles for half a minute",
            lambda: cases_pace.stated(cases.live_run([20.0] * 100), load_ms=30_000.0),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "half of that is a pass that only the measurement needs",
            lambda: cases_pace.stated(
                cases.live_run([20.0] * 100), load_ms=16_000.0,
                load={"model_ns": 8 * 10**9, OWN_WEIGHT: 8 * 10**9},
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "one request of a generator has nothing to be compared with",
            cases.generating_run,
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
    optional=("spans", "events"),
)  # fmt: skip
