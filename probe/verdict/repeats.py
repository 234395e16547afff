"""Do all repeats of a series say the same? Each is judged from its own Run, none by its verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from probe import store
from probe.errors import ProbeError
from probe.measured import STANDARD_NS, tier_of
from probe.model import Tier
from probe.preparation import Soaked
from probe.regimes import foremost, shares
from probe.store import Run
from probe.verdict import rules, tiers
from probe.verdict.evidence import Evidence
from probe.verdict.summary import number
from probe.verdict.sustained import sustained
from probe.verdict.tiers import Member, Series

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def series_of(run: Run) -> Series | None:
    """Return the series of a Run, found in the folder that it stands in; None for a single run.

    A Run made in memory is alone. What cannot be read is a problem of the series, not an error.
    """
    own = tiers.series_of(run.manifest)
    if own is None:
        return None
    members, problems = [member(run)], []
    for path in _beside(run.path):
        try:
            manifest = store.read_manifest(path)
            said = tiers.series_of(manifest)
            if said is None or said["id"] != own["id"]:
                continue
            if manifest.get("state") == "running":
                problems.append(_unfinished(manifest, said["index"]))
                continue
            members.append(member(Run.open(path)))
        except (ProbeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            what = error.message if isinstance(error, ProbeError) else "it is damaged"
            problems.append(f"{path.name} cannot be read: {what}")
    members.sort(key=lambda each: (each.index, each.run))
    indices = [each.index for each in members]
    twice = sorted({index for index in indices if indices.count(index) > 1})
    problems += [f"repeat {index} is here {indices.count(index)} times" for index in twice]
    return Series(own["id"], own["index"], own["of"], tuple(members), tuple(problems))


def _beside(path: Path | None) -> list[Path]:
    if path is None:
        return []
    own = path.resolve()
    found = sorted(file.parent for file in own.parent.glob(f"*/{store.MANIFEST}"))
    return [each for each in found if each.resolve() != own]


def _unfinished(manifest: Mapping[str, Any], index: int) -> str:
    if store.being_measured(manifest):
        return f"repeat {index} is being measured"
    return f"repeat {index} was cut short: `liveprobe audit` recovers what it has"


def member(run: Run) -> Member:
    """Judge a Run as one of a series."""
    evidence, manifest = Evidence(run), run.manifest
    regime = foremost(shares(evidence.windows))
    soak = tiers.soak_of(manifest)
    return Member(
        run=str(manifest.get("id")),
        index=int(manifest["series"]["index"]),
        outcome=rules.real_time(evidence, rules.rulings(evidence)).outcome,
        regime=regime.value if regime else None,
        complete=manifest.get("state") == "complete",
        standard=tier_of(manifest) is not Tier.QUICK and _whole(evidence),
        soak=Soaked(soak["outcome"]) if soak else None,
        sustained=sustained(evidence).outcome,
        cooled=tiers.cooled(manifest),
        conditions=_conditions(manifest),
    )


def _whole(evidence: Evidence) -> bool:
    """Say whether the source gave frames to the end of the window, to two periods."""
    window, period = evidence.window, evidence.all_frames.period_ns or 0.0
    return window is not None and window.length_ns >= STANDARD_NS - 2 * period


def _conditions(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what must be alike in all repeats: what was run, and on what."""
    scenario, device = manifest.get("scenario") or {}, manifest.get("device") or {}
    found = {key: device.get(key) for key in ("name", "cpu", "kernel", "governor")}
    found |= {"liveprobe": manifest.get("liveprobe"), **(scenario.get("hashes") or {})}
    return {key: json.dumps(value) for key, value in found.items()}


def document(series: Series | None) -> dict[str, Any] | None:
    """Return the series as it stands in verdict.json."""
    if series is None:
        return None
    return {
        "id": series.id,
        "index": series.index,
        "of": series.of,
        "agreeing": series.agreeing,
        "certified": series.certified,
        "missing": list(series.missing),
        "problems": list(series.problems),
        "members": [
            {
                "run": each.run,
                "index": each.index,
                "outcome": each.outcome.value,
                "regime": each.regime,
                "complete": each.complete,
                "standard": each.standard,
                "soak": each.soak.value if each.soak else None,
                "sustained": each.sustained.value,
                "cooled": each.cooled,
            }
            for each in series.members
        ],
    }


def heat(evidence: Evidence) -> dict[str, Any]:
    """Return `soak`, `cool_down` and `sustained` of verdict.json."""
    kept = sustained(evidence)
    return {
        "soak": _prepared(tiers.soak_of(evidence.manifest)),
        "cool_down": _prepared(tiers.cool_down_of(evidence.manifest)),
        "sustained": {
            "outcome": kept.outcome.value,
            "reason": kept.reason,
            "first_p50_ms": number(kept.first_ms),
            "last_p50_ms": number(kept.last_ms),
            "throttled": list(kept.throttled),
        },
    }


def _prepared(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    names = ("outcome", "why", "length_ns", "sensors")
    return {name: found[name] for name in names} if found else None
