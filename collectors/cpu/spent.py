"""How long was each thread, and each process, on a core?

In nanoseconds where the kernel says so: of a thread in `schedstat`, of a process by its CPU clock,
which counts the threads that have ended, too. A thread that runs while it is read is up to date as
of the last tick of its core (1 to 10 ms, by the kernel's build); that error does not add up.

Elsewhere both come from `stat`, in steps of 10 ms: of 250 ms a step is 4 %.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.cpu_clock import of_process_ns
from probe.kernel_file import KernelFile, integer, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.family import Member

TICK_NS: Final = 10_000_000
"""What one unit of /proc/<pid>/stat means to user space on every Linux (USER_HZ is 100)."""
USER_FIELD: Final = 11
SYSTEM_FIELD: Final = 12
"""Places of utime and stime among the fields after the name (proc(5): 14 and 15)."""
MOST_OPEN: Final = 256
"""Files that are kept open; a process may often have 1,024 in all. Further ones are opened for each
reading, which costs more."""
NAMED_NS: Final = 10**9
"""A thread may be named after its start: how old the name may be that is known of it."""


class Spent(NamedTuple):
    """A name, and a cumulative CPU time."""

    name: str
    cpu_ns: int


@dataclass
class _Thread:
    """What is kept of a thread between two readings."""

    name: str
    named_ns: int
    path: Path
    file: KernelFile | None


class Threads:
    """The threads of the program's processes; `fine` says whether there is a `schedstat`."""

    def __init__(self, *, fine: bool) -> None:
        self._fine = fine
        self._known: dict[tuple[int, int, int], _Thread] = {}
        self._seen: set[tuple[int, int, int]] = set()
        self._open = 0

    def of(self, member: Member, t_ns: int) -> Iterator[tuple[int, Spent]]:
        """Yield (thread id, name and time); what vanishes meanwhile is skipped."""
        folder = member.folder / "task"
        for tid in tids(folder):
            fine = self._fine
            found = self._fine_time(member, tid, t_ns) if fine else _stated(folder / str(tid))
            if found is not None:
                yield tid, found

    def forget_ended(self) -> None:
        """Close the files of threads that were not seen since the last call."""
        for key in self._known.keys() - self._seen:
            self._close(self._known.pop(key))
        self._seen = set()

    def close(self) -> None:
        """Close all files; safe twice."""
        for thread in self._known.values():
            self._close(thread)
        self._known = {}

    def _fine_time(self, member: Member, tid: int, t_ns: int) -> Spent | None:
        key = (member.pid, member.started, tid)
        thread = self._known.get(key)
        if thread is None or t_ns - thread.named_ns >= NAMED_NS:
            folder = member.folder / "task" / str(tid)
            stated = _stated(folder)
            if stated is None:
                return None
            if thread is None:
                path = folder / "schedstat"
                thread = self._known[key] = _Thread("", 0, path, self._opened(path))
            thread.name, thread.named_ns = stated.name, t_ns
        ran_ns = run_ns(_once(thread.path) if thread.file is None else thread.file.read())
        if ran_ns is None:  # it ended; if its number was used again, that one is met next time
            return None
        self._seen.add(key)
        return Spent(thread.name, ran_ns)

    def _opened(self, path: Path) -> KernelFile | None:
        if self._open < MOST_OPEN:
            with suppress(OSError):
                file = KernelFile(path)
                self._open += 1
                return file
        return None

    def _close(self, thread: _Thread) -> None:
        if thread.file is not None:
            thread.file.close()
            self._open -= 1


def process_ns(member: Member, *, clocked: bool) -> int | None:
    """Return the CPU time of a process, None once it is gone; `clocked`: by its CPU clock."""
    if clocked:
        return of_process_ns(member.pid)
    found = _stated(member.folder)
    return None if found is None else found.cpu_ns


def tids(folder: Path) -> list[int]:
    """Return the numbers in a `task` folder; none once the process is gone."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a path for each of 1,000 threads costs more
    except OSError:
        return []
    return [tid for tid in map(integer, names) if tid is not None]


def stat_time(stat: str) -> Spent | None:
    """Parse /proc/<pid>/stat or that of a thread, None where it is cut short or something else.

    The name stands in parentheses and may itself hold blanks and parentheses.
    """
    head, closing, tail = stat.rpartition(")")
    fields = tail.split()
    if not closing or len(fields) <= SYSTEM_FIELD:
        return None
    user, system = integer(fields[USER_FIELD]), integer(fields[SYSTEM_FIELD])
    if user is None or system is None:
        return None
    return Spent(head.partition("(")[2], (user + system) * TICK_NS)


def run_ns(schedstat: str | None) -> int | None:
    """Parse ``run_ns wait_ns slices``; None for anything else."""
    fields = [integer(word) for word in (schedstat or "").split()]
    whole = [field for field in fields if field is not None and field >= 0]
    return whole[0] if len(fields) == len(whole) == len(("run", "wait", "slices")) else None


def _once(path: Path) -> str | None:
    """Read a file that is not kept open; cheaper than through Python's buffers."""
    with suppress(OSError):
        file = KernelFile(path)
        try:
            return file.read()
        finally:
            file.close()
    return None


def _stated(folder: Path) -> Spent | None:
    return stat_time(read_text(folder / "stat") or "")
