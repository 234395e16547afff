"""What travels from stage to stage: one frame, its times, and what the stages made of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray


class Feed:
    """A coded packet on its way to the decoder; `pts` is unwrapped over loops.

    A Feed without a packet asks the decoder for all that it still holds (the end of a loop).
    """

    __slots__ = ("packet", "pts")

    def __init__(self, packet: Packet[Any] | None, pts: int) -> None:
        self.packet = packet
        self.pts = pts


@dataclass(slots=True)
class Ticket:
    """A released source frame: its number, its pts (unwrapped), its time, its place in the clip."""

    frame: int
    pts: int
    scheduled_ns: int
    source_index: int


@dataclass(slots=True)
class Item:
    """One frame under way. `bytes` is the size of what it carries now; `frame` None: no frame yet.

    From capture it carries `feeds` (packets for the decoder) and `tickets` (frames released with
    them); after that one picture, then the model's input, the model's outputs, the result.
    """

    frame: int | None
    scheduled_ns: int = 0
    source_index: int = 0
    feeds: Sequence[Feed] = ()
    tickets: Sequence[Ticket] = ()
    picture: VideoFrame | None = None
    tensor: NDArray[Any] | None = None
    outputs: Sequence[NDArray[Any]] = ()
    outcome: str | None = None
    coded: Sequence[Packet[Any]] = ()
    bytes: int = 0
    queued_ns: int = 0
    lease: Callable[[], None] | None = None

    def release(self) -> None:
        """Give back the buffer that the frame holds, if it holds one."""
        if self.lease is not None:
            give_back, self.lease = self.lease, None
            give_back()
            self.tensor = None

    def fork(self) -> Item:
        """Return a copy for a side branch, which has its own time of queueing and no buffer."""
        return Item(
            self.frame,
            self.scheduled_ns,
            self.source_index,
            picture=self.picture,
            outcome=self.outcome,
            bytes=self.bytes,
        )


class Stage(Protocol):
    """One step of a program: takes a frame, gives frames (none, one, or several).

    `work` may raise `InvalidFrame`; anything else that it raises ends the program.
    """

    name: str

    def work(self, item: Item) -> Sequence[Item]:
        """Do the step on one frame."""

    def finish(self) -> Sequence[Item]:
        """Give what is still inside, once the last frame has come."""


class InvalidFrame(Exception):
    """A frame that this stage cannot process; the run goes on."""


@dataclass(slots=True)
class Pool:
    """Buffers that are used again once their frame has let go of them.

    A ring that is overwritten in turn would overwrite the frame that a slow stage still holds while
    a full queue drops the ones behind it; so each buffer is leased and given back.
    """

    make: Callable[[], NDArray[np.generic]]
    free: deque[NDArray[Any]] = field(default_factory=deque)
    made: int = 0

    def fill(self, count: int) -> Pool:
        """Make `count` buffers now: as many frames as can hold one at a time."""
        self.free.extend(self.make() for _ in range(count))
        self.made += count
        return self

    def lend(self, item: Item) -> NDArray[Any]:
        """Lend a buffer to `item` until it is released (one more is made if all are out)."""
        try:
            buffer = self.free.popleft()
        except IndexError:
            buffer = self.make()
            self.made += 1
        item.tensor = buffer
        item.lease = lambda: self.free.append(buffer)
        return buffer
