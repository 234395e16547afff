"""Which rules of method hold, which are broken, and what follows for "real-time"?

One function a rule; titles and numbers are METHOD's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe import statistics
from probe.measured import WARMUP_NS
from probe.model import Mode, Outcome
from probe.verdict import tiers
from probe.verdict.percentile import bursts_counted, deadline_held, enough_frames
from probe.verdict.ruling import Ruling, broken, holds, not_here, unsaid, unsettled
from probe.verdict.sanity import LITTLE_FRAMES, contradictions, remedies
from probe.verdict.weight import weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe.verdict.evidence import Evidence

LATENESS_NS: Final = 2 * 10**6
"""Release lateness whose p99 limits validity (METHOD: rule 1)."""
REAL_TIME, TIER, VALIDITY = "real_time", "tier", "validity"
ENTER: Final = "call probe.frame(k, scheduled_ns=...) when frame k enters"
LEAVE: Final = 'probe.mark("delivered", frame=k) when its output is out'
NAME_FRAME: Final = 'pass frame= to probe.mark("delivered")'
ANSWER: Final = f"call {LEAVE}"
LIVE_INPUT: Final = (
    "to be judged as live it needs an input that goes on whatever it does: a camera or a clip with "
    'mode = "live"'
)


@dataclass(frozen=True)
class Rule:
    """A rule of method: its number and title there, what it decides, and how."""

    number: int
    title: str
    decides: str
    judge: Callable[[Evidence], Ruling]


@dataclass(frozen=True)
class RealTime:
    """Whether a run is real-time inference; `rule` is the first that it broke."""

    outcome: Outcome
    rule: int | None
    reason: str
    remedy: str | None = None


def _open_loop(evidence: Evidence) -> Ruling:
    lateness = evidence.lateness_ns
    if not len(lateness):
        return unsaid(
            "no frame says its scheduled time, so a source that waits for the program cannot be "
            "told from a live one",
            "pass scheduled_ns to probe.frame: when frame k was due, whatever became of the one "
            "before",
        )
    if evidence.closed_loop:
        return broken(
            "closed loop: each frame is scheduled when the one before was answered, so the source "
            "waits for the program",
            "give frame k out at t0 + k/f whatever became of the one before, as a camera does; a "
            "source that waits can only be called fast",
        )
    p99_ms = nearest_p99(lateness) / 1e6
    late = "" if p99_ms <= LATENESS_NS / 1e6 else f", more than {LATENESS_NS / 1e6:g} ms"
    known = (
        "no sign of a closed loop; the schedule is the program's own statement"
        if evidence.mode is Mode.COMMAND
        else "open loop: each frame was due at its own time, whatever became of the one before"
    )
    return holds(
        f"{known}; released p99 {p99_ms:.2f} ms late{late}, {len(lateness):,} frames",
        remedy="keep other work off the machine, or let the source run on a core of its own"
        if late
        else None,
    )


def nearest_p99(ordered: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Return the nearest-rank p99 of at least one value in rising order, however few there are."""
    return int(ordered[statistics.rank(len(ordered), statistics.P99) - 1])


def _every_fate(evidence: Evidence) -> Ruling:
    count = len(evidence.frames)
    swimming = int(np.count_nonzero(evidence.frames.of_in_flight))
    outcome = (evidence.manifest.get("program") or {}).get("outcome")
    if outcome in ("crashed", "timed out"):
        return unsettled(
            f"the program {outcome}: the frames it would still have met have no fate",
            f"find out why it {outcome} (its last words stand in run.json), then measure again",
        )
    if swimming and not _drained(evidence):
        return unsettled(
            f"{swimming} of {count} frames have no fate: the run was cut before it was drained",
            "let it run to its end: the source goes on for 2 s after the window, or ten deadlines "
            "if that is more",
        )
    rest = f", {swimming} of them in flight after the drain" if swimming else ""
    return holds(f"each of {count} frames has one fate{rest}")


def _drained(evidence: Evidence) -> bool:
    """Say whether the program had the time that the last frames may take, or ended by itself."""
    program = evidence.manifest.get("program") or {}
    window, ended = evidence.window, program.get("ended_ns")
    if program.get("outcome") == "ended" or window is None or ended is None:
        return program.get("outcome") == "ended"
    return bool(ended >= window.end_ns + window.drain_ns)


