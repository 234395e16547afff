"""Of which version are the driver and the firmware of an accelerator, and which file says so?

A driver that is part of the kernel states none: its version is the kernel's. Read in the documented
formats; not seen on hardware.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from probe.errors import NoData
from probe.kernel_file import read_text
from probe.tool import ask

if TYPE_CHECKING:
    from pathlib import Path

    from probe.model import Device

NVIDIA: Final = ("/proc/driver/nvidia/version", r"Kernel Module(?: for \S+)?\s+([0-9][0-9.]+)")
TEGRA: Final = ("/etc/nv_tegra_release", r"^# (R[0-9]+) \(release\), REVISION: ([0-9.]+)")
RKNPU: Final = r"RKNPU driver: v?([0-9][0-9.]*)"
STATED: Final = {
    "nvidia": (NVIDIA,),
    "gk20a": (TEGRA,),
    "nvgpu": (TEGRA,),
    "RKNPU": (("/sys/kernel/debug/rknpu/version", RKNPU), ("/proc/rknpu/version", RKNPU)),
}
"""Driver to the files that state its version in words, and where in them."""
LONGEST: Final = 40
IDENTIFY: Final = ("hailortcli", "fw-control", "identify")


def version(device: Device, driver: str | None, slot: Path) -> tuple[str | None, str | None]:
    """Return the driver's version and the file that states it, (None, None) where none does."""
    if driver is None:
        return None, None
    for name in _modules(driver, slot):
        file = f"/sys/module/{name}/version"
        text = printable(read_text(device.path(file)))
        if text is not None:
            return text, file
    for file, pattern in STATED.get(driver, ()):
        found = re.search(pattern, read_text(device.path(file)) or "", re.MULTILINE)
        if found:
            return ".".join(found.groups()), file
    return None, None


def firmware(slot: Path) -> str | None:
    """Return the firmware's version where its driver states one (amdxdna: `fw_version`)."""
    return printable(read_text(slot / "fw_version"))


def identified(device: Device) -> tuple[str | None, str | None]:
    """Return which Hailo it is and its firmware, as `hailortcli` says; None where it says neither.

    The PCI ids of a Hailo-8 and an 8L are the same. It opens the chip: nothing for during a run.
    """
    try:
        text = ask(device, IDENTIFY)
    except NoData:
        return None, None
    chip = re.search(r"^Device Architecture: HAILO([0-9]+[A-Z]?)\s*$", text, re.MULTILINE)
    stated = re.search(r"^Firmware Version: ([0-9][0-9.]*)", text, re.MULTILINE)
    return f"Hailo-{chip[1]}" if chip else None, stated[1] if stated else None


def _modules(driver: str, slot: Path) -> list[str]:
    """Return the names that the driver's module may have: as sysfs links it, and the driver's."""
    linked = os.path.realpath(slot / "driver" / "module").rpartition("/")[2]
    return [linked, driver.replace("-", "_")] if linked != "module" else [driver.replace("-", "_")]


def printable(text: str | None) -> str | None:
    """Return a short printable line, None for anything else."""
    found = re.fullmatch(r"[\x21-\x7e][\x20-\x7e]*", text or "")
    return found[0] if found and len(found[0]) <= LONGEST else None
