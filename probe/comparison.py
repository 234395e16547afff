"""Which of two or more sets of runs is better, in which metric, and how sure is that?

Runs are the samples; what differs in the conditions is looked at first, and may forbid an answer
(METHOD: comparison).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import effects, metrics
from probe.differences import Bearing, Difference, differences
from probe.verdict.evidence import Evidence
from probe.verdict.readings import reading, stages
from probe.verdict.summary import LOST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probe.effects import Effect, Effects
    from probe.metrics import Metric
    from probe.store import Run
    from probe.verdict.readings import Reading

    Table = list[tuple[Metric, list[list[Reading]]]]

SCHEMA: Final = 1
LEVEL: Final = 0.05
"""One minus the confidence of every interval, each for its own metric (METHOD: 95 %)."""


NOMINAL_LEVEL: Final = 0.03
"""Level at which a metric is called better or worse. Runs of a shared machine are not as good as
shuffled: its noise drifts from run to run. At 0.05 a program differed from itself in up to 5.0 % of
real comparisons, at this level in less (tests/bench/bench_comparison.py): our own number."""


class Word(StrEnum):
    """What a comparison says of a metric; the last says that too few runs were measured."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no difference"
    NOT_COMPARABLE = "not comparable"
    TOO_FEW = "insufficient runs"


@dataclass(frozen=True)
class Side:
    """Runs of one thing: each with its verdict."""

    name: str
    runs: tuple[tuple[Run, Mapping[str, Any]], ...]


def compare(
    base: Side,
    others: Sequence[Side],
    *,
    names: Sequence[str] = (),
    vary: Sequence[str] = (),
    least_percent: float = 0.0,
) -> dict[str, Any]:
    """Compare `others` with `base`, and return a document of JSON values.

    `names` are the metrics to compare, the usual ones where none is given; `vary` are conditions
    that are meant to differ; an effect of less than `least_percent` of the base's mean is called no
    difference, whatever its certainty. The document has `sides`; `environment`, what differs, the
    worst first; `comparable` and `reason`; `metrics`, each with every run's value a side (`missing`
    says why there is none) and an entry in `against` for each other side (`difference`, `interval`,
    `p_value`, `verdict`, `reason`); `summary`, how often each verdict was given, a side. Raises
    `UsageError` for unknown metrics.
    """
    sides = [base, *others]
    found = differences([side.runs for side in sides], vary)
    blocks = [each for each in found if each.bearing is Bearing.BLOCKS]
    reason = "; ".join(f"{each.condition}: {each.why}" for each in blocks) or None
    table = _readings(sides, names)
    rows: list[dict[str, Any]] = [_row(metric, values) for metric, values in table]
    for at, side in enumerate(others, start=1):
        apart = _other_regime(base, side)
        why = [
            reason
            or (None if metric.of_device else apart)
            or _incomparable([values[0], values[at]])
            for metric, values in table
        ]
        _judge(rows, table, at, side.name, why=why, least_percent=least_percent)
    return {
        "schema": SCHEMA,
        "confidence": 1 - LEVEL,
        "least_percent": least_percent,
        "sides": [
            {"name": side.name, "runs": [str(run.manifest.get("id")) for run, _ in side.runs]}
            for side in sides
        ],
        "environment": [_environment(each) for each in found],
        "comparable": reason is None,
        "reason": reason,
        "metrics": rows,
        "summary": [_summary(rows, at, side.name) for at, side in enumerate(others)],
    }


def _environment(each: Difference) -> dict[str, Any]:
    return {
        "condition": each.condition,
        "values": [list(side) for side in each.values],
        "bearing": each.bearing.value,
        "why": each.why,
    }


def _readings(sides: Sequence[Side], names: Sequence[str]) -> Table:
    """Return each metric with a reading a run, by side; what nobody asked and no run has is out."""
    evidence = [[(Evidence(run), verdict) for run, verdict in side.runs] for side in sides]
    if names:
        chosen = [metrics.find(name) for name in dict.fromkeys(names)]
    else:
        known = {name: None for side in evidence for each, _ in side for name in stages(each)}
        chosen = [
            metrics.find(each.name.replace("STAGE", stage))
            for each in metrics.METRICS
            if each.compared
            for stage in (known if "STAGE" in each.name else [""])
        ]
    table = [
        (metric, [[reading(metric, each, verdict) for each, verdict in side] for side in evidence])
        for metric in chosen
    ]
    seen = [any(each.value is not None for side in values for each in side) for _, values in table]
    return [row for row, kept in zip(table, seen, strict=True) if kept or names]


def _row(metric: Metric, values: list[list[Reading]]) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "unit": next((each.unit for side in values for each in side if each.unit), ""),
        "better": metric.better,
        "definition": metric.definition,
        "values": [[_number(each.value) for each in side] for side in values],
        "missing": [[_missing(each) for each in side] for side in values],
        "means": [_mean(side) for side in values],
        "against": [],
    }


def _missing(each: Reading) -> str | None:
    return None if each.value is not None else each.why or "not measured"


def _number(value: float | None) -> float | str | None:
    return LOST if value is not None and math.isinf(value) else value


def _mean(side: list[Reading]) -> float | str | None:
    values = [each.value for each in side if each.value is not None]
    return _number(float(np.mean(values))) if len(values) == len(side) else None


