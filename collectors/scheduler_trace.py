"""Exactly when did a thread of the program wait for a core, and who had it meanwhile?

With root, the kernel's own trace events `sched_waking` and `sched_switch`, for the program's
threads only, in an instance of tracefs of our own: nobody else's tracing is touched. A wait begins
when the thread is woken or loses its core, and ends when it runs. Times are CLOCK_MONOTONIC to a
microsecond. Whoever took the core, or had it until the thread came to run, stands in the label;
`idle` means that nobody did, and the wait is that of the wake-up itself.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from probe.errors import NoData
from probe.family import Family, family
from probe.kernel_file import integer, read_text
from probe.model import Device, Notice, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

PLACES: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
PREFIX: Final = "liveprobe-"
EVENTS: Final = ("sched_switch", "sched_waking")
BUFFER_KIB: Final = 1024
"""For each core; holds about 10,000 events, a second of a very busy program."""
CHUNK_BYTES: Final = 64 * 1024
LIST_BYTES: Final = 1024 * 1024
MOST_WAITS: Final = 1_000_000
"""Rows of one run; 100 bytes each in memory. Then the collector stops to record, and says so."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one call, about 100,000 events: where they come faster than they are read, it ends too."""
LOOK_NS: Final = 950_000_000
"""Once a second, less what a call may be early: as often as the program's processes are searched.
The kernel itself adds what a followed thread starts."""
NUMBER: Final = re.compile(r":[0-9]+$")
"""Of `kworker/0:1`, which would be taken for a thread's."""
EVENT: Final = re.compile(
    r"^(?:.{0,32}?-([0-9]+) +(?:\( *[0-9-]+\) +)?\[[0-9]+\] +\S+ +([0-9]+)\.([0-9]{6}): (?:"
    r"sched_switch: prev_comm=(.*?) prev_pid=([0-9]+) prev_prio=\S+ prev_state=(\S+) ==> "
    r"next_comm=(.*?) next_pid=([0-9]+) next_prio=\S+"
    r"|sched_waking: comm=.*? pid=([0-9]+) prio=\S+ target_cpu=[0-9]+)"
    r"|CPU:[0-9]+ \[LOST ([0-9]+) EVENTS\])$",
    re.MULTILINE,
)
"""Tid of who has the core, second, microsecond; of a switch name, tid and state of who goes, name
and tid of who comes; the tid of who is woken; how many events were lost. One search of a whole
chunk costs half of a match of each line."""


