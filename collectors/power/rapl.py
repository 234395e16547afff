"""How much do the processor's packages take, by their energy counters (RAPL; Intel and AMD)?

Read as documented and recorded, not seen on hardware. `intel-rapl-mmio` counts the same package a
second time and is left out. Since Linux 5.10 root alone may read the counters (CVE-2020-8694).
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collectors.power.source import DOMAIN, TOTAL, Total, together
from probe.devices.virtual import unless_virtual
from probe.errors import NoData, OtherDevice
from probe.kernel_file import KernelFile, named, read_integer, read_text
from probe.labels import numbered
from probe.model import Device, Sample
from probe.model import Source as Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

POWERCAP: Final = "/sys/class/powercap"
ZONE: Final = re.compile(r"intel-rapl:[0-9]+(?::[0-9]+)?")
PACKAGE: Final = re.compile(r"package-[0-9]+(?:-die-[0-9]+)?")
PLATFORM: Final = "psys"
MEMORY: Final = "dram"
MOST_PACKAGE_WATTS: Final = 10_000.0
"""Ten times the largest package; more means that the counter was set back, and did not wrap."""
X86: Final = re.compile(
    r"^vendor_id\s*:\s*(?:GenuineIntel|AuthenticAMD|HygonGenuine)", re.MULTILINE
)
ALLOW: Final = (
    "run liveprobe as root, or let everyone read them until the next boot: "
    "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (others can then guess at secrets "
    "from them: CVE-2020-8694)"
)


@dataclass
class Zone:
    """An energy counter: its own name, the line it gives, and its last reading."""

    name: str
    label: str
    file: KernelFile
    span_uj: int | None
    before: tuple[int, int] | None = None

    def watts(self, t_ns: int) -> tuple[float | None, int | None]:
        """Return mean watts since the reading before, and the time in the middle of the two.

        The first reading gives no time: there is nothing to say yet.
        """
        now, before = self.file.read_integer(), self.before
        self.before = None if now is None else (t_ns, now)
        if before is None:
            return None, None if now is not None else t_ns
        middle = (before[0] + t_ns) // 2
        used = joules(before[1], now, self.span_uj)
        if used is None or t_ns <= before[0] or (used == 0 and not self.may_rest):
            return None, middle
        watts = used / ((t_ns - before[0]) / 1e9)
        return (watts if watts <= MOST_PACKAGE_WATTS else None), middle

    @property
    def may_rest(self) -> bool:
        """Whether it may use nothing for a second; a running package, its memory, cannot."""
        return not (PACKAGE.fullmatch(self.name) or self.name in {PLATFORM, MEMORY})


class Rapl:
    """Power of each domain: `package-0`, `package-0 core`, `psys`; totals are never nested."""

    every_ns = 1_000_000_000

    def __init__(self, zones: list[Zone], *, whole: bool) -> None:
        self._zones = zones
        self.lines = tuple((DOMAIN, zone.label) for zone in zones)
        self.places = {DOMAIN: Place(named(zone.file for zone in zones), self.every_ns)}
        self.facts: dict[str, object] = {}
        self._parts, self.total = _total(zones) if whole else ([], None)

    @classmethod
    def found(cls, device: Device) -> Rapl:
        """Return the counters; raises `NoData` where there are none, or none may be read."""
        folders = _zones(device.path(POWERCAP))
        if not folders:
            raise _absent(device)
        names = {folder.name: read_text(folder / "name") or folder.name for folder in folders}
        refused = []
        zones: list[Zone] = []
        with ExitStack() as opened:
            for folder, label in zip(folders, numbered(_labels(names)), strict=True):
                try:
                    file = KernelFile(folder / "energy_uj")
                except OSError as error:
                    refused.append(f"{folder / 'energy_uj'}: {error.strerror}")
                    continue
                opened.callback(file.close)
                span = read_integer(folder / "max_energy_range_uj")
                zones.append(Zone(names[folder.name], label, file, span))
            if not zones:
                raise NoData(refused[0], remedy=ALLOW)
            opened.pop_all()
        return cls(zones, whole=not refused)

    def read(self, t_ns: int) -> Iterator[Sample]:
        """Yield each domain's mean power since the reading before, stamped in between."""
        watts: dict[str, float | None] = {}
        middle = None
        for zone in self._zones:
            watts[zone.label], at = zone.watts(t_ns)
            if at is not None:
                middle = at
                yield Sample(DOMAIN, zone.label, watts[zone.label], at)
        if self.total is not None and middle is not None:
            total = together(watts[label] for label in self._parts)
            yield Sample(TOTAL, self.total.label, total, middle)

    def close(self) -> None:
        """Close the counters."""
        for zone in self._zones:
            zone.file.close()


def joules(before_uj: int, now_uj: int | None, span_uj: int | None) -> float | None:
    """Return what was used between two readings of a counter that begins anew after `span_uj`."""
    if now_uj is None or min(now_uj, before_uj) < 0:
        return None
    if span_uj is not None and max(now_uj, before_uj) > span_uj:
        return None
    used = now_uj - before_uj
    if used < 0 and span_uj is None:
        return None
    return (used + (span_uj or 0) if used < 0 else used) / 1e6


def _total(zones: list[Zone]) -> tuple[list[str], Total | None]:
    """Return the domains that make the widest sum, none of which is part of another.

    `psys` is the whole platform, packages included; a psys that never counted is not counted on.
    """
    platform = [zone for zone in zones if zone.name == PLATFORM and (zone.file.read_integer() or 0)]
    if len(platform) == 1:
        leaves = "what the board does not feed through the processor's platform domain"
        return [platform[0].label], Total("RAPL psys", "the platform", leaves)
    packages = [zone.label for zone in zones if PACKAGE.fullmatch(zone.name)]
    memories = [zone.label for zone in zones if zone.name == MEMORY]
    if not packages:
        return [], None
    what = "packages" if len(packages) > 1 else "package"
    label = f"RAPL {what} and dram" if memories else f"RAPL {what}"
    covers = f"the processor's {what}" + (" and its memory" if memories else "")
    left = "display, disks, other cards, losses of the supply"
    return [*packages, *memories], Total(label, covers, left if memories else f"memory, {left}")


def _zones(folder: Path) -> list[Path]:
    found: dict[str, Path] = {}
    for pattern in ("intel-rapl:*", "intel-rapl:*/intel-rapl:*"):
        for zone in folder.glob(pattern):
            if ZONE.fullmatch(zone.name):
                found.setdefault(zone.name, zone)
    return sorted(found.values(), key=lambda zone: [*map(int, re.findall("[0-9]+", zone.name))])


def _above(name: str) -> str:
    return name if name.count(":") == 1 else name.rpartition(":")[0]


def _labels(names: Mapping[str, str]) -> Iterator[str]:
    """Yield `package-0` for a package, `package-0 core` for a part of it."""
    for zone, name in names.items():
        above = _above(zone)
        yield name if above == zone or above not in names else f"{names[above]} {name}"


def _absent(device: Device) -> NoData:
    if X86.search(read_text(device.path("/proc/cpuinfo")) or "") is None:
        return OtherDevice("the processor has no energy counters")
    return NoData(
        f"no energy counter: {device.path(POWERCAP)}/intel-rapl:*",
        remedy=unless_virtual(
            device, "load the driver: sudo modprobe intel_rapl_msr (for AMD as well)"
        ),
    )
