"""How busy are the GPU, the video engines and the memory of a Jetson board?

Reads the GPU's load and clock from sysfs (every user may), the clocks of the engines and the
memory's use from debugfs (root), and, from `tegrastats` where it is installed, what those do not
give: without root the clocks and the memory's use, always the share that an encoder is busy.
Temperatures stand with the collector `thermal`, rails with `power`, over-current with `throttle`.
Not seen on hardware: read as documented, and as boards from TX2 to Thor were recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from collectors.jetson.sysfs import Emc, engines, gpu_clocks, gpu_load, hertz, share
from collectors.jetson.tegrastats import WORDS, Stream, parse
from probe.clock_ranges import emc_held, ranges
from probe.devices.power_mode import power_mode
from probe.errors import NoData, OtherDevice
from probe.kernel_file import KernelFile, named, read_integer, read_text
from probe.model import Device, Grade, Sample, Seen, Source, Support, Track, UtilisationKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RELEASE: Final = "/etc/nv_tegra_release"
COMPATIBLE: Final = "/proc/device-tree/compatible"
EMC_CAP: Final = "/sys/kernel/nvpmodel_clk_cap/emc"
SECOND_NS: Final = 1_000_000_000
SLOW_NS: Final = 950_000_000
"""Debugfs and tegrastats once a second, less what a call may be early: the firmware answers for
their clocks, and tegrastats prints once a second."""
_BUSY: Final = UtilisationKind.BUSY_TIME


class Jetson:
    """Load and clock of the GPU four times a second; engines and memory once.

    Labels are `gpu` (`gpc0`, `gpc1` where its clusters have clocks of their own) and the engines'
    names. An engine that is off has 0 Hz and, where shares are told, 0 %. The memory's use is the
    share of the clock that it runs at now. Power mode, release and memory cap are in the facts.
    """

    name = "jetson"
    tracks = (
        Track("jetson.gpu", "percent", "Busy time of the GPU", Grade.VENDOR_STATED, _BUSY),
        Track("jetson.gpu_clock", "hertz", "Clock of the GPU"),
        Track("jetson.engine", "percent", "Busy time of the video engines",
              Grade.VENDOR_STATED, _BUSY, period_ns=SECOND_NS),
        Track("jetson.engine_clock", "hertz", "Clock of the video and vision engines",
              period_ns=SECOND_NS),
        Track("jetson.emc", "percent", "Memory traffic, of what its clock allows", Grade.DERIVED,
              _BUSY, SECOND_NS),
        Track("jetson.emc_clock", "hertz", "Clock of the memory", period_ns=SECOND_NS),
    )  # fmt: skip
    period_ns = 250_000_000
    sensitive = False
    support = (
        Support("Jetson up to Orin", ("jetson.gpu", "jetson.gpu_clock"),
                "gpu.0/load, /sys/class/devfreq/*/cur_freq", Seen.FORMAT),
        Support("Jetson", ("jetson.engine_clock", "jetson.emc", "jetson.emc_clock"),
                "/sys/kernel/debug/clk, /sys/kernel/debug/cactmon, bpmp", Seen.FORMAT, "root"),
        Support("Jetson", tuple(track.name for track in tracks), "tegrastats", Seen.RECORDINGS,
                "tegrastats (package nvidia-l4t-tools)"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._load: KernelFile | None = None
        self._clocks: dict[str, KernelFile] = {}
        self._engines: dict[str, tuple[KernelFile, KernelFile | None]] = {}
        self._emc = Emc(None, None)
        self._stream: Stream | None = None
        self._streamed: set[tuple[str, str]] = set()
        self._from_files: set[str] = set()
        self._lacking: dict[str, NoData] = {}
        self._slow_ns: int | None = None
        self._facts: dict[str, Any] = {}

    def start(self, device: Device) -> None:
        """Open what the board gives; raises `OtherDevice` where there is no Jetson."""
        compatible = read_text(device.path(COMPATIBLE)) or ""
        release = read_text(device.path(RELEASE))
        if "nvidia,tegra" not in compatible and release is None:
            raise OtherDevice(
                f"no Jetson: neither {device.path(RELEASE)} nor {device.path(COMPATIBLE)} is one's",
                remedy="measure a discrete GPU of NVIDIA's with the collector nvidia",
            )
        self._load, self._clocks = gpu_load(device), gpu_clocks(device)
        self._engines, self._emc = engines(device), Emc.found(device)
        found = {
            "jetson.gpu": self._load,
            "jetson.gpu_clock": self._clocks,
            "jetson.engine_clock": self._engines,
            "jetson.emc": self._emc.activity,
            "jetson.emc_clock": self._emc.clock,
        }
        self._from_files = {track for track, source in found.items() if source}
        self._stream = self._tegrastats(device)
        if self._stream is None and not self._from_files:
            raise self._lacking["jetson.gpu"]
        self._facts = {
            "release": release,
            "emc_cap_hertz": read_integer(device.path(EMC_CAP)),
            "emc_held": emc_held(device),
            "clocks_hertz": {part: [least, most] for part, least, most in ranges(device)},
            **power_mode(device),
        }

    def _tegrastats(self, device: Device) -> Stream | None:
        """Start tegrastats; without it, what the files do not give is lacking."""
        try:
            return Stream.of(device)
        except NoData as absent:
            for track in self.tracks:
                if track.name not in self._from_files:
                    self._lacking[track.name] = NoData(
                        f"{track.name}: no file below {device.path('/sys')} that this user may "
                        f"read, and {absent.message}",
                        remedy="install tegrastats (package nvidia-l4t-tools) or start liveprobe "
                        "as root; on Thor the collector nvidia reads the GPU's load",
                    )
            return None

    def sources(self) -> Mapping[str, Source]:
        """Return the files that are open, and tegrastats for what they do not give."""
        files: dict[str, list[KernelFile | None]] = {
            "jetson.gpu": [self._load],
            "jetson.gpu_clock": list(self._clocks.values()),
            "jetson.engine_clock": [rate for rate, _ in self._engines.values()],
            "jetson.emc": [self._emc.activity],
            "jetson.emc_clock": [self._emc.clock],
        }
        opened = {track: [each for each in found if each] for track, found in files.items()}
        found = {track: Source(named(each)) for track, each in opened.items() if each}
        if self._stream is None:
            return found
        streamed = Source(" ".join(WORDS), SECOND_NS)
        return {track.name: streamed for track in self.tracks} | found

    def lacking(self) -> Mapping[str, NoData]:
        """Return which tracks neither the files nor tegrastats give."""
        return self._lacking

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield what the files say, and what tegrastats printed since the last call."""
        if self._load is not None:
            yield Sample("jetson.gpu", "gpu", share(self._load.read_integer(), 1000))
        for label, clock in self._clocks.items():
            yield Sample("jetson.gpu_clock", label, hertz(clock.read_integer()))
        if self._slow_ns is None or t_ns - self._slow_ns >= SLOW_NS:
            self._slow_ns = t_ns
            yield from self._of_debugfs()
        yield from self._of_tegrastats()

    def _of_debugfs(self) -> Iterator[Sample]:
        for label, (rate, enabled) in self._engines.items():
            off = enabled is not None and enabled.read_integer() == 0
            clock = 0.0 if off else hertz(rate.read_integer())
            yield Sample("jetson.engine_clock", label, clock)
        emc_clock, used = self._emc.read()
        if self._emc.clock is not None:
            yield Sample("jetson.emc_clock", "emc", emc_clock)
        if self._emc.activity is not None:
            yield Sample("jetson.emc", "emc", used)

    def _of_tegrastats(self) -> Iterator[Sample]:
        """Yield the newest line's readings; null for all of them once tegrastats has ended."""
        if self._stream is None:
            return
        line = self._stream.newest()
        if line is not None:
            for (track, label), value in parse(line).items():
                if track not in self._from_files:
                    self._streamed.add((track, label))
                    yield Sample(track, label, value)
        elif self._stream.over:
            for track, label in sorted(self._streamed):
                yield Sample(track, label, None)

    def facts(self) -> Mapping[str, Any]:
        """Return power mode, release, and what `jetson_clocks --show` prints; None where unknown.

        "clocks_hertz" has the least and the most that cores and GPU may choose; "emc_held" says
        whether the memory keeps its clock. In place of a mode stands "power_mode_reason".
        """
        return self._facts

    def stop(self) -> None:
        """Close the files and end tegrastats."""
        pairs = [file for pair in self._engines.values() for file in pair]
        for file in (self._load, *self._clocks.values(), *pairs):
            if file is not None:
                file.close()
        self._emc.close()
        if self._stream is not None:
            self._stream.close()
        self._load, self._stream, self._emc = None, None, Emc(None, None)
        self._clocks.clear()
        self._engines.clear()
