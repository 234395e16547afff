"""What do the claims stand on? The Runs: valid or not, live or not, when, where, of what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.page import numbers, status
from reports.page.privacy import without_folders
from reports.sections.header import TIERS, change_shown
from reports.sections.live import in_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reports.page.status import Status

    Cited = Mapping[str, Any]

_UTC: Final = 16
_NAMES: Final = {
    "scenario": "scenario, resolved", "scenario_file": "scenario, file", "input": "input",
    "model": "model", "code": "program and code",
}  # fmt: skip


@dataclass(frozen=True)
class Validity:
    """Which Runs, their status, and the reasons."""

    run: str
    status: Status
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """A line of the table that asks whether it is live."""

    name: str
    value: str
    note: str
    status: Status | None


@dataclass(frozen=True)
class LiveInKind:
    """Is it live at all? A word, a sentence, and what stands beside each other."""

    status: Status
    sentence: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class RunRow:
    """A Run in the table of all that are cited."""

    number: int
    id: str
    when: str
    device: str
    scenario: str
    changes: str
    length: str
    tier: str
    sample: str
    regime: str
    status: Status


def distinct(claims: Iterable[Mapping[str, Any]]) -> list[Cited]:
    """Return every cited Run once, in the order in which they are first cited."""
    return list({json.dumps(each): each for claim in claims for each in claim["cited"]}.values())


def validity(runs: Sequence[Cited]) -> list[Validity]:
    """Return a line for the Runs that are alike in validity."""
    groups: dict[tuple[str, tuple[str, ...]], list[Cited]] = {}
    for each in runs:
        found = each["validity"]
        reasons = tuple(numbers.sentence(str(reason)) for reason in found["reasons"])
        groups.setdefault((str(found["status"]), reasons), []).append(each)
    return [
        Validity(_who(members, len(runs)), status.of_validity(word), reasons)
        for (word, reasons), members in groups.items()
    ]


def _who(members: Sequence[Cited], total: int) -> str:
    if total == 1:
        return ""
    names = list(dict.fromkeys(str(each["scenario"] or "a program") for each in members))
    many = f"{numbers.plural(len(members), 'run')} of " if len(members) > 1 else ""
    return many + numbers.listed(names)


def live_in_kind(runs: Sequence[Cited]) -> LiveInKind | None:
    """Return whether the Runs of a claim are live, judged apart from its numbers."""
    if not runs:
        return None
    words = [in_kind(each["real_time"]["outcome"], each["regime"]) for each in runs]
    alike = len({each.word for each in words}) == 1
    said = {_why(each) for each in runs}
    sentence = said.pop() if len(said) == 1 else "The runs do not agree; the table below has each."
    word = words[0] if alike else status.OPEN.saying("Not alike.")
    return LiveInKind(word, sentence, tuple(_facts(runs)))


def _why(run: Cited) -> str:
    found = run["real_time"]
    if found["outcome"] == "supported":
        return "Outputs depend on the live input, in order, one at a time, and in time."
    rule = f"Rule {found['rule']}: " if found["rule"] else ""
    reason = str(found["reason"]).rstrip(".")
    return f"{rule}{reason if rule else numbers.sentence(reason)}."


def _facts(runs: Sequence[Cited]) -> list[Fact]:
    live = any(each["released"] is not None for each in runs)
    none = status.ABSENT
    no_live, no_made = "there is no live input", "a metric of generation; nothing here is generated"
    regimes = list(dict.fromkeys(str(each["regime"] or "none judged") for each in runs))
    rates = [each["rate_fps"] for each in runs]
    apart = span([1000 / rate for rate in rates if rate], numbers.ms)
    speeds = [each["speed"] for each in runs]
    sizes = [each["block_size"] for each in runs]
    return [
        Fact("regime", numbers.listed(regimes), "what it did most", None),
        Fact("rate, unique frames", span(rates, lambda v: f"{numbers.rate(v)} fps"),
             f"1 / rate = {apart} between frames, which is no latency", None)
        if live and apart else Fact("rate, unique frames", "", no_live, none),
        Fact("response latency, p50", _latency(runs, "p50"), "scheduled to shown", None)
        if live else Fact("response latency", "", no_live, none),
        *([Fact("response latency, p99", _latency(runs, "p99"), "a lost frame counts as infinite",
                None)] if live else []),
        Fact("block size", span(sizes, lambda v: numbers.plural(v, "frame")),
             "delivered together; live is 1", None),
        Fact("speed", span(speeds, numbers.times), "media made per second; says nothing of latency",
             None) if not live
        else Fact("speed", "", no_made, none),
    ]  # fmt: skip


def _latency(runs: Sequence[Cited], which: str) -> str:
    found = [(each["latency_ms"] or {}).get(which) for each in runs]
    words = list(dict.fromkeys(each for each in found if isinstance(each, str)))
    if all(each is None for each in found):
        counted = any(each["latency_ms"] for each in runs)
        return "insufficient" if counted else numbers.NOT_MEASURED
    told = span([each for each in found if isinstance(each, (int, float))], numbers.ms)
    return " to ".join(filter(None, [told, *words]))


def span(values: Sequence[float | None], said: Callable[[float], str]) -> str:
    """Return ``29.97 fps``, or ``29.95 fps to 29.97 fps`` of several; empty is not measured."""
    told = [each for each in values if each is not None]
    if not told:
        return numbers.NOT_MEASURED if values else ""
    return " to ".join(dict.fromkeys([said(min(told)), said(max(told))]))


def rows(runs: Sequence[Cited]) -> list[RunRow]:
    """Return the table of Runs."""
    return [_row(k, each) for k, each in enumerate(runs, 1)]


def _row(number: int, run: Cited) -> RunRow:
    frames, requests = run["released"], run["requests"]
    sample = numbers.plural(frames, "frame") if frames is not None else numbers.NOT_MEASURED
    if frames is None and requests is not None:
        sample = numbers.plural(requests, "request")
    return RunRow(
        number=number,
        id=str(run["id"]),
        when=moment(run),
        device=str(run["device"] or "unnamed"),
        scenario=str(run["scenario"] or "a program"),
        changes=", ".join(change_shown(each) for each in run["overrides"]) if run["custom"] else "",
        length=numbers.clock(run["length_s"]),
        tier=str(run["tier"]),
        sample=sample,
        regime=str(run["regime"] or "none judged"),
        status=status.of_validity(run["validity"]["status"]),
    )


def moment(run: Cited) -> str:
    """Return when a Run was made: ``2026-11-21 02:15 UTC``."""
    created = str(run["created"] or "")[:_UTC].replace("T", " ")
    return f"{created} UTC" if created else "no date"


def hashes(runs: Sequence[Cited], file: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Return (what, sha256, of which Runs) of all that a Run was made with, each once."""
    found: dict[tuple[str, str], list[int]] = {}
    for k, run in enumerate(runs, 1):
        for name, digest in run["hashes"].items():
            if digest:
                found.setdefault((_NAMES.get(name, name), str(digest)), []).append(k)
    listed = [
        (name, digest, "all runs" if len(runs) == len(of) > 1 else _numbered(of))
        for (name, digest), of in found.items()
    ]
    if file is None:
        return listed
    return [("file of claims", str(file["sha256"] or "not known"), ""), *listed]


def _numbered(runs: Sequence[int]) -> str:
    return f"run{'s' * (len(runs) > 1)} {numbers.listed([str(each) for each in runs])}"


def stamp(runs: Sequence[Cited], version: str) -> str:
    """Return how many Runs, when, of which tier: the line beside the title."""
    if not runs:
        return f"no Run · liveprobe {version}"
    days = sorted({str(each["created"] or "")[:10] for each in runs} - {""})
    when = " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "no date"
    tiers = [TIERS.get(each, each) for each in dict.fromkeys(str(run["tier"]) for run in runs)]
    return " · ".join(
        [numbers.plural(len(runs), "run"), when, numbers.listed(tiers), f"liveprobe {version}"]
    )


def devices(runs: Sequence[Cited]) -> str:
    """Return the names of the boards."""
    names = list(dict.fromkeys(without_folders(str(each["device"] or "unnamed")) for each in runs))
    return numbers.listed(names)
