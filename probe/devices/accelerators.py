"""Which accelerators are built in? Found by sysfs alone: nothing is opened, woken or asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypedDict

from probe.kernel_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.model import Device


class Accelerator(TypedDict):
    """A part that can run models; `driver` and `node` are None where none is bound."""

    name: str
    driver: str | None
    node: str | None


PCI: Final = {
    ("0x1e60", "0x2864"): ("Hailo-8 or 8L", "/sys/class/hailo_chardev"),
    ("0x1e60", "0x45c4"): ("Hailo-10H", "/sys/class/hailo_chardev"),
    ("0x1ac1", "0x089a"): ("Coral Edge TPU (PCIe)", "/sys/class/apex"),
    ("0x8086", "0x7d1d"): ("Intel NPU (Meteor Lake)", "/sys/class/accel"),
    ("0x8086", "0xad1d"): ("Intel NPU (Arrow Lake)", "/sys/class/accel"),
    ("0x8086", "0x643e"): ("Intel NPU (Lunar Lake)", "/sys/class/accel"),
    ("0x8086", "0xb03e"): ("Intel NPU (Panther Lake)", "/sys/class/accel"),
    ("0x1022", "0x1502"): ("AMD XDNA NPU (Phoenix, Hawk Point)", "/sys/class/accel"),
    ("0x1022", "0x17f0"): ("AMD XDNA NPU (Strix, Krackan)", "/sys/class/accel"),
}
"""(vendor, device) to the name and the class folder of its node (drivers' own id tables)."""
CORAL_USB: Final = {("1a6e", "089a"), ("18d1", "9302")}
"""Before and after the first use: the stick enumerates anew (libedgetpu)."""
NVIDIA: Final = "0x10de"
DISPLAY_CLASS: Final = "0x03"
JETSONS: Final = {"nvidia,tegra194": "Xavier", "nvidia,tegra234": "Orin", "nvidia,tegra264": "Thor"}


def accelerators(device: Device) -> list[Accelerator]:
    """Return every accelerator that sysfs shows, in a stable order."""
    return [*_on_pci(device), *_on_usb(device), *_on_chip(device)]


def _on_pci(device: Device) -> Iterator[Accelerator]:
    for slot in sorted(device.path("/sys/bus/pci/devices").glob("*")):
        key = (read_text(slot / "vendor") or "", read_text(slot / "device") or "")
        if key in PCI:
            name, folder = PCI[key]
            yield Accelerator(name=name, driver=driver(slot), node=_node(device, folder, slot))
        elif key[0] == NVIDIA and (read_text(slot / "class") or "").startswith(DISPLAY_CLASS):
            name = _nvidia_model(device, slot.name) or "NVIDIA GPU"
            yield Accelerator(name=name, driver=driver(slot), node=None)


def _on_usb(device: Device) -> Iterator[Accelerator]:
    for port in sorted(device.path("/sys/bus/usb/devices").glob("*")):
        if (read_text(port / "idVendor"), read_text(port / "idProduct")) in CORAL_USB:
            yield Accelerator(name="Coral Edge TPU (USB)", driver=None, node=None)


def _on_chip(device: Device) -> Iterator[Accelerator]:
    """Yield what is part of the system-on-chip: Rockchip's NPU, Jetson's GPU."""
    compatible = device_tree_list(device, "compatible")
    for npu in sorted(device.path("/sys/class/devfreq").glob("*.npu")):
        yield Accelerator(name="Rockchip NPU", driver=driver(npu / "device"), node=None)
    for accel in sorted(device.path("/sys/class/accel").glob("accel*")):
        if driver(accel / "device") == "rocket":
            yield Accelerator(name="Rockchip NPU", driver="rocket", node=f"/dev/accel/{accel.name}")
    for chip, family in JETSONS.items():
        if chip in compatible:
            yield Accelerator(name=f"NVIDIA Jetson GPU ({family})", driver=None, node=None)


def driver(folder: Path) -> str | None:
    """Return the name of the driver that is bound to a device of sysfs."""
    found = re.search(r"^DRIVER=(\S+)$", read_text(folder / "uevent") or "", re.MULTILINE)
    return found[1] if found else None


def device_tree_list(device: Device, name: str) -> list[str]:
    """Return a property of the device tree's root that holds several texts (NUL between them)."""
    text = read_text(device.path(f"/proc/device-tree/{name}"))
    return [part for part in (text or "").split("\0") if part]


def _node(device: Device, folder: str, slot: Path) -> str | None:
    """Return the device node that the driver made for a PCI slot."""
    for entry in sorted(device.path(folder).glob("*")):
        uevent = read_text(entry / "device" / "uevent") or ""
        place = read_text(entry / "board_location")
        if slot.name == place or f"PCI_SLOT_NAME={slot.name}" in uevent.splitlines():
            return f"/dev/accel/{entry.name}" if folder.endswith("accel") else f"/dev/{entry.name}"
    return None


def _nvidia_model(device: Device, slot: str) -> str | None:
    """Return the model that NVIDIA's driver states; the UUID beside it is left alone."""
    text = read_text(device.path(f"/proc/driver/nvidia/gpus/{slot}/information")) or ""
    found = re.search(r"^Model:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else None
