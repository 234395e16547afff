"""Which waits for a core do the events of a trace tell of, and which did the kernel leave out?"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.scheduler_trace.ring import Gap, Switch
from probe.model import Notice, Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from collectors.scheduler_trace.ring import Waking

MOST_WAITS: Final = 1_000_000
"""Rows of one run; 100 bytes each in memory. Then the collector stops to record, and says so."""
NUMBER: Final = re.compile(r":[0-9]+$")
"""Of `kworker/0:1`, which would be taken for a thread's."""
HARNESS: Final = "liveprobe"
"""Who had the core, where it was we."""
LOST: Final = "events of the scheduler were lost"
SLEEPING: Final = 0xFF
"""Bits of a state; a thread with none of them would have gone on. What marks one that lost its core
is a bit above them, another in each generation of kernels."""
ENDED: Final = 0x30
"""EXIT_DEAD and EXIT_ZOMBIE: a thread that leaves its core for good."""


class _Off(NamedTuple):
    """Where a thread is: off its core since it is ready and who took it, or one of those below."""

    ready_ns: int | None
    taker: str | None


SLEEPS: Final = _Off(None, None)
HAS: Final = _Off(None, "itself")
"""It has a core."""
WOKEN: Final = _Off(None, "itself, woken")
"""It has a core still, and was woken: about to sleep, it will be ready as soon as it is off."""


class Waits:
    """Pairs the moment when a thread was ready with the one when it ran.

    The kernel leaves events out without a word: threads are seen to leave a core that they were not
    seen to get, a few in a hundred as a rule, of one that comes to an idle core again and again up
    to half (Linux 6.18; its own text of the trace has them no more than its pages). A wait whose
    end was not seen is none; else the sleep that follows would be taken for waiting. It is counted
    in `without_end`; one whose beginning was not seen, of a thread that was seen to sleep, in
    `without_begin`; one that went on when the recording paused in `cut`. What a thread waited in
    all says `scheduler.wait`.
    """

    def __init__(self) -> None:
        self.recorded = 0
        self.without_end = 0
        self.without_begin = 0
        self.cut = 0
        self._threads: dict[int, _Off] = {}
        self._harness: Collection[int] = ()

    def after(
        self,
        events: Iterable[Switch | Waking | Gap],
        ours: Collection[int],
        harness: Collection[int] = (),
    ) -> Iterator[Sample | Notice]:
        """Yield the waits that these events, in order of time, end: of the threads `ours`.

        `harness` are the threads of the harness and of its tools, which may have had the core.
        """
        self._harness = harness
        for event in events:
            if isinstance(event, Switch):
                self._leaves(event, ours)
                yield from self._comes(event, ours)
            elif isinstance(event, Gap):
                yield self._gap(event)
            else:
                self._runs(event.running)
                if event.woken in ours and event.woken != event.running:  # it wakes others too
                    self._woken(event.woken, event.t_ns)

    def pause(self) -> None:
        """Give up what is open: nothing is told of what comes now."""
        self.cut += self._open()
        self._threads.clear()

    def _open(self) -> int:
        return sum(each.ready_ns is not None for each in self._threads.values())

    def _leaves(self, switch: Switch, ours: Collection[int]) -> None:
        """Take in that a thread leaves its core: to sleep, or because another took it."""
        woken = self._runs(switch.out) is WOKEN
        if switch.out not in ours or switch.state & ENDED:
            self._threads.pop(switch.out, None)
        elif not switch.state & SLEEPING:
            taker = self._who(switch.into_name, switch.into, ours)
            self._threads[switch.out] = _Off(switch.t_ns, taker)
        else:  # whoever woke it came before it was off
            self._threads[switch.out] = _Off(switch.t_ns, None) if woken else SLEEPS

    def _comes(self, switch: Switch, ours: Collection[int]) -> Iterator[Sample | Notice]:
        """Yield the wait of the thread that gets the core."""
        since = self._threads.pop(switch.into, None)
        if switch.into in ours:
            self._threads[switch.into] = HAS
        if since is None or since is HAS:
            return
        if since.ready_ns is None:
            self.without_begin += 1
        elif since.ready_ns > switch.t_ns:  # told too late to be in order
            self.without_end += 1
        elif self.recorded < MOST_WAITS:
            who = since.taker or self._who(switch.out_name, switch.out, ours)
            label = f"{_named(switch.into_name, switch.into)} < {who}"
            seconds = (switch.t_ns - since.ready_ns) / 1e9
            yield Sample("scheduler_trace.wait", label, seconds, switch.t_ns)
            self.recorded += 1
            if self.recorded == MOST_WAITS:
                yield Notice("no more waits are recorded", {"waits": MOST_WAITS})

    def _who(self, comm: bytes, tid: int, ours: Collection[int]) -> str:
        """Return who has a core; threads of other programs without the number that some bear."""
        if tid == 0:
            return "idle"
        if tid in ours:
            return _named(comm, tid)
        return HARNESS if tid in self._harness else NUMBER.sub("", _name(comm))

    def _gap(self, gap: Gap) -> Notice:
        """Give up what is open: it may have ended among the events that were lost."""
        self.without_end += self._open()
        self._threads.clear()
        return Notice(LOST, {"events": gap.events})

    def _runs(self, tid: int) -> _Off | None:
        """Take in that a thread has a core, what was open being over; return where it was."""
        before = self._threads.get(tid)
        if before is None:
            return None
        self.without_begin += before is SLEEPS
        self.without_end += before.ready_ns is not None
        self._threads[tid] = HAS
        return before

    def _woken(self, tid: int, t_ns: int) -> None:
        """Begin a wait; the kernel wakes only what sleeps, so that one open from before is over."""
        before = self._threads.pop(tid, SLEEPS)
        if before is HAS or before is WOKEN:
            self._threads[tid] = WOKEN
            return
        self.without_end += before.ready_ns is not None
        if before.taker is None:  # else it lost its core, and since when it waits is not known
            self._threads[tid] = _Off(t_ns, None)


@lru_cache(maxsize=4096)
def _named(comm: bytes, tid: int) -> str:
    return f"{_name(comm)}:{tid}"


@lru_cache(maxsize=4096)
def _name(comm: bytes) -> str:
    return comm.partition(b"\0")[0].decode("utf-8", "replace")