def _judge(
    rows: list[dict[str, Any]],
    table: Table,
    other: int,
    name: str,
    *,
    why: Sequence[str | None],
    least_percent: float,
) -> None:
    """Add to each row what it says of one side against the base; `why` it cannot be compared."""
    pair = (0, other)
    usable = [at for at, reason in enumerate(why) if reason is None]
    counts = tuple(len(table[0][1][at]) for at in pair) if table else (0, 0)
    found = _effects(table, usable, pair) if usable else None
    said = dict(zip(usable, found.effects, strict=True)) if found else {}
    for at, row in enumerate(rows):
        if why[at] is not None:
            entry = _entry(None, Word.NOT_COMPARABLE, why[at])
        elif found is None or found.least > NOMINAL_LEVEL:
            entry = _entry(said.get(at), Word.TOO_FEW, _too_few(*counts)) | {
                "interval": None, "p_value": None,
            }  # fmt: skip
        else:
            word, reason = _word(table[at][0], row, said[at], (other, least_percent))
            entry = _entry(said[at], word, reason)
        row["against"].append({"side": name, **entry})


def _effects(table: Table, usable: list[int], pair: tuple[int, int]) -> Effects | None:
    arrays = [
        np.array([[each.value for each in table[at][1][side]] for at in usable], dtype=np.float64).T
        for side in pair
    ]
    if min(map(len, arrays)) < effects.LEAST_RUNS:
        return None
    return effects.effects(arrays[0], arrays[1], LEVEL)


def _other_regime(base: Side, other: Side) -> str | None:
    """Return why no number of the programs can be compared; None where both are of one kind."""
    generates = {Evidence(run).generates for side in (base, other) for run, _ in side.runs}
    if len(generates) == 1:
        return None
    return "some runs have a live input, others generate: two regimes have no axis in common"


def _incomparable(values: list[list[Reading]]) -> str | None:
    """Return why a metric cannot be compared; None where every run has it whole."""
    missing = [each for side in values for each in side if each.value is None]
    total = sum(map(len, values))
    if missing:
        return f"not measured in {len(missing)} of {total} runs: {missing[0].why}"
    if any(each.lower_bound for side in values for each in side):
        return "copies of some processes were not seen"
    sources = sorted({each.source for side in values for each in side if each.source is not None})
    if len(sources) > 1:
        return f"read in different ways: {' and '.join(sources)}"
    return None


def _too_few(base: int, other: int) -> str:
    need = effects.runs_needed(NOMINAL_LEVEL)
    return (
        f"{base} and {other} runs cannot tell a difference from chance at 95 %, whatever they say; "
        f"measure at least {need} a side, interleaved"
    )


def _entry(effect: Effect | None, word: Word, reason: str | None) -> dict[str, Any]:
    bounded = effect is not None and effect.low is not None
    return {
        "difference": None if effect is None else effect.difference,
        "interval": [effect.low, effect.high] if effect is not None and bounded else None,
        "p_value": None if effect is None else effect.p_value,
        "verdict": word.value,
        "reason": reason,
    }


def _word(
    metric: Metric, row: Mapping[str, Any], effect: Effect, how: tuple[int, float]
) -> tuple[Word, str | None]:
    other, least_percent = how
    if effect.p_value > NOMINAL_LEVEL:
        near = effect.p_value <= LEVEL
        return Word.SAME, "beyond 95 %, but a drifting machine does that too" if near else None
    base = row["means"][0]
    if isinstance(base, float) and effect.difference is not None:
        smallest = abs(base) * least_percent / 100
        if abs(effect.difference) < smallest:
            return Word.SAME, f"a difference, but under {least_percent:g} % of the base"
    if metric.better is None:
        return Word.NOT_COMPARABLE, "it differs, and neither direction is better"
    rises = _rises(row["values"][0], row["values"][other], effect)
    better = rises == (metric.better == metrics.HIGHER)
    return (Word.BETTER if better else Word.WORSE), None


def _rises(base: list[Any], other: list[Any], effect: Effect) -> bool:
    """Say whether the other side is higher; where frames were lost, by which run is more often."""
    if effect.difference is not None:
        return effect.difference > 0
    before, after = (
        np.array([math.inf if value == LOST else value for value in side]) for side in (base, other)
    )
    above = np.count_nonzero(after[:, None] > before[None, :])
    return bool(above > np.count_nonzero(after[:, None] < before[None, :]))


def _summary(rows: list[dict[str, Any]], at: int, name: str) -> dict[str, Any]:
    counts = dict.fromkeys((word.value for word in Word), 0)
    for row in rows:
        counts[row["against"][at]["verdict"]] += 1
    return {"side": name, **counts}


def answer(summary: Mapping[str, Any]) -> str:
    """Return what the verdicts of a side say together; they are counted, never weighed."""
    if summary[Word.BETTER] and summary[Word.WORSE]:
        return "better in some, worse in others"
    for word in (Word.WORSE, Word.BETTER):
        if summary[word]:
            return word.value
    return "no difference beyond noise" if summary[Word.SAME] else "not decided"


def letter(at: int) -> str:
    """Return the name of a side in a table: A is the base."""
    return chr(ord("A") + at) if at < ord("Z") - ord("A") + 1 else f"side {at + 1}"


def regressed(document: Mapping[str, Any]) -> bool:
    """Say whether any side is worse than the base in anything."""
    return any(each[Word.WORSE] for each in document["summary"])


def undecided(document: Mapping[str, Any]) -> bool:
    """Say whether nothing could be told of a side: not comparable as a whole, or too few runs."""
    told = (Word.BETTER, Word.WORSE, Word.SAME)
    return any(not any(each[word] for word in told) for each in document["summary"])
