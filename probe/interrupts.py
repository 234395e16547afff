"""Ctrl-C, SIGTERM and SIGHUP: when do they take effect? (In the main thread only.)

A signal that somebody told this process to ignore (`nohup`, a shell's background job) stays so.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

HANG_UPS: Final = (signal.SIGTERM, signal.SIGHUP)
ONE_WISH_S: Final = 0.5
"""Signals so close together are one wish: who closes a terminal sends SIGHUP twice within
milliseconds, its shell and the kernel; somebody who presses again has waited and seen no end."""


class Wish:
    """Whether somebody wants an end: the first signal makes it `asked`, a later one raises."""

    def __init__(self) -> None:
        self.asked = False
        self._asked_s = 0.0

    def heed(self) -> None:
        """Raise `KeyboardInterrupt` where an end is asked for."""
        if self.asked:
            raise KeyboardInterrupt

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if not self.asked:
            self.asked, self._asked_s = True, now_s
        elif now_s - self._asked_s >= ONE_WISH_S:
            raise KeyboardInterrupt


@contextlib.contextmanager
def held() -> Iterator[Wish]:
    """Hold the first signal back, so that no step is cut short; whoever is inside looks at it."""
    wish = Wish()
    with _handled((signal.SIGINT, *HANG_UPS), wish._take):  # noqa: SLF001 - of this module
        yield wish


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C, which takes effect at once."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(HANG_UPS, interrupt):
        yield


@contextlib.contextmanager
def _handled(
    numbers: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():  # else they are somebody else's
        for number in numbers:
            known = signal.getsignal(number)
            if known not in (signal.SIG_IGN, None):
                before[number] = known
                signal.signal(number, handler)
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)
