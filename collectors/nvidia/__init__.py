"""What do NVIDIA's GPUs do, and what holds them back? On any Linux with NVIDIA's driver.

Asks NVML, the driver's management library, through `nvidia-ml-py`; nothing of it is loaded where
there is no NVIDIA GPU. What a GPU or a driver does not tell (on consumer cards, on Jetson boards up
to Orin, inside of MIG) is lacking with NVML's reason. While it is asked, a GPU of a laptop does not
fall asleep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from collectors.nvidia.gpus import Gpu, gpus
from collectors.nvidia.library import Nvml, Refusal
from collectors.nvidia.processes import Processes
from collectors.nvidia.readings import PCIE_NS, WINDOW_NS
from probe.errors import NoData, OtherDevice
from probe.family import family
from probe.model import Device, Grade, Notice, Sample, Seen, Support, Track, UtilisationKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BUSY: Final = UtilisationKind.BUSY_TIME
_SAYS: Final = Grade.VENDOR_STATED
JETSON: Final = "/etc/nv_tegra_release"


class Nvidia:
    """Clocks, memory, power and reasons four times a second; what has a window, once in it.

    Labels begin with the GPU's name, and its PCI slot where two have one name. `nvidia.utilisation`
    is the share of NVML's own window (1/6 to 1 s) in which a kernel ran, `nvidia.memory_busy` that
    in which memory was accessed (time, not bandwidth). `nvidia.throttle` is 1 while a reason holds
    the clock down; that the GPU idles is none, and what somebody set is `nvidia.clock_setting`.
    `nvidia.energy` counts from the first reading. `nvidia.pcie` is what went over the bus in 20 ms,
    once in two seconds. `nvidia.process` has no line where the driver had no sample of a process;
    the driver knows processes by their numbers outside of containers.
    """

    name = "nvidia"
    tracks = (
        Track("nvidia.utilisation", "percent", "Busy time of the GPU", _SAYS, _BUSY,
              period_ns=WINDOW_NS),
        Track("nvidia.memory_busy", "percent", "Busy time of the GPU's memory", _SAYS, _BUSY,
              period_ns=WINDOW_NS),
        Track("nvidia.engine", "percent", "Busy time of its video engines", _SAYS, _BUSY,
              period_ns=WINDOW_NS),
        Track("nvidia.process", "percent", "Busy time of the GPU by process", _SAYS, _BUSY,
              period_ns=WINDOW_NS),
        Track("nvidia.process_memory", "bytes", "Memory of the GPU by process",
              period_ns=WINDOW_NS),
        Track("nvidia.memory", "bytes", "Memory of the GPU that is taken"),
        Track("nvidia.clock", "hertz", "Clocks of the GPU"),
        Track("nvidia.temperature", "celsius", "Temperature of the GPU"),
        Track("nvidia.power", "watts", "Power of the GPU"),
        Track("nvidia.energy", "joules", "Energy of the GPU"),
        Track("nvidia.throttle", "count", "What holds the GPU's clock down", _SAYS),
        Track("nvidia.clock_setting", "count", "Settings that hold the GPU's clock", _SAYS),
        Track("nvidia.pcie", "bytes/s", "Traffic between the GPU and the board", _SAYS,
              period_ns=PCIE_NS),
    )  # fmt: skip
    period_ns = 250_000_000
    sensitive = False
    support = (
        Support("NVIDIA GPU", tuple(track.name for track in tracks), "NVML", Seen.FORMAT,
                "NVIDIA's driver"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._nvml: Nvml | None = None
        self._gpus: list[Gpu] = []
        self._processes: Processes | None = None
        self._lacking: dict[str, NoData] = {}
        self._facts: dict[str, Any] = {}

    def start(self, device: Device) -> None:
        """Open NVML and try every question on every GPU.

        Raises `OtherDevice` where there is no NVIDIA GPU, `NoData` where it cannot be asked.
        """
        self._nvml = Nvml.opened(device)
        self._gpus = gpus(self._nvml)
        told = {track for gpu in self._gpus for track in gpu.tracks}
        members = family(device)
        if members is not None:
            self._processes = Processes(self._nvml, self._gpus, members)
            told |= self._processes.tracks
        refused = {track: why for gpu in self._gpus for track, why in gpu.refused.items()}
        refused |= self._processes.refused if self._processes is not None else {}
        if not told:
            raise _nothing(device, refused)
        self._lacking = {
            track: _no_data(track, why) for track, why in refused.items() if track not in told
        }
        self._facts = {
            "driver": self._nvml.fact(lambda nvml: nvml.nvmlSystemGetDriverVersion()),
            "gpus": [gpu.facts() for gpu in self._gpus],
        }

    def lacking(self) -> Mapping[str, NoData]:
        """Return what no GPU tells, with NVML's reason."""
        return self._lacking

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Yield what each GPU says, and of the program's processes; null for a GPU that is lost."""
        for gpu in self._gpus:
            yield from gpu.read(t_ns)
        if self._processes is not None:
            yield from self._processes.read(t_ns)

    def facts(self) -> Mapping[str, Any]:
        """Return {"driver", "gpus"}: of each GPU what it is, its limits, and what it refused."""
        return self._facts

    def stop(self) -> None:
        """Close NVML."""
        self._gpus, self._processes = [], None
        if self._nvml is not None:
            self._nvml.close()
            self._nvml = None


def _nothing(device: Device, refused: Mapping[str, Refusal]) -> NoData:
    """Return why nothing is told: on Jetson boards up to Orin that is as it should be."""
    said = ", ".join(sorted({why.text for why in refused.values()}))
    if device.path(JETSON).exists():
        return OtherDevice(
            f"NVML tells nothing of this Jetson's GPU: {said}",
            remedy="the collector jetson reads it",
        )
    return NoData(f"NVML tells nothing of any GPU: {said}", remedy="update NVIDIA's driver")


def _no_data(track: str, why: Refusal) -> NoData:
    return NoData(f"{track}: NVML says {why.text!r}", remedy=why.remedy)
