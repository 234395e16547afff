"""At which clock does a Raspberry Pi run? Its firmware knows; cpufreq says what it asked for.

Asks `vcgencmd measure_clock arm` once a second: a process is started for each answer. When the
firmware holds the processor back, cpufreq goes on to state the clock that it wanted. Flags of that
stand with the collector `throttle`, rails with `power`, temperatures with `thermal`. Not seen on
hardware: read as recorded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from probe.errors import NoData
from probe.model import Device, Sample, Seen, Support, Track
from probe.raspberry_pi import firmware

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probe.asking import Asking

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
        self._asking: Asking[str] | None = None

    def start(self, device: Device) -> None:
        """Ask once; raises `OtherDevice` elsewhere, `NoData` where the firmware does not answer."""
        self._asking = firmware(device, *ASKED)
        text = self._asking.first()
        if hertz(text) is None:
            shown = " ".join(ASKED)
            raise NoData(f"{shown}: {text[:80]!r} is no answer", remedy="update the firmware")

    def sample(self, t_ns: int) -> Iterable[Sample]:  # noqa: ARG002 - the protocol's
        """Yield the clock once it is answered, null where the firmware does not answer."""
        answer = None if self._asking is None else self._asking.newest()
        if answer is not None:
            yield Sample("raspberry_pi.clock", "arm", hertz(answer.value or ""), answer.t_ns)

    def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.close()


def hertz(text: str) -> float | None:
    """Parse ``frequency(0)=2400023808``; None for anything else, such as an error."""
    found = ANSWER.fullmatch(text.strip())
    value = int(found[1]) if found else 0
    return float(value) if 0 < value <= FASTEST_HERTZ else None
