"""What does the harness itself weigh in this run? (METHOD: rule 13.)

Read from the calibration in the manifest: pairs of runs with collectors off and on. A shift counts
as too much only when its whole interval lies beyond the bound. A run with collectors and copies
off is itself the light run that the rule falls back on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import calibration
from probe.model import Outcome
from probe.statistics.goals import Met, Resolved, median_interval, resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probe.statistics.resampling import Interval

LIMITS_PCT: Final = {"p50": 2.0, "p99": 5.0}
"""How much the harness may shift these (METHOD: rule 13)."""
UNWEIGHED: Final = "the harness's own weight is not measured"
NONE_STORED: Final = "no stored calibration of this device with these collectors"
LIGHT: Final = "--set 'run.collectors=[]' --copies off"
"""How a light run is asked for."""
CALL: Final = "liveprobe calibrate"
GRAVEST: Final = (Met.MISSED, Met.UNRESOLVED, Met.HELD)
LEAST_FRAMES: Final = 100
"""Of a run: a p99 of fewer is their maximum."""
LEAST_PAIRS: Final = 6
"""Fewer give no 95 % interval of a median, whatever they say."""
STALE: Final = "stale"
NAMES: Final = {
    "p50": "p50", "p99": "p99", "throughput": "throughput loss", "cpu": "CPU per frame",
}  # fmt: skip
KEYS: Final = {
    "p50": "p50_shift", "p99": "p99_shift", "throughput": "throughput_loss", "cpu": "cpu_shift",
}  # fmt: skip
"""How the shifts are called in verdict.json, before their unit."""


@dataclass(frozen=True)
class Shift:
    """A change in percent over the pairs; `interval` is None where there are too few of them."""

    name: str
    values: tuple[float, ...]
    without: int
    interval: Interval | None

    @property
    def estimate(self) -> float | None:
        """The median over the pairs; None of so few that nobody can say how sure it is."""
        return None if self.interval is None else float(np.median(self.values))

    def against(self, limit: float) -> Resolved:
        """Say whether it stays within a limit, on either side of it.

        A harness that makes a program faster (it keeps the cores awake) flatters the verdict. A
        pair without a value leaves it open.
        """
        pairs = len(self.values) + self.without
        if pairs < LEAST_PAIRS:
            return Resolved(Met.UNRESOLVED, f"{Met.UNRESOLVED}: too few pairs for an interval")
        if self.without:
            text = f"{Met.UNRESOLVED}: no value in {self.without} of {pairs} pairs"
            return Resolved(Met.UNRESOLVED, text)
        if self.interval is None:
            return Resolved(Met.UNRESOLVED, f"{Met.UNRESOLVED}: too few pairs for an interval")
        sides = [
            resolved(self.interval, limit, "%"),
            resolved(self.interval, -limit, "%", at_most=False),
        ]
        return min(sides, key=lambda side: GRAVEST.index(side.met))

    def text(self) -> str:
        """Write it: `p50 +0.3 % (95 %: -0.2 to +0.8)`."""
        name, middle = NAMES[self.name], self.estimate
        if not self.values:
            return f"{name} not measured"
        if middle is None or self.interval is None:
            count = len(self.values)
            return f"{name} not known from {count} pair{'s' * (count > 1)}"
        low, high = self.interval.low, self.interval.high
        return f"{name} {middle:+.1f} % (95 %: {low:+.1f} to {high:+.1f})"


@dataclass(frozen=True)
class Weight:
    """What rule 13 says of a run; `limits` are reasons that limit its validity.

    `overhead` is that part of verdict.json, None where nothing was measured.
    """

    outcome: Outcome
    reason: str
    remedy: str | None
    limits: tuple[str, ...]
    overhead: dict[str, Any] | None = None


def shifts(table: Mapping[str, Sequence[float | None]]) -> dict[str, Shift]:
    """Return the shifts of a calibration with their intervals, by name."""
    found = {}
    for name in calibration.SHIFTS:
        values = tuple(value for value in table.get(name, ()) if value is not None)
        without = len(table.get(name, ())) - len(values)
        found[name] = Shift(name, values, without, median_interval(np.asarray(values, float)))
    return found


def worst(found: Mapping[str, Shift]) -> Met:
    """Return what the bounded shifts say together: missed before unresolved before held."""
    met = {found[name].against(limit).met for name, limit in LIMITS_PCT.items()}
    return min(met, key=GRAVEST.index)


def weight(manifest: Mapping[str, Any]) -> Weight:
    """Say what the harness weighs in the run of this manifest."""
    if _light(manifest):
        return Weight(
            Outcome.SUPPORTED,
            "the light run: no collector, no copies traced; nothing but the tape is written",
            None,
            (),
        )
    entry = manifest.get("calibration") or {}
    document = entry.get("document")
    if document is None:
        return _unmeasured(entry.get("reason") or NONE_STORED, manifest)
    if not calibration.whole(document):  # a Run may come from anybody
        return _unmeasured("the calibration in the Run is damaged", manifest)
    other = _other(document, manifest)
    return _weighed(document, manifest) if other is None else _unmeasured(other, manifest)


def _light(manifest: Mapping[str, Any]) -> bool:
    """Say whether nothing of the harness was beside the program; copies are traced by a collector.

    No entry alone would not do: a run whose harness died has none either.
    """
    asked = (manifest.get("scenario") or {}).get("resolved") or {}
    return (asked.get("run") or {}).get("collectors") == [] and not manifest.get("collectors")


def _other(document: Mapping[str, Any], manifest: Mapping[str, Any]) -> str | None:
    """Say why a calibration does not speak of this run; None where it does."""
    entries = manifest.get("collectors") or ()
    asked = (manifest.get("scenario") or {}).get("resolved") or {}
    mode = calibration.inside(asked) or document["copies"]
    device = calibration.identity(manifest.get("device") or {})
    names = [str(each.get("name")) for each in entries]
    wrong = calibration.unfit(document, device, names, mode)
    if wrong is not None:
        return f"the stored calibration {wrong}"
    working = {str(each.get("name")) for each in entries if each.get("outcome") == "ok"}
    more = sorted(working - set(document["read"]))
    if more:
        return f"the stored calibration weighed no {', '.join(more)}: they found nothing then"
    return None


def _unmeasured(reason: str, manifest: Mapping[str, Any]) -> Weight:
    remedy = f"weigh it once: `{command(manifest)}`"
    return Weight(
        Outcome.NOT_TESTABLE, f"not measured: {reason}", remedy, (f"{UNWEIGHED}: {reason}",)
    )


def command(manifest: Mapping[str, Any]) -> str:
    """Return the call of `liveprobe calibrate` that weighs the collectors of such a run."""
    asked = (manifest.get("scenario") or {}).get("resolved") or {}
    words = [CALL]
    collectors = (asked.get("run") or {}).get("collectors")
    if collectors is not None:
        named = ", ".join(f'"{name}"' for name in collectors)
        words.append(f"--set 'run.collectors=[{named}]'")
    mode = (asked.get("copies") or {}).get("mode") or "on"
    words += [f"--copies {mode}"] if mode != "on" else []
    sampler = (asked.get("pyspy") or {}).get("mode") or "off"
    words += [f"--set pyspy.mode={sampler}"] if sampler != "off" else []
    return " ".join(words)


def _weighed(document: Mapping[str, Any], manifest: Mapping[str, Any]) -> Weight:
    found = shifts(document["shifts"])
    now_s = calibration.seconds(manifest.get("created") or document["created"])
    old = calibration.stale(
        document,
        kernel=(manifest.get("device") or {}).get("kernel"),
        version=str(manifest.get("liveprobe")),
        now_s=now_s,
    )
    days = calibration.age_days(document, now_s)
    told = f"{_bounded(found)}; {_stands_on(document, days)}"
    met, call = worst(found), command(manifest)
    if old is not None:
        return Weight(
            Outcome.INCONCLUSIVE,
            f"the stored calibration {old}; it said: {told}",
            f"weigh it again: `{call}`",
            (f"the harness's weight is not known: the stored calibration {old}",),
            _overhead(document, found, STALE, days),
        )
    overhead, what_to_do = _overhead(document, found, met.value, days), advice(document, call)
    if met is Met.HELD:
        return Weight(Outcome.SUPPORTED, told, None, (), overhead)
    if met is Met.MISSED:
        limited = f"the harness itself shifts the latency: {_bounded(found)}; {what_to_do}"
        much = f"the harness weighs too much: {told}"
        return Weight(Outcome.REFUTED, much, what_to_do, (limited,), overhead)
    limited = f"the harness's weight: {_bounded(found)}"
    return Weight(Outcome.INCONCLUSIVE, told, what_to_do, (limited,), overhead)


def advice(document: Mapping[str, Any], call: str = CALL) -> str | None:
    """Return what to do about a calibration that does not hold; None where it does."""
    found = shifts(document["shifts"])
    met = worst(found)
    if met is Met.HELD:
        return None
    if met is Met.MISSED:
        return f"take the verdict from a light run: {LIGHT}"
    frames, count = document["conditions"].get("frames"), calibration.pairs(document)
    pairs = f" --pairs {max(2 * count, LEAST_PAIRS)}"
    if frames and min(frames) < LEAST_FRAMES:
        also = pairs if count < LEAST_PAIRS else ""
        return f"measure for longer: `{call} --set run.duration=20s{also}`"
    if count >= LEAST_PAIRS and any(found[name].without for name in LIMITS_PCT):
        return f"weigh it with a scenario that this device keeps up with: `{call} SCENARIO`"
    return f"measure more pairs, with nothing else on the machine: `{call}{pairs}`"


def _bounded(found: Mapping[str, Shift]) -> str:
    parts = []
    for name, limit in LIMITS_PCT.items():
        said = found[name].against(limit)
        held = said.text if said.met is not Met.MISSED else "beyond it"
        parts.append(f"{found[name].text()}, limit {limit:g} %: {held}")
    return "; ".join(parts)


def _stands_on(document: Mapping[str, Any], days: float) -> str:
    count = calibration.pairs(document)
    word = "pair" if count == 1 else "pairs"
    scenario = document["scenario"]["name"]
    return f"{count} interleaved {word} of {scenario}, {calibration.told(days)} before the run"


def _overhead(
    document: Mapping[str, Any], found: Mapping[str, Shift], outcome: str, days: float
) -> dict[str, Any]:
    measured = {
        key: value
        for name, shift in found.items()
        for key, value in (
            (f"{KEYS[name]}_pct", shift.estimate),
            (f"{KEYS[name]}_interval_pct", ends(shift.interval)),
        )
    }
    return {
        **measured,
        "pairs": calibration.pairs(document),
        "outcome": outcome,
        "age_days": days,
        "created": document["created"],
        "scenario": document["scenario"]["name"],
        "costs": document["costs"],
    }


def ends(interval: Interval | None) -> list[float] | None:
    """Return the ends of an interval; None where there is none."""
    if interval is None or not math.isfinite(interval.low + interval.high):
        return None
    return [interval.low, interval.high]
