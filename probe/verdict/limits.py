"""Did the Run keep to the limits that were set? Each by its observed value, with its margin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from probe import limits as grammar
from probe import statistics
from probe.errors import UsageError
from probe.model import FindingOutcome, Outcome
from probe.verdict.readings import reading
from probe.verdict.summary import LOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from probe.limits import Limit
    from probe.statistics import Answer
    from probe.verdict.evidence import Evidence
    from probe.verdict.readings import Reading

BLIND: Final = "copies of some processes were not seen: it is at least this"


def rows(
    limits: Iterable[Limit], evidence: Evidence, verdict: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a row of verdict.json for each limit, in order."""
    return [_row(limit, reading(limit.metric, evidence, verdict), evidence) for limit in limits]


def of_scenario(evidence: Evidence, verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the limits that the Run's scenario set.

    One that this version cannot read, as of a metric that a newer one has, is not measured.
    """
    resolved = (evidence.manifest.get("scenario") or {}).get("resolved") or {}
    found: list[dict[str, Any]] = []
    for text in resolved.get("limits") or ():
        try:
            found += rows([grammar.parse(str(text))], evidence, verdict)
        except UsageError as error:
            found.append(_blank(str(text), "", None, "") | {"note": error.message})
    return found


def _blank(metric: str, op: str, limit: float | None, unit: str) -> dict[str, Any]:
    return {
        "metric": metric,
        "op": op,
        "limit": limit,
        "unit": unit,
        "value": None,
        "margin": None,
        "outcome": FindingOutcome.NOT_MEASURED.value,
        "n": None,
        "answer": None,
        "note": None,
    }


def _row(limit: Limit, found: Reading, evidence: Evidence) -> dict[str, Any]:
    row = _blank(limit.metric.name, limit.op, limit.number, found.unit)
    row |= {"n": found.n, "note": found.why}
    try:
        bound = limit.bound(found.unit) if found.unit else limit.number
    except UsageError as error:
        return row | {"note": error.message}
    row["limit"] = bound
    if found.value is None:
        return row
    holds = limit.holds(found.value, bound)
    row["value"] = LOST if math.isinf(found.value) else found.value
    row["margin"] = None if math.isinf(found.value) else limit.margin(found.value, bound)
    if found.lower_bound and limit.at_most and holds:
        return row | {"note": BLIND}
    row["outcome"] = (FindingOutcome.PASSED if holds else FindingOutcome.FAILED).value
    told = answer(limit, found, bound, evidence)
    if told is None:
        return row | {"note": _edge(limit, found, bound, evidence) or _origin(found)}
    return row | {"answer": told.outcome.value, "note": _note(told, limit, found, holds=holds)}


def answer(limit: Limit, found: Reading, bound: float, evidence: Evidence) -> Answer | None:
    """Say whether the limit holds of the program, by METHOD's rules 3 and 4.

    Only for a share of frames and for an upper limit on a percentile; None for all others. `bound`
    is the limit in the reading's unit.
    """
    if found.missed is not None:
        missed = found.missed if limit.at_most else ~found.missed
        share = 1 - bound / 100 if limit.at_most else bound / 100
        if not 0 < share < 1:
            return None
        return statistics.answer(statistics.sample_of(missed, evidence.tier), share)
    share_below = limit.metric.share
    if found.series is None or share_below is None or not limit.at_most:
        return None
    over = found.series > bound if limit.op == "<=" else found.series >= bound
    return statistics.answer(statistics.sample_of(over, evidence.tier), share_below)


def _origin(found: Reading) -> str | None:
    """Say where a number comes from that may come from several places, and what it lacks."""
    said = [each for each in (found.source, found.gap) if each is not None]
    return "; ".join(said) or None


def _note(told: Answer, limit: Limit, found: Reading, *, holds: bool) -> str | None:
    """Say whether what was observed is certain; where not, how far it may be off."""
    if told.outcome is not Outcome.INCONCLUSIVE:
        return "at 99 % confidence" if holds == (told.outcome is Outcome.SUPPORTED) else None
    if not holds:
        return "missed as observed; 99 % confidence that it is missed is not reached"
    more = f"{told.still_needed:,} more frames without a miss would reach it"
    return f"observed only: 99 % confidence is not reached{_bound(told, limit, found)}; {more}"


def _bound(told: Answer, limit: Limit, found: Reading) -> str:
    """Say up to where a percentile may lie; nothing for a share, or where nothing bounds it."""
    share = limit.metric.share
    if found.series is None or share is None:
        return ""
    bound = statistics.upper_bound(found.series, told.sample, share)
    if bound is None:
        return ", for the frames are too few to bound it"
    upper = LOST if math.isinf(bound) else f"{bound:.4g} {found.unit}"
    return f", for it is known only to be at most {upper}"


def _edge(limit: Limit, found: Reading, bound: float, evidence: Evidence) -> str | None:
    """Say where one frame that falls on this or that side of the window's edge decides a rate."""
    window = evidence.window
    if limit.metric.name != "rate" or found.value is None or window is None:
        return None
    frame = 1e9 / window.length_ns
    if abs(found.value - bound) > frame * 1.001:
        return None
    return (
        f"one frame at the window's edge is {frame:.2g} fps and decides it: "
        f"allow for it, as in rate>={0.99 * bound:.4g}fps"
    )
