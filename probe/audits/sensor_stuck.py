"""Does a sensor that must follow the load stand still while the load moves?

A steady reading proves nothing by itself: many sensors read whole degrees or watts, and a steady
load keeps them steady. It proves something only where the load moved far and long: the cores' mean
busy time by half of the whole, for a minute, while every line of a track kept one value, to the
last digit. A track of which one line moved is alive: its other lines may sit elsewhere on the
board. A utilisation at 0 or full may be idle or saturated, and is not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from probe import cases, cases_device, measured
from probe.model import Audit, Case, Finding, FindingOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "sensor_stuck"
TITLE: Final = "Sensors that do not move with the load"
REMEDY: Final = (
    "do not judge heat, power or a soak of this run by it: update the driver or the firmware that "
    "feeds the sensor, or read another one (an acpitz zone is often a constant of the firmware); "
    "`liveprobe doctor` lists what can be read here"
)
LOAD: Final = "cpu.core"
UNITS: Final = ("celsius", "watts", "amperes")
"""What follows the load of a chip. A voltage may rightly stand still."""
FULL: Final = {"percent": 100.0, "ratio": 1.0}
BIN_NS: Final = 10 * 10**9
"""The load is the mean over so long: a chip's temperature follows within seconds."""
MOVED_PERCENT: Final = 50.0
"""So far must the load move: two of four cores, which is more than any sensor's step."""
LOADED_NS: Final = 60 * 10**9
LEAST_READINGS: Final = 5
"""In the quiet time as in the loaded one. These four are our own numbers."""


class Kind(NamedTuple):
    """What a track is: its title, its unit, and whether it is a utilisation."""

    title: str
    unit: str
    utilisation: bool


class Load(NamedTuple):
    """When the cores were quiet and when loaded, as numbers of bins since `since_ns`."""

    since_ns: int
    quiet: frozenset[int]
    loaded: frozenset[int]
    moved_percent: float


def judge(run: Run) -> list[Finding]:
    """Look for tracks of which no line moved though the load did."""
    samples = run.table("samples")
    kinds = _kinds(run.manifest)
    rows = samples[samples["track"].isin(list(kinds)) & samples["value"].notna()]
    if not len(rows):
        return [_unknown("no temperature, power or utilisation was read")]
    load = _load(samples[(samples["track"] == LOAD).fillna(value=False)])
    states = {
        str(track): _state(part, kinds[str(track)], load) for track, part in rows.groupby("track")
    }
    stuck = [
        _stuck(track, rows[rows["track"] == track], kinds[track], load)
        for track, state in states.items()
        if state == "stuck" and load
    ]
    if stuck:
        return stuck
    moving = sum(state == "moving" for state in states.values())
    if not moving:
        return [_unknown("they were steady, and so was the load, as far as it is known")]
    title = f"{TITLE}: none; {moving} of {len(states)} tracks moved"
    return [Finding(ID, title, FindingOutcome.PASSED, {"tracks": states}, REMEDY)]


def _unknown(why: str) -> Finding:
    return Finding(
        ID,
        f"{TITLE}: {why}",
        FindingOutcome.NOT_MEASURED,
        {},
        "measure with the collector cpu beside a sensor's, and from idle into a load of at least "
        "a minute: only then must a sensor move",
    )


def _kinds(manifest: Mapping[str, Any]) -> dict[str, Kind]:
    """Return the tracks that follow a load; the cores' own utilisation is what they follow."""
    found = {}
    for collector in manifest.get("collectors") or ():
        for track in collector.get("tracks") or ():
            name, unit = str(track["name"]), str(track["unit"])
            busy = track.get("kind") is not None and unit in FULL and not name.startswith("cpu.")
            if unit in UNITS or busy:
                found[name] = Kind(str(track["title"]), unit, busy)
    return found


