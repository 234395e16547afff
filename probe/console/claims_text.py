"""Judged claims in lines of text: the words, the answer, then statement by statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probe.console.verdict_text import SHORT, digits, number

if TYPE_CHECKING:
    from collections.abc import Mapping


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return all claims, each with what it stands on."""
    text: list[str] = []
    for claim in document["claims"]:
        text += ["", *_claim(claim)] if text else _claim(claim)
    return text


def _claim(claim: Mapping[str, Any]) -> list[str]:
    text = [f"{claim['id']}: {_here(claim['outcome'])}: {_flat(claim['reason'])}"]
    text.append(f'  "{_flat(claim["text"])}"')
    text.append(f"  source    {_flat(claim['source'])}, {claim['date']}")
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
    text = [f'  - "{_flat(each["text"])}"{mark}: {_here(each["outcome"])}: {_flat(each["reason"])}']
    if each["reading"]:
        text.append(f"    read as   {_flat(each['reading'])}")
    told = [test for test in each["tests"] if test["limit"] is not None]
    return [*text, *(f"    observed  {_test(test)}" for test in told)]


def _test(test: Mapping[str, Any]) -> str:
    unit = SHORT.get(test["unit"], test["unit"])
    margins = [each for each in test["margins"] if each is not None]
    fine = max((digits(each) for each in margins), default=digits(None))
    values = ", ".join(number(value, unit, fine).rstrip() for value in test["values"])
    if not margins:
        return f"{test['test']}: {values}"
    least = min(margins)
    word = "holds" if least >= 0 else "missed"
    return f"{test['test']}: {values}; {word} by {abs(least):.{fine}f} {unit}".rstrip()


def _flat(text: str) -> str:
    """Write quoted words on one line: a line of their own could pass for an answer."""
    return " ".join(text.split())


def _here(outcome: str) -> str:
    return f"{outcome} here" if outcome == "not testable" else outcome
