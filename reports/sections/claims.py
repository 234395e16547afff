"""What was claimed, under which conditions, what came of each statement, and how to check it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.page import numbers
from reports.page.privacy import without_folders
from reports.sections.cited_runs import LiveInKind, live_in_kind
from reports.sections.claim_tests import ClaimTest, claim_test, of_outcome, unasked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.page.status import Status

_LONG: Final = 130
_VERY_LONG: Final = 420
"""Letters from which a quote is set smaller."""
PULLS: Final = {
    "easier": "easier here, so nothing is supported by it",
    "harder": "harder here, so nothing is refuted by it",
    "not known": "the Run does not tell",
    "another thing": "another thing, of which nothing can be said",
}
_CONDITIONS: Final = ("device", "accelerator", "model", "resolution", "rate", "duration")


@dataclass(frozen=True)
class Words:
    """A piece of the quoted claim; `number` is that of the statement that it is."""

    text: str
    number: int | None = None
    tone: str = ""
    link: str = ""


@dataclass(frozen=True)
class StatementView:
    """A statement with its answer, why, and what would tell."""

    number: int
    link: str
    text: str
    essential: bool
    status: Status
    reason: str
    needs: str
    reading: str
    meanings: tuple[str, ...]
    tests: tuple[ClaimTest, ...]


@dataclass(frozen=True)
class Condition:
    """A condition as it was stated, as it was here, and what follows."""

    name: str
    stated: str
    here: str
    follows: str


@dataclass(frozen=True)
class ClaimView:
    """A claim as the page shows it."""

    link: str
    id: str
    size: str
    words: tuple[Words, ...]
    text: str
    source: str
    date: str
    status: Status
    reason: str
    needs: str
    statements: tuple[StatementView, ...]
    conditions: tuple[Condition, ...]
    unstated: str
    scenario: bool
    rerun: str
    commands: tuple[str, ...]
    runs: tuple[str, ...]
    live: LiveInKind | None


def claim(found: Mapping[str, Any], number: int, file: str) -> ClaimView:
    """Return a claim of the document to be read; `file` is what `liveprobe verify` is given."""
    link = f"c{number}"
    statements = tuple(
        _statement(each, k, f"{link}s{k}") for k, each in enumerate(found["statements"], 1)
    )
    text = str(found["text"])
    conditions, unstated = _conditions(found)
    return ClaimView(
        link=link,
        id=str(found["id"]),
        size="longest" if len(text) > _VERY_LONG else "longer" if len(text) > _LONG else "",
        words=tuple(quoted(text, statements)),
        text=text,
        source=str(found["source"]),
        date=str(found["date"]),
        status=of_outcome(found["outcome"]),
        reason=numbers.sentence(str(found["reason"])),
        needs="; ".join(dict.fromkeys(each.needs for each in statements if each.needs)),
        statements=statements,
        conditions=tuple(conditions),
        unstated=unstated,
        scenario=bool(found["again"]),
        rerun=_rerun(found),
        commands=tuple(_commands(found, file)),
        runs=tuple(str(each) for each in found["runs"]),
        live=live_in_kind(found["cited"]),
    )


def _statement(found: Mapping[str, Any], number: int, link: str) -> StatementView:
    tests = tuple(claim_test(each) for each in found["tests"])
    return StatementView(
        number=number,
        link=link,
        text=str(found["text"]),
        essential=bool(found["essential"]),
        status=of_outcome(found["outcome"]),
        reason=_reason(found),
        needs=str(found["needs"] or ""),
        reading=str(found["reading"] or ""),
        meanings=tuple(str(each) for each in found["meanings"]),
        tests=tests or tuple(unasked(str(each)) for each in found["holds"]),
    )


def _reason(found: Mapping[str, Any]) -> str:
    """Return why, without the name of the only test, which stands beside it."""
    reason, tests = str(found["reason"]), found["tests"]
    return numbers.sentence(reason.removeprefix(f"{tests[0]['test']}: ") if tests else reason)


def quoted(text: str, statements: Sequence[StatementView]) -> list[Words]:
    """Return the claim's words in pieces, the statements marked where they stand in it."""
    places: list[tuple[int, int, StatementView]] = []
    for each in statements:
        start = text.find(each.text)
        end = start + len(each.text)
        if start >= 0 and not any(start < right and left < end for left, right, _ in places):
            places.append((start, end, each))
    pieces, at = [], 0
    for start, end, each in sorted(places, key=lambda place: place[0]):
        pieces += [
            Words(text[at:start]),
            Words(text[start:end], each.number, each.status.tone, each.link),
        ]
        at = end
    return [each for each in [*pieces, Words(text[at:])] if each.text]


def _conditions(found: Mapping[str, Any]) -> tuple[list[Condition], str]:
    """Return the rows of stated conditions, and those that nobody stated."""
    stated = _stated(found["conditions"])
    away: dict[str, list[Mapping[str, Any]]] = {}
    for each in found["deviations"]:
        away.setdefault(str(each["condition"]), []).append(each)
    same = "as stated" if found["runs"] else "no Run tells"
    rows: list[Condition] = []
    for name in dict.fromkeys([*_CONDITIONS, *away]):
        for each in away.get(name, ()):
            pull = str(each["pull"])
            here = without_folders(str(each["here"]))
            rows.append(Condition(name, str(each["stated"]), here, PULLS.get(pull, pull)))
        if name in stated and name not in away:
            rows.append(Condition(name, stated[name], same, ""))
    return rows, numbers.listed([name for name in _CONDITIONS if name not in stated])


def _stated(conditions: Mapping[str, Any]) -> dict[str, str]:
    found = {
        name: str(conditions[name])
        for name in ("device", "accelerator", "model")
        if conditions[name] is not None
    }
    if conditions["resolution"] is not None:
        found["resolution"] = "x".join(str(each) for each in conditions["resolution"])
    if conditions["rate"] is not None:
        found["rate"] = f"{conditions['rate']:g} fps"
    length, load = conditions["duration_s"], conditions["load"]
    said = [f"{length:g} s" if length is not None else "", str(load or "")]
    if any(said):
        found["duration"] = ", ".join(filter(None, said))
    return found


def _rerun(found: Mapping[str, Any]) -> str:
    """Answer whether a reader can run it again, and on what."""
    conditions = found["conditions"]
    machine = " with ".join(
        str(conditions[name]) for name in ("device", "accelerator") if conditions[name]
    )
    where = f"on {machine}" if machine else "on any device"
    if found["again"]:
        return f"Yes, {where}"
    return f"With a program of yours, {where}"


def _commands(found: Mapping[str, Any], file: str) -> list[str]:
    verify = f"liveprobe verify {shlex.quote(file)} --claim {shlex.quote(str(found['id']))}"
    if found["again"]:
        return [without_folders(str(found["again"])), verify]
    return ["liveprobe run -- COMMAND", f"{verify} RUN"]
