"""What does the power chip of a Raspberry Pi 5 measure? Twelve rails behind the 5 V input.

Asks the firmware with `vcgencmd pmic_read_adc`; read as recorded on three boards, not seen on
hardware. Currents and voltages are paired by the rail's name, for their numbers differ. The 5 V
rail itself has a voltage and no current: what USB, a HAT (a Hailo) and NVMe take is not in it, and
no factor puts it back (one board against one meter is published: 1.1451 x sum + 0.5879).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collectors.power.source import (
    EARLY_NS,
    RAIL,
    TOTAL,
    VOLTAGE,
    Total,
    plausible,
    together,
)
from probe.errors import NoData
from probe.model import Device, Sample
from probe.model import Source as Place
from probe.raspberry_pi import firmware

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from probe.asking import Asking

PERIOD_NS: Final = 1_000_000_000
ADC: Final = ("vcgencmd", "pmic_read_adc")
LINE: Final = re.compile(
    r"\s*(\S{1,40})_([AV])\s+(?:current|volt)\([0-9]{1,4}\)"
    r"=(-?[0-9]{1,9}(?:\.[0-9]{1,12})?|nan)([AV])\s*"
)
SUPPLY: Final = "EXT5V"
LEFT_OUT: Final = "the 5 V rail: USB, HAT (an accelerator on it), NVMe, fan; losses of the chip"
MOST_VOLTS: Final = 60.0
MOST_AMPERES: Final = 60.0
"""Ten times what the chip can read; beyond stands no reading of it."""


class Pmic:
    """Watts of each rail, their sum, and the voltage at the input, once a second."""

    every_ns = 0
    """An answer that came is taken at every reading."""

    def __init__(self, asking: Asking[str], rails: tuple[str, ...]) -> None:
        self._asking = asking
        self._due_ns = 0
        self._rails = rails
        self.places = dict.fromkeys((RAIL, VOLTAGE), Place(" ".join(ADC), PERIOD_NS))
        self.lines = tuple((RAIL, rail) for rail in rails)
        self.facts: dict[str, object] = {}
        self.total: Total | None = Total(
            f"PMIC, {len(rails)} rails", "processor, memory and what else the chip feeds", LEFT_OUT
        )

    @classmethod
    def found(cls, device: Device) -> Pmic:
        """Return the chip of a Raspberry Pi; raises `NoData` where the firmware has none."""
        asking = firmware(device, *ADC)
        text = asking.first()
        readings = adc(text)
        rails = tuple(rail for rail, kind in readings if kind == "A")
        unpaired = [rail for rail in rails if (rail, "V") not in readings]
        if not rails or unpaired:
            asking.close()
            what = f"no voltage of {unpaired[0]}" if unpaired else repr(text[:80])
            raise NoData(
                f"{' '.join(ADC)}: {what}",
                remedy="only a Raspberry Pi 5 measures its rails; on others put a meter into the "
                "supply: scenario table [power_meter]",
            )
        return cls(asking, rails)

    def read(self, t_ns: int) -> Iterator[Sample]:
        """Yield what was answered; None for all where nothing was, for the sum without a rail."""
        due = t_ns >= self._due_ns
        if due:
            self._due_ns = t_ns + PERIOD_NS - EARLY_NS
        answer = self._asking.newest(due=due)
        if answer is None:
            return
        readings = adc(answer.value or "")
        watts = [_watts(readings, rail) for rail in self._rails]
        for rail, value in zip(self._rails, watts, strict=True):
            yield Sample(RAIL, rail, value, answer.t_ns)
        if self.total is not None:
            yield Sample(TOTAL, self.total.label, together(watts), answer.t_ns)
        yield Sample(VOLTAGE, SUPPLY, readings.get((SUPPLY, "V")), answer.t_ns)

    def close(self) -> None:
        """Ask no more."""
        self._asking.close()


def adc(text: str) -> dict[tuple[str, str], float | None]:
    """Parse `pmic_read_adc`: (rail, "A" or "V") to amperes or volts.

    None for `nan` and for what the chip cannot read; a rail that is told twice is not believed.
    """
    found: dict[tuple[str, str], float | None] = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is None or match[2] != match[4]:
            continue
        key, value = (match[1], match[2]), float(match[3])
        most = MOST_VOLTS if match[2] == "V" else MOST_AMPERES
        found[key] = value if key not in found and abs(value) <= most else None
    return found


def _watts(readings: Mapping[tuple[str, str], float | None], rail: str) -> float | None:
    volts, amperes = readings.get((rail, "V")), readings.get((rail, "A"))
    return None if volts is None or amperes is None else plausible(volts * amperes)
