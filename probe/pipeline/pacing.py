"""How does a frame leave at its scheduled time? Absolute sleeps on CLOCK_MONOTONIC."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from fractions import Fraction
    from threading import Event

SECOND_NS: Final = 10**9
_LONGEST_SLEEP_NS: Final = 100_000_000
"""So that a request to stop is heard; frames at more than 10 a second never notice."""


class Span(NamedTuple):
    """When a source runs: from its first frame's schedule until `end_ns`, in CLOCK_MONOTONIC."""

    start_ns: int
    end_ns: int


def now_ns() -> int:
    """Return CLOCK_MONOTONIC in nanoseconds."""
    return time.perf_counter_ns()


def sleep_until(target_ns: int, stop: Event) -> bool:
    """Sleep until `target_ns`; False when `stop` was set before.

    `time.sleep` sleeps to an absolute time on Linux (clock_nanosleep with TIMER_ABSTIME, CPython
    3.11 and later), so that nothing adds up; it is called again when it came back early.
    """
    while not stop.is_set():
        left = target_ns - time.perf_counter_ns()
        if left <= 0:
            return True
        time.sleep(min(left, _LONGEST_SLEEP_NS) / SECOND_NS)
    return False


def nth_ns(k: int, rate: Fraction) -> int:
    """Return the time of event `k` at `rate` events a second, in whole nanoseconds, drift-free."""
    return k * SECOND_NS * rate.denominator // rate.numerator
