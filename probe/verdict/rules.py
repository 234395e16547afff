"""Which rules of method hold, which are broken, and what follows for "real-time"?

One function a rule; titles and numbers are METHOD's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from probe import statistics
from probe.measured import WARMUP_NS
from probe.model import Mode, Outcome, Tier
from probe.verdict.sanity import LITTLE_FRAMES, contradictions

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe.verdict.evidence import Evidence

LATENESS_NS: Final = 2 * 10**6
"""Release lateness whose p99 limits validity (METHOD: rule 1)."""
REAL_TIME, TIER, VALIDITY = "real_time", "tier", "validity"


@dataclass(frozen=True)
class Ruling:
    """What one rule says of a run. A rule that does not apply is not testable, and says so."""

    outcome: Outcome
    reason: str
    applies: bool = True


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


def _holds(reason: str) -> Ruling:
    return Ruling(Outcome.SUPPORTED, reason)


def _broken(reason: str) -> Ruling:
    return Ruling(Outcome.REFUTED, reason)


def _open(reason: str) -> Ruling:
    return Ruling(Outcome.INCONCLUSIVE, reason)


def _unsaid(reason: str) -> Ruling:
    return Ruling(Outcome.NOT_TESTABLE, reason)


def _not_here(reason: str) -> Ruling:
    return Ruling(Outcome.NOT_TESTABLE, f"does not apply: {reason}", applies=False)


def _open_loop(evidence: Evidence) -> Ruling:
    lateness = evidence.lateness_ns
    if not len(lateness):
        return _unsaid(
            "no frame says its scheduled time, so a source that waits for the program cannot be "
            "told from a live one: pass scheduled_ns to probe.frame"
        )
    if evidence.closed_loop:
        return _broken(
            "closed loop: each frame is scheduled when the one before was answered, so the source "
            "waits for the program"
        )
    p99_ms = nearest_p99(lateness) / 1e6
    late = "" if p99_ms <= LATENESS_NS / 1e6 else f", more than {LATENESS_NS / 1e6:g} ms"
    known = (
        "no sign of a closed loop; the schedule is the program's own statement"
        if evidence.mode is Mode.COMMAND
        else "open loop: each frame was due at its own time, whatever became of the one before"
    )
    return _holds(f"{known}; released p99 {p99_ms:.2f} ms late{late}, {len(lateness):,} frames")


def nearest_p99(ordered: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Return the nearest-rank p99 of at least one value in rising order, however few there are."""
    return int(ordered[statistics.rank(len(ordered), statistics.P99) - 1])


def _enough_frames(evidence: Evidence) -> Ruling:
    needed, count = statistics.frames_needed(statistics.P99), len(evidence.frames)
    if count >= needed:
        return _holds(f"{count} frames measured; a p99 needs {needed}")
    return _open(f"insufficient: {count} frames measured, a p99 needs {needed}")


def _deadline_held(evidence: Evidence) -> Ruling:
    answer, sample = evidence.answer, evidence.sample
    deadline = f"{evidence.deadline_ns / 1e6:g} ms"
    missed = f"{sample.misses} of {sample.frames} frames are late or lost"
    if answer.outcome is Outcome.SUPPORTED:
        return _holds(
            f"p99 within {deadline}: {missed}; {answer.allowed} may be, at 99 % confidence"
            + _independence(evidence)
        )
    if answer.outcome is Outcome.REFUTED and evidence.watched:
        return _open(
            f"p99 is not within {deadline}: {missed}; but deep mode delayed frames: run it with "
            "--copies on"
        )
    if answer.outcome is Outcome.REFUTED:
        return _broken(f"p99 is not within {deadline}: {missed}")
    return _open(
        f"p99 within {deadline} cannot be told yet: {missed}; at least {answer.still_needed} more "
        "frames without a miss are needed"
    )


def _independence(evidence: Evidence) -> str:
    assumed = evidence.sample.assumed_burst
    return "; assumes independent misses" if assumed == 1 else ""


