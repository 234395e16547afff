"""Release frames at their scheduled times, whatever happened to the frames before them."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, Protocol

import probe
from probe.pipeline.item import Feed, Item, Ticket
from probe.pipeline.pacing import Span, now_ns, sleep_until
from probe.pipeline.timeline import Due, Schedule, playback, schedule

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from probe.pipeline.arrivals import Arrivals
    from probe.pipeline.clip import Clip
    from probe.pipeline.ledger import Ledger

_LONGEST_GAP: Final = 1000
"""Frames; a longer gap in a camera's times is a camera that was off, or a clock that jumped."""


class Source(Protocol):
    """Where frames come from."""

    name: str

    def lead(self) -> Item | None:
        """Return what the decoder needs before the first frame is due, if anything."""

    def run(
        self, put: Callable[[Item], None], ledger: Ledger, span: Span, stop: threading.Event
    ) -> None:
        """Release frames through `put` from `span.start_ns` until `span.end_ns` or `stop`."""


class ClipSource:
    """Plays a clip: frame k is released at t0 + k/f or at its own time, on an absolute clock.

    Where `put` waits (the decoder is behind, or the policy is `block`), the frames that became
    overdue follow in order, each with its own scheduled time. `free` releases a frame as soon as
    there is room: a closed loop, for benches; nothing about it is live.
    """

    name = "capture"

    def __init__(self, clip: Clip, *, fps: float | None, loop: bool, free: bool = False) -> None:
        self.clip = clip
        self.schedule: Schedule = schedule(clip, fps)
        self._frames: Iterator[Due] = playback(clip, loop=loop)
        self._next: Due | None = next(self._frames, None)
        self._free = free

    def lead(self) -> Item | None:
        """Return all packets but one of those that the first frame needs."""
        if self._next is None or len(self._next.feeds) < 2:  # noqa: PLR2004 - one is due at t0
            return None
        ahead, self._next.feeds = self._next.feeds[:-1], self._next.feeds[-1:]
        return Item(None, feeds=ahead, bytes=_coded_bytes(ahead))

    def run(
        self, put: Callable[[Item], None], ledger: Ledger, span: Span, stop: threading.Event
    ) -> None:
        """Release frames until the span is over, the clip is (without a loop), or `stop` is set."""
        due = self._next
        while due is not None:
            scheduled_ns = span.start_ns + self.schedule.offset_ns(due.frame, due.pts)
            if self._free:
                scheduled_ns = now_ns()
            if scheduled_ns >= span.end_ns or not sleep_until(scheduled_ns, stop):
                return
            put(self._release(due, scheduled_ns, ledger))
            due = next(self._frames, None)

    def _release(self, due: Due, scheduled_ns: int, ledger: Ledger) -> Item:
        captured_ns = now_ns()
        size = _coded_bytes(due.feeds)
        with probe.stage("capture", frame=due.frame, bytes_out=size):
            ticket = Ticket(due.frame, due.pts, scheduled_ns, due.source_index)
            ledger.released(ticket, captured_ns, self.schedule.pts_ns(due.pts))
            return Item(due.frame, scheduled_ns, feeds=due.feeds, tickets=(ticket,), bytes=size)


class ArrivalSource:
    """Hands on what a camera or a network stream gives, when it gives it.

    A frame is scheduled when its packet arrived; a camera's, when its driver says that it was taken
    (CLOCK_MONOTONIC). Frames that a camera left out are found as gaps in those times: they get
    numbers of their own and are lost at capture. The decoder is fed at once; a frame gets its
    number when `depth` later packets show that none comes before it in the order of display.
    """

    name = "capture"

    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self._waiting: list[tuple[int, int, int]] = []
        self._frame = 0
        self._first_pts: int | None = None
        self._last_ns: int | None = None

    def lead(self) -> Item | None:
        """Return nothing: a live source cannot be fed ahead."""
        return None

    def run(
        self, put: Callable[[Item], None], ledger: Ledger, span: Span, stop: threading.Event
    ) -> None:
        """Hand on packets until the span, counted from the first frame, is over."""
        begun_ns: int | None = None
        length_ns = span.end_ns - span.start_ns

        def over() -> bool:
            return begun_ns is not None and now_ns() - begun_ns >= length_ns

        for arrival in self.arrivals.packets(stop, over):
            begun_ns = arrival.scheduled_ns if begun_ns is None else begun_ns
            if arrival.scheduled_ns - begun_ns >= length_ns:
                break
            heapq.heappush(self._waiting, (arrival.pts, arrival.scheduled_ns, arrival.arrived_ns))
            tickets = self._due(ledger, self.arrivals.depth)
            frame = tickets[0].frame if tickets else None
            with probe.stage("capture", frame=frame, bytes_out=arrival.packet.size):
                feeds = (Feed(arrival.packet, arrival.pts),)
                item = Item(frame, feeds=feeds, tickets=tickets, bytes=arrival.packet.size)
            put(item)
        if self._waiting:
            last = max(self._waiting)[0]
            tickets = self._due(ledger, 0)
            put(Item(tickets[0].frame, feeds=(Feed(None, last),), tickets=tickets))

    def _due(self, ledger: Ledger, keep: int) -> list[Ticket]:
        tickets = []
        while len(self._waiting) > keep:
            pts, scheduled_ns, arrived_ns = heapq.heappop(self._waiting)
            self._first_pts = pts if self._first_pts is None else self._first_pts
            if self._last_ns is not None:  # shown after the frame before it, so not due earlier
                scheduled_ns = max(scheduled_ns, self._last_ns)
                arrived_ns = max(arrived_ns, scheduled_ns)
            self._lose(scheduled_ns, arrived_ns, ledger)
            ticket = Ticket(self._frame, pts, scheduled_ns, self._frame)
            ledger.released(ticket, arrived_ns, self.arrivals.ticks_ns(pts - self._first_pts))
            tickets.append(ticket)
            self._frame += 1
            self._last_ns = scheduled_ns
        return tickets

    def _lose(self, scheduled_ns: int, arrived_ns: int, ledger: Ledger) -> None:
        """Enter the frames that a camera left out before this one."""
        period_ns = self.arrivals.period_ns
        if period_ns is None or self._last_ns is None:
            return
        missing = min(round((scheduled_ns - self._last_ns) / period_ns) - 1, _LONGEST_GAP)
        for step in range(1, missing + 1):
            due_ns = self._last_ns + step * (scheduled_ns - self._last_ns) // (missing + 1)
            ticket = Ticket(self._frame, 0, due_ns, self._frame)
            ledger.released(ticket, arrived_ns, None)
            ledger.dropped(Item(self._frame), self.name, "the camera left it out")
            self._frame += 1


def _coded_bytes(feeds: Sequence[Feed]) -> int:
    return sum(feed.packet.size for feed in feeds if feed.packet is not None)
