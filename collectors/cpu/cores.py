"""How busy is each core? `/proc/stat` counts it in ticks, whichever cores are switched on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from probe.kernel_file import KernelFile, integer, read_text

if TYPE_CHECKING:
    from pathlib import Path


class CoreTimes(NamedTuple):
    """Cumulative time of a core in ticks."""

    total: int
    idle: int
    stolen: int


def core_times(stat: str) -> dict[str, CoreTimes]:
    """Parse /proc/stat: `cpu0` to its times; a line that is not understood is left out.

    Guest time is part of user time already (proc(5)); waiting for I/O is idle.
    """
    cores = {}
    for line in stat.splitlines():
        name, *fields = line.split()[:9] or [""]
        if not name.startswith("cpu"):
            break
        ticks = [integer(field) for field in fields]
        whole = [tick for tick in ticks if tick is not None]
        if name != "cpu" and len(ticks) == len(whole) >= len(("user", "nice", "system", "idle")):
            stolen = whole[7] if len(whole) > 7 else 0  # noqa: PLR2004 - the eighth, since 2.6.11
            cores[name] = CoreTimes(sum(whole), sum(whole[3:5]), stolen)
    return cores


def shares(before: CoreTimes, now: CoreTimes) -> tuple[float | None, float | None]:
    """Return percent busy and percent stolen between two readings; None after a reset.

    Stolen time is the time of other virtual machines: it is neither busy nor idle.
    """
    total = now.total - before.total
    idle, stolen = now.idle - before.idle, now.stolen - before.stolen
    if total <= 0 or idle < 0 or stolen < 0 or idle + stolen > total:
        return None, None
    return 100 * (total - idle - stolen) / total, 100 * stolen / total


def clocks(folder: Path) -> dict[str, KernelFile]:
    """Open the clock of every cpufreq policy, by the cores that share it: `cpu0-3`."""
    found = {}
    for policy in sorted(folder.glob("policy*")):
        label = _cores_named(read_text(policy / "related_cpus")) or policy.name
        with suppress(OSError):  # a policy without a readable clock is a gap
            found[label] = KernelFile(policy / "scaling_cur_freq")
    return found


def _cores_named(related: str | None) -> str | None:
    cores = [core for core in map(integer, (related or "").split()) if core is not None]
    if not cores:
        return None
    return f"cpu{cores[0]}" if len(cores) == 1 else f"cpu{min(cores)}-{max(cores)}"
