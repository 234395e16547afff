"""Asks Hailo chips for temperature and power: a script for a process of its own.

Run by any Python that has `hailo_platform`, so it uses nothing of liveprobe's. Its arguments are
PCI addresses. For every byte on stdin it writes a line of JSON on stdout: the time of the reading
(`t_ns`, CLOCK_MONOTONIC) and of each chip its architecture, `ts0`, `ts1` (celsius), `watts`, and
`errors` by quantity. It ends with its stdin.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


class Chip:
    """A chip that may refuse any question; what it refused is an error, and no value."""

    def __init__(self, address: str) -> None:
        self._device: Any = None
        self._architecture: str | None = None
        self._errors: dict[str, str] = {}
        try:
            from hailo_platform import Device  # type: ignore[import-not-found,unused-ignore]

            self._device = Device(address)
        except Exception as error:  # noqa: BLE001 - a broken installation fails in many ways
            self._errors["device"] = told(error)
            return
        try:
            kind = self._device.control.identify().device_architecture
            self._architecture = str(kind).rsplit(".", 1)[-1].upper()
        except Exception as error:  # noqa: BLE001 - HailoRT's own classes differ between versions
            self._errors["architecture"] = told(error)
        try:
            if not measures_power(self._device):
                self._errors["power"] = "the module has no power sensor"
        except Exception as error:  # noqa: BLE001 - likewise
            self._errors["power"] = told(error)

    def answers(self) -> dict[str, Any]:
        """Return what the chip says now."""
        found: dict[str, Any] = {"architecture": self._architecture, "errors": dict(self._errors)}
        if self._device is None:
            return found
        try:
            read = self._device.control.get_chip_temperature()
            found["ts0"], found["ts1"] = float(read.ts0_temperature), float(read.ts1_temperature)
        except Exception as error:  # noqa: BLE001 - likewise
            found["errors"]["temperature"] = told(error)
        if "power" not in self._errors:
            try:
                found["watts"] = float(self._device.control.power_measurement())
            except Exception as error:  # noqa: BLE001 - likewise
                # A refusal is for good, and HailoRT logs each one.
                self._errors["power"] = found["errors"]["power"] = told(error)
        return found

    def release(self) -> None:
        """Give the chip back."""
        if self._device is not None:
            self._device.release()


def measures_power(device: Any) -> bool:  # noqa: ANN401 - hailo_platform states no types
    """Say whether the module has the sensor; asking one that has none is logged as an error."""
    features = device.control.get_extended_device_information().supported_features
    names = ("current_monitoring", "power_measurement")
    return any(bool(getattr(features, name, False)) for name in names)


def told(error: Exception) -> str:
    """Return an error in a few words."""
    return f"{type(error).__name__}: {error}"[:200]


def main(addresses: list[str]) -> None:
    """Answer until stdin ends; what HailoRT itself prints goes nowhere."""
    beside = str(Path(__file__).resolve().parent)  # modules of ours, nothing to import from here
    sys.path[:] = [each for each in sys.path if each not in {"", beside}]
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    chips: dict[str, Chip] = {}
    while os.read(0, 1):
        for address in addresses:
            if address not in chips:
                chips[address] = Chip(address)
        told_now = {address: chip.answers() for address, chip in chips.items()}
        document = {"t_ns": time.monotonic_ns(), "chips": told_now}
        os.write(out, json.dumps(document).encode() + b"\n")
    for chip in chips.values():
        chip.release()


if __name__ == "__main__":
    main(sys.argv[1:])
