"""Which temperature sensors are there, under which names?

Known by type, name and label, never by their number, which changes between boots and kernels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from probe.hwmon import chip_file, chips
from probe.kernel_file import KernelFile, matches, read_integer, read_text
from probe.labels import numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from probe.model import Device

ZONES: Final = "/sys/class/thermal"
REPEATS: Final = ("", "temp")
"""Labels of what a zone of the chip's name says as well."""


def sensors(device: Device) -> list[tuple[str, Path]]:
    """Return (label, file) of every sensor of thermal zones and hwmon, each once."""
    zones, chips = _zones(device.path(ZONES)), _hwmon(device)
    return list(distinct(_without_repeats(list(zones), list(chips))))


def fans(device: Device) -> list[tuple[str, Path]]:
    """Return (label, file) of every fan that says how fast it turns."""
    found = [
        (f"{name} {label or file.name.removesuffix('_input')}", file)
        for name, label, file in _hwmon(device, "fan")
    ]
    return list(distinct(found))


def opened(path: Path) -> KernelFile:
    """Open a sensor so that it is found again where its driver is bound anew.

    Raises `OSError` where it cannot be opened.
    """
    zone = path.parent
    kind = read_text(zone / "type")
    if path.name != "temp" or kind is None:
        return chip_file(path)

    def again() -> Path | None:
        zones = matches(zone.parent, "thermal_zone*")
        found = [each for each in zones if read_text(each / "type") == kind]
        return found[0] / path.name if len(found) == 1 else None

    return KernelFile(path, again=again)


def trip_points(device: Device) -> dict[str, dict[str, int]]:
    """Return the trip points of each zone: its label to {type: millidegrees}.

    A zone may have several of a type; the lowest counts.
    """
    points: dict[str, dict[str, int]] = {}
    labels = distinct((kind, file.parent) for kind, file in _zones(device.path(ZONES)))
    for label, zone in labels:
        for file in _numbered(zone, "trip_point_*_temp"):
            kind = read_text(zone / f"{file.name.removesuffix('temp')}type")
            value = read_integer(file)
            if kind and value is not None:
                known = points.setdefault(label, {})
                known[kind] = min(value, known.get(kind, value))
    return points


def _zones(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (type, file) of every thermal zone."""
    for zone in _numbered(folder, "thermal_zone*"):
        kind = read_text(zone / "type")
        if kind and (zone / "temp").exists():
            yield kind, zone / "temp"


def _hwmon(device: Device, kind: str = "temp") -> Iterator[tuple[str, str, Path]]:
    """Yield (chip, label, file) of every hwmon sensor of a kind."""
    for name, chip in chips(device):
        for file in _numbered(chip, f"{kind}*_input"):
            number = file.name.removesuffix("_input")
            yield name, read_text(chip / f"{number}_label") or "", file


def _without_repeats(
    zones: list[tuple[str, Path]], hwmon: list[tuple[str, str, Path]]
) -> list[tuple[str, Path]]:
    """Return (label, file), leaving out the hwmon twins that the kernel makes of a zone.

    A twin has the zone's type for a name, with `-` written `_` (the kernel's thermal_hwmon.c), and
    no label. A battery has a second one, with the label "temp" (power_supply_hwmon.c).
    """
    twins = {kind.replace("-", "_") for kind, _ in zones}
    chips = [
        (f"{name} {label or file.name.removesuffix('_input')}", file)
        for name, label, file in hwmon
        if label not in REPEATS or name not in twins
    ]
    return [*zones, *chips]


def distinct(found: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    """Yield with labels told apart: the second `acpitz` becomes `acpitz #2`."""
    every = list(found)
    yield from zip(numbered(label for label, _ in every), (path for _, path in every), strict=True)


def _numbered(folder: Path, pattern: str) -> list[Path]:
    """Return the matches in the order of their numbers; empty where there is no folder."""
    return sorted(folder.glob(pattern), key=lambda path: _number(path.name))


def _number(name: str) -> tuple[int, str]:
    digits = re.search(r"[0-9]+", name)
    return (int(digits[0]) if digits else -1, name)
