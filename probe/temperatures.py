"""How warm is the device now, and does it still get warmer? Read while nothing is measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from probe.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from probe.model import Collector, Device

CELSIUS: Final = "celsius"
Readings = dict[str, list[tuple[int, float]]]
"""Sensor to (t_ns, celsius) in the order of time."""


class Thermometer:
    """Reads every temperature that the collectors find, from `with` to its end.

    What is fenced and timed for a run is so here (`probe.sampling`): a sensor that hangs holds up
    nobody.
    """

    def __init__(self, collectors: Sequence[Collector], device: Device) -> None:
        wanted = [
            (each, {track.name for track in each.tracks if track.unit == CELSIUS})
            for each in collectors
        ]
        self._sources = [_Source(Sampling([each]), tracks) for each, tracks in wanted if tracks]
        self._device = device
        self.readings: Readings = {}

    def __enter__(self) -> Self:
        for source in self._sources:
            source.sampling.start(self._device)
        return self

    def __exit__(self, *_: object) -> None:
        for source in self._sources:
            source.sampling.stop()

    def read(self) -> Readings:
        """Take in what was read since, and return all of it."""
        for source in self._sources:
            rows = source.sampling.rows()[source.seen :]
            source.seen += len(rows)
            for track, label, t_ns, value in rows:
                if track in source.tracks and value is not None:
                    self.readings.setdefault(label, []).append((t_ns, value))
        return self.readings

    @property
    def absence(self) -> str:
        """Say why there is no temperature, and what would give one."""
        for source in self._sources:
            (entry,) = source.sampling.documents()
            if entry["outcome"] not in ("ok", "other device"):
                return f"{entry['reason']} ({entry['remedy']})"
        return "no sensor gave a temperature"


@dataclass
class _Source:
    """A collector at work, which of its tracks are temperatures, and how many rows were taken."""

    sampling: Sampling
    tracks: set[str]
    seen: int = 0


def levels(readings: Mapping[str, Sequence[tuple[int, float]]], since_ns: int) -> dict[str, float]:
    """Return each sensor's median temperature since a time; one that was silent is left out."""
    recent = {
        sensor: [value for t_ns, value in _since(rows, since_ns)]
        for sensor, rows in readings.items()
    }
    return {sensor: statistics.median(values) for sensor, values in recent.items() if values}


def moves(
    readings: Mapping[str, Sequence[tuple[int, float]]], end_ns: int, step_ns: int, steps: int
) -> dict[str, list[float] | None]:
    """Return by how much each sensor moved, in C per minute, in each of the last `steps` steps.

    A move is the difference between the means of two neighbouring steps, so that a coarse or a
    restless sensor is judged by its level and not by its last digit. None where a sensor was not
    read for so long; one without a reading in the last step is left out: it went away.
    """
    found: dict[str, list[float] | None] = {}
    for sensor, rows in readings.items():
        means = [
            _mean(rows, end_ns - (back + 1) * step_ns, end_ns - back * step_ns)
            for back in range(steps, -1, -1)
        ]
        if means[-1] is None:
            continue
        known = [mean for mean in means if mean is not None]
        minutes = step_ns / 60e9
        found[sensor] = (
            [(after - before) / minutes for before, after in pairwise(known)]
            if len(known) == len(means)
            else None
        )
    return found


def _mean(rows: Sequence[tuple[int, float]], begin_ns: int, end_ns: int) -> float | None:
    inside = [value for t_ns, value in _since(rows, begin_ns) if t_ns < end_ns]
    return statistics.fmean(inside) if inside else None


def _since(rows: Sequence[tuple[int, float]], begin_ns: int) -> list[tuple[int, float]]:
    """Return the rows from a time on, found from their end: a soak asks again and again."""
    at = len(rows)
    while at and rows[at - 1][0] >= begin_ns:
        at -= 1
    return list(rows[at:])


def document(sensors: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is told of each sensor as a list of JSON values, in the order of their names."""
    return [{"sensor": name, **sensors[name]} for name in sorted(sensors)]
