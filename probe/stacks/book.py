"""Threads and stacks of all recordings of a Run, by number, and how many of them are kept.

A recording is foreign text: it may have more stacks than fit into memory. Time in what is beyond
the bounds is not lost: it is in one stack that says so, and counted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from probe.homes import without_homes
from probe.stacks.places import SCRIPT, folders_of, placed

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_STACKS: Final = 100_000
"""Different stacks of a Run: 20 minutes of the reference pipeline have some thousand."""
MOST_FRAMES: Final = 200_000
MOST_CHARACTERS: Final = 96 * 2**20
"""Of all stacks as JSON: 50,000 stacks of 30 frames."""
MOST_THREADS: Final = 10_000
MOST_CHANGES: Final = 4_000_000
"""As many as 30 busy threads have in 20 minutes at 100 Hz."""
_LEFT_OUT: Final = 0
"""The number of the frame that stands for all that were not kept."""


class Frame(NamedTuple):
    """A line of code; native frames may lack file and line."""

    file: str | None
    line: int | None
    function: str


REST: Final = Frame(None, None, "(one of too many stacks)")


class Thread(NamedTuple):
    """A thread: `tid` is the kernel's number, None where py-spy knew only Python's own."""

    pid: int
    tid: int | None
    name: str | None


class Book:
    """Numbers threads, frames and stacks; a stack is innermost first."""

    def __init__(self) -> None:
        self.threads: dict[Thread, int] = {}
        self._frames: dict[Frame, int] = {REST: _LEFT_OUT}
        self._lengths: list[int] = [_length(REST)]
        self._stacks: dict[tuple[int, ...], int] = {}
        self._characters = 0
        self._changes = 0
        self._named = 0
        self.stacks_left_out = 0
        """Changes to a stack that was not kept."""
        self.changes_left_out = 0
        """Changes that were not kept at all."""

    @property
    def stacks(self) -> list[tuple[Frame, ...]]:
        """All stacks that were kept, in the order of their numbers."""
        frames = list(self._frames)
        return [tuple(frames[each] for each in stack) for stack in self._stacks]

    def thread(self, thread: Thread) -> int:
        """Return the thread's number; of too many, that of the first of them."""
        if thread not in self.threads and len(self.threads) >= MOST_THREADS:
            thread = next(iter(self.threads))._replace(tid=None, name=None)
        return self.threads.setdefault(thread, len(self.threads))

    def frame(self, frame: Frame) -> int:
        """Return the frame's number."""
        number = self._frames.get(frame)
        if number is None:
            length = _length(frame)
            if len(self._frames) > MOST_FRAMES or self._named + length > MOST_CHARACTERS:
                return _LEFT_OUT
            number = self._frames[frame] = len(self._frames)
            self._lengths.append(length)
            self._named += length
        return number

    def stack(self, frames: tuple[int, ...]) -> int:
        """Return the number of a stack of numbered frames."""
        number = self._stacks.get(frames)
        if number is None:
            length = sum(self._lengths[each] for each in frames)
            full = len(self._stacks) >= MOST_STACKS or self._characters + length > MOST_CHARACTERS
            if full or _LEFT_OUT in frames:
                return self.left_out()
            number = self._stacks[frames] = len(self._stacks)
            self._characters += length
        return number

    def left_out(self) -> int:
        """Return the number of the stack that stands for those that are not kept; count one."""
        self.stacks_left_out += 1
        return self._stacks.setdefault((_LEFT_OUT,), len(self._stacks))

    def has_room(self) -> bool:
        """Count a change; say whether it is kept."""
        if self._changes >= MOST_CHANGES:
            self.changes_left_out += 1
            return False
        self._changes += 1
        return True

    def documents(self) -> Iterator[str]:
        """Yield each stack as the table has it, JSON, in the order of their numbers."""
        frames = list(self._frames)
        modules = {number for frame, number in self._frames.items() if frame.function == SCRIPT}
        first = (next(filter(modules.__contains__, reversed(s)), None) for s in self._stacks)
        folders = folders_of(frames[each].file for each in set(first) if each is not None)
        texts = [_document(frame, folders) for frame in frames]
        for stack in self._stacks:
            yield f"[{', '.join(texts[each] for each in stack)}]"


def _length(frame: Frame) -> int:
    """Return about how many characters a frame has in the table."""
    return len(frame.file or "") + len(frame.function) + 20


def _document(frame: Frame, folders: list[str]) -> str:
    file = None if frame.file is None else placed(frame.file, folders)
    return json.dumps([file, frame.line, without_homes(frame.function)], ensure_ascii=False)
