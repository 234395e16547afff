"""Who uses the processor? Every core and its clock, every process and thread of the program.

Works on any Linux, read directly below `/proc` and `/sys/devices/system/cpu`: psutil numbers cores
by position, which is wrong where one is switched off, counts clocks by policy without saying of
which cores, and gives threads no names. Times of threads and processes are in nanoseconds where
the kernel keeps them so. Cores are counted in steps of 10 ms, so that a single reading is coarse;
the steps do not add up to an error. What a process used after its last reading is not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collectors.cpu.cores import CoreTimes, clocks, core_times, shares
from collectors.cpu.spent import Threads, process_ns, run_ns
from probe.devices.virtual import unless_virtual
from probe.errors import NoData
from probe.family import Family, Member, family
from probe.kernel_file import KernelFile, read_text
from probe.model import Device, Grade, Sample, Seen, Source, Support, Track, UtilisationKind
from probe.tool import is_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STAT: Final = "/proc/stat"
CLOCKS: Final = "/sys/devices/system/cpu/cpufreq"
STAT_BYTES: Final = 256 * 1024
"""Enough for the lines of 2,000 cores, which come first."""
DRIVER: Final = "load the processor's cpufreq driver; the distribution's own kernel has it"
STEPS: Final = "in steps of 10 ms"
SCHEDSTAT: Final = "/proc/<pid>/task/*/schedstat"
CPU_CLOCK: Final = "the processes' CPU clocks"
_BUSY: Final = UtilisationKind.BUSY_TIME
_Key = tuple[int, int, int]
"""Process, its start, thread; 0 is the process itself."""


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
        Track("cpu.core", "percent", f"Busy time of the cores, {STEPS}", kind=_BUSY),
        Track("cpu.stolen", "percent", "Time that other virtual machines took from the cores"),
        # On boards with a clock of their firmware's (Raspberry Pi) this is what was asked for.
        Track("cpu.clock", "hertz", "Clock of the cores, as the governor sees it", Grade.INFERRED),
    )
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support("any Linux", ("cpu.process",), CPU_CLOCK, Seen.HARDWARE),
        Support("any Linux", ("cpu.thread",), SCHEDSTAT, Seen.HARDWARE,
                f"a kernel with CONFIG_SCHED_INFO; elsewhere stat beside it, {STEPS}"),
        Support("any Linux", ("cpu.core", "cpu.stolen"), f"{STAT}, {STEPS}", Seen.HARDWARE),
        Support("any Linux", ("cpu.clock",), f"{CLOCKS}/policy*/scaling_cur_freq", Seen.RECORDINGS),
    )  # fmt: skip

    def __init__(self) -> None:
        self._stat: KernelFile | None = None
        self._clocks: dict[str, KernelFile] = {}
        self._remedy = DRIVER
        self._cores: dict[str, CoreTimes] = {}
        self._counters: dict[_Key, tuple[int, int]] = {}
        self._family: Family | None = None
        self._threads: Threads | None = None
        self._clocked = self._fine = False

    def start(self, device: Device) -> None:
        """Open /proc/stat and the clocks; raises `NoData` where there is no /proc/stat."""
        try:
            self._stat = KernelFile(device.path(STAT), STAT_BYTES)
        except OSError as error:
            raise NoData(
                f"{device.path(STAT)}: {error.strerror}",
                remedy="mount /proc (in a container: without masking /proc/stat)",
            ) from error
        self._clocks = clocks(device.path(CLOCKS))
        self._remedy = unless_virtual(device, DRIVER)
        pid = device.program_pid
        if pid is None:
            return
        # A kernel that keeps no count says 0, and the program ran by now, if only to begin.
        self._fine = bool(run_ns(read_text(device.path(f"/proc/{pid}/task/{pid}/schedstat"))))
        self._family, self._threads = family(device), Threads(fine=self._fine)
        root = Member(pid, "", 0, device.path(f"/proc/{pid}"))
        self._clocked = is_here(device) and process_ns(root, clocked=True) is not None

    def lacking(self) -> Mapping[str, NoData]:
        """Return why there are no clocks, where there are none."""
        if self._clocks:
            return {}
        missing = f"no {CLOCKS}/policy*/scaling_cur_freq"
        return {"cpu.clock": NoData(missing, remedy=self._remedy)}

    def sources(self) -> Mapping[str, Source]:
        """Return what is read here, with its steps where they are coarse."""
        found = {name: Source(f"{STAT}, {STEPS}") for name in ("cpu.core", "cpu.stolen")}
        if self._family is None:
            return found
        coarse = f"/proc/<pid>/stat, {STEPS}"
        found["cpu.process"] = Source(CPU_CLOCK if self._clocked else coarse)
        coarse = f"/proc/<pid>/task/*/stat, {STEPS}"
        found["cpu.thread"] = Source(SCHEDSTAT if self._fine else coarse)
        return found

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield what can be said at `t_ns` of processes, threads, cores and clocks.

        What is told by the time of the call comes first: some clocks take long to read.
        """
        before, self._counters = self._counters, {}
        for member in self._family.members(t_ns) if self._family is not None else ():
            yield from self._of_process(member, t_ns, before)
        if self._threads is not None:
            self._threads.forget_ended()
        yield from self._of_cores()
        for label, clock in self._clocks.items():
            kilohertz = clock.read_integer()  # 0: the driver does not know it
            yield Sample("cpu.clock", label, kilohertz * 1000.0 if kilohertz else None)

    def stop(self) -> None:
        """Close the files; safe twice."""
        for file in (self._stat, *self._clocks.values(), self._threads):
            if file is not None:
                file.close()
        self._stat, self._clocks, self._threads, self._family = None, {}, None, None

    def _of_cores(self) -> Iterator[Sample]:
        text = self._stat.read() if self._stat is not None else None
        cores = core_times(text or "")
        for label, now in cores.items():
            if label in self._cores:
                busy, stolen = shares(self._cores[label], now)
                yield Sample("cpu.core", label, busy)
                yield Sample("cpu.stolen", label, stolen)
        self._cores = cores

    def _of_process(
        self, member: Member, t_ns: int, before: Mapping[_Key, tuple[int, int]]
    ) -> Iterator[Sample]:
        """Yield the shares of a process and its threads; nothing once it is gone."""
        spent_ns = process_ns(member, clocked=self._clocked)
        if spent_ns is None or self._threads is None:
            return
        read = [("cpu.process", member.label, 0, spent_ns)]
        for tid, thread in self._threads.of(member, t_ns):
            read.append(("cpu.thread", f"{thread.name}:{tid}", tid, thread.cpu_ns))
        for track, label, tid, cpu_ns in read:
            key = (member.pid, member.started, tid)
            self._counters[key] = (t_ns, cpu_ns)
            if key in before and t_ns > before[key][0]:
                then_ns, had_ns = before[key]
                percent = 100 * (cpu_ns - had_ns) / (t_ns - then_ns)
                yield Sample(track, label, percent if percent >= 0 else None)
