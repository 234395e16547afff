"""How busy are the cores of a Rockchip NPU, at which clock, and how busy is the RGA beside it?

Reads what Rockchip's own driver `rknpu` states of the last second (`/proc/rknpu/load`, or with root
`/sys/kernel/debug/rknpu/load`), the clock of its devfreq device, and the load of the RGA, which
scales and converts pictures; with root its voltage, and whether it is on. The debugfs file `freq`
is left alone: to read it powers the NPU up; devfreq's own `load` too, also the GPU's, for it is
constant on some kernels. The mainline driver `rocket` states no
load. Not seen on hardware: read as recorded.
"""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from probe.errors import NoData, OtherDevice
from probe.kernel_file import KernelFile, integer, named, read_text
from probe.model import Device, Grade, Sample, Seen, Source, Support, Track, UtilisationKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PROC: Final = "/proc/rknpu"
DEBUG: Final = "/sys/kernel/debug/rknpu"
RGA: Final = ("/proc/rkrga/load", "/sys/kernel/debug/rkrga/load")
DEVFREQ: Final = "/sys/class/devfreq"
FIRST_WITH_LOAD: Final = (0, 7, 2)
"""The first version of the driver that states a load."""
VERSION: Final = re.compile(r"v([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4})\b")
LOAD: Final = re.compile(r"NPU load:\s*(\S.*)", re.DOTALL)
CORE: Final = re.compile(r"Core([0-9]{1,2}):\s*([0-9]{0,20})\s*%")
SINGLE: Final = re.compile(r"([0-9]{0,20})\s*%\s*")
ONE_CORE: Final = "NPU"
SCHEDULER: Final = re.compile(r"scheduler\[[0-9]{1,2}\]:\s*(\w{1,40})\s+load = ([0-9]{1,20})%")
MOST_PERCENT: Final = 100
"""Older drivers said up to 20,000 % after a job had hung; newer ones stop at 100."""

MOST_MICROVOLTS: Final = 5_000_000
STATES: Final = {"rknpu.voltage": "volt", "rknpu.powered": "power"}
"""Files of the driver by their tracks."""


