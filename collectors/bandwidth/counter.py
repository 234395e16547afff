"""How is a counter of the kernel's opened and read? By perf_event_open(2), without any tool."""

from __future__ import annotations

import errno
import os
import platform
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collectors.bandwidth.pmu import Words

SYSCALLS: Final = {
    ("x86_64", 64): 298,
    ("aarch64", 64): 241,
    ("aarch64", 32): 364,
    ("armv7l", 32): 364,
    ("armv8l", 32): 364,
    ("riscv64", 64): 241,
    ("loongarch64", 64): 241,
}
"""Numbers of perf_event_open by machine and width of this process (kernel: unistd.h of each)."""
ATTRIBUTES: Final = struct.Struct("<IIQQQQQIIQQ")
"""struct perf_event_attr up to config2 (PERF_ATTR_SIZE_VER1, Linux 2.6.33): type, size, config,
sample_period, sample_type, read_format, flags, wakeup_events, bp_type, config1, config2. The kernel
takes what is shorter than its own as filled up with zeros."""
INHERIT: Final = 1 << 1
EXCLUDE_KERNEL: Final = 1 << 5
TIMES: Final = 0b11
"""PERF_FORMAT_TOTAL_TIME_ENABLED and PERF_FORMAT_TOTAL_TIME_RUNNING."""
CLOSE_ON_EXEC: Final = 8
ANYWHERE: Final = -1
"""As `cpu`: wherever the thread runs; as `tid`: whatever runs."""
READING: Final = struct.Struct("<QQQ")
SIGN: Final = 2**63


class Reading(NamedTuple):
    """What a counter counted, how long it should have counted, and how long it did."""

    value: int
    enabled_ns: int
    running_ns: int


class Counter:
    """An open counter; takes over the descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._before: Reading | None = None

    def advance(self) -> Reading | None:
        """Return what came since the call before; None at the first, and where it cannot be said.

        The kernel counts in 64 bits and adds up; what went back, or past the sign, is none.
        """
        before, self._before = self._before, self._read()
        return difference(before, self._before)

    def close(self) -> None:
        """Release the counter; safe twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self) -> Reading | None:
        if self._descriptor is None:
            return None
        try:
            data = os.read(self._descriptor, READING.size)
        except OSError:
            return None
        # A counter that the kernel gave up on gives nothing.
        return Reading(*READING.unpack(data)) if len(data) == READING.size else None


def attributes(
    pmu_type: int, words: Words, *, inherit: bool = False, exclude_kernel: bool = False
) -> bytes:
    """Return a struct perf_event_attr that counts from the moment when it is opened."""
    flags = (INHERIT if inherit else 0) | (EXCLUDE_KERNEL if exclude_kernel else 0)
    head = (pmu_type, ATTRIBUTES.size, words.config, 0, 0, TIMES, flags, 0, 0)
    return ATTRIBUTES.pack(*head, words.config1, words.config2)


def open_counter(attribute: bytes, *, tid: int, cpu: int) -> Counter:
    """Open a counter on a thread or a CPU (`ANYWHERE` for the other); raises `OSError`."""
    import ctypes

    number = SYSCALLS.get((platform.machine(), 8 * struct.calcsize("P")))
    if number is None:
        raise OSError(errno.ENOSYS, f"its number on {platform.machine()} is not known")
    buffer = ctypes.create_string_buffer(attribute, len(attribute))
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    arguments = [ctypes.c_long(each) for each in (tid, cpu, ANYWHERE, CLOSE_ON_EXEC)]
    descriptor = call(ctypes.c_long(number), buffer, *arguments)
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return Counter(descriptor)


def difference(before: Reading | None, now: Reading | None) -> Reading | None:
    """Return what came between two readings; None where one of them, or all that came, is absurd.

    A count of 2^64 less something is a negative one: rockchip_ddr begins with it. As long as two
    are on one side of zero what lies between them is right.
    """
    if before is None or now is None or (before.value >= SIGN) != (now.value >= SIGN):
        return None
    gained = Reading(*(late - early for early, late in zip(before, now, strict=True)))
    return gained if min(gained) >= 0 else None
