"""What does a Run say? The audits are asked, the rules applied, the verdict assembled.

Everything here is pure: the same Run gives the same verdict, today and on any machine.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from typing import TYPE_CHECKING, Any, Final

from probe import errors
from probe.model import VERDICT_SCHEMA, Audit, Finding, FindingOutcome, ValidityStatus
from probe.preparation import Soaked
from probe.regimes import foremost, held_ns, merged, shares
from probe.verdict import history, repeats, rules, summary, tiers
from probe.verdict import limits as limited
from probe.verdict.copies import copies
from probe.verdict.evidence import Evidence
from probe.verdict.generation import ms_per_frame
from probe.verdict.validity import validity_of
from probe.verdict.weight import weight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from probe.limits import Limit
    from probe.store import Run

AUDITS: Final = "probe.audits"
ENTRY_POINTS: Final = "liveprobe.audits"
EXPECTATION: Final = "wrong_output"
"""The audit of what a scenario expects: its failure is the program's."""


def audits() -> list[Audit]:
    """Return every audit, by id: those of `probe.audits`, then those of other distributions.

    Raises `ProbeError` where two have the same id or something found is no audit.
    """
    others = [
        (f"entry point {point.name} ({point.value})", point.load())
        for point in importlib.metadata.entry_points(group=ENTRY_POINTS)
    ]
    return by_id([*_own(), *others])


def shipped() -> list[Audit]:
    """Return the audits of `probe.audits`, by id; raises as `audits`."""
    return by_id(_own())


def _own() -> list[tuple[str, Any]]:
    package = importlib.import_module(AUDITS)
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [
        (f"{AUDITS}.{name}", getattr(importlib.import_module(f"{AUDITS}.{name}"), "AUDIT", None))
        for name in names
    ]


def by_id(found: Iterable[tuple[str, Any]]) -> list[Audit]:
    """Return the audits of (where it was found, what was found), in order of id."""
    known: dict[str, tuple[str, Audit]] = {}
    for where, audit in found:
        if not isinstance(audit, Audit):
            raise errors.ProbeError(
                f"{where}: holds no audit", remedy="let its AUDIT be a probe.model.Audit"
            )
        if audit.id in known:
            raise errors.ProbeError(
                f"two audits have the id {audit.id!r}: {known[audit.id][0]} and {where}",
                remedy="rename one of them, or remove the distribution that brings it",
            )
        known[audit.id] = (where, audit)
    return [audit for _, (_, audit) in sorted(known.items())]


def judge(run: Run, limits: Iterable[Limit] = ()) -> dict[str, Any]:
    """Return the verdict on a Run: the document of verdict.json (`probe.verdict.schema`).

    `limits` are asked of it beside those of its scenario.
    """
    evidence = Evidence(run, repeats.series_of(run))
    verdict = _unlimited(run, evidence)
    verdict["limits"] = [
        *limited.of_scenario(evidence, verdict), *limited.rows(limits, evidence, verdict),
    ]  # fmt: skip
    return verdict


def _unlimited(run: Run, evidence: Evidence) -> dict[str, Any]:
    every = audits()
    found = findings(run, every)
    return {
        "schema": VERDICT_SCHEMA,
        "run": run.manifest.get("id"),
        **_judgement(evidence, found),
        **_numbers(evidence),
        "copies": copies(run),
        "overhead": weight(evidence.manifest).overhead,
        "findings": documents(evidence, found, every),
        "chains": [],
        "limits": [],
        "claims": None,
        "black_box": None,
        "generation": _generation(evidence),
        "window": dict(run.manifest["window"]) if run.manifest.get("window") else None,
    }


def findings(run: Run, chosen: Iterable[Audit] | None = None) -> list[Finding]:
    """Ask every audit, or the chosen ones; one whose tables the Run lacks is not measured."""
    found: list[Finding] = []
    for audit in audits() if chosen is None else chosen:
        missing = [name for name in audit.requires if not run.has(name)]
        if missing:
            found.append(_not_measured(audit, missing))
        else:
            found += audit.judge(run.only(audit.reads))
    return found


def _not_measured(audit: Audit, missing: list[str]) -> Finding:
    why = f"the Run has no table {', '.join(missing)}"
    remedy = "measure again with a program that says what these tables hold"
    if "copies" in missing:
        why, remedy = "copies were not traced", "measure again with --copies on"
    return Finding(
        audit=audit.id,
        title=f"{audit.title}: {why}",
        outcome=FindingOutcome.NOT_MEASURED,
        evidence={"missing": missing},
        remedy=remedy,
    )


def documents(
    evidence: Evidence, found: Iterable[Finding], asked: Iterable[Audit]
) -> list[dict[str, Any]]:
    """Return findings as verdict.json has them; `asked` are the audits that they are of."""
    of_time = {audit.id for audit in asked if audit.of_time}
    accuse = (FindingOutcome.FAILED, FindingOutcome.WARNING)
    return [
        _document(each) | {
            "disturbed": evidence.disturbance
            if each.audit in of_time and each.outcome in accuse
            else None
        }
        for each in found
    ]  # fmt: skip


def _document(finding: Finding) -> dict[str, Any]:
    return {
        "audit": finding.audit,
        "title": finding.title,
        "outcome": finding.outcome.value,
        "cost_ms_per_frame": finding.cost_ms_per_frame,
        "cost_bytes_per_frame": finding.cost_bytes_per_frame,
        "stage": finding.stage,
        "from_ns": finding.from_ns,
        "to_ns": finding.to_ns,
        "evidence": dict(finding.evidence),
        "remedy": finding.remedy,
        "grade": finding.grade.value,
    }


