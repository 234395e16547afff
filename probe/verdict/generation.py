"""How fast were requests answered? A program without a live input, request by request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from probe.measured import Outputs, Window, outputs_of
from probe.model import Regime
from probe.regimes import Segment, bursts_of
from probe.tables import FALLBACK_PERIOD_NS
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.store import Run


@dataclass(frozen=True)
class Request:
    """One request and its answer; `blocks` are (made from, delivered at, how many frames).

    `media_ns` and `speed` are None where nobody says at what rate the clip plays, `speed` as well
    where nothing was delivered.
    """

    number: int
    asked_ns: int
    first_ns: int | None
    to_ns: int | None
    outputs: int
    media_ns: float | None
    speed: float | None
    blocks: tuple[tuple[int, int, int], ...]

    @property
    def segment(self) -> Segment | None:
        """The regime from the first to the last output; from the request where all came at once."""
        if self.speed is None or self.first_ns is None or self.to_ns is None:
            return None
        begin = self.first_ns if len(self.blocks) > 1 else self.asked_ns
        regime = Regime.FAST_GENERATION if self.speed >= 1 else Regime.OFFLINE
        return Segment(begin, self.to_ns, regime)


def media_fps(manifest: Mapping[str, Any]) -> float | None:
    """Return the rate at which the generated clip plays, as stated or else as asked for."""
    stated = ((manifest.get("program") or {}).get("facts") or {}).get("generate")
    fps = stated.get("fps") if isinstance(stated, dict) else None
    if fps is None and manifest.get("mode") == "generate":
        fps = manifest["scenario"]["resolved"]["generate"]["fps"]
    usable = isinstance(fps, (int, float)) and not isinstance(fps, bool) and fps > 0
    return float(fps) if usable else None  # type: ignore[arg-type]


def block_frames(manifest: Mapping[str, Any]) -> int | None:
    """Return how many frames a block has, where the program states it."""
    said = ((manifest.get("program") or {}).get("facts") or {}).get("generate")
    size = said.get("block_frames") if isinstance(said, dict) else None
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def requests_of(run: Run, window: Window | None) -> list[Request]:
    """Return the requests that were made inside the window, in order.

    A run too short for that (warm-up took its only request) gives those with outputs in the window.
    """
    fps, stated = media_fps(run.manifest), block_frames(run.manifest)
    if window is None:
        return []
    outputs = outputs_of(run)
    asked = _asked(run, outputs)
    inside = {k: at for k, at in asked.items() if window.start_ns <= at < window.end_ns}
    if not inside:
        seen = {int(k) for k in np.unique(outputs.request[outputs.measured])}
        inside = {k: at for k, at in asked.items() if k in seen}
    order = np.argsort(outputs.request, kind="stable")
    number = outputs.request[order]
    answers = []
    for k in sorted(inside):
        begin, end = np.searchsorted(number, [k, k + 1])
        answers.append(_request(k, inside[k], outputs.delivered_ns[order[begin:end]], fps, stated))
    return answers


def _asked(run: Run, outputs: Outputs) -> dict[int, int]:
    """Return request number to when it was made, or to its first output where that was not said."""
    events = run.table("events")
    events = events[(events["kind"] == "request").fillna(value=False)]
    asked: dict[int, int] = {}
    for t_ns, text in zip(events["t_ns"], events["attributes"].fillna(""), strict=True):
        number = json.loads(text or "{}").get("request")
        if number is not None:
            asked.setdefault(int(number), int(t_ns))
    known, first = np.unique(outputs.request, return_index=True)
    for number, at in zip(known.tolist(), outputs.delivered_ns[first].tolist(), strict=True):
        if number != NULL:
            asked.setdefault(number, at)
    return asked


def _request(
    number: int,
    asked_ns: int,
    delivered_ns: NDArray[np.int64],
    fps: float | None,
    stated: int | None,
) -> Request:
    count, period_ns = len(delivered_ns), 1e9 / fps if fps else FALLBACK_PERIOD_NS
    media_ns = count * period_ns if fps else None
    if count == 0:
        return Request(number, asked_ns, None, None, 0, media_ns, None, ())
    ends, sizes = _blocks(delivered_ns, period_ns, stated)
    blocks = tuple(zip([asked_ns, *ends[:-1]], ends, sizes, strict=True))
    first, last = int(delivered_ns[0]), int(delivered_ns[-1])
    speed = _speed(ends, sizes, asked_ns, period_ns) if fps else None
    return Request(number, asked_ns, first, last, count, media_ns, speed, blocks)


def _blocks(
    delivered_ns: NDArray[np.int64], period_ns: float, stated: int | None
) -> tuple[list[int], list[int]]:
    """Return when each block was complete and how many frames it has.

    Where the program states the size of its blocks they are counted off, so that a hiccup between
    two deliveries does not split one; elsewhere a burst is a block.
    """
    if stated is None:
        bursts = bursts_of(delivered_ns, period_ns)
        return bursts.end_ns.tolist(), bursts.size.tolist()
    edges = [*range(0, len(delivered_ns), stated), len(delivered_ns)]
    return delivered_ns[np.array(edges[1:]) - 1].tolist(), np.diff(edges).tolist()


def _speed(ends: list[int], sizes: list[int], asked_ns: int, period_ns: float) -> float | None:
    """Return seconds of media made per second, from the first block to the last.

    What came with the first block was made before it, so it does not count; where all came in one
    block, the time runs from the request.
    """
    made, since = (sum(sizes[1:]), ends[0]) if len(sizes) > 1 else (sizes[0], asked_ns)
    elapsed = ends[-1] - since
    return made * period_ns / elapsed if elapsed > 0 else None


def overall_speed(requests: list[Request]) -> float | None:
    """Return seconds of media per second over all requests, each from its making to its end."""
    made, elapsed = 0.0, 0
    for each in requests:
        if each.to_ns is not None and each.media_ns is not None:
            made += each.media_ns
            elapsed += each.to_ns - each.asked_ns
    return made / elapsed if elapsed > 0 else None


def ms_per_frame(requests: list[Request]) -> float | None:
    """Return the median over blocks of the time that a frame took to make, in ms."""
    costs = [(end - begin) / size / 1e6 for each in requests for begin, end, size in each.blocks]
    return float(np.median(costs)) if costs else None
