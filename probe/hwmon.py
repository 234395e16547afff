"""Which hwmon chips does a device have, in an order that stays?

Their numbers follow the order in which drivers were loaded, which changes between boots; where a
chip hangs in the tree of devices does not. Labels that count (`nvme Composite #2`) count in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe.kernel_file import KernelFile, integer, matches, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from probe.model import Device

HWMON: Final = "/sys/class/hwmon"


def chips(device: Device) -> list[tuple[str, Path]]:
    """Return (name, folder) of every chip that says its name, by its place in the tree."""
    folders = sorted(matches(device.path(HWMON), "hwmon*"), key=_place)
    named = [(read_text(folder / "name"), folder) for folder in folders]
    return [(name, folder) for name, folder in named if name]


def chip_file(path: Path) -> KernelFile:
    """Open a file of a chip; it is found again where its driver is bound anew, whatever its number.

    Raises `OSError` where it cannot be opened.
    """
    place, name = path.parent.resolve().parent, read_text(path.parent / "name")

    def again() -> Path | None:
        folders = [each for each in matches(place, "hwmon*") if read_text(each / "name") == name]
        return folders[0] / path.name if len(folders) == 1 else None

    return KernelFile(path, again=again)


def _place(folder: Path) -> tuple[str, int]:
    """Return the folder that holds the chip, then its number: in a captured tree that is all."""
    number = integer(folder.name.removeprefix("hwmon")) or 0
    try:
        return str(folder.resolve().parent), number
    except (OSError, RuntimeError):  # links in a circle, in somebody's tree
        return "", number
