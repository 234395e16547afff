"""What do the batteries give? Only one that discharges says what the machine takes.

Read as documented (the kernel's sysfs-class-power), not seen on hardware. Vendors differ in the
sign of the current and in which of power and current they state.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collectors.power.source import (
    BATTERY,
    SENTINELS,
    TOTAL,
    Total,
    of_micro,
    of_product,
    together,
)
from probe.errors import NoData, OtherDevice
from probe.kernel_file import KernelFile, named, read_integer, read_text
from probe.model import Device, Sample
from probe.model import Source as Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUPPLIES: Final = "/sys/class/power_supply"
DISCHARGING: Final = "Discharging"
CHARGING: Final = "Charging"
PICO: Final = 1e12
"""uV times uA for a watt."""


@dataclass
class Cell:
    """A battery that feeds the machine."""

    label: str
    status: KernelFile
    power: KernelFile | None
    volts: KernelFile | None
    current: KernelFile | None
    discharged: bool = False

    def watts(self) -> float | None:
        """Return what flows, whatever its sign; None where the gauge does not say."""
        if self.power is not None:
            return of_micro(_size(self.power))
        if self.volts is None or self.current is None:
            return None
        return of_product(self.volts.read_integer(), _size(self.current), PICO)


class Batteries:
    """Watts that each battery gives while it discharges; before it first does, nothing at all."""

    every_ns = 1_000_000_000

    def __init__(self, cells: list[Cell], mains: list[KernelFile]) -> None:
        self._cells = cells
        self._mains = mains
        self.lines = tuple((BATTERY, cell.label) for cell in cells)
        gauges = (cell.power or cell.current for cell in cells)
        place = named(each for each in gauges if each is not None)
        self.places = {BATTERY: Place(place, self.every_ns)}
        self.facts: dict[str, object] = {}
        on_battery = not self._fed() and any(_is(cell, DISCHARGING) for cell in cells)
        self.total = (
            Total("battery", "all that the battery feeds, display included",
                  "nothing; its gauge may average over seconds")
            if on_battery else None
        )  # fmt: skip

    @classmethod
    def found(cls, device: Device) -> Batteries:
        """Return the machine's batteries; raises `NoData` without any that can be measured."""
        cells, mains, silent = [], [], []
        with ExitStack() as opened:
            for folder in sorted(device.path(SUPPLIES).glob("*")):
                kind = read_text(folder / "type")
                if kind == "Battery" and _of_the_machine(folder):
                    cell = _cell(folder, opened)
                    if cell is None:
                        silent.append(folder)
                    else:
                        cells.append(cell)
                elif kind in {"Mains", "USB"}:
                    file = _opened(folder / "online", opened)
                    mains += [file] if file is not None else []
            if not cells and silent:
                raise NoData(
                    f"{silent[0]}: the gauge states neither power_now nor voltage_now and "
                    "current_now",
                    remedy="measure at the supply: scenario table [power_meter]",
                )
            if not cells:
                raise OtherDevice("no battery")
            opened.pop_all()
        return cls(cells, mains)

    def read(self, t_ns: int) -> Iterator[Sample]:  # noqa: ARG002 - the protocol's
        """Yield what each gives, None once it does no longer; the total only off the mains."""
        given: list[float | None] = []
        for cell in self._cells:
            if _is(cell, DISCHARGING):
                watts = cell.watts() or None  # a machine that runs takes more than nothing
                cell.discharged = True
                given.append(watts)
                yield Sample(BATTERY, cell.label, watts)
            else:
                if _is(cell, CHARGING):
                    given.append(None)
                if cell.discharged:
                    yield Sample(BATTERY, cell.label, None)
        if self.total is not None:
            yield Sample(TOTAL, self.total.label, None if self._fed() else together(given))

    def waiting(self) -> NoData | None:
        """Return why there are no values although there is a battery; None where there are."""
        if any(_is(cell, DISCHARGING) for cell in self._cells):
            return None
        status = self._cells[0].status.read() or "unknown"
        return NoData(
            f"battery {self._cells[0].label}: {status}; only one that discharges says what the "
            "machine takes",
            remedy="unplug the charger for the run",
        )

    def close(self) -> None:
        """Close the files."""
        for file in self._mains:
            file.close()
        for cell in self._cells:
            for part in (cell.status, cell.power, cell.volts, cell.current):
                if part is not None:
                    part.close()

    def _fed(self) -> bool:
        """Say whether a charger feeds the machine as well."""
        return any(file.read_integer() == 1 for file in self._mains)


def _size(file: KernelFile) -> int | None:
    """Return a number without its sign; None for a sentinel."""
    value = file.read_integer()
    return None if value is None or value in SENTINELS else abs(value)


def _is(cell: Cell, status: str) -> bool:
    return cell.status.read() == status


def _of_the_machine(folder: Path) -> bool:
    """Leave out empty bays, and the batteries of mice and headsets."""
    return read_text(folder / "scope") != "Device" and read_integer(folder / "present") != 0


def _cell(folder: Path, opened: ExitStack) -> Cell | None:
    status = _opened(folder / "status", opened)
    power = _opened(folder / "power_now", opened)
    volts = _opened(folder / "voltage_now", opened)
    current = _opened(folder / "current_now", opened)
    if status is None or (power is None and (volts is None or current is None)):
        return None
    return Cell(folder.name, status, power, volts, current)


def _opened(path: Path, opened: ExitStack) -> KernelFile | None:
    with suppress(OSError):
        file = KernelFile(path, again=lambda: path)  # supplies keep their names
        opened.callback(file.close)
        return file
    return None
