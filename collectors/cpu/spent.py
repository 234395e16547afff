"""How long was each thread, and each process, on a core?

In nanoseconds where the kernel says so: of a thread in `schedstat`, of a process by its CPU clock,
which counts the threads that have ended, too. A thread that runs while it is read is up to date as
of the last tick of its core (1 to 10 ms, by the kernel's build); that error does not add up.

Elsewhere both come from `stat`, in steps of 10 ms: of a second a step is 1 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.cpu_clock import of_process_ns
from probe.kernel_file import integer, read_text
from probe.thread_files import ThreadFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.family import Member
    from probe.thread_files import Key

TICK_NS: Final = 10_000_000
"""What one unit of /proc/<pid>/stat means to user space on every Linux (USER_HZ is 100)."""
USER_FIELD: Final = 11
SYSTEM_FIELD: Final = 12
"""Places of utime and stime among the fields after the name (proc(5): 14 and 15)."""
NAMED_NS: Final = 10**9
"""A thread may be named after its start: its name is read again a second after it was met, then at
twice that age each time, up to half a minute."""
MOST_NAMED_NS: Final = 30 * 10**9


class Spent(NamedTuple):
    """A name, and a cumulative CPU time."""

    name: str
    cpu_ns: int


@dataclass
class _Name:
    """How a thread is called, and when that is read again."""

    text: str
    met_ns: int
    due_ns: int


class Threads:
    """The threads of the program's processes; `fine` says whether there is a `schedstat`."""

    def __init__(self, *, fine: bool) -> None:
        self._files = ThreadFiles("schedstat" if fine else "stat")
        self._fine = fine
        self._names: dict[Key, _Name] = {}

    def of(self, member: Member, t_ns: int) -> Iterator[tuple[int, Spent]]:
        """Yield (thread id, name and time); what vanishes meanwhile is skipped."""
        for key, folder, (text,) in self._files.of(member):
            if not self._fine:
                found = stat_time(text)
                if found is not None:
                    yield key.tid, found
                continue
            ran_ns, name = run_ns(text), self._named(key, folder, t_ns)
            if ran_ns is not None and name is not None:
                yield key.tid, Spent(name, ran_ns)

    def forget_ended(self) -> None:
        """Close the files of threads that were not seen since the last call."""
        seen = self._files.forget_ended()
        for key in self._names.keys() - seen:
            del self._names[key]

    def close(self) -> None:
        """Close all files; safe twice."""
        self._files.close()
        self._names = {}

    def _named(self, key: Key, folder: Path, t_ns: int) -> str | None:
        known = self._names.get(key)
        if known is not None and t_ns < known.due_ns:
            return known.text
        text = read_text(folder / "comm")
        if text is None:
            return None
        met_ns = t_ns if known is None else known.met_ns
        self._names[key] = _Name(
            text, met_ns, t_ns + min(max(NAMED_NS, t_ns - met_ns), MOST_NAMED_NS)
        )
        return text


def process_ns(member: Member, *, clocked: bool) -> int | None:
    """Return the CPU time of a process, None once it is gone; `clocked`: by its CPU clock."""
    if clocked:
        return of_process_ns(member.pid)
    found = _stated(member.folder)
    return None if found is None else found.cpu_ns


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


def _stated(folder: Path) -> Spent | None:
    return stat_time(read_text(folder / "stat") or "")
