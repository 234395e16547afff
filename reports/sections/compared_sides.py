"""Which one holds the rate, at what latency, watts and degrees, for how long?"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import metrics
from probe.comparison import Word, answer
from probe.model import Outcome
from probe.verdict.evidence import Evidence
from probe.verdict.readings import reading
from reports.page import numbers, status
from reports.page.measure import Measure
from reports.sections import generation, live
from reports.sections.compared import GENERATION, MIXED, VERDICTS, counted
from reports.sections.compared_metrics import spoken
from reports.sections.live import RULE_P99, Answer, rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.page.status import Status
    from reports.page.subject import Subject
    from reports.sections.compared import Compared, Party

_TO_THE_END_S: Final = 5e-4
_NAMED: Final = 3
"""Metrics that a sentence names; more are counted."""
ANSWERS: Final = {
    GENERATION: ("speed", "time_to_first_frame", "block_size", "power.mean", "temperature.max"),
}
_SHORT: Final = {
    "latency.p99": "response latency, p99",
    "rate": "rate, unique frames",
    "power.mean": "power, mean",
    "temperature.max": "hottest sensor",
    "speed": "speed",
    "time_to_first_frame": "first output",
    "block_size": "block size",
}


@dataclass(frozen=True)
class RunLine:
    """One run of a side."""

    name: str
    id: str
    link: str | None
    created: str
    length: str
    tier: str
    validity: Status
    real_time: Status
    held: str


@dataclass(frozen=True)
class SideView:
    """A side with its own verdict, what is said of it against the base, and its answers."""

    party: Party
    status: Status
    sentence: str
    against: Status | None
    told: str
    answers: tuple[Answer, ...]
    runs: tuple[RunLine, ...]


def sides(compared: Compared) -> list[SideView]:
    """Return every side, the base first."""
    return [_side(compared, party) for party in compared.parties]


def _side(compared: Compared, party: Party) -> SideView:
    word, sentence = _own(party)
    against, told = (None, "") if party.at == 0 else _against(compared, party)
    return SideView(
        party, word, sentence, against, told, tuple(_answers(compared, party)), tuple(_runs(party))
    )


def _own(party: Party) -> tuple[Status, str]:
    """Return the verdict that the runs of a side have: theirs where they agree, else the count."""
    heads = [_headline(subject) for subject in party.subjects]
    words = {each.status for each in heads}
    word = heads[0].status if len(words) == 1 else status.PARTLY.saying("Runs differ.")
    said = [str((run.verdict.get("real_time") or {}).get("outcome")) for run in party.subjects]
    told = f"real-time inference {counted(said, party.count)}"
    return word, f"{numbers.sentence(told)}{_broken(party)}."


def _headline(subject: Subject) -> live.Headline:
    generates = subject.mode == "generate" or subject.verdict.get("generation")
    return generation.headline(subject) if generates else live.headline(subject)


def _broken(party: Party) -> str:
    """Return the rule that most runs without support broke first."""
    found = Counter(
        (real.get("rule"), str(rule(run, int(real.get("rule") or 0)).get("title") or ""))
        for run in party.subjects
        if (real := run.verdict.get("real_time") or {}).get("outcome") != Outcome.SUPPORTED
        and real.get("rule")
    )
    if not found:
        return ""
    (number, title), _ = found.most_common(1)[0]
    return f"; what stands open first is rule {number}{f' ({title})' if title else ''}"


def _against(compared: Compared, party: Party) -> tuple[Status, str]:
    """Return what the metrics say together against the base, and which of them say it."""
    document, at = compared.document, party.at - 1
    summary = document["summary"][at]
    said = answer(summary)
    if not compared.document["comparable"]:
        return VERDICTS[Word.NOT_COMPARABLE], "the conditions forbid it, as said above"
    if summary[Word.TOO_FEW]:
        return VERDICTS[Word.TOO_FEW], "no difference can be told from chance"
    word = {
        Word.BETTER.value: VERDICTS[Word.BETTER],
        Word.WORSE.value: VERDICTS[Word.WORSE],
        "not decided": status.ABSENT.saying("not decided"),
        "no difference beyond noise": VERDICTS[Word.SAME].saying("no difference beyond noise"),
    }.get(said, status.PARTLY.saying(said))
    found = [
        f"{each.value}: {_listed(document, at, each)}"
        for each in (Word.WORSE, Word.BETTER)
        if summary[each]
    ]
    counts = ", ".join(f"{summary[each]} {each.value}" for each in Word if summary[each])
    return word, ". ".join([numbers.sentence("; ".join(found)), counts] if found else [counts])


def _listed(document: Mapping[str, Any], at: int, word: Word) -> str:
    rows = [row for row in document["metrics"] if row["against"][at]["verdict"] == word]
    named = [_effect(row, at) for row in rows[:_NAMED]]
    more = [f"{len(rows) - _NAMED} more"] if len(rows) > _NAMED else []
    return numbers.listed(named + more)


def _effect(row: Mapping[str, Any], at: int) -> str:
    difference = row["against"][at]["difference"]
    if difference is None:
        return f"{spoken(row['metric'])} (frames were lost)"
    measure = _measure(row)
    return f"{spoken(row['metric'])} {measure.with_unit(measure.signed(difference))}"


def _measure(row: Mapping[str, Any]) -> Measure:
    values = [each for side in row["values"] for each in side if isinstance(each, float)]
    return Measure.of(row["unit"], values)


def _answers(compared: Compared, party: Party) -> list[Answer]:
    if party.kind == MIXED:
        return []
    if party.kind == GENERATION:
        return [_answer(compared, party, name) for name in ANSWERS[GENERATION]]
    names = ("rate", "latency.p99")
    return [
        *(_answer(compared, party, name) for name in names),
        _held(party),
        *(_answer(compared, party, name) for name in ("power.mean", "temperature.max")),
    ]


def _answer(compared: Compared, party: Party, name: str) -> Answer:
    """Return the mean of a side's runs, from the document or, where it is not there, from them."""
    row = compared.row(name)
    listed, why = _values(compared, party, name)
    title, limit, basis = _SHORT[name], _limit(party, name), _basis(party, name)
    if any(each is None for each in listed):
        text = "insufficient" if why.startswith("insufficient") else numbers.NOT_MEASURED
        return Answer(title, text, "", limit, None, numbers.sentence(why))
    values = [math.inf if isinstance(each, str) else float(each or 0.0) for each in listed]
    mean = float(np.mean(values))
    if math.isinf(mean):
        return Answer(title, numbers.LOST, "", limit, _verdict(row, party), basis)
    unit = metrics.find(name).unit
    measure = Measure.of(unit, [mean]) if row is None else _measure(row)
    return Answer(title, measure.bare(mean), measure.unit, limit, _verdict(row, party), basis)


