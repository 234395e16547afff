"""Is the p99 within the deadline, and if nobody can tell yet, when could one? Rules 2 to 4."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from probe import statistics
from probe.model import Outcome, Tier
from probe.verdict.needed import (
    as_before,
    clean,
    frames_per_second,
    longer,
    refuted,
    supported,
    tier_after,
)
from probe.verdict.ruling import Ruling, broken, holds, unsettled

if TYPE_CHECKING:
    from probe.verdict.evidence import Evidence
    from probe.verdict.needed import Longer

MS_NS: Final = 1e6
NO_LENGTH: Final = "no run of under five million frames tells it"
NO_DEADLINE: Final = "which deadline it holds cannot be told from so few independent frames"


def enough_frames(evidence: Evidence) -> Ruling:
    """Rule 2: are there as many frames as a p99 needs?"""
    needed, count = statistics.frames_needed(statistics.P99), len(evidence.frames)
    if count >= needed:
        return holds(f"{count} frames measured; a p99 needs {needed}")
    reason = f"insufficient: {count} frames measured, a p99 needs {needed}"
    return unsettled(reason, _to_tell(evidence))


def deadline_held(evidence: Evidence) -> Ruling:
    """Rule 3: is the p99 within the deadline: supported, refuted, or not to be told yet?"""
    answer, sample = evidence.answer, evidence.sample
    deadline = f"{evidence.deadline_ns / MS_NS:g} ms"
    missed = f"{sample.misses} of {sample.frames} frames are late or lost"
    if answer.outcome is Outcome.SUPPORTED:
        return holds(
            f"p99 within {deadline}: {missed}; {answer.allowed} may be, at 99 % confidence"
            + _independence(evidence)
        )
    if answer.outcome is Outcome.REFUTED and evidence.disturbance is not None:
        return unsettled(
            f"p99 is not within {deadline}: {missed}; but {evidence.disturbance}",
            "measure it again with --copies on, which delays no frame by page faults"
            if evidence.watched
            else "measure it again with --sample on, which pauses nothing",
        )
    if answer.outcome is Outcome.REFUTED:
        return broken(f"p99 is not within {deadline}: {missed}", _to_hold(evidence))
    return unsettled(
        f"p99 within {deadline} cannot be told yet: {missed}; at least "
        f"{answer.still_needed:,} more frames without a miss are needed",
        _to_tell(evidence),
    )


def bursts_counted(evidence: Evidence) -> Ruling:
    """Rule 4: how many independent frames are the frames worth?"""
    sample, needed = evidence.sample, statistics.frames_needed(statistics.P99)
    how = (
        f"bursts of {sample.assumed_burst} assumed (only {sample.bursts} seen)"
        if sample.assumed_burst is not None
        else f"counted in blocks they scatter {sample.dispersion:.1f} times as much as chance"
        if sample.told_by_blocks
        else f"autocorrelation {sample.rho or 0:.2f}"
    )
    weight = f"{sample.frames} frames count as {sample.effective} independent ones: {how}"
    if sample.effective >= needed:
        return holds(weight + _independence(evidence))
    told = evidence.answer.outcome is Outcome.INCONCLUSIVE
    remedy = (
        _to_tell(evidence) if told else "no longer run is needed: the misses tell already (rule 3)"
    )
    if not told and evidence.disturbance is not None:
        remedy = ""  # they tell nothing; rule 3 says what would
    return unsettled(f"{weight}; a p99 needs {needed}", remedy)


def _independence(evidence: Evidence) -> str:
    return "; assumes independent misses" if evidence.sample.assumed_burst == 1 else ""


def _to_tell(evidence: Evidence) -> str:
    """Return after how much longer a run tells, with no further miss and with as many as now."""
    found = longer(evidence, clean, supported)
    if found is None:
        return NO_LENGTH
    told = f"run {_told(evidence, found)} for a p99 at 99 %, if none of them misses"
    if not evidence.sample.misses:
        return told
    return f"{told}; if they go on missing as they did, {_as_before(evidence)}"


def _as_before(evidence: Evidence) -> str:
    """Return after how much longer a run tells in which frames go on missing as they did."""
    found = longer(evidence, as_before, supported)
    if found is not None:
        return f"about {found.seconds:,} s longer"
    found = longer(evidence, as_before, refuted)
    if found is not None:
        return f"about {found.seconds:,} s longer to refute it"
    return "no length tells: they are at the limit"


def _told(evidence: Evidence, found: Longer) -> str:
    """Return ``47 s longer (1,410 frames at 30 fps; --duration 77s)``."""
    window, rate = evidence.window, frames_per_second(evidence)
    length = 0.0 if window is None else window.length_ns / 1e9
    whole = math.ceil(round(length + found.seconds, 3))
    text = f"{found.seconds:,} s longer ({found.frames:,} frames at {rate:.4g} fps; "
    text += f"--duration {whole}s"
    if evidence.tier is Tier.QUICK and tier_after(evidence, found.seconds) is Tier.STANDARD:
        text += ", then of the standard tier, which assumes bursts of 10"
    return f"{text})"


def _to_hold(evidence: Evidence) -> str:
    """Return how many misses are too many, and the deadline that the run would have held."""
    sample, allowed = evidence.sample, evidence.answer.allowed
    where = "the audits late_frames and lost_frames name the stage"
    may = "1 %" if allowed is None else f"{allowed} of {sample.frames}"
    return f"at most {may} may miss: {where}; {_held_deadline(evidence)}"


def _held_deadline(evidence: Evidence) -> str:
    """Return the least whole ms within which the p99 is supported, tried on the measured frames."""
    latency = evidence.frames.latency_ns
    lost = int(np.count_nonzero(np.isinf(latency)))
    if not _within(evidence, math.inf):
        return f"no deadline would hold: {lost} are lost or out of order" if lost else NO_DEADLINE
    low, high = 0, math.ceil(float(latency[np.isfinite(latency)].max()) / MS_NS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _within(evidence, middle * MS_NS) else (middle, high)
    return f"what it holds is a p99 within {high} ms"


def _within(evidence: Evidence, deadline_ns: float) -> bool:
    """Say whether the p99 is supported within a deadline; a lost frame is within none."""
    latency = evidence.frames.latency_ns
    missed = ~np.isfinite(latency) | (latency > deadline_ns)
    return supported(statistics.sample_of(missed, evidence.tier))
