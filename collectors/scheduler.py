"""How long do the program's threads wait for a core, and how often do they give it up or lose it?

Works on any Linux without privileges. `/proc/<pid>/task/<tid>/schedstat` gives the time that a
thread was ready to run and did not (nanoseconds, cumulative), `status` beside it its context
switches: voluntary where it waited for something, involuntary where another took the core. A wait
is counted when it ends, so that a share may pass 100 % after a long one. What a thread did between
its last reading and its end is not seen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.errors import NoData
from probe.family import Family, family
from probe.kernel_file import integer, read_text
from probe.model import Device, Sample, Seen, Support, Track
from probe.thread_files import ThreadFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probe.thread_files import Key

SWITCHES: Final = re.compile(
    r"^(voluntary|nonvoluntary)_ctxt_switches:\s+([0-9]{1,20})$", re.MULTILINE
)
NAME: Final = re.compile(r"^Name:\t(.*)$", re.MULTILINE)
SCHEDSTAT_FIELDS: Final = 3
STATUS_BYTES: Final = 64 * 1024
"""The switches come last, after the groups of the user, who may be in thousands."""


class Counts(NamedTuple):
    """What the scheduler counted for a thread since it began."""

    waited_ns: int
    voluntary: int
    involuntary: int


class Scheduler:
    """Share of time that each thread (`name:tid`) waited for a core, and its switches a second."""

    name = "scheduler"
    tracks = (
        Track("scheduler.wait", "percent", "Time ready to run, without a core"),
        Track("scheduler.voluntary", "count/s", "Switches of threads that waited"),
        Track("scheduler.involuntary", "count/s", "Switches of threads that lost the core"),
    )
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support(
            "any Linux",
            tuple(track.name for track in tracks),
            "/proc/<pid>/task/<tid>/{schedstat,status}",
            Seen.HARDWARE,
            "a kernel with CONFIG_SCHED_INFO (that of every distribution)",
        ),
    )

    def __init__(self) -> None:
        self._family: Family | None = None
        self._files = ThreadFiles("schedstat", "status", size_bytes=STATUS_BYTES)
        self._before: dict[Key, tuple[int, Counts]] = {}

    def start(self, device: Device) -> None:
        """Look at the program's first thread; raises `NoData` where the kernel keeps no count."""
        pid = device.program_pid
        if pid is None:
            raise NoData(
                f"{device.path('/proc')}: no program to watch",
                remedy="give one: liveprobe run SCENARIO",
            )
        first = device.path(f"/proc/{pid}/task/{pid}/schedstat")
        said = read_text(first)
        if said is None or said.startswith("0 "):  # the program ran by now, if only to begin
            raise NoData(
                f"{first}: {'cannot be read' if said is None else 'this kernel counts nothing'}",
                remedy="use a kernel with CONFIG_SCHED_INFO; the program may also be over already",
            )
        self._family = family(device)

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield what each thread waited and how often it switched since the last reading."""
        before, self._before = self._before, {}
        for member in self._family.members(t_ns) if self._family is not None else ():
            for key, _, (schedstat, status) in self._files.of(member):
                now, name = counts(schedstat, status), NAME.search(status)
                if now is None:
                    continue
                self._before[key] = (t_ns, now)
                if key in before:
                    label = f"{name[1] if name else ''}:{key.tid}"
                    yield from _rates(label, before[key], (t_ns, now))
        self._files.forget_ended()

    def stop(self) -> None:
        """Close the files, and forget the program; safe twice."""
        self._files.close()
        self._family = None


def counts(schedstat: str, status: str) -> Counts | None:
    """Parse ``run_ns wait_ns slices`` and the switches of `status`; None for anything else."""
    fields = [integer(word) for word in schedstat.split()]
    switches = {kind: int(number) for kind, number in SWITCHES.findall(status)}
    if len(fields) != SCHEDSTAT_FIELDS or len(switches) != len(("voluntary", "nonvoluntary")):
        return None
    waited = fields[1]
    if waited is None or waited < 0:
        return None
    return Counts(waited, switches["voluntary"], switches["nonvoluntary"])


def _rates(label: str, before: tuple[int, Counts], now: tuple[int, Counts]) -> Iterator[Sample]:
    elapsed = now[0] - before[0]
    if elapsed <= 0:
        return
    scales = (100 / elapsed, 1e9 / elapsed, 1e9 / elapsed)
    tracks = (track.name for track in Scheduler.tracks)
    for track, scale, old, new in zip(tracks, scales, before[1], now[1], strict=True):
        yield Sample(track, label, (new - old) * scale if new >= old else None)
