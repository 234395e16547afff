"""Does a Run support a limit, refute it, or tell too little? One answer a limit and a Run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import statistics
from probe.claims.words import REAL_TIME
from probe.errors import UsageError
from probe.limits import parse
from probe.model import Outcome, ValidityStatus
from probe.verdict.limits import BLIND, answer
from probe.verdict.readings import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probe.limits import Limit
    from probe.verdict.evidence import Evidence
    from probe.verdict.readings import Reading

RUNS_FOR_ONE: Final = 5
"""A number of which a run gives one (a first frame, a maximum) is answered from so many runs that
agree: METHOD's five of five."""
LEAST_PARTS: Final = 3


@dataclass(frozen=True)
class Told:
    """What one Run says of one test.

    `value` is in `unit`, infinite where lost; `low` and `high` bound a mean at 98 %, so that each
    side is sure at 99 %. `single`: it is one number, which needs more runs to agree with. `n`
    counts the values that it was taken from; `needs` is what would tell, where that is known.
    """

    outcome: Outcome
    reason: str
    value: float | None = None
    bound: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    single: bool = False
    n: int | None = None
    needs: str | None = None


def told(test: str, evidence: Evidence, verdict: Mapping[str, Any]) -> Told:
    """Answer a test of a statement, a limit or ``real-time``, from one Run."""
    if verdict["validity"]["status"] == ValidityStatus.INVALID:
        reasons = verdict["validity"]["reasons"]
        why = f": {reasons[0]}" if reasons else ""
        text = f"the measurement is invalid{why}; measure again"
        return Told(Outcome.INCONCLUSIVE, text, needs="a valid measurement")
    if test == REAL_TIME:
        found = verdict["real_time"]
        rule = "" if found["rule"] is None else f"rule {found['rule']}: "
        reason = f"{rule}{found['reason'] or 'every rule holds'}"
        return Told(Outcome(found["outcome"]), reason, needs=found.get("remedy"))
    limit = parse(test)
    return _of_limit(limit, reading(limit.metric, evidence, verdict), evidence)


def _of_limit(limit: Limit, found: Reading, evidence: Evidence) -> Told:
    try:
        bound = limit.bound(found.unit) if found.unit else limit.number
    except UsageError as error:
        return Told(Outcome.NOT_TESTABLE, error.message)
    if found.value is None:
        few = found.n is not None
        outcome = Outcome.INCONCLUSIVE if few else Outcome.NOT_TESTABLE
        told = Told(outcome, found.why or "not measured", None, bound, found.unit, n=found.n)
        return replace(told, needs=_values(limit, found, evidence)) if few else told
    return _of_value(limit, found, bound, evidence)


def _of_value(limit: Limit, found: Reading, bound: float, evidence: Evidence) -> Told:
    holds = found.value is not None and limit.holds(found.value, bound)

    def say(outcome: Outcome, reason: str, *, single: bool = False) -> Told:
        return Told(outcome, reason, found.value, bound, found.unit, single=single, n=found.n)

    if found.lower_bound and limit.at_most and holds:
        seen = "a run in which the copies of every process are seen"
        return replace(say(Outcome.INCONCLUSIVE, BLIND), needs=seen)
    by_rule = answer(limit, found, bound, evidence)
    if by_rule is not None:
        text = say(by_rule.outcome, _frames(by_rule, evidence))
        return replace(text, needs=_longer(by_rule.still_needed, evidence))
    if found.exact:
        return say(_yes(holds), "counted, so it has no error of sampling")
    if found.parts is not None and len(found.parts) >= LEAST_PARTS:
        return _of_mean(limit, found, bound)
    return say(_yes(holds), "one number a run", single=True)


def _yes(holds: bool) -> Outcome:
    return Outcome.SUPPORTED if holds else Outcome.REFUTED


def _frames(by_rule: statistics.Answer, evidence: Evidence) -> str:
    sample = by_rule.sample
    text = f"{sample.misses} of {sample.frames} beyond the limit, worth {sample.effective}"
    if by_rule.still_needed is None:
        return f"{text} independent ones; 99 % confidence"
    more = f"{by_rule.still_needed:,} more without a further one"
    period = evidence.all_frames.period_ns
    if period is not None:
        more += f" ({math.ceil(by_rule.still_needed * period / 1e9):,} s at this rate)"
    return f"{text} independent ones; needs {more}"


def _longer(frames: int | None, evidence: Evidence) -> str | None:
    """Return how much longer a run would tell, if no further frame misses."""
    if frames is None:
        return None
    period = evidence.all_frames.period_ns
    more = f"{frames:,} more frames without a further miss"
    if period is None:
        return more
    return f"run {math.ceil(frames * period / 1e9):,} s longer at this rate: {more}"


def _values(limit: Limit, found: Reading, evidence: Evidence) -> str | None:
    """Return how many values a percentile lacks (METHOD: rule 2), and how long they take."""
    share, period = limit.metric.share, evidence.all_frames.period_ns
    if share is None or found.n is None:
        return None
    lacking = statistics.frames_needed(share) - found.n
    more = f"{lacking:,} more values, if none is beyond the limit"
    if period is None or str(limit.metric.series).startswith("request"):
        return more
    return f"run {math.ceil(lacking * period / 1e9):,} s longer at this rate: {more}"


def _of_mean(limit: Limit, found: Reading, bound: float) -> Told:
    """Answer from a mean that was taken over stretches of the run, or over requests.

    One-sided Student's t at 99 % over batch means (Law, Simulation Modeling and Analysis, 2015,
    9.5.3): the whole interval must lie on one side of the limit.
    """
    from scipy import stats

    parts = found.parts if found.parts is not None else np.empty(0)
    value, count = float(parts.mean()), len(parts)
    quantile = float(stats.t.ppf(1 - statistics.LEVEL, count - 1))
    width = quantile * float(parts.std(ddof=1)) / math.sqrt(count)
    low, high = value - width, value + width
    sides = {limit.holds(low, bound), limit.holds(high, bound)}
    how = f"mean of {count} parts, {low:.4g} to {high:.4g} {found.unit}"
    needs = None
    if len(sides) > 1:
        gap = abs(value - bound)
        times = math.ceil((width / gap) ** 2) if gap > 0 else None
        more = f"about {times} times as long" if times else "it lies on the limit: no length tells"
        how, outcome = f"{how}; needs {more}", Outcome.INCONCLUSIVE
        needs = f"a run about {times:,} times as long" if times else "no length of a run would tell"
    else:
        how, outcome = f"{how}; 99 % confidence", _yes(sides == {True})
    told = Told(outcome, how, found.value, bound, found.unit, low, high)
    return replace(told, n=found.n, needs=needs)
