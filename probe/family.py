"""Which processes are the program's? Itself and all that descend from it, found once for everybody.

Several collectors watch them. Looking for descendants may mean reading every process of the
machine, so that one search a second serves all.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakValueDictionary

from probe.kernel_file import integer, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from probe.model import Device

SEARCH_PERIOD_NS: Final = 1_000_000_000
PARENT_FIELD: Final = 1
STARTED_FIELD: Final = 19
"""Places of ppid and starttime among the fields after the name (proc(5): 4 and 22)."""


class Stat(NamedTuple):
    """What /proc/<pid>/stat says of a process: name, parent, start in ticks since the boot."""

    name: str
    parent: int
    started: int


@dataclass(frozen=True)
class Member:
    """A process of the program; `started` tells it from a later one that was given its number."""

    pid: int
    name: str
    started: int
    folder: Path

    @property
    def label(self) -> str:
        """`name:pid`."""
        return f"{self.name}:{self.pid}"


class Family:
    """The processes of one program; safe to share between threads."""

    def __init__(self, proc: Path, root: int) -> None:
        self._proc = proc
        self._root = root
        self._lock = threading.Lock()
        self._searched_ns: int | None = None
        self._members: tuple[Member, ...] = ()

    def members(self, t_ns: int) -> tuple[Member, ...]:
        """Return the processes as of the last search, at most a second before `t_ns`.

        One that ended since is still among them, and children of a process that ended stay.
        """
        with self._lock:
            since = self._searched_ns
            if since is None or t_ns - since >= SEARCH_PERIOD_NS:
                self._searched_ns = t_ns
                self._members = tuple(self._search())
            return self._members

    def _search(self) -> Iterator[Member]:
        """Walk down from the root and from every known member, for parents may end first."""
        waiting = [self._root, *(member.pid for member in self._members)]
        known = {member.pid: member.started for member in self._members}
        parents = _Parents(self._proc)
        seen: set[int] = set()
        while waiting:
            pid = waiting.pop()
            stat = None if pid in seen else status(self._proc / str(pid))
            seen.add(pid)
            if stat is None or known.get(pid, stat.started) != stat.started:
                continue
            yield Member(pid, stat.name, stat.started, self._proc / str(pid))
            waiting += parents.children(pid)


class _Parents:
    """Children of processes: the kernel's own list, else every process is read, once."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc
        self._all: dict[int, list[int]] | None = None

    def children(self, pid: int) -> list[int]:
        listed = _listed(self._proc / str(pid))
        if listed is not None:
            return listed
        if self._all is None:
            self._all = {}
            for entry, stat in _everybody(self._proc):
                self._all.setdefault(stat.parent, []).append(entry)
        return self._all.get(pid, [])


def family(device: Device) -> Family | None:
    """Return the family of the device's program, the same to all who ask; None without a program.

    It lives as long as somebody holds it.
    """
    if device.program_pid is None:
        return None
    key = (str(device.root), device.program_pid)
    with _families_lock:
        found = _families.get(key)
        if found is None:
            found = _families[key] = Family(device.path("/proc"), device.program_pid)
        return found


_families: WeakValueDictionary[tuple[str, int], Family] = WeakValueDictionary()
_families_lock: Final = threading.Lock()


def status(folder: Path) -> Stat | None:
    """Read /proc/<pid>/stat; None once the process is gone, and for what is no such file.

    The name stands in parentheses and may itself hold blanks and parentheses.
    """
    head, closing, tail = (read_text(folder / "stat") or "").rpartition(")")
    fields = tail.split()
    if not closing or len(fields) <= STARTED_FIELD:
        return None
    parent, started = integer(fields[PARENT_FIELD]), integer(fields[STARTED_FIELD])
    if parent is None or started is None:
        return None
    return Stat(head.partition("(")[2], parent, started)


def _listed(folder: Path) -> list[int] | None:
    """Return the children that the kernel lists by thread, None where it lists none (no option)."""
    try:
        threads = list((folder / "task").iterdir())
    except OSError:
        return None
    texts = [read_text(thread / "children") for thread in threads]
    if all(text is None for text in texts):
        return None
    return list(_whole(word for text in texts for word in (text or "").split()))


def _everybody(proc: Path) -> Iterator[tuple[int, Stat]]:
    for entry in proc.iterdir():
        pid, stat = integer(entry.name), None
        if pid is not None:
            stat = status(entry)
        if pid is not None and stat is not None:
            yield pid, stat


def _whole(words: Iterable[str]) -> Iterator[int]:
    yield from (number for number in map(integer, words) if number is not None)
