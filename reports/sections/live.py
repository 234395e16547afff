"""Is it live? The verdict line and the answers of a run with a live input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.model import Outcome, Regime, ValidityStatus
from probe.regimes import HELD_NS
from reports.charts.stages import median_frame
from reports.page import numbers, status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.charts.frames import Frames
    from reports.page.status import Status
    from reports.page.subject import Subject

RULE_P99: Final = 3
RULE_BLOCKS: Final = 12
_LIMIT_DIGITS: Final = 3


@dataclass(frozen=True)
class Headline:
    """The verdict word, the sentence after it, when it changed, and what to do."""

    status: Status
    sentence: str
    course: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Answer:
    """A number with its limit, margin, and what it stands on."""

    name: str
    value: str
    unit: str
    limit: str
    status: Status | None
    basis: str

    @property
    def spoken(self) -> bool:
        """Whether the value is a word and no number."""
        return not self.unit and not self.value[:1].isdigit()


def rule(subject: Subject, number: int) -> dict[str, Any]:
    """Return one rule's outcome from the verdict, empty where it is not there."""
    rules = subject.verdict.get("rules") or []
    return next((dict(each) for each in rules if each.get("rule") == number), {})


def headline(subject: Subject) -> Headline:
    """Return the verdict line."""
    real_time = subject.verdict.get("real_time") or {}
    outcome, regime = real_time.get("outcome"), subject.verdict.get("regime")
    if (subject.verdict.get("validity") or {}).get("status") == ValidityStatus.INVALID:
        word = status.MISSED.saying("Invalid measurement.")
        return Headline(word, "No verdict rests on these numbers; the reasons stand above.")
    course, remedy = _course(subject.verdict), str(real_time.get("remedy") or "")
    sentence = _sentence(subject, real_time)
    return Headline(
        in_kind(outcome, regime), sentence, numbers.sentence(course), numbers.sentence(remedy)
    )


def _course(verdict: Mapping[str, Any]) -> str:
    """Return when a run changed; nothing of one that never did."""
    changed = len(verdict.get("regimes") or ()) > 1 or verdict.get("latency_changes")
    return str(verdict.get("course") or "") if changed else ""


def in_kind(outcome: object, regime: object) -> Status:
    """Return in a word whether a run was live, from its real-time outcome and its regime."""
    if outcome == Outcome.SUPPORTED:
        return status.HOLDS.saying("Live.")
    if regime in (Regime.FAST_GENERATION, Regime.OFFLINE):
        said = "Fast, not live." if regime == Regime.FAST_GENERATION else "Offline, not live."
        return status.GENERATES.saying(said)
    if outcome == Outcome.INCONCLUSIVE:
        return status.OPEN.saying("Not proven live.")
    if outcome == Outcome.REFUTED:
        words = {
            Regime.REAL_TIME: "Not sustained.",
            Regime.DEGRADED: "Degraded real-time.",
            Regime.STALLED: "Stalled.",
        }
        return status.MISSED.saying(
            {str(k): v for k, v in words.items()}.get(str(regime), "Not live.")
        )
    return status.ABSENT.saying("Not testable.")


def _sentence(subject: Subject, real_time: dict[str, Any]) -> str:
    misses, number = _misses(subject), real_time.get("rule")
    told = misses and number == RULE_P99 and real_time.get("outcome") == Outcome.REFUTED
    parts = [part for part in (_shares(subject), misses) if part]
    text = numbers.sentence("; ".join(parts))
    if told:
        return f"{text}: rule {number} is broken."
    text = f"{text}." if text else ""
    if real_time.get("outcome") != Outcome.SUPPORTED and real_time.get("reason"):
        reason = str(real_time["reason"]).rstrip(".")
        text += f" Rule {number}: {reason}." if number else f" {numbers.sentence(reason)}."
    return text.strip() or "Nothing was measured that a verdict could rest on."


def _shares(subject: Subject) -> str:
    shares = subject.verdict.get("regime_share") or {}
    length = subject.window_s
    if not shares or not length:
        return ""
    share = float(shares.get(Regime.REAL_TIME.value) or 0.0)
    if share >= 1:
        return f"real-time in every window of {numbers.clock(length)}"
    others = sorted(
        ((float(v or 0), k) for k, v in shares.items() if k != Regime.REAL_TIME.value), reverse=True
    )
    if not share and others:
        most = numbers.clock(others[0][0] * length)
        return f"never real-time: {others[0][1]} for {most} of {numbers.clock(length)}"
    rest = (
        f", {others[0][1]} for {numbers.clock(others[0][0] * length)}"
        if others and others[0][0]
        else ""
    )
    return f"real-time for {numbers.clock(share * length)} of {numbers.clock(length)}{rest}"


