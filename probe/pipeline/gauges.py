"""How many frames are under way, and where do they wait? Sampled apart from the spans."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import probe
from probe.pipeline.pacing import now_ns, sleep_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probe.pipeline.edges import Edge
    from probe.pipeline.ledger import Ledger

PERIOD_NS: Final = 50_000_000
_GOLDEN: Final = 0.6180339887498949


class Gauges(threading.Thread):
    """Marks ``in_flight`` and the depth of each ``queue`` every 50 ms until `stop` is set.

    Samples at even times would see frames at the same two or three places of their way (50 ms are
    one and a half periods at 30 fps), and their mean would be wrong. Each falls at another place of
    its 50 ms: the multiples of the golden ratio, which cover an interval evenly.
    """

    def __init__(self, ledger: Ledger, edges: Sequence[Edge]) -> None:
        super().__init__(name="gauges", daemon=True)
        self._ledger = ledger
        self._edges = edges
        self.stop = threading.Event()

    def run(self) -> None:
        """Sample once in each period from now on."""
        begun_ns, sample = now_ns(), 0
        while sleep_until(begun_ns + moment_ns(sample), self.stop):
            t_ns = now_ns()
            probe.mark("in_flight", t_ns=t_ns, value=self._ledger.in_flight(t_ns))
            for edge in self._edges:
                probe.mark("queue", t_ns=t_ns, stage=edge.feeds, value=edge.depth)
            sample = max(sample, (t_ns - begun_ns) // PERIOD_NS) + 1


def moment_ns(sample: int) -> int:
    """Return the time of a sample after the first period's begin."""
    return int((sample + sample * _GOLDEN % 1.0) * PERIOD_NS)
