"""Which Hailo chips are on PCI, with which driver and link? Read from sysfs, once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.errors import NoData
from probe.kernel_file import integer, read_text
from probe.tool import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.model import Device

VENDOR: Final = "0x1e60"
TEN: Final = "Hailo-10H"
NAMES: Final = {"0x2864": "Hailo-8 or 8L", "0x45c4": TEN}
"""A Hailo-8L has the id of a Hailo-8; only the firmware tells them apart."""
PACKAGES: Final = {"0x2864": "hailo-all", "0x45c4": "hailo-h10-all"}
LINK: Final = ("current_link_speed", "current_link_width", "max_link_speed", "max_link_width")

IDENTIFY: Final = ("hailortcli", "fw-control", "identify")
IDENTIFIED: Final = {
    "architecture": re.compile(r"^Device Architecture: ([A-Za-z0-9]{1,40})$", re.MULTILINE),
    "firmware": re.compile(r"^Firmware Version: ([0-9.]{1,40})(?: .*)?$", re.MULTILINE),
}
"""Of what the firmware says of itself; the serial number beside them is left alone."""


@dataclass(frozen=True)
class Chip:
    """A chip by its PCI address (`0001:01:00.0`, which differs between kernels)."""

    name: str
    package: str
    address: str
    driver: str | None
    speed: str | None
    width: int | None
    highest_speed: str | None
    widest: int | None

    def facts(self) -> dict[str, Any]:
        """Return it as JSON, without the address; speeds as the kernel writes them."""
        return {
            "name": self.name,
            "driver": self.driver,
            "link_speed": self.speed,
            "link_width": self.width,
            "link_speed_most": self.highest_speed,
            "link_width_most": self.widest,
        }


def chips(device: Device) -> list[Chip]:
    """Return every Hailo on PCI, in the order of the addresses."""
    return list(_found(device))


def identified(device: Device) -> dict[str, str]:
    """Return what the firmware says of the first chip; empty where its tool does not answer."""
    try:
        text = ask(device, IDENTIFY, timeout_s=1.0)
    except NoData:
        return {}
    found = {name: pattern.search(text) for name, pattern in IDENTIFIED.items()}
    return {name: match[1] for name, match in found.items() if match}


def _found(device: Device) -> Iterator[Chip]:
    for slot in sorted(device.path("/sys/bus/pci/devices").glob("*")):
        if read_text(slot / "vendor") != VENDOR:
            continue
        kind = read_text(slot / "device") or ""
        if kind in NAMES:
            speed, width, highest, widest = (read_text(slot / each) for each in LINK)
            driver = _driver(slot) or _node_driver(device, slot.name)
            yield Chip(NAMES[kind], PACKAGES[kind], slot.name, driver, speed, integer(width),
                       highest, integer(widest))  # fmt: skip


def _driver(slot: Path) -> str | None:
    found = re.search(r"^DRIVER=(\S+)$", read_text(slot / "uevent") or "", re.MULTILINE)
    return found[1] if found else None


def _node_driver(device: Device, address: str) -> str | None:
    """Return the class of the node that a driver made for the chip."""
    for node in sorted(device.path("/sys/class/hailo_chardev").glob("*")):
        if read_text(node / "board_location") == address:
            return "hailo_chardev"
    return None