def _bursts_counted(evidence: Evidence) -> Ruling:
    sample, needed = evidence.sample, statistics.frames_needed(statistics.P99)
    how = (
        f"bursts of {sample.assumed_burst} assumed (only {sample.bursts} seen)"
        if sample.assumed_burst is not None
        else f"autocorrelation {sample.rho or 0:.2f}"
    )
    weight = f"{sample.frames} frames count as {sample.effective} independent ones: {how}"
    if sample.effective >= needed:
        return _holds(weight + _independence(evidence))
    return _open(f"{weight}; a p99 needs {needed}")


def _every_fate(evidence: Evidence) -> Ruling:
    count = len(evidence.frames)
    swimming = int(np.count_nonzero(evidence.frames.of_in_flight))
    outcome = (evidence.manifest.get("program") or {}).get("outcome")
    if outcome in ("crashed", "timed out"):
        return _open(f"the program {outcome}: the frames it would still have met have no fate")
    if swimming and not _drained(evidence):
        return _open(
            f"{swimming} of {count} frames have no fate: the run was cut before it was drained"
        )
    rest = f", {swimming} of them in flight after the drain" if swimming else ""
    return _holds(f"each of {count} frames has one fate{rest}")


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
        return _holds(said)
    return _holds(f"{said}; under {WARMUP_NS / 1e9:g} s: quick tier only, limits validity")


def _tier(evidence: Evidence) -> Ruling:
    window = evidence.window
    length = f"{(window.length_ns if window else 0) / 1e9:g} s"
    if evidence.tier is Tier.QUICK:
        return _open(f"quick: {length} measured, standard needs 600 s and 5 s of warm-up")
    return _holds(f"{evidence.tier.value}: {length} measured")


def _soak(_: Evidence) -> Ruling:
    return _unsaid("no soak before the window: what it does when hot is not known from this run")


def _cool_down(_: Evidence) -> Ruling:
    return _not_here("a single run; repeats and comparisons need it")


def _pixel_identity(evidence: Evidence) -> Ruling:
    if evidence.unnamed_outputs:
        return _unsaid(
            f"{evidence.unnamed_outputs} outputs do not say which frame they depend on: pass "
            'frame= to probe.mark("delivered")'
        )
    return _not_here("the program is instrumented: identity travels with each frame")


def _dependence(evidence: Evidence) -> Ruling:
    if evidence.unnamed_outputs:
        return _unsaid("dependence on the input was not tested, and not all outputs name a frame")
    return _not_here("each output names the frame that it depends on")


def _block_honesty(evidence: Evidence) -> Ruling:
    size = evidence.block_size
    if size is None:
        return _unsaid("nothing was delivered")
    if size == 1:
        return _holds("outputs come one by one")
    wait_ms = (size - 1) * (evidence.all_frames.period_ns or 0.0) / 1e6
    return _broken(
        f"outputs come in blocks of {size}: the first frame of a block waits {wait_ms:.0f} ms "
        "for the last, before any compute"
    )


def _calibrated(_: Evidence) -> Ruling:
    return _unsaid("not measured: no stored calibration of this device with these collectors")


def _sane(evidence: Evidence) -> Ruling:
    found = contradictions(evidence)
    if found:
        return _open("the measurement contradicts itself: " + "; ".join(found))
    flight = evidence.in_flight
    few = len(evidence.frames) < LITTLE_FRAMES
    if evidence.generates:
        return _holds("times and counts agree")
    if flight is None or flight.counted is None or few:
        why = f"fewer than {LITTLE_FRAMES} frames" if few else "no gauge of frames in flight"
        return _holds(f"times and counts agree; Little's law not measured: {why}")
    return _holds(
        f"times and counts agree; {flight.gauge:.2f} frames in flight by the gauge, "
        f"{flight.counted:.2f} by the frames at the same moments"
    )


