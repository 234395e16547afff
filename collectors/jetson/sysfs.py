"""Where does a Jetson's kernel say how busy the GPU, the engines and the memory are?

Paths as of NVIDIA's kernels and as jetson_stats reads them; not seen on hardware.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from probe.clock_ranges import TEGRA_GPUS
from probe.kernel_file import KernelFile, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.model import Device

LOADS: Final = ("/sys/devices/platform/gpu.0/load", "/sys/devices/gpu.0/load")
DEVFREQ: Final = "/sys/class/devfreq"
CLUSTER: Final = re.compile(r"gpu-(gpc)-(\d+)")
"""Thor's clocks of the GPU: `gpu-gpc-0`."""
CLOCKS: Final = "/sys/kernel/debug/clk"
ENGINE: Final = re.compile(r"(?:nvdec|nvenc|nvjpg|vic|ofa|dla|pva)[a-z0-9_]*")
ACTIVITY: Final = (
    "/sys/kernel/debug/cactmon/mc_all",
    "/sys/kernel/debug/bpmp/debug/actmon/mc_all_avg_activity",
    "/sys/kernel/actmon_avg_activity/mc_all",
)
EMC_RATES: Final = (
    "/sys/kernel/debug/bpmp/debug/clk/emc/rate",
    "/sys/kernel/debug/clk/emc/clk_rate",
    "/sys/class/devfreq/bwmgr/cur_freq",
)
FASTEST_HERTZ: Final = 20_000_000_000
"""Nothing on these boards has a clock beyond it: what is larger is no clock."""


@dataclass(frozen=True)
class Emc:
    """The memory's clock and how much of it was used, as far as they can be read."""

    activity: KernelFile | None
    clock: KernelFile | None

    @classmethod
    def found(cls, device: Device) -> Emc:
        """Open the first place of each that this user may read."""
        return cls(_first(device, ACTIVITY), _first(device, EMC_RATES))

    def read(self) -> tuple[float | None, float | None]:
        """Return (clock in hertz, use in percent of it), None each where it is not known.

        The activity divided by the clock in kHz is the percentage (jetson_stats).
        """
        clock = None if self.clock is None else hertz(self.clock.read_integer())
        activity = None if self.activity is None else self.activity.read_integer()
        if not clock or activity is None:
            return clock, None
        percent = activity / (clock / 1000)
        return clock, percent if 0 <= percent <= 100 else None  # noqa: PLR2004 - a percentage

    def close(self) -> None:
        """Close the files; safe twice."""
        for file in (self.activity, self.clock):
            if file is not None:
                file.close()


def gpu_load(device: Device) -> KernelFile | None:
    """Open the file that says how busy the GPU is, in thousandths; None where there is none."""
    nodes = [f"{DEVFREQ}/{node.name}/device/load" for node in _gpu_nodes(device)]
    return _first(device, (*LOADS, *nodes))


def gpu_clocks(device: Device) -> dict[str, KernelFile]:
    """Open the GPU's clocks: `gpu`, or one of each cluster (`gpc0`)."""
    clocks: dict[str, KernelFile] = {}
    for node in _gpu_nodes(device):
        cluster = CLUSTER.fullmatch(node.name)
        label = "gpu" if cluster is None else f"{cluster[1]}{cluster[2]}"
        if label not in clocks:
            with suppress(OSError):
                clocks[label] = KernelFile(node / "cur_freq")
    return clocks


def engines(device: Device) -> dict[str, tuple[KernelFile, KernelFile | None]]:
    """Open each engine's clock, and its count of users where the kernel has one (0: it is off)."""
    found: dict[str, tuple[KernelFile, KernelFile | None]] = {}
    for folder in sorted(device.path(CLOCKS).glob("*")):
        if ENGINE.fullmatch(folder.name):
            with suppress(OSError):
                rate = KernelFile(folder / "clk_rate")
                found[folder.name] = (rate, _opened(folder / "clk_enable_count"))
    return found


def share(value: int | None, whole: int) -> float | None:
    """Return percent of the whole; None for what is no share of it."""
    if value is None or not 0 <= value <= whole:
        return None
    return 100 * value / whole


def hertz(value: int | None) -> float | None:
    """Return a clock; None for what is none."""
    if value is None or not 0 <= value <= FASTEST_HERTZ:
        return None
    return float(value)


def _gpu_nodes(device: Device) -> Iterator[Path]:
    for node in sorted(device.path(DEVFREQ).glob("*")):
        named = read_text(node / "device" / "of_node" / "name")
        if named in TEGRA_GPUS or CLUSTER.fullmatch(node.name):
            yield node


def _first(device: Device, places: tuple[str, ...]) -> KernelFile | None:
    opened = (_opened(device.path(place)) for place in places)
    return next((file for file in opened if file is not None), None)


def _opened(path: Path) -> KernelFile | None:
    try:
        return KernelFile(path)
    except OSError:  # not there, or not for this user
        return None
