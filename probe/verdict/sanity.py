"""What in a Run cannot be true? Times out of order, frames from nowhere, Little's law (rule 14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from probe.verdict.evidence import Evidence, InFlight

LITTLE_FRAMES: Final = 300
LITTLE_TOLERANCE: Final = 0.10
"""From 300 frames on, frames in flight agree with rate x latency within 10 % (METHOD: rule 14)."""
LITTLE_ERRORS: Final = 1.96
"""A difference counts as beyond a bound with its whole 95 % interval only."""
EARLY_NS: Final = 10**6
"""A source cannot give a frame before its time; a millisecond is left for clocks read apart."""


@dataclass(frozen=True)
class Impossible:
    """Records whose times contradict each other: how many, the first, and by how much at worst."""

    what: str
    count: int
    frame: int | None
    at_ns: int
    worst_ns: int


class Little(NamedTuple):
    """Mean frames in flight in the window, by the gauge and by the frames' own times.

    `beyond` is how much more than `LITTLE_TOLERANCE` they differ, as a share of `counted`, with the
    whole 95 % interval of the difference; not above 0 where the law holds.
    """

    gauge: float
    counted: float
    error: float
    beyond: float


def contradictions(evidence: Evidence) -> list[str]:
    """Return what cannot be true of a right measurement, in words (METHOD: rule 14)."""
    said = [f"{each.count} {each.what}" for each in impossible(evidence)]
    if evidence.unknown_outputs:
        said.append(f"{evidence.unknown_outputs} outputs of frames that were never released")
    early = _answered_early(evidence)
    if early:
        said.append(f"{early} requests answered before they were made")
    if evidence.all_frames.unfated:
        said.append(f"{evidence.all_frames.unfated} frames whose fate is none of the known ones")
    little = little_of(evidence)
    if little is not None and little.beyond > 0:
        what = (
            f"{little.gauge:.2f} frames in flight by the gauge, {little.counted:.2f} by the frames "
            "at the same moments"
        )
        said.append(f"Little's law is off by over 10 %: {what}")
    return said


def _answered_early(evidence: Evidence) -> int:
    """Return how many requests have an output from before they were made."""
    return sum(
        each.first_ns is not None and each.first_ns < each.asked_ns for each in evidence.requests
    )


def remedies(evidence: Evidence) -> list[str]:
    """Return what to do about each kind of contradiction that `contradictions` names."""
    little = little_of(evidence)
    said = []
    if impossible(evidence) or _answered_early(evidence):
        said.append(
            "take every time from CLOCK_MONOTONIC in ns (time.perf_counter_ns) and give it to the "
            "frame that it belongs to; the audit clock_sanity names the first"
        )
    if evidence.unknown_outputs:
        said.append("give an output the number of the frame that probe.frame was called with")
    if evidence.all_frames.unfated:
        said.append("let this version read its tapes anew: the table of frames is not its own")
    if little is not None and little.beyond > 0:
        said.append(
            "count a frame in flight from its capture to its fate, lost ones too, or mark those "
            "that were given up"
        )
    return said


def little_of(evidence: Evidence) -> Little | None:
    """Compare both counts of frames in flight; None without a gauge, or with too few frames."""
    flight: InFlight | None = evidence.in_flight
    if flight is None or flight.counted is None or len(evidence.frames) < LITTLE_FRAMES:
        return None
    off = abs(flight.gauge - flight.counted) - LITTLE_ERRORS * flight.error
    beyond = off / flight.counted - LITTLE_TOLERANCE if flight.counted > 0 else float(off > 0)
    return Little(flight.gauge, flight.counted, flight.error, beyond)


def impossible(evidence: Evidence) -> list[Impossible]:
    """Return each kind of contradiction between times that occurs, warm-up and drain included."""
    return evidence.run.view(lambda _: list(_impossible(evidence)), _impossible)


def _impossible(evidence: Evidence) -> Iterator[Impossible]:
    frames, spans = evidence.all_frames, evidence.spans
    number, due = frames.number, frames.due_ns
    scheduled, captured = frames.scheduled_ns, frames.captured_ns
    out, shown = frames.delivered_ns, frames.rendered_ns
    in_order = np.argsort(number, kind="stable")
    by_number = due[in_order]
    later = by_number[:-1] - by_number[1:]
    early = _excess(scheduled, captured)
    for what, excess, frame, at in (
        ("frames with negative latency", _excess(due, shown), number, due),
        ("frames shown before they were delivered", _excess(out, shown), number, due),
        ("frames delivered before they were captured", _excess(captured, out), number, due),
        ("frames released before their scheduled time", np.where(early > EARLY_NS, early, 0),
         number, due),
        ("frames scheduled before an earlier one", later, number[in_order][1:], by_number[1:]),
        ("stage executions that end before they begin", spans.start_ns - spans.end_ns,
         spans.frame, spans.start_ns),
    ):  # fmt: skip
        wrong = np.flatnonzero(excess > 0)
        if len(wrong):
            first = wrong[np.argmin(at[wrong])]
            whose = int(frame[first])
            yield Impossible(
                what, len(wrong), None if whose == NULL else whose, int(at[first]),
                int(excess[wrong].max()),
            )  # fmt: skip


def _excess(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how much later `before` is than `after` in ns; 0 where one of them is not known."""
    known = (before != NULL) & (after != NULL)
    return np.where(known, before, 0) - np.where(known, after, 0)
