"""How evenly do pictures come? The spread of presented intervals and of latency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cadence, cases, cases_device, cases_pace, explaining, measured
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.regimes import WINDOW_NS, WINDOW_PERIODS
from probe.tape import NULL
from probe.verdict.evidence import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.cadence import Steps
    from probe.measured import Frames
    from probe.store import Run

ID: Final = "jitter"
TITLE: Final = "Uneven output"
REMEDY: Final = (
    "find what takes longer at times: memory that is allocated anew, a core that is shared, a "
    "clock that changes (where latency spreads the stage is named here, where single steps are off "
    "by content_pacing); what is left hides behind a constant delay of `buffer_ms` more, where the "
    "deadline has room for it"
)
SWAPPED_PERIODS: Final = 1.0
"""Latencies that differ by a frame period let a picture come when its neighbour was due."""
NEAR_PERIODS: Final = 0.5
"""From half a period on a picture stands nearer to its neighbour's place than to its own. Both are
our own numbers, and the refresh of the display comes on top."""
LEAST_FRAMES: Final = 20
"""A window of METHOD has at least 20 frame periods: fewer frames have no spread."""
LOW, HIGH = 0.05, 0.95
MS_NS: Final = 1e6
_WORSE: Final = (FindingOutcome.PASSED, FindingOutcome.WARNING, FindingOutcome.FAILED)


def judge(run: Run) -> list[Finding]:
    """Judge the steps between pictures against their own median, and the spread of latency."""
    every = measured.frames_of(run)
    if not len(every):
        return [] if run.manifest.get("mode") == "generate" else [_unknown(0)]
    steps, period = cadence.steps_of(every, run.manifest), every.period_ns
    if Evidence(run).closed_loop:
        return [_no_rhythm()]
    if steps is None or period is None or len(steps) < LEAST_FRAMES:
        return [_unknown(0 if steps is None else len(steps))]
    median = steps.usual_ns
    off = steps.off(steps.interval_ns - median)
    spread, buffer = typical_spread_ns(_delivered(steps.frames), period)
    of_steps = cadence.outcome_of(off, measured.tier_of(run.manifest))
    of_spread = _of_spread(spread - steps.refresh_ns, period)
    outcome = max(of_steps, of_spread, key=_WORSE.index)
    evidence = _evidence(steps, off, spread, buffer)
    intervals = (
        f"{TITLE}: {int(off.sum())} of {len(steps)} intervals off the usual "
        f"{median / MS_NS:.0f} ms{steps.in_blocks}"
    )
    latencies = f"latency spreads over {spread / MS_NS:.0f} ms within a second"
    if outcome is FindingOutcome.PASSED:
        return [Finding(ID, f"{intervals}, {latencies}", outcome, evidence, REMEDY)]
    stages = _spreads_ms(run, steps.frames, period)
    first, last = np.flatnonzero(off)[[0, -1]] if off.any() else (0, len(off) - 1)
    of_latency = of_spread is not FindingOutcome.PASSED
    even = of_steps is FindingOutcome.PASSED
    title = f"Uneven latency: {latencies}" if even else intervals
    if of_latency and not even:
        title = f"{intervals}, {latencies}"
    uneven = float(np.abs(steps.interval_ns - median)[off].sum()) / len(steps) / MS_NS
    return [
        Finding(
            audit=ID,
            title=title,
            outcome=outcome,
            evidence=evidence | {"stages": explaining.in_ms(stages)},
            remedy=REMEDY,
            cost_ms_per_frame=evidence["buffer_ms"] if of_latency else uneven,
            stage=explaining.foremost(stages, spread / MS_NS) if of_latency else None,
            from_ns=int(steps.frames.rendered_ns[first]),
            to_ns=int(steps.frames.rendered_ns[last + 1]),
        )
    ]


def _unknown(steps: int) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: {steps} intervals between shown frames, {LEAST_FRAMES} are needed",
        FindingOutcome.NOT_MEASURED,
        {"intervals": steps},
        'measure longer, and say when each frame is shown: probe.mark("presented", frame=k)',
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


def _of_spread(spread_ns: float, period_ns: float) -> FindingOutcome:
    """Judge what the display's own rounding leaves of a spread."""
    if spread_ns >= SWAPPED_PERIODS * period_ns:
        return FindingOutcome.FAILED
    near = spread_ns >= NEAR_PERIODS * period_ns
    return FindingOutcome.WARNING if near else FindingOutcome.PASSED


