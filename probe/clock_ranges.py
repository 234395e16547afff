"""Between which clocks may cores, GPU and memory choose? What `jetson_clocks --show` prints.

Read from the files that it reads (cpufreq, devfreq, the firmware's debugfs): the tool itself wants
root. `jetson_clocks` sets the least clock of CPU and GPU to the most, and holds the memory's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from probe.kernel_file import matches, read_integer, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.model import Device

CPU: Final = "/sys/devices/system/cpu/cpufreq"
DEVFREQ: Final = "/sys/class/devfreq"
TEGRA_GPUS: Final = {"gpu", "ga10b", "gv11b", "gp10b"}
"""Names in the device tree: Orin, Xavier, TX2."""
EMC_HELD: Final = "/sys/kernel/debug/bpmp/debug/clk/emc/mrq_rate_locked"


class Range(NamedTuple):
    """What may have which clocks, in hertz."""

    part: str
    least: int
    most: int


def ranges(device: Device) -> list[Range]:
    """Return the ranges of the cpufreq policies, and of a Jetson's GPU; what is not stated is not.

    Parts are `policy0` and `gpu`, as the kernel and the device tree call them.
    """
    found = [_range(each.name, each, "scaling_{}_freq", 1000) for each in _policies(device)]
    found += [_range("gpu", each, "{}_freq", 1) for each in _gpus(device)]
    return [each for each in found if each is not None]


def held(device: Device) -> bool | None:
    """Say whether cores and GPU can have one clock alone; None where no range is stated."""
    found = ranges(device)
    return all(each.least == each.most for each in found) if found else None


def emc_held(device: Device) -> bool | None:
    """Say whether a Jetson's memory keeps its clock; None where it is not said, or not to us."""
    value = read_integer(device.path(EMC_HELD))
    return bool(value) if value in {0, 1} else None


def _policies(device: Device) -> list[Path]:
    return matches(device.path(CPU), "policy*")


def _gpus(device: Device) -> Iterator[Path]:
    for node in matches(device.path(DEVFREQ), "*"):
        if read_text(node / "device/of_node/name") in TEGRA_GPUS:
            yield node


def _range(part: str, folder: Path, pattern: str, hertz: int) -> Range | None:
    least, most = (read_integer(folder / pattern.format(end)) for end in ("min", "max"))
    if least is None or most is None or not 0 < least <= most:
        return None
    return Range(part, least * hertz, most * hertz)
