"""Where do frames wait, ever longer or always? Queues that grow, and queues that never empty.

A queue is there to take a burst and to empty again. One that grows means that frames come faster
than they are worked on; one that stands adds its wait to every answer and wins nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from probe import breakdown, cases, cases_pace, explaining, measured, statistics
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from probe.measured import Frames, Spans, Window
    from probe.store import Run

ID: Final = "queue_buildup"
TITLE: Final = "Queues that fill up"
REMEDY: Final = (
    'a queue of one or two frames that gives up its oldest (source.policy = "latest") keeps the '
    "answer fresh; the stage behind the queue is the slow one: make it faster, run it several "
    "times at once, or lower source.fps to what it holds. A longer queue only answers later"
)
STANDING_NS: Final = 5 * 10**6
INTERVAL_NS: Final = 100 * 10**6
"""A queue whose least wait in an interval of 100 ms stays over 5 ms stands, whatever it is for (RFC
8289, CoDel: TARGET and INTERVAL)."""
STANDING_PERIODS: Final = 0.8
"""... and over this share of a frame period: then a frame more than needed always waits (Little),
less some scatter of arrivals. A queue of one that gives up its oldest never stands. Our own."""
INTERVAL_PERIODS: Final = 10
"""An interval holds at least so many frame periods: our own number, for slow sources."""
LEAST_WAITS: Final = 3
"""... and so many waits: fewer have no least one worth the name. So many intervals are needed."""
SOURCE: Final = "capture"
"""Where the source waits for a full queue (policy "block"), its frames queue before it."""
STANDS: Final = 0.5
"""A queue stands where it does in over half of the intervals."""
GREW_PERIODS: Final = 1.0
"""A queue grew where a frame waits a frame period longer: then one more frame waits (Little)."""
GREW_FRAMES: Final = 1.0
CONFIDENCE: Final = 0.99
MS_NS: Final = 1e6
GAUGES: Final = ("program.queue", "program.in_flight")


@dataclass(frozen=True)
class _Queue:
    """The waits before a stage in order of time."""

    stage: str
    beside: bool
    frame: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    wait_ns: NDArray[np.float64]


def judge(run: Run) -> list[Finding]:
    """Judge the waits before each stage; where none are known, the gauges of queues."""
    frames = measured.frames_of(run)
    if not len(frames):
        return [] if run.manifest.get("mode") == "generate" else [_unknown()]
    window, period = measured.live_window(run.manifest, frames), frames.period_ns
    if window is None or period is None:
        return [_unknown()]
    queues, source = list(_queues(run, window)), list(_source(frames))
    deadline = measured.deadline_ns(run.manifest)
    each = [_of_waits(queue, window, period, deadline) for queue in (*source, *queues)]
    if found := [finding for finding in each if finding]:
        return _joined(found, breakdown.beside(run.manifest))
    return [_passed(queues, frames)] if queues else _of_gauges(run, window)


def _joined(found: list[Finding], aside: tuple[str, ...]) -> list[Finding]:
    """Return one finding for all queues on the way: where senders wait, one full queue fills all.

    The last of them stands before the slow stage.
    """
    beside = [each for each in found if each.stage in aside]
    way = [each for each in found if each.stage not in aside]
    if len(way) <= 1:
        return found
    behind = {str(each.stage): each.cost_ms_per_frame or 0.0 for each in way[:-1]}
    failed = any(each.outcome is FindingOutcome.FAILED for each in way)
    last = replace(
        way[-1],
        title=f"{way[-1].title}; and before {', '.join(behind)}, which it holds up",
        outcome=FindingOutcome.FAILED if failed else FindingOutcome.WARNING,
        evidence={**way[-1].evidence, "holds_up": explaining.in_ms(behind)},
        cost_ms_per_frame=sum(each.cost_ms_per_frame or 0.0 for each in way),
        from_ns=min(each.from_ns or 0 for each in way),
    )
    return [last, *beside]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: no wait before a stage and no gauge is known",
        FindingOutcome.NOT_MEASURED,
        {},
        'say how long a frame waited: probe.stage("infer", frame=k, queue_ns=...), or how many '
        'wait: probe.mark("queue", stage="infer", value=...)',
    )


def _queues(run: Run, window: Window) -> Iterator[_Queue]:
    """Yield the queue of each stage, in the order in which the first frame came to them."""
    spans, aside = measured.spans_of(run), breakdown.beside(run.manifest)
    begins = np.full(len(spans.stages), np.iinfo(np.int64).max)
    np.minimum.at(begins, spans.stage, spans.start_ns)
    inside = (spans.start_ns >= window.start_ns) & (spans.start_ns < window.end_ns)
    spans = spans.rows(inside & (spans.queue_ns != NULL))
    for k in np.argsort(begins, kind="stable").tolist():
        stage = spans.stages[k]
        own: Spans = spans.rows(spans.stage == k)
        if stage == SOURCE or len(own.frame) < LEAST_WAITS:
            continue
        own = own.rows(np.argsort(own.start_ns, kind="stable"))
        waits = own.queue_ns.astype(np.float64)
        yield _Queue(stage, stage in aside, own.frame, own.start_ns, waits)


def _source(frames: Frames) -> Iterator[_Queue]:
    """Yield the queue of frames that are due and not released yet."""
    said = frames.measured & (frames.scheduled_ns != NULL) & (frames.captured_ns != NULL)
    own = frames.rows(said)
    if len(own) >= LEAST_WAITS:
        waits = (own.captured_ns - own.scheduled_ns).astype(np.float64)
        yield _Queue(SOURCE, beside=False, frame=own.number, t_ns=own.due_ns, wait_ns=waits)


def _of_waits(queue: _Queue, window: Window, period_ns: float, deadline_ns: int) -> Finding | None:
    first, last = _tenth(queue.wait_ns, first=True), _tenth(queue.wait_ns, first=False)
    least = _least_waits_ns(queue, window, period_ns)
    over = least > max(float(STANDING_NS), STANDING_PERIODS * period_ns)
    stands = len(least) >= LEAST_WAITS and float(over.mean()) > STANDS
    if last - first >= GREW_PERIODS * period_ns and _rises(queue.t_ns, queue.wait_ns):
        base, wait = first, last
        title = (
            f"Frames wait ever longer before {queue.stage}: {first / MS_NS:.0f} ms at first, "
            f"{last / MS_NS:.0f} ms at last"
        )
    elif stands:
        base, wait = 0.0, float(np.median(least))
        title = f"Frames always wait before {queue.stage}, usually {wait / MS_NS:.0f} ms or more"
    else:
        return None
    failed = wait >= deadline_ns and not queue.beside
    worst = int(np.argmax(queue.wait_ns))
    return Finding(
        audit=ID,
        title=title,
        outcome=FindingOutcome.FAILED if failed else FindingOutcome.WARNING,
        evidence={
            "waits": len(queue.wait_ns),
            "first_tenth_ms": first / MS_NS,
            "last_tenth_ms": last / MS_NS,
            "stands_share": float(over.mean()) if len(over) else None,
            "beside_the_display": queue.beside,
            "worst": {
                "frame": int(queue.frame[worst]),
                "waited_ms": float(queue.wait_ns[worst]) / MS_NS,
            },
        },
        remedy=REMEDY,
        cost_ms_per_frame=max(0.0, float(queue.wait_ns.mean()) - base) / MS_NS,
        stage=queue.stage,
        from_ns=int(queue.t_ns[0]),
        to_ns=int(queue.t_ns[-1]),
    )


def _least_waits_ns(queue: _Queue, window: Window, period_ns: float) -> NDArray[np.float64]:
    """Return the least wait of as many neighbours as an interval holds, and at least three."""
    interval = max(INTERVAL_NS, round(INTERVAL_PERIODS * period_ns))
    count = len(queue.wait_ns)
    size = max(LEAST_WAITS, -(-count * interval // max(window.length_ns, 1)))
    least: NDArray[np.float64] = np.minimum.reduceat(queue.wait_ns, np.arange(0, count, size))
    return least[: count // size]


def _tenth(values: NDArray[np.float64], *, first: bool) -> float:
    size = max(1, len(values) // 10)
    return float(np.median(values[:size] if first else values[-size:]))


def _rises(t_ns: NDArray[np.int64], values: NDArray[np.float64]) -> bool:
    found = statistics.trend((t_ns - t_ns[0]) / 1e9, values, CONFIDENCE)
    return found is not None and found.low > 0


def _passed(queues: list[_Queue], frames: Frames) -> Finding:
    means = {queue.stage: float(queue.wait_ns.mean()) / MS_NS for queue in queues}
    worst = max(means, key=lambda stage: means[stage])
    return Finding(
        ID,
        f"{TITLE}: none, the longest wait is before {worst}, {means[worst]:.1f} ms on average",
        FindingOutcome.PASSED,
        {"measured": int(frames.measured.sum()), "mean_waits": explaining.in_ms(means)},
        REMEDY,
    )


def _of_gauges(run: Run, window: Window) -> list[Finding]:
    """Judge gauges of queues, else of frames in flight: by Little's law they grow as the waits."""
    samples = run.table("samples")
    for track in GAUGES:
        of_track = samples[(samples["track"] == track).fillna(value=False)]
        found = [
            _of_gauge(track, str(label), measured.integers(rows["t_ns"]), rows["value"].to_numpy(
                dtype=np.float64, na_value=np.nan), window)
            for label, rows in of_track.groupby(of_track["label"].fillna(""))
        ]  # fmt: skip
        if known := [each for each in found if each]:
            grown = [each for each in known if each.outcome is not FindingOutcome.PASSED]
            return grown or known[:1]
    return [_unknown()]


