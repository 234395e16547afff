"""How much may a run claim by its length, its soak and its repeats? Rules 7 to 9 of METHOD."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from probe.measured import STANDARD_NS, WARMUP_NS
from probe.model import Outcome, Tier
from probe.preparation import (
    COOL_LONGEST_NS,
    REPEATS,
    Cooled,
    Soaked,
)
from probe.verdict.ruling import Ruling, broken, holds, not_here, unsaid, unsettled
from probe.verdict.sustained import sustained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from probe.verdict.evidence import Evidence

SENSOR: Final = (
    "load the driver of a temperature sensor (`modprobe coretemp`, `k10temp`), or measure on the "
    "device itself: a virtual machine has none"
)
CERTIFY: Final = "measure it with --tier certified: a soak and five repeats of 600 s"
HEAT: Final = (
    "measure again after a soak (--set run.soak=true); if it lasts, cool the device better, or ask "
    "less of it, by a lower rate, a smaller model or a cap on its clock"
)


@dataclass(frozen=True)
class Member:
    """A repeat as its series sees it; what is judged is judged by the rules of today."""

    run: str
    index: int
    outcome: Outcome
    regime: str | None
    complete: bool
    standard: bool
    soak: Soaked | None
    sustained: Outcome
    cooled: bool
    conditions: Mapping[str, str]

    @property
    def verdict(self) -> tuple[Outcome, str | None]:
        """What five of five must agree on."""
        return self.outcome, self.regime


@dataclass(frozen=True)
class Series:
    """The repeats that stand in one folder; `problems` say why others cannot be counted."""

    id: str
    index: int
    of: int
    members: tuple[Member, ...]
    problems: tuple[str, ...] = ()

    @cached_property
    def agreeing(self) -> int:
        """How many repeats have the most frequent verdict."""
        found = Counter(each.verdict for each in self.members).most_common(1)
        return found[0][1] if found else 0

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What keeps the series from being certified: nothing, where it is."""
        members, here = self.members, len({each.index for each in self.members})
        return tuple(
            text
            for wrong, text in (
                (self.of < REPEATS, f"a series of {self.of}, certified takes {REPEATS} repeats"),
                *((True, problem) for problem in self.problems),
                (here < self.of, f"only {here} of the {self.of} repeats are here"),
                _differing(members),
                _which(members, lambda each: not each.complete, "not measured to its end"),
                _which(members, lambda each: not each.standard, "shorter than the standard tier"),
                (
                    self.agreeing < len(members),
                    f"{self.agreeing} of {len(members)} runs agree: no best-of",
                ),
                _which(members, _undecided, "neither supported nor refuted"),
                _which(members, lambda each: each.soak is None, "no soak before it"),
                _which(members, _unsteady, "its soak did not come to rest"),
                _which(members, lambda each: each.soak is Soaked.NO_TEMPERATURE, "no temperature"),
                _which(members, _untold, "whether it lasts is not told"),
                _which(members, _unsustained, "not sustained"),
                _which(members, lambda each: not each.cooled, "not cooled down before it"),
            )
            if wrong
        )

    @property
    def certified(self) -> bool:
        """Whether five runs of five say the same, each soaked, sustained and long enough."""
        return not self.missing


def _differing(members: Sequence[Member]) -> tuple[bool, str]:
    names = {name for each in members for name in each.conditions}
    other = sorted(
        name for name in names if len({each.conditions.get(name) for each in members}) > 1
    )
    return bool(other), f"the repeats were not measured alike: they differ in {', '.join(other)}"


def _undecided(member: Member) -> bool:
    return member.outcome not in (Outcome.SUPPORTED, Outcome.REFUTED)


def _unsteady(member: Member) -> bool:
    return member.soak in (Soaked.STILL_MOVING, Soaked.PROGRAM_FAILED)


def _unsustained(member: Member) -> bool:
    return member.sustained is Outcome.REFUTED


def _untold(member: Member) -> bool:
    return member.sustained not in (Outcome.SUPPORTED, Outcome.REFUTED)


def _which(
    members: Iterable[Member], wrong: Callable[[Member], bool], what: str
) -> tuple[bool, str]:
    found = sorted({each.index for each in members if wrong(each)})
    noun = "repeat" if len(found) == 1 else "repeats"
    return bool(found), f"{noun} {', '.join(map(str, found))}: {what}"


