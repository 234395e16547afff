"""Which accelerators are built in? Found by sysfs alone: nothing is opened, woken or asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from probe.clock_ranges import TEGRA_GPUS
from probe.devices.versions import firmware, version
from probe.kernel_file import matches, read_integer, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.model import Device


class Accelerator(TypedDict):
    """A part that can run models; what is not known or not bound is None.

    `version_source` is the file that states `version`, `sram_source` who states `sram_bytes` (the
    memory on the chip that holds weights and activations). `remedy` says what a missing driver
    needs, and is None where there is one, or where none is needed. `link` is what a card on PCIe
    negotiated (`PCIe Gen 3 x1`): a slower one than it can take changes its frames per second.
    """

    name: str
    driver: str | None
    node: str | None
    version: str | None
    version_source: str | None
    firmware: str | None
    link: str | None
    sram_bytes: int | None
    sram_source: str | None
    remedy: str | None


class Part(NamedTuple):
    """What is known of a part by its ids: name, class folder of its node, driver, memory.

    `card` is of a part whose link is another one in another slot, and the same at rest and at work.
    """

    name: str
    folder: str = ""
    remedy: str = ""
    sram: tuple[int, str] | None = None
    card: bool = False


CORAL_SRAM: Final = (8_000_000, "coral.ai/docs/edgetpu/compiler: roughly 8 MB")
XDNA_SRAM: Final = (8 * 512 * 1024, "AMD, mlir-aie: 8 memory tiles of 512 KB")
PHOENIX_SRAM: Final = (4 * 512 * 1024, "AMD, mlir-aie: 4 memory tiles of 512 KB")
RK3588_SRAM: Final = (384 * 1024, "RK3588 TRM, 36.1: 384 KB in each of 3 cores; a context uses one")
"""Hailo and Intel publish no figure, and the caches of GPUs hold no weights: none is stated."""
HAILO_8: Final = "sudo apt install hailo-all, then boot again"
HAILO_10: Final = "sudo apt install hailo-h10-all, then boot again"
APEX: Final = "install gasket-dkms (the driver `apex`) and libedgetpu1-std"
NPU: Final = "boot a kernel with intel_vpu (6.3 or newer), and install its firmware"
XDNA: Final = "boot a kernel with amdxdna (6.14 or newer), or install AMD's xdna-driver"
PCI: Final = {
    ("0x1e60", "0x2864"): Part("Hailo-8 or 8L", "/sys/class/hailo_chardev", HAILO_8, card=True),
    ("0x1e60", "0x45c4"): Part("Hailo-10H", "/sys/class/hailo_chardev", HAILO_10, card=True),
    ("0x1ac1", "0x089a"): Part("Coral Edge TPU (PCIe)", "/sys/class/apex", APEX, CORAL_SRAM, True),
    ("0x8086", "0x7d1d"): Part("Intel NPU (Meteor Lake)", "/sys/class/accel", NPU),
    ("0x8086", "0xad1d"): Part("Intel NPU (Arrow Lake)", "/sys/class/accel", NPU),
    ("0x8086", "0x643e"): Part("Intel NPU (Lunar Lake)", "/sys/class/accel", NPU),
    ("0x8086", "0xb03e"): Part("Intel NPU (Panther Lake)", "/sys/class/accel", NPU),
    ("0x1022", "0x1502"): Part(
        "AMD XDNA NPU (Phoenix, Hawk Point)", "/sys/class/accel", XDNA, PHOENIX_SRAM
    ),
    ("0x1022", "0x17f0"): Part(
        "AMD XDNA NPU (Strix, Krackan)", "/sys/class/accel", XDNA, XDNA_SRAM
    ),
}
"""(vendor, device) to what the part is (drivers' own id tables)."""
CORAL_USB: Final = {("1a6e", "089a"), ("18d1", "9302")}
"""Before and after the first use: the stick enumerates anew (libedgetpu)."""
GENERATIONS: Final = {"2.5": 1, "5.0": 2, "5": 2, "8.0": 3, "8": 3, "16.0": 4, "32.0": 5}
"""GT/s of a lane by generation of PCIe; older kernels leave out the zero."""
NVIDIA: Final = "0x10de"
NVIDIA_DRIVER: Final = "install NVIDIA's driver (Ubuntu: sudo ubuntu-drivers install)"
DISPLAY_CLASS: Final = "0x03"
JETSONS: Final = {
    "nvidia,tegra210": "Nano, TX1", "nvidia,tegra186": "TX2", "nvidia,tegra194": "Xavier",
    "nvidia,tegra234": "Orin", "nvidia,tegra264": "Thor",
}  # fmt: skip
RKNPU: Final = "boot the board's vendor kernel (RKNPU), or mainline 6.18 or newer (rocket)"


def accelerators(device: Device) -> list[Accelerator]:
    """Return every accelerator that sysfs shows, in a stable order."""
    return [*_on_pci(device), *_on_usb(device), *_on_chip(device)]


def _on_pci(device: Device) -> Iterator[Accelerator]:
    for slot in matches(device.path("/sys/bus/pci/devices"), "*"):
        key = (read_text(slot / "vendor") or "", read_text(slot / "device") or "")
        if key in PCI:
            yield _entry(device, PCI[key], slot, _node(device, PCI[key].folder, slot))
        elif key[0] == NVIDIA and (read_text(slot / "class") or "").startswith(DISPLAY_CLASS):
            name = _nvidia_model(device, slot.name) or "NVIDIA GPU"
            yield _entry(device, Part(name, remedy=NVIDIA_DRIVER), slot)


def _on_usb(device: Device) -> Iterator[Accelerator]:
    """Yield Coral sticks: libedgetpu drives them over USB, without a driver of the kernel."""
    for port in matches(device.path("/sys/bus/usb/devices"), "*"):
        if (read_text(port / "idVendor"), read_text(port / "idProduct")) in CORAL_USB:
            found = _entry(device, Part("Coral Edge TPU (USB)", sram=CORAL_SRAM), None)
            library = next(iter(matches(device.path("/usr/lib"), "*/libedgetpu.so.1")), None)
            if library is None:
                found["remedy"] = "install libedgetpu1-std: it drives the stick over USB"
            else:
                found["driver"] = "libedgetpu (over USB)"
            yield found


def _on_chip(device: Device) -> Iterator[Accelerator]:
    """Yield what is part of the system-on-chip: Rockchip's NPU, Jetson's GPU."""
    compatible = device_tree_list(device, "compatible")
    sram = RK3588_SRAM if any(each.startswith("rockchip,rk3588") for each in compatible) else None
    rockchip = Part("Rockchip NPU", remedy=RKNPU, sram=sram)
    for npu in matches(device.path("/sys/class/devfreq"), "*.npu"):
        yield _entry(device, rockchip, npu / "device")
    for accel in matches(device.path("/sys/class/accel"), "accel*"):
        if driver(accel / "device") == "rocket":
            yield _entry(device, rockchip, accel / "device", f"/dev/accel/{accel.name}")
    for chip, family in JETSONS.items():
        if chip in compatible:
            gpu = next(iter(_tegra_gpus(device)), None)
            name = f"NVIDIA Jetson GPU ({family})"
            yield _entry(device, Part(name, remedy="flash NVIDIA's Jetson Linux"), gpu)


def _tegra_gpus(device: Device) -> Iterator[Path]:
    for entry in matches(device.path("/sys/class/devfreq"), "*"):
        if read_text(entry / "device/of_node/name") in TEGRA_GPUS:
            yield entry / "device"


def _entry(device: Device, part: Part, slot: Path | None, node: str | None = None) -> Accelerator:
    """Put together what is known of a part; `slot` is its folder in sysfs."""
    bound = driver(slot) if slot is not None else None
    stated, source = version(device, bound, slot) if slot is not None else (None, None)
    sram_bytes, sram_source = part.sram or (None, None)
    return Accelerator(
        name=part.name,
        driver=bound,
        node=node,
        version=stated,
        version_source=source,
        firmware=firmware(slot) if slot is not None else None,
        link=_link(slot) if slot is not None and part.card else None,
        sram_bytes=sram_bytes,
        sram_source=sram_source,
        remedy=None if bound or not part.remedy else part.remedy,
    )


def _link(slot: Path) -> str | None:
    """Return the negotiated generation and width (kernel: ABI/testing/sysfs-bus-pci)."""
    speed = (read_text(slot / "current_link_speed") or "").partition(" ")[0]
    width = read_integer(slot / "current_link_width")
    return f"PCIe Gen {GENERATIONS[speed]} x{width}" if speed in GENERATIONS and width else None


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
    for entry in matches(device.path(folder), "*"):
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
