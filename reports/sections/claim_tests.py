"""One test of a statement: its limit, what was observed, by how much it holds, on how much."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.charts.run_dots import Dots, dots
from reports.page import numbers, status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.page.status import Status

_SIGN: Final = re.compile("<=|>=|<|>")
_APART: Final = re.compile(r"(?<=\d)(?=[^\d.\s])")
"""Between a number and its unit."""
_RULES: Final = "METHOD\N{RIGHT SINGLE QUOTATION MARK}s rules"
_SIGNS: Final = {"<=": "≤", ">=": "≥"}
_PLACES: Final = {"ms": 1, "fps": 2, "x": 2, "percent": 2, "count": 0, "frames": 0, "": 2}
"""Digits that a unit is read with; more where value and limit would look alike."""
_MOST_PLACES: Final = 5
_LIMIT_PLACES: Final = 6
SECOND_MS: Final = 1000
RULES: Final = {
    "supported": "every rule holds",
    "refuted": "a rule is broken",
    "inconclusive": "a rule is open",
}
"""What is observed of a statement that says "real-time": rules, and no number."""


@dataclass(frozen=True)
class ClaimTest:
    """A row: texts to be read, the outcome, and a picture of the Runs where there is a number."""

    test: str
    definition: str
    limit: str
    observed: str
    interval: str
    margin: str
    basis: str
    status: Status
    dots: Dots | None


def claim_test(test: Mapping[str, Any]) -> ClaimTest:
    """Return one test of the document of claims, to be read."""
    return ClaimTest(
        test=str(test["test"]),
        definition=str(test["definition"] or "the rules of METHOD that make a run real-time"),
        limit=_limit(test),
        observed=_observed(test),
        interval=_interval(test),
        margin=_margin(test),
        basis=_basis(test["n"], len(test["answers"])),
        status=of_outcome(test["outcome"]),
        dots=dots(test, _limit(test), lambda value: amount(value, test)),
    )


def unasked(test: str) -> ClaimTest:
    """Return a test that no Run was asked."""
    sign = _SIGN.search(test)
    limit = _RULES if sign is None else _APART.sub(numbers.NBSP, test[sign.start() :])
    nothing = status.ABSENT.saying(numbers.NOT_MEASURED)
    return ClaimTest(
        test, "", _signed(limit), numbers.NOT_MEASURED, "", "", "no Run", nothing, None
    )


def of_outcome(outcome: object) -> Status:
    """Return the status of a claim, a statement or a test."""
    found = status.of_outcome(outcome)
    return found.saying("not testable here") if found.word == "not testable" else found


def amount(value: object, test: Mapping[str, Any]) -> str:
    """Return a number of a test with its unit; "lost" as it is, null as "not measured"."""
    if not isinstance(value, (int, float)):
        return numbers.NOT_MEASURED if value is None else str(value)
    if test["unit"] == "bytes":
        return numbers.byte_size(value)
    if test["unit"] == "ms" and abs(value) >= SECOND_MS:
        return numbers.ms(value)
    return _with_unit(numbers.fixed(value, _places(test)), value, test)


def _with_unit(text: str, value: float, test: Mapping[str, Any]) -> str:
    unit = str(test["unit"] or "")
    if unit == "frames" and value == 1:
        unit = "frame"
    return numbers.NBSP.join(filter(None, [text, numbers.UNITS.get(unit, unit)]))


def _places(test: Mapping[str, Any]) -> int:
    places = _PLACES.get(str(test["unit"]), 2)
    told, limit = _numbers(test["values"]), test["limit"]
    gaps = [abs(value - limit) for value in told if limit is not None and value != limit]
    small = [value for value in (*told, *gaps) if value]
    while places < _MOST_PLACES and any(round(abs(each), places) == 0 for each in small):
        places += 1
    return places


def _numbers(values: Sequence[object]) -> list[float]:
    return [float(each) for each in values if isinstance(each, (int, float))]


def _signed(limit: str) -> str:
    for sign, shown in _SIGNS.items():
        limit = limit.replace(sign, f"{shown}{numbers.NBSP}")
    return limit


def _limit(test: Mapping[str, Any]) -> str:
    sign = _SIGN.search(str(test["test"]))
    if sign is None:
        return _RULES
    if test["limit"] is None:
        return _signed(str(test["test"])[sign.start() :])
    limit = round(float(test["limit"]), _LIMIT_PLACES)
    text = _with_unit(numbers.scalar(limit), limit, test)
    if test["unit"] == "bytes":
        text = numbers.byte_size(limit)
    if test["unit"] == "ms" and limit >= SECOND_MS:
        text = f"{numbers.scalar(limit / SECOND_MS)}{numbers.NBSP}s"
    return f"{_SIGNS.get(sign[0], sign[0])}{numbers.NBSP}{text}"


def _observed(test: Mapping[str, Any]) -> str:
    values = list(test["values"])
    told = _numbers(values)
    if _SIGN.search(str(test["test"])) is None:
        return RULES.get(str(test["outcome"]), "not told")
    if all(each is None for each in values):
        few = any(test["n"]) or test["outcome"] == "inconclusive"
        return "insufficient" if few else numbers.NOT_MEASURED
    ends = [amount(each, test) for each in (min(told), max(told))] if told else []
    if numbers.LOST in values:
        ends = [*ends[:1], numbers.LOST]
    return " to ".join(dict.fromkeys(ends))


def _interval(test: Mapping[str, Any]) -> str:
    found = [each for each in test["intervals"] if each is not None]
    if not found:
        return ""
    low, high = min(each[0] for each in found), max(each[1] for each in found)
    return f"{amount(low, test)} to {amount(high, test)}"


def _margin(test: Mapping[str, Any]) -> str:
    margins = _numbers(test["margins"])
    if numbers.LOST in test["values"]:
        return "falls on a lost frame"
    if not margins:
        return ""
    several, least = len(margins) > 1, min(margins)
    text = amount(abs(least), test)
    if least >= 0:
        return f"holds by {'at least ' if several else ''}{text}"
    missed = sum(each < 0 for each in margins)
    where = f" in {missed} of {len(margins)} runs" if several else ""
    return f"missed by {'up to ' if several else ''}{text}{where}"


def _basis(counts: Sequence[int | None], runs: int) -> str:
    told = sorted({each for each in counts if each is not None})
    text = numbers.plural(runs, "run")
    if not told:
        return text
    size = numbers.count(told[0])
    if len(told) > 1:
        size = f"{numbers.count(told[0])} to {numbers.count(told[-1])}"
    return f"{text}, n = {size}{' each' if runs > 1 else ''}"