def tier(evidence: Evidence) -> Ruling:
    """Rule 7: which tier is the run of, and what keeps it from the next?"""
    window, series = evidence.window, evidence.series
    length = f"{(window.length_ns if window else 0) / 1e9:g} s"
    if evidence.tier is Tier.QUICK:
        return unsettled(
            f"quick: {length} measured, standard needs {STANDARD_NS / 1e9:g} s and "
            f"{WARMUP_NS / 1e9:g} s of warm-up",
            "measure it with --tier standard, or --tier certified",
        )
    if evidence.tier is Tier.CERTIFIED and series is not None:
        said = _verdict(series.members[0])
        return holds(f"certified: {series.of} of {series.of} runs are {said}")
    if series is None:
        return holds(f"standard: {length} measured; a single run is never certified", CERTIFY)
    return holds(
        f"standard: {length} measured; not certified: {'; '.join(series.missing)}",
        "mend what is missing, then measure all repeats again: no run of a series may be replaced",
    )


def _verdict(member: Member) -> str:
    return f"{member.regime or 'without a regime'}, real-time inference {member.outcome.value}"


def soak(evidence: Evidence) -> Ruling:
    """Rule 8: was it measured hot, and did it hold?"""
    found, kept = soak_of(evidence.manifest), sustained(evidence)
    if kept.outcome is Outcome.REFUTED:
        return broken(f"not sustained: {kept.reason}", HEAT)
    if not found:
        return unsaid(
            "no soak before the window: what it does when hot is not known from this run; "
            f"{kept.reason}",
            "load the device until its temperatures stand still: --set run.soak=true",
        )
    outcome, why = found["outcome"], found["why"]
    if outcome == Soaked.NO_TEMPERATURE:
        return unsaid(f"cannot be certified as sustained: {why}; {kept.reason}", SENSOR)
    if outcome != Soaked.STEADY:
        return unsettled(
            f"the soak did not come to rest: {why}; {kept.reason}",
            "find out why the program failed" if outcome == Soaked.PROGRAM_FAILED
            else "keep the room and the fan as they are, and measure again",
        )  # fmt: skip
    soaked = f"soaked {found['length_ns'] / 1e9:.0f} s: {why}"
    if kept.outcome is Outcome.SUPPORTED:
        return holds(f"{soaked}; sustained: {kept.reason}")
    return unsettled(
        f"{soaked}; sustained or not is not told: {kept.reason}",
        "measure for 600 s (--tier standard)",
    )


def cool_down(evidence: Evidence) -> Ruling:
    """Rule 9: did each repeat begin from the same temperature?"""
    series, found = series_of(evidence.manifest), cool_down_of(evidence.manifest)
    if not series:
        return not_here("a single run; repeats and comparisons need it")
    if not found:
        if series["index"] == 1:
            return holds("the first of its series: idle is how warm the device was before it")
        return unsaid("no cool-down before this repeat", "measure repeats with --repeats")
    said = f"{found['outcome']} after {found['length_ns'] / 1e9:.0f} s: {found['why']}"
    if cooled(evidence.manifest):
        return holds(said)
    return unsettled(
        f"begun before it was cool: {said}",
        f"leave it {COOL_LONGEST_NS / 1e9:g} s (--set run.cool_down={COOL_LONGEST_NS / 1e9:g}s)",
    )


def cooled(manifest: Mapping[str, Any]) -> bool:
    """Say whether a repeat began within 2 C of idle, or after 5 minutes; the first needs none."""
    series, found = series_of(manifest), cool_down_of(manifest)
    if not found:
        return series is None or series["index"] == 1
    return bool(found["outcome"] == Cooled.COOL or found["length_ns"] >= COOL_LONGEST_NS)


def series_of(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `series` of run.json (id, index, of) where it is whole: a Run is foreign text."""
    found = manifest.get("series")
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        return None
    index, of = found.get("index"), found.get("of")
    whole = type(index) is int and type(of) is int and 1 <= index <= of
    return found if whole else None


def soak_of(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `soak` of run.json where it is whole."""
    return _prepared(manifest.get("soak"), Soaked)


def cool_down_of(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `cool_down` of run.json where it is whole."""
    return _prepared(manifest.get("cool_down"), Cooled)


def _prepared(found: object, outcomes: Iterable[str]) -> dict[str, Any] | None:
    if not isinstance(found, dict) or found.get("outcome") not in [str(each) for each in outcomes]:
        return None
    whole = type(found.get("length_ns")) is int and isinstance(found.get("why"), str)
    return found if whole and isinstance(found.get("sensors"), list) else None


def weaknesses(evidence: Evidence) -> list[str]:
    """Return what limits validity by these rules."""
    kept = sustained(evidence)
    reasons = [f"not sustained: {kept.reason}"] if kept.outcome is Outcome.REFUTED else []
    if not cooled(evidence.manifest):
        reasons.append("not cooled down after the repeat before")
    return reasons
