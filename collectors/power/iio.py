"""What do the rails of an old Jetson say? NVIDIA's own driver of the INA3221, to Jetson Linux 32.

It is no hwmon: `/sys/bus/i2c/drivers/ina3221x/<bus-address>/iio:device<N>/` has `rail_name_<n>` and
`in_power<n>_input` in mW for n from 0 to 2 (NVIDIA's developer guide, power management). Read as
documented, not seen on hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe.kernel_file import matches, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.model import Device

DRIVER: Final = "/sys/bus/i2c/drivers/ina3221x"
CHANNELS: Final = (0, 1, 2)
UNUSED: Final = "NC"
MICRO: Final = 1000
"""Microwatts of a milliwatt."""


def rails(device: Device) -> Iterator[tuple[str, Path]]:
    """Yield (name, file) of each rail that has a name: what is not wired up has none."""
    for chip in matches(device.path(DRIVER), "*-*"):
        folder = next(iter(matches(chip, "iio[:_]device*")), chip)
        for channel in CHANNELS:
            name, file = read_text(folder / f"rail_name_{channel}"), folder / _power(channel)
            if name and name.upper() != UNUSED and file.exists():
                yield name, file


def _power(channel: int) -> str:
    return f"in_power{channel}_input"
