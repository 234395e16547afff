"""A comparison in lines of text: what differs, then each metric with its interval and its word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe.comparison import answer, letter
from probe.console.verdict_text import SHORT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOWN: Final = 3
"""Values of a condition that are written out; more are counted."""
_LONGEST: Final = 28


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return the comparison, answer first, then the environment, then metric by metric."""
    sides = document["sides"]
    text = [_headline(each) for each in document["summary"]]
    if not document["comparable"]:
        text = [f"not comparable: {document['reason']}", *_way_out(document["environment"])]
    text += ["", *(_side(letter(at), each) for at, each in enumerate(sides))]
    text += ["", *_environment(document["environment"])]
    for at, side in enumerate(sides[1:]):
        text += ["", f"{letter(at + 1)} against A: {side['name']}", *_table(document, at)]
    return text


def _way_out(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how a difference that blocks is named as what is compared, if the runs are usable."""
    blocking = [each["condition"] for each in found if each["bearing"] == "blocks"]
    if not blocking or {"validity", "state", "mode"} & set(blocking):
        return []
    options = " ".join(f"--vary {each}" for each in blocking[:SHOWN])
    return [
        f"  what to do: measure the same conditions; if this is what is compared, add {options}"
    ]


def _headline(summary: Mapping[str, Any]) -> str:
    told = [f"{count} {word}" for word, count in summary.items() if word != "side" and count]
    return f"{summary['side']}: {answer(summary)} ({', '.join(told)})"


def _side(name: str, side: Mapping[str, Any]) -> str:
    base = ", the base" if name == "A" else ""
    count = len(side["runs"])
    return f"  {name}  {side['name']}: {count} run{'s' * (count != 1)}{base}"


def _environment(found: Sequence[Mapping[str, Any]]) -> list[str]:
    if not found:
        return ["what differs besides: nothing that was recorded"]
    rows = [
        f"  {each['bearing']:<11} {each['condition']}: "
        f"{' | '.join(_values(side) for side in each['values'])} ({each['why']})"
        for each in found
    ]
    return ["what differs besides:", *rows]


def _values(side: Sequence[str]) -> str:
    shown = [each if len(each) <= _LONGEST else f"{each[:_LONGEST]}..." for each in side[:SHOWN]]
    more = [f"{len(side) - SHOWN} more"] if len(side) > SHOWN else []
    return ", ".join([*shown, *more])


def _table(document: Mapping[str, Any], at: int) -> list[str]:
    rows = [("metric", "A", letter(at + 1), "difference", "95 % interval", "verdict")]
    reasons: list[str] = []
    for each in document["metrics"]:
        said, unit = each["against"][at], SHORT.get(each["unit"], each["unit"])
        means = each["means"]
        rows.append(
            (
                f"{each['metric']}{f', {unit}' if unit else ''}",
                _number(means[0]),
                _number(means[at + 1]),
                _number(said["difference"], signed=True),
                _interval(said["interval"]),
                said["verdict"],
            )
        )
        if (
            said["reason"]
            and said["reason"] not in reasons
            and said["reason"] != document["reason"]
        ):
            reasons.append(said["reason"])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    table = [
        "  "
        + "  ".join(
            f"{cell:<{width}}" if k in (0, len(row) - 1) else f"{cell:>{width}}"
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*table, *(f"  - {reason}" for reason in reasons)]


def _interval(found: Sequence[float] | None) -> str:
    if found is None:
        return ""
    return f"{_number(found[0], signed=True)} to {_number(found[1], signed=True)}"


def _number(value: float | str | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    large = 1e6
    text = f"{value / large:.4g}e6" if abs(value) >= large else f"{value:.4g}"
    return f"+{text}" if signed and value > 0 else text
