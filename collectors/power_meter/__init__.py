"""What does an external meter measure? The CSV that its own program writes while the run goes.

On any Linux: the scenario's table `[power_meter]` names the file and its columns. Each line has a
time of the host's clock, so that it can be put into the run, and watts, or volts and amperes. The
file is read on as it grows; what stood in it before the run is not the run's.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collectors.power_meter.columns import Layout, Row, layout, row
from collectors.power_meter.tail import Tail
from probe.errors import NoData, SwitchedOff, Unmet
from probe.model import Device, Launch, Notice, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TRACK_OF: Final = {
    "watts": "power_meter.power", "volts": "power_meter.voltage", "amps": "power_meter.current"
}  # fmt: skip
LABEL: Final = "meter"
SECOND: Final = 10**9
AHEAD_NS: Final = 2 * SECOND
BEHIND_NS: Final = 120 * SECOND
"""A line cannot be of the future, and is written soon after its time: what is further off comes
from a clock that is set otherwise, or from another zone."""
MOST_GAPS: Final = 100
"""Of a meter that fails again and again no more are put on record one by one."""
MOST_SAMPLES: Final = 1_000_000
"""Some 200 MB of memory: eleven days of one line a second, half an hour of 500 a second."""


class PowerMeter:
    """Watts, volts and amperes of an external meter, at the times that it states.

    Watts are the meter's own, or the product of its volts and amperes. A line that goes back in
    time, cannot be of the run or has no number is no value; the first of each kind is an event, how
    many there were stands in the facts, with the columns, the clock and its offset.
    """

    name = "power_meter"
    tracks = (
        Track("power_meter.power", "watts", "Power at the meter"),
        Track("power_meter.voltage", "volts", "Voltage at the meter"),
        Track("power_meter.current", "amperes", "Current at the meter"),
    )
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support(
            "any meter that logs a CSV with times",
            tuple(track.name for track in tracks),
            "the file of [power_meter] in the scenario",
            Seen.FORMAT,
            "the meter's own program, writing on this machine",
        ),
    )

    def __init__(self) -> None:
        self._options: Mapping[str, Any] = {}
        self._wall_offset_ns: int | None = None
        self._tail: Tail | None = None
        self._layout: Layout | None = None
        self._last_ns: int | None = None
        self._nearest_ns: int | None = None
        self._gap = False
        self._afresh = False
        self._counts: Counter[str] = Counter()

    def attach(self, launch: Launch) -> Mapping[str, str]:
        """Learn of the file and of the clocks; raises `SwitchedOff` where no file is named.

        Raises `Unmet` for a file that is named and cannot be used: a run without it is not the one
        that was asked for.
        """
        self._options = launch.options.get("power_meter") or {}
        self._wall_offset_ns = launch.wall_offset_ns
        if not self._options.get("path"):
            raise _unnamed("the scenario")
        try:
            with closing(Tail(Path(str(self._options["path"])))) as tail:
                layout(tail.first, self._options)
        except NoData as absent:
            raise Unmet(absent.message, remedy=absent.remedy) from absent
        return {}

    def start(self, device: Device) -> None:
        """Open the file at its end; raises `NoData` for one that cannot be used."""
        if not self._options.get("path"):
            raise _unnamed(f"the scenario of {device.root}")
        if self._wall_offset_ns is None and self._options.get("clock") != "monotonic":
            raise NoData(
                "power_meter: how this machine's clocks relate is not known",
                remedy='let the meter write CLOCK_MONOTONIC, with clock = "monotonic"',
            )
        self._tail = Tail(device.path(str(self._options["path"])))
        try:
            self._layout = layout(self._tail.first, self._options)
        except NoData:
            self._tail.close()
            raise

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Yield what the meter wrote since the reading before."""
        if self._tail is None or self._layout is None:
            return
        try:
            lines, became = self._tail.lines()
        except OSError as error:
            yield from self._first("unreadable", f"the file: {error.strerror}")
            return
        if became is not None:
            self._afresh = True
            yield from self._first("restarted", f"the file {became}; it is read from its beginning")
        for line in lines:
            if line.startswith("#") or self._tail is None:
                continue
            if self._afresh and self._layout.has_header:
                yield from self._head(line)
            else:
                yield from self._of_line(row(line, self._layout), t_ns)
            self._afresh = False

    def facts(self) -> Mapping[str, Any]:
        """Return columns, clock, offset, how late the nearest line was, and what was left out."""
        found = self._layout
        if found is None:
            return {}
        return {
            "columns": {"time": found.time + 1, **{k: v + 1 for k, v in found.places.items()}},
            "watts": "read" if "watts" in found.places else "volts x amperes",
            "clock": found.clock,
            "offset_s": self._options.get("offset_s") or 0.0,
            "wall_offset_ns": self._wall_offset_ns,
            "least_lag_ns": self._nearest_ns,
            "lines": dict(self._counts),
        }

    def stop(self) -> None:
        """Close the file."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    def _head(self, line: str) -> Iterator[Notice]:
        """Stop where a file that begins anew has other columns."""
        if self._tail is not None and line != self._tail.first:
            yield from self._first("other columns", "the file has other columns now; it is left")
            self.stop()

    def _of_line(self, found: Row, now_ns: int) -> Iterator[Sample | Notice]:
        """Yield what a line says, if it can be of the run."""
        if found.doubt is not None:
            yield from self._first("unclear", _unclear(found.doubt, self._options))
        if found.t_ns is None:
            return
        at_ns = self._in_run(found.t_ns)
        lag_ns = now_ns - at_ns
        if not -AHEAD_NS <= lag_ns <= BEHIND_NS:
            yield from self._first("of another time", _other_time(lag_ns))
        elif self._last_ns is not None and at_ns <= self._last_ns:
            yield from self._first("back in time", "a line goes back in time, and is left out")
        elif self._counts["read"] >= MOST_SAMPLES // len(TRACK_OF):
            yield from self._first("too many", "it writes too much: no more of it is read")
            self.stop()
        else:
            self._last_ns = at_ns
            if self._nearest_ns is None or abs(lag_ns) < abs(self._nearest_ns):
                self._nearest_ns = lag_ns
            yield from self._samples(found, at_ns)

    def _samples(self, found: Row, at_ns: int) -> Iterator[Sample]:
        """Yield the values of a line; a gap once, and not for ever."""
        gap = found.values["watts"] is None
        self._counts["gaps" if gap else "read"] += 1
        if gap and (self._gap or self._counts["gaps"] > MOST_GAPS):
            return
        self._gap = gap
        for name, value in found.values.items():
            yield Sample(TRACK_OF[name], LABEL, value, at_ns)

    def _in_run(self, t_ns: int) -> int:
        """Return CLOCK_MONOTONIC of a time of the meter's."""
        if self._options.get("clock") != "monotonic":
            t_ns -= self._wall_offset_ns or 0
        return t_ns + round(float(self._options.get("offset_s") or 0.0) * SECOND)

    def _first(self, kind: str, text: str) -> Iterator[Notice]:
        """Yield a notice of the first of its kind; count them all."""
        self._counts[kind] += 1
        if self._counts[kind] == 1:
            yield Notice(f"power meter: {text}")


def _unnamed(by: str) -> NoData:
    return SwitchedOff(
        f"power_meter.path is not set: {by} names no file of an external meter",
        remedy='log the meter into a CSV, and set path = "FILE" in [power_meter] of the scenario',
    )


def _unclear(doubt: str, options: Mapping[str, Any]) -> str:
    comma = "," in doubt and (options.get("decimal") or ".") == "."
    return f"{doubt}{'; for decimal commas set power_meter.decimal' if comma else ''}"


def _other_time(lag_ns: int) -> str:
    how = "behind" if lag_ns > 0 else "ahead of"
    seconds = abs(lag_ns) / SECOND
    return (
        f"its times are {seconds:,.0f} s {how} the run; set power_meter.offset_s, or the clock, or "
        "let its program write each line at once"
    )
