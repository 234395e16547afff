"""The bounded queue between two stages, and what it does when it is full."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Literal

from probe.pipeline.pacing import now_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe.pipeline.item import Item

Policy = Literal["latest", "block"]


class Edge:
    """A queue that feeds the stage `feeds` and holds at most `capacity` frames.

    When it is full, policy `latest` gives up the oldest waiting frame (`dropped` is told), `block`
    makes the sender wait. A frame's wait counts from when it came to the door.
    """

    def __init__(
        self,
        feeds: str,
        capacity: int,
        policy: Policy,
        dropped: Callable[[Item, str], None],
    ) -> None:
        self.feeds = feeds
        self.capacity = capacity
        self.policy = policy
        self._dropped = dropped
        self._items: deque[Item] = deque()
        self._closed = False
        lock = threading.Lock()
        self._room = threading.Condition(lock)
        self._ready = threading.Condition(lock)

    @property
    def depth(self) -> int:
        """How many frames wait now."""
        return len(self._items)

    def put(self, item: Item) -> None:
        """Add a frame; on a closed queue it is given up without a fate (the run is over)."""
        item.queued_ns = now_ns()
        victim: Item | None = None
        with self._room:
            if self.policy == "block":
                self._room.wait_for(lambda: len(self._items) < self.capacity or self._closed)
            if self._closed:
                item.release()
                return
            if len(self._items) >= self.capacity:
                victim = self._items.popleft()
            self._items.append(item)
            self._ready.notify()
        if victim is not None:
            self._dropped(victim, self.feeds)

    def get(self) -> tuple[Item, int] | None:
        """Wait for a frame; returns it with its wait in ns, or None when no more will come."""
        with self._ready:
            self._ready.wait_for(lambda: self._items or self._closed)
            if not self._items:
                return None
            item = self._items.popleft()
            self._room.notify()
        return item, now_ns() - item.queued_ns

    def close(self) -> None:
        """Say that no more frames come; those that wait are still given out."""
        with self._room:
            self._closed = True
            self._room.notify_all()
            self._ready.notify_all()

    def abandon(self) -> None:
        """Close, and give up what waits."""
        with self._room:
            for item in self._items:
                item.release()
            self._items.clear()
        self.close()
