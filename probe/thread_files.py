"""How are the files of the program's threads read, again and again?

A program may have hundreds of threads. What each reading of each costs is taken from the program:
files stay open (`KernelFile`), as many as are sure to be had.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.kernel_file import PAGE_BYTES, KernelFile, integer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.family import Member

MOST_OPEN: Final = 256
"""Files that are kept open; a process may often have 1,024 in all. Further ones are opened for each
reading, which costs more."""


class Key(NamedTuple):
    """A thread; `started` tells its process from a later one that was given its number."""

    pid: int
    started: int
    tid: int


@dataclass
class _Kept:
    """The files of one thread; of each the path, and the file where it is kept open."""

    folder: Path
    files: list[tuple[Path, KernelFile | None]]


class ThreadFiles:
    """Files of every thread of the program's processes, by their names below `task/<tid>`."""

    def __init__(self, *names: str, size_bytes: int = PAGE_BYTES) -> None:
        self._names = names
        self._size_bytes = size_bytes
        self._kept: dict[Key, _Kept] = {}
        self._seen: set[Key] = set()
        self._open = 0

    def of(self, member: Member) -> Iterator[tuple[Key, Path, list[str]]]:
        """Yield (thread, its folder, texts in order of the names); what vanishes is skipped."""
        folder = member.folder / "task"
        for tid in tids(folder):
            key = Key(member.pid, member.started, tid)
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = self._met(folder / str(tid))
            texts = [self._once(path) if file is None else file.read() for path, file in kept.files]
            whole = [text for text in texts if text is not None]
            if len(whole) < len(texts):
                # It ended; if its number was used again, that one is met next time.
                self._forget(key)
                continue
            self._seen.add(key)
            yield key, kept.folder, whole

    def forget_ended(self) -> set[Key]:
        """Close the files of threads that were not seen since the last call; return the others."""
        for key in self._kept.keys() - self._seen:
            self._forget(key)
        seen, self._seen = self._seen, set()
        return seen

    def close(self) -> None:
        """Close all files; safe twice."""
        for key in list(self._kept):
            self._forget(key)

    def _met(self, folder: Path) -> _Kept:
        paths = [folder / name for name in self._names]
        return _Kept(folder, [(path, self._opened(path)) for path in paths])

    def _opened(self, path: Path) -> KernelFile | None:
        if self._open < MOST_OPEN:
            with suppress(OSError):
                file = KernelFile(path, self._size_bytes)
                self._open += 1
                return file
        return None

    def _once(self, path: Path) -> str | None:
        """Read a file that is not kept open; cheaper than through Python's buffers."""
        with suppress(OSError):
            file = KernelFile(path, self._size_bytes)
            try:
                return file.read()
            finally:
                file.close()
        return None

    def _forget(self, key: Key) -> None:
        for _, file in self._kept.pop(key).files:
            if file is not None:
                file.close()
                self._open -= 1


def tids(folder: Path) -> list[int]:
    """Return the numbers in a `task` folder; none once the process is gone."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a path for each of 1,000 threads costs more
    except OSError:
        return []
    return [tid for tid in map(integer, names) if tid is not None]
