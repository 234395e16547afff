"""What did the audits find, what does it cost, and what is to be done?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.model import FindingOutcome
from reports.charts.stages_named import slot
from reports.page import numbers, status
from reports.page.privacy import without_folders
from reports.sections import copy_evidence

if TYPE_CHECKING:
    from reports.page.status import Status
    from reports.page.subject import Subject

TOP: Final = 5
_SHOWN: Final = (FindingOutcome.FAILED.value, FindingOutcome.WARNING.value)
EVIDENCE_VALUES: Final = 8
_SAID: Final = {"gb_per_s": "speed", "share_of_frame": "of a decoded frame"}
_ALL: Final = 0.02
"""A finding that leaves out no more than this share of the window holds all through it."""


@dataclass(frozen=True)
class Item:
    """A finding, ready to be read.

    `title` is (before, a line of code, after); `evidence` is (what, code, words).
    """

    audit: str
    title: tuple[str, str, str]
    status: Status
    stage: str | None
    slot: str | None
    since: str
    remedy: str
    cost: str
    bar: float
    bytes: str
    grade: str
    evidence: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Findings:
    """The costliest findings, and a line for the audits that found nothing or could not look."""

    items: tuple[Item, ...]
    heading: str
    others: tuple[tuple[Status, str], ...]


def findings(subject: Subject) -> Findings:
    """Return the findings in order of severity and cost."""
    every = list(subject.verdict.get("findings") or [])
    shown = [each for each in every if each.get("outcome") in _SHOWN and not _by_pass(each)]
    shown.sort(
        key=lambda each: (_SHOWN.index(each["outcome"]), -(each.get("cost_ms_per_frame") or 0.0))
    )
    most = max((each.get("cost_ms_per_frame") or 0.0 for each in shown), default=0.0)
    items = tuple(_item(subject, each, most) for each in shown[:TOP])
    heading = _heading(len(items), len(shown))
    if not shown and any(map(_by_pass, every)):
        heading = "Findings: none that stands"
    return Findings(items, heading, (*_disturbed(every), *_others(every)))


def _by_pass(found: dict[str, Any]) -> str:
    """Return how the pass itself may have caused a finding, empty where it did not."""
    return str(found.get("disturbed") or "")


def _disturbed(every: list[dict[str, Any]]) -> list[tuple[Status, str]]:
    """Return what accuses nobody: the pass disturbed what it looked at."""
    lines = []
    for why in filter(None, dict.fromkeys(map(_by_pass, every))):
        titles = "; ".join(str(each.get("title")) for each in every if _by_pass(each) == why)
        text = f"{numbers.sentence(why)}, which may be all that these found: {titles}"
        lines.append((status.ABSENT.saying("disturbed"), text))
    return lines


def _heading(number: int, every: int) -> str:
    if not every:
        return "Findings: none"
    if every > number:
        return f"The {number} costliest of {every} findings"
    return "Findings" if every > 1 else "One finding"


def _item(subject: Subject, found: dict[str, Any], most: float) -> Item:
    cost, stage = found.get("cost_ms_per_frame"), found.get("stage")
    size = found.get("cost_bytes_per_frame")
    return Item(
        audit=str(found.get("audit")),
        title=copy_evidence.split(str(found.get("title")), found.get("evidence") or {}),
        status=status.of_outcome(found.get("outcome")),
        stage=stage,
        slot=None if stage is None else slot(str(stage)),
        since=_since(subject, found),
        remedy=str(found.get("remedy") or ""),
        cost="" if cost is None else numbers.ms_plain(cost),
        bar=0.0 if cost is None or not most else round(100 * float(cost) / most, 2),
        bytes="" if size is None else numbers.byte_size(size),
        grade=str(found.get("grade") or "measured"),
        evidence=tuple(_evidence(found.get("evidence") or {})),
    )


def _since(subject: Subject, found: dict[str, Any]) -> str:
    start, end = found.get("from_ns"), found.get("to_ns")
    if start is None or end is None:
        return ""
    begin, stop, length = subject.moment(start), subject.moment(end), subject.length_s
    if begin <= _ALL * length and stop >= (1 - _ALL) * length:
        return "whole run"
    if stop >= (1 - _ALL) * length:
        return f"since {numbers.clock_mark(begin)}"
    return f"{numbers.clock_fine(begin)} to {numbers.clock_fine(stop)}"


def _evidence(evidence: dict[str, Any]) -> list[tuple[str, str, str]]:
    of_copies = copy_evidence.is_of_copies(evidence)
    rows = copy_evidence.place(evidence) if of_copies else []
    for key, each in evidence.items():
        if not _shown(key) or (of_copies and copy_evidence.said_with_place(key)):
            continue
        code, words = copy_evidence.value(key, each) or ("", _value(key, each))
        rows.append((_words(key), code, words))
    return rows


def _shown(key: str) -> bool:
    """Moments on the monotonic clock say nothing to a reader; `since` says them in words."""
    return not key.endswith("_ns")


def _words(key: str) -> str:
    return _SAID.get(key, key.removesuffix("_ms").replace("_", " "))


def _value(key: str, value: object) -> str:
    """Return a JSON value of the evidence; durations with their unit, long lists cut."""
    if isinstance(value, dict):
        shown = {name: each for name, each in value.items() if _shown(name)}
        nested = any(isinstance(each, dict) for each in shown.values())
        parts = [f"{_words(name)} {_value(name, each)}" for name, each in shown.items()]
        return ("; " if nested else ", ").join(parts)
    if isinstance(value, list):
        some = "; ".join(_value(key, each) for each in value[:EVIDENCE_VALUES])
        rest = len(value) - EVIDENCE_VALUES
        return f"{some} and {rest} more" if rest > 0 else some or "none"
    if key.endswith("_ms") and isinstance(value, (int, float)):
        return numbers.ms(value)
    return numbers.scalar(value)


def _others(every: list[dict[str, Any]]) -> list[tuple[Status, str]]:
    rest = []
    for outcome in (FindingOutcome.PASSED.value, FindingOutcome.NOT_MEASURED.value):
        mine = [each for each in every if each.get("outcome") == outcome]
        if mine:
            titles = "; ".join(str(each.get("title")) for each in mine)
            rest.append((status.of_outcome(outcome), titles + _unseen(mine)))
    return rest


def _unseen(found: list[dict[str, Any]]) -> str:
    """Say once what several audits could not see."""
    reasons = [
        without_folders(str(reason))
        for each in found
        for reason in (each.get("evidence") or {}).get("unseen") or ()
    ]
    return f". Not seen: {'; '.join(dict.fromkeys(reasons))}" if reasons else ""
