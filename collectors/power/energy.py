"""How much do chips take that count energy and state no power, in hwmon `energy*_input` (uJ)?

Read as documented (kernel: hwmon/sysfs-interface), not seen on hardware.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from collectors.power.rapl import Zone
from collectors.power.source import RAIL, Total
from probe.errors import NoData, OtherDevice
from probe.hwmon import chip_file, chips
from probe.kernel_file import matches, named, read_text
from probe.labels import numbered
from probe.model import Device, Sample
from probe.model import Source as Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Energies:
    """Mean power of each counter since the reading before; which part it covers is its label's."""

    every_ns = 1_000_000_000
    total: Total | None = None

    def __init__(self, zones: list[Zone]) -> None:
        self._zones = zones
        self.lines = tuple((RAIL, zone.label) for zone in zones)
        self.places = {RAIL: Place(named(zone.file for zone in zones), self.every_ns)}
        self.facts: dict[str, object] = {}

    @classmethod
    def found(cls, device: Device) -> Energies:
        """Return the counters; raises `OtherDevice` without any, `NoData` without the right."""
        every = list(_files(device))
        if not every:
            raise OtherDevice("no chip counts its energy")
        zones: list[Zone] = []
        refused = []
        labels = numbered(label for label, _ in every)
        with ExitStack() as opened:
            for label, (_, path) in zip(labels, every, strict=True):
                try:
                    file = chip_file(path)
                except OSError as error:
                    refused.append(f"{path}: {error.strerror}")
                    continue
                opened.callback(file.close)
                zones.append(Zone(label, label, file, None))
            if not zones:
                raise NoData(
                    refused[0], remedy="run liveprobe as root, or where /sys is not masked"
                )
            opened.pop_all()
        return cls(zones)

    def read(self, t_ns: int) -> Iterator[Sample]:
        """Yield each counter's mean power since the reading before, stamped in between."""
        for zone in self._zones:
            watts, at = zone.watts(t_ns)
            if at is not None:
                yield Sample(RAIL, zone.label, watts, at)

    def close(self) -> None:
        """Close the counters."""
        for zone in self._zones:
            zone.file.close()


def _files(device: Device) -> Iterator[tuple[str, Path]]:
    """Yield (label, file) of each counter of a chip that states no power itself."""
    for name, chip in chips(device):
        if not matches(chip, "power*_input") + matches(chip, "power*_average"):
            for file in matches(chip, "energy*_input"):
                part = file.name.removesuffix("_input")
                yield f"{name} {read_text(chip / f'{part}_label') or part}", file
