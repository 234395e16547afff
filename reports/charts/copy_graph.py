"""Where do bytes move? The stages as boxes, what each copies below it, and what flows between.

Bars are to one scale; the width of an arrow grows with the square root of its bytes. A pattern says
the kind of a copy, amber says that it is avoidable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from reports.charts.copy_shapes import BAR, BOLD_PX, KINDS, LETTER_PX, Canvas, Drawing, fitted
from reports.page import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KINDS", "Flow", "Graph", "Move", "Station", "graph", "often"]

WIDE_PX, MIDDLE_PX, NARROW_PX = 1360, 700, 350
MOST_ABREAST: Final = 9
"""More stages than these do not fit beside each other."""
SHOWN_BELOW: Final = 3
"""Lines of a stage that have a bar of their own; the rest share one."""
_GAP_PX: Final = 78.0
_BOX_PX: Final = 128.0
"""The widest that a box gets."""
_BOX_HIGH: Final = 58.0
_LINE: Final = 14.0
_LANE: Final = 32.0
_THICKEST: Final = 9.0
_THINNEST: Final = 1.6


@dataclass(frozen=True)
class Move:
    """The copies of one line in a stage: bytes and how many of them a frame, and where."""

    kind: str
    size: float
    count: float
    place: str
    avoidable: float = 0.0

    @property
    def needless(self) -> float:
        """The avoidable share, 0 to 1."""
        return self.avoidable / self.size if self.size else 0.0


@dataclass(frozen=True)
class Station:
    """A stage: what its copies write a frame, what of it came from other stages' copies.

    `entering` is None for what belongs to no stage: nobody follows what goes there.
    """

    name: str
    slot: str
    size: float
    ms: float
    entering: float | None
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Flow:
    """Bytes a frame that a copy in `source` wrote and a copy in `target` read, by kind of that."""

    source: str
    target: str
    size: float
    kinds: tuple[tuple[str, float], ...]

    @property
    def shares(self) -> tuple[tuple[str, float], ...]:
        """The kinds, each with its share of the bytes."""
        return tuple((kind, size / self.size) for kind, size in self.kinds)

    @property
    def words(self) -> str:
        """The kinds, as a sentence lists them."""
        return numbers.listed([kind for kind, _ in self.kinds])


@dataclass(frozen=True)
class Graph:
    """The drawings and the same in words."""

    drawings: tuple[Drawing, ...]
    description: str


def graph(stations: Sequence[Station], flows: Sequence[Flow]) -> Graph:
    """Return the graph of stages, in the order of a frame, and of the flows between them."""
    names = {station.name for station in stations}
    between = [
        flow for flow in flows
        if flow.source != flow.target and {flow.source, flow.target} <= names and flow.size > 0
    ]  # fmt: skip
    tall = [_Tall(stations, between, width).drawing() for width in (MIDDLE_PX, NARROW_PX)]
    wide = tall[0]
    if len(stations) <= MOST_ABREAST:
        wide = _Wide(stations, between).drawing()
    drawings = (
        replace(wide, look="wide"),
        replace(tall[0], look="middle"),
        replace(tall[1], look="narrow"),
    )
    return Graph(drawings, _description(stations, between))


def below(station: Station) -> list[Move]:
    """Return the moves that are drawn below a stage; the small ones as one."""
    moves = list(station.moves)
    if len(moves) <= SHOWN_BELOW + 1:
        return moves
    rest = moves[SHOWN_BELOW:]
    kinds = {move.kind for move in rest}
    together = Move(
        kind=kinds.pop() if len(kinds) == 1 else "several kinds",
        size=sum(move.size for move in rest),
        count=sum(move.count for move in rest),
        place=f"{len(rest)} more lines",
        avoidable=sum(move.avoidable for move in rest),
    )
    return [*moves[:SHOWN_BELOW], together]


def often(count: float) -> str:
    """Return how often a copy happens in a frame: nothing for once, else ``3 x``."""
    if round(count, 2) == 1:
        return ""
    if round(count, 2) == 0:
        return f"under{numbers.NBSP}0.01{numbers.NBSP}{numbers.TIMES}"
    whole = round(count, 2) == round(count)
    return f"{numbers.fixed(count, 0 if whole else 2)}{numbers.NBSP}{numbers.TIMES}"


def _description(stations: Sequence[Station], flows: Sequence[Flow]) -> str:
    said = []
    for station in stations:
        if not station.size:
            said.append(f"{station.name}: no copy seen")
            continue
        parts = [f"{move.kind} {_mb(move.size)} at {move.place}" for move in below(station)]
        total = f"{_mb(station.size)} in {_ms(station.ms)}"
        said.append(f"{station.name}: {total}: {'; '.join(parts)}")
    said += [
        f"{flow.source} to {flow.target}: {_mb(flow.size)} {flow.words}".rstrip() for flow in flows
    ]
    return ". ".join(said) + "."


class _Wide:
    """Stages beside each other; what skips a stage goes over it."""

    def __init__(self, stations: Sequence[Station], flows: Sequence[Flow]) -> None:
        self._stations = stations
        self._canvas = Canvas()
        self._pitch = min(WIDE_PX / max(len(stations), 1), _BOX_PX + 140)
        self._box = min(_BOX_PX, self._pitch - _GAP_PX)
        self._place = {station.name: k for k, station in enumerate(stations)}
        self._straight = [flow for flow in flows if self._reach(flow) == 1]
        self._over = [flow for flow in flows if self._reach(flow) != 1]
        self._lanes = _lanes([self._extent(flow) for flow in self._over])
        self._most = max((flow.size for flow in flows), default=1.0)
        self._top = 16.0 + _LANE * (max(self._lanes) + 1 if self._lanes else 0)

    def drawing(self) -> Drawing:
        for flow in self._straight:
            self._arrow(flow)
        for lane, flow in zip(self._lanes, self._over, strict=True):
            self._arch(lane, flow)
        bottoms = [self._stage(k, station) for k, station in enumerate(self._stations)]
        return self._canvas.drawing(WIDE_PX, max(bottoms, default=self._top))

    def _reach(self, flow: Flow) -> int:
        return self._place[flow.target] - self._place[flow.source]

    def _extent(self, flow: Flow) -> tuple[int, int]:
        ends = sorted((self._place[flow.source], self._place[flow.target]))
        return ends[0], ends[1]

    def _arrow(self, flow: Flow) -> None:
        x0 = self._place[flow.source] * self._pitch + self._box
        x1 = x0 + self._pitch - self._box
        y, thick = self._top + _BOX_HIGH / 2, _thick(flow.size, self._most)
        self._canvas.across(x0 + 3, x1 - 2, y, thick, flow.shares)
        middle = (x0 + x1) / 2 - 3
        self._canvas.say(middle, y - thick / 2 - 7, _mb(flow.size), "tb mid")
        for k, (kind, _) in enumerate(flow.kinds):
            self._canvas.say(middle, y + thick / 2 + 16 + k * 13, kind, "t mid")

    def _arch(self, lane: int, flow: Flow) -> None:
        """Draw a flow that goes over stages: up from one box, across, and down to another."""
        thick = _thick(flow.size, self._most)
        y = self._top - 14.0 - _LANE * lane
        x0 = self._place[flow.source] * self._pitch + self._box / 2 + 12 + 9 * lane
        x1 = self._place[flow.target] * self._pitch + self._box / 2 - 12 - 9 * lane
        self._canvas.over(x0, x1, self._top, y, thick)
        text = f"{_mb(flow.size)} {flow.words}".rstrip()
        room = abs(x1 - x0) - 12
        self._canvas.say((x0 + x1) / 2, y - thick / 2 - 5, fitted(text, room), "ti mid")

    def _stage(self, place: int, station: Station) -> float:
        canvas, x, y = self._canvas, place * self._pitch, self._top
        canvas.box(x, y, self._box, _BOX_HIGH, "node" if station.size else "node none")
        canvas.box(x, y, 5, _BOX_HIGH, f"s-{station.slot}")
        room = self._box - 18
        canvas.say(x + 13, y + 19, fitted(station.name, room, BOLD_PX), "tb")
        if not station.size:
            canvas.say(x + 13, y + 34, fitted("no copy seen", room))
            return y + _BOX_HIGH + 8
        canvas.say(x + 13, y + 34, _mb(station.size), "ti")
        canvas.say(x + 13, y + 48, _ms(station.ms))
        y += _BOX_HIGH + 18
        room = self._pitch - 14
        canvas.say(x, y, fitted(_entered(station), room))
        per_byte = room / max((m.size for s in self._stations for m in below(s)), default=1.0)
        y += 10
        for move in below(station):
            canvas.bar(x, y, move.kind, move.size * per_byte, move.needless)
            y += BAR + _LINE
            canvas.say(x, y, fitted(f"{_mb(move.size)} {move.kind}", room), "ti")
            y += _LINE
            times = often(move.count)
            after = f", {times}" if times else ""
            canvas.say(x, y, fitted(move.place, room - len(after) * LETTER_PX) + after)
            if move.avoidable:
                y += _LINE
                said = f"{_mb(move.avoidable)} avoidable"
                canvas.say(x, y, fitted(said, room), "twarn")
            y += 12
        return y


class _Tall:
    """Stages below each other, for narrow pages; what skips a stage is said in words."""

    LEFT: Final = 30.0

    def __init__(self, stations: Sequence[Station], flows: Sequence[Flow], width: float) -> None:
        self._stations, self._width = stations, width
        self._canvas = Canvas()
        self._flows = flows
        self._most = max((flow.size for flow in flows), default=1.0)
        largest = max((m.size for s in stations for m in below(s)), default=1.0)
        self._per_byte = (width - self.LEFT - 2) / largest if largest else 0.0

    def drawing(self) -> Drawing:
        y = 2.0
        for place, station in enumerate(self._stations):
            y = self._stage(station, y)
            following = self._stations[place + 1].name if place + 1 < len(self._stations) else ""
            y = self._leaving(station, following, y)
        return self._canvas.drawing(self._width, y)

    def _stage(self, station: Station, y: float) -> float:
        canvas, box = self._canvas, min(240.0, self._width * 0.36)
        canvas.box(1, y, box, 34, "node" if station.size else "node none")
        canvas.box(1, y, 5, 34, f"s-{station.slot}")
        canvas.say(14, y + 21, fitted(station.name, box - 18, BOLD_PX), "tb")
        x = box + 10
        if not station.size:
            canvas.say(x, y + 21, "no copy seen")
            return y + 34
        said = f"{_mb(station.size)}, {_ms(station.ms)}"
        canvas.say(x, y + 14, said, "tb")
        canvas.say(x, y + 29, _entered(station))
        self._top = y + 34
        y += 44
        for move in below(station):
            y = self._move(move, y)
        return y - 4

    def _move(self, move: Move, y: float) -> float:
        canvas, x = self._canvas, self.LEFT
        canvas.bar(x, y, move.kind, move.size * self._per_byte, move.needless)
        y += BAR + _LINE
        times = often(move.count)
        text = f"{_mb(move.size)} {move.kind}" + (f", {times}" if times else "")
        canvas.say(x, y, text, "ti")
        y += _LINE
        canvas.say(x, y, fitted(move.place, self._width - x))
        if move.avoidable:
            y += _LINE
            canvas.say(x, y, f"{_mb(move.avoidable)} avoidable", "twarn")
        return y + 12

    def _leaving(self, station: Station, following: str, y: float) -> float:
        """Draw what goes on to the next stage, and say what goes on to others."""
        canvas = self._canvas
        leaving = [flow for flow in self._flows if flow.source == station.name]
        begin = self._top if station.size else y
        for flow in sorted(leaving, key=lambda flow: flow.target == following):
            y += _LINE + 2
            moved = f"{_mb(flow.size)} {flow.words}".rstrip()
            text = f"→ {moved} to {flow.target}"
            canvas.say(self.LEFT, y, fitted(text, self._width - self.LEFT), "ti")
            if flow.target == following:
                thick = _thick(flow.size, self._most)
                canvas.down(13, begin + 2, y + 14, thick, flow.shares)
        return y + (16 if following else 4)


def _mb(size: float) -> str:
    return f"{numbers.megabytes(size)}{numbers.NBSP}MB"


def _ms(value: float) -> str:
    return f"{numbers.fine(value)}{numbers.NBSP}ms"


def _entered(station: Station) -> str:
    if station.entering is None:
        return "not followed"
    if not station.entering:
        return "nothing entered"
    return f"{_mb(station.entering)} entered"


def _thick(size: float, most: float) -> float:
    return max(_THINNEST, _THICKEST * (size / most) ** 0.5) if most else _THINNEST


def _lanes(extents: Sequence[tuple[int, int]]) -> list[int]:
    """Return a lane for each extent, the lowest in which it meets no other; short ones first."""
    lanes = [0] * len(extents)
    taken: list[list[tuple[int, int]]] = []
    for k in sorted(range(len(extents)), key=lambda k: extents[k][1] - extents[k][0]):
        low, high = extents[k]
        free = (
            lane for lane, others in enumerate(taken)
            if all(high <= a or b <= low for a, b in others)
        )  # fmt: skip
        lanes[k] = next(free, len(taken))
        if lanes[k] == len(taken):
            taken.append([])
        taken[lanes[k]].append((low, high))
    return lanes