def _warm_up(evidence: Evidence) -> Ruling:
    window = evidence.window
    declared = window.warmup_ns if window else 0
    said = f"{declared / 1e9:g} s of warm-up declared, excluded and reported apart"
    if declared >= WARMUP_NS:
        return holds(said)
    return holds(
        f"{said}; under {WARMUP_NS / 1e9:g} s: quick tier only, limits validity",
        remedy=f"warm up for {WARMUP_NS / 1e9:g} s (--set run.warmup={WARMUP_NS / 1e9:g}s)",
    )


def _pixel_identity(evidence: Evidence) -> Ruling:
    if evidence.unnamed_outputs:
        return unsaid(
            f"{evidence.unnamed_outputs} outputs do not say which frame they depend on", NAME_FRAME
        )
    return not_here("the program is instrumented: identity travels with each frame")


def _dependence(evidence: Evidence) -> Ruling:
    if evidence.unnamed_outputs:
        return unsaid(
            "dependence on the input was not tested, and not all outputs name a frame", NAME_FRAME
        )
    return not_here("each output names the frame that it depends on")


def _block_honesty(evidence: Evidence) -> Ruling:
    size = evidence.block_size
    if size is None:
        return unsaid("nothing was delivered", ANSWER)
    if size == 1:
        return holds("outputs come one by one")
    wait_ms = (size - 1) * (evidence.all_frames.period_ns or 0.0) / 1e6
    return broken(
        f"outputs come in blocks of {size}: the first frame of a block waits {wait_ms:.0f} ms "
        "for the last, before any compute",
        "give each output out when it is made, not when its block is full; a program that needs "
        "blocks can only be called fast",
    )


def _calibrated(evidence: Evidence) -> Ruling:
    found = weight(evidence.manifest)
    if found.outcome is Outcome.SUPPORTED:
        return holds(found.reason)
    return Ruling(found.outcome, found.reason, remedy=found.remedy)


def _sane(evidence: Evidence) -> Ruling:
    found = contradictions(evidence)
    if found:
        return unsettled(
            "the measurement contradicts itself: " + "; ".join(found), "; ".join(remedies(evidence))
        )
    flight = evidence.in_flight
    few = len(evidence.frames) < LITTLE_FRAMES
    if evidence.generates:
        return holds("times and counts agree")
    if flight is None or flight.counted is None or few:
        why = f"fewer than {LITTLE_FRAMES} frames" if few else "no gauge of frames in flight"
        return holds(f"times and counts agree; Little's law not measured: {why}")
    return holds(
        f"times and counts agree; {flight.gauge:.2f} frames in flight by the gauge, "
        f"{flight.counted:.2f} by the frames at the same moments"
    )


def _scope(evidence: Evidence) -> Ruling:
    if evidence.mode is Mode.LIVE:
        custom = (evidence.manifest.get("scenario") or {}).get("custom")
        return holds(
            "capture to render; excluded: the camera's exposure and read-out, the display's own "
            "delay" + ("; the scenario is custom" if custom else "")
        )
    if evidence.generates:
        return holds("from the request to the delivered output")
    if evidence.spans.stages == ("infer",):
        return unsettled(
            "only inference is marked: a measurement of inference alone is never called live",
            "mark every stage from capture to render with probe.stage",
        )
    return holds("from probe.frame to the delivered output, as the program marks them")


