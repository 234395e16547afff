"""Writes the tapes of a copy interposer byte by byte, and those of the program beside them.

Nothing here reads a clock or copies anything: a test says what was copied, and what comes of it is
known to the byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from probe import store, tape
from probe.copies.methods import METHODS

PID: Final = 4242
NUMBER: Final = {method.name: number for number, method in METHODS.items()}
NOT_COUNTED: Final = 0xFFFF_FFFF
CPU: Final = 1


class ThreadTape:
    """One thread's tape, record by record."""

    def __init__(
        self,
        tid: int = 1,
        pid: int = PID,
        *,
        writer: int = tape.WRITER_INTERPOSER,
        thread: str = "worker",
        opened_ns: int = 0,
        **header: Any,
    ) -> None:
        self.pid, self.tid, self.writer, self.thread = pid, tid, writer, thread
        self.opened_ns = opened_ns
        self.header = {"lost": 0, "state": tape.CLOSED, "version": tape.VERSION, **header}
        self.counters = [0] * 7
        self.names: dict[str, int] = {"": 0}
        self.sites: dict[tuple[Any, ...], int] = {}
        self.records: list[bytes] = []

    def add(self, kind: int, name: int, *values: int, flags: int = 0, part: int = 0) -> int:
        """Write a record and return its number."""
        body = tape.BODY.pack(kind, flags, part, name, *values)
        self.records.append(body + tape.SEQUENCE.pack(len(self.records) + 1))
        return len(self.records)

    def text(self, text: str) -> int:
        if text not in self.names:
            number = self.names[text] = len(self.names)
            data = text.encode("utf-8", "surrogateescape")
            for part in range(max(1, -(-len(data) // tape.TEXT_PART_BYTES))):
                chunk = data[part * tape.TEXT_PART_BYTES :][: tape.TEXT_PART_BYTES]
                body = tape.DEFINITION.pack(tape.DEFINE, 0, part, number, chunk, len(data))
                self.records.append(body + tape.SEQUENCE.pack(len(self.records) + 1))
        return self.names[text]

    def site(
        self,
        module: str = "/lib/libc.so.6",
        offset: int = 16,
        stack: Sequence[tuple[Any, ...]] = (),
        symbol: str = "",
    ) -> int:
        """Define a site; frames are (file, line, end line, column, end column, function)."""
        key = (module, offset, tuple(stack), symbol)
        if key not in self.sites:
            lines = "".join("\t".join(str(part) for part in frame) + "\n" for frame in stack)
            texts = [self.text(each) for each in (module, symbol, lines)]
            number = self.sites[key] = len(self.sites) + 1
            values = (0x7F00_0000_0000 + offset, texts[0], offset, texts[1], texts[2], 0)
            self.add(tape.SITE, number, *values)
        return self.sites[key]

    def copy(
        self,
        start: int,
        size: int,
        *,
        method: str | int = "memcpy",
        took: int = 1_000,
        to: int = 0,
        source: int = 0,
        site: int | None = None,
        nested: bool = False,
        faults: int = NOT_COUNTED,
        domains: tuple[int, int] = (CPU, CPU),
        rows: tuple[int, int, int, int] | None = None,
        detail: str = "",
    ) -> int:
        """Write a copy; `rows` are (rows, bytes of a row, destination stride, source stride)."""
        place = self.site() if site is None else site
        about = self.text(detail)
        said = faults | domains[0] << 32 | domains[1] << 40
        shaped = rows is not None or bool(detail)
        number = self.add(
            tape.COPY, place, start, start + took, size, to, source, said,
            flags=nested | shaped << 1, part=NUMBER[method] if isinstance(method, str) else method,
        )  # fmt: skip
        if shaped:
            count, row, stride, source_stride = rows or (0, 0, 0, 0)
            self.add(tape.SHAPE, 0, count, row, stride, source_stride, about, number)
        return number

    def entry(self, method: str, start: int, end: int, *, handle: int = 9, result: int = 0) -> None:
        values = (start, end, 0, handle, 0, result)
        self.add(tape.ENTRY, self.site("/bin/program", 64), *values, part=NUMBER[method])

    def buffer(
        self,
        start: int,
        size: int,
        address: int,
        *,
        end: int = tape.NULL,
        tid: int | None = None,
        site: int | None = None,
    ) -> None:
        values = (start, end, size, address, tape.NULL, self.tid if tid is None else tid)
        self.add(tape.BUFFER, self.site() if site is None else site, *values)

    def note(self, key: str, said: Any, t_ns: int = 0) -> None:
        name, text = self.text(key), self.text(said if isinstance(said, str) else json.dumps(said))
        self.add(tape.NOTE, name, t_ns, 0, 0, text, 0, 0)

    def span(self, stage: str, start: int, end: int, frame: int, given: int = tape.NULL) -> None:
        self.add(tape.SPAN, self.text(stage), start, end, frame, tape.NULL, tape.NULL, given)

    def frame(self, k: int, scheduled: int) -> None:
        self.add(tape.FRAME, 0, scheduled, scheduled, k, tape.NULL, k, tape.NULL)

    def mark(self, name: str, t_ns: int, frame: int, output: int = tape.NULL) -> None:
        self.add(tape.MARK, self.text(name), t_ns, tape.NULL, frame, 0, 0, output)

    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        said = self.header
        header = tape.HEADER.pack(
            tape.MAGIC, said["version"], tape.HEADER_BYTES, tape.RECORD_BYTES, self.pid, self.tid,
            self.opened_ns, 0, said["lost"], said["state"], self.writer, self.thread.encode(),
        )  # fmt: skip
        data = bytearray(header.ljust(tape.HEADER_BYTES, b"\0"))
        tape.COUNTERS.pack_into(data, tape.COUNTERS_OFFSET, *self.counters)
        number = len(list(folder.glob(f"{self.pid}-{self.tid}-*{tape.SUFFIX}")))
        file = folder / f"{self.pid}-{self.tid}-{number}{tape.SUFFIX}"
        file.write_bytes(bytes(data) + b"".join(self.records))
        return file


def own(thread: str, tid: int, pid: int = PID) -> ThreadTape:
    """Return a tape that the program itself writes."""
    return ThreadTape(tid, pid, writer=tape.WRITER_PYTHON, thread=thread)


def read(folder: Path, *tapes: ThreadTape) -> list[tape.Tape]:
    """Save tapes and read them back, in this order."""
    return [tape.read(each.save(folder)) for each in tapes]


def manifest(**changes: Any) -> dict[str, Any]:
    """Return run.json of a Run without warm-up, measured from the first frame to the end."""
    document = {
        "schema": 1,
        "id": "test",
        "state": "complete",
        "mode": "live",
        "scenario": {"resolved": {"generate": {"fps": 24.0}, "copies": {"mode": "on"}}},
        "bounds": {"warmup_ns": 0, "duration_ns": None, "drain_ns": 0},
        "deadline_ns": 50_000_000,
        "program": {"outcome": "ended", "started_ns": 0, "ended_ns": 10**12, "command": []},
        "tapes": {},
    }
    return {**document, **changes}


def run_folder(path: Path, tapes: Iterable[ThreadTape], **changes: Any) -> Path:
    """Write a Run that is still to be finalised."""
    path.mkdir(parents=True, exist_ok=True)
    store.write_json(path / store.MANIFEST, manifest(**changes))
    for each in tapes:
        each.save(path / store.TAPES)
    return path
