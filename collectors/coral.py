"""How warm is a Coral Edge TPU, does it live, who holds it? PCIe modules and the USB stick.

On PCIe the driver `apex` states temperature, status and owner below `/sys/class/apex/apex_*`. The
USB stick states nothing but that it is there: as `1a6e:089a` until its first use loads its
firmware, then anew as `18d1:9302`; it has no temperature. No Coral tells utilisation, power or
clock: measure the time of an inference. Trip points that were passed stand with the collector
`throttle`. Not seen on hardware: read as the driver's source has it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe.celsius import of_milli
from probe.errors import NoData, OtherDevice
from probe.family import Family, family
from probe.kernel_file import KernelFile, integer, matches, read_integer, read_text
from probe.labels import nth
from probe.model import Device, Notice, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

APEX: Final = "/sys/class/apex"
USB: Final = "/sys/bus/usb/devices"
PCI: Final = "/sys/bus/pci/devices"
ON_PCI: Final = ("0x1ac1", "0x089a")
BEFORE_USE: Final = ("1a6e", "089a")
IN_USE: Final = ("18d1", "9302")
STATUSES: Final = frozenset({"ALIVE", "DEAD", "LAMED"})
UTILISATION: Final = "no Coral states it: measure the time of an inference"


class Stick(NamedTuple):
    """A USB stick: where it is plugged in, whether its firmware is loaded, its Mbit/s."""

    port: str
    in_use: bool
    speed: int | None


class Module(NamedTuple):
    """What is read of a PCIe module."""

    temperature: KernelFile | None
    status: KernelFile | None
    owned: KernelFile | None
    owner: KernelFile | None


class Coral:
    """Temperature and owner of each module, and whether each stick is in use, once a second.

    Modules are labelled as their driver names them (`apex_0`), sticks `USB` and `USB #2`. A stick
    that enumerates anew, and a module whose status or foreign owner changes, are events.
    """

    name = "coral"
    tracks = (
        Track("coral.temperature", "celsius", "Temperature of the module"),
        Track("coral.owned", "count", "1 while a process holds the module"),
        Track("coral.in_use", "count", "1 once the stick's firmware is loaded"),
    )
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("Coral (PCIe)", ("coral.temperature", "coral.owned"), f"{APEX}/apex_*",
                Seen.FORMAT, "the driver gasket/apex (package gasket-dkms)"),
        Support("Coral (USB)", ("coral.in_use",), f"{USB}: 1a6e:089a, 18d1:9302",
                Seen.RECORDINGS),
    )  # fmt: skip

    def __init__(self) -> None:
        self._usb: Path | None = None
        self._modules: dict[str, Module] = {}
        self._sticks: tuple[Stick, ...] = ()
        self._first: tuple[Stick, ...] = ()
        self._most = 0
        self._statuses: dict[str, str | None] = {}
        self._owners: dict[str, int] = {}
        self._family: Family | None = None
        self._absent: NoData | None = None
        self._stated: dict[str, dict[str, Any]] = {}

    def start(self, device: Device) -> None:
        """Open what there is; raises `OtherDevice` without a Coral, `NoData` without its driver."""
        self._usb = device.path(USB)
        self._sticks = self._first = tuple(sticks(self._usb))
        self._most = len(self._sticks)
        for folder in sorted(device.path(APEX).glob("apex_*")):
            self._modules[folder.name] = _module(folder)
            self._stated[folder.name] = _stated(folder)
        if not self._modules and _on_pci(device):
            self._absent = NoData(
                f"Coral on PCIe, without {device.path(APEX)}/apex_*",
                remedy="install its driver: package gasket-dkms, then `sudo modprobe apex`",
            )
        if not self._modules and not self._sticks:
            raise self._absent or OtherDevice("no Coral on PCIe or USB")
        self._family = family(device)

    def lacking(self) -> Mapping[str, NoData]:
        """Return what a stick, or a module, does not state."""
        missing: dict[str, NoData] = {}
        if not self._sticks:
            missing["coral.in_use"] = OtherDevice("no Coral on USB")
        if not self._modules:
            missing["coral.owned"] = self._absent or OtherDevice("no Coral on PCIe")
            missing["coral.temperature"] = self._absent or NoData(
                "the USB stick has no temperature that can be read",
                remedy="none: use a PCIe module where its temperature matters",
            )
        elif all(each.temperature is None for each in self._modules.values()):
            missing["coral.temperature"] = NoData(
                f"no {APEX}/apex_*/temp", remedy="update the driver: package gasket-dkms"
            )
        return missing

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Yield the state of each module and of each stick."""
        for label, module in self._modules.items():
            if module.temperature is not None:
                value = of_milli(module.temperature.read_integer())
                yield Sample("coral.temperature", label, value)
            yield from self._status(label, module)
            yield from self._owner(label, module, t_ns)
        if self._usb is not None and self._most:
            yield from self._plugged(tuple(sticks(self._usb)))

    def facts(self) -> Mapping[str, Any]:
        """Return what the modules' driver states, and how fast each stick is connected."""
        return {
            "utilisation": UTILISATION,
            "modules": self._stated,
            "sticks_mbit_per_s": {
                "at_start": [each.speed for each in self._first],
                "at_end": [each.speed for each in self._sticks],
            },
        }

    def stop(self) -> None:
        """Close the files."""
        for module in self._modules.values():
            for file in module:
                if file is not None:
                    file.close()
        self._modules.clear()
        self._usb = self._family = None

    def _status(self, label: str, module: Module) -> Iterator[Notice]:
        told = module.status.read() if module.status is not None else None
        now = told if told in STATUSES else None
        if label in self._statuses and now != self._statuses[label]:
            before = self._statuses[label] or "unknown"
            yield Notice(f"{label}: status {now or 'unknown'}, was {before}")
        self._statuses[label] = now

    def _owner(self, label: str, module: Module, t_ns: int) -> Iterator[Sample | Notice]:
        if module.owned is None:
            return
        owned = module.owned.read_integer()
        yield Sample("coral.owned", label, float(owned) if owned in {0, 1} else None)
        owner = module.owner.read_integer() if owned == 1 and module.owner is not None else None
        if not owner or self._family is None:
            self._owners.pop(label, None)
            return
        if self._owners.get(label) == owner:
            return
        self._owners[label] = owner
        # In a container the driver's number is that of outside: then only the open node tells.
        members = self._family.members(t_ns)
        if not any(owner == each.pid or _has_open(each.folder, label) for each in members):
            yield Notice(f"{label}: another program holds it", {"pid": owner})

    def _plugged(self, now: tuple[Stick, ...]) -> Iterator[Sample | Notice]:
        before = {each.port: each for each in self._sticks}
        for stick in now:
            known = before.pop(stick.port, None)
            if known is None or known.in_use != stick.in_use:
                yield Notice(_enumerated(stick), {"mbit_per_s": stick.speed})
        if len(now) < len(self._sticks):
            yield Notice("Coral on USB: a stick is gone")
        self._sticks = now
        self._most = max(self._most, len(now))
        for place in range(self._most):
            value = float(now[place].in_use) if place < len(now) else None
            yield Sample("coral.in_use", nth("USB", place + 1), value)


