"""Can the measurement itself be trusted, and if only in part, why?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from probe.measured import WARMUP_NS
from probe.model import Mode, Tier, ValidityStatus
from probe.verdict import tiers
from probe.verdict.rules import LATENESS_NS, nearest_p99, why_not_testable
from probe.verdict.sanity import contradictions
from probe.verdict.weight import weight

if TYPE_CHECKING:
    from probe.verdict.evidence import Evidence


WATCHED: Final = (
    "copies were checked against written pages (--copies deep), which delays the frames that are "
    "looked at: latencies are not those of the program"
)
PAUSED: Final = (
    "the program was paused for each sample of its native stacks (--sample native): latencies are "
    "not those of the program"
)


@dataclass(frozen=True)
class Validity:
    """Whether a measurement can be trusted, with every reason that limits it."""

    status: ValidityStatus
    reasons: tuple[str, ...]


def validity_of(evidence: Evidence) -> Validity:
    """Weigh what went wrong or was left out: invalid reasons first, then those that limit."""
    invalid = [*contradictions(evidence), *_nothing_measured(evidence)]
    limits = [
        *_ending(evidence),
        *_tapes(evidence),
        *_copies(evidence),
        *_watched(evidence),
        *_release(evidence),
        *_preparation(evidence),
        *tiers.weaknesses(evidence),
        *weight(evidence.manifest).limits,
    ]
    limited = ValidityStatus.LIMITED if limits else ValidityStatus.VALID
    return Validity(ValidityStatus.INVALID if invalid else limited, (*invalid, *limits))


def _nothing_measured(evidence: Evidence) -> list[str]:
    if evidence.mode is Mode.LIVE and not evidence.live:
        return ["no frame was scheduled inside the measured window"]
    if evidence.mode is Mode.GENERATE and not any(each.outputs for each in evidence.requests):
        return ["no output was delivered inside the measured window"]
    return []


def _ending(evidence: Evidence) -> list[str]:
    program = evidence.manifest.get("program") or {}
    outcome = program.get("outcome")
    if evidence.manifest.get("state") == "interrupted":
        return ["interrupted: judged up to there"]
    if outcome in ("crashed", "timed out"):
        how = program.get("signal") or (
            f"exit status {program['exit_code']}" if program.get("exit_code") is not None else None
        )
        return [f"the program {outcome}{f' ({how})' if how else ''}: judged up to there"]
    if evidence.mode is Mode.COMMAND and (missing := why_not_testable(evidence)):
        return [] if evidence.generates else [missing.reason]
    return _cut_short(evidence)


def _cut_short(evidence: Evidence) -> list[str]:
    window = evidence.window
    asked = (evidence.manifest.get("bounds") or {}).get("duration_ns")
    period = evidence.all_frames.period_ns or 0.0
    if window is None or asked is None or window.length_ns >= asked - 2 * period:
        return []
    return [f"measured for {window.length_ns / 1e9:.1f} s of {asked / 1e9:g} s: the program ended"]


def _tapes(evidence: Evidence) -> list[str]:
    tapes = evidence.manifest.get("tapes") or {}
    said = {
        "lost": "records were lost: no room on the tape",
        "torn": "records were torn when the program died",
        "stopped": "tapes stopped because the disk was full",
    }
    reasons = [f"{tapes[key]} {what}" for key, what in said.items() if tapes.get(key)]
    if tapes.get("in_memory") is False:
        reasons.append("tapes were written to a disk, which may have delayed the program")
    rejected = tapes.get("rejected") or []
    return reasons + ([f"{len(rejected)} tapes could not be read"] if rejected else [])


def _copies(evidence: Evidence) -> list[str]:
    """Say where fewer copies were recorded than were made: their numbers are lower bounds."""
    found = evidence.manifest.get("copies") or {}
    processes = found.get("processes") or ()
    unread = [f"{name} could not be read: {why}" for name, why in found.get("not_read") or ()]
    lost = sum(int(each.get("lost") or 0) for each in processes)
    stopped = sum(bool(each.get("stopped")) for each in processes)
    if stopped:
        who = f"{stopped} of {len(processes)} processes"
        why = f"recording stopped in {who}, {lost} records of copies were lost"
    elif lost:
        why = f"{lost} records of copies were lost: no room on the tape"
    else:
        return unread
    return [*unread, f"{why}, their numbers are lower bounds"]


def _watched(evidence: Evidence) -> list[str]:
    return [*([WATCHED] if evidence.watched else []), *([PAUSED] if evidence.paused else [])]


def _release(evidence: Evidence) -> list[str]:
    lateness = evidence.lateness_ns
    if not len(lateness) or nearest_p99(lateness) <= LATENESS_NS:
        return []
    p99 = f"p99 {nearest_p99(lateness) / 1e6:.1f} ms over {len(lateness)} frames"
    return [f"frames were released late: {p99}, {LATENESS_NS / 1e6:g} ms is allowed"]


def _preparation(evidence: Evidence) -> list[str]:
    reasons = []
    window = evidence.window
    if evidence.tier is Tier.QUICK:
        reasons.append("quick tier: indicative")
    if window is not None and window.warmup_ns < WARMUP_NS:
        reasons.append(
            f"{window.warmup_ns / 1e9:g} s of warm-up, {WARMUP_NS / 1e9:g} s are the rule"
        )
    return reasons
