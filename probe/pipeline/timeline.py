"""Which frame is next, what must the decoder be fed for it, and when is it due?

Identity follows the pts: pictures are numbered in the order of display, over loops, from the times
of their packets. No output of a decoder is counted.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from probe.pipeline.item import Feed
from probe.pipeline.pacing import SECOND_NS, nth_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probe.pipeline.clip import Clip


@dataclass(slots=True)
class Due:
    """The next frame of a clip: number, unwrapped pts, place in the clip, what to feed for it."""

    frame: int
    pts: int
    source_index: int
    feeds: list[Feed]


def playback(clip: Clip, *, loop: bool) -> Iterator[Due]:
    """Yield the frames of a clip in the order of display, each with the packets to feed for it.

    The decoder is fed `clip.depth` packets ahead, across the seam of a loop too: after the last
    packet of a pass it is asked for the pictures that it still holds, and the packets of the next
    pass follow at once, so that no picture is lost and none comes later than in the first pass.
    """
    waiting: list[tuple[int, int]] = []
    feeds: list[Feed] = []
    frame = 0
    place = {"pass": 0, "index": 0}

    def next_due() -> Due:
        nonlocal feeds, frame
        pts, number = heapq.heappop(waiting)
        if number != place["pass"]:
            place.update({"pass": number, "index": 0})
        due = Due(frame, pts, place["index"], feeds)
        place["index"] += 1
        frame, feeds = frame + 1, []
        return due

    offset, number = 0, 0
    while True:
        first: int | None = None
        last: int | None = None
        for coded in clip.packets():
            pts = coded.pts + offset
            feeds.append(Feed(coded.packet, pts))
            if not coded.shown:
                continue
            heapq.heappush(waiting, (pts, number))
            first = pts if first is None else min(first, pts)
            last = pts if last is None else max(last, pts)
            if len(waiting) > clip.depth:
                yield next_due()
        if first is None or last is None:
            break
        feeds.append(Feed(None, last))
        if not loop:
            break
        offset += last - first + clip.last_ticks
        number += 1
    while waiting:
        yield next_due()


class Schedule:
    """When frame k of a clip is due after t0: at k / `rate`, or at its own time (`rate` None)."""

    def __init__(self, rate: Fraction | None, time_base: Fraction, first_pts: int) -> None:
        self.rate = rate
        self.first_pts = first_pts
        # Whole numbers, for one division a frame: Fractions cost ten times that.
        self._tick_ns = (SECOND_NS * time_base.numerator, time_base.denominator)

    def offset_ns(self, frame: int, pts: int) -> int:
        """Return the time of a frame after t0, in ns."""
        return self.pts_ns(pts) if self.rate is None else nth_ns(frame, self.rate)

    def pts_ns(self, pts: int) -> int:
        """Return a pts in ns after the first picture's."""
        numerator, denominator = self._tick_ns
        return (pts - self.first_pts) * numerator // denominator


def schedule(clip: Clip, fps: float | None) -> Schedule:
    """Choose the times: `fps` retimes; else a constant rate, or the clip's own if variable."""
    first = clip.ticks[0]
    if fps is not None:
        return Schedule(Fraction(fps).limit_denominator(1_000_000), clip.time_base, first)
    return Schedule(None if clip.variable else clip.rate, clip.time_base, first)
