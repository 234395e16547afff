"""Can anything be preloaded into this program file? What its ELF header, segments and notes say.

Little of the file is read, and with limits: a program under test is foreign input.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC: Final = b"\x7fELF"
IDENTITY_BYTES: Final = 16
ORDERS: Final = {1: "<", 2: ">"}
MOST_ENTRIES: Final = 4_096
MOST_BYTES: Final = 2**20
"""Of one segment or table that is read; what is larger is not what it says."""
PT_INTERP: Final = 3
PT_NOTE: Final = 4
GO_SECTION: Final = b".go.buildinfo\0"
GO_NOTE: Final = b"Go\0\0"
"""Owner of the note in which the Go linker writes its build id."""
LIBRARIES: Final = {"ld-musl": "musl", "ld-linux": "glibc", "ld64": "glibc", "linker": "bionic"}
"""What the names of loaders begin with, and the C library that they belong to."""


@dataclass(frozen=True)
class Elf:
    """An ELF file: what it runs on, how it is loaded, whether Go made it.

    `loader` is the path of its interpreter; None where it has none, so that it is static.
    """

    bits: int
    order: str
    machine: int
    loader: str | None
    go: bool

    @property
    def platform(self) -> tuple[int, str, int]:
        """What must be equal in a program and in all that is loaded into it."""
        return self.bits, self.order, self.machine

    @property
    def library(self) -> str | None:
        """Name of its C library by its loader: glibc, musl, bionic; None where not known."""
        name = (self.loader or "").rpartition("/")[2]
        return next((known for prefix, known in LIBRARIES.items() if name.startswith(prefix)), None)


class _Layout(NamedTuple):
    """The structures of one class of ELF: their formats, and where a segment has what is read."""

    bits: int
    header: str
    segment: str
    segment_offset: int
    segment_size: int
    section: str


_LAYOUTS: Final = {
    1: _Layout(32, "HHIIIIIHHHHHH", "5I", 1, 4, "6I"),
    2: _Layout(64, "HHIQQQIHHHHHH", "IIQQQQ", 2, 5, "IIQQQQ"),
}


def examine(path: Path) -> Elf | None:
    """Read an ELF file; None for what is none or is cut short. Raises `OSError` as `open` does."""
    with path.open("rb") as file:
        identity = file.read(IDENTITY_BYTES)
        if len(identity) < IDENTITY_BYTES or not identity.startswith(MAGIC):
            return None
        layout, order = _LAYOUTS.get(identity[4]), ORDERS.get(identity[5])
        if layout is None or order is None:
            return None
        try:
            return _examined(file, layout, order)
        except (struct.error, OverflowError):
            return None


def _examined(file: BinaryIO, layout: _Layout, order: str) -> Elf:
    header = struct.Struct(order + layout.header)
    _, machine, _, _, segments, sections, _, _, size, count, section_size, section_count, names = (
        header.unpack(file.read(header.size))
    )
    loader, go = None, False
    for kind, data in _segments(file, layout, order, (segments, size, count)):
        if kind == PT_INTERP:
            loader = data.split(b"\0", 1)[0].decode("utf-8", "replace")
        else:
            go = go or GO_NOTE in data
    if 0 < names < section_count:
        place = struct.Struct(order + layout.section)
        entry = place.unpack(_at(file, sections + names * section_size, place.size))
        go = go or GO_SECTION in _at(file, entry[4], entry[5])
    return Elf(layout.bits, order, machine, loader, go)


def _segments(
    file: BinaryIO, layout: _Layout, order: str, table: tuple[int, int, int]
) -> Iterator[tuple[int, bytes]]:
    """Yield the interpreter's and the notes' segments."""
    entry = struct.Struct(order + layout.segment)
    start, size, count = table
    for number in range(min(count, MOST_ENTRIES)):
        fields = entry.unpack(_at(file, start + number * size, entry.size))
        if fields[0] in (PT_INTERP, PT_NOTE):
            data = _at(file, fields[layout.segment_offset], fields[layout.segment_size])
            yield fields[0], data


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(min(size, MOST_BYTES))
