"""The recorder's hot path in Python: what a stage, a frame and a mark put into a slot.

`_pen.c` does the same in C, byte for byte. A record is made in three steps: its names
are defined, a slot is taken, the slot is filled, its sequence number last. Taking is one step of an
iterator, so that a signal handler that records in between gets a slot of its own: records of the
two never mix, and none is lost.
"""

from __future__ import annotations

import struct
import sys
import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from probe.recorder.boundaries import boundaries_of_process
from probe.recorder.fields import measured, whole
from probe.tape import FLAG_RAISED, FRAME, MARK, NULL, RECORD_BYTES, SEQUENCE, SPAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from probe.recorder.boundaries import Boundaries
    from probe.recorder.chunks import TapeFile

_TAIL = RECORD_BYTES - SEQUENCE.size
# Native packing is one store for each field, three times as fast as the portable one; the layout is
# the same on a little-endian machine. Fields are stored in order, so the sequence number is last.
_RECORD = struct.Struct("@BBHIqqqqqqQ" if sys.byteorder == "little" else "<BBHIqqqqqqQ")
_pack = _RECORD.pack_into


class Pen:
    """Writes records on one thread's tape, and closes the tape when it is dropped."""

    __slots__ = ("_place", "file", "names", "texts")

    def __init__(self, file: TapeFile) -> None:
        self.file = file
        self.names = file.names
        self.texts = file.texts
        # Memory, shift, free numbers and their last change together, so they are one value.
        self._place: tuple[Any, int, Iterator[int], int] = (b"", 0, iter(()), 0)

    def _turn(self) -> tuple[Any, int, int]:
        stretch = self.file.advance()
        if stretch is None:
            return b"", 0, 0
        free = iter(stretch.numbers())
        sequence = next(free)
        self._place = stretch.memory, stretch.shift, free, stretch.last
        return stretch.memory, stretch.shift, sequence

    def put(self, body: bytes) -> bool:
        """Write a record whose first 56 bytes are given; False when there is no room."""
        memory, shift, free, _ = self._place
        sequence = next(free, 0)
        if not sequence:
            memory, shift, sequence = self._turn()
            if not sequence:
                return False
        offset = sequence * RECORD_BYTES + shift
        memory[offset : offset + _TAIL] = body
        SEQUENCE.pack_into(memory, offset + _TAIL, sequence)
        return True

    def write(  # noqa: PLR0917 - the fields of a record, in its order; keywords cost time here
        self, kind: int, flags: int, name: int, t0: int, t1: int, frame: int, a: int, b: int, c: int
    ) -> None:
        """Write a record, or count it as lost when there is no room."""
        memory, shift, free, _ = self._place
        sequence = next(free, 0)
        if not sequence:
            memory, shift, sequence = self._turn()
            if not sequence:
                self.file.lose()
                return
        offset = sequence * RECORD_BYTES + shift
        try:
            _pack(memory, offset, kind, flags, 0, name, t0, t1, frame, a, b, c, sequence)
        except struct.error:
            clean = map(whole, (t0, t1, frame, a, b, c))
            _pack(memory, offset, kind, flags, 0, name, *clean, sequence)

    def name(self, text: str | None) -> int:
        """Return the id of a name, 0 for None, -1 when there is no room to define it."""
        try:
            return self.names[text]  # type: ignore[index]
        except (KeyError, TypeError):
            return self.file.name(text, self.put)

    def text(self, text: str | None) -> int:
        """Return the id of a text, as `name` does."""
        try:
            return self.texts[text]  # type: ignore[index]
        except (KeyError, TypeError):
            return self.file.text(text, self.put)

    def __del__(self) -> None:
        """Close the tape: its thread has ended."""
        _, _, free, last = self._place
        self.file.close(next(free, last + 1), last)


class _Here(threading.local):
    """The calling thread's pen: unset before its first record, None when recording is off."""

    pen: Pen | None


_here = _Here()
_attach: Callable[[], Pen | None] = lambda: None  # noqa: E731 - replaced by `connect`


def connect(attach: Callable[[], Pen | None]) -> None:
    """Take the function that gives the calling thread its pen, or None when recording is off."""
    global _attach, _made, _boundaries  # noqa: PLW0603 - one recorder for each process
    _boundaries = boundaries_of_process()
    _made = Stage if _boundaries is None else _AnnouncedStage
    _attach = attach


