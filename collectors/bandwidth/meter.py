"""What do counts say of a rate, where counters had to take turns?

A PMU counts a few events at a time. Where more are asked for, the kernel lets them take turns and
says how long each counted; the rest is filled up in proportion, and said so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collectors.bandwidth.counter import Reading
from probe.model import Notice, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collectors.bandwidth.counter import Counter

MULTIPLEXED: Final = "bandwidth.multiplexed"
MOST_BYTES_PER_S: Final = 1e13
"""Ten times what the fastest memory of a processor (HBM) moves; beyond stand wild counts."""
SKEW: Final = 0.01
"""Counters that belong together are read one after another, so that their times differ a little."""


@dataclass
class Line:
    """A line of a track: what its counters count, in bytes, added up."""

    track: str
    label: str
    bytes_each: float
    counters: list[Counter] = field(default_factory=list)

    def advance(self) -> Reading | None:
        """Return the sum of what the counters gained; None where one of them says nothing."""
        gained = [counter.advance() for counter in self.counters]
        known = [each for each in gained if each is not None]
        if not known or len(known) < len(gained):
            return None
        return Reading(*map(sum, zip(*known, strict=True)))

    def close(self) -> None:
        """Close the counters."""
        for counter in self.counters:
            counter.close()


class Meter:
    """Lines that share the time: one line, or clusters of cores of which a thread is on one.

    `may_rest` says that counters which were at no time enabled counted nothing (the program
    slept); else they were switched off, and nothing is known.
    """

    def __init__(
        self, lines: Sequence[Line], *, may_rest: bool = False, unsettled: int = 0
    ) -> None:
        self.lines = list(lines)
        self._may_rest = may_rest
        self._unsettled = unsettled
        self._before_ns: int | None = None
        self._told = False

    @property
    def name(self) -> str:
        """What tells the meter from others: the labels of its lines, and what they count."""
        labels = " + ".join(line.label for line in self.lines)
        return f"{labels} {self.lines[0].track.partition('.')[2]}"

    def sample(self, t_ns: int) -> Iterator[Sample | Notice]:
        """Yield the mean rates since the call before, and the share that was not counted."""
        before = self._before_ns
        if before is not None and t_ns <= before:
            return
        gained = [line.advance() for line in self.lines]
        self._before_ns = t_ns
        if self._unsettled:
            self._unsettled, self._before_ns = self._unsettled - 1, None
        if before is None:
            return
        share = counted(gained)
        for line, each in zip(self.lines, gained, strict=True):
            total = self._total(each, share)
            value = None if total is None else total * line.bytes_each / ((t_ns - before) / 1e9)
            believed = value if value is None or value <= MOST_BYTES_PER_S else None
            yield Sample(line.track, line.label, believed)
        if share is not None:
            yield Sample(MULTIPLEXED, self.name, 100 * (1 - share))
            yield from self._tell(share)

    def close(self) -> None:
        """Close the lines."""
        for line in self.lines:
            line.close()

    def _total(self, gained: Reading | None, share: float | None) -> float | None:
        if gained is None:
            return None
        if share is None:
            return 0.0 if self._may_rest and gained.value == 0 else None
        return gained.value / share if share else None

    def _tell(self, share: float) -> Iterator[Notice]:
        if share < 1 - SKEW and not self._told:
            self._told = True
            text = f"{self.name}: counters took turns with others; what they missed is estimated"
            yield Notice(text, {"counted_percent": round(100 * share, 1)})


def counted(gained: Sequence[Reading | None]) -> float | None:
    """Return the share of the time in which one of several counters counted, at most 1.

    Of counters that share the time each is enabled all of it: a thread that is on one cluster is
    enabled on the others too (their running times add up). None where it is not known, and where
    there was no such time.
    """
    known = [each for each in gained if each is not None]
    enabled = max((each.enabled_ns for each in known), default=0)
    if len(known) < len(gained) or enabled == 0:
        return None
    return min(1.0, sum(each.running_ns for each in known) / enabled)
