"""Can these stages hold the rate, and answer in time?

A stage that takes longer than a frame period for each frame that passes it can never hold the rate,
however the queues are set: there only less work, or more of it at the same time, helps. Stages that
share a thread wait for each other, so they take as long as all of them together. Stages that
together take longer than the deadline cannot answer in time, whatever the rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import breakdown, cases, cases_pace, explaining, measured, statistics
from probe.loads import LEAST_FRAMES, LEVEL_SHARE, MS_NS, loads_of, worked_ns
from probe.model import Audit, Case, Finding, FindingOutcome, Outcome
from probe.threads import shared
from probe.verdict.evidence import Evidence

if TYPE_CHECKING:
    from probe.loads import Load
    from probe.measured import Frames, Spans
    from probe.store import Run
    from probe.threads import Shared

ID: Final = "stage_over_budget"
TITLE: Final = "Stages over their budget"
REMEDY: Final = (
    "over the frame period: make this stage faster (a smaller model or input, a faster provider), "
    "run several frames in it at once, give stages that share a thread one each, or lower "
    "source.fps to what it holds; over the deadline: "
    "only less work in the stages of a frame helps, as running them in parallel keeps the rate and "
    "not the latency"
)
EDGE: Final = 0.01
"""A stage that waits for a clock (a camera, a display) takes a period each time and no more: only
what exceeds it by 1 % is over. Our own number: the frames at both ends of a 100-frame window."""


def judge(run: Run) -> list[Finding]:
    """Hold each stage against the frame period, and all of a frame against the deadline."""
    every = measured.frames_of(run)
    if not len(every) and run.manifest.get("mode") == "generate":
        return []
    frames, period = measured.measured_frames_of(run), every.period_ns
    spans = measured.measured_spans_of(run)
    if len(frames) < LEAST_FRAMES or period is None or not len(spans.frame):
        return [_unknown(len(frames))]
    aside = breakdown.beside(run.manifest)
    whole = _of_deadline(run, frames, spans, aside)
    if Evidence(run).closed_loop:
        return [whole or _no_rate()]
    loads = loads_of(frames, spans, aside)
    threads = [each for each in (_of_threads(part, period, frames) for part in shared(run)) if each]
    told = {stage for each in threads for stage in each.evidence["stages"]}
    found = [_of_rate(load, period, frames) for load in loads if load.stage not in told]
    findings = [each for each in (*threads, *found, whole) if each]
    return findings or [_passed(loads, frames, period)]


def _unknown(frames: int) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: no stage execution of {LEAST_FRAMES} or more measured frames is known",
        FindingOutcome.NOT_MEASURED,
        {"measured": frames},
        'put each stage into `with probe.stage("infer", frame=k)` and call probe.frame(k, ...)',
    )


def _no_rate() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: each frame is due when the one before was answered, so there is no rate to hold "
        "(speed_as_live)",
        FindingOutcome.NOT_MEASURED,
        {},
        "let a source give frames at their own times, whatever became of the one before",
    )


def _passed(loads: list[Load], frames: Frames, period_ns: float) -> Finding:
    worst = max(loads, key=lambda load: load.each_ns, default=None)
    evidence: dict[str, Any] = {"measured": len(frames), "period_ms": period_ns / MS_NS}
    if worst is None:
        return Finding(ID, f"{TITLE}: none", FindingOutcome.PASSED, evidence, REMEDY)
    title = f"{TITLE}: none, {worst.stage} takes most, {worst.each_ns / MS_NS:.1f} ms a frame"
    evidence["stages"] = {load.stage: load.row() for load in loads}
    return Finding(ID, title, FindingOutcome.PASSED, evidence, REMEDY, stage=worst.stage)


def _of_rate(load: Load, period_ns: float, frames: Frames) -> Finding | None:
    """Say whether a stage is too slow for the rate, by what each passing frame costs."""
    if load.each_ns <= (1 + EDGE) * period_ns:
        return None
    always = load.usual_ns > (1 + EDGE) * period_ns and not load.beside
    most = 1e9 / load.each_ns
    at_once = f", {load.parallel} at once" if load.parallel > 1 else ""
    return Finding(
        audit=ID,
        title=f"{load.stage} takes {load.each_ns / MS_NS:.1f} ms a frame on average{at_once}, a "
        f"frame comes each {period_ns / MS_NS:.1f} ms: it can hold {most:.1f} fps",
        outcome=FindingOutcome.FAILED if always else FindingOutcome.WARNING,
        evidence={
            "period_ms": period_ns / MS_NS,
            "holds_fps": most,
            "beside_the_display": load.beside,
            **load.row(),
        },
        remedy=REMEDY,
        cost_ms_per_frame=(load.each_ns - period_ns) / MS_NS,
        stage=load.stage,
        from_ns=int(frames.due_ns[0]),
        to_ns=int(frames.due_ns[-1]),
    )


def _of_threads(part: Shared, period_ns: float, frames: Frames) -> Finding | None:
    """Say whether stages that share a thread are too slow for the rate, all together."""
    ran = measured.among(frames.number, part.spans.frame)
    passed = int(np.count_nonzero(ran | frames.answered))
    each = part.at_work_ns / max(passed, 1) / part.threads
    if np.count_nonzero(ran) < LEAST_FRAMES or each <= (1 + EDGE) * period_ns:
        return None
    number, work = worked_ns(part.spans)
    if work.sum() > (1 + LEVEL_SHARE) * part.at_work_ns:
        return None  # frames take turns on the thread, so that a span is no work of its own
    worst, usual = int(np.argmax(work)), float(np.median(work)) / part.threads
    took = np.bincount(
        part.spans.stage, part.spans.end_ns - part.spans.start_ns, len(part.spans.stages)
    ) / max(passed, 1)
    stages = {name: float(took[part.spans.stages.index(name)]) for name in part.stages}
    most = 1e9 / each
    where = f"{part.threads} threads" if part.threads > 1 else "a thread"
    return Finding(
        audit=ID,
        title=f"{', '.join(part.stages)} share {where} and take {each / MS_NS:.1f} ms a frame "
        f"together, a frame comes each {period_ns / MS_NS:.1f} ms: they can hold {most:.1f} fps",
        outcome=FindingOutcome.FAILED if usual > (1 + EDGE) * period_ns else FindingOutcome.WARNING,
        evidence={
            "period_ms": period_ns / MS_NS,
            "holds_fps": most,
            "threads": part.threads,
            "frames": len(number),
            "per_passing_frame_ms": each / MS_NS,
            "usual_ms": usual / MS_NS,
            "stages": {name: time / MS_NS for name, time in stages.items()},
            "worst": {"frame": int(number[worst]), "took_ms": float(work[worst]) / MS_NS},
        },
        remedy=REMEDY,
        cost_ms_per_frame=(each - period_ns) / MS_NS,
        stage=max(stages, key=lambda name: stages[name]),
        from_ns=int(frames.due_ns[0]),
        to_ns=int(frames.due_ns[-1]),
    )


def _of_deadline(run: Run, frames: Frames, spans: Spans, aside: tuple[str, ...]) -> Finding | None:
    """Say whether the work on an answered frame alone, without any wait, exceeds the deadline."""
    answered = frames.rows(frames.answered)
    kept = [k for k, name in enumerate(spans.stages) if name not in aside]
    number, work = worked_ns(spans.rows(np.isin(spans.stage, kept)))
    mine = measured.among(number, answered.number)
    number, work = number[mine], work[mine]
    if len(work) < LEAST_FRAMES:
        return None
    deadline = measured.deadline_ns(run.manifest)
    over = work > deadline
    answer = statistics.answer(statistics.sample_of(over, measured.tier_of(run.manifest)))
    if answer.outcome is not Outcome.REFUTED:
        return None
    usual, worst = float(np.median(work[over])), int(np.argmax(work))
    spent = breakdown.breakdown_of(answered, spans, aside)
    stages = {
        name: float(np.nanmedian(column)) / MS_NS
        for name, column in zip(spent.stages, spent.work_ns.T, strict=True)
        if np.isfinite(column).any()
    }
    excess = np.where(over, work - deadline, 0.0)
    return Finding(
        audit=ID,
        title=f"The work on {int(over.sum())} of {len(work)} frames alone takes longer than the "
        f"deadline of {deadline / MS_NS:g} ms, usually {usual / MS_NS:.0f} ms",
        outcome=FindingOutcome.FAILED if 2 * over.sum() > len(over) else FindingOutcome.WARNING,
        evidence={
            "answered": len(work),
            "over": int(over.sum()),
            "usual_ms": usual / MS_NS,
            "deadline_ms": deadline / MS_NS,
            "stages": explaining.in_ms(stages),
            "worst": {"frame": int(number[worst]), "took_ms": float(work[worst]) / MS_NS},
        },
        remedy=REMEDY,
        cost_ms_per_frame=float(excess.mean()) / MS_NS,
        stage=max(stages, key=lambda name: stages[name]),
        from_ns=int(answered.due_ns[0]),
        to_ns=int(answered.due_ns[-1]),
    )


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Queues, priorities and threads move latency about; a stage that needs more time for each "
    "frame than there is between two frames loses frames for ever, and work that is longer than "
    "the deadline is late on an idle machine.",
    source="Arithmetic: a stage with c executions at a time holds c divided by its time per frame, "
    "and stages on one thread hold one divided by the time of all; "
    "no answer is sooner than the work on it. METHOD, rules 3 and 4, for the frames over the "
    "deadline; 1 % for frames at the edges of the window is our own number",
    requires=("frames", "spans"),
    related=(
        "late_frames",
        "latency_is_not_throughput",
        "lost_frames",
        "queue_buildup",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "every stage within its period, all within the deadline",
            lambda: cases.live_run(
                [30.0] * 60, work_ms={"decode": [5.0] * 60, "infer": [20.0] * 60}
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "inference takes 45 ms of 40, and each third frame is given up or so",
            lambda: cases_pace.served_run([45.0] * 120, room=1),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "two at a time hold the rate",
            lambda: cases_pace.served_run([45.0] * 120, servers=2),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "two at a time do not hold 90 ms, and nothing is in time",
            lambda: cases_pace.served_run([90.0] * 120, servers=2, room=1),
            (FindingOutcome.FAILED, FindingOutcome.FAILED),
        ),
        Case(
            "three stages of 15 ms on threads of their own",
            lambda: cases_pace.in_a_row({"decode": 15.0, "infer": 15.0, "draw": 15.0}, own=True),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the same on one thread take 45 ms of 40",
            lambda: cases_pace.in_a_row({"decode": 15.0, "infer": 15.0, "draw": 15.0}),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a batch of four in 100 ms holds the rate",
            lambda: cases_pace.late_by(cases_pace.served_run([100.0] * 120, batch=4), 500.0),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a camera that is waited for takes a period each time",
            lambda: cases.live_run([45.0] * 60, work_ms={"capture": [40.0] * 60}),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "usually fast, but hangs for a second every fourth second",
            lambda: cases_pace.served_run(([10.0] * 80 + [3000.0] + [10.0] * 19) * 3, room=2),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "no stage over 30 ms, together 75: late on an idle machine",
            lambda: cases.live_run(
                [80.0] * 60,
                work_ms={"decode": [25.0] * 60, "infer": [30.0] * 60, "encode": [20.0] * 60},
            ),
            (FindingOutcome.FAILED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case(
            "a program whose stages are not known",
            lambda: cases.live_run([20.0] * 60),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
