"""The program's own account: which frames entered, and what became of each."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import probe
from probe.pipeline.pacing import now_ns

if TYPE_CHECKING:
    from probe.pipeline.item import Item, Ticket


class Ledger:
    """Writes frames and fates on the tape, and counts the frames in flight.

    A frame that is to be shown at a later refresh stays in flight until that time. `left_out`
    counts the frames that a stage beside the response never got.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        self._shown: deque[int] = deque()
        self.outputs = 0
        self.left_out = 0

    def released(self, ticket: Ticket, captured_ns: int, pts_ns: int | None) -> None:
        """Enter a frame that the source gave at `captured_ns`."""
        probe.frame(
            ticket.frame,
            scheduled_ns=ticket.scheduled_ns,
            captured_ns=captured_ns,
            pts_ns=pts_ns,
            source_index=ticket.source_index,
        )
        with self._lock:
            self._in_flight += 1

    def dropped(self, item: Item, stage: str, why: str | None = None) -> None:
        """Give up a frame before `stage`, by default because its queue was full."""
        probe.mark("dropped", frame=item.frame, stage=stage, text=why or f"{stage}: queue full")
        item.release()
        self._ended()

    def skipped(self, item: Item, stage: str) -> None:
        """Say that a side branch left out a frame; the frame itself goes on to its own fate."""
        self.left_out += 1
        probe.mark("skipped", frame=item.frame, stage=stage, text=f"{stage}: queue full, beside")

    def invalid(self, frame: int, stage: str, why: str) -> None:
        """Give up a frame that `stage` cannot process."""
        probe.mark("invalid", frame=frame, stage=stage, text=why)
        self._ended()

    def delivered(self, item: Item) -> tuple[int, int]:
        """Note that a frame's output reached the sink: (time, number of the output)."""
        t_ns = now_ns()
        output = self.outputs
        self.outputs += 1
        probe.mark("delivered", frame=item.frame, t_ns=t_ns, output=output, text=item.outcome)
        return t_ns, output

    def presented(self, frame: int | None, output: int, t_ns: int, repeats: int) -> None:
        """Note that an output is shown from `t_ns`, and for how many further refreshes."""
        probe.mark("presented", frame=frame, t_ns=t_ns, output=output, value=repeats)

    def superseded(self, frame: int | None) -> None:
        """Give up the frame shown last: a newer one took its refresh."""
        probe.mark("dropped", frame=frame, stage="render", text="a newer frame had the refresh")
        with self._lock:
            if self._shown:
                self._shown.pop()
                self._in_flight -= 1

    def leaves(self, t_ns: int) -> None:
        """Count the frame shown last out of flight at `t_ns`, which may lie ahead."""
        with self._lock:
            self._shown.append(t_ns)

    def in_flight(self, t_ns: int) -> int:
        """Return the number of frames that entered and had no fate at `t_ns`."""
        with self._lock:
            while self._shown and self._shown[0] <= t_ns:
                self._shown.popleft()
                self._in_flight -= 1
            return self._in_flight

    def _ended(self) -> None:
        with self._lock:
            self._in_flight -= 1
