"""Which GPUs does a driver serve? Found by sysfs alone: nothing is opened, woken or asked.

Each DRM render node, and those that have none: of Arm's own driver (`mali`), which shows as a
devfreq device, and of Qualcomm's (KGSL). What the inventory lists as an accelerator is left to it.
A Hexagon has no file in sysfs that says so much.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypedDict

from probe.devices.accelerators import driver
from probe.devices.versions import printable
from probe.kernel_file import matches, read_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from probe.model import Device

DRM: Final = "/sys/class/drm"
DEVFREQ: Final = "/sys/class/devfreq"
KGSL: Final = "/sys/class/kgsl/kgsl-3d0"
IDS: Final = (r"PCI_ID=([0-9A-F]{4}:[0-9A-F]{4})", r"OF_COMPATIBLE_0=([\x21-\x7e]{1,60})")
"""What names a chip in its `uevent`: vendor and device on PCI, else the device tree's word."""


class Gpu(TypedDict):
    """A GPU; what sysfs does not say is None.

    `chip` is vendor and device on PCI (`1002:150e`), else as the device tree calls it.
    """

    name: str | None
    chip: str | None
    driver: str
    node: str | None


def gpus(device: Device, but: Collection[str | None] = ()) -> list[Gpu]:
    """Return every GPU that a driver serves, in a stable order, but those of the drivers `but`."""
    found: dict[Path, Gpu] = {}
    for folder, node, named in _places(device):
        bound = driver(folder)
        if bound is not None and bound not in but:
            name = printable(read_text(named))
            found.setdefault(
                _real(folder), Gpu(name=name, chip=_chip(folder), driver=bound, node=node)
            )
    return list(found.values())


def _places(device: Device) -> Iterator[tuple[Path, str | None, Path]]:
    """Yield the folder of each GPU's device, its node, and the file that may hold its name."""
    for render in matches(device.path(DRM), "renderD*"):
        folder = render / "device"
        yield folder, f"/dev/dri/{render.name}", folder / "product_name"  # amdgpu has it
    kgsl = device.path(KGSL)
    yield kgsl / "device", "/dev/kgsl-3d0", kgsl / "gpu_model"
    for gpu in matches(device.path(DEVFREQ), "*.gpu"):
        yield gpu / "device", None, gpu / "device/product_name"


def _chip(folder: Path) -> str | None:
    text = read_text(folder / "uevent") or ""
    told = (re.search(rf"^{each}$", text, re.MULTILINE) for each in IDS)
    return next((found[1].lower() for found in told if found), None)


def _real(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError):  # links in a circle, in somebody's tree
        return folder
