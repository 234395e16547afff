"""How much power does an AMD NPU take, how warm is it, and how busy are its columns?

The newest driver `amdxdna` has a hwmon device of that name (`power1_input`, `temp1_input`) and
answers an ioctl on `/dev/accel/accel*` with the utilisation of each column; both need the kernel's
`amd_pmf` (Linux 7.0 or newer). Otherwise `xrt-smi examine -r platform` is asked for the power,
which on most installations is N/A. While the NPU sleeps, nothing is asked that would wake it: what
`amd_pmf` knows through hwmon goes on. Not seen on hardware: read as the driver's source and
recordings show it.
"""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from collectors.amd_xdna.sensors import Node, Sensors
from probe.asking import Asking
from probe.celsius import of_milli
from probe.errors import Asleep, NoData, OtherDevice
from probe.hwmon import chips
from probe.kernel_file import KernelFile, named, read_text
from probe.model import Device, Grade, Notice, Sample, Seen, Source, Support, Track, UtilisationKind
from probe.tool import ask

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

ACCEL: Final = "/sys/class/accel"
PCI: Final = "/sys/bus/pci/devices"
DRIVER: Final = "amdxdna"
CHIPS: Final = {"0x1502": "Phoenix, Hawk Point", "0x17f0": "Strix, Krackan"}
EXAMINE: Final = ("xrt-smi", "examine", "-r", "platform")
WATTS: Final = re.compile(r"^\s*Power\s*:\s*([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*(?:W(?:atts)?)?\s*$",
                          re.MULTILINE)  # fmt: skip
RELEASE: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")
FIRST_WITH_SENSORS: Final = (7, 0)
"""Before, the ioctl had no columns to tell, and a known deadlock with the NPU's falling asleep."""
MOST_WATTS: Final = 100.0
LABEL: Final = "NPU"
Said = tuple[float | None, str]
"""Watts of the tool, and why there are none."""
AMD_PMF: Final = "boot Linux 7.0 or newer with the module amd_pmf (CONFIG_AMD_PMF)"