def forget() -> None:
    """Let go of the calling thread's pen; the next record asks for one anew."""
    _here.__dict__.clear()


def _pen() -> Pen | None:
    try:
        return _here.pen
    except AttributeError:
        pen = _here.pen = _attach()
        return pen


class Stage:
    """One step on one frame, between entering the block and leaving it.

    `frame`, `queue_ns`, `bytes_in` and `bytes_out` may be set inside the block; the record is
    written when it ends.
    """

    __slots__ = ("_name", "_start_ns", "bytes_in", "bytes_out", "frame", "queue_ns")

    _name: str
    _start_ns: int
    frame: int | None
    queue_ns: int | None
    bytes_in: int | None
    bytes_out: int | None

    def __enter__(self) -> Self:
        """Note the start."""
        self._start_ns = perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Record the span; an exception passes."""
        end_ns = perf_counter_ns()
        try:
            pen = _here.pen
        except AttributeError:
            pen = _pen()
        if pen is None:
            return
        try:
            name = pen.names[self._name]
        except (KeyError, TypeError):
            name = pen.name(self._name)
            if name < 0:
                pen.file.lose()
                return
        frame, queue, taken, given = self.frame, self.queue_ns, self.bytes_in, self.bytes_out
        pen.write(
            SPAN,
            0 if kind is None else FLAG_RAISED,
            name,
            self._start_ns,
            end_ns,
            NULL if frame is None else frame,
            NULL if queue is None else queue,
            NULL if taken is None else taken,
            NULL if given is None else given,
        )


class _AnnouncedStage(Stage):
    """A stage that also tells the copy interposer where it begins and ends (deep mode)."""

    __slots__ = ("_announced",)

    _announced: bool

    def __enter__(self) -> Self:
        """Announce the stage, then note the start: what that takes is not the stage's time."""
        self._announced = _boundaries is not None and _boundaries.begin(self._name, self.frame)
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Record the span, then tell; an exception passes."""
        super().__exit__(kind, error, traceback)
        if self._announced and _boundaries is not None:
            self._announced = False
            _boundaries.end()


_made: type[Stage] = Stage
_boundaries: Boundaries | None = None


# A plain function that fills slots costs a third less than a class with __init__.
def stage(
    name: str,
    frame: int | None = None,
    *,
    queue_ns: int | None = None,
    bytes_in: int | None = None,
    bytes_out: int | None = None,
) -> Stage:
    """Record when a block starts and when it ends; for a `with` statement.

    `queue_ns` is how long the frame waited before. An exception passes through and is noted.
    """
    step = _made()
    step._name = name  # noqa: SLF001 - in place of __init__
    step.frame = frame
    step.queue_ns = queue_ns
    step.bytes_in = bytes_in
    step.bytes_out = bytes_out
    return step


def frame(
    k: int,
    *,
    scheduled_ns: int | None = None,
    captured_ns: int | None = None,
    pts_ns: int | None = None,
    source_index: int | None = None,
) -> int:
    """Record the capture of frame `k` at `captured_ns`, or now; return `k`."""
    now_ns = perf_counter_ns() if captured_ns is None else captured_ns
    pen = _pen()
    if pen is not None:
        pen.write(
            FRAME,
            0,
            0,
            NULL if scheduled_ns is None else scheduled_ns,
            now_ns,
            k,
            NULL if pts_ns is None else pts_ns,
            NULL if source_index is None else source_index,
            NULL,
        )
    return k


def mark(
    name: str,
    frame: int | None = None,
    *,
    t_ns: int | None = None,
    value: float | None = None,
    stage: str | None = None,
    output: int | None = None,
    text: str | None = None,
) -> None:
    """Record an instant (at `t_ns`, or now); `probe.tape` lists the names with a meaning."""
    now_ns = perf_counter_ns() if t_ns is None else t_ns
    pen = _pen()
    if pen is None:
        return
    ids = [pen.name(name)]
    ids.append(0 if stage is None else pen.name(stage))
    ids.append(0 if text is None else pen.text(text))
    if min(ids) < 0:
        pen.file.lose()
        return
    flags, bits = (0, NULL) if value is None else measured(value)
    pen.write(
        MARK,
        flags,
        ids[0],
        now_ns,
        bits,
        NULL if frame is None else frame,
        ids[1],
        ids[2],
        NULL if output is None else output,
    )
