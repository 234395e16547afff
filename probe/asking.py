"""How is a tool asked again and again, so that nobody waits for it?

Tools that must be started get a thread of their own (facts/devices.md, section 10: sampling plan).
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from probe.errors import NoData
from probe.spent import charge
from probe.tool import is_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe.model import Device

T = TypeVar("T")


class Answer(NamedTuple, Generic[T]):
    """What was answered, None where nothing was, and the middle of the question's time.

    `t_ns` None means now: a captured tree answers at once.
    """

    value: T | None
    t_ns: int | None


class Asking(Generic[T]):
    """A question that takes long, asked on a thread of its own.

    It gets an event that is set once nobody wants the answer any more (`tool.ask` takes it).
    """

    def __init__(self, device: Device, question: Callable[[threading.Event], T]) -> None:
        self._question = question
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(1, "asking") if is_here(device) else None
        self._asked: Future[Answer[T]] | None = None
        self._first: Answer[T] | None = None

    def first(self) -> T:
        """Ask, wait, and return the answer, the newest as well; raises what the question does."""
        before = time.monotonic_ns()
        value = self._question(self._over)
        self._first = Answer(value, (before + time.monotonic_ns()) // 2)
        return value

    def newest(self, *, due: bool = True) -> Answer[T] | None:
        """Return the answer that came since the last call, None without one; never waits.

        Where it is `due`, and nobody is asked, the question is put anew. No answer (`NoData`) is
        one whose value is None.
        """
        if self._pool is None:
            return Answer(self._value(), None) if due else None
        answer, self._first = self._first, None
        if answer is not None:  # as good as just asked
            return answer
        if self._asked is not None and self._asked.done():
            answer, self._asked = self._asked.result(), None
        if due and self._asked is None:
            self._asked = self._pool.submit(copy_context().run, self._stamped)
        return answer

    def close(self) -> None:
        """Put no question any more, and end the one that is put; safe twice."""
        self._over.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _stamped(self) -> Answer[T]:
        before, cpu_ns = time.monotonic_ns(), time.thread_time_ns()
        value = self._value()
        middle = (before + time.monotonic_ns()) // 2
        charge(time.thread_time_ns() - cpu_ns)
        return Answer(value, middle)

    def _value(self) -> T | None:
        try:
            return self._question(self._over)
        except NoData:
            return None