def _misses(subject: Subject) -> str:
    fates, released = subject.verdict.get("fates"), subject.verdict.get("released")
    if not fates or not released:
        return ""
    late = int(fates.get("late") or 0)
    missed = int(released) - int(fates.get("on_time") or 0)
    offered = numbers.plural(int(released), "frame")
    within = (
        "" if subject.deadline_ms is None else f" within {numbers.setting(subject.deadline_ms)}"
    )
    if not missed:
        return f"all {offered} were answered{within}"
    kinds = [
        f"{numbers.count(n)} {what}" for n, what in ((late, "late"), (missed - late, "lost")) if n
    ]
    if missed == released:
        return f"none of {offered} was answered{within} ({numbers.listed(kinds)})"
    return (
        f"{numbers.count(missed)} of {offered} were not answered{within} ({numbers.listed(kinds)})"
    )


def answers(subject: Subject) -> list[Answer]:
    """Return the four numbers of the first screen."""
    return [_held(subject), _latency(subject), _rate(subject), _block(subject)]


def _held(subject: Subject) -> Answer:
    held, length = subject.verdict.get("real_time_held_s"), subject.window_s
    share = (subject.verdict.get("regime_share") or {}).get(Regime.REAL_TIME.value)
    windows = "" if share is None else f"; real-time in {numbers.percent(share, 0)} of them"
    basis = f"to the first 10 s with no real-time window{windows}"
    if held is None or length is None:
        why = "no window to hold"
        if share is not None and length is not None and length < HELD_NS / 1e9:
            why = "not told in part of under 10 s"
        return Answer("real-time held", *_nothing(held), why, status.ABSENT, basis)
    text, unit = _clock_parts(float(held))
    limit = f"limit ≥ {numbers.clock(length)}"
    if held >= length - 5e-4:
        gaps = 0.0 if share is None else (1 - float(share)) * length
        word = status.PARTLY.saying(f"holds, with gaps: {numbers.clock(gaps)}")
        return Answer(
            "real-time held", text, unit, limit, word if gaps > 0 else status.HOLDS, basis
        )
    missed = status.MISSED.saying(f"missed by {numbers.clock(length - float(held))}")
    return Answer("real-time held", text, unit, limit, missed, basis)


def _clock_parts(seconds: float) -> tuple[str, str]:
    text, _, unit = numbers.clock(seconds).partition(numbers.NBSP)
    return text, unit


def _nothing(value: object) -> tuple[str, str]:
    return (numbers.NOT_MEASURED, "") if value is None else (str(value), "")


def _latency(subject: Subject) -> Answer:
    latency = subject.verdict.get("latency_ms") or {}
    deadline = subject.deadline_ms
    value, unit = numbers.ms_parts(latency.get("p99"))
    n = int(latency.get("n") or 0)
    if latency.get("p99") is None:
        value = "insufficient" if n else numbers.NOT_MEASURED
    limit = "no deadline" if deadline is None else f"limit ≤ {numbers.ms(deadline)}"
    return Answer(
        "response latency, p99",
        value,
        unit,
        limit,
        _latency_status(subject),
        _latency_basis(latency, n),
    )


def _latency_status(subject: Subject) -> Status:
    latency = subject.verdict.get("latency_ms") or {}
    found = rule(subject, RULE_P99)
    base = status.of_outcome(found.get("outcome"))
    p99, slack = latency.get("p99"), subject.verdict.get("slack_p99_ms")
    if p99 == numbers.LOST:
        return base.saying("falls on a lost frame")
    if isinstance(slack, str) or slack is None or subject.deadline_ms is None:
        return base
    margin = numbers.ms(abs(float(slack)))
    text = f"holds by {margin}" if slack >= 0 else f"missed by {margin}"
    proven = base.shape in (status.HOLDS.shape, status.MISSED.shape)
    return base.saying(text if proven else f"{text}, {base.word}")


def _latency_basis(latency: dict[str, Any], n: int) -> str:
    upper = latency.get("p99_upper")
    bound = (
        f"upper bound {numbers.ms(upper)}"
        if upper is not None
        else "no upper bound: sample too small"
    )
    effective = latency.get("n_eff")
    beside = f", n_eff {numbers.count(round(effective))}" if effective is not None else ""
    return f"{bound}; n {numbers.count(n)}{beside}"


