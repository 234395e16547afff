"""How busy is an Intel NPU, at which clock, and how much memory does it hold?

Reads what the driver `intel_vpu` states below `/sys/class/accel/accel*/device`, which every user
may: `npu_busy_time_us` counts the time with a job in the firmware, so that its share of a second is
occupancy. `npu_memory_utilization` is in bytes, whatever its name says. A sleeping NPU has no
clock, and the driver writes 0 for it. Newer files are missing on older kernels. There is no file
for power or temperature. Not seen on hardware: read as recorded.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from probe.errors import NoData, OtherDevice
from probe.kernel_file import KernelFile, read_integer, read_text
from probe.labels import numbered
from probe.model import Device, Sample, Seen, Support, Track, UtilisationKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

ACCEL: Final = "/sys/class/accel"
PCI: Final = "/sys/bus/pci/devices"
DRIVER: Final = "intel_vpu"
NAMES: Final = {"7d1d": "Meteor Lake", "ad1d": "Arrow Lake", "643e": "Lunar Lake",
                "b03e": "Panther Lake"}  # fmt: skip
"""PCI devices of Intel's NPUs, as the drivers and tools list them."""
FILES: Final = {
    "intel_npu.occupancy": "npu_busy_time_us",
    "intel_npu.clock": "npu_current_frequency_mhz",
    "intel_npu.memory": "npu_memory_utilization",
}
MODES: Final = {"HW", "OS"}
BEYOND_PERCENT: Final = 110.0
"""The counter is read a little after the time of the call: a share may come out above 100."""
MOST_HERTZ: Final = 10e9
MOST_BYTES: Final = 1 << 50


class IntelNpu:
    """Occupancy, clock and memory of each NPU, once a second, as the driver's authors advise.

    To read more often would hold up those who submit jobs.
    """

    name = "intel_npu"
    tracks = (
        Track("intel_npu.occupancy", "percent", "Time with a job in the NPU's firmware",
              kind=UtilisationKind.OCCUPANCY),
        Track("intel_npu.clock", "hertz", "Clock of the NPU while it is awake"),
        Track("intel_npu.memory", "bytes", "Memory that the NPU holds, its firmware's included"),
    )  # fmt: skip
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("Intel Core Ultra", tuple(FILES), f"{ACCEL}/accel*/device/npu_*", Seen.RECORDINGS,
                "the driver intel_vpu; a newer kernel for clock and memory"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._files: dict[str, dict[str, KernelFile]] = {track: {} for track in FILES}
        self._before: dict[str, tuple[int, int]] = {}
        self._lacking: dict[str, NoData] = {}
        self._stated: dict[str, dict[str, Any]] = {}

    def start(self, device: Device) -> None:
        """Open the files; raises `OtherDevice` without an NPU, `NoData` without its driver."""
        folders = list(_npus(device))
        if not folders:
            raise _absent(device)
        for label, folder in zip(numbered(["NPU"] * len(folders)), folders, strict=True):
            self._stated[label] = _stated(folder)
            for track, file in FILES.items():
                with suppress(OSError):
                    self._files[track][label] = KernelFile(folder / file)
        for track, file in FILES.items():
            if not self._files[track]:
                self._lacking[track] = NoData(
                    f"{folders[0] / file}: no such file",
                    remedy=f"boot a newer kernel: its driver {DRIVER} has more files",
                )
        if len(self._lacking) == len(FILES):
            raise self._lacking["intel_npu.occupancy"]

    def lacking(self) -> Mapping[str, NoData]:
        """Return what this kernel's driver does not state."""
        return self._lacking

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield occupancy since the last reading, clock and memory now."""
        for label, file in self._files["intel_npu.occupancy"].items():
            yield from self._occupancy(label, file.read_integer(), t_ns)
        for label, file in self._files["intel_npu.clock"].items():
            read = file.read_integer()
            yield Sample("intel_npu.clock", label, hertz(read), asleep=read == 0)
        for label, file in self._files["intel_npu.memory"].items():
            held = file.read_integer()
            known = held is not None and 0 <= held < MOST_BYTES
            yield Sample("intel_npu.memory", label, float(held or 0) if known else None)

    def facts(self) -> Mapping[str, Any]:
        """Return of each NPU its name, its scheduler (`HW` or `OS`) and its highest clock."""
        return {"npus": self._stated}

    def stop(self) -> None:
        """Close the files."""
        for opened in self._files.values():
            for file in opened.values():
                file.close()
            opened.clear()

    def _occupancy(self, label: str, busy_us: int | None, t_ns: int) -> Iterator[Sample]:
        before = self._before.pop(label, None)
        if busy_us is None:
            yield Sample("intel_npu.occupancy", label, None)
            return
        self._before[label] = (t_ns, busy_us)
        if before is not None and t_ns > before[0]:
            share = percent(busy_us - before[1], t_ns - before[0])
            yield Sample("intel_npu.occupancy", label, share)


def percent(busy_us: int, elapsed_ns: int) -> float | None:
    """Return the share of the time that was busy; None where the counter went back or leapt."""
    share = 100 * busy_us * 1000 / elapsed_ns
    return min(share, 100.0) if 0 <= share <= BEYOND_PERCENT else None


def hertz(megahertz: int | None) -> float | None:
    """Return the clock; None for 0, which the driver writes while the NPU sleeps."""
    if megahertz is None or not 0 < megahertz * 1e6 <= MOST_HERTZ:
        return None
    return megahertz * 1e6


def _npus(device: Device) -> Iterator[Path]:
    """Yield the device of every accelerator whose driver is Intel's, in order."""
    for node in sorted(device.path(ACCEL).glob("accel*")):
        if _told(node / "device", "DRIVER") == DRIVER:
            yield node / "device"


def _stated(folder: Path) -> dict[str, Any]:
    chip = (_told(folder, "PCI_ID") or "").rpartition(":")[2].lower()
    mode = read_text(folder / "sched_mode")
    return {
        "name": NAMES.get(chip),
        "scheduler": mode if mode in MODES else None,
        "highest_hertz": hertz(read_integer(folder / "npu_max_frequency_mhz")),
    }


def _told(folder: Path, name: str) -> str | None:
    text = read_text(folder / "uevent") or ""
    found = re.search(rf"^{name}=(\S+)$", text, re.MULTILINE)
    return found[1] if found else None


def _absent(device: Device) -> NoData:
    """Say whether there is no NPU, or one without its driver."""
    for slot in sorted(device.path(PCI).glob("*")):
        chip = (read_text(slot / "device") or "").removeprefix("0x")
        if read_text(slot / "vendor") == "0x8086" and chip in NAMES:
            return NoData(
                f"Intel NPU ({NAMES[chip]}) on PCI, without the driver {DRIVER}",
                remedy=f"load it: sudo modprobe {DRIVER} (Linux 6.3 or newer, and its firmware: "
                "package linux-firmware or intel-fw-npu)",
            )
    return OtherDevice("no Intel NPU")