def _values(compared: Compared, party: Party, name: str) -> tuple[list[float | str | None], str]:
    row = compared.row(name)
    if row is not None:
        why = [each for each in row["missing"][party.at] if each]
        lacking = f"in {len(why)} of {party.count} runs: " if why and len(why) < party.count else ""
        return list(row["values"][party.at]), lacking + (why[0] if why else "")
    metric = metrics.find(name)
    found = [
        reading(metric, Evidence(run), verdict) for run, verdict in compared.sides[party.at].runs
    ]
    why = [each.why or "not measured" for each in found if each.value is None]
    values = [
        numbers.LOST if each.value is not None and math.isinf(each.value) else each.value
        for each in found
    ]
    return values, why[0] if why else ""


def _verdict(row: Mapping[str, Any] | None, party: Party) -> Status | None:
    """Return the difference against the base and its verdict; None for the base itself."""
    if party.at == 0 or row is None:
        return None
    said = row["against"][party.at - 1]
    word = VERDICTS[said["verdict"]]
    if said["difference"] is None:
        return word
    measure = _measure(row)
    return word.saying(f"{measure.with_unit(measure.signed(said['difference']))}: {word.word}")


def _limit(party: Party, name: str) -> str:
    first = party.subjects[0]
    if name == "latency.p99":
        deadlines = {run.deadline_ms for run in party.subjects}
        known = first.deadline_ms is not None and len(deadlines) == 1
        return f"deadline {numbers.setting(first.deadline_ms or 0)}" if known else "no one deadline"
    if name == "rate":
        offered = first.source_fps
        return "source not stated" if offered is None else f"source {numbers.rate(offered)} fps"
    return generation.FAST if name == "speed" else ""


def _basis(party: Party, name: str) -> str:
    basis = f"mean of {numbers.plural(party.count, 'run')}"
    if name != "latency.p99":
        return basis
    said = [str(rule(run, RULE_P99).get("outcome") or "not judged") for run in party.subjects]
    return f"{basis}; within the deadline: {counted(said, party.count)}"


def _held(party: Party) -> Answer:
    """Return how long real-time was held: that of the shortest run, and in how many to the end."""
    name, basis = "real-time held", "shortest run; to the first 10 s without real-time"
    pairs = [(run.verdict.get("real_time_held_s"), run.window_s) for run in party.subjects]
    known = [(float(held), float(of)) for held, of in pairs if held is not None and of is not None]
    if not known or len(known) < len(pairs):
        why = "not told of every run" if known else "no window to hold"
        return Answer(name, numbers.NOT_MEASURED, "", "", None, why)
    shortest, length = min(known)
    whole = sum(held >= of - _TO_THE_END_S for held, of in known)
    word = status.HOLDS if whole == len(known) else status.MISSED
    text, _, unit = numbers.clock(shortest).partition(numbers.NBSP)
    ended = word.saying(f"to the end in {whole} of {len(known)}")
    return Answer(name, text, unit, f"of {numbers.clock(length)}", ended, basis)


def _runs(party: Party) -> list[RunLine]:
    return [
        RunLine(
            party.run_name(k),
            str(run.manifest.get("id") or "not stated"),
            link,
            str(run.manifest.get("created") or "not stated")[:16].replace("T", " "),
            numbers.clock(run.window_s),
            str(run.verdict.get("tier") or "no tier"),
            status.of_validity((run.verdict.get("validity") or {}).get("status")),
            status.of_outcome((run.verdict.get("real_time") or {}).get("outcome")),
            numbers.clock(held)
            if (held := run.verdict.get("real_time_held_s")) is not None
            else "n/a",
        )
        for k, (run, link) in enumerate(zip(party.subjects, party.links, strict=True))
    ]
