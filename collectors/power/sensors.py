"""What do power sensors on the board say: INA219, INA226, INA3221 and others, through hwmon or IIO?

Read as recorded, of the kernel's drivers ina2xx and ina3221 on simulated chips; not on hardware. A
chip measures the drop over a resistor; where the driver was told another resistor than the board
has, all is wrong by that factor, so the resistors stand in the facts. Which line is the whole
device is known of Jetson boards alone.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collectors.power import iio
from collectors.power.source import (
    RAIL,
    TOTAL,
    Total,
    of_micro,
    of_product,
    together,
)
from probe.errors import NoData, OtherDevice
from probe.hwmon import chip_file, chips
from probe.kernel_file import KernelFile, named, read_integer, read_text
from probe.labels import numbered
from probe.model import Device, Sample
from probe.model import Source as Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUPPLIES: Final = "/sys/class/power_supply"
TRIPLE: Final = "ina3221"
XDNA: Final = "amdxdna"
"""The NPU's own collector reads it, which knows what its driver gives for "not known"."""
CHANNELS: Final = (1, 2, 3)
"""Of an INA3221; 4 to 6 are its shunts, 7 is their sum."""
MICRO: Final = 1e6
"""mV times mA for a watt."""
POWER: Final = re.compile(r"power([0-9]{1,3})_(?:input|average)")
ADDRESS: Final = re.compile(r"[0-9]+-([0-9a-f]{4})")
TEGRA: Final = "nvidia,tegra"
INPUTS: Final = ("VDD_IN", "POM_5V_IN", "VIN")
"""Rails through which all of a Jetson module is fed (VIN: the carrier of AGX Thor)."""
FIVE_VOLTS: Final = "VIN_SYS_5V0"
BELOW_FIVE_VOLTS: Final = "VDDQ_VDD2_1V8AO"
"""On AGX Orin it is sensed at the voltage of the 5 V input (4968 mV in most published readings), so
it is fed from there; adding both would count it twice."""


@dataclass
class Line:
    """A power file, or the voltage and the current of a rail.

    `micro` is how many microwatts one of the file means.
    """

    track: str
    label: str
    files: tuple[KernelFile, ...]
    micro: int = 1

    def watts(self) -> float | None:
        """Return what it says now, None where it says nothing."""
        values = [file.read_integer() for file in self.files]
        if len(values) > 1:
            return of_product(values[0], values[1], MICRO)
        return None if values[0] is None else of_micro(values[0] * self.micro)


class Sensors:
    """Watts of every rail that has a sensor; of a Jetson also of all of it."""

    every_ns = 250_000_000

    def __init__(self, found: list[Line], facts: dict[str, object], *, jetson: bool) -> None:
        self._lines = found
        self.lines = tuple((line.track, line.label) for line in found)
        self.places = {
            track: Place(named(line.files[0] for line in found if line.track == track))
            for track in dict(self.lines)
        }
        self.facts = facts
        rails = [line.label for line in found if line.track == RAIL]
        self._parts, self.total = _jetson(rails) if jetson else ([], None)

    @classmethod
    def found(cls, device: Device) -> Sensors:
        """Return the sensors; raises `NoData` where none can be read, `OtherDevice` without any."""
        jetson = TEGRA in (read_text(device.path("/proc/device-tree/compatible")) or "")
        supplies = {_plain(folder.name) for folder in device.path(SUPPLIES).glob("*")}
        lines: list[Line] = []
        refused: list[str] = []
        shunts: dict[str, int] = {}
        with ExitStack() as opened:
            every: list[tuple[str, str, tuple[Path, ...], int]]
            every = [(RAIL, label, (path,), iio.MICRO) for label, path in iio.rails(device)]
            for name, chip in chips(device):
                if _plain(name) not in supplies:  # else it is the twin of a battery
                    every += [(*line, 1) for line in _of_chip(chip, name)]
                    shunts |= _shunts(chip, name)
            for track, label, paths, micro in every:
                try:
                    files = tuple([_open(path, opened) for path in paths])
                except OSError as error:
                    refused.append(f"{paths[0]}: {error.strerror}")
                    continue
                lines.append(Line(track, label, files, micro))
            if not lines and refused:
                remedy = "run liveprobe as root, or where /sys is not masked"
                raise NoData(refused[0], remedy=remedy)
            if not lines:
                raise OtherDevice("no power sensor on the board")
            opened.pop_all()
        for line, label in zip(lines, numbered(line.label for line in lines), strict=True):
            line.label = label
        facts: dict[str, object] = {"shunts_micro_ohm": shunts} if shunts else {}
        return cls(lines, facts, jetson=jetson)

    def read(self, t_ns: int) -> Iterator[Sample]:  # noqa: ARG002 - the protocol's
        """Yield each line's power, and the total where it is known which lines make it."""
        watts = {line.label: line.watts() for line in self._lines}
        for line in self._lines:
            yield Sample(line.track, line.label, watts[line.label])
        if self.total is not None:
            yield Sample(TOTAL, self.total.label, together(watts[part] for part in self._parts))

    def close(self) -> None:
        """Close the files."""
        for line in self._lines:
            for file in line.files:
                file.close()