class SchedulerTrace:
    """Every wait of a thread for a core, in seconds, at the moment when it ran.

    Labels are `name:tid < name:tid` of the thread of the program that had the core, `< name` of
    another program's (no number: it says nothing and changes), or `< idle`.
    """

    name = "scheduler_trace"
    tracks = (Track("scheduler_trace.wait", "seconds", "Waits for a core"),)
    period_ns = 250_000_000
    sensitive = False
    support = (
        Support(
            "any Linux",
            ("scheduler_trace.wait",),
            "tracefs: sched_switch, sched_waking",
            Seen.HARDWARE,
            "root, and tracefs mounted",
        ),
    )

    def __init__(self) -> None:
        self._instance: Path | None = None
        self._pipe: int | None = None
        self._family: Family | None = None
        self._ours: set[str] = set()
        self._listed: set[str] = set()
        self._looked_ns: int | None = None
        self._rest = ""
        self._waits = Waits()

    def start(self, device: Device) -> None:
        """Make an instance of tracefs, switch the events on; raises `NoData` without the right."""
        found = [device.path(place) for place in PLACES]
        # Not Path.is_dir: until Python 3.14 it raises in a folder that may not be looked into.
        root = next((each for each in found if os.path.isdir(each / "instances")), None)  # noqa: PTH112
        if root is None:
            raise NoData(
                f"{found[0]}: no tracefs that may be looked at",
                remedy="run liveprobe as root, with tracefs mounted: "
                "mount -t tracefs nodev /sys/kernel/tracing",
            )
        _remove_left_behind(root / "instances")
        instance = root / "instances" / f"{PREFIX}{os.getpid()}-{device.program_pid}"
        try:
            instance.mkdir()
            self._instance = instance
            _write(instance / "trace_clock", "mono")
            _write(instance / "buffer_size_kb", str(BUFFER_KIB))
            _write(instance / "options" / "event-fork", "1")
            self._family = family(device)
            self._follow(0)
            for event in EVENTS:
                _write(instance / "events" / "sched" / event / "enable", "1")
            self._pipe = os.open(instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            self.stop()
            raise NoData(
                f"{error.filename or instance}: {error.strerror}", remedy="run liveprobe as root"
            ) from error

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Yield the waits that ended since the last call."""
        self._follow(t_ns)
        for text in self._texts():
            yield from self._waits.after(text, self._ours)

    def stop(self) -> None:
        """Close the pipe and remove the instance."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._instance is not None:
            _remove(self._instance)
            self._instance = None
        self._family = None

    def _follow(self, t_ns: int) -> None:
        """Tell the kernel of threads that it does not follow yet; it adds those that they start."""
        if self._instance is None or self._family is None:
            return
        followed = self._instance / "set_event_pid"
        listed = set((read_text(followed, LIST_BYTES) or "").split())
        # The last events of a thread that ended since the call before are still to come.
        self._ours, self._listed = listed | self._listed, listed
        if self._looked_ns is not None and t_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = t_ns
        for member in self._family.members(t_ns):
            for tid in _threads(member.folder / "task"):
                if tid not in listed:
                    self._ours.add(tid)
                    with suppress(ProcessLookupError):  # it is over already
                        _add(followed, tid)

    def _texts(self) -> Iterator[str]:
        """Yield the whole lines that the kernel has for us now, many at a time."""
        left = MOST_BYTES
        while self._pipe is not None and left > 0:
            try:
                chunk = os.read(self._pipe, CHUNK_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            if not chunk:
                return
            left -= len(chunk)
            text = self._rest + chunk.decode("utf-8", "replace")
            whole, _, self._rest = text.rpartition("\n")
            yield whole


class Waits:
    """Pairs the moment when a thread was ready with the one when it ran.

    The kernel leaves events out now and then, without a word: some threads are seen to leave a core
    that they were not seen to get. A wait whose end was not seen is none; else the sleep that
    follows would be taken for waiting.
    """

    def __init__(self) -> None:
        self.recorded = 0
        self._ready: dict[str, tuple[int, str | None]] = {}

    def after(self, text: str, ours: Collection[str]) -> Iterator[Sample | Notice]:
        """Yield the waits that these lines of a trace end, of the threads `ours`, by their tid."""
        for running, second, us, before, out, state, after, into, woken, lost in EVENT.findall(
            text
        ):
            if lost:  # what is open now may have ended meanwhile
                self._ready.clear()
                yield Notice("events of the scheduler were lost", {"events": int(lost)})
            elif woken:
                self._ready.pop(running, None)  # it runs: a wait of its own was over unseen
                if woken in ours and woken != running:  # a thread of ours wakes others too
                    self._woken(woken, _ns(second, us))
            else:
                self._ready.pop(out, None)  # likewise
                if state[0] == "R" and out in ours:  # it would go on, but lost the core
                    self._ready[out] = (_ns(second, us), _who(after, into, ours))
                since = self._ready.pop(into, None)
                if since is not None and self.recorded < MOST_WAITS:
                    t_ns, who = _ns(second, us), since[1] or _who(before, out, ours)
                    seconds = (t_ns - since[0]) / 1e9
                    yield Sample("scheduler_trace.wait", f"{after}:{into} < {who}", seconds, t_ns)
                    self.recorded += 1
                    if self.recorded == MOST_WAITS:
                        yield Notice("no more waits are recorded", {"waits": MOST_WAITS})

    def _woken(self, tid: str, t_ns: int) -> None:
        """Begin a wait; the kernel wakes only what sleeps, so that one open from before is over."""
        _, taker = self._ready.pop(tid, (0, None))
        if taker is None:  # else it lost its core, and since when it waits is not known
            self._ready[tid] = (t_ns, None)


def _ns(second: str, microsecond: str) -> int:
    return int(second + microsecond) * 1000


def _who(name: str, tid: str, ours: Collection[str]) -> str:
    """Return who has a core; threads of other programs without the number that some bear."""
    if tid == "0":
        return "idle"
    return f"{name}:{tid}" if tid in ours else NUMBER.sub("", name)


def _threads(folder: Path) -> list[str]:
    with suppress(OSError):
        return [entry.name for entry in folder.iterdir() if integer(entry.name) is not None]
    return []


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="ascii")


def _add(file: Path, number: str) -> None:
    """Add a number to a list of the kernel's; opening it to truncate would empty it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, f"{number}\n".encode())
    finally:
        os.close(descriptor)


def _remove(instance: Path) -> None:
    """Remove an instance; the kernel refuses where somebody reads its pipe."""
    with suppress(OSError):
        instance.rmdir()


def _remove_left_behind(instances: Path) -> None:
    """Remove the instances of harnesses that were killed.

    One that is seen as gone because it runs in another container reads its pipe, and keeps it.
    """
    for each in instances.glob(f"{PREFIX}*"):
        owner = integer(each.name.removeprefix(PREFIX).partition("-")[0])
        if owner is not None and not Path(f"/proc/{owner}").exists():
            _remove(each)
