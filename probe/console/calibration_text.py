"""How a calibration reads: what the harness shifts, how sure that is, and what each part costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probe import calibration
from probe.verdict import weight

if TYPE_CHECKING:
    from collections.abc import Mapping


def lines(document: Mapping[str, Any], met: str) -> list[str]:
    """Return a calibration as text; `met` is what its bounded shifts say together."""
    count, name = calibration.pairs(document), document["scenario"]["name"]
    text = [
        f"the harness's weight: {met}",
        f"  pairs       {count} of {name}, collectors and copies off and on",
        *_shifts(document["shifts"], limits=True),
    ]
    if document["noise"]:
        text += ["  off against off, which is noise", *_shifts(document["noise"])]
    text.append("  what its calls cost, in ms a second")
    width = max(map(len, document["costs"]), default=0)
    for name, cost in document["costs"].items():
        spent = f"CPU {cost['cpu_ms_per_s']:.2f}, time {cost['wall_ms_per_s']:.2f}"
        text.append(f"    {name:<{width}}  {spent}")
    for name, table in document["each"].items():
        text += [f"  {name} alone", *_shifts(table)]
    advice = weight.advice(document)
    return [*text, *([f"  what to do: {advice}"] if advice else [])]


def _shifts(table: Mapping[str, list[float | None]], *, limits: bool = False) -> list[str]:
    text = []
    for name, shift in weight.shifts(table).items():
        if not shift.values and not shift.without:
            continue
        limit = weight.LIMITS_PCT.get(name) if limits else None
        said = "" if limit is None else f", limit {limit:g} %: {shift.against(limit).text}"
        text.append(f"    {shift.text()}{said}")
    return text


def summary(document: Mapping[str, Any], met: str) -> dict[str, Any]:
    """Return the calibration with what follows from it, for ``--json``."""
    found = {
        name: {
            "estimate_pct": shift.estimate,
            "interval_pct": weight.ends(shift.interval),
            "pairs": len(shift.values),
        }
        for name, shift in weight.shifts(document["shifts"]).items()
    }
    return {**document, "outcome": met, "summary": found}