RULES: Final = (
    Rule(1, "Open loop", REAL_TIME, _open_loop),
    Rule(2, "Enough frames", REAL_TIME, enough_frames),
    Rule(3, "Bound, not point", REAL_TIME, deadline_held),
    Rule(4, "Bursts", REAL_TIME, bursts_counted),
    Rule(5, "Every frame has a fate", REAL_TIME, _every_fate),
    Rule(6, "Warm-up is declared", REAL_TIME, _warm_up),
    Rule(7, "Tiers", TIER, tiers.tier),
    Rule(8, "Soak", TIER, tiers.soak),
    Rule(9, "Cool-down", TIER, tiers.cool_down),
    Rule(10, "Identity in the pixels", REAL_TIME, _pixel_identity),
    Rule(11, "Dependence is tested", REAL_TIME, _dependence),
    Rule(12, "Block honesty", REAL_TIME, _block_honesty),
    Rule(13, "The harness's weight", VALIDITY, _calibrated),
    Rule(14, "Sanity", REAL_TIME, _sane),
    Rule(15, "Scope", REAL_TIME, _scope),
)
SANITY: Final = 14
CUT: Final = 5
"""Open where a run was cut short; what else is open follows from that."""
NEEDS_FRAMES: Final = frozenset({1, 2, 3, 4, 5, 10, 11, 12})
"""Rules about the frames of a live input."""


def rulings(evidence: Evidence) -> dict[int, Ruling]:
    """Return the ruling of every rule; those about live frames apply only where there are some."""
    live = evidence.live and why_not_testable(evidence) is None
    none = not_here("no live input" if evidence.generates else "no answered frame was measured")
    return {
        rule.number: rule.judge(evidence) if live or rule.number not in NEEDS_FRAMES else none
        for rule in RULES
    }


def real_time(evidence: Evidence, ruled: dict[int, Ruling]) -> RealTime:
    """Return whether the run is real-time inference, with the first rule that it broke.

    A measurement that contradicts itself answers nothing. A broken rule refutes whatever is still
    open; what cannot be tested weighs more than what needs more frames, and of what is open a run
    that was cut short comes first.
    """
    if evidence.generates:
        return RealTime(Outcome.REFUTED, None, "no live input", LIVE_INPUT)
    if ruled[SANITY].outcome is not Outcome.SUPPORTED:
        sanity = ruled[SANITY]
        return RealTime(Outcome.INCONCLUSIVE, SANITY, sanity.reason, sanity.remedy)
    missing = why_not_testable(evidence)
    if missing is not None:
        return RealTime(Outcome.NOT_TESTABLE, None, *missing)
    deciding = [rule.number for rule in RULES if rule.decides == REAL_TIME]
    for outcome in (Outcome.REFUTED, Outcome.NOT_TESTABLE, Outcome.INCONCLUSIVE):
        order = deciding
        if outcome is Outcome.INCONCLUSIVE:
            order = [CUT, *(number for number in deciding if number != CUT)]
        for number in order:
            if ruled[number].applies and ruled[number].outcome is outcome:
                return _by(number, ruled)
    return RealTime(Outcome.SUPPORTED, None, "every rule that decides it holds")


def _by(number: int, ruled: dict[int, Ruling]) -> RealTime:
    """Return the answer by one rule, with what to do about all that say the same.

    Of a run that was cut short nobody knows what its rest would have told: it is measured again.
    """
    first = ruled[number]
    if number == CUT and first.outcome is Outcome.INCONCLUSIVE:
        return RealTime(first.outcome, number, first.reason, first.remedy)
    alike = (
        ruled[rule.number].remedy
        for rule in RULES
        if rule.decides == REAL_TIME and ruled[rule.number].outcome is first.outcome
    )
    remedy = "; ".join(dict.fromkeys(each for each in (first.remedy, *alike) if each))
    return RealTime(first.outcome, number, first.reason, remedy)


class Missing(NamedTuple):
    """Why real-time cannot be told, and what the program has to say."""

    reason: str
    remedy: str


def why_not_testable(evidence: Evidence) -> Missing | None:
    """Return why real-time cannot be told, and what to do about it; None where it can."""
    if evidence.mode is Mode.COMMAND and not len(evidence.all_frames):
        what = (
            "does not say where its outputs come from" if len(evidence.outputs) else "said nothing"
        )
        return Missing(f"the program {what}", f"{ENTER} and {LEAVE}")
    if evidence.mode is Mode.COMMAND and not len(evidence.outputs):
        return Missing("the program never says that an output is out", ANSWER)
    if not evidence.live:
        return Missing(
            "no frame was scheduled inside the measured window",
            "measure for longer than the warm-up, and let the source go on until the end",
        )
    return None
