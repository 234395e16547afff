"""What does a recording of ``py-spy record --format chrometrace --threads --idle`` say?

Of the formats of py-spy 0.4.3 it is the only one with times: speedscope and raw have none. It is a
JSON array of events: ``B`` puts a frame on its thread's stack, ``E`` takes one off, `ts` is in us
since py-spy made the recording. What did not change since the sample before is not written again,
so that a stack that was seen is held until the next change. py-spy waits for a random time between
two samples (exponentially distributed around 1 / rate), so that the time for which stacks are held
estimates without bias the share of time in which they ran.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_DEPTH: Final = 500
"""Frames of a stack that are kept; Python's own limit is 1,000 calls."""
MOST_TEXT: Final = 500
MOST_LINE: Final = 2**31
MOST_US: Final = 10**13
"""A recording of 100 days: what claims to be later is no time of a run."""
_THREAD: Final = re.compile(r"thread \((\d+|0x[0-9A-Fa-f]+)\)(?:: (.*))?", re.DOTALL)
_BETWEEN: Final = ", \t\r\n"


class Frame(NamedTuple):
    """A line of code; native frames may lack file and line."""

    file: str | None
    line: int | None
    function: str


class Thread(NamedTuple):
    """A thread: `tid` is the kernel's number, None where py-spy knew only Python's own."""

    pid: int
    tid: int | None
    name: str | None


class Change(NamedTuple):
    """At `t_us` a thread was first seen with a stack, which it had until the next change."""

    t_us: int
    held_us: int
    thread: int
    stack: int


class Book:
    """Threads and stacks of all recordings of a Run, by number; a stack is innermost first."""

    def __init__(self) -> None:
        self.threads: dict[Thread, int] = {}
        self.stacks: dict[tuple[Frame, ...], int] = {}

    def thread(self, thread: Thread) -> int:
        """Return the thread's number."""
        return self.threads.setdefault(thread, len(self.threads))

    def stack(self, frames: tuple[Frame, ...]) -> int:
        """Return the stack's number."""
        return self.stacks.setdefault(frames, len(self.stacks))


class Recording(NamedTuple):
    """The changes of one recording by time; `end_us` is when it was written, None if cut short."""

    t_us: NDArray[np.int64]
    held_us: NDArray[np.int64]
    thread: NDArray[np.int64]
    stack: NDArray[np.int64]
    end_us: int | None


def parse(text: str, book: Book) -> Recording:
    """Read a recording; a text that breaks off gives what stands before.

    Raises `ValueError` for a text that is no JSON array.
    """
    if not text.startswith("["):
        raise ValueError("not a JSON array of events")
    reader = _Reader(book)
    whole = reader.read(text)
    changes = sorted(reader.changes)
    t_us, held_us, thread, stack = np.array(changes, dtype=np.int64).reshape(-1, 4).T
    return Recording(t_us, held_us, thread, stack, reader.last_us if whole else None)


class _Reader:
    """Follows the stack of every thread through the events."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._open: dict[Any, list[Frame | str]] = {}
        self._held: dict[Any, tuple[int, int, int]] = {}
        self._now: tuple[Any, int] | None = None
        self.changes: list[Change] = []
        self.last_us = 0

    def read(self, text: str) -> bool:
        """Read all events; say whether the text was whole."""
        decode, at, size = json.JSONDecoder().raw_decode, 1, len(text)
        while True:
            while at < size and text[at] in _BETWEEN:
                at += 1
            if at >= size or text[at] == "]":
                break
            try:
                event, at = decode(text, at)
            except (ValueError, RecursionError):
                at = size
                break
            self._take(event)
        whole = at < size
        if whole:  # else the last change may lack frames
            self._close_change()
        for key in list(self._held):
            self._end(key, self.last_us)
        return whole

    def _take(self, event: object) -> None:
        if not isinstance(event, dict) or event.get("ph") not in ("B", "E"):
            return
        pid, tid, t_us = event.get("pid"), event.get("tid"), event.get("ts")
        if not (_number(pid) and _number(tid) and _number(t_us)) or t_us > MOST_US:
            return
        key = (pid, tid)
        if self._now != (key, t_us):
            self._close_change()
            self._now = (key, t_us)
        self.last_us = max(self.last_us, t_us)
        stack = self._open.setdefault(key, [])
        if event["ph"] == "B":
            stack.append(_frame(event))
        elif stack:
            stack.pop()

    def _close_change(self) -> None:
        """Note the stack that a thread has after all events of one moment."""
        if self._now is None:
            return
        key, t_us = self._now
        self._end(key, t_us)
        stack = self._open[key]
        frames = [each for each in stack[-MOST_DEPTH:] if isinstance(each, Frame)]
        if frames:
            number = self._book.stack(tuple(reversed(frames)))
            self._held[key] = (t_us, self._book.thread(_thread(key[0], stack)), number)

    def _end(self, key: object, t_us: int) -> None:
        if key in self._held:
            since, thread, stack = self._held.pop(key)
            self.changes.append(Change(since, max(0, t_us - since), thread, stack))


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


def _thread(pid: int, stack: list[Frame | str]) -> Thread:
    said = [each for each in stack[:MOST_DEPTH] if isinstance(each, str)]
    found = _THREAD.fullmatch(said[-1]) if said else None
    if found is None:
        return Thread(pid, None, None)
    number, name = found.groups()
    decimal = number.isdecimal() and len(number) < len(str(2**31))
    return Thread(pid, int(number) if decimal else None, name)
