"""Which hwmon chips does a device have, in an order that stays?

Their numbers follow the order in which drivers were loaded, which changes between boots; where a
chip hangs in the tree of devices does not. Labels that count (`nvme Composite #2`) count in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe.kernel_file import integer, matches, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from probe.model import Device

HWMON: Final = "/sys/class/hwmon"


def chips(device: Device) -> list[tuple[str, Path]]:
    """Return (name, folder) of every chip that says its name, by its place in the tree."""
    folders = sorted(matches(device.path(HWMON), "hwmon*"), key=_place)
    named = [(read_text(folder / "name"), folder) for folder in folders]
    return [(name, folder) for name, folder in named if name]


def _place(folder: Path) -> tuple[str, int]:
    """Return the folder that holds the chip, then its number: in a captured tree that is all."""
    number = integer(folder.name.removeprefix("hwmon")) or 0
    try:
        return str(folder.resolve().parent), number
    except (OSError, RuntimeError):  # links in a circle, in somebody's tree
        return "", number