def _scope(evidence: Evidence) -> Ruling:
    if evidence.mode is Mode.LIVE:
        custom = (evidence.manifest.get("scenario") or {}).get("custom")
        return _holds(
            "capture to render; excluded: the camera's exposure and read-out, the display's own "
            "delay" + ("; the scenario is custom" if custom else "")
        )
    if evidence.generates:
        return _holds("from the request to the delivered output")
    if evidence.spans.stages == ("infer",):
        return _open(
            "only inference is marked: a measurement of inference alone is never called live; mark "
            "the stages from capture to render"
        )
    return _holds("from probe.frame to the delivered output, as the program marks them")


RULES: Final = (
    Rule(1, "Open loop", REAL_TIME, _open_loop),
    Rule(2, "Enough frames", REAL_TIME, _enough_frames),
    Rule(3, "Bound, not point", REAL_TIME, _deadline_held),
    Rule(4, "Bursts", REAL_TIME, _bursts_counted),
    Rule(5, "Every frame has a fate", REAL_TIME, _every_fate),
    Rule(6, "Warm-up is declared", REAL_TIME, _warm_up),
    Rule(7, "Tiers", TIER, _tier),
    Rule(8, "Soak", TIER, _soak),
    Rule(9, "Cool-down", TIER, _cool_down),
    Rule(10, "Identity in the pixels", REAL_TIME, _pixel_identity),
    Rule(11, "Dependence is tested", REAL_TIME, _dependence),
    Rule(12, "Block honesty", REAL_TIME, _block_honesty),
    Rule(13, "The harness's weight", VALIDITY, _calibrated),
    Rule(14, "Sanity", REAL_TIME, _sane),
    Rule(15, "Scope", REAL_TIME, _scope),
)
SANITY: Final = 14
NEEDS_FRAMES: Final = frozenset({1, 2, 3, 4, 5, 10, 11, 12})
"""Rules about the frames of a live input."""


def rulings(evidence: Evidence) -> dict[int, Ruling]:
    """Return the ruling of every rule; those about live frames apply only where there are some."""
    live = evidence.live and why_not_testable(evidence) is None
    none = _not_here("no live input" if evidence.generates else "no answered frame was measured")
    return {
        rule.number: rule.judge(evidence) if live or rule.number not in NEEDS_FRAMES else none
        for rule in RULES
    }


def real_time(evidence: Evidence, ruled: dict[int, Ruling]) -> RealTime:
    """Return whether the run is real-time inference, with the first rule that it broke.

    A measurement that contradicts itself answers nothing. A broken rule refutes whatever is still
    open; what cannot be tested weighs more than what needs more frames.
    """
    if evidence.generates:
        return RealTime(Outcome.REFUTED, None, "no live input")
    if ruled[SANITY].outcome is not Outcome.SUPPORTED:
        return RealTime(Outcome.INCONCLUSIVE, SANITY, ruled[SANITY].reason)
    missing = why_not_testable(evidence)
    if missing is not None:
        return RealTime(Outcome.NOT_TESTABLE, None, missing)
    deciding = [rule.number for rule in RULES if rule.decides == REAL_TIME]
    for outcome in (Outcome.REFUTED, Outcome.NOT_TESTABLE, Outcome.INCONCLUSIVE):
        for number in deciding:
            if ruled[number].applies and ruled[number].outcome is outcome:
                return RealTime(outcome, number, ruled[number].reason)
    return RealTime(Outcome.SUPPORTED, None, "every rule that decides it holds")


def why_not_testable(evidence: Evidence) -> str | None:
    """Return why real-time cannot be told, and what the program has to say; None where it can."""
    enter = "call probe.frame(k, scheduled_ns=...) when frame k enters"
    leave = 'probe.mark("delivered", frame=k) when its output is out'
    if evidence.mode is Mode.COMMAND and not len(evidence.all_frames):
        what = (
            "does not say where its outputs come from" if len(evidence.outputs) else "said nothing"
        )
        return f"the program {what}: {enter} and {leave}"
    if evidence.mode is Mode.COMMAND and not len(evidence.outputs):
        return f"the program never says that an output is out: call {leave}"
    if not evidence.live:
        return "no frame was scheduled inside the measured window"
    return None