class AmdXdna:
    """Power, temperature and columns of the NPU, once a second; the first NPU, where several.

    A column is the utilisation of one column of the array, not of its arithmetic. What cannot be
    asked while the NPU sleeps is missing, not zero.
    """

    name = "amd_xdna"
    tracks = (
        Track("amd_xdna.column", "percent", "Utilisation of the NPU's columns",
              Grade.VENDOR_STATED, UtilisationKind.COLUMN),
        Track("amd_xdna.power", "watts", "Power of the NPU", Grade.VENDOR_STATED),
        Track("amd_xdna.temperature", "celsius", "Temperature of the NPU"),
    )  # fmt: skip
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("AMD Ryzen AI", ("amd_xdna.column",), "DRM_AMDXDNA_QUERY_SENSORS", Seen.FORMAT,
                "Linux 7.0 with amd_pmf; group render"),
        Support("AMD Ryzen AI", ("amd_xdna.power",), f"hwmon {DRIVER}, or xrt-smi",
                Seen.RECORDINGS, "Linux 7.0 with amd_pmf; else xrt-smi, which mostly says N/A"),
        Support("AMD Ryzen AI", ("amd_xdna.temperature",), f"hwmon {DRIVER}", Seen.FORMAT,
                "Linux 7.2 with amd_pmf"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._asking: Asking[Said] | None = None
        self._hwmon: dict[str, KernelFile] = {}
        self._node: Node | None = None
        self._status: KernelFile | None = None
        self._columns: tuple[int, ...] = ()
        self._tool: bool | None = None  # whether it knows; None before it was asked
        self._refused = ""
        self._lacking: dict[str, NoData] = {}
        self._waiting: dict[str, NoData] = {}
        self._stated: dict[str, Any] = {}

    def start(self, device: Device) -> None:
        """Open what there is; raises `OtherDevice` without an NPU, `NoData` where nothing tells."""
        node = next(_npus(device), None)
        if node is None:
            raise _absent(device)
        chip = node / "device"
        self._asking = Asking(device, lambda over: _examined(device, over))
        self._stated = {name: read_text(chip / name) for name in ("vbnv", "fw_version")}
        with suppress(OSError):
            self._status = KernelFile(chip / "power/runtime_status")
        self._open_hwmon(device)
        self._open_node(device, node.name)
        self._look()
        if len(self._lacking) == len(self.tracks):
            told = self._lacking["amd_xdna.power"]
            self.stop()
            raise told

    def lacking(self) -> Mapping[str, NoData]:
        """Return what this kernel and these tools do not tell, or not while the NPU sleeps."""
        return {**self._lacking, **self._waiting}

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:  # noqa: ARG002 - the protocol's
        """Yield what the driver says now; while the NPU sleeps None for all but hwmon's."""
        asleep = self._asleep()
        told = None if asleep else self._answer()
        if told is not None and not self._columns:
            self._columns = tuple(sorted(told.columns))
        for column in self._columns:
            share = told.columns.get(column) if told is not None else None
            yield Sample("amd_xdna.column", f"column {column}", share, asleep=asleep)
        if "amd_xdna.power" not in self._lacking:
            yield from self._power(told, asleep=asleep)
        if "amd_xdna.temperature" not in self._lacking:
            value = self._celsius(told)
            yield Sample("amd_xdna.temperature", LABEL, value, asleep=asleep and value is None)

    def sources(self) -> Mapping[str, Source]:
        """Return whether the driver answers, its hwmon device, or the tool."""
        asked = Source("DRM_AMDXDNA_QUERY_SENSORS")
        found = {track.name: asked for track in self.tracks} if self._node is not None else {}
        if self._tool:
            found["amd_xdna.power"] = Source(" ".join(EXAMINE))
        files = {"amd_xdna.power": "power1_input", "amd_xdna.temperature": "temp1_input"}
        opened = {track: self._hwmon.get(name) for track, name in files.items()}
        return found | {track: Source(named([file])) for track, file in opened.items() if file}

    def facts(self) -> Mapping[str, Any]:
        """Return what the driver calls the chip, and the version of its firmware."""
        return self._stated

    def stop(self) -> None:
        """Close everything."""
        for file in self._hwmon.values():
            file.close()
        if self._status is not None:
            self._status.close()
        if self._node is not None:
            self._node.close()
        self._hwmon.clear()
        self._status = self._node = None
        if self._asking is not None:
            self._asking.close()
        self._asking = None
        self._columns = ()
        self._tool = None

    def _open_hwmon(self, device: Device) -> None:
        for chip, folder in chips(device):
            if chip != DRIVER:
                continue
            for name in {"power1_input", "temp1_input"} - self._hwmon.keys():
                with suppress(OSError):
                    self._hwmon[name] = KernelFile(folder / name)

    def _open_node(self, device: Device, name: str) -> None:
        """Open the node where the driver is one with sensors: an older one is not even asked."""
        if not self._hwmon and not _has_sensors(device):
            self._lacking["amd_xdna.column"] = NoData(
                "the driver amdxdna of this kernel tells no utilisation", remedy=AMD_PMF
            )
            return
        path = device.path(f"/dev/accel/{name}")
        try:
            self._node = Node(path)
        except OSError as error:
            denied = error.errno in {errno.EACCES, errno.EPERM}
            self._lacking["amd_xdna.column"] = NoData(
                f"{path}: {error.strerror}",
                remedy="add yourself to the group render: sudo usermod -aG render $USER"
                if denied
                else "pass /dev/accel into the container",
            )

    def _look(self) -> None:
        """Say what is missing; what a sleeping NPU would answer is not known yet."""
        asleep = self._asleep()
        told = None if asleep else self._answer()
        if self._node is not None and not (told and told.columns):
            why = "the driver amdxdna answers without columns"
            self._miss("amd_xdna.column", why, asleep=asleep)
        if "power1_input" not in self._hwmon:
            self._tool = False if told and told.watts else None
            if self._asking is not None and self._tool is None and not asleep:
                self._heard(self._asking.first())
            if not self._tool and not (told and told.watts):
                self._miss("amd_xdna.power", self._refused, asleep=asleep)
        if "temp1_input" not in self._hwmon and not (told and told.celsius):
            self._miss(
                "amd_xdna.temperature",
                f"no hwmon device {DRIVER} with temp1_input",
                asleep=asleep and self._node is not None,
                remedy="boot Linux 7.2 or newer with the module amd_pmf (CONFIG_AMD_PMF)",
            )

    def _miss(self, track: str, why: str, *, asleep: bool, remedy: str = AMD_PMF) -> None:
        """Say why a track has no value: for good, or only while the NPU sleeps."""
        if asleep:
            self._waiting[track] = Asleep(
                "the NPU is not woken to be asked", remedy="look again while a program uses it"
            )
        else:
            self._lacking[track] = NoData(why, remedy=remedy)

    def _heard(self, said: Said) -> float | None:
        """Take the tool's answer; one that knows nothing at first is not asked again."""
        value, why = said
        if self._tool is None:
            self._tool, self._refused = value is not None, f"no hwmon device {DRIVER}; {why}"
        return value

    def _power(self, told: Sensors | None, *, asleep: bool) -> Iterator[Sample | Notice]:
        value, t_ns = told.watts if told is not None else None, None
        if "power1_input" in self._hwmon:
            value = microwatts(self._hwmon["power1_input"].read_integer())
        elif value is None and self._asking is not None and self._tool is not False and not asleep:
            unasked, answer = self._tool is None, self._asking.newest()
            if answer is None or answer.value is None:
                return
            value, t_ns = self._heard(answer.value), answer.t_ns
            if unasked and not self._tool:
                yield Notice(f"{LABEL}: {self._refused}")
        yield Sample("amd_xdna.power", LABEL, value, t_ns, asleep=asleep and value is None)

    def _celsius(self, told: Sensors | None) -> float | None:
        if "temp1_input" in self._hwmon:
            return of_milli(self._hwmon["temp1_input"].read_integer())
        return told.celsius if told is not None else None

    def _answer(self) -> Sensors | None:
        return self._node.read() if self._node is not None else None

    def _asleep(self) -> bool:
        return self._status is not None and self._status.read() == "suspended"


def _examined(device: Device, over: threading.Event) -> Said:
    try:
        text = ask(device, EXAMINE, over=over)
    except NoData as absent:
        return None, absent.message
    return watts(text), f"{' '.join(EXAMINE)} says Power: N/A"


def watts(text: str) -> float | None:
    """Parse the power out of `xrt-smi examine -r platform`; None for ``N/A`` and placeholders.

    Exactly zero is what older drivers put where they measure nothing.
    """
    found = WATTS.search(text)
    value = float(found[1]) if found else 0.0
    return value if 0 < value <= MOST_WATTS else None


def microwatts(read: int | None) -> float | None:
    """Return watts; None for what no NPU takes, such as 65535 mW, where the table is empty."""
    if read is None or read == 0xFFFF * 1000:
        return None
    return read / 1e6 if 0 <= read / 1e6 <= MOST_WATTS else None


def _npus(device: Device) -> Iterator[Path]:
    for node in sorted(device.path(ACCEL).glob("accel*")):
        if re.search(rf"^DRIVER={DRIVER}$", read_text(node / "device/uevent") or "", re.MULTILINE):
            yield node


def _has_sensors(device: Device) -> bool:
    found = RELEASE.match(read_text(device.path("/proc/sys/kernel/osrelease")) or "")
    return found is not None and (int(found[1]), int(found[2])) >= FIRST_WITH_SENSORS


def _absent(device: Device) -> NoData:
    """Say whether there is no NPU, or one without its driver."""
    for slot in sorted(device.path(PCI).glob("*")):
        chip = read_text(slot / "device") or ""
        if read_text(slot / "vendor") == "0x1022" and chip in CHIPS:
            return NoData(
                f"AMD NPU ({CHIPS[chip]}) on PCI, without the driver {DRIVER}",
                remedy=f"load it: sudo modprobe {DRIVER} (Linux 6.14 or newer)",
            )
    return OtherDevice("no AMD NPU")
