"""Is something held back: by heat, by the supply, by somebody's cap?

Every source that a device has, so that above zero always means "held back": caps of cpufreq and
passive cooling devices (any Linux), the Raspberry Pi's firmware and its voltage alarm, over-current
counters of Jetson boards, trip points of a Coral accelerator. The boards' sources are not seen on
hardware: they are read as documented and recorded.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from collectors.throttle import boards, kernel
from probe.errors import NoData, OtherDevice
from probe.model import Device, Grade, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from collectors.throttle.source import Source

SOURCES: Final[dict[str, Callable[[Device], Source]]] = {
    "throttle.capped": kernel.Caps.found,
    "throttle.cooling": kernel.Cooling.found,
    "throttle.firmware": boards.Firmware.found,
    "throttle.voltage": boards.Voltage.found,
    "throttle.over_current": boards.OverCurrent.found,
    "throttle.trips": boards.CoralTrips.found,
}
"""What finds the source of each track, or raises `NoData`."""


class Throttle:
    """What holds the device back, once a second.

    Lost shares are in percent of the full clock, or of a cooling device's last step. Flags are 1
    while they are set, and from their first new "has occurred" on; what was set before the run is
    not the run's. Of a flag that had occurred before, only what is set at a reading is seen: what
    comes and goes between two leaves no trace, and the facts name those flags. Counters count from
    the start of the run.
    """

    name = "throttle"
    tracks = (
        Track("throttle.capped", "percent", "Clock that cpufreq may not use", Grade.DERIVED),
        Track("throttle.cooling", "percent", "Passive cooling, of its last step", Grade.DERIVED),
        Track("throttle.firmware", "count", "Flags of the firmware", Grade.VENDOR_STATED),
        Track("throttle.voltage", "count", "Alarms of the supply's voltage", Grade.VENDOR_STATED),
        Track("throttle.over_current", "count", "Events of over-current"),
        Track("throttle.trips", "count", "Trip points that are passed", Grade.DERIVED),
    )
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("any Linux with cpufreq", ("throttle.capped",),
                "/sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq", Seen.RECORDINGS),
        Support("any Linux with passive cooling", ("throttle.cooling",),
                "/sys/class/thermal/cooling_device*", Seen.FORMAT),
        Support("Raspberry Pi", ("throttle.firmware",), "vcgencmd get_throttled",
                Seen.RECORDINGS, "vcgencmd (libraspberrypi-bin or raspi-utils), group video"),
        Support("Raspberry Pi", ("throttle.voltage",), "hwmon rpi_volt in0_lcrit_alarm",
                Seen.FORMAT),
        Support("Jetson", ("throttle.over_current",), "hwmon soctherm_oc oc*_event_cnt",
                Seen.RECORDINGS),
        Support("Coral (PCIe)", ("throttle.trips",), "/sys/class/apex/apex_*", Seen.FORMAT),
    )  # fmt: skip

    def __init__(self) -> None:
        self._open = ExitStack()
        self._sources: list[Source] = []
        self._lacking: dict[str, NoData] = {}
        self._facts: dict[str, Any] = {}

    def start(self, device: Device) -> None:
        """Open what the device has; raises `NoData` where nothing tells."""
        for track, find in SOURCES.items():
            try:
                source = find(device)
            except NoData as absent:
                self._lacking[track] = absent
                continue
            self._open.callback(source.close)
            self._sources.append(source)
            if isinstance(source, boards.Firmware):
                self._facts["occurred_before"] = source.occurred_before
        if not self._sources:
            told = [each for each in self._lacking.values() if not isinstance(each, OtherDevice)]
            raise NoData(
                "; ".join(each.message for each in told),
                remedy=told[0].remedy,
            )

    def lacking(self) -> Mapping[str, NoData]:
        """Return why a track has no value here."""
        return self._lacking

    def sample(self, t_ns: int) -> Iterable[Sample]:  # noqa: ARG002 - the protocol's
        """Yield what each source says now."""
        for source in self._sources:
            yield from source.read()

    def facts(self) -> Mapping[str, Any]:
        """Return {"occurred_before"}: flags of the firmware whose short events cannot be seen."""
        return self._facts

    def stop(self) -> None:
        """Close the sources."""
        self._sources.clear()
        self._open.close()
