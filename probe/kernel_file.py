"""How are the small files that the kernel makes below /proc and /sys read, again and again?

One read of a descriptor that was kept open costs a third of open, read and close
(facts/overheads.md); a file that the kernel refuses to read is a missing value, not an error.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

PAGE_BYTES: Final = 4096
"""What sysfs gives at most; files of /proc may be longer."""
INTEGER_DIGITS: Final = 20
"""A 64-bit number has no more; what is longer is no number of the kernel's."""
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""A FIFO that stands where a file is expected (in somebody's tree) must not hold us up."""
_BLANKS: Final = " \t\r\n"
"""What the kernel puts around a number; any other character is part of it."""


class KernelFile:
    """A file of /proc or /sys that stays open; each `read` gives its content of that moment.

    `size_bytes` beyond a page is for lists, which the kernel may give a page at a time. Raises
    `OSError` where it cannot be opened. Where a driver went away with its device (ENODEV),
    the file of the one that comes back is another: `again` says which, None while there is none.
    """

    def __init__(
        self,
        path: Path,
        size_bytes: int = PAGE_BYTES,
        *,
        again: Callable[[], Path | None] | None = None,
    ) -> None:
        self.path = path
        self._size_bytes = size_bytes
        self._again = again
        self._descriptor: int | None = os.open(path, _FLAGS)

    def read(self) -> str | None:
        """Return the text without surrounding blanks, None where the kernel gives none.

        A sensor that sleeps (EAGAIN), fails (EIO) or was removed (ENODEV) gives none.
        """
        if self._descriptor is None:
            return None
        try:
            data = part = os.pread(self._descriptor, self._size_bytes, 0)
            while part and PAGE_BYTES < self._size_bytes > len(data):
                part = os.pread(self._descriptor, self._size_bytes - len(data), len(data))
                data += part
        except OSError as error:
            if error.errno == errno.ENODEV and self._again is not None:
                self._look_again(self._again())
            return None
        return _text(data)

    def read_integer(self) -> int | None:
        """Return the number that is the whole content, None for anything else."""
        return integer(self.read())

    def close(self) -> None:
        """Release the descriptor; safe twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _look_again(self, path: Path | None) -> None:
        """Open the file that took this one's place, for the next reading."""
        if path is None or self._descriptor is None:
            return
        with suppress(OSError):
            fresh = os.open(path, _FLAGS)
            os.close(self._descriptor)
            self.path, self._descriptor = path, fresh


def named(files: Iterable[KernelFile]) -> str:
    """Return which files these are: the first, and how many more."""
    first, *more = (str(file.path) for file in files)
    return f"{first} and {len(more)} more" if more else first


def read_text(path: Path, size_bytes: int = 16 * PAGE_BYTES) -> str | None:
    """Read a file once: its text without surrounding blanks, None where it cannot be read."""
    try:
        # A buffered file reads on where the kernel gives a page at a time.
        with open(path, "rb", opener=_open) as file:
            return _text(file.read(size_bytes) or b"")
    except OSError:
        return None


def read_integer(path: Path) -> int | None:
    """Read a file once: the number that is its whole content, None for anything else."""
    return integer(read_text(path))


def matches(folder: Path, pattern: str) -> list[Path]:
    """Return what a folder has of a pattern, sorted; nothing where it may not be looked into."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def integer(text: str | None) -> int | None:
    """Return the decimal number that `text` is, None where it is missing or something else."""
    digits = (text or "").strip(_BLANKS)
    unsigned = digits.removeprefix("-")
    if unsigned.isascii() and unsigned.isdigit() and len(unsigned) <= INTEGER_DIGITS:
        return int(digits)
    return None


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _FLAGS)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip("\0" + _BLANKS)
