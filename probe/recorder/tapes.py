"""The tapes of this process: which thread has which, when they close, what a fork leaves."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from probe.recorder.chunks import Keeper, TapeFile, is_foreign
from probe.recorder.notice import say_once

if TYPE_CHECKING:
    from collections.abc import Callable


class Pen(Protocol):
    """What writes on one thread's tape; when it is dropped, its tape is closed."""


class Writer(Protocol):
    """A module that records: `probe.recorder.pen` or the C extension."""

    Pen: Callable[[TapeFile], Pen]
    stage: Callable[..., Any]
    frame: Callable[..., int]
    mark: Callable[..., None]

    def connect(self, attach: Callable[[], Any]) -> None:
        """Take the function that gives the calling thread its pen, or None."""

    def forget(self) -> None:
        """Let go of the calling thread's pen."""


class Tapes:
    """The tapes of this process: one per thread, closed at exit, let go after a fork."""

    def __init__(self, folder: str, writer: Writer, code: int) -> None:
        self._folder = Path(folder).absolute()
        self._writer = writer
        self._code = code
        self._reset()

    def _reset(self) -> None:
        self._here = threading.local()
        self._open: WeakValueDictionary[int, TapeFile] = WeakValueDictionary()
        self._foreign: dict[int, Pen] = {}
        self._keeper = Keeper()
        self._off = False

    def attach(self) -> Pen | None:
        """Give the calling thread its pen; None when recording is off."""
        tid = threading.get_native_id()
        if tid in self._foreign:
            return self._foreign[tid]
        if self._off or hasattr(self._here, "opening"):
            return None  # opening: a signal handler records while its thread's tape is being made
        self._here.opening = True
        try:
            return self._new_pen(tid)
        finally:
            del self._here.opening

    def _new_pen(self, tid: int) -> Pen | None:
        try:
            file = TapeFile(self._folder, self._code, self._keeper)
        except OSError as error:
            self._off = True
            say_once("off", f"not recording, the program goes on: {self._folder}: {error.strerror}")
            return None
        if not self._open:
            self._close_with_multiprocessing()
        self._open[tid] = file
        pen = self._writer.Pen(file)
        if is_foreign():
            # Its thread-local values last one call into Python only; the tape must last longer.
            self._foreign[tid] = pen
        else:
            self._here.pen = pen
        return pen

    def _close_with_multiprocessing(self) -> None:
        # A forked worker leaves by os._exit, past atexit, but runs these.
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(None, self.close, exitpriority=0)

    def close(self) -> None:
        """Close every tape of this process."""
        self._here.__dict__.clear()
        self._writer.forget()
        for file in list(self._open.values()):
            file.close()

    def let_go(self) -> None:
        """In the child of a fork: leave the parent's tapes to the parent."""
        self._reset()
        self._writer.forget()
