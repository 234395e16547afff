"""What do Runs say of a claim? Statement by statement: supported, refuted, partly, or neither.

Pure: the same claim and the same Runs give the same answer, today and on any machine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe import __version__
from probe.claims.answers import RUNS_FOR_ONE, told
from probe.claims.cited import cited
from probe.claims.deviations import Deviation, Pull, deviations
from probe.claims.words import REAL_TIME, meanings
from probe.limits import parse
from probe.model import Outcome
from probe.verdict.evidence import Evidence
from probe.verdict.summary import LOST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probe.claims.answers import Told
    from probe.claims.file import Claim, Conditions, Statement
    from probe.store import Run

    Judged = tuple[Run, Mapping[str, Any]]

SCHEMA: Final = 1
PARTLY: Final = "partly"
BOTH: Final = 2


def judge(
    claim: Claim,
    runs: Sequence[Judged],
    *,
    found: Sequence[Deviation] = (),
    missing: str = "no Run",
) -> dict[str, Any]:
    """Return what `runs` say of `claim`, as JSON values.

    `found` are deviations that are known without a Run, as of the device; `missing` says why there
    is no Run. The document has the claim's words and conditions; `outcome` and `reason`; `runs`,
    and `cited`, what a reader must know of each; `deviations`; `again`, the command that measures
    it; `statements`, each with `outcome`, `reason`, `needs` (what would tell) and `tests`, a test
    for each limit with one value and one answer a Run.
    """
    away = _distinct([*found, *(d for run, _ in runs for d in
                                deviations(claim.conditions, run.manifest))])  # fmt: skip
    evidence = [(Evidence(run), verdict) for run, verdict in runs]
    statements = [_statement(each, evidence, away, missing) for each in claim.statement]
    outcome, reason = _outcome(statements)
    return {
        "id": claim.id,
        "outcome": outcome,
        "reason": reason,
        "text": claim.text,
        "source": claim.source,
        "date": str(claim.date),
        "conditions": _stated(claim.conditions),
        "runs": [str(run.manifest.get("id")) for run, _ in runs],
        "cited": [cited(run.manifest, verdict) for run, verdict in runs],
        "deviations": [
            {"condition": d.condition, "stated": d.stated, "here": d.here, "pull": d.pull.value}
            for d in away
        ],
        "again": again(claim.conditions),
        "statements": statements,
    }


def again(conditions: Conditions) -> str | None:
    """Return the command that measures the claim; None where it names no scenario."""
    if conditions.scenario is None:
        return None
    words = ["liveprobe run", conditions.scenario]
    words += [f"--set '{each}'" for each in overrides(conditions)]
    return " ".join(words)


def overrides(conditions: Conditions) -> tuple[str, ...]:
    """Return the changes of the scenario that the claim's conditions ask for."""
    length = (
        () if conditions.duration is None else (f"run.duration={conditions.duration / 1e9:g}s",)
    )
    return (*conditions.overrides, *length)


def _stated(conditions: Conditions) -> dict[str, Any]:
    document: dict[str, Any] = conditions.model_dump(mode="json")
    document["duration_s"] = None if document["duration"] is None else document["duration"] / 1e9
    del document["duration"]
    return document


def _distinct(found: Sequence[Deviation]) -> list[Deviation]:
    return list(dict.fromkeys(found))


def _statement(
    statement: Statement,
    runs: Sequence[tuple[Evidence, Mapping[str, Any]]],
    away: Sequence[Deviation],
    missing: str,
) -> dict[str, Any]:
    found = _answer(statement, runs, away, missing)
    return {
        "text": statement.text,
        "essential": statement.essential,
        "holds": list(statement.holds),
        "reading": statement.reading,
        "meanings": meanings(statement.text),
        "outcome": found.outcome.value,
        "reason": found.reason,
        "needs": found.needs,
        "tests": found.tests,
    }


class _Answer(NamedTuple):
    outcome: Outcome
    reason: str
    needs: str | None
    tests: list[dict[str, Any]]


def _answer(
    statement: Statement,
    runs: Sequence[tuple[Evidence, Mapping[str, Any]]],
    away: Sequence[Deviation],
    missing: str,
) -> _Answer:
    other = [each for each in away if each.pull is Pull.BREAKS]
    if other:
        first = other[0]
        why = f"it is about {first.condition} {first.stated}; here is {first.here}"
        wanted = ", ".join(f"{each.condition} {each.stated}" for each in other)
        return _Answer(Outcome.NOT_TESTABLE, why, wanted, [])
    if not statement.holds:
        return _Answer(Outcome.NOT_TESTABLE, f"needs {statement.needs}", statement.needs, [])
    if not runs:
        needs = f"needs {statement.needs}" if statement.needs else None
        text = "; ".join(filter(None, [needs, missing]))
        return _Answer(Outcome.NOT_TESTABLE, text, statement.needs, [])
    tests = [_test(each, runs) for each in statement.holds]
    outcomes = [Outcome(each["outcome"]) for each in tests]
    outcome = next((each for each in _WORST if each in outcomes), Outcome.SUPPORTED)
    deciding = [each for each in tests if each["outcome"] == outcome.value]
    reason = "; ".join(f"{each['test']}: {each['reason']}" for each in deciding)
    needs = "; ".join(dict.fromkeys(each["needs"] for each in deciding if each["needs"]))
    if outcome is Outcome.NOT_TESTABLE:
        needs = statement.needs or needs
    return _pulled(_Answer(outcome, reason, needs or None, tests), away)


