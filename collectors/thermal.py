"""How hot is the device? Thermal zones and hwmon temperature sensors, on any Linux.

Reads `/sys/class/thermal/thermal_zone*` (`type`, `temp`) and `/sys/class/hwmon/hwmon*` (`name`,
`temp*_input`, `temp*_label`): files that every user may read. Sensors are known by type, name and
label, never by their number, which changes between boots and kernels. psutil reads zones only
where no hwmon sensor exists, so sysfs is read directly.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from probe.errors import NoData
from probe.kernel_file import KernelFile, read_text
from probe.model import Device, Sample, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ZONES: Final = "/sys/class/thermal"
HWMON: Final = "/sys/class/hwmon"
COLDEST_CELSIUS: Final = -55.0
HOTTEST_CELSIUS: Final = 150.0
"""Silicon is specified within these; beyond stand sentinels: -256 (Jetson, sensor off), -274
(the kernel's THERMAL_TEMP_INVALID), 255 (an unconnected input)."""


class Thermal:
    """Temperatures of all sensors, four times a second.

    A sensor that sleeps, fails or goes away leaves null; one that shows up later is not seen.
    """

    name = "thermal"
    tracks = (Track("thermal.temperature", "celsius", "Temperature"),)
    period_ns = 250_000_000
    sensitive = False

    def __init__(self) -> None:
        self._sensors: dict[str, KernelFile] = {}

    def start(self, device: Device) -> None:
        """Open every sensor; raises `NoData` where none can be read."""
        zones, hwmon = device.path(ZONES), device.path(HWMON)
        found = _without_repeats(list(_zones(zones)), list(_hwmon(hwmon)))
        refused = []
        for label, path in _distinct(found):
            try:
                self._sensors[label] = KernelFile(path)
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
                remedy="load the board's sensor driver (`modprobe coretemp` on Intel, `k10temp` on "
                "AMD); a virtual machine has none: measure on the device itself",
            )

    def sample(self, t_ns: int) -> Iterable[Sample]:  # noqa: ARG002 - the protocol's
        """Yield the temperature of every sensor, null where it gave none."""
        for label, sensor in self._sensors.items():
            yield Sample("thermal.temperature", label, celsius(sensor.read_integer()))

    def stop(self) -> None:
        """Close the sensors."""
        for sensor in self._sensors.values():
            sensor.close()
        self._sensors.clear()


def celsius(millidegrees: int | None) -> float | None:
    """Return degrees, None for what no sensor of a working chip can mean."""
    if millidegrees is None:
        return None
    degrees = millidegrees / 1000
    return degrees if COLDEST_CELSIUS <= degrees <= HOTTEST_CELSIUS else None


def _zones(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (type, file) of every thermal zone."""
    for zone in _numbered(folder, "thermal_zone*"):
        kind = read_text(zone / "type")
        if kind and (zone / "temp").exists():
            yield kind, zone / "temp"


def _hwmon(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield (chip, label, file) of every hwmon temperature."""
    for chip in _numbered(folder, "hwmon*"):
        name = read_text(chip / "name")
        for file in _numbered(chip, "temp*_input") if name else ():
            number = file.name.removesuffix("_input")
            yield name or "", read_text(chip / f"{number}_label") or "", file


def _without_repeats(
    zones: list[tuple[str, Path]], hwmon: list[tuple[str, str, Path]]
) -> list[tuple[str, Path]]:
    """Return (label, file), leaving out the hwmon twin that the kernel makes of a zone.

    The twin has the zone's type for a name, with `-` written `_` (the kernel's thermal_hwmon.c),
    and no labels.
    """
    twins = {kind.replace("-", "_") for kind, _ in zones}
    chips = [
        (f"{name} {label or file.name.removesuffix('_input')}", file)
        for name, label, file in hwmon
        if label or name not in twins
    ]
    return [*zones, *chips]


def _distinct(found: list[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    """Yield with labels told apart: the second `acpitz` becomes `acpitz #2`."""
    seen: Counter[str] = Counter()
    for label, path in found:
        seen[label] += 1
        yield (label if seen[label] == 1 else f"{label} #{seen[label]}"), path


def _numbered(folder: Path, pattern: str) -> list[Path]:
    """Return the matches in the order of their numbers; empty where there is no folder."""
    return sorted(folder.glob(pattern), key=lambda path: _number(path.name))


def _number(name: str) -> tuple[int, str]:
    digits = re.search(r"[0-9]+", name)
    return (int(digits[0]) if digits else -1, name)
