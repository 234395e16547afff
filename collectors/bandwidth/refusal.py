"""Why does the kernel not let us count, and what could be done?"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from probe.errors import NoData
from probe.kernel_file import read_integer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collectors.bandwidth.sources import Target
    from probe.model import Device

PARANOID: Final = "/proc/sys/kernel/perf_event_paranoid"
FOR_MACHINE: Final = 0
"""The highest setting at which everybody may count the whole machine (sysctl/kernel.rst)."""
FOR_PROGRAM: Final = 2
"""... and a program of their own, outside the kernel."""
RIGHTS: Final = (errno.EACCES, errno.EPERM)
ABSENT: Final = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP, errno.EINVAL)
REMEDIES: Final = {
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.EBUSY: "stop other programs that count (perf, a profiler)",
    errno.ESRCH: "the program was over before it could be counted",
    errno.ENOSYS: "use a kernel with CONFIG_PERF_EVENTS; a container's seccomp profile may hide it",
}


def in_tree(device: Device, found: Iterable[Target]) -> NoData:
    """Return what to tell of a captured tree, which shows PMUs but cannot count."""
    names = ", ".join(dict.fromkeys(each.pmu.name for each in found))
    return NoData(
        f"{device.root} is a captured tree and has no counters; on the device these are read: "
        f"{names}",
        remedy="run liveprobe on the device itself",
    )


def refused(device: Device, error: OSError, pmu: str, *, of_program: bool) -> NoData:
    """Return what to tell of a counter that could not be opened."""
    said = f"{pmu}: perf_event_open: {error.strerror}"
    if error.errno in RIGHTS:
        level = read_integer(device.path(PARANOID))
        known = "" if level is None else f" (kernel.perf_event_paranoid is {level})"
        enough = FOR_PROGRAM if of_program else FOR_MACHINE
        return NoData(
            said + known,
            remedy="run liveprobe as root or with CAP_PERFMON, or allow it until the next boot: "
            f"sudo sysctl kernel.perf_event_paranoid={enough} (in a container: --cap-add PERFMON, "
            "and a seccomp profile that allows perf_event_open)",
        )
    if error.errno in ABSENT:
        return NoData(said, remedy="the hardware or the kernel has not this event: try a newer one")
    remedy = REMEDIES.get(error.errno or 0, "try `perf stat` with this PMU by hand")
    return NoData(said, remedy=remedy)
