"""Which events mean memory traffic, and on which of a device's PMUs are they?

Events and their meaning after the kernel's drivers (intel uncore, amd uncore, rockchip-dfi) and
perf's own tables (tools/perf/pmu-events); `tests` have them in their documented form. None of
these counters was read on hardware.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collectors.bandwidth.pmu import PMUS, Pmu, Words, pmus
from probe.devices.virtual import unless_virtual
from probe.errors import NoData, OtherDevice
from probe.kernel_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from probe.model import Device

READ: Final = "bandwidth.read"
WRITTEN: Final = "bandwidth.written"
CPU_READ: Final = "bandwidth.cpu_read"
LINE_BYTES: Final = 64.0
"""What a burst of DDR, and a line of the caches of x86 and Cortex-A, holds."""
REMEDIES: Final = {
    "GenuineIntel": "load the driver: sudo modprobe intel_uncore",
    "AuthenticAMD": "load the driver: sudo modprobe amd_uncore (Zen 4 or newer, Linux of 2024 or "
    "newer; not every client part has it)",
    "rockchip": "run a mainline Linux of 2024 or newer with the rockchip-dfi driver "
    "(CONFIG_DEVFREQ_EVENT_ROCKCHIP_DFI); the vendor's kernel has none",
}
"""By a word of /proc/cpuinfo or of the device tree."""


@dataclass(frozen=True)
class Family:
    """PMUs of one kind: their names, and by track the events to add up, the first that are there.

    An event is the name of a file in `events/`, or its terms where the kernel names none. With
    `of_program` it follows the program's threads; else it counts for the whole machine. The first
    `unsettled` readings are thrown away.
    """

    pmu: re.Pattern[str]
    events: Mapping[str, tuple[tuple[str, ...], ...]]
    of_program: bool = False
    unsettled: int = 0


CONTROLLERS: Final = (
    # Tiger Lake and newer (data_*), Ice Lake servers (read, write): never multiplexed.
    Family(re.compile(r"uncore_imc_free_running(?:_[0-9]+)?"), {
        READ: (("data_read",), ("read",)),
        WRITTEN: (("data_write",), ("write",)),
    }),
    # Clients to Rocket Lake (data_*); servers (cas_*), from Granite Rapids on by half channel.
    Family(re.compile(r"uncore_imc(?:_[0-9]+)?"), {
        READ: (("data_reads",), ("cas_count_read",),
               ("cas_count_read_sch0", "cas_count_read_sch1")),
        WRITTEN: (("data_writes",), ("cas_count_write",),
                  ("cas_count_write_sch0", "cas_count_write_sch1")),
    }),
    # Zen 4 and newer: the kernel names no events; umc_cas_cmd.rd and .wr of perf's tables.
    Family(re.compile(r"amd_umc_[0-9]+"), {
        READ: (("event=0x0a,rdwrmask=0x1",),),
        WRITTEN: (("event=0x0a,rdwrmask=0x2",),),
    }),
    # Its first count may be 2^64 less something (recorded); `cycles`, half of what they should be
    # on RK3588, are not read.
    Family(re.compile(r"rockchip_ddr"), {
        READ: (("read-bytes",),),
        WRITTEN: (("write-bytes",),),
    }, unsettled=1),
)  # fmt: skip
"""Each counts the whole memory, so the first that is there is enough."""
CORES: Final = Family(
    re.compile(r"armv[89]_.+"),
    {CPU_READ: (("l3d_cache_refill",), ("ll_cache_miss_rd",))},
    of_program=True,
)
"""On Cortex-A76 a refill of the L3 is a read whose data came from outside the cluster."""


@dataclass(frozen=True)
class Target:
    """What is to be counted on one PMU; the counts of `words` are added up."""

    track: str
    pmu: Pmu
    events: tuple[str, ...]
    words: tuple[Words, ...]
    bytes_each: float
    unsettled: int = 0


def controllers(device: Device, families: Sequence[Family] = CONTROLLERS) -> list[Target]:
    """Return what the memory controllers can count; empty where they show nothing."""
    every = (list(targets(device, family)) for family in families)
    return next((found for found in every if found), [])


def targets(device: Device, family: Family) -> Iterator[Target]:
    """Yield what the PMUs of a family can count."""
    for pmu in pmus(device, family.pmu):
        for track, choices in family.events.items():
            every = (_target(track, pmu, names, family.unsettled) for names in choices)
            found = next((each for each in every if each is not None), None)
            if found is not None and (family.of_program or pmu.cpus):
                yield found


def absent(device: Device) -> NoData:
    """Say why the memory controllers have no counters here, and what could be done."""
    what = f"no counters of the memory controller: {device.path(PMUS)}"
    files = ("/proc/cpuinfo", "/proc/device-tree/compatible")
    said = " ".join(read_text(device.path(file)) or "" for file in files)
    for word, remedy in REMEDIES.items():
        if word in said:
            return NoData(what, remedy=unless_virtual(device, remedy))
    return OtherDevice(what, remedy="none: Linux has no driver for its counters")


def of_arm(device: Device) -> bool:
    """Say whether the processor is one of Arm's architecture; each of them has counters."""
    return "CPU implementer" in (read_text(device.path("/proc/cpuinfo")) or "")


def uncounted(device: Device) -> NoData:
    """Say that the kernel shows no counters of Arm cores, and what could be done."""
    remedy = (
        "boot a kernel with CONFIG_ARM_PMUV3 (before 6.4: CONFIG_HW_PERF_EVENTS), and a device "
        "tree that has the cores' PMU"
    )
    return NoData(
        f"no counters of the cores: {device.path(PMUS)}/armv8_*",
        remedy=unless_virtual(device, remedy),
    )


def _target(track: str, pmu: Pmu, names: tuple[str, ...], unsettled: int) -> Target | None:
    words = [pmu.event(name) for name in names]
    known = tuple(each for each in words if each is not None)
    sizes = {pmu.bytes_each(name, LINE_BYTES) for name in names}
    size = sizes.pop()
    if len(known) < len(words) or sizes or size is None:
        return None
    return Target(track, pmu, names, known, size, unsettled)
