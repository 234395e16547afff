"""Who pays for the CPU time of the tools that a collector starts?

`paid_by` names the payer of what is done inside it. A process that is seen to end there is charged
to it, with all that this process waited for; whoever works for the payer on another thread takes
the context along (`contextvars.copy_context`) and says what it used.
"""

from __future__ import annotations

import os
import resource
import select
import threading
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

SHORTEST_PAUSE_S: Final = 0.0005
LONGEST_PAUSE_S: Final = 0.05
"""Between two looks whether a process has ended, as `subprocess` does it."""


class Bill:
    """CPU time that was spent for somebody, on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.cpu_ns = 0

    def add(self, cpu_ns: int) -> None:
        """Put more on the bill."""
        with self._lock:
            self.cpu_ns += cpu_ns


_PAYER: Final[ContextVar[Bill | None]] = ContextVar("payer", default=None)


@contextmanager
def paid_by(bill: Bill) -> Iterator[None]:
    """Charge what is done inside to this bill."""
    before = _PAYER.set(bill)
    try:
        yield
    finally:
        _PAYER.reset(before)


def charge(cpu_ns: int) -> None:
    """Charge the payer; nobody where none is named."""
    bill = _PAYER.get()
    if bill is not None:
        bill.add(cpu_ns)


def ended(child: Popen[bytes]) -> bool:
    """Say whether a process has ended; the payer is charged when that is first seen."""
    if child.returncode is None:
        charge(reap(child) or 0)
    return child.returncode is not None


def wait(child: Popen[bytes], seconds: float) -> bool:
    """Wait for the end of a process; say whether it came."""
    return wait_until(lambda: ended(child), seconds, child.pid)


def wait_until(over: Callable[[], bool], seconds: float, pid: int) -> bool:
    """Wait for the end of a child, of which `over` tells; say whether it came."""
    until, pause_s = time.monotonic() + seconds, SHORTEST_PAUSE_S
    if over():
        return True
    _asleep_until_end(pid, seconds)
    while not over():
        left_s = until - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    return True


def _asleep_until_end(pid: int, seconds: float) -> None:
    """Sleep until a child ends; not at all on a kernel before 5.3, or where that is forbidden.

    To look again and again would wake us up eighty times a second beside the program.
    """
    with suppress(OSError, AttributeError):  # a Python that was built for such a kernel lacks it
        descriptor = os.pidfd_open(pid)
        try:
            ends = select.poll()
            ends.register(descriptor, select.POLLIN)
            ends.poll(1000 * max(0.0, seconds))
        finally:
            os.close(descriptor)


def reap(child: Popen[bytes]) -> int | None:
    """Return the CPU time of a process that has ended, and of what it waited for, in ns.

    None while it runs, and where the system keeps no count of it. `child.returncode` is set.
    """
    try:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
    except ChildProcessError:  # whoever started us ignores SIGCHLD: nothing is left to wait for
        child.poll()
        return None
    if pid == 0:
        return None
    child.returncode = os.waitstatus_to_exitcode(status)
    return _nanoseconds(used)


def of_everything_ns() -> int:
    """Return the CPU time of this process and of every child that was waited for, in ns."""
    return time.process_time_ns() + _nanoseconds(resource.getrusage(resource.RUSAGE_CHILDREN))


def _nanoseconds(used: resource.struct_rusage) -> int:
    return round((used.ru_utime + used.ru_stime) * 1e9)
