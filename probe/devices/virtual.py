"""Is a hypervisor below? It hides sensors, clocks and counters, whatever is loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from probe.devices.accelerators import device_tree_list
from probe.devices.processors import processor
from probe.kernel_file import read_text

if TYPE_CHECKING:
    from probe.model import Device

DMI: Final = "/sys/class/dmi/id"
HYPERVISORS: Final = (
    "kvm", "qemu", "vmware", "virtualbox", "xen", "bochs", "virtual machine", "hvm",
    "google compute engine", "amazon ec2", "parallels", "bhyve",
)  # fmt: skip
"""What vendor and product of DMI say in virtual machines."""
BELOW: Final = ("/proc/device-tree/hypervisor", "/sys/hypervisor/type")
INSTEAD: Final = "measure on the device itself: a virtual machine hides it"


def virtualised(device: Device) -> bool | None:
    """Say whether a hypervisor is below; None where nothing tells."""
    stated = [read_text(device.path(f"{DMI}/{field}")) for field in ("sys_vendor", "product_name")]
    text = " ".join(filter(None, stated)).lower()
    compatible = device_tree_list(device, "compatible")
    if any(word in text for word in HYPERVISORS) or "linux,dummy-virt" in compatible:
        return True
    if any(os.path.exists(device.path(each)) for each in BELOW):  # noqa: PTH110 - raises never
        return True
    flags = processor(device).flags
    if flags is not None:
        return "hypervisor" in flags
    return False if compatible or text else None


def unless_virtual(device: Device, remedy: str) -> str:
    """Return a remedy; in a virtual machine, where it would not help, what to do instead."""
    return INSTEAD if virtualised(device) else remedy
