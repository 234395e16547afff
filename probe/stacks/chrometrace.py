"""What does a recording of ``py-spy record --format chrometrace --threads --idle`` say?

Of the formats of py-spy 0.4.3 it is the only one with times: speedscope and raw have none. It is a
JSON array of events: ``B`` puts a frame on its thread's stack, ``E`` takes one off, `ts` is in us
since py-spy made the recording. What did not change since the sample before is not written again,
so that a stack that was seen is held until the next change. py-spy waits for a random time between
two samples (exponentially distributed around 1 / rate), so that the time for which stacks are held
estimates without bias the share of time in which they ran.

A recording is read piece by piece, and what is kept of it has bounds (`probe.stacks.book`).
"""

from __future__ import annotations

import json
import re
from array import array
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

import numpy as np

from probe.stacks.book import MOST_THREADS, Book, Frame, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

MOST_DEPTH: Final = 500
"""Frames of a stack that are kept; Python's own limit is 1,000 calls."""
MOST_OPEN: Final = 10_000
"""Frames of a deeper stack are counted only: which function it is in is not known."""
MOST_TEXT: Final = 500
MOST_LINE: Final = 2**31
MOST_PID: Final = 2**31
MOST_US: Final = 10**13
"""A recording of 100 days: what claims to be later is no time of a run."""
MOST_EVENT: Final = 2**20
"""Characters of one event; a text in which a longer one begins is read up to there."""
_THREAD: Final = re.compile(r"thread \((\d+|0x[0-9A-Fa-f]+)\)(?:: (.*))?", re.DOTALL)
_BETWEEN: Final = ", \t\r\n"
_COLUMNS: Final = 4


class Recording(NamedTuple):
    """The changes of one recording by time; `end_us` is when it was written, None if cut short."""

    t_us: NDArray[np.int64]
    held_us: NDArray[np.int64]
    thread: NDArray[np.int64]
    stack: NDArray[np.int64]
    end_us: int | None


def parse(text: str | Iterable[str], book: Book) -> Recording:
    """Read a recording, whole or in pieces; a text that breaks off gives what stands before.

    Raises `ValueError` for a text that is no JSON array.
    """
    reader = _Reader(book)
    whole = reader.read(iter((text,)) if isinstance(text, str) else iter(text))
    rows = np.frombuffer(reader.changes, dtype=np.int64).reshape(-1, _COLUMNS)
    t_us, held_us, thread, stack = rows[np.lexsort(rows.T[::-1])].T
    return Recording(t_us, held_us, thread, stack, reader.last_us if whole else None)


class _Line:
    """A thread of the recording: what is on its stack, and what it was last seen with."""

    __slots__ = ("held", "open", "thread", "too_deep")

    def __init__(self) -> None:
        self.open: list[int | str] = []
        self.too_deep = 0
        self.thread: int | None = None
        self.held: tuple[int, int, int] | None = None


class _Reader:
    """Follows the stack of every thread through the events."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._lines: dict[tuple[int, int], _Line] = {}
        self._now: tuple[tuple[int, int], int] | None = None
        self.changes = array("q")
        """Rows of time, how long it was held, thread, stack."""
        self.last_us = 0

    def read(self, pieces: Iterator[str]) -> bool:
        """Read all events; say whether the text was whole."""
        text = next((piece for piece in pieces if piece), "")
        if not text.startswith("["):
            raise ValueError("not a JSON array of events")
        whole = self._events(text, pieces)
        if whole:  # else the last change may lack frames
            self._close_change()
        for line in self._lines.values():
            self._end(line, self.last_us)
        return whole

    def _events(self, text: str, pieces: Iterator[str]) -> bool:
        """Take the events of a text that goes on in `pieces`; say whether it came to its end."""
        decode, at = json.JSONDecoder().raw_decode, 1
        while True:
            while at < len(text) and text[at] in _BETWEEN:
                at += 1
            try:
                if at < len(text):
                    if text[at] == "]":
                        return True
                    event, at = decode(text, at)
                    self._take(event)
                    continue
            except RecursionError:
                return False
            except ValueError:  # no event, or the first half of one
                if len(text) - at > MOST_EVENT:
                    return False
            more = next(pieces, None)
            if more is None:
                return False
            text, at = text[at:] + more, 0

    def _take(self, event: object) -> None:
        if not isinstance(event, dict) or event.get("ph") not in ("B", "E"):
            return
        pid, tid, t_us = event.get("pid"), event.get("tid"), event.get("ts")
        if not (_number(pid) and _number(tid) and _number(t_us)):
            return
        if t_us > MOST_US or pid >= MOST_PID:
            return
        key = (pid, tid)
        if self._now != (key, t_us):
            self._close_change()
            self._now = (key, t_us)
        self.last_us = max(self.last_us, t_us)
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= MOST_THREADS:
                return
            line = self._lines[key] = _Line()
        if event["ph"] == "B":
            self._push(line, event)
        elif line.too_deep:
            line.too_deep -= 1
        elif line.open and isinstance(line.open.pop(), str):
            line.thread = None

    def _push(self, line: _Line, event: dict[str, Any]) -> None:
        if len(line.open) >= MOST_OPEN:
            line.too_deep += 1
            return
        frame = _frame(event)
        if isinstance(frame, str):
            line.thread = None
            line.open.append(frame)
        else:
            line.open.append(self._book.frame(frame))

    def _close_change(self) -> None:
        """Note the stack that a thread has after all events of one moment."""
        if self._now is None:
            return
        (pid, tid), t_us = self._now
        line = self._lines.get((pid, tid))
        if line is None:
            self._book.changes_left_out += 1
            return
        self._end(line, t_us)
        frames = [each for each in line.open[-MOST_DEPTH:] if isinstance(each, int)]
        if not frames:
            return
        if line.thread is None:
            line.thread = self._book.thread(_thread(pid, line.open))
        too_deep, book = line.too_deep, self._book
        stack = book.left_out() if too_deep else book.stack(tuple(reversed(frames)))
        line.held = (t_us, line.thread, stack)

    def _end(self, line: _Line, t_us: int) -> None:
        if line.held is not None:
            since, thread, stack = line.held
            line.held = None
            if self._book.has_room():
                self.changes.extend((since, max(0, t_us - since), thread, stack))


def _number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _frame(event: dict[str, Any]) -> Frame | str:
    """Return a frame; what py-spy puts below the first one (process, thread) as its text."""
    found = event.get("args")
    arguments = found if isinstance(found, dict) else {}
    file, line, name = arguments.get("filename"), arguments.get("line"), event.get("name")
    name = name[:MOST_TEXT] if isinstance(name, str) else "?"
    file = file[-MOST_TEXT:] if isinstance(file, str) else ""
    if not file and name.startswith(("process ", "thread (")):
        return name
    return Frame(file or None, line if _number(line) and 0 < line < MOST_LINE else None, name)


def _thread(pid: int, stack: list[int | str]) -> Thread:
    said = [each for each in stack[:MOST_DEPTH] if isinstance(each, str)]
    found = _THREAD.fullmatch(said[-1]) if said else None
    if found is None:
        return Thread(pid, None, None)
    number, name = found.groups()
    decimal = number.isdecimal() and len(number) < len(str(2**31))
    return Thread(pid, int(number) if decimal else None, name)