class Rknpu:
    """Load of each core of the NPU and of each RGA, in percent of the last second; the clock.

    A model that runs in one context loads one core: look at the busiest, not at the mean.
    """

    name = "rknpu"
    tracks = (
        Track("rknpu.load", "percent", "Busy time of the NPU's cores", Grade.VENDOR_STATED,
              UtilisationKind.BUSY_TIME),
        Track("rknpu.clock", "hertz", "Clock of the NPU"),
        Track("rknpu.voltage", "volts", "Voltage of the NPU"),
        Track("rknpu.powered", "count", "Whether the NPU is on"),
        Track("rknpu.rga", "percent", "Busy time of the RGA (scaling, colours)",
              Grade.VENDOR_STATED, UtilisationKind.BUSY_TIME),
    )  # fmt: skip
    period_ns = 1_000_000_000
    """The driver's own window: faster readings would repeat."""
    sensitive = False
    support = (
        Support("Rockchip RK3588, RK356x", ("rknpu.load",), f"{PROC}/load or {DEBUG}/load",
                Seen.RECORDINGS, "Rockchip's kernel with rknpu 0.7.2 or newer; root for debugfs"),
        Support("Rockchip RK3588, RK356x", ("rknpu.clock",), f"{DEVFREQ}/*.npu/cur_freq",
                Seen.FORMAT),
        Support("Rockchip RK3588, RK356x", ("rknpu.voltage", "rknpu.powered"),
                f"{DEBUG}/volt, {DEBUG}/power", Seen.FORMAT, "Rockchip's kernel; root"),
        Support("Rockchip RK3588, RK356x", ("rknpu.rga",), " or ".join(RGA), Seen.FORMAT,
                "Rockchip's kernel; root for debugfs"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._load: KernelFile | None = None
        self._rga: KernelFile | None = None
        self._clocks: dict[str, KernelFile] = {}
        self._states: dict[str, KernelFile] = {}
        self._cores: tuple[str, ...] = ()
        self._engines: tuple[str, ...] = ()
        self._lacking: dict[str, NoData] = {}
        self._version: str | None = None

    def start(self, device: Device) -> None:
        """Open what there is; raises `OtherDevice` on other chips, `NoData` where nothing tells."""
        nodes = sorted(device.path(DEVFREQ).glob("*.npu"))
        if not nodes and not device.path(PROC).is_dir() and not _is_rockchip(device):
            raise OtherDevice("no Rockchip NPU")
        for node in nodes:
            with suppress(OSError):
                self._clocks[node.name.partition(".")[2]] = KernelFile(node / "cur_freq")
        if not self._clocks:
            self._lacking["rknpu.clock"] = NoData(
                f"no {device.path(DEVFREQ)}/*.npu/cur_freq",
                remedy="boot Rockchip's kernel, whose driver rknpu makes a devfreq device",
            )
        self._version = _first(device, (f"{PROC}/version", f"{DEBUG}/version"))
        try:
            self._load = _opened(device, (f"{PROC}/load", f"{DEBUG}/load"))
        except NoData as absent:
            self._lacking["rknpu.load"] = self._old_driver() or _mainline(device) or absent
        try:
            self._rga = _opened(device, RGA)
        except NoData as absent:
            self._lacking["rknpu.rga"] = absent
        for track, name in STATES.items():
            try:
                self._states[track] = _opened(device, (f"{PROC}/{name}", f"{DEBUG}/{name}"))
            except NoData as absent:
                self._lacking[track] = _mainline(device) or absent
        self._cores = tuple(loads(self._load.read())) if self._load is not None else ()
        self._engines = tuple(rga_loads(self._rga.read())) if self._rga is not None else ()
        if self._load is self._rga is None and not self._clocks and not self._states:
            raise self._lacking["rknpu.load"]

    def sources(self) -> Mapping[str, Source]:
        """Return the files that are open."""
        opened = {"rknpu.load": self._load, "rknpu.rga": self._rga, **self._states}
        found = {track: Source(named([file])) for track, file in opened.items() if file}
        clocks = {"rknpu.clock": Source(named(self._clocks.values()))} if self._clocks else {}
        return found | clocks

    def lacking(self) -> Mapping[str, NoData]:
        """Return why a track has no value here."""
        return self._lacking

    def sample(self, t_ns: int) -> Iterable[Sample]:  # noqa: ARG002 - the protocol's
        """Yield what the drivers say of the last second."""
        if self._load is not None:
            found = loads(self._load.read())
            self._cores = self._cores or tuple(found) or (ONE_CORE,)
            for core in self._cores:
                yield Sample("rknpu.load", core, found.get(core))
        for label, clock in self._clocks.items():
            hertz = clock.read_integer()
            yield Sample("rknpu.clock", label, float(hertz) if hertz and hertz > 0 else None)
        for track, file in self._states.items():
            yield Sample(track, "npu", _stated(track, file.read()))
        if self._rga is not None:
            found = rga_loads(self._rga.read())
            self._engines = self._engines or tuple(found)
            for engine in self._engines:
                yield Sample("rknpu.rga", engine, found.get(engine))

    def facts(self) -> Mapping[str, Any]:
        """Return the version of the driver, as it states it."""
        return {"driver": self._version}

    def stop(self) -> None:
        """Close the files."""
        for file in (self._load, self._rga, *self._clocks.values(), *self._states.values()):
            if file is not None:
                file.close()
        self._load = self._rga = None
        self._clocks.clear()
        self._states.clear()

    def _old_driver(self) -> NoData | None:
        found = version(self._version)
        if found is None or found >= FIRST_WITH_LOAD:
            return None
        return NoData(
            f"{self._version}: states no load before v0.7.2",
            remedy="update the board's kernel: it brings a newer driver",
        )


def loads(text: str | None) -> dict[str, float | None]:
    """Parse ``NPU load:  Core0:  21%, Core1:  0%,`` or ``NPU load:  37%``; empty for anything else.

    A blank number is zero (the driver prints ``%2.d``), one above 100 is none.
    """
    told = LOAD.match(text or "")
    if not told:
        return {}
    single = SINGLE.fullmatch(told[1])
    if single:
        return {ONE_CORE: _percent(single[1])}
    return {f"Core{int(core)}": _percent(load) for core, load in CORE.findall(told[1])}


def rga_loads(text: str | None) -> dict[str, float | None]:
    """Parse the load of every scheduler of the RGA, by its name (``rga3_core0``)."""
    return {name: _percent(load) for name, load in SCHEDULER.findall(text or "")}


def _stated(track: str, text: str | None) -> float | None:
    return volts(text) if track == "rknpu.voltage" else powered(text)


def volts(text: str | None) -> float | None:
    """Parse the microvolts of the supply; None for what no chip is fed with."""
    value = integer(text)
    return value / 1e6 if value is not None and 0 < value <= MOST_MICROVOLTS else None


def powered(text: str | None) -> float | None:
    """Parse ``on`` or ``off``; None for anything else."""
    return {"on": 1.0, "off": 0.0}.get(text or "")


def version(text: str | None) -> tuple[int, int, int] | None:
    """Parse ``RKNPU driver: v0.9.8``; None for anything else."""
    found = VERSION.search(text or "")
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _percent(digits: str) -> float | None:
    value = int(digits or "0")
    return float(value) if value <= MOST_PERCENT else None


def _first(device: Device, places: Iterable[str]) -> str | None:
    return next(filter(None, (read_text(device.path(place)) for place in places)), None)


def _opened(device: Device, places: Iterable[str]) -> KernelFile:
    """Open the first of the files that can be; raises `NoData` that tells a right from a lack."""
    refused: OSError | None = None
    paths = [device.path(place) for place in places]
    for path in paths:
        try:
            return KernelFile(path)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EPERM}:
                refused = error
    if refused is not None:
        raise NoData(
            f"{refused.filename}: {refused.strerror}",
            remedy="run liveprobe as root: debugfs is for root alone",
        )
    raise NoData(
        " and ".join(f"{path}: no such file" for path in paths),
        remedy="boot Rockchip's kernel, with debugfs: mount -t debugfs none /sys/kernel/debug",
    )


def _mainline(device: Device) -> NoData | None:
    if "rocket" not in _drivers(device):
        return None
    return NoData(
        "the mainline driver rocket states no load",
        remedy="boot Rockchip's kernel, whose driver rknpu does",
    )


def _is_rockchip(device: Device) -> bool:
    """Say whether the chip is one of Rockchip's with an NPU, whatever its driver."""
    told = read_text(device.path("/proc/device-tree/compatible")) or ""
    chips = ("rockchip,rk3588", "rockchip,rk356", "rockchip,rk3576", "rockchip,rv11")
    return any(part.startswith(chips) for part in told.split("\0"))


def _drivers(device: Device) -> Iterator[str]:
    folder: Path = device.path("/sys/class/accel")
    for node in sorted(folder.glob("accel*")):
        found = re.search(r"^DRIVER=(\S+)$", read_text(node / "device/uevent") or "", re.MULTILINE)
        if found:
            yield found[1]
