"""Which temperatures does a collector believe? Those that a chip at work can have."""

from __future__ import annotations

from typing import Final

COLDEST: Final = -55.0
HOTTEST: Final = 150.0
"""Silicon is specified within these; beyond stand sentinels: -256 (Jetson, sensor off), -274 (the
kernel's THERMAL_TEMP_INVALID), -89.7 (a Coral that fell off the bus), 255 (an unconnected input),
and those of 32 bits."""


def believed(celsius: float | None) -> float | None:
    """Return degrees, None for what no sensor of a working chip can mean."""
    return celsius if celsius is not None and COLDEST <= celsius <= HOTTEST else None


def of_milli(millidegrees: int | None) -> float | None:
    """Return degrees of the kernel's thousandths, None for what no such sensor can mean."""
    return None if millidegrees is None else believed(millidegrees / 1000)