def _jetson(rails: list[str]) -> tuple[list[str], Total | None]:
    """Return which rails make all of a Jetson: the one that feeds it, else all that feed parts."""
    for name in INPUTS:
        if name in rails:
            what = "the carrier board" if name == "VIN" else "the module"
            left = "losses of the supply" if name == "VIN" else "carrier board, USB, camera, fan"
            return [name], Total(name, what, left)
    parts = [rail for rail in rails if rail != BELOW_FIVE_VOLTS or FIVE_VOLTS not in rails]
    if not parts:
        return [], None
    label = " + ".join(parts)
    return parts, Total(label, "the rails of the module that have a sensor", "all other rails")


def _of_chip(chip: Path, name: str) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    """Yield (track, label, files) of each line of a chip."""
    if name == XDNA:
        return
    if name == TRIPLE:
        for channel in CHANNELS:
            files = (chip / f"in{channel}_input", chip / f"curr{channel}_input")
            label = read_text(chip / f"in{channel}_label") or f"{_known_as(chip, name)} {channel}"
            used = label.upper() != "NC" and read_integer(chip / f"in{channel}_enable") != 0
            if used and all(file.exists() for file in files):
                yield RAIL, label, files
        return
    known_as = _known_as(chip, name)
    powers = {match[1]: file for file in sorted(chip.glob("power*"))
              if (match := POWER.fullmatch(file.name))}  # fmt: skip
    for number, file in sorted(powers.items()):  # where there are both, the input and no average
        own = read_text(chip / f"power{number}_label") or (
            f"power{number}" if len(powers) > 1 else ""
        )
        yield RAIL, f"{known_as} {own}".strip(), (file,)
    pair = (chip / "in1_input", chip / "curr1_input")
    if not powers and name.startswith("ina") and all(file.exists() for file in pair):
        yield RAIL, known_as, pair


def _known_as(chip: Path, name: str) -> str:
    """Return the chip's name with its address on the bus, which is soldered and does not change."""
    match = ADDRESS.fullmatch((chip / "device").resolve().name)
    return f"{name} {int(match[1], 16):#04x}" if match else name


def _shunts(chip: Path, name: str) -> dict[str, int]:
    found = {}
    for file in sorted(chip.glob("shunt*_resistor")):
        value = read_integer(file)
        if value is not None:
            part = file.name.removesuffix("_resistor").removeprefix("shunt").strip("_")
            found[f"{_known_as(chip, name)} {part}".strip()] = value
    return found


def _open(path: Path, opened: ExitStack) -> KernelFile:
    file = chip_file(path)
    opened.callback(file.close)
    return file


def _plain(name: str) -> str:
    """Return a name as hwmon writes it: the kernel replaces what may not stand in one."""
    return re.sub(r"[-* \t\n]", "_", name)