def _delivered(frames: Frames) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return when frames were due, and their latency up to delivery: a refresh adds no spread."""
    out = frames.rows(np.argsort(frames.due_ns, kind="stable"))
    until = np.where(out.delivered_ns == NULL, out.rendered_ns, out.delivered_ns)
    return out.due_ns, (until - out.due_ns).astype(np.float64)


def typical_spread_ns(
    series: tuple[NDArray[np.int64], NDArray[np.float64]], period_ns: float
) -> tuple[float, float]:
    """Return the medians over windows of what lies between percentiles 5 and 95, and 50 and 95.

    A drift or a change of level is no jitter: what counts lies about the straight line of each
    window (least squares). Windows are METHOD's: a second, and at least 20 frame periods; one that
    holds under half of these frames is left out, unless all do.
    """
    due, values = series
    known = np.isfinite(values)
    due, values = due[known], values[known]
    if not len(values):
        return 0.0, 0.0
    window = (due - due[0]) // max(WINDOW_NS, round(WINDOW_PERIODS * period_ns))
    begins = np.flatnonzero(np.diff(window, prepend=-1))
    counts = np.diff(np.append(begins, len(window)))
    about = _about_the_line((due - due[0]) / 1e9, values, begins, counts)
    order = np.lexsort((about, window))
    low, middle, high = (
        about[order[begins + np.rint(q * (counts - 1)).astype(int)]] for q in (LOW, 0.5, HIGH)
    )
    full = counts >= WINDOW_PERIODS // 2
    kept = full if full.any() else ~full
    return float(np.median((high - low)[kept])), float(np.median((high - middle)[kept]))


def _about_the_line(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    begins: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return y less the straight line through each stretch, which begins at `begins`."""
    x, y = (each - np.repeat(np.add.reduceat(each, begins) / counts, counts) for each in (x, y))
    width = np.add.reduceat(x * x, begins)
    slope = np.add.reduceat(x * y, begins) / np.where(width > 0, width, 1.0)
    return y - np.repeat(slope, counts) * x


def _evidence(
    steps: Steps, off: NDArray[np.bool_], spread_ns: float, buffer_ns: float
) -> dict[str, Any]:
    interval = np.sort(steps.interval_ns) / MS_NS
    latency = np.sort(_delivered(steps.frames)[1]) / MS_NS
    longest = int(np.argmax(steps.interval_ns))
    return {
        "intervals": len(steps),
        "off": int(off.sum()),
        "limit_ms": steps.limit_ns / MS_NS,
        "interval_p5_p50_p95_ms": [_at(interval, q) for q in (LOW, 0.5, HIGH)],
        "latency_p5_p50_p95_ms": [_at(latency, q) for q in (LOW, 0.5, HIGH)],
        "typical_spread_ms": spread_ns / MS_NS,
        "buffer_ms": buffer_ns / MS_NS,
        "block_size": steps.block_size,
        "longest": {
            "frame": int(steps.frames.number[longest + 1]),
            "presented_ns": int(steps.frames.rendered_ns[longest + 1]),
            "interval_ms": float(steps.interval_ns[longest]) / MS_NS,
        },
    }


def _at(ordered: NDArray[np.float64], share: float) -> float:
    return float(ordered[round(share * (len(ordered) - 1))])


def _spreads_ms(run: Run, frames: Frames, period_ns: float) -> dict[str, float]:
    """Return the typical spread of the time in and before each stage."""
    totals = explaining.totals_of(run, frames)
    return {
        name: typical_spread_ns((frames.due_ns, total), period_ns)[0] / MS_NS
        for name, total in totals.items()
    }


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Pictures that come unevenly stutter; whoever wants them even has to hold each one back "
    "until the slowest would be there, and pays for it with latency.",
    source="Our own numbers: an interval is off the usual one by half a frame period and more, "
    "besides one refresh of the display; latency up to delivery spreads (5th to 95th percentile "
    "about the straight line of a window of METHOD, median of windows) over as much: warning, over "
    "a period and a refresh: failed, as pictures then come when their neighbours were due. "
    "Intervals fail by the test of rules 3 and 4",
    requires=("frames",),
    related=(
        "block_delivery",
        "content_pacing",
        "pipeline_stall",
    ),
    of_time=True,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case("even", lambda: cases.live_run([20.0, 22.0] * 50), (FindingOutcome.PASSED,)),
        Case(
            "slow and even",
            lambda: cases.live_run([120.0, 122.0] * 50),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "one late frame in a hundred is no jitter",
            lambda: cases.live_run([20.0] * 50 + [90.0] + [20.0] * 49),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "latency that rises slowly is a drift",
            lambda: cases.live_run([20.0 + 0.1 * k for k in range(300)]),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "latency that rises by a period in six frames is one, too",
            lambda: cases_pace.served_run([47.0] * 120),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a delay of half a period would make it even",
            lambda: cases.live_run([10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 28.0, 22.0, 16.0] * 12),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "every second frame a period later, by the inference",
            lambda: cases.live_run(
                [5.0, 47.0] * 50, work_ms={"decode": [2.0] * 100, "infer": [3.0, 45.0] * 50}
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a display shows 25 fps at 60 Hz as evenly as it can",
            lambda: cases_pace.on_display(cases.live_run([12.0] * 100), 60.0),
            (FindingOutcome.PASSED,),
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
