"""How much has each process copied so far? The counters in the headers of its tapes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from probe.tape import CLOSED, COUNTERS, COUNTERS_OFFSET, HEADER, SUFFIX, WRITER_INTERPOSER

if TYPE_CHECKING:
    from pathlib import Path

RECORDED_BYTES: Final = 3
"""Place of the bytes of recorded copies among the counters of a tape."""
UNTAPED: Final = ".untaped"
"""Ending of an empty file that the interposer leaves, named by the pid, where it gets no tape."""
_READ: Final = COUNTERS_OFFSET + COUNTERS.size
_MAGIC_BYTES: Final = 8


@dataclass(frozen=True)
class Tally:
    """What one tape says: whose it is, since when, the bytes so far, and whether more may come."""

    pid: int
    name: str
    opened_ns: int
    bytes: int
    closed: bool


class Tapes:
    """The interposer's tapes of a folder; one that is closed is not read again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Tally | None] = {}

    def read(self) -> list[Tally]:
        """Return what each tape says now, in order of their names; others' tapes are left out."""
        for name in self._names():
            known = self._known.get(name)
            if (known is None and name in self._known) or (known is not None and known.closed):
                continue
            self._look(name)
        return [tally for _, tally in sorted(self._known.items()) if tally is not None]

    def untaped(self) -> set[int]:
        """Return the processes that said that they could make no tape."""
        stems = (name.removesuffix(UNTAPED) for name in self._names(UNTAPED))
        return {int(stem) for stem in stems if stem.isdecimal()}

    def _names(self, suffix: str = SUFFIX) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                return [entry.name for entry in entries if entry.name.endswith(suffix)]
        except OSError:
            return []

    def _look(self, name: str) -> None:
        try:
            with (self._folder / name).open("rb", buffering=0) as file:
                data = file.read(_READ)
        except OSError:
            return
        if len(data) < _READ or not data[:_MAGIC_BYTES].strip(b"\0"):
            return  # being made
        fields = HEADER.unpack_from(data)
        pid, opened_ns, state, writer = fields[4], fields[6], fields[9], fields[10]
        if writer != WRITER_INTERPOSER:
            self._known[name] = None
            return
        counters = COUNTERS.unpack_from(data, COUNTERS_OFFSET)
        thread = fields[11].split(b"\0", 1)[0].decode("utf-8", "replace")
        self._known[name] = Tally(pid, thread, opened_ns, counters[RECORDED_BYTES], state == CLOSED)