def sticks(folder: Path) -> Iterator[Stick]:
    """Yield the sticks on USB, in the order of their ports."""
    for port in sorted(folder.glob("*")):
        ids = (read_text(port / "idVendor"), read_text(port / "idProduct"))
        if ids in {BEFORE_USE, IN_USE}:
            speed = integer(read_text(port / "speed"))
            yield Stick(port.name, ids == IN_USE, speed if speed and speed > 0 else None)


def _enumerated(stick: Stick) -> str:
    ids = IN_USE if stick.in_use else BEFORE_USE
    what = "in use" if stick.in_use else "before its first use"
    return f"Coral on USB enumerated anew: {':'.join(ids)}, {what}"


def _has_open(process: Path, label: str) -> bool:
    """Say whether a process has a module's node open, as far as its descriptors may be seen."""
    return any(str(_target(each)) == f"/dev/{label}" for each in matches(process / "fd", "*"))


def _target(link: Path) -> Path | None:
    with suppress(OSError):  # closed meanwhile
        return link.readlink()
    return None


def _module(folder: Path) -> Module:
    return Module(
        *(_opened(folder / name) for name in ("temp", "status", "is_device_owned", "device_owner"))
    )


def _opened(path: Path) -> KernelFile | None:
    with suppress(OSError):
        return KernelFile(path)
    return None


def _stated(folder: Path) -> dict[str, Any]:
    return {
        "driver": read_text(folder / "driver_version"),
        "resets": read_integer(folder / "reset_count"),
        "status": read_text(folder / "status"),
    }


def _on_pci(device: Device) -> bool:
    return any(
        (read_text(slot / "vendor"), read_text(slot / "device")) == ON_PCI
        for slot in device.path(PCI).glob("*")
    )