def _load(rows: pd.DataFrame) -> Load | None:
    """Return when the load was low and when high; None where it did not move far and long."""
    rows = rows[rows["value"].notna()]
    if not len(rows):
        return None
    times = measured.integers(rows["t_ns"])
    since = int(times.min())
    bins, place = np.unique((times - since) // BIN_NS, return_inverse=True)
    mean = np.bincount(place, rows["value"].to_numpy(dtype=np.float64)) / np.bincount(place)
    low, high = float(mean.min()), float(mean.max())
    quiet, loaded = bins[mean <= high - MOVED_PERCENT], bins[mean >= low + MOVED_PERCENT]
    if len(loaded) * BIN_NS < LOADED_NS:
        return None
    return Load(since, frozenset(quiet.tolist()), frozenset(loaded.tolist()), high - low)


def _state(rows: pd.DataFrame, kind: Kind, load: Load | None) -> str:
    """Return "moving", "stuck", or "steady" where standing still proves nothing."""
    lines = rows.groupby("label", dropna=False)["value"]
    low, high = lines.min().to_numpy(np.float64), lines.max().to_numpy(np.float64)
    if (low < high).any():
        return "moving"
    if kind.utilisation and not ((low > 0) & (low < FULL[kind.unit])).any():
        return "steady"
    return "stuck" if load is not None and _covers(rows, load) else "steady"


def _covers(rows: pd.DataFrame, load: Load) -> bool:
    """Say whether the sensor was read often enough both while quiet and while loaded."""
    bins = (measured.integers(rows["t_ns"]) - load.since_ns) // BIN_NS
    return all(_within(bins, part) >= LEAST_READINGS for part in (load.quiet, load.loaded))


def _within(bins: NDArray[np.int64], chosen: frozenset[int]) -> int:
    return int(np.isin(bins, list(chosen)).sum())


def _stuck(track: str, rows: pd.DataFrame, kind: Kind, load: Load) -> Finding:
    values = {
        str(label): float(value)
        for label, value in rows.groupby("label", dropna=False)["value"].first().items()
    }
    proof = {
        "track": track,
        "unit": kind.unit,
        "readings": len(rows),
        "values": values,
        "load_moved_percent": load.moved_percent,
        "loaded_s": len(load.loaded) * BIN_NS / 1e9,
    }
    times = measured.integers(rows["t_ns"])
    return Finding(
        audit=ID,
        title=f"{TITLE}: {kind.title} ({track}) kept one value over {len(rows)} readings while "
        f"the load moved by {load.moved_percent:.0f} points",
        outcome=FindingOutcome.WARNING,
        evidence=proof,
        remedy=REMEDY,
        from_ns=int(times.min()),
        to_ns=int(times.max()),
    )


_IDLE_BUSY: Final = ((30.0, 5.0), (90.0, 95.0))
_HEAT: Final = ("thermal.temperature", "cpu-thermal")
_ZONE: Final = ("thermal.temperature", "acpitz")

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="A soak that waits for steady temperatures, and a claim of watts, pass at once by a sensor "
    "that never moves.",
    source="METHOD, rule 8: the soak rests on temperatures; constant zones of firmware are common "
    "(acpitz). The numbers are our own, and set so that a slow or coarse sensor is not accused",
    requires=("samples",),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "a temperature that rises with the load",
            lambda: cases_device.sensed_run(_IDLE_BUSY, {_HEAT: (41.0, 63.0)}),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the only temperature stands still from idle into a minute of load",
            lambda: cases_device.sensed_run(_IDLE_BUSY, {_ZONE: 27.8}),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "power and temperature both stand still",
            lambda: cases_device.sensed_run(_IDLE_BUSY, {_ZONE: 27.8, ("power.rail", "soc"): 3.0}),
            (FindingOutcome.WARNING, FindingOutcome.WARNING),
        ),
        Case(
            "a zone of the firmware stands still beside one that moves",
            lambda: cases_device.sensed_run(_IDLE_BUSY, {_ZONE: 27.8, _HEAT: (41.0, 63.0)}),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "whole degrees under a steady load prove nothing",
            lambda: cases_device.sensed_run(((300.0, 60.0),), {_HEAT: 61.0}),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "twenty seconds of load are too short",
            lambda: cases_device.sensed_run(((30.0, 5.0), (20.0, 95.0)), {_HEAT: 61.0}),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "an accelerator at 0 % may be idle",
            lambda: cases_device.sensed_run(_IDLE_BUSY, {("npu.utilisation", "npu0"): 0.0}),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "an accelerator at 37 % before, during and after",
            lambda: cases_device.sensed_run(_IDLE_BUSY, {("npu.utilisation", "npu0"): 37.0}),
            (FindingOutcome.WARNING,),
        ),
        Case("no sensor at all", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
