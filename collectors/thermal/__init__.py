"""How hot is the device, and how fast do its fans turn? On any Linux.

Reads `/sys/class/thermal/thermal_zone*` (`type`, `temp`, `trip_point_*`) and
`/sys/class/hwmon/hwmon*` (`name`, `temp*_input`, `temp*_label`, `fan*_input`): files that every
user may read. psutil reads zones only where no hwmon sensor exists, so sysfs is read directly. What
passive cooling does stands with the collector `throttle`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from collectors.thermal.sensors import ZONES, fans, opened, sensors, trip_points
from probe.celsius import of_milli
from probe.devices.virtual import unless_virtual
from probe.errors import NoData, OtherDevice
from probe.hwmon import HWMON
from probe.kernel_file import KernelFile, named
from probe.model import Device, Sample, Seen, Source, Support, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeGuard

FASTEST_PER_MINUTE: Final = 100_000
"""Twice what the fastest fans of racks turn; beyond stand sentinels of 16 and 32 bits."""


class Thermal:
    """Temperatures of all sensors and speeds of all fans, four times a second.

    A sensor that sleeps, fails or goes away leaves null, until its driver is bound anew; one that
    was not there at the start is not seen. The trip points of each zone, in celsius by type, stand
    in the collector's facts.
    """

    name = "thermal"
    tracks = (
        Track("thermal.temperature", "celsius", "Temperature"),
        Track("thermal.fan", "rpm", "Turns of the fans"),
    )
    period_ns = 250_000_000
    sensitive = False
    support = (
        Support(
            "any Linux with a sensor",
            ("thermal.temperature",),
            "/sys/class/thermal/thermal_zone*, /sys/class/hwmon/*/temp*_input",
            Seen.RECORDINGS,
        ),
        Support(
            "any Linux with a fan",
            ("thermal.fan",),
            "/sys/class/hwmon/*/fan*_input",
            Seen.RECORDINGS,
        ),
    )

    def __init__(self) -> None:
        self._sensors: dict[str, KernelFile] = {}
        self._fans: dict[str, KernelFile] = {}
        self._trips: dict[str, dict[str, float | None]] = {}

    def start(self, device: Device) -> None:
        """Open every sensor; raises `NoData` where none can be read."""
        zones, hwmon = device.path(ZONES), device.path(HWMON)
        refused = []
        for label, path in sensors(device):
            try:
                self._sensors[label] = opened(path)
            except OSError as error:
                refused.append(f"{path}: {error.strerror}")
        if refused and not self._sensors:
            raise NoData(
                f"{len(refused)} temperature sensors, none readable: {refused[0]}",
                remedy="start liveprobe where /sys is not masked (in a container: mount /sys)",
            )
        if not self._sensors:
            raise NoData(
                f"no temperature sensor: neither {zones}/thermal_zone*/temp nor "
                f"{hwmon}/hwmon*/temp*_input",
                remedy=unless_virtual(
                    device,
                    "load the board's sensor driver: sudo modprobe coretemp (Intel) or k10temp "
                    "(AMD)",
                ),
            )
        for label, path in fans(device):
            with suppress(OSError):
                self._fans[label] = opened(path)
        self._trips = {
            zone: {kind: of_milli(value) for kind, value in points.items()}
            for zone, points in trip_points(device).items()
        }

    def sources(self) -> Mapping[str, Source]:
        """Return the sensors that are open."""
        opened = {"thermal.temperature": self._sensors, "thermal.fan": self._fans}
        return {track: Source(named(files.values())) for track, files in opened.items() if files}

    def lacking(self) -> Mapping[str, NoData]:
        """Return why there are no fans, where there are none."""
        return {} if self._fans else {"thermal.fan": OtherDevice("no fan that says how it turns")}

    def sample(self, t_ns: int) -> Iterable[Sample]:  # noqa: ARG002 - the protocol's
        """Yield the temperature of every sensor, null where it gave none."""
        for label, sensor in self._sensors.items():
            yield Sample("thermal.temperature", label, of_milli(sensor.read_integer()))
        for label, fan in self._fans.items():
            turns = fan.read_integer()
            yield Sample("thermal.fan", label, float(turns) if known_turns(turns) else None)

    def facts(self) -> Mapping[str, Any]:
        """Return the trip points: zone to {type: celsius}."""
        return {"trip_points": self._trips}

    def stop(self) -> None:
        """Close the sensors."""
        for file in (*self._sensors.values(), *self._fans.values()):
            file.close()
        self._sensors.clear()
        self._fans.clear()


def known_turns(turns: int | None) -> TypeGuard[int]:
    """Say whether a fan can turn so fast."""
    return turns is not None and 0 <= turns < FASTEST_PER_MINUTE
