"""What does the program read from disks and write to them?

Reads `/proc/<pid>/io` (any Linux with task I/O accounting): `read_bytes` and `write_bytes` count
what went to the block layer, so that what the page cache answered is not in them, and what is
written counts when a page becomes dirty, not when it reaches the disk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.errors import NoData
from probe.family import Family, Member, family
from probe.kernel_file import read_text
from probe.model import Device, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COUNTER: Final = re.compile(r"^(read_bytes|write_bytes): ([0-9]{1,20})$", re.MULTILINE)


class Traffic(NamedTuple):
    """Bytes since the process began."""

    read: int
    written: int


class Disk:
    """Bytes a second that each process (`name:pid`) reads and writes."""

    name = "disk"
    tracks = (
        Track("disk.read", "bytes/s", "Read from disks"),
        Track("disk.written", "bytes/s", "Written to disks"),
    )
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support(
            "any Linux",
            ("disk.read", "disk.written"),
            "/proc/<pid>/io",
            Seen.HARDWARE,
            "the program's own user, or root",
        ),
    )

    def __init__(self) -> None:
        self._family: Family | None = None
        self._before: dict[Member, tuple[int, Traffic]] = {}

    def start(self, device: Device) -> None:
        """Look at the program's own file; raises `NoData` where the kernel refuses it."""
        self._family = family(device)
        own = device.path(f"/proc/{device.program_pid}/io")
        if device.program_pid is None:
            raise NoData(
                f"{device.path('/proc')}: no program to watch",
                remedy="give one: liveprobe run SCENARIO",
            )
        try:
            own.read_bytes()
        except OSError as error:
            raise NoData(
                f"{own}: {error.strerror}",
                remedy="run liveprobe as the program's user, on a kernel with "
                "CONFIG_TASK_IO_ACCOUNTING",
            ) from error

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield what each process moved since the last reading."""
        before, self._before = self._before, {}
        for member in self._family.members(t_ns) if self._family is not None else ():
            now = traffic(read_text(member.folder / "io") or "")
            if now is None:  # it is over, or another user's
                continue
            self._before[member] = (t_ns, now)
            if member in before:
                yield from _rates(member.label, before[member], (t_ns, now))

    def stop(self) -> None:
        """Forget the program."""
        self._family = None


def traffic(text: str) -> Traffic | None:
    """Parse /proc/<pid>/io; None where a counter is missing."""
    found = {name: int(number) for name, number in COUNTER.findall(text)}
    if len(found) != len(Traffic._fields):
        return None
    return Traffic(found["read_bytes"], found["write_bytes"])


def _rates(label: str, before: tuple[int, Traffic], now: tuple[int, Traffic]) -> Iterator[Sample]:
    seconds = (now[0] - before[0]) / 1e9
    if seconds <= 0:
        return
    for track, old, new in zip(("disk.read", "disk.written"), before[1], now[1], strict=True):
        yield Sample(track, label, (new - old) / seconds if new >= old else None)
