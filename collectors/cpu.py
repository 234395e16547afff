"""Who uses the processor? Every core and its clock, every process and thread of the program.

Works on any Linux. psutil reads the CPU time of the program's processes; the rest is read directly
below `/proc` and `/sys/devices/system/cpu`: psutil numbers cores by position, which is
wrong where one is switched off, counts clocks by policy without saying of which cores, and gives
threads no names. CPU times advance in steps of 10 ms (on most kernels), so a single reading is
coarse; the steps do not add up to an error. What a process used after its last reading is not seen.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import psutil

from probe.errors import NoData
from probe.family import Family, Member, family
from probe.kernel_file import KernelFile, integer, read_text
from probe.model import Device, Grade, Sample, Seen, Support, Track, UtilisationKind

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

STAT: Final = "/proc/stat"
CLOCKS: Final = "/sys/devices/system/cpu/cpufreq"
STAT_BYTES: Final = 256 * 1024
"""Enough for the lines of 2,000 cores, which come first."""
TICK_S: Final = 0.01
"""What one unit of /proc/<pid>/stat means to user space on every Linux (USER_HZ is 100)."""
USER_FIELD: Final = 11
SYSTEM_FIELD: Final = 12
"""Places of utime and stime among the fields after the name (proc(5): 14 and 15)."""
_BUSY: Final = UtilisationKind.BUSY_TIME


class CoreTimes(NamedTuple):
    """Cumulative time of a core in ticks."""

    total: int
    idle: int
    stolen: int


class ThreadTime(NamedTuple):
    """A thread's name and its cumulative CPU time."""

    name: str
    cpu_s: float


class Cpu:
    """Busy and stolen share of each core, clocks, and CPU time by process and by thread.

    Processes and threads are in percent of one core (two busy cores are 200 %), labelled
    `name:id`. Shares come from cumulative counters, so whatever is seen for the first time has
    no share yet; a counter that went back (a reset, a number used again) gives null once.
    """

    name = "cpu"
    tracks = (
        Track("cpu.process", "percent", "CPU time of the program's processes", kind=_BUSY),
        Track("cpu.thread", "percent", "CPU time of the program's threads", kind=_BUSY),
        Track("cpu.core", "percent", "Busy time of the cores", kind=_BUSY),
        Track("cpu.stolen", "percent", "Time that other virtual machines took from the cores"),
        # On boards with a clock of their firmware's (Raspberry Pi) this is what was asked for.
        Track("cpu.clock", "hertz", "Clock of the cores, as the governor sees it", Grade.DERIVED),
    )
    period_ns = 250_000_000
    sensitive = False
    support = (
        Support(
            "any Linux",
            tuple(track.name for track in tracks),
            "psutil, /proc/stat, /proc/<pid>/task/*/stat, /sys/devices/system/cpu/cpufreq",
            Seen.HARDWARE,
        ),
    )

    def __init__(self) -> None:
        self._stat: KernelFile | None = None
        self._proc = Path("/proc")
        self._procfs_before: str | None = None
        self._clocks: dict[str, KernelFile] = {}
        self._cores: dict[str, CoreTimes] = {}
        self._counters: dict[Hashable, tuple[int, float]] = {}
        self._family: Family | None = None
        self._processes: dict[Member, psutil.Process] = {}

    def start(self, device: Device) -> None:
        """Open /proc/stat and the clocks; raises `NoData` where there is no /proc/stat."""
        self._proc = device.path("/proc")
        try:
            self._stat = KernelFile(device.path(STAT), STAT_BYTES)
        except OSError as error:
            raise NoData(
                f"{device.path(STAT)}: {error.strerror}",
                remedy="mount /proc (in a container: without masking /proc/stat)",
            ) from error
        self._clocks = _clocks(device.path(CLOCKS))
        if device.program_pid is not None:
            self._procfs_before = psutil.PROCFS_PATH
            psutil.PROCFS_PATH = str(self._proc)
            self._family = family(device)

    def lacking(self) -> Mapping[str, NoData]:
        """Return why there are no clocks, where there are none."""
        if self._clocks:
            return {}
        missing = f"no {CLOCKS}/policy*/scaling_cur_freq"
        remedy = "load the processor's cpufreq driver; most virtual machines have none"
        return {"cpu.clock": NoData(missing, remedy=remedy)}

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield what can be said at `t_ns` of cores, clocks, processes and threads."""
        yield from self._of_cores()
        for label, clock in self._clocks.items():
            kilohertz = clock.read_integer()
            yield Sample("cpu.clock", label, None if kilohertz is None else kilohertz * 1000.0)
        seen: set[Hashable] = set()
        for process in self._search(t_ns):
            yield from self._of_process(process, t_ns, seen)
        self._counters = {key: read for key, read in self._counters.items() if key in seen}

    def stop(self) -> None:
        """Close the files and give psutil its path back."""
        for file in (self._stat, *self._clocks.values()):
            if file is not None:
                file.close()
        self._stat, self._clocks = None, {}
        if self._procfs_before is not None:
            psutil.PROCFS_PATH, self._procfs_before = self._procfs_before, None

    def _of_cores(self) -> Iterator[Sample]:
        text = self._stat.read() if self._stat is not None else None
        cores = core_times(text or "")
        for label, now in cores.items():
            if label in self._cores:
                busy, stolen = shares(self._cores[label], now)
                yield Sample("cpu.core", label, busy)
                yield Sample("cpu.stolen", label, stolen)
        self._cores = cores

    def _search(self, t_ns: int) -> Iterable[psutil.Process]:
        """Return the program's processes; psutil knows each by its number and its start."""
        members = self._family.members(t_ns) if self._family is not None else ()
        known = self._processes
        self._processes = {}
        for member in members:
            with contextlib.suppress(psutil.Error):  # it is over already
                self._processes[member] = known.get(member) or psutil.Process(member.pid)
        return self._processes.values()

    def _of_process(
        self, process: psutil.Process, t_ns: int, seen: set[Hashable]
    ) -> Iterator[Sample]:
        """Yield the shares of a process and its threads; nothing once it is gone."""
        try:
            times = process.cpu_times()
            label = f"{process.name()}:{process.pid}"
        except psutil.Error:  # gone, a zombie, or not ours to read
            return
        yield from self._share("cpu.process", label, process, (t_ns, times.user + times.system))
        seen.add(process)
        for tid, thread in threads(self._proc / str(process.pid) / "task"):
            key = (process, tid)
            label = f"{thread.name}:{tid}"
            yield from self._share("cpu.thread", label, key, (t_ns, thread.cpu_s))
            seen.add(key)

    def _share(
        self, track: str, label: str, key: Hashable, now: tuple[int, float]
    ) -> Iterator[Sample]:
        before = self._counters.get(key)
        self._counters[key] = now
        if before is not None and now[0] > before[0]:
            percent = 100 * (now[1] - before[1]) / ((now[0] - before[0]) / 1e9)
            yield Sample(track, label, percent if percent >= 0 else None)


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