def _judgement(evidence: Evidence, found: list[Finding]) -> dict[str, Any]:
    validity = validity_of(evidence)
    unchecked = [
        finding.title
        for finding in found
        if finding.audit == EXPECTATION and finding.outcome is FindingOutcome.NOT_MEASURED
    ]
    valid = validity.status is ValidityStatus.VALID
    status = ValidityStatus.LIMITED if unchecked and valid else validity.status
    ruled = rules.rulings(evidence)
    answer = rules.real_time(evidence, ruled)
    share = shares(evidence.windows)
    regime = foremost(share)
    held = None if evidence.generates else held_ns(evidence.windows)
    return {
        "validity": {"status": status.value, "reasons": [*validity.reasons, *unchecked]},
        "tier": evidence.tier.value,
        "regime": regime.value if regime else None,
        "regime_share": {each.value: part for each, part in share.items()} or None,
        "real_time": {
            "outcome": answer.outcome.value, "rule": answer.rule, "reason": answer.reason,
            "remedy": answer.remedy,
        },
        "regimes": [
            {"from_ns": each.from_ns, "to_ns": each.to_ns, "regime": each.regime.value}
            for each in merged(evidence.windows)
        ],
        **_history(evidence),
        "series": repeats.document(evidence.series),
        **repeats.heat(evidence),
        "real_time_held_s": None if held is None else held / 1e9,
        "rules": [
            {
                "rule": rule.number,
                "title": rule.title,
                "outcome": ruled[rule.number].outcome.value,
                "reason": ruled[rule.number].reason,
                "remedy": ruled[rule.number].remedy,
                "applies": ruled[rule.number].applies,
                "decides": rule.decides,
            }
            for rule in rules.RULES
        ],
    }  # fmt: skip


def _history(evidence: Evidence) -> dict[str, Any]:
    changes = history.latency_changes(evidence)
    return {
        "latency_changes": [change._asdict() for change in changes],
        "course": history.course(evidence, changes),
    }


def _numbers(evidence: Evidence) -> dict[str, Any]:
    latency, fates = summary.latency(evidence), summary.fates(evidence)
    return {
        "released": None if fates is None else len(evidence.frames),
        "fates": fates,
        "latency_ms": latency,
        "rendered_latency_ms": summary.rendered_latency(evidence),
        "deadline_ms": evidence.deadline_ns / summary.MS_NS,
        "slack_p99_ms": summary.slack_p99(evidence, latency),
        "rate_fps": summary.rate(evidence),
        "block_size": evidence.block_size,
        "speed": summary.speed(evidence),
        "time_to_first_frame_ms": summary.time_to_first_frame(evidence),
        "drift_ms_per_min": summary.drift(evidence),
        "in_flight_mean": summary.in_flight_mean(evidence),
        "stages": summary.stages(evidence),
    }


def _generation(evidence: Evidence) -> dict[str, Any] | None:
    if not evidence.requests:
        return None
    requests = [
        {
            "request": each.number,
            "from_ns": each.asked_ns,
            "to_ns": each.to_ns,
            "outputs": each.outputs,
            "media_s": None if each.media_ns is None else each.media_ns / 1e9,
            "speed": each.speed,
            "first_output_ms": None
            if each.first_ns is None
            else (each.first_ns - each.asked_ns) / summary.MS_NS,
        }
        for each in evidence.requests
    ]
    blocks = [
        {"request": each.number, "from_ns": begin, "to_ns": end, "frames": size}
        for each in evidence.requests
        for begin, end, size in each.blocks
    ]
    cost = ms_per_frame(evidence.requests)
    return {"requests": requests, "blocks": blocks, "ms_per_frame_p50": cost}


def exit_code(manifest: Mapping[str, Any], verdict: Mapping[str, Any]) -> int:
    """Return the exit code of a measured and judged run, by `errors.PRECEDENCE`.

    The outcome of "real-time" is no reason: a limit, a claim, a broken expectation or an invalid
    measurement is. A limit that could not be measured does not hold: it is inconclusive.
    """
    state = manifest.get("state")
    applies = {
        errors.EXIT_INTERRUPTED: state == "interrupted",
        errors.EXIT_PROGRAM: state == "program failed" or _failed_in_soak(manifest),
        errors.EXIT_INCONCLUSIVE: verdict["validity"]["status"] == ValidityStatus.INVALID
        or any(each["outcome"] == FindingOutcome.NOT_MEASURED for each in verdict["limits"]),
        errors.EXIT_FAILED: failed(verdict),
    }
    return next((code for code in errors.PRECEDENCE if applies.get(code)), errors.EXIT_OK)


def _failed_in_soak(manifest: Mapping[str, Any]) -> bool:
    soak = tiers.soak_of(manifest)
    return soak is not None and soak["outcome"] == Soaked.PROGRAM_FAILED


def failed(verdict: Mapping[str, Any]) -> bool:
    """Say whether a limit failed, a claim is refuted or an expected output was wrong."""
    return (
        any(each["outcome"] == "failed" for each in verdict["limits"])
        or any(each["outcome"] == "refuted" for each in verdict["claims"] or ())
        or any(
            each["audit"] == EXPECTATION and each["outcome"] == FindingOutcome.FAILED
            for each in verdict["findings"]
        )
    )
