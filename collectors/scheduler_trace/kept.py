"""What was read of the kernel's trace, kept as it is until somebody may spend time on it.

To look at an event costs ten times what it costs to read it: while the program runs, that time
would be taken from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from shutil import disk_usage
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

from probe.store import SHARED_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

MOST_BYTES: Final = 128 * 1024 * 1024
"""Of one run: about two million events, a quarter of an hour of as many as are recorded."""
AMPLE: Final = 4
"""Times that much must be free on tmpfs, which is memory."""


@dataclass(frozen=True)
class Batch:
    """What one call read: pages of all cores, the program's threads, and up to when it is whole.

    Cores are read one after another: an event of one that is later than `until_ns` may follow one
    of another that is in the next batch. After the one that is `last` nothing was recorded for a
    while.
    """

    until_ns: int
    ours: frozenset[int]
    sizes: tuple[int, ...]
    last: bool = False


class Kept:
    """Batches in order, in a file without a name: on tmpfs where there is ample room.

    To write to a disk would disturb the program. Where no file can be made memory serves.
    """

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._file: IO[bytes] | None = None
        self._bytes = 0

    def __del__(self) -> None:
        """Close the file of a run that nobody worked out."""
        self.close()

    @property
    def full(self) -> bool:
        """Say whether no more should be put in."""
        return self._bytes >= MOST_BYTES

    def add(self, until_ns: int, ours: frozenset[int], pages: Iterable[bytes]) -> int:
        """Put a batch in; return its bytes. Raises `OSError` where the file takes no more."""
        sizes: list[int] = []
        file = self._file = self._file or _file()
        try:
            sizes.extend(file.write(page) for page in pages)  # a full disk may take a part
        finally:  # what is in is in
            self._batches.append(Batch(until_ns, ours, tuple(sizes)))
            self._bytes += sum(sizes)
        return sum(sizes)

    def end(self) -> None:
        """Say that after the last batch nothing was recorded for a while."""
        self._batches[-1:] = [replace(batch, last=True) for batch in self._batches[-1:]]

    def batches(self) -> Iterator[tuple[Batch, list[bytes]]]:
        """Yield each batch with its pages."""
        file = self._file
        if file is None:
            return
        file.seek(0)
        for batch in self._batches:
            yield batch, [file.read(size) for size in batch.sizes]

    def close(self) -> None:
        """Forget everything; safe twice."""
        if self._file is not None:
            self._file.close()
        self._file, self._batches = None, []


def _file() -> IO[bytes]:
    try:
        ample = disk_usage(SHARED_MEMORY).free >= AMPLE * MOST_BYTES
    except OSError:
        ample = False
    try:
        return TemporaryFile(buffering=0, dir=SHARED_MEMORY if ample else None)
    except OSError:
        return BytesIO()