def _rate(subject: Subject) -> Answer:
    fps, offered = subject.verdict.get("rate_fps"), subject.source_fps
    name, basis = "rate, unique frames", "rendered in the window, per second"
    if fps is None:
        return Answer(name, numbers.NOT_MEASURED, "", "no rendered frame", status.ABSENT, basis)
    value = numbers.rate(float(fps))
    found = limit_on(subject, "rate")
    if found is not None:
        return Answer(name, value, "fps", limit_text(found), limit_status(found), basis)
    if offered is None:
        return Answer(name, value, "fps", "no limit set", None, basis)
    short = offered - float(fps)
    even = status.Status("same", "same", "follows its source")
    source = f"source {numbers.rate(offered)} fps"
    if round(abs(short), 2) == 0:
        return Answer(name, value, "fps", source, even, basis)
    source += f", {numbers.rate(abs(short))} {'under' if short > 0 else 'over'} it"
    return Answer(name, value, "fps", source, None, basis)


def _block(subject: Subject) -> Answer:
    size = subject.verdict.get("block_size")
    name, basis = "block size", "outputs delivered together"
    if size is None:
        return Answer(name, numbers.NOT_MEASURED, "", "limit = 1 frame", status.ABSENT, basis)
    found = rule(subject, RULE_BLOCKS)
    holds = status.of_outcome(found.get("outcome"))
    word = (
        "holds"
        if size == 1
        else f"missed by {numbers.fixed(float(size) - 1, 0 if float(size).is_integer() else 1)}"
    )
    base = holds if found else (status.HOLDS if size == 1 else status.MISSED)
    value = numbers.fixed(float(size), 0 if float(size).is_integer() else 1)
    return Answer(
        name, value, "frame" if size == 1 else "frames", "limit = 1 frame", base.saying(word), basis
    )


def limit_on(subject: Subject, metric: str) -> dict[str, Any] | None:
    """Return the limit of the scenario on this metric, if it has one."""
    limits = subject.verdict.get("limits") or []
    return next((dict(each) for each in limits if each.get("metric") == metric), None)


def limit_text(limit: dict[str, Any]) -> str:
    """Return ``limit ≥ 29.70``."""
    signs = {"<=": "≤", ">=": "≥", "==": "=", "<": "<", ">": ">"}
    sign = str(limit.get("op"))
    return f"limit {signs.get(sign, sign)} {limit_number(limit, 'limit')}"


def limit_number(limit: dict[str, Any], key: str) -> str:
    """Return a number of a limit's row with its unit; "lost" as it is, null as "not measured"."""
    value = limit.get(key)
    if value is None:
        return numbers.NOT_MEASURED
    unit = numbers.UNITS.get(str(limit.get("unit") or ""), str(limit.get("unit") or ""))
    rounded = round(value, _LIMIT_DIGITS) if isinstance(value, float) else value
    return numbers.NBSP.join(filter(None, [numbers.scalar(rounded), unit]))


def limit_status(limit: dict[str, Any]) -> Status:
    """Return the outcome of a limit with its margin."""
    base = status.of_outcome(limit.get("outcome"))
    margin = limit.get("margin")
    if margin is None:
        return base
    verb = "missed by" if base.shape == status.MISSED.shape else "holds by"
    said = limit | {"margin": abs(float(margin))}
    return base.saying(f"{verb} {limit_number(said, 'margin')}")


@dataclass(frozen=True)
class BudgetPart:
    """A piece of the median frame's bar, in percent of its axis."""

    slot: str
    name: str
    ms: str
    x: float
    width: float
    waits: bool


@dataclass(frozen=True)
class Budget:
    """The way of the median frame against the deadline."""

    parts: tuple[BudgetPart, ...]
    deadline_percent: float | None
    total: str
    sentence: str
    end: str


def budget(subject: Subject, frames: Frames | None) -> Budget | None:
    """Return where the time of the median frame goes, or None where no stage is known."""
    found = median_frame(frames) if frames is not None else []
    total = sum(value for _, value in found)
    if not total:
        return None
    deadline = subject.deadline_ms
    scale = max(total, deadline or 0.0) * 1.04
    parts, x = [], 0.0
    for layer, value in found:
        width = 100 * value / scale
        place = (round(x, 3), round(width, 3))
        parts.append(BudgetPart(layer.slot, layer.name, numbers.ms(value), *place, layer.waits))
        x += width
    waits = sum(value for layer, value in found if layer.waits)
    return Budget(
        parts=tuple(parts),
        deadline_percent=None if deadline is None else round(100 * deadline / scale, 3),
        total=numbers.ms(total),
        sentence=f"{numbers.ms(total - waits)} of work and {numbers.ms(waits)} of waiting",
        end=numbers.ms(scale),
    )
