"""How long was another process on the cores, all its threads together? Its CPU clock says so."""

from __future__ import annotations

import time
from typing import Final

SCHED: Final = 2
"""CPUCLOCK_SCHED of Linux: the scheduler's time in ns, where ``stat`` has that of ticks."""


def of_process_ns(pid: int) -> int | None:
    """Return the CPU time of a process, with that of its threads that have ended, in ns.

    None once it is gone, and where the system has no such clock. Nobody's leave is needed
    (clock_getcpuclockid(3); the number of the clock is made as there).
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | SCHED)
    except OSError:
        return None
