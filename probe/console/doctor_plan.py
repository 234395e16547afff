"""How do the doctor's tracks stand, what of them is told together, and what is there to do?"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe.devices.doctor import ASLEEP, MEASURED, NO_VALUE, OFF, OTHER_DEVICE
from probe.devices.kinds import of_device
from probe.devices.surroundings import OK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Row = Mapping[str, Any]

HERE, MISSING, UNTRIED, ASKED, ELSEWHERE = "+", "-", "?", "o", " "
SIGNS: Final = (HERE, UNTRIED, MISSING, ASKED, ELSEWHERE)
"""How a track stands, in the order in which a group tells them."""
LEGEND: Final = {
    HERE: "measured, with what it reads now", UNTRIED: "not tried", MISSING: "missing",
    ASKED: "only when asked for", ELSEWHERE: "of other devices",
}  # fmt: skip
GROUPS: Final = {
    "Accelerators": ("adreno", "amd_xdna", "coral", "drm", "hailo", "intel_npu", "jetson", "nvidia",
                     "rknpu"),
    "Power": ("power", "power_meter"),
    "Heat and throttling": ("thermal", "throttle"),
    "Processor": ("cpu", "raspberry_pi", "scheduler", "scheduler_trace", "pressure"),
    "Memory": ("memory", "bandwidth"),
    "Copies, operators and code": ("copies", "onnxruntime", "pyspy"),
    "Disk and network": ("disk", "network"),
}  # fmt: skip
"""Collectors by what they tell of; one that is not named here stands below `OTHERS`."""
OTHERS: Final = "Others"
OF_TREE: Final = "the tree"
"""What every reason names that lies in a captured tree and not in its device."""
NO_REMEDY: Final = "none"
NO_DRIVER: Final = "no driver"
OWN_VERB: Final = "`liveprobe "
MOST_NAMES: Final = 4


class Told(NamedTuple):
    """What is said at once: tracks that are read alike, or are missing alike."""

    sign: str
    rows: tuple[Row, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the tracks."""
        return tuple(row["track"] for row in self.rows)


class Task(NamedTuple):
    """Something to do, the tracks that it brings, and what it betters around the measurement."""

    what: str
    tracks: tuple[Row, ...]
    betters: tuple[Mapping[str, Any], ...]


def sign(row: Row) -> str:
    """Return how a track stands."""
    if row["state"] == MEASURED:
        return HERE
    if row["state"] == OTHER_DEVICE:
        return ELSEWHERE
    if row["state"] == OFF or str(row["remedy"]).startswith(OWN_VERB):
        return ASKED
    untried = row["state"] in (ASLEEP, NO_VALUE) or OF_TREE in str(row["reason"])
    return UNTRIED if untried else MISSING


def grouped(rows: Iterable[Row], *, everything: bool = False) -> dict[str, list[Told]]:
    """Return what is told of the tracks by group, the measured ones first.

    Those of other devices are left out, unless `everything` is asked for.
    """
    of = {collector: name for name, members in GROUPS.items() for collector in members}
    found: dict[str, list[Row]] = {name: [] for name in (*GROUPS, OTHERS)}
    for row in rows:
        if everything or row["state"] != OTHER_DEVICE:
            found[of.get(row["collector"], OTHERS)].append(row)
    return {name: together(members) for name, members in found.items() if members}


def together(rows: Iterable[Row]) -> list[Told]:
    """Put tracks together that share source, grade, kind and period; or why they are missing."""
    alike: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        how = ("source", "collector", "grade", "kind", "period_ns")
        why = ("state", "reason", "remedy") if sign(row) != UNTRIED else ("state", "reason")
        key = tuple(row[name] for name in (how if row["state"] == MEASURED else why))
        needs = needed(row) if sign(row) == MISSING and not row["remedy"] else ""
        alike.setdefault((sign(row), key, needs), []).append(row)
    told = [Told(sign(members[0]), tuple(members)) for members in alike.values()]
    return sorted(told, key=lambda each: SIGNS.index(each.sign))


def of_other_devices(rows: Iterable[Row]) -> str:
    """Name the collectors that are for other devices, and single tracks of those that are not."""
    named: list[str] = []
    for collector, each in groupby(rows, key=lambda row: row["collector"]):
        of_it = list(each)
        others = [row["track"] for row in of_it if row["state"] == OTHER_DEVICE]
        named += [collector] if others and len(others) == len(of_it) else others
    return ", ".join(named)


def tasks(
    rows: Iterable[Row],
    environment: Iterable[Mapping[str, Any]],
    accelerators: Iterable[Mapping[str, Any]] = (),
) -> list[Task]:
    """Return what there is to do, each thing once.

    Drivers of accelerators come first, then that which brings most tracks.
    """
    driverless = [each for each in accelerators if each["driver"] is None and each["remedy"]]
    brings: dict[str, tuple[list[Row], list[Mapping[str, Any]]]] = {}
    for row in rows:
        if sign(row) == MISSING and row["remedy"] and not hopeless(row["remedy"]):
            brings.setdefault(row["remedy"], ([], []))[0].append(row)
    parts = [{**each, "state": MISSING, "reason": NO_DRIVER} for each in driverless]
    for each in (*parts, *environment):
        if each["state"] != OK and each["remedy"]:
            brings.setdefault(each["remedy"], ([], []))[1].append(each)
    found = [Task(what, tuple(of), tuple(betters)) for what, (of, betters) in brings.items()]
    first = {each["remedy"] for each in driverless}
    return sorted(found, key=lambda task: (task.what not in first, -len(task.tracks)))


def hopeless(remedy: str) -> bool:
    """Say whether a remedy says that there is none."""
    return re.match(rf"{NO_REMEDY}\b", remedy) is not None


def brought(task: Task) -> str:
    """Return the tracks that a task brings; many of one collector are counted."""
    words: list[str] = []
    for collector, each in groupby(task.tracks, key=lambda row: row["collector"]):
        of_it = [row["track"] for row in each]
        many = len(of_it) > MOST_NAMES
        words += [f"{len(of_it)} tracks of {collector}"] if many else of_it
    return ", ".join(words)


def summary(rows: Sequence[Row], todo: Sequence[Task], *, tree: bool) -> str:
    """Return in a line how many tracks of this device are measured, and how the others stand."""
    own = [row for row in rows if row["state"] != OTHER_DEVICE]
    count = {each: sum(sign(row) == each for row in own) for each in SIGNS}
    read = "can be read in this tree" if tree else "can be measured here"
    words = [f"{count[each]} {LEGEND[each]}" for each in (UNTRIED, MISSING, ASKED) if count[each]]
    others = f" ({', '.join(words)})" if words else ""
    things = "nothing" if not todo else "1 thing" if len(todo) == 1 else f"{len(todo)} things"
    return f"{count[HERE]} of {len(own)} tracks {read}{others}; {things} to do"


def concerning(row: Row, device: Mapping[str, Any]) -> Row:
    """Return the row with the sources for this device alone, with all where none names it."""
    return {**row, "sources": of_device(row["sources"], device)}


def needed(row: Row) -> str:
    """Return what the rows of the support matrix ask for, each with its kind of device."""
    asked = dict.fromkeys((each["device"], each["needs"]) for each in row["sources"])
    return "; ".join(f"{device}: {needs}" for device, needs in asked if needs)
