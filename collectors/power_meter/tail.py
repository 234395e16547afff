"""How is a file read on while another program writes it, whatever becomes of it meanwhile?"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from probe.errors import NoData

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_LINE: Final = 64 * 1024
"""A line of a meter has a few numbers; what has none within this is no CSV."""
AT_ONCE: Final = 2**20
"""Bytes of one call: some 20,000 lines, where a meter writes up to a thousand in a second."""
FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
REMEDY: Final = "name the file that the meter's program writes, and start that before the run"


class Tail:
    """The lines that are added to a file after this was made; `first` is the file's first line.

    Empty lines and those that begin with # do not count as the first. Raises `NoData` for what is
    no file, cannot be read, is empty, or is no text in UTF-8; without its folders in the text,
    for reports are passed on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):  # asked before it is opened: a FIFO would wait
                kind = "a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file"
                raise NoData(f"power_meter.path {path.name}: {kind}", remedy=REMEDY)
            self._descriptor = os.open(path, FLAGS)
        except OSError as error:
            raise NoData(
                f"power_meter.path {path.name}: {error.strerror}", remedy=REMEDY
            ) from error
        try:
            self.first = self._first_line()
        except NoData:
            self.close()
            raise
        self._identity = (found.st_dev, found.st_ino)
        self._at = os.fstat(self._descriptor).st_size
        self._rest = b""
        self._skipping = self._at > 0 and os.pread(self._descriptor, 1, self._at - 1) != b"\n"

    def lines(self) -> tuple[list[str], str | None]:
        """Return the whole lines that were added since, and what became of the file, if anything.

        A file that was cut or replaced is read from its beginning.
        """
        if self._descriptor is None:
            return [], None
        became = self._followed()
        data = os.pread(self._descriptor, AT_ONCE, self._at)
        self._at += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest, self._skipping = b"", True
        if self._skipping and whole:
            del whole[0]
            self._skipping = False
        return [_text(line) for line in whole if line.strip()], became

    def close(self) -> None:
        """Close the file; safe twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _followed(self) -> str | None:
        """Go on with the file that now has the name; None where it is the same and has grown."""
        if self._descriptor is None:
            return None
        try:
            now = self._path.stat()
        except OSError:
            return None  # between two files of a rotating log, or gone: what is open goes on
        became = None
        if (now.st_dev, now.st_ino) != self._identity and stat.S_ISREG(now.st_mode):
            try:
                fresh = os.open(self._path, FLAGS)
            except OSError:
                return None
            os.close(self._descriptor)
            self._descriptor, self._identity = fresh, (now.st_dev, now.st_ino)
            became = "was replaced"
        elif os.fstat(self._descriptor).st_size < self._at:
            became = "was cut"
        if became is not None:
            self._at, self._rest, self._skipping = 0, b"", False
        return became

    def _first_line(self) -> str:
        head = os.pread(self._descriptor or 0, LONGEST_LINE, 0)
        for line in head.split(b"\n")[:-1]:
            if b"\0" in line:
                raise NoData(
                    f"power_meter.path {self._path.name}: not text in UTF-8",
                    remedy="let the meter's program write CSV in UTF-8 (no UTF-16, no spreadsheet)",
                )
            text = _text(line)
            if text.strip() and not text.startswith("#"):
                return text
        what = "it has no whole line within 64 KiB" if head.strip() else "empty"
        raise NoData(f"power_meter.path {self._path.name}: {what}", remedy=REMEDY)


def _text(line: bytes) -> str:
    return line.decode("utf-8-sig", "replace").strip("\r\n\ufeff")
