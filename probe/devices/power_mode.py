"""In which power mode does a Jetson run? It caps clocks and switches cores off."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from probe.errors import NoData
from probe.kernel_file import integer
from probe.tool import ask

if TYPE_CHECKING:
    from probe.model import Device

ASKED: Final = ("nvpmodel", "-q")
TIMEOUT_S: Final = 1.5


def power_mode(device: Device) -> dict[str, Any]:
    """Return {"power_mode", "power_mode_id"}, with "power_mode_reason" where it cannot be asked."""
    try:
        return parsed(ask(device, ASKED, timeout_s=TIMEOUT_S))
    except NoData as absent:
        return {"power_mode": None, "power_mode_id": None, "power_mode_reason": absent.message}


def parsed(text: str) -> dict[str, Any]:
    """Parse what `nvpmodel -q` prints: the mode's name, and its number on a line of its own."""
    mode: dict[str, Any] = {"power_mode": None, "power_mode_id": None}
    lines = [line.strip() for line in text.splitlines()]
    for line, after in pairwise([*lines, ""]):
        key, colon, name = line.partition(":")
        if colon and key.strip() == "NV Power Mode" and name.strip():
            mode = {"power_mode": name.strip(), "power_mode_id": integer(after)}
    return mode
