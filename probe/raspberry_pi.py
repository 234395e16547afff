"""Is it a Raspberry Pi, and how is its firmware asked?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probe.asking import Asking
from probe.errors import OtherDevice
from probe.kernel_file import read_text
from probe.tool import ask

if TYPE_CHECKING:
    from probe.model import Device


def is_raspberry_pi(device: Device) -> bool:
    """Say whether the device tree calls it so."""
    return (read_text(device.path("/proc/device-tree/model")) or "").startswith("Raspberry Pi")


def firmware(device: Device, *words: str) -> Asking[str]:
    """Return the firmware to be asked with `words`; raises `OtherDevice` elsewhere."""
    if not is_raspberry_pi(device):
        raise OtherDevice("not a Raspberry Pi")
    return Asking(device, lambda over: ask(device, words, over=over))
