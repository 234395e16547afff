"""Exactly when did a thread of the program wait for a core, and who had it meanwhile?

With root, the kernel's own trace events `sched_waking` and `sched_switch`, for the program's
threads only, in an instance of tracefs of our own: nobody else's tracing is touched. A wait begins
when the thread is woken or loses its core, and ends when it runs. Times are CLOCK_MONOTONIC in
nanoseconds. Whoever took the core, or had it until the thread came to run, stands in the label;
`idle` means that nobody did, and the wait is that of the wake-up itself.

The kernel leaves events out, and its buffer may run over: both are counted and said. The sum of
these waits is therefore less than what a thread waited in all: that is `scheduler.wait`.

Each event costs the program the time to record it. Where they come so often that this would be felt
they are recorded for a second at a time, as rarely as it takes, after pauses whose length is drawn:
a time in which more happens is recorded more rarely, and a wait over the edge of such a window not
at all. The facts have the windows. What was recorded is looked at when the program has ended.
"""

from __future__ import annotations

import os
import random
import re
from bisect import bisect_right
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collectors.scheduler_trace import kept
from collectors.scheduler_trace.kept import Kept
from collectors.scheduler_trace.ring import Layout
from collectors.scheduler_trace.waits import LOST, Waits
from probe.errors import NoData
from probe.family import Family, family
from probe.kernel_file import integer, matches, read_text
from probe.model import Device, Notice, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from collectors.scheduler_trace.ring import Gap, Switch, Waking

PLACES: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
PREFIX: Final = "liveprobe-"
EVENTS: Final = ("sched_switch", "sched_waking")
BUFFER_KIB: Final = 2048
"""For each core; holds about 36,000 events, a second of a very busy program."""
MOST_BYTES_PER_S: Final = 160 * 1024
"""About 2,800 events; at 1 us for the kernel to record one and for us to take it, 3 ms a second."""
LEAST_JUDGED_NS: Final = 500_000_000
"""How long must be recorded before it is judged how often events come."""
LEAST_SHARE: Final = 0.1
"""Of the time is recorded, however many events there are: a burst must not blind us for long."""
LIST_BYTES: Final = 1024 * 1024
MOST_BYTES: Final = 4 * 1024 * BUFFER_KIB
"""Of one core in one call: where events come faster than they are read, it ends too."""
LOOK_NS: Final = 950_000_000
"""Once a second, less what a call may be early: as often as the program's processes are searched.
The kernel itself adds what a followed thread starts."""
OVERRUN: Final = "overrun"
DROPPED: Final = "dropped events"
FULL: Final = "no more waits are recorded: there is no room for them"
OWN_LOOKS: Final = 5
"""Of so many looks at the program's processes one is at our own, too, and each of the first: some
collectors start after this one."""
COUNT: Final = re.compile(rf"^(?:commit )?({OVERRUN}|{DROPPED}): ([0-9]{{1,18}})$", re.MULTILINE)
"""Of a core's `stats` (kernel: trace/ftrace.rst): what was overwritten before it was read, be it by
an interrupt of an interrupt, and what found no place."""