def _of_gauge(
    track: str, stage: str, t_ns: NDArray[np.int64], values: NDArray[np.float64], window: Window
) -> Finding | None:
    inside = (t_ns >= window.start_ns) & (t_ns < window.end_ns) & np.isfinite(values)
    t_ns, values = t_ns[inside], values[inside]
    if len(values) < statistics.LEAST_FOR_SLOPE:
        return None
    size = len(values) // 10
    first, last = float(values[:size].mean()), float(values[-size:].mean())
    what = f"frames that wait before {stage}" if stage else "frames in flight"
    grew = last - first >= GREW_FRAMES and _rises(t_ns, values)
    title = f"More and more {what}: {first:.1f} at first, {last:.1f} at last"
    return Finding(
        audit=ID,
        title=title if grew else f"{TITLE}: no, {values.mean():.1f} {what} on average",
        outcome=FindingOutcome.WARNING if grew else FindingOutcome.PASSED,
        evidence={
            "track": track, "samples": len(values), "first_tenth": first, "last_tenth": last,
            "most": float(values.max()),
        },
        remedy=REMEDY,
        stage=stage or None,
        from_ns=int(t_ns[0]) if grew else None,
        to_ns=int(t_ns[-1]) if grew else None,
    )  # fmt: skip


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Queues turn a lack of speed into latency: the rate stays what the slowest stage gives, "
    "and each answer is as old as the queue is long.",
    source="RFC 8289 (CoDel): a queue stands whose least wait over an interval of 100 ms (at least "
    "10 frame periods) stays over 5 ms and 0.8 frame periods, so that a frame always waits; it "
    "grew where the slope is positive at 99 % and a frame waits a frame period longer than at "
    "first. Failed where that wait alone takes the deadline",
    requires=("frames",),
    related=(
        "late_frames",
        "latency_is_not_throughput",
        "lost_frames",
        "stage_over_budget",
        "sync_drift",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "no frame waits",
            lambda: cases_pace.served_run([20.0] * 120),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the source itself waits for a pipeline that keeps every frame",
            lambda: cases_pace.held_up(cases_pace.served_run([44.0] * 150)),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a burst that the queue takes and gives back",
            lambda: cases_pace.served_run([20.0] * 50 + [150.0] * 3 + [20.0] * 67),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "44 ms of work each 40 ms, and a queue without end",
            lambda: cases_pace.served_run([44.0] * 150),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "three frames always wait before 50 ms of work",
            lambda: cases_pace.served_run([50.0] * 150, room=3),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a queue of two stands, within the deadline",
            lambda: cases_pace.late_by(cases_pace.served_run([50.0] * 150, room=2), 200.0),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a queue of one keeps the newest frame, and never stands",
            lambda: cases_pace.served_run([50.0] * 150, room=1),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "frames in flight grow, and nobody says where they wait",
            lambda: cases_pace.gauged(
                cases.live_run([20.0] * 120), [k // 20 for k in range(120)], "program.in_flight"
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a gauge that goes up and down",
            lambda: cases_pace.gauged(
                cases.live_run([20.0] * 120), [0.0, 1.0, 2.0, 1.0] * 30, "program.queue", "infer"
            ),
            (FindingOutcome.PASSED,),
        ),
        Case("a program without a live input", cases.generating_run, ()),
        Case(
            "a program that says nothing of waits",
            lambda: cases.live_run([20.0] * 60),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
    optional=("spans", "samples"),
)
