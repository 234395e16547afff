"""How does a counter come to count all of a program that is running already, and nothing twice?

A counter on a thread is inherited by what that thread starts from then on. So every thread that
there is gets one; where threads came meanwhile nobody can tell whether they inherited theirs, and
it is done again.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from collectors.bandwidth.counter import ANYWHERE, Counter, attributes, open_counter
from probe.family import Family
from probe.kernel_file import integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.bandwidth.sources import Target
    from probe.model import Device

ROUNDS: Final = 8
"""A program that never stops to start threads is counted as it was in the last."""


def on_program(
    device: Device, targets: Sequence[Target], *, exclude_kernel: bool
) -> tuple[list[list[Counter]], bool]:
    """Open counters on every thread of the program: a list for each target.

    The second says whether the threads stood still meanwhile. Raises `OSError`,
    `ProcessLookupError` where the program is over before each target has a counter.
    """
    for left in reversed(range(ROUNDS)):
        before = threads(device)
        with ExitStack() as opened:
            found = [
                _on_threads(target, before, opened, exclude_kernel=exclude_kernel)
                for target in targets
            ]
            if not all(found):
                raise ProcessLookupError(errno.ESRCH, "the program is not there")
            still = threads(device) == before
            if still or not left:
                opened.pop_all()
                return found, still
    raise AssertionError("the last round returns")


def threads(device: Device) -> set[int]:
    """Return all threads of the program's processes now."""
    if device.program_pid is None:
        return set()
    # Its own search: the one that all share may be a second old.
    members = Family(device.path("/proc"), device.program_pid).members(0)
    found: set[int] = set()
    for member in members:
        try:
            names = [entry.name for entry in (member.folder / "task").iterdir()]
        except OSError:  # it is over already
            continue
        found.update(tid for tid in map(integer, names) if tid is not None)
    return found


def _on_threads(
    target: Target, tids: set[int], opened: ExitStack, *, exclude_kernel: bool
) -> list[Counter]:
    counters = []
    for words in target.words:
        attribute = attributes(target.pmu.type, words, inherit=True, exclude_kernel=exclude_kernel)
        for tid in sorted(tids):
            try:
                counter = open_counter(attribute, tid=tid, cpu=ANYWHERE)
            except ProcessLookupError:  # it is over already
                continue
            opened.callback(counter.close)
            counters.append(counter)
    return counters
