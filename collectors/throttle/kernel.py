"""Which caps and passive cooling does the kernel hold the device back with? On any Linux."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from probe.devices.virtual import unless_virtual
from probe.errors import NoData, OtherDevice
from probe.kernel_file import KernelFile, integer, read_integer, read_text
from probe.model import Device, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLICIES: Final = "/sys/devices/system/cpu/cpufreq"
COOLING: Final = "/sys/class/thermal"
PASSIVE: Final = re.compile(
    r"(?:thermal-)?(?:cpufreq|devfreq|idle)-?.*|Processor|intel_powerclamp|TCC Offset", re.ASCII
)
"""Types of cooling devices that slow something down (kernel: Documentation/driver-api/thermal);
the others are fans, which slow nothing."""


DRIVER: Final = "load the processor's cpufreq driver; the distribution's own kernel has it"


class Caps:
    """Percent of a policy's highest clock that it may not use now; labels are its cores."""

    def __init__(self, policies: dict[str, tuple[KernelFile, int]]) -> None:
        self._policies = policies

    @classmethod
    def found(cls, device: Device) -> Caps:
        """Return the policies that state both clocks; raises `NoData` without any."""
        policies = {}
        for folder, highest in _limits(device):
            with suppress(OSError):
                file = KernelFile(folder / "scaling_max_freq")
                policies[_cores(folder)] = (file, highest)
        if not policies:
            raise NoData(
                f"no {device.path(POLICIES)}/policy* states its highest clock",
                remedy=unless_virtual(device, DRIVER),
            )
        return cls(policies)

    def read(self) -> Iterator[Sample]:
        """Yield the lost share of each policy."""
        for label, (file, highest) in self._policies.items():
            yield Sample("throttle.capped", label, lost_percent(file.read_integer(), highest))

    def close(self) -> None:
        """Close the files."""
        for file, _ in self._policies.values():
            file.close()


class Cooling:
    """Percent of the last step at which each passive cooling device stands; labels are types."""

    def __init__(self, devices: dict[str, tuple[KernelFile, int]]) -> None:
        self._devices = devices

    @classmethod
    def found(cls, device: Device) -> Cooling:
        """Return the passive cooling devices; raises `NoData` without any."""
        folders = sorted(device.path(COOLING).glob("cooling_device*"), key=_number)
        typed = [(read_text(folder / "type") or "", folder) for folder in folders]
        passive = [(kind, folder) for kind, folder in typed if PASSIVE.fullmatch(kind)]
        several = Counter(kind for kind, _ in passive)
        seen: Counter[str] = Counter()
        devices = {}
        for kind, folder in passive:
            seen[kind] += 1
            label = f"{kind} {seen[kind]}" if several[kind] > 1 else kind
            most = read_integer(folder / "max_state")
            if most is not None and most > 0:
                with suppress(OSError):
                    devices[label] = (KernelFile(folder / "cur_state"), most)
        if not devices:
            missing = f"no {device.path(COOLING)}/cooling_device* that slows something down"
            if _limits(device):
                raise OtherDevice(f"{missing}; cpufreq states its caps")
            raise NoData(missing, remedy=unless_virtual(device, DRIVER))
        return cls(devices)

    def read(self) -> Iterator[Sample]:
        """Yield the step of each device."""
        for label, (file, most) in self._devices.items():
            state = file.read_integer()
            known = state is not None and 0 <= state <= most
            yield Sample("throttle.cooling", label, 100 * (state or 0) / most if known else None)

    def close(self) -> None:
        """Close the files."""
        for file, _ in self._devices.values():
            file.close()


def lost_percent(allowed: int | None, highest: int) -> float | None:
    """Return the share of the clock that may not be used; None where no clock is stated."""
    if allowed is None or allowed <= 0:
        return None
    return max(0.0, 100 * (highest - allowed) / highest)


def _limits(device: Device) -> list[tuple[Path, int]]:
    """Return the policies that state their highest clock, with that."""
    folders = sorted(device.path(POLICIES).glob("policy*"))
    stated = [(folder, read_integer(folder / "cpuinfo_max_freq")) for folder in folders]
    return [(folder, highest) for folder, highest in stated if highest is not None and highest > 0]


def _cores(folder: Path) -> str:
    related = read_text(folder / "related_cpus") or ""
    cores = [core for core in map(integer, related.split()) if core is not None]
    if not cores:
        return folder.name
    return f"cpu{cores[0]}" if len(cores) == 1 else f"cpu{min(cores)}-{max(cores)}"


def _number(folder: Path) -> int:
    return integer(folder.name.removeprefix("cooling_device")) or 0
