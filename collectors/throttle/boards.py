"""What do a board's own firmware and sensors say of being held back?

Raspberry Pi, Jetson, Coral: read as documented and recorded, not seen on hardware.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from probe.celsius import of_milli
from probe.errors import NoData, OtherDevice
from probe.hwmon import chips
from probe.kernel_file import KernelFile, read_integer
from probe.model import Device, Sample
from probe.raspberry_pi import firmware

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.asking import Asking

THROTTLED: Final = ("vcgencmd", "get_throttled")
ANSWER: Final = re.compile(r"throttled=0x([0-9a-fA-F]{1,8})")
FLAGS: Final = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
"""Bits 0 to 3: now. The same 16 places further: has occurred since the boot (vcgencmd's
documentation)."""
OCCURRED: Final = 16
OVER_CURRENT: Final = {
    "oc1_event_cnt": "under-voltage",
    "oc2_event_cnt": "average over-current",
    "oc3_event_cnt": "instantaneous over-current",
}
TRIPS: Final = 3


class Firmware:
    """Flags of the Raspberry Pi's firmware: 1 while set, or since they newly occurred."""

    def __init__(self, asking: Asking[str], before: int) -> None:
        self._asking = asking
        self._before = before
        self.occurred_before = [
            label for bit, label in enumerate(FLAGS) if before & 1 << (bit + OCCURRED)
        ]

    @classmethod
    def found(cls, device: Device) -> Firmware:
        """Return the firmware of a Raspberry Pi; raises `NoData` where it does not answer."""
        asking = firmware(device, *THROTTLED)
        text = asking.first()
        before = flags(text)
        if before is None:
            asking.close()
            raise NoData(
                f"{' '.join(THROTTLED)}: {text[:80]!r} is no answer", remedy="update the firmware"
            )
        return cls(asking, before)

    def read(self) -> Iterator[Sample]:
        """Yield what the firmware answered; None for every flag where it did not."""
        answer = self._asking.newest()
        if answer is None:
            return
        now = flags(answer.value or "")
        for bit, label in enumerate(FLAGS):
            value = None if now is None else float(is_set(bit, self._before, now))
            yield Sample("throttle.firmware", label, value, answer.t_ns)

    def close(self) -> None:
        """Ask no more."""
        self._asking.close()


class Voltage:
    """The alarm of the Raspberry Pi's supply, which the driver polls."""

    def __init__(self, file: KernelFile) -> None:
        self._file = file

    @classmethod
    def found(cls, device: Device) -> Voltage:
        """Return the alarm of the sensor `rpi_volt`; raises `OtherDevice` without one."""
        for folder in _hwmon(device, "rpi_volt"):
            with suppress(OSError):
                return cls(KernelFile(folder / "in0_lcrit_alarm"))
        raise OtherDevice("no sensor rpi_volt")

    def read(self) -> Iterator[Sample]:
        """Yield the alarm, 0 or 1."""
        value = self._file.read_integer()
        yield Sample("throttle.voltage", "supply", float(value) if value in {0, 1} else None)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class OverCurrent:
    """Events of over-current of a Jetson since the start of the run."""

    def __init__(self, counters: dict[str, tuple[KernelFile, int]]) -> None:
        self._counters = counters

    @classmethod
    def found(cls, device: Device) -> OverCurrent:
        """Return the counters of the sensor `soctherm_oc`; raises `OtherDevice` without one."""
        counters = {}
        for folder in _hwmon(device, "soctherm_oc"):
            for name, label in OVER_CURRENT.items():
                before = read_integer(folder / name)
                if before is not None and label not in counters:  # of the first chip
                    with suppress(OSError):
                        counters[label] = (KernelFile(folder / name), before)
        if not counters:
            raise OtherDevice("no sensor soctherm_oc")
        return cls(counters)

    def read(self) -> Iterator[Sample]:
        """Yield the events since the start; a counter that went back is missing."""
        for label, (file, before) in self._counters.items():
            now = file.read_integer()
            known = now is not None and now >= before
            yield Sample("throttle.over_current", label, float((now or 0) - before)
                         if known else None)  # fmt: skip

    def close(self) -> None:
        """Close the files."""
        for file, _ in self._counters.values():
            file.close()


class CoralTrips:
    """How many of its trip points a Coral accelerator passed; each divides its clock."""

    def __init__(self, chips: dict[str, tuple[KernelFile, list[int]]]) -> None:
        self._chips = chips

    @classmethod
    def found(cls, device: Device) -> CoralTrips:
        """Return the chips whose driver states trip points; raises `OtherDevice` without any."""
        chips = {}
        for folder in sorted(device.path("/sys/class/apex").glob("apex_*")):
            read = [read_integer(folder / f"trip_point{k}_temp") for k in range(TRIPS)]
            trips = [trip for trip in read if trip is not None]
            if trips:
                with suppress(OSError):
                    chips[folder.name] = (KernelFile(folder / "temp"), trips)
        if not chips:
            raise OtherDevice("no Coral accelerator on PCIe")
        return cls(chips)

    def read(self) -> Iterator[Sample]:
        """Yield the number of trip points at or below the temperature.

        A module that fell off the bus reads as all ones, which is none.
        """
        for label, (file, trips) in self._chips.items():
            now = file.read_integer()
            known = of_milli(now) is not None
            passed = float(sum(trip <= (now or 0) for trip in trips)) if known else None
            yield Sample("throttle.trips", label, passed)

    def close(self) -> None:
        """Close the files."""
        for file, _ in self._chips.values():
            file.close()


def flags(text: str) -> int | None:
    """Parse ``throttled=0x50000``; None for anything else, such as an error of the firmware."""
    found = ANSWER.fullmatch(text.strip())
    return int(found[1], 16) if found else None


def is_set(bit: int, before: int, now: int) -> bool:
    """Say whether a flag is set now, or occurred since `before` was read."""
    occurred = 1 << (bit + OCCURRED)
    return bool(now & (1 << bit) or (now & occurred and not before & occurred))


def _hwmon(device: Device, name: str) -> Iterator[Path]:
    return (folder for chip, folder in chips(device) if chip == name)
