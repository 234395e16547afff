"""How much power does the device take, and which part of it is measured at all?

Every source that a device has: energy counters of the processor (RAPL), INA219, INA226, INA3221 and
other sensors through hwmon, the rails of a Raspberry Pi 5's PMIC, the rails of a Jetson, batteries.
None is seen on hardware: they are read as documented and recorded. What an external meter measures
stands with the collector `power_meter`, what an NPU or a GPU takes with that one's collector.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from collectors.power import source
from collectors.power.battery import Batteries
from collectors.power.energy import Energies
from collectors.power.pmic import Pmic
from collectors.power.rapl import Rapl
from collectors.power.sensors import Sensors
from probe.errors import NoData, OtherDevice
from probe.model import Device, Grade, Launch, Sample, Seen, Support, Track
from probe.model import Source as Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from collectors.power.source import Source, Total

SOURCES: Final[tuple[tuple[tuple[str, ...], Callable[[Device], Source]], ...]] = (
    ((source.RAIL,), Energies.found),
    ((source.RAIL,), Sensors.found),
    ((source.BATTERY,), Batteries.found),
    ((source.VOLTAGE, source.RAIL), Pmic.found),
    ((source.DOMAIN,), Rapl.found),
)
"""What finds each source, with the tracks whose lack it explains; the first with a total covers the
most: the input of a Jetson, a battery that discharges, the rails of a Pi, the processor."""
SLOW_NS: Final = 1_000_000_000
"""Between two readings of what counts energy, averages by itself, or is asked of a tool."""
METER: Final = "measure at the supply: log an external meter and name its file in [power_meter]"


class Power:
    """Watts of every line that has a sensor, and of the device where a source covers it.

    `power.total` has one line: that of the widest source, or the line that the scenario names in
    `power.total`; a part never counts twice in it. What it leaves out stands in the facts.
    """

    name = "power"
    tracks = (
        Track(source.TOTAL, "watts", "Power of the device", Grade.DERIVED),
        Track(source.RAIL, "watts", "Power of the rails", Grade.DERIVED),
        # On many processors an estimate of their own.
        Track(source.DOMAIN, "watts", "Power of the processor's domains", Grade.VENDOR_STATED,
              period_ns=SLOW_NS),
        Track(source.BATTERY, "watts", "Power that the batteries give", Grade.DERIVED,
              period_ns=SLOW_NS),
        Track(source.VOLTAGE, "volts", "Voltage of the supply", period_ns=SLOW_NS),
    )  # fmt: skip
    period_ns = 250_000_000
    sensitive = False
    support = (
        Support("Intel and AMD processors", (source.TOTAL, source.DOMAIN),
                "/sys/class/powercap/intel-rapl:*/energy_uj", Seen.RECORDINGS,
                "root, or energy_uj readable"),
        Support("Jetson", (source.TOTAL, source.RAIL),
                "hwmon ina3221 in*_input, curr*_input", Seen.RECORDINGS),
        Support("Jetson Nano, TX1, TX2, Xavier with Jetson Linux to 32",
                (source.TOTAL, source.RAIL),
                "/sys/bus/i2c/drivers/ina3221x/*/iio:device*/in_power*_input", Seen.FORMAT),
        Support("boards with INA219, INA226 or another sensor", (source.RAIL,),
                "hwmon power*_input", Seen.RECORDINGS,
                "power.total in the scenario, to call a line the device"),
        Support("boards with a counter of energy", (source.RAIL,), "hwmon energy*_input",
                Seen.FORMAT),
        Support("Raspberry Pi 5", (source.TOTAL, source.RAIL, source.VOLTAGE),
                "vcgencmd pmic_read_adc", Seen.RECORDINGS,
                "vcgencmd (libraspberrypi-bin or raspi-utils), group video"),
        Support("laptops, while they discharge", (source.TOTAL, source.BATTERY),
                "/sys/class/power_supply/*/power_now", Seen.RECORDINGS),
    )  # fmt: skip

    def __init__(self) -> None:
        self._open = ExitStack()
        self._sources: list[Source] = []
        self._due_ns: dict[Source, int] = {}
        self._lacking: dict[str, NoData] = {}
        self._named: str | None = None
        self._chosen: Source | None = None

    def attach(self, launch: Launch) -> Mapping[str, str]:
        """Learn which line the scenario calls the device; the program is left as it is."""
        self._named = (launch.options.get("power") or {}).get("total")
        return {}

    def start(self, device: Device) -> None:
        """Open what the device has; raises `NoData` where nothing tells of power."""
        for tracks, find in SOURCES:
            try:
                found = find(device)
            except NoData as absent:
                self._note(tracks, absent)
                continue
            self._open.callback(found.close)
            self._sources.append(found)
        if not self._sources:
            raise self._nothing(device)
        self._chosen = next((each for each in self._sources if each.total is not None), None)
        self._explain()

    def lacking(self) -> Mapping[str, NoData]:
        """Return why a track has no value here."""
        return self._lacking

    def sources(self) -> Mapping[str, Place]:
        """Return what is open; the total's is the place of the line that stands for the device."""
        found: dict[str, Place] = {}
        for each in self._sources:
            for track, place in each.places.items():
                found[track] = _both(found.get(track), place)
            for track, label in each.lines:
                if label == self._named or (self._named is None and each is self._chosen):
                    found[source.TOTAL] = each.places[track]
        return found

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield what each source that is due says now."""
        for each in self._sources:
            if t_ns < self._due_ns.get(each, t_ns):
                continue
            self._due_ns[each] = t_ns + each.every_ns - source.EARLY_NS
            for sample in each.read(t_ns):
                if sample.track != source.TOTAL:
                    yield sample
                    if self._named is not None and sample.label == self._named:
                        yield replace(sample, track=source.TOTAL)
                elif self._named is None and each is self._chosen:
                    yield sample

    def facts(self) -> Mapping[str, Any]:
        """Return what the total covers and leaves out, and the resistors of the sensors."""
        found: dict[str, Any] = {"total": self._about_total()}
        for each in self._sources:
            found |= each.facts
        return found

    def stop(self) -> None:
        """Close the sources."""
        self._sources = []
        self._open.close()

    def _about_total(self) -> dict[str, str] | None:
        if self._named is not None:
            said = "the scenario calls this line the device"
            return {"line": self._named, "covers": said, "leaves_out": "not known", "grade": ""}
        total: Total | None = self._chosen.total if self._chosen is not None else None
        return None if total is None else {
            "line": total.label, "covers": total.covers, "leaves_out": total.leaves_out,
            "grade": total.grade.value,
        }  # fmt: skip

    def _note(self, tracks: tuple[str, ...], absent: NoData) -> None:
        """Keep why a source is not there; what is missing here counts before another device's."""
        other = isinstance(absent, OtherDevice)
        for track in tracks[:1] if other else tracks:
            if isinstance(self._lacking.get(track), OtherDevice | None):
                self._lacking[track] = absent

    def _explain(self) -> None:
        """Say of each track without a line why."""
        lines = [line for each in self._sources for line in each.lines]
        given = {track for track, _ in lines}
        for track in given & set(self._lacking):
            del self._lacking[track]
        if source.RAIL not in given:
            self._lacking.setdefault(source.RAIL, OtherDevice("no sensor of this kind"))
        for each in self._sources:
            why = each.waiting() if isinstance(each, Batteries) else None
            if why is not None:
                self._lacking[source.BATTERY] = why
        labels = [label for _, label in lines]
        if self._named is not None and labels.count(self._named) != 1:
            self._lacking[source.TOTAL] = NoData(
                f"power.total: {self._named!r} is not one of the lines here",
                remedy=f"there are: {', '.join(dict.fromkeys(labels))}",
            )
            self._named, self._chosen = None, None
        elif self._named is None and self._chosen is None:
            self._lacking[source.TOTAL] = NoData(
                f"no line covers the device: {', '.join(labels[:6])}",
                remedy=f"name the one that does as power.total in the scenario, or {METER}",
            )

    def _nothing(self, device: Device) -> NoData:
        lacks = dict.fromkeys(self._lacking.values())  # one may explain several tracks
        told = [each for each in lacks if not isinstance(each, OtherDevice)]
        if len(told) == 1:
            return told[0]
        looked = [device.path(place) for place in ("/sys/class/hwmon", "/sys/class/power_supply")]
        said = "; ".join(each.message for each in told)
        return NoData(
            said or f"no power sensor and no battery: {looked[0]}, {looked[1]}", remedy=METER
        )


def _both(one: Place | None, other: Place) -> Place:
    """Return two places of one track as one, with the longer period, which holds for both."""
    if one is None:
        return other
    periods = [each for each in (one.period_ns, other.period_ns) if each is not None]
    return Place(f"{one.place}; {other.place}", max(periods, default=None))
