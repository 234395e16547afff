"""Judged claims in lines of text: the words, the answer, then statement by statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probe.console.verdict_text import SHORT, number

if TYPE_CHECKING:
    from collections.abc import Mapping


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return all claims, each with what it stands on."""
    text: list[str] = []
    for claim in document["claims"]:
        text += ["", *_claim(claim)] if text else _claim(claim)
    return text


def _claim(claim: Mapping[str, Any]) -> list[str]:
    text = [f"{claim['id']}: {_here(claim['outcome'])}: {claim['reason']}"]
    text.append(f'  "{claim["text"]}"')
    text.append(f"  source    {claim['source']}, {claim['date']}")
    for each in claim["statements"]:
        text += _statement(each)
    text += [
        f"  deviates  {each['condition']}: stated {each['stated']}, here {each['here']}"
        f" ({each['pull']})"
        for each in claim["deviations"]
    ]
    text += [f"  run       {each}" for each in claim["runs"]]
    return text + ([f"  again     {claim['again']}"] if claim["again"] else [])


def _statement(each: Mapping[str, Any]) -> list[str]:
    mark = ", essential" if each["essential"] else ""
    text = [f'  - "{each["text"]}"{mark}: {_here(each["outcome"])}: {each["reason"]}']
    if each["reading"]:
        text.append(f"    read as   {each['reading']}")
    told = [test for test in each["tests"] if test["limit"] is not None]
    return [*text, *(f"    observed  {_test(test)}" for test in told)]


def _test(test: Mapping[str, Any]) -> str:
    unit = SHORT.get(test["unit"], test["unit"])
    values = ", ".join(number(value, unit, 2).rstrip() for value in test["values"])
    margins = [each for each in test["margins"] if each is not None]
    if not margins:
        return f"{test['test']}: {values}"
    least = min(margins)
    word = "holds" if least >= 0 else "missed"
    return f"{test['test']}: {values}; {word} by {abs(least):.2f} {unit}".rstrip()


def _here(outcome: str) -> str:
    return f"{outcome} here" if outcome == "not testable" else outcome
