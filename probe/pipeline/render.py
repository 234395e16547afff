"""The sink: a display clock, a file, or nothing. Here an output is delivered, and presented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from probe.pipeline.pacing import now_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probe.pipeline.encode import Film
    from probe.pipeline.item import Item
    from probe.pipeline.ledger import Ledger


class Sink(Protocol):
    """Where pictures go once they are delivered."""

    def show(self, item: Item, t_ns: int, output: int) -> None:
        """Take a picture that was delivered at `t_ns` as number `output`."""

    def close(self) -> None:
        """Take the end."""

    def fact(self) -> dict[str, Any]:
        """Return the sink's counters."""


class Nowhere:
    """Presents a picture the moment that it is delivered."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pictures = 0

    def show(self, item: Item, t_ns: int, output: int) -> None:
        """Count it as presented at `t_ns`."""
        self._pictures += 1
        self._ledger.presented(item.frame, output, t_ns, 0)
        self._ledger.leaves(t_ns)

    def close(self) -> None:
        """Hold nothing."""

    def fact(self) -> dict[str, Any]:
        """Return the sink's counters; there are no refreshes."""
        return {"repeated_refreshes": None, "skipped_refreshes": None, "pictures": self._pictures}


class FilmSink(Nowhere):
    """Writes coded pictures into a film; presented is written."""

    def __init__(self, film: Film, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._film = film

    def show(self, item: Item, t_ns: int, output: int) -> None:  # noqa: ARG002 - written later
        """Write the picture's packets."""
        self._film.write(item.coded)
        super().show(item, now_ns(), output)

    def close(self) -> None:
        """Finish the film."""
        self._film.close()


class Render:
    """The last stage: each frame that comes is delivered, and handed to the sink."""

    name = "render"

    def __init__(self, sink: Sink, ledger: Ledger) -> None:
        self.sink = sink
        self._ledger = ledger

    def work(self, item: Item) -> Sequence[Item]:
        """Deliver one frame."""
        t_ns, output = self._ledger.delivered(item)
        self.sink.show(item, t_ns, output)
        return ()

    def finish(self) -> Sequence[Item]:
        """Close the sink."""
        self.sink.close()
        return ()
