"""What did each stretch of time behave like, and how much of the run was it?

The windows, the order of tests and the numbers are METHOD's (regimes of a window).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from probe.fates import bursts as burst_numbers
from probe.model import Fate, Regime
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from probe.measured import Frames, Window

SECOND_NS: Final = 10**9
WINDOW_NS: Final = SECOND_NS
WINDOW_PERIODS: Final = 20
"""A window is a second, and at least so many frame periods."""
MOST_WINDOWS: Final = 10**6
"""Eleven days of seconds. A program may say any time; what lies further apart is not a run."""
ALLOWED_SHARE: Final = 0.01
ALLOWED_FRAMES: Final = 1
"""A real-time window may lose or delay one frame, or 1 % of its frames if that is more."""
STALL_PERIODS: Final = 3
STALL_NS: Final = 150 * 10**6
"""Nothing came out for longer than 3 frame periods, at least 150 ms: stalled."""
PAUSE_PERIODS: Final = 1.5
"""A source that gives no frame for so many periods pauses, and is no program that stalls: our own
number, between its jitter and one frame that it left out."""
BLOCK_BURSTS: Final = 3
"""So many consecutive bursts of two or more make blocks; fewer are catching up."""
BLOCK_GAP: Final = 1.5
"""A gap between blocks under so many block periods is no stall."""
HELD_NS: Final = 10 * SECOND_NS
"""Real-time is held until the start of the first stretch so long with no real-time window."""
KEEPS_UP: Final = 0.95
"""Speed of blocks from a live source that counts as 1. It cannot exceed 1 there, and measured over
a few blocks it scatters by the jitter of a delivery over that stretch: our own margin."""


@dataclass(frozen=True)
class Segment:
    """A stretch of time and what it behaved like."""

    from_ns: int
    to_ns: int
    regime: Regime

    @property
    def length_ns(self) -> int:
        """Length of the stretch."""
        return self.to_ns - self.from_ns


@dataclass(frozen=True)
class Bursts:
    """Deliveries that came together, in order of time; one entry a burst.

    `block` marks the bursts of a row of at least `BLOCK_BURSTS` with two outputs or more each;
    `block_ns` is the usual distance of the bursts of that row, 0 outside blocks.
    """

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    size: NDArray[np.int64]
    block: NDArray[np.bool_]
    block_ns: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.size)


def bursts_of(delivered_ns: NDArray[np.int64], period_ns: float) -> Bursts:
    """Group deliveries, in rising order of time, into bursts and mark the blocks among them."""
    numbers = burst_numbers(delivered_ns, period_ns)
    _, first, size = np.unique(numbers, return_index=True, return_counts=True)
    start = delivered_ns[first]
    block = np.zeros(len(size), dtype=bool)
    block_ns = np.zeros(len(size))
    for begin, end in _rows_of_true(size > 1):
        if end - begin >= BLOCK_BURSTS:
            block[begin:end] = True
            block_ns[begin:end] = np.median(np.diff(start[begin:end]))
    return Bursts(start, delivered_ns[first + size - 1], size, block, block_ns)


def _rows_of_true(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (begin, end) of each unbroken row of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def live_windows(frames: Frames, window: Window) -> list[Segment]:
    """Return the regime of each window of a run with a live input, in order of time.

    `frames` are all frames of the Run, those of warm-up and drain included. The last window also
    takes the rest that is too short for one of its own.
    """
    period = frames.period_ns
    if not len(frames) or period is None or window.length_ns <= 0:
        return []
    delivered = np.sort(frames.delivered_ns[frames.delivered_ns != NULL])
    bursts = bursts_of(delivered, period)
    edges = _edges(window, period)
    stalled = _stalled(frames, bursts, edges, period)
    rows = _Rows(frames, bursts, edges)
    found = _filled([rows.regime(k, period) for k in range(len(edges) - 1)])
    return [
        Segment(begin, end, Regime.STALLED if silent else regime)
        for (begin, end), regime, silent in zip(
            pairwise(edges.tolist()), found, stalled.tolist(), strict=True
        )
    ]


def _edges(window: Window, period_ns: float) -> NDArray[np.int64]:
    length = max(WINDOW_NS, round(WINDOW_PERIODS * period_ns), window.length_ns // MOST_WINDOWS)
    count = max(1, window.length_ns // length)
    edges = window.start_ns + length * np.arange(count + 1, dtype=np.int64)
    edges[-1] = window.end_ns
    return edges


def _filled(found: list[Regime | None]) -> list[Regime]:
    """Give a window in which no frame was due the regime of the one before it, stalls apart."""
    known = next((regime for regime in found if regime is not None), Regime.STALLED)
    filled = []
    for regime in found:
        known = known if regime is None else regime
        filled.append(known)
    return filled


class _Rows:
    """The frames and bursts of each window, counted at once."""

    def __init__(self, frames: Frames, bursts: Bursts, edges: NDArray[np.int64]) -> None:
        windows = len(edges) - 1
        inside = (frames.due_ns >= edges[0]) & (frames.due_ns < edges[-1])
        home = np.searchsorted(edges, frames.due_ns[inside], "right") - 1
        self.bursts = bursts
        self.due = np.bincount(home, minlength=windows)
        self.missed = np.bincount(home[frames.missed[inside]], minlength=windows)
        self.stale = np.bincount(home[frames.of(Fate.STALE)[inside]], minlength=windows)
        delivered = frames.delivered_ns[inside]
        out = delivered != NULL
        home = home[out]
        burst = np.searchsorted(bursts.start_ns, delivered[out], "right") - 1
        together = bursts.size[burst] > 1
        self.outputs = np.bincount(home, minlength=windows)
        self.together = np.bincount(home[together], minlength=windows)
        self.in_blocks = np.bincount(home[bursts.block[burst]], minlength=windows)
        self.first = np.full(windows, len(bursts), dtype=np.int64)
        self.last = np.full(windows, -1, dtype=np.int64)
        np.minimum.at(self.first, home, burst)
        np.maximum.at(self.last, home, burst)

    def regime(self, k: int, period_ns: float) -> Regime | None:
        """Judge window `k` as not stalled; None where no frame was due."""
        if self.due[k] == 0:
            return None
        allowed = max(ALLOWED_FRAMES, int(ALLOWED_SHARE * self.due[k]))
        single = 2 * self.together[k] <= self.outputs[k]
        in_time = self.missed[k] <= allowed and self.stale[k] == 0
        if single and in_time:
            return Regime.REAL_TIME
        if 2 * self.in_blocks[k] > self.outputs[k] > 0:
            return _made(self._speed(int(self.first[k]), int(self.last[k]), period_ns))
        return Regime.DEGRADED

    def _speed(self, first: int, last: int, period_ns: float) -> float:
        """Return seconds of media made per second over these bursts, grown to three at least."""
        while last - first + 1 < BLOCK_BURSTS:
            grown = max(0, first - 1), min(len(self.bursts) - 1, last + 1)
            if grown == (first, last):
                break
            first, last = grown
        elapsed = int(self.bursts.start_ns[last] - self.bursts.start_ns[first])
        made = int(self.bursts.size[first:last].sum()) * period_ns
        return made / elapsed if elapsed > 0 else 0.0


def without_live_input(windows: Sequence[Segment], speed: float | None) -> list[Segment]:
    """Return the windows of a program whose input waits for it: it may say "fast", never live.

    `speed` is seconds of media per second; where nobody knows it, "fast" is all that is left.
    """
    regime = Regime.FAST_GENERATION if speed is None or speed >= 1 else Regime.OFFLINE
    return [Segment(each.from_ns, each.to_ns, regime) for each in windows]


def _made(speed: float) -> Regime:
    return Regime.FAST_GENERATION if speed >= KEEPS_UP else Regime.OFFLINE


def _stalled(
    frames: Frames, bursts: Bursts, edges: NDArray[np.int64], period_ns: float
) -> NDArray[np.bool_]:
    """Mark the windows that hold a stall, or at least half of a shorter-than-window one."""
    limit = max(float(STALL_NS), STALL_PERIODS * period_ns)
    stalled = np.zeros(len(edges) - 1, dtype=bool)
    for begin, end in silences(frames, bursts, int(edges[-1]), period_ns):
        overlap = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
        stalled |= overlap >= min(limit, (end - begin) / 2)
    return stalled


def silences(
    frames: Frames, bursts: Bursts, until_ns: int, period_ns: float
) -> list[tuple[int, int]]:
    """Return (from, to) of each time in which nothing came out for too long though frames were due.

    A silence lasts from one output to the next, less the pauses of the source between its frames: a
    source that pauses and goes on stalls nobody. One that never goes on is judged by its own pace:
    whoever calls ends the window there where it was the source's right to end. The pause between
    two blocks is no silence.
    """
    limit = max(float(STALL_NS), STALL_PERIODS * period_ns)
    begins, ends = _between_outputs(frames, until_ns, round(period_ns))
    long = ends - begins > limit
    if long.any() and bursts.block.any():
        long &= ~_between_blocks(bursts, begins, ends)
    return list(zip(begins[long].tolist(), ends[long].tolist(), strict=True))


def _between_outputs(
    frames: Frames, until_ns: int, period_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (from, to) of each time between two outputs, before the first and after the last.

    A pause of the source that follows the last answered frame at once moves the beginning; one that
    follows frames without an answer moves the end.
    """
    due, last = frames.due_ns, len(frames) - 1
    order = np.argsort(frames.delivered_ns, kind="stable")
    order = order[frames.delivered_ns[order] != NULL]
    out, newest = frames.delivered_ns[order], np.maximum.accumulate(order)
    paused = _paused(np.minimum(due, until_ns), period_ns)
    before = np.concatenate(([0], newest))
    after = np.append(newest, min(int(np.searchsorted(due, until_ns)), last))
    inside = np.maximum(paused[after] - paused[before], 0)
    at_once = np.minimum(inside, paused[np.minimum(before + 1, last)] - paused[before])
    begins = np.concatenate((due[:1], out)) + at_once
    ends = np.append(out, until_ns) - (inside - at_once)
    if before[-1] == last:
        begins[-1] = max(begins[-1], due[-1] + period_ns)
    return begins, ends


