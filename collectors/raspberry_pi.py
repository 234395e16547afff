"""At which clock does a Raspberry Pi run? Its firmware knows; cpufreq says what it asked for.

Asks `vcgencmd measure_clock arm` once a second: a process is started for each answer. When the
firmware holds the processor back, cpufreq goes on to state the clock that it wanted. Flags of that
stand with the collector `throttle`, rails with `power`, temperatures with `thermal`. Not seen on
hardware: read as recorded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from probe.errors import NoData, OtherDevice
from probe.kernel_file import read_text
from probe.model import Device, Sample, Seen, Support, Track
from probe.tool import ask

if TYPE_CHECKING:
    from collections.abc import Iterable

MODEL: Final = "Raspberry Pi"
ASKED: Final = ("vcgencmd", "measure_clock", "arm")
ANSWER: Final = re.compile(r"frequency\([0-9]{1,3}\)=([0-9]{1,12})")
"""The number in brackets is the firmware's own, and another from one firmware to the next."""
FASTEST_HERTZ: Final = 10_000_000_000


class RaspberryPi:
    """Clock of the processor, as the firmware measures it."""

    name = "raspberry_pi"
    tracks = (Track("raspberry_pi.clock", "hertz", "Clock of the processor, measured"),)
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("Raspberry Pi", ("raspberry_pi.clock",), " ".join(ASKED), Seen.RECORDINGS,
                "vcgencmd (libraspberrypi-bin or raspi-utils), group video"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._device: Device | None = None

    def start(self, device: Device) -> None:
        """Ask once; raises `OtherDevice` elsewhere, `NoData` where the firmware does not answer."""
        if not (read_text(device.path("/proc/device-tree/model")) or "").startswith(MODEL):
            raise OtherDevice("not a Raspberry Pi")
        text = ask(device, ASKED)
        if hertz(text) is None:
            shown = " ".join(ASKED)
            raise NoData(f"{shown}: {text[:80]!r} is no answer", remedy="update the firmware")
        self._device = device

    def sample(self, t_ns: int) -> Iterable[Sample]:  # noqa: ARG002 - the protocol's
        """Yield the clock, null where the firmware does not answer."""
        if self._device is None:
            return
        try:
            value = hertz(ask(self._device, ASKED))
        except NoData:
            value = None
        yield Sample("raspberry_pi.clock", "arm", value)

    def stop(self) -> None:
        """Nothing is open between two questions."""
        self._device = None


def hertz(text: str) -> float | None:
    """Parse ``frequency(0)=2400023808``; None for anything else, such as an error."""
    found = ANSWER.fullmatch(text.strip())
    value = int(found[1]) if found else 0
    return float(value) if 0 < value <= FASTEST_HERTZ else None
