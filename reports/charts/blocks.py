"""How does a generator deliver? Its blocks: when they came, what they cost, against playback."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reports.charts import figure
from reports.charts.chart import Chart
from reports.charts.regimes import Mark, Segment, ticks
from reports.page import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reports.page.payload import Payload
    from reports.page.subject import Subject

HEIGHT: Final = 200
WIDTH_PX: Final = 650
STRIP_BLOCKS: Final = 120
"""More blocks than this are slivers; the strip then shows only the first of them, and says so."""
P99_NEEDS: Final = 459
"""Samples without a miss that a p99 needs (METHOD, rule 2)."""
P95_NEEDS: Final = 90
ALIKE: Final = 0.05
"""Costs that differ by less read as the same."""
SPREAD: Final = 4.0
"""The axis of cost ends at so many medians; a block above it is drawn at the top, and said."""
MOST_REQUESTS: Final = 12


@dataclass(frozen=True)
class Block:
    """A block of frames: its request, when it was begun and delivered (s), its size."""

    request: int
    start_s: float
    end_s: float
    frames: int

    @property
    def cost_ms(self) -> float:
        """Time of the block, spread over its frames."""
        return (self.end_s - self.start_s) * 1000 / self.frames


@dataclass(frozen=True)
class Soonest:
    """How soon a change of input could show (METHOD, rule 12): fill a block, then compute."""

    fill_ms: float
    compute_ms: float
    size: int
    fps: float

    @property
    def total_ms(self) -> float:
        """The bound."""
        return self.fill_ms + self.compute_ms


@dataclass(frozen=True)
class BlockStrip:
    """Blocks over time, the wait for each first one, ticks, and what is shown."""

    segments: tuple[Segment, ...]
    ticks: tuple[Mark, ...]
    note: str


def blocks(subject: Subject) -> list[Block]:
    """Return the delivered blocks in order."""
    generation = subject.verdict.get("generation") or {}
    return [
        Block(
            int(each["request"]) if each.get("request") is not None else 0,
            subject.moment(each["from_ns"]),
            subject.moment(each["to_ns"]),
            int(each["frames"]),
        )
        for each in generation.get("blocks") or []
        if each.get("from_ns") is not None and each.get("to_ns") is not None and each.get("frames")
    ]


def playback_fps(subject: Subject) -> float | None:
    """Return the rate at which the made clip plays."""
    for found in (
        subject.fact("generate", "fps"),
        subject.part("scenario", "resolved", "generate").get("fps"),
    ):
        if isinstance(found, (int, float)) and found > 0:
            return float(found)
    return None


def later(found: list[Block]) -> list[Block]:
    """Return the blocks that are not the first of their request."""
    return [each for before, each in pairwise(found) if before.request == each.request]


def soonest(subject: Subject, found: list[Block]) -> Soonest | None:
    """Return the soonest answer of these blocks: ``(B - 1) / f`` plus the median block time."""
    fps, size = playback_fps(subject), subject.verdict.get("block_size")
    timed = later(found) or found
    if fps is None or not size or not timed:
        return None
    compute = float(np.median([(each.end_s - each.start_s) * 1000 for each in timed]))
    return Soonest((size - 1) / fps * 1000, compute, int(size), fps)


def strip(subject: Subject, found: list[Block]) -> BlockStrip | None:
    """Return the first blocks over time."""
    if not found:
        return None
    shown = found[:STRIP_BLOCKS]
    requests = {r["request"]: subject.moment(r["from_ns"]) for r in
                (subject.verdict.get("generation") or {}).get("requests") or []}  # fmt: skip
    begin = min(
        [shown[0].start_s, *(requests[k] for k in {b.request for b in shown} & set(requests))]
    )
    length = shown[-1].end_s - begin
    if length <= 0:
        return None
    segments: list[Segment] = []
    for k, block in enumerate(shown):
        first = k == 0 or shown[k - 1].request != block.request
        start = (
            min(requests.get(block.request, block.start_s), block.start_s)
            if first
            else block.start_s
        )
        x, width = 100 * (start - begin) / length, 100 * (block.end_s - start) / length
        took = numbers.ms((block.end_s - start) * 1000)
        title = f"request {block.request}: {block.frames} frames after {took}"
        segments.append(
            Segment(round(x, 3), round(width, 3), "fill" if first else "block", "", title)
        )
    sizes = sorted({block.frames for block in found})
    size = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    number = numbers.plural(len({block.request for block in shown}), "request")
    which = numbers.plural(len(found), "block")
    if len(found) > len(shown):
        which = f"first {len(shown)} of {which}"
    note = f"{which} of {size} frames, {number}"
    return BlockStrip(tuple(segments), ticks(length), note)


def cost_chart(subject: Subject, found: list[Block], payload: Payload) -> Chart | None:
    """Return the chart of cost per frame, block after block."""
    if not found:
        return None
    x = np.arange(1, len(found) + 1, dtype=np.float64)
    y = np.array([each.cost_ms for each in found])
    fps = playback_fps(subject)
    play = None if fps is None else 1000 / fps
    top = max(min(float(y.max()), SPREAD * float(np.median(y))), play or 0.0) * 1.15
    above = int((y > top).sum())
    spec = {
        "kind": "lines",
        "time": False,
        "unit": "ms",
        "zero": True,
        "top": top,
        "series": [_series(payload, "ms a frame", x, y)],
        "levels": [] if play is None else [{"y": play, "text": f"playback {numbers.ms(play)}"}],
        "abscissa": "block",
    }
    return Chart(
        id="block-cost",
        question="What does start-up cost, and what does a frame cost then?",
        finding=_cost_finding(found, play),
        note=f"Time of a block divided by its frames; n = {numbers.plural(len(found), 'block')}."
        " This is cost, not latency: a block arrives whole."
        + (f" {numbers.plural(above, 'block')} above the axis." if above else ""),
        spec=spec,
        image=figure.drawn(
            HEIGHT, lambda axes: _draw_cost(axes, x, y, play, top), width_px=WIDTH_PX
        ),
        height=HEIGHT,
    )


def _series(
    payload: Payload, name: str, x: NDArray[np.float64], y: NDArray[np.float64]
) -> dict[str, Any]:
    return {
        "name": name,
        "x": payload.add(x, 1e-6, rising=True),
        "y": payload.add(y, 1e-4),
        "colour": "gen",
        "step": True,
    }


def _cost_finding(found: list[Block], play: float | None) -> str:
    steady = [each.cost_ms for each in later(found)]
    firsts = [each.cost_ms for each in found if each not in later(found)]
    if not steady:
        return f"Each request is one block; a frame costs {numbers.ms(float(np.median(firsts)))}."
    middle = float(np.median(steady))
    text = f"A later frame costs {numbers.ms(middle)}"
    if play is not None:
        side = "under" if middle <= play else "over"
        text += f", {side} playback's {numbers.ms(play)}"
    ratio = float(np.median(firsts)) / middle
    if abs(ratio - 1) < ALIKE:
        return f"{text}; the first block of a request costs the same."
    factor = f"{numbers.fixed(ratio, 1)}{numbers.NBSP}{numbers.TIMES}"
    return f"{text}; the first block of a request costs {factor} that."


def _draw_cost(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], play: float | None, top: float
) -> None:
    axes.step(x, y, where="mid", color=figure.GENERATION, linewidth=1.4)
    axes.set_ylim(0, top)
    if play is not None:
        axes.axhline(play, color=figure.INK, linewidth=1, linestyle=(0, (1, 2.5)))
        figure.name_at_right(axes, play, f"playback {numbers.ms(play)}")
    figure.unit_at_top(axes, "ms")


def delivery_chart(subject: Subject, found: list[Block], payload: Payload) -> Chart | None:
    """Return seconds of media delivered against seconds since the request, over playback."""
    fps = playback_fps(subject)
    lines = _deliveries(subject, found, fps) if fps else []
    if not lines:
        return None
    first = min(float(x[1]) for _, x, _ in lines)
    end = max(float(y[-1]) for _, _, y in lines)
    series = [_series(payload, f"request {name}", x, y) for name, x, y in lines]
    play = _series(payload, "playback", np.array([first, first + end]), np.array([0.0, end]))
    series.append({**play, "colour": "ink", "step": False, "dash": True})
    return Chart(
        id="delivery",
        question="Does delivery stay ahead of playback?",
        finding=_delivery_finding(subject),
        note="Seconds of media delivered against seconds since the request; a step is a block, the"
        f" dotted line is playback from the first output on. {_lines_note(found, lines)}",
        spec={
            "kind": "lines",
            "time": False,
            "unit": "s of media",
            "zero": True,
            "series": series,
            "levels": [],
            "abscissa": "s",
        },
        image=figure.drawn(
            HEIGHT, lambda axes: _draw_delivery(axes, lines, first, end), width_px=WIDTH_PX
        ),
        height=HEIGHT,
    )


def _lines_note(found: list[Block], lines: list[Any]) -> str:
    number = len({each.request for each in found})
    if number > len(lines):
        return f"The first {len(lines)} of {numbers.count(number)} requests are drawn."
    return f"n = {numbers.plural(number, 'request')}."


def _deliveries(
    subject: Subject, found: list[Block], fps: float
) -> list[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    requests = {r["request"]: subject.moment(r["from_ns"]) for r in
                (subject.verdict.get("generation") or {}).get("requests") or []}  # fmt: skip
    lines = []
    for request in list(dict.fromkeys(each.request for each in found))[:MOST_REQUESTS]:
        mine = [each for each in found if each.request == request]
        start = requests.get(request, mine[0].start_s)
        made = np.cumsum([each.frames for each in mine]) / fps
        x = np.array([0.0, *(each.end_s - start for each in mine)])
        lines.append((request, x, np.array([0.0, *made])))
    return lines


def _delivery_finding(subject: Subject) -> str:
    speed = subject.verdict.get("speed")
    if speed is None:
        return "Speed was not measured."
    if speed >= 1:
        return f"Yes: {numbers.fixed(speed, 2)} s of media are made in each second."
    return f"No: only {numbers.fixed(speed, 2)} s of media are made in each second."


def _draw_delivery(axes: Axes, lines: list[Any], first: float, end: float) -> None:
    for _, x, y in lines:
        axes.step(x, y, where="post", color=figure.GENERATION, linewidth=1.0, alpha=0.8)
    axes.plot(
        [first, first + end], [0, end], color=figure.INK, linewidth=1, linestyle=(0, (1, 2.5))
    )
    figure.name_at_right(axes, end, "playback")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    figure.unit_at_top(axes, "s of media")


def time_rows(found: list[Block]) -> list[tuple[str, str, str]]:
    """Return (metric, value, note) of the block times, "insufficient" where n is too small."""
    times = np.array([(each.end_s - each.start_s) * 1000 for each in later(found) or found])
    if not len(times):
        return [("block time", numbers.NOT_MEASURED, "no block was delivered")]
    n = f"n = {numbers.plural(len(times), 'block')}, without the first of each request"
    rows = [("block time, p50", numbers.ms(float(np.median(times))), n)]
    for name, needs, q in (("p95", P95_NEEDS, 95), ("p99", P99_NEEDS, 99)):
        if len(times) < needs:
            said = f"{numbers.plural(len(times), 'block')}; {name} needs {needs}"
            rows.append((f"block time, {name}", "insufficient", said))
        else:
            value = float(np.percentile(times, q, method="higher"))
            rows.append((f"block time, {name}", numbers.ms(value), n))
    return rows