_WORST: Final = (Outcome.REFUTED, Outcome.NOT_TESTABLE, Outcome.INCONCLUSIVE)


def _pulled(found: _Answer, away: Sequence[Deviation]) -> _Answer:
    """Take back an answer that the conditions made too easy or too hard."""
    against = {Outcome.SUPPORTED: Pull.EASIER, Outcome.REFUTED: Pull.HARDER}.get(found.outcome)
    pulling = [each for each in away if against is not None and each.pull is against]
    if not pulling:
        return found
    what = ", ".join(f"{each.condition} {each.here}, not {each.stated}" for each in pulling)
    word = "held" if found.outcome is Outcome.SUPPORTED else "missed"
    conditions = f"{pulling[0].pull.value} conditions ({what})"
    reason = f"{word} under {conditions}; {found.reason}"
    wanted = ", ".join(f"{each.condition} {each.stated}" for each in pulling)
    needs = f"a Run under the stated conditions: {wanted}"
    return _Answer(Outcome.INCONCLUSIVE, reason, needs, found.tests)


def _test(
    test: str, runs: Sequence[tuple[Evidence, Mapping[str, Any]]]
) -> dict[str, Any]:  # fmt: skip
    """Ask every Run the same; they answer together only if they agree (five of five, no best)."""
    answers = [told(test, evidence, verdict) for evidence, verdict in runs]
    outcome, reason, needs = _agreed(answers)
    first = next((each for each in answers if each.bound is not None), answers[0])
    return {
        "test": test,
        "definition": None if test == REAL_TIME else parse(test).metric.definition,
        "unit": first.unit,
        "limit": first.bound,
        "outcome": outcome.value,
        "reason": reason,
        "needs": needs,
        "n": [each.n for each in answers],
        "values": [_number(each.value) for each in answers],
        "intervals": [None if each.low is None else [each.low, each.high] for each in answers],
        "margins": [_margin(test, each) for each in answers],
        "answers": [each.outcome.value for each in answers],
    }


def _number(value: float | None) -> float | str | None:
    return LOST if value is not None and math.isinf(value) else value


def _margin(test: str, each: Told) -> float | None:
    if each.value is None or each.bound is None or math.isinf(each.value):
        return None
    return parse(test).margin(each.value, each.bound)


def _agreed(answers: Sequence[Told]) -> tuple[Outcome, str, str | None]:
    outcomes = {each.outcome for each in answers}
    if len(outcomes) > 1:
        counts = [
            f"{sum(each.outcome is outcome for each in answers)} {outcome.value}"
            for outcome in Outcome
            if outcome in outcomes
        ]
        reason = f"the {len(answers)} runs do not agree: {', '.join(counts)}"
        return Outcome.INCONCLUSIVE, reason, "what differs between the runs: none is outvoted"
    (outcome,) = outcomes
    if any(each.single for each in answers) and len(answers) < RUNS_FOR_ONE:
        word = "holds" if outcome is Outcome.SUPPORTED else "is missed"
        more = RUNS_FOR_ONE - len(answers)
        reason = (
            f"{word} in {len(answers)} of {len(answers)} runs; it is one number a run: "
            f"needs {more} more runs that agree"
        )
        return Outcome.INCONCLUSIVE, reason, f"{more} more run{'s' * (more > 1)} that agree"
    same = f"{len(answers)} of {len(answers)} runs agree; " if len(answers) > 1 else ""
    told = outcome in (Outcome.SUPPORTED, Outcome.REFUTED)
    return outcome, same + answers[0].reason, None if told else answers[0].needs


def _outcome(statements: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the claim's outcome by METHOD, and which statement makes it so.

    Where statements differ it is partly supported, if any is; refuted where an essential one is.
    """
    outcomes = [each["outcome"] for each in statements]
    lost = [s for s in statements if s["essential"] and s["outcome"] == Outcome.REFUTED]
    if lost:
        return Outcome.REFUTED.value, f'it stands on "{lost[0]["text"]}": {lost[0]["reason"]}'
    if len(set(outcomes)) == 1:
        number = "both" if len(outcomes) == BOTH else f"all {len(outcomes)}"
        alike = f"{number} statements are {outcomes[0]}"
        return outcomes[0], statements[0]["reason"] if len(outcomes) == 1 else alike
    counts = {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
    text = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    if Outcome.SUPPORTED in outcomes:
        return PARTLY, text
    return Outcome.INCONCLUSIVE.value, f"nothing of it is supported: {text}"


def document(
    claims: Sequence[Mapping[str, Any]], origin: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the document of `liveprobe verify --json`.

    `origin` says which file the claims stand in: its `name`, `title` and `sha256`.
    """
    return {
        "schema": SCHEMA,
        "liveprobe": __version__,
        "file": None if origin is None else dict(origin),
        "claims": [dict(each) for each in claims],
    }


def refuted(found: Mapping[str, Any]) -> bool:
    """Say whether any claim is refuted."""
    return any(each["outcome"] == Outcome.REFUTED for each in found["claims"])


def undecided(found: Mapping[str, Any]) -> bool:
    """Say whether any claim is neither supported, partly supported, nor refuted."""
    open_still = (Outcome.INCONCLUSIVE, Outcome.NOT_TESTABLE)
    return any(each["outcome"] in open_still for each in found["claims"])
