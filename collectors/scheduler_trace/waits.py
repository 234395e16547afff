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
    """A thread without a core: since when it is ready, None while it sleeps; who took its core."""

    ready_ns: int | None
    taker: str | None


SLEEPS: Final = _Off(None, None)


class Waits:
    """Pairs the moment when a thread was ready with the one when it ran.

    The kernel leaves events out now and then, without a word: some threads are seen to leave a core
    that they were not seen to get. A wait whose end was not seen is none; else the sleep that
    follows would be taken for waiting. It is counted in `without_end`; one whose beginning was not
    seen, of a thread that was seen to sleep, in `without_begin`.
    """

    def __init__(self) -> None:
        self.recorded = 0
        self.without_end = 0
        self.without_begin = 0
        self._off: dict[int, _Off] = {}
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

    def _leaves(self, switch: Switch, ours: Collection[int]) -> None:
        """Take in that a thread leaves its core: to sleep, or because another took it."""
        self._runs(switch.out)
        if switch.out not in ours or switch.state & ENDED:
            return
        if switch.state & SLEEPING:
            self._off[switch.out] = SLEEPS
        else:
            taker = self._who(switch.into_name, switch.into, ours)
            self._off[switch.out] = _Off(switch.t_ns, taker)

    def _comes(self, switch: Switch, ours: Collection[int]) -> Iterator[Sample | Notice]:
        """Yield the wait of the thread that gets the core."""
        since = self._off.pop(switch.into, None)
        if since is None:
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
        self.without_end += sum(each is not SLEEPS for each in self._off.values())
        self._off.clear()
        return Notice(LOST, {"events": gap.events})

    def _runs(self, tid: int) -> None:
        """Take in that a thread has a core: what was open of it was over unseen."""
        open_ = self._off.pop(tid, None)
        if open_ is SLEEPS:
            self.without_begin += 1
        elif open_ is not None:
            self.without_end += 1

    def _woken(self, tid: int, t_ns: int) -> None:
        """Begin a wait; the kernel wakes only what sleeps, so that one open from before is over."""
        open_ = self._off.pop(tid, SLEEPS)
        if open_ is not SLEEPS:
            self.without_end += 1
        if open_.taker is None:  # else it lost its core, and since when it waits is not known
            self._off[tid] = _Off(t_ns, None)


@lru_cache(maxsize=4096)
def _named(comm: bytes, tid: int) -> str:
    return f"{_name(comm)}:{tid}"


@lru_cache(maxsize=4096)
def _name(comm: bytes) -> str:
    return comm.partition(b"\0")[0].decode("utf-8", "replace")