def threads(folder: Path) -> Iterator[tuple[int, ThreadTime]]:
    """Yield (thread id, name and time) from a `task` folder; what vanishes meanwhile is skipped."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        tid, thread = integer(entry.name), thread_time(read_text(entry / "stat") or "")
        if tid is not None and thread is not None:
            yield tid, thread


def thread_time(stat: str) -> ThreadTime | None:
    """Parse /proc/<pid>/task/<tid>/stat, None where it is cut short or something else.

    The name stands in parentheses and may itself hold blanks and parentheses.
    """
    head, closing, tail = stat.rpartition(")")
    fields = tail.split()
    if not closing or len(fields) <= SYSTEM_FIELD:
        return None
    user, system = integer(fields[USER_FIELD]), integer(fields[SYSTEM_FIELD])
    if user is None or system is None:
        return None
    return ThreadTime(head.partition("(")[2], (user + system) * TICK_S)


def _clocks(folder: Path) -> dict[str, KernelFile]:
    """Open the clock of every cpufreq policy, by the cores that share it: `cpu0-3`."""
    clocks = {}
    for policy in sorted(folder.glob("policy*")):
        label = _cores_named(read_text(policy / "related_cpus")) or policy.name
        with contextlib.suppress(OSError):  # a policy without a readable clock is a gap
            clocks[label] = KernelFile(policy / "scaling_cur_freq")
    return clocks


def _cores_named(related: str | None) -> str | None:
    cores = [core for core in map(integer, (related or "").split()) if core is not None]
    if not cores:
        return None
    return f"cpu{cores[0]}" if len(cores) == 1 else f"cpu{min(cores)}-{max(cores)}"