class SchedulerTrace:
    """Every wait of a thread for a core, in seconds, at the moment when it ran.

    Labels are `name:tid < name:tid` of the thread of the program that had the core, `< liveprobe`
    where the harness or a tool of its had it, `< name` of another program's (no number: it says
    nothing and changes), or `< idle`.
    """

    name = "scheduler_trace"
    tracks = (Track("scheduler_trace.wait", "seconds", "Waits for a core"),)
    period_ns = 1_000_000_000
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

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        """`draw` gives numbers from 0 up to 1: they say when to record where that is not always."""
        self._draw = draw
        self._instance: Path | None = None
        self._layout: Layout | None = None
        self._pipes: list[int] = []
        self._family: Family | None = None
        self._ours: set[int] = set()
        self._listed: set[int] = set()
        self._harness: set[int] = set()
        self._looked_ns: int | None = None
        self._looks = 0
        self._kept = Kept()
        self._waits = Waits()
        self._lost = {OVERRUN: 0, DROPPED: 0}
        self._began_ns: int | None = None
        self._ended_ns = 0
        self._recording = False
        self._windows: list[tuple[int, int]] = []
        self._on_ns: int | None = None
        self._judged_ns = self._size = 0
        self._pauses = 0
        self._full_ns: int | None = None

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
            self._layout = Layout.of(instance / "events")
            _write(instance / "trace_clock", "mono")
            _write(instance / "buffer_size_kb", str(BUFFER_KIB))
            _write(instance / "options" / "event-fork", "1")
            self._family = family(device)
            self._follow(0)
            _write(instance / "tracing_on", "0")
            for event in EVENTS:
                _write(instance / "events" / "sched" / event / "enable", "1")
            for pipe in matches(instance / "per_cpu", "cpu*/trace_pipe_raw"):
                self._pipes.append(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            self._record()
        except OSError as error:
            self.stop()
            raise NoData(
                f"{error.filename or instance}: {error.strerror}", remedy="run liveprobe as root"
            ) from error

    def sample(self, t_ns: int) -> Iterable[Notice]:
        """Take what was recorded since the last call; yield what went wrong."""
        self._began_ns, self._ended_ns = self._began_ns or t_ns, t_ns
        if not self._recording and self._pauses and not self._kept.full:
            self._pauses -= 1
            if not self._pauses:
                self._record()
        if self._recording and self._on_ns is None:
            self._on_ns, self._judged_ns, self._size = t_ns, t_ns, 0
        self._follow(t_ns)
        if self._recording:
            yield from self._take(t_ns)
        if self._looked_ns == t_ns:
            yield from self._dropped()

    def work_out(self) -> Iterable[Sample | Notice]:
        """Yield the waits that ended while they were recorded."""
        early: list[Switch | Waking | Gap] = []
        for batch, found in self._kept.batches():
            events = [*early, *self._events(found)]
            events.sort(key=itemgetter(0))
            now = bisect_right(events, batch.until_ns, key=itemgetter(0))
            early = [] if batch.last else events[now:]
            yield from self._waits.after(events[:now], batch.ours, self._harness)
            if batch.last:
                self._waits.pause()
        self._kept.close()

    def facts(self) -> Mapping[str, Any]:
        """Return what is missing in the samples, besides how many waits there are.

        `waits_without_end` and `waits_without_begin` count the waits of which the kernel left out
        that end, `waits_cut` those that went on when the recording paused; they gave no sample.
        `events_overrun` were overwritten before they were read, `events_dropped` found no place in
        the kernel's buffer. `windows_ns` are the times in which waits were recorded, of
        `watched_ns`; after `full_ns` there was no room for more.
        """
        return {
            "waits": self._waits.recorded,
            "waits_without_end": self._waits.without_end,
            "waits_without_begin": self._waits.without_begin,
            "waits_cut": self._waits.cut,
            "events_overrun": self._lost[OVERRUN],
            "events_dropped": self._lost[DROPPED],
            "windows_ns": [list(window) for window in self._windows],
            "full_ns": self._full_ns,
            "watched_ns": [self._began_ns or self._ended_ns, self._ended_ns],
        }

    def stop(self) -> None:
        """Close the pipes and remove the instance."""
        self._end_window(self._ended_ns)
        while self._pipes:
            os.close(self._pipes.pop())
        if self._instance is not None:
            self._lost = losses(self._instance)
            _remove(self._instance)
            self._instance = None
        self._family = None

    def _record(self) -> None:
        if self._instance is not None:
            _write(self._instance / "tracing_on", "1")
            self._recording = True

    def _take(self, t_ns: int) -> Iterator[Notice]:
        """Put away what is there; pause where it is too much to go on like that."""
        try:
            self._size += self._kept.add(t_ns, frozenset(self._ours), self._fresh())
        except OSError as error:
            self._pause(t_ns)
            self._full_ns = t_ns
            yield Notice(FULL, {"reason": error.strerror})
            return
        if self._kept.full:
            self._pause(t_ns)
            self._full_ns = t_ns
            yield Notice(FULL, {"bytes": kept.MOST_BYTES})
            return
        elapsed_ns = t_ns - self._judged_ns
        if elapsed_ns < LEAST_JUDGED_NS:
            return
        size, self._size, self._judged_ns = self._size, 0, t_ns
        pauses = self._drawn_pauses(size, elapsed_ns)
        if not pauses:
            return
        if not self._windows:
            rate = round(size / elapsed_ns * 1e9)
            yield Notice("waits are recorded in windows from here on", {"bytes_per_s": rate})
        self._pause(t_ns)
        self._pauses = pauses

    def _drawn_pauses(self, size_bytes: int, elapsed_ns: int) -> int:
        """Draw for how many calls not to record, so that as much as allowed is in the long run.

        From half to one and a half of their mean, evenly: never in step with the program, and
        never for long.
        """
        most_bytes = MOST_BYTES_PER_S * elapsed_ns / 1e9
        share = min(max(most_bytes / size_bytes, LEAST_SHARE), 1.0) if size_bytes else 1.0
        mean = 1 / share - 1
        return int(mean * (0.5 + self._draw()) + self._draw())

    def _pause(self, t_ns: int) -> None:
        """Record no more; what came since the call began is left out."""
        if self._instance is not None:
            _write(self._instance / "tracing_on", "0")
            for _ in self._fresh():
                pass
        self._end_window(t_ns)

    def _end_window(self, t_ns: int) -> None:
        self._kept.end()
        if self._on_ns is not None:
            self._windows.append((self._on_ns, t_ns))
        self._recording, self._on_ns = False, None

    def _dropped(self) -> Iterator[Notice]:
        """Tell of events that found no place; of those that were overwritten the pipe tells."""
        if self._instance is not None:
            before, self._lost = self._lost, losses(self._instance)
            fresh = self._lost[DROPPED] - before[DROPPED]
            if fresh > 0:
                yield Notice(LOST, {"events": fresh})

    def _follow(self, t_ns: int) -> None:
        """Tell the kernel of threads that it does not follow yet; it adds those that they start."""
        if self._instance is None or self._family is None:
            return
        followed = self._instance / "set_event_pid"
        listed = set(_numbers((read_text(followed, LIST_BYTES) or "").split()))
        # The last events of a thread that ended since the call before are still to come.
        self._ours, self._listed = listed | self._listed, listed
        if self._looked_ns is not None and t_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = t_ns
        self._looks += 1
        if self._looks < OWN_LOOKS or self._looks % OWN_LOOKS == 0:
            self._harness |= _of_harness()
        for member in self._family.members(t_ns):
            for tid in _threads(member.folder / "task"):
                if tid not in listed:
                    self._ours.add(tid)
                    with suppress(ProcessLookupError):  # it is over already
                        _add(followed, tid)

    def _events(self, found: Iterable[bytes]) -> Iterator[Switch | Waking | Gap]:
        if self._layout is not None:
            for page in found:
                yield from self._layout.events(page)

    def _fresh(self) -> Iterator[bytes]:
        """Yield the pages that each core has for us, one core after another."""
        if self._layout is not None:
            for pipe in self._pipes:
                for page in pages(pipe, self._layout.page_bytes):
                    yield self._layout.filled(page)


def losses(instance: Path) -> dict[str, int]:
    """Return how many events an instance of tracefs lost by now, over all cores, by kind."""
    found = {OVERRUN: 0, DROPPED: 0}
    for file in matches(instance / "per_cpu", "cpu*/stats"):
        for kind, count in COUNT.findall(read_text(file) or ""):
            found[kind] += int(count)
    return found


def pages(pipe: int, size_bytes: int) -> Iterator[bytes]:
    """Yield the pages that a core has filled so far; of the one that is being filled, its part."""
    for _ in range(0, MOST_BYTES, size_bytes):
        try:
            page = os.read(pipe, size_bytes)
        except (BlockingIOError, InterruptedError):
            return
        if not page:
            return
        yield page


def _of_harness() -> set[int]:
    """Return the threads of this process, and of what it started: tools, besides the program.

    Whoever belongs to the program is looked for first. A tool that lives for less than the time
    between two looks may not be found, and stands under its own name.
    """
    own = Path("/proc/self/task")
    children = (read_text(own / str(tid) / "children") or "" for tid in _threads(own))
    tools = {pid for text in children for pid in _numbers(text.split())}
    return {tid for folder in (own, *(Path(f"/proc/{pid}/task") for pid in tools))
            for tid in _threads(folder)}  # fmt: skip


def _threads(folder: Path) -> list[int]:
    with suppress(OSError):
        return list(_numbers(entry.name for entry in folder.iterdir()))
    return []


def _numbers(words: Iterable[str]) -> Iterator[int]:
    yield from (number for number in map(integer, words) if number is not None)


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="ascii")


def _add(file: Path, number: int) -> None:
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
