"""Which tracks come first? Those that explain lateness and moved; the rest is in a fold.

Nothing is weighed: `FAMILIES` is the order, and a track moved where its values do not all read the
same. Tracks that nobody listed come after those that are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.charts import tracks
from reports.charts.samples import text
from reports.charts.waits import TRACK as WAITS
from reports.charts.waits import Waits, waits
from reports.page import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.charts.chart import Chart
    from reports.charts.tracks import Strip
    from reports.page.payload import Payload
    from reports.page.subject import Subject

FAMILIES: Final = (
    ("the program's CPU", ("cpu.thread",)),
    ("the cores", ("cpu.core",)),
    ("waits for a core", (WAITS, "scheduler.wait")),
    ("accelerators", (
        "hailo.occupancy", "rknpu.load", "jetson.gpu", "nvidia.utilisation", "intel_npu.occupancy",
        "amd_xdna.column", "adreno.utilisation", "drm.engine",
    )),
    ("temperature", (
        "thermal.temperature", "hailo.temperature", "nvidia.temperature", "coral.temperature",
        "amd_xdna.temperature",
    )),
    ("what holds back", (
        "throttle.capped", "throttle.cooling", "throttle.firmware", "throttle.voltage",
        "throttle.over_current", "throttle.trips", "nvidia.throttle", "cpu.stolen",
    )),
    ("power", (
        "power.total", "power_meter.power", "nvidia.power", "hailo.power", "amd_xdna.power",
    )),
    ("pressure of memory", ("pressure.stalled", "memory.swapped", "memory.major_faults")),
)  # fmt: skip
"""What can make a frame late, and the tracks that show it: these stand in front, in this order."""
ORDER: Final = tuple(name for _, names in FAMILIES for name in names)
LEAST_FOLDED: Final = 3
"""Fewer tracks than this need no fold."""
MOST_ROWS: Final = 10
"""Lines of a folded track that have a row of the table; the lower ones are counted."""
MOST_NAMED: Final = 6
"""Lines of a still track that are named; the others are counted."""
IN_FLIGHT: Final = {
    "name": "program.in_flight", "unit": "frames", "title": "Frames in flight", "step": True,
}  # fmt: skip
IN_FLIGHT_S: Final = 0.05


@dataclass(frozen=True)
class Row:
    """A line in the table that stands for the charts of the fold."""

    track: str
    name: str
    line: str
    least: str
    median: str
    most: str
    samples: str


@dataclass(frozen=True)
class Still:
    """Tracks, with their lines, that stayed at one value."""

    value: str
    names: list[tuple[str, str]]


@dataclass(frozen=True)
class Tracks:
    """The charts in front and in the fold, what stayed still, gave no value, or slept."""

    front: list[Chart]
    waits: Waits | None
    folded: list[Chart]
    rows: list[Row]
    still: list[Still]
    absent: list[str]
    asleep: tuple[tuple[str, str], ...] = ()

    @property
    def charts(self) -> list[Chart]:
        """All charts."""
        return [*self.front, *self.folded]


def tracks_of(subject: Subject, payload: Payload) -> Tracks:
    """Return the tracks of a Run."""
    waited: Waits | None = None
    found: list[Strip] = []
    absent: list[str] = []
    asleep: list[tuple[str, str]] = []
    for collector in subject.manifest.get("collectors") or []:
        before = (waited, len(found))
        for track in collector.get("tracks") or []:
            if track["name"] == WAITS:
                waited = waits(subject, track, payload, collector.get("facts") or {})
            else:
                period_ns = track.get("period_ns") or collector.get("period_ns") or 0
                found += _some(tracks.strip(subject, track, float(period_ns) / 1e9))
        asleep += _slept(subject, collector.get("asleep") or {})
        silent = (waited, len(found)) == before and not collector.get("asleep")
        at_the_end = collector.get("period_ns") is None and collector.get("samples")
        if silent and not at_the_end and collector.get("outcome") not in ("other device", "off"):
            absent.append(str(collector.get("name")))
    found += _some(tracks.strip(subject, IN_FLIGHT, IN_FLIGHT_S))
    return replace(_ordered(subject, found, waited, absent, payload), asleep=tuple(asleep))


def _slept(subject: Subject, asleep: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Yield tracks without a value while what they measure slept, and how often that was."""
    for name, times in asleep.items():
        every = int((subject.run.table("samples")["track"] == name).sum())
        yield name, f"in {numbers.count(times)} of {numbers.plural(every, 'sample')}"


def _some(strip: Strip | None) -> list[Strip]:
    return [] if strip is None else [strip]


def _ordered(
    subject: Subject, found: list[Strip], waited: Waits | None, absent: list[str], payload: Payload
) -> Tracks:
    moved = [each for each in found if not each.still]
    listed = sorted((e for e in moved if e.name in ORDER), key=lambda e: ORDER.index(e.name))
    others = [each for each in moved if each.name not in ORDER]
    if len(others) < LEAST_FOLDED:
        listed, others = listed + others, []
    front = [tracks.chart(subject, each, payload) for each in listed]
    if waited is not None:
        place = sum(e.name in ORDER[: ORDER.index(WAITS)] for e in listed)
        front.insert(place, waited.chart)
    return Tracks(
        front=front,
        waits=waited,
        folded=[tracks.chart(subject, each, payload, folded=True) for each in others],
        rows=[row for each in others for row in _rows(each)],
        still=_still([each for each in found if each.still]),
        absent=absent,
    )


def _rows(strip: Strip) -> Iterator[Row]:
    for line in strip.lines[:MOST_ROWS]:
        values = line.values
        least, median, most = (
            f"{text(float(each))}{tracks.spaced(strip.unit)}"
            for each in (values.min(), np.median(values), values.max())
        )
        count = numbers.count(len(values))
        yield Row(strip.title, strip.name, line.label, least, median, most, count)
    more = len(strip.lines) - MOST_ROWS
    if more > 0:
        yield Row(strip.title, strip.name, f"{more} with a lower mean", "", "", "", "")


def _still(strips: list[Strip]) -> list[Still]:
    """Return what stayed, one entry a value; 0 needs no unit, and comes first."""
    found: dict[str, dict[str, list[str]]] = {"0": {}}
    for strip in strips:
        for line in strip.lines:
            value = text(line.values[0]).removesuffix(".0")
            said = value if value == "0" else f"{value}{tracks.spaced(strip.unit)}"
            found.setdefault(said, {}).setdefault(strip.name, []).append(line.label)
    return [Still(value, [(name, _listed(lines)) for name, lines in names.items()])
            for value, names in found.items() if names]  # fmt: skip


def _listed(labels: list[str]) -> str:
    named = [label for label in labels if label]
    more = len(named) - MOST_NAMED
    return ", ".join(named[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
