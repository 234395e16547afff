"""Which processes does the program have? Its tree, walked through /proc, each looked at once.

A process that runs another program (`exec`) is looked at anew. What is loaded into a process may
change at any time, so its maps are read again at the 2nd, 4th, 8th ... sight of it.
"""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collectors.copies.programs import Elf, examine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AT_SECURE: Final = 23
"""Key of the auxiliary vector: the loader runs in secure-execution mode (ld.so(8))."""
_PAIR: Final = struct.Struct("LL")
JVM: Final = b"/libjvm.so"
SETUID_BITS: Final = 0o6000


@dataclass
class Seen:
    """What was seen of one program in one process. None: it could not be read.

    `pid` is the number that the process itself knows (another one in a namespace of its own).
    `preloaded`: its environment names the interposer; `mapped`: the interposer is in it; `foreign`:
    it runs as a user who may not write where we do.
    """

    pid: int
    exe: str | None
    elf: Elf | None = None
    secure: bool | None = None
    preloaded: bool | None = None
    mapped: bool | None = None
    jvm: bool = False
    foreign: bool = False
    sights: int = 0
    name: str = ""

    @property
    def shown(self) -> str | None:
        """The program's file without its folder, which is private; else the process's name."""
        return self.exe.rpartition("/")[2] if self.exe else self.name or None


class Processes:
    """The processes of a program, as far as they are seen at a look.

    `library` is the interposer's file name. A kernel that does not list children shows the first
    process only, and those that `also` says.
    """

    def __init__(self, proc: Path, root: int, library: str) -> None:
        self._proc = proc
        self._root = root
        self._library = library.encode()
        self._seen: dict[tuple[int, str | None], Seen] = {}

    def look(self, also: Iterable[int] = ()) -> None:
        """Walk the tree, and look at what is new in it, and at those of `also` that are traced."""
        tree = set(self._tree())
        for pid in sorted(tree):
            self._look(pid)
        for pid in sorted(set(also) - tree):
            self._look(pid, stray=True)

    def seen(self) -> list[Seen]:
        """Return all that was seen so far, in order of first sight."""
        return list(self._seen.values())

    def _tree(self) -> Iterator[int]:
        waiting, known = [self._root], {self._root}
        while waiting:
            pid = waiting.pop()
            yield pid
            fresh = [child for child in self._children(pid) if child not in known]
            known.update(fresh)
            waiting.extend(fresh)

    def _children(self, pid: int) -> Iterator[int]:
        folder = f"{self._proc}/{pid}/task"
        try:
            threads = os.listdir(folder)  # noqa: PTH208 - half the price of a Path for each thread
        except OSError:
            return
        for thread in threads:
            text = _read(f"{folder}/{thread}/children") or b""
            yield from map(int, text.split())

    def _look(self, pid: int, *, stray: bool = False) -> None:
        """Look at one process; a stray one (out of the tree) counts only if it is preloaded.

        The number on a tape may be that of a namespace, and another process's here.
        """
        folder = f"{self._proc}/{pid}"
        try:
            exe: str | None = os.readlink(f"{folder}/exe")  # noqa: PTH115 - as above
        except PermissionError:
            exe = None
        except OSError:  # gone, or a zombie
            return
        found = self._seen.get((pid, exe))
        if found is None:
            found = self._examined(folder, pid, exe)
            if stray and not (found.preloaded and found.pid == pid):
                return
            self._seen[pid, exe] = found
        found.sights += 1
        if found.sights & (found.sights - 1) == 0:
            self._read_maps(folder, found)

    def _examined(self, folder: str, pid: int, exe: str | None) -> Seen:
        found = Seen(_own_pid(folder, pid), exe)
        found.name = (_read(f"{folder}/comm") or b"").decode("utf-8", "replace").strip()
        with contextlib.suppress(OSError):
            found.elf = examine(Path(folder) / "exe")
        found.secure = secure(_read(f"{folder}/auxv"))
        environment = _read(f"{folder}/environ")
        if environment is not None:
            asked = [each for each in environment.split(b"\0") if each.startswith(b"LD_PRELOAD=")]
            found.preloaded = any(self._library in each for each in asked)
        return found

    def _read_maps(self, folder: str, found: Seen) -> None:
        with contextlib.suppress(OSError):
            found.foreign = os.stat(folder).st_uid not in {0, os.geteuid()}  # noqa: PTH116 - as above
        maps = _read(f"{folder}/maps")
        if maps:
            found.mapped = bool(found.mapped) or b"/" + self._library in maps
            found.jvm = found.jvm or JVM in maps


def of_file(command: str, pid: int) -> list[Seen]:
    """Return what a program's file alone says, for one that ended before it was seen.

    Nothing where that is no ELF file, but a script that some other program ran.
    """
    path = Path(command)
    try:
        elf = examine(path)
        raised = bool(path.stat().st_mode & SETUID_BITS)
    except OSError:
        return []
    return [] if elf is None else [Seen(pid, str(path), elf, secure=raised, preloaded=True)]


def secure(auxv: bytes | None) -> bool | None:
    """Say whether an auxiliary vector asks for secure execution; None where there is none."""
    if not auxv:
        return None
    pairs = _PAIR.iter_unpack(auxv[: len(auxv) - len(auxv) % _PAIR.size])
    return any(key == AT_SECURE and value != 0 for key, value in pairs)


def _own_pid(folder: str, pid: int) -> int:
    for line in (_read(f"{folder}/status") or b"").splitlines():
        if line.startswith(b"NSpid:"):
            return int(line.split()[-1])
    return pid


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
            return file.readall()
    except OSError:
        return None
