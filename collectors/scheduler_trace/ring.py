"""What stands on a page of the kernel's trace buffer? Read as it lies there, not as text.

For the kernel to write an event as text takes longer than all that is done with it here, and the
text has microseconds where the buffer has nanoseconds. What lies where on a page and in an event is
read from what the kernel states beside them (`events/header_page`, `events/sched/*/format`); how
entries pack their length and time, from its `include/linux/ring_buffer.h`. Little-endian, as every
device is that Linux video runs on.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.errors import NoData
from probe.kernel_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIELD: Final = re.compile(
    r"^\s*field:\s*(?P<type>[^;]*?)(?P<name>\w+)(?:\[\d*\])?;\s*offset:(?P<offset>\d{1,6});"
    r"\s*size:(?P<size>\d{1,6});\s*signed:(?P<signed>\d);",
    re.MULTILINE,
)
ID: Final = re.compile(r"^ID: (\d{1,9})$", re.MULTILINE)
SWITCH: Final = ("prev_comm", "prev_pid", "prev_state", "next_comm", "next_pid")
WAKING: Final = ("common_pid", "pid")
CODES: Final = {(4, "0"): "I", (8, "0"): "Q", (4, "1"): "i", (8, "1"): "q"}
PADDING: Final = 29
"""Types of an entry below it are the length of the data, in words of four bytes; 0: the next word
is the length in bytes."""
STAMPED: Final = 31
"""With the time itself; the one type before it has more bits of the time since the entry before."""
DELTA_BITS: Final = 27
TYPE_BITS: Final = 5
MISSED: Final = 1 << 31
MISSED_STORED: Final = 1 << 30
"""In the word that says how much of a page is used: events before it were lost; how many follows
its data."""
USED: Final = (1 << 20) - 1


class Switch(NamedTuple):
    """A core goes from one thread to another; `state` is what the one that goes is now, in bits."""

    t_ns: int
    out_name: bytes
    out: int
    state: int
    into_name: bytes
    into: int


class Waking(NamedTuple):
    """The thread `running` wakes another."""

    t_ns: int
    running: int
    woken: int


class Gap(NamedTuple):
    """Events were lost before this time; `events` None where the kernel does not know how many."""

    t_ns: int
    events: int | None


@dataclass(frozen=True)
class Layout:
    """Where the kernel of this machine puts what: of a page, and of the two events by their id."""

    page_bytes: int
    data_at: int
    used_at: int
    used_bytes: int
    switch: int
    waking: int
    of_switch: struct.Struct
    of_waking: struct.Struct

    @classmethod
    def of(cls, events: Path) -> Layout:
        """Read it below `events`; raises `NoData` for a kernel that states it otherwise."""
        page = _fields(read_text(events / "header_page"))
        switch, waking = (
            read_text(events / "sched" / name / "format")
            for name in ("sched_switch", "sched_waking")
        )
        try:
            data, used = page["data"], page["commit"]
            return cls(
                page_bytes=data.offset + data.size,
                data_at=data.offset,
                used_at=used.offset,
                used_bytes=used.size,
                switch=_id(switch),
                waking=_id(waking),
                of_switch=_struct(switch, SWITCH),
                of_waking=_struct(waking, WAKING),
            )
        except (KeyError, struct.error) as error:
            raise NoData(
                f"{events}: the kernel states the layout of its trace in an unknown way ({error})",
                remedy="report it with the files header_page and sched/*/format of that folder",
            ) from error

    def filled(self, page: bytes) -> bytes:
        """Return what a page is filled with, and what may stand behind it of lost events."""
        return page[: self.data_at + (self._word(page) & USED) + self.used_bytes]

    def events(self, page: bytes) -> Iterator[Switch | Waking | Gap]:
        """Yield what a page tells of, in order; what is cut or packed in an unknown way ends it."""
        used = self._word(page)
        end = min(self.data_at + (used & USED), len(page))
        t_ns = int.from_bytes(page[:8], "little")
        if used & MISSED:
            yield Gap(t_ns, self._missed(page, end) if used & MISSED_STORED else None)
        for at_ns, at in self._entries(page, t_ns, end):
            which = int.from_bytes(page[at : at + 2], "little")
            try:
                if which == self.switch:
                    yield Switch(at_ns, *self.of_switch.unpack_from(page, at))
                elif which == self.waking:
                    yield Waking(at_ns, *self.of_waking.unpack_from(page, at))
            except struct.error:
                return

    def _entries(self, page: bytes, t_ns: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield when each entry of a page was made, and where its data begin."""
        words = memoryview(page)[: end - end % 4].cast("I")
        at, last = self.data_at // 4, len(words) - 1
        while at < last:
            head, more = words[at], words[at + 1]
            kind, delta = head & 31, head >> TYPE_BITS
            if kind > PADDING:
                absolute = more << DELTA_BITS | delta
                t_ns = absolute if kind == STAMPED else t_ns + absolute
                at += 2
            elif kind == PADDING:
                if delta == 0:  # nothing follows on this page
                    return
                at += 1 + -(-more // 4)
            else:
                t_ns += delta
                data, at = at + 1 if kind else at + 2, at + 1 + (kind or -(-more // 4))
                if at > last + 1:  # cut
                    return
                yield t_ns, 4 * data

    def _word(self, page: bytes) -> int:
        return int.from_bytes(page[self.used_at : self.used_at + self.used_bytes], "little")

    def _missed(self, page: bytes, end: int) -> int | None:
        stored = page[end : end + self.used_bytes]
        return int.from_bytes(stored, "little") if len(stored) == self.used_bytes else None


class _Field(NamedTuple):
    kind: str
    offset: int
    size: int
    signed: str


def _fields(text: str | None) -> dict[str, _Field]:
    return {
        found["name"]: _Field(
            found["type"].strip(), int(found["offset"]), int(found["size"]), found["signed"]
        )
        for found in FIELD.finditer(text or "")
    }


def _id(text: str | None) -> int:
    found = ID.search(text or "")
    if found is None:
        raise KeyError("ID")
    return int(found[1])


def _struct(text: str | None, names: tuple[str, ...]) -> struct.Struct:
    """Return what unpacks these fields of an event; they must come in this order."""
    fields, code, at = _fields(text), "<", 0
    for name in names:
        field = fields[name]
        word = f"{field.size}s" if field.kind == "char" else CODES[field.size, field.signed]
        code += f"{field.offset - at}x{word}"
        at = field.offset + field.size
    return struct.Struct(code)
