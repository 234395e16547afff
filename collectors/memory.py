"""How much memory does the program hold, and how often does it wait for a page of it?

Works on any Linux. `/proc/<pid>/status` gives what is resident, the peak and what is swapped out,
`/proc/<pid>/stat` the page faults, `/proc/<pid>/smaps_rollup` the proportional share (a page that n
processes share counts as 1/n), `/proc/meminfo` what the machine has left. The proportional share is
read at the start, after 5, 15 and 35 s, and then every 30 s: the kernel walks all pages for it and
holds the program's memory lock meanwhile. Resident sizes of a program with many threads lag by some
pages a thread (the kernel adds them up lazily).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.errors import NoData
from probe.family import Family, Member, family
from probe.kernel_file import KernelFile, integer, read_text
from probe.model import Device, Grade, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MEMINFO: Final = "/proc/meminfo"
KIBIBYTE: Final = 1024
PROPORTIONAL_PERIOD_NS: Final = 30_000_000_000
FIRST_PROPORTIONAL_NS: Final = 5_000_000_000
"""Until the second reading; then twice as long each time, up to the period: a program that was just
started has nothing yet."""
MINOR_FIELD: Final = 7
MAJOR_FIELD: Final = 9
"""Places of minflt and majflt among the fields after the name (proc(5): 10 and 12)."""
SIZES: Final = {"VmRSS": "memory.rss", "VmHWM": "memory.peak", "VmSwap": "memory.swapped"}
SIZE: Final = re.compile(r"^(\w+):\s+([0-9]{1,15}) kB$", re.MULTILINE)


class Faults(NamedTuple):
    """Page faults of a process since it began; a major one waited for a disk."""

    minor: int
    major: int


class Memory:
    """Sizes in bytes and page faults a second of each process (`name:pid`)."""

    name = "memory"
    tracks = (
        Track("memory.rss", "bytes", "Resident memory"),
        Track(
            "memory.pss",
            "bytes",
            "Resident memory, shared pages by their share",
            period_ns=PROPORTIONAL_PERIOD_NS,
        ),
        Track("memory.peak", "bytes", "Most resident memory so far"),
        Track("memory.swapped", "bytes", "Memory that is swapped out"),
        Track("memory.minor_faults", "count/s", "Page faults without a disk"),
        Track("memory.major_faults", "count/s", "Page faults that waited for a disk"),
        # The kernel's own estimate of what new programs can have.
        Track("memory.available", "bytes", "Memory that the machine has left", Grade.DERIVED),
    )
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("any Linux", tuple(SIZES.values()), "/proc/<pid>/status", Seen.HARDWARE),
        Support("any Linux", ("memory.pss",), "/proc/<pid>/smaps_rollup", Seen.HARDWARE),
        Support("any Linux", ("memory.minor_faults", "memory.major_faults"), "/proc/<pid>/stat",
                Seen.HARDWARE),
        Support("any Linux", ("memory.available",), MEMINFO, Seen.HARDWARE),
    )  # fmt: skip

    def __init__(self) -> None:
        self._meminfo: KernelFile | None = None
        self._family: Family | None = None
        self._before: dict[Member, tuple[int, Faults]] = {}
        self._proportional_due_ns = 0
        self._proportional_wait_ns = FIRST_PROPORTIONAL_NS

    def start(self, device: Device) -> None:
        """Open /proc/meminfo; raises `NoData` where there is none."""
        try:
            self._meminfo = KernelFile(device.path(MEMINFO))
        except OSError as error:
            raise NoData(
                f"{device.path(MEMINFO)}: {error.strerror}", remedy="mount /proc"
            ) from error
        self._family = family(device)

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield the sizes of every process, its faults since the last reading, and what is left."""
        meminfo = sizes(self._meminfo.read() or "") if self._meminfo is not None else {}
        yield Sample("memory.available", "", meminfo.get("MemAvailable"))
        proportional = t_ns >= self._proportional_due_ns
        if proportional:
            self._proportional_due_ns = t_ns + self._proportional_wait_ns
            self._proportional_wait_ns = min(2 * self._proportional_wait_ns, PROPORTIONAL_PERIOD_NS)
        before, self._before = self._before, {}
        for member in self._family.members(t_ns) if self._family is not None else ():
            yield from _of_sizes(member)
            if proportional:
                yield from _proportional(member)
            yield from self._of_faults(member, before.get(member), t_ns)

    def stop(self) -> None:
        """Close the file."""
        if self._meminfo is not None:
            self._meminfo.close()
        self._meminfo = self._family = None

    def _of_faults(
        self, member: Member, before: tuple[int, Faults] | None, t_ns: int
    ) -> Iterator[Sample]:
        now = faults(read_text(member.folder / "stat") or "")
        if now is None:  # it is over
            return
        self._before[member] = (t_ns, now)
        if before is None or t_ns <= before[0]:
            return
        seconds = (t_ns - before[0]) / 1e9
        minor, major = now.minor - before[1].minor, now.major - before[1].major
        yield Sample("memory.minor_faults", member.label, minor / seconds if minor >= 0 else None)
        yield Sample("memory.major_faults", member.label, major / seconds if major >= 0 else None)


def sizes(text: str) -> dict[str, float]:
    """Parse lines such as ``VmRSS:  1234 kB``: name to bytes; other lines are left out."""
    return {name: int(number) * float(KIBIBYTE) for name, number in SIZE.findall(text)}


def faults(stat: str) -> Faults | None:
    """Parse /proc/<pid>/stat; None where it is cut short or something else."""
    _, closing, tail = stat.rpartition(")")
    fields = tail.split()
    if not closing or len(fields) <= MAJOR_FIELD:
        return None
    minor, major = integer(fields[MINOR_FIELD]), integer(fields[MAJOR_FIELD])
    return None if minor is None or major is None else Faults(minor, major)


def _of_sizes(member: Member) -> Iterator[Sample]:
    found = sizes(read_text(member.folder / "status") or "")
    yield from (
        Sample(track, member.label, found[field])
        for field, track in SIZES.items()
        if field in found
    )


def _proportional(member: Member) -> Iterator[Sample]:
    """Yield the proportional share; nothing where the kernel does not let us look."""
    found = sizes(read_text(member.folder / "smaps_rollup") or "")
    if "Pss" in found:
        yield Sample("memory.pss", member.label, found["Pss"])