def _paused(due_ns: NDArray[np.int64], period_ns: int) -> NDArray[np.int64]:
    """Return for each frame, in order of schedule, how long the source had paused before it."""
    gaps = np.diff(due_ns)
    beyond = np.where(gaps > PAUSE_PERIODS * period_ns, gaps - period_ns, 0)
    return np.concatenate(([0], np.cumsum(beyond)))


def _between_blocks(
    bursts: Bursts, begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark gaps after a burst of a row of blocks that last under 1.5 of its block periods."""
    before = np.searchsorted(bursts.start_ns, begins, "right") - 1
    known = before >= 0
    before = np.maximum(before, 0)
    gap = ends - bursts.start_ns[before]
    return known & bursts.block[before] & (gap < BLOCK_GAP * bursts.block_ns[before])


def merged(windows: Sequence[Segment]) -> list[Segment]:
    """Join neighbouring stretches of the same regime that touch."""
    joined: list[Segment] = []
    for each in windows:
        last = joined[-1] if joined else None
        if last and last.regime is each.regime and last.to_ns == each.from_ns:
            joined[-1] = Segment(last.from_ns, each.to_ns, each.regime)
        else:
            joined.append(each)
    return joined


def shares(segments: Sequence[Segment]) -> dict[Regime, float]:
    """Return the share of the judged time in each regime; empty where nothing was judged."""
    total = sum(segment.length_ns for segment in segments)
    if total <= 0:
        return {}
    spent = dict.fromkeys(Regime, 0)
    for segment in segments:
        spent[segment.regime] += segment.length_ns
    return {regime: length / total for regime, length in spent.items()}


def foremost(share: dict[Regime, float]) -> Regime | None:
    """Return what a run did most; of equal shares the one that claims less."""
    return max(reversed(Regime), key=lambda regime: share[regime]) if share else None


def held_ns(segments: Sequence[Segment]) -> int | None:
    """Return how long real-time was held from the start, 0 where no window was real-time.

    None without a window, and where a run of under 10 s was real-time in part: it is too short for
    the stretch that would end it.
    """
    live = [segment.regime is Regime.REAL_TIME for segment in segments]
    length = segments[-1].to_ns - segments[0].from_ns if segments else 0
    if not segments or (length < HELD_NS and any(live) and not all(live)):
        return None
    if not any(live):
        return 0
    begin, since = segments[0].from_ns, None
    for segment in segments:
        if segment.regime is Regime.REAL_TIME:
            since = None
            continue
        since = segment.from_ns if since is None else since
        if segment.to_ns - since >= HELD_NS:
            return since - begin
    return segments[-1].to_ns - begin
