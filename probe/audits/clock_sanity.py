"""Do the times of a Run contradict each other, or the clock that the harness kept?

Asks what rule 14 asks of times (`probe.verdict.sanity`), and besides: were records made outside the
run, as happens where a program reads another clock; and did the wall clock and the monotonic one,
both read at start and end, advance alike? Slewing moves both; a step of the wall clock and a
machine that slept do not, and whatever is aligned by wall time is then off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cases, cases_device
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.tape import NULL
from probe.verdict.evidence import Evidence
from probe.verdict.sanity import Impossible, impossible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "clock_sanity"
TITLE: Final = "Times that contradict each other"
REMEDY: Final = (
    "take every time from CLOCK_MONOTONIC (time.perf_counter_ns, clock_gettime) in the process "
    "that marks it, no wall clock and no timestamps of a camera or stream that were not converted; "
    "keep the machine awake and its clock unset while it measures"
)
MS_NS: Final = 1e6
MARGIN_NS: Final = 10**9
"""Records may lie a second outside the harness's own start and end: a display clock computes its
next refresh, a buffered source gives what it had. Our own number."""
APART_NS: Final = 100 * 10**6
"""Both clocks are read one after the other; a reader that lost its core in between is off by less.
ntpd sets the clock, instead of slewing it, from 128 ms on. Our own number, under that."""


def judge(run: Run) -> list[Finding]:
    """Say which times cannot be true, and whether the clocks went apart."""
    evidence = Evidence(run)
    count = len(evidence.all_frames) + len(evidence.spans.stage) + len(evidence.outputs)
    if not count:
        return [_unknown()]
    wrong = [*impossible(evidence), *_outside(evidence)]
    apart = _apart_ns(run.manifest)
    proof: dict[str, Any] = {
        "records": count,
        "contradictions": [_row(each) for each in wrong],
        "wall_minus_monotonic_ms": None if apart is None else apart / MS_NS,
    }
    if wrong:
        first = f"{wrong[0].count} {wrong[0].what}"
        more = f", and {len(wrong) - 1} more kinds" if len(wrong) > 1 else ""
        return [
            Finding(ID, f"{TITLE}: {first}{more}", FindingOutcome.FAILED, proof, REMEDY,
                    from_ns=min(each.at_ns for each in wrong))
        ]  # fmt: skip
    if apart is not None and abs(apart) > APART_NS:
        title = (
            f"{TITLE}: the wall clock moved {apart / MS_NS:+.0f} ms against the monotonic one: it "
            "was set, or the machine slept"
        )
        return [Finding(ID, title, FindingOutcome.WARNING, proof, REMEDY)]
    return [Finding(ID, f"{TITLE}: none", FindingOutcome.PASSED, proof, REMEDY)]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: nothing was recorded",
        FindingOutcome.NOT_MEASURED,
        {"records": 0},
        "mark frames, stages or outputs: probe.frame, probe.stage, probe.mark",
    )


def _row(each: Impossible) -> dict[str, Any]:
    return {
        "what": each.what, "count": each.count, "first_frame": each.frame,
        "first_ns": each.at_ns, "worst_ms": each.worst_ns / MS_NS,
    }  # fmt: skip


def _outside(evidence: Evidence) -> Iterator[Impossible]:
    """Yield the records before the harness began, and those after it ended."""
    clocks = evidence.manifest.get("clocks") or {}
    begin, end = clocks.get("start_monotonic_ns"), clocks.get("end_monotonic_ns")
    frames, spans, outputs = evidence.all_frames, evidence.spans, evidence.outputs
    for what, number, times in (
        ("frames", frames.number, frames.captured_ns),
        ("stage executions", spans.frame, spans.start_ns),
        ("stage executions' ends", spans.frame, spans.end_ns),
        ("outputs", outputs.frame, outputs.delivered_ns),
    ):
        if begin is not None:
            early = np.where(times == NULL, 0, int(begin) - MARGIN_NS - times)
            yield from _beyond(f"{what} before the run began", number, times, early)
        if end is not None:
            late = np.where(times == NULL, 0, times - int(end) - MARGIN_NS)
            yield from _beyond(f"{what} after the run ended", number, times, late)


def _beyond(
    what: str, number: NDArray[np.int64], times: NDArray[np.int64], excess: NDArray[np.int64]
) -> Iterator[Impossible]:
    wrong = np.flatnonzero(excess > 0)
    if len(wrong):
        first = wrong[np.argmin(times[wrong])]
        whose = int(number[first])
        yield Impossible(
            what, len(wrong), None if whose == NULL else whose, int(times[first]),
            int(excess[wrong].max()) + MARGIN_NS,
        )  # fmt: skip


def _apart_ns(manifest: Mapping[str, Any]) -> int | None:
    """Return how much further the wall clock went than the monotonic one; None where not read."""
    clocks = manifest.get("clocks") or {}
    names = ("start_monotonic_ns", "end_monotonic_ns", "start_wall_ns", "end_wall_ns")
    read = [int(clocks[name]) for name in names if clocks.get(name) is not None]
    if len(read) < len(names):
        return None
    start, end, wall_start, wall_end = read
    return (wall_end - wall_start) - (end - start)


def _timed(run: Run, *, wall_step_ms: int = 0, start_s: int = 1) -> Run:
    """Return the Run with clocks read `start_s` before its first frame and 10 s after it."""
    start = cases.BEGIN_NS - start_s * 10**9
    end = cases.BEGIN_NS + 10 * 10**9
    wall = 1_795_226_400 * 10**9
    clocks = {
        "start_monotonic_ns": start, "start_wall_ns": wall, "end_monotonic_ns": end,
        "end_wall_ns": wall + end - start + wall_step_ms * cases.MS,
    }  # fmt: skip
    return cases_device.stating(run, {}, clocks=clocks)


def _backwards() -> Run:
    """Return a Run with one span that ends before it begins."""
    run = cases.live_run([20.0] * 30, work_ms={"infer": [10.0] * 30})
    rows = cases_device.rows_of(run, "spans")
    rows[7]["end_ns"] = rows[7]["start_ns"] - 3 * cases.MS
    return cases_device.holding(run, "spans", rows)


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A latency is a difference of two times. If one is of another clock, or was marked in the "
    "wrong place, every number made of it is wrong and looks like a number.",
    source="METHOD, rule 14 (negative latency, time going backwards: invalid) and DESIGN: one "
    "clock everywhere, a disagreement is reported, not hidden. The margins are our own numbers",
    requires=("frames", "spans", "outputs"),
    related=("little_mismatch",),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "times in order, clocks alike",
            lambda: _timed(cases.live_run([20.0] * 30)),
            (FindingOutcome.PASSED,),
        ),
        Case("shown before it was due", lambda: cases.live_run([20.0] * 29 + [-5.0]),
             (FindingOutcome.FAILED,)),
        Case("a span that ends before it begins", _backwards, (FindingOutcome.FAILED,)),
        Case(
            "frames stamped by another clock, a minute before the run",
            lambda: _timed(cases.live_run([20.0] * 30), start_s=-60),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the wall clock was set back by two seconds",
            lambda: _timed(cases.live_run([20.0] * 30), wall_step_ms=-2_000),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "clocks that were read a millisecond apart",
            lambda: _timed(cases.live_run([20.0] * 30), wall_step_ms=1),
            (FindingOutcome.PASSED,),
        ),
        Case("a generator's times count too", cases.generating_run, (FindingOutcome.PASSED,)),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)  # fmt: skip
