"""Turn pictures as their container says that they are to be shown (the display matrix)."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from av.filter import Graph

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_TURNS: Final = {90: ("transpose=clock",), 180: ("hflip", "vflip"), 270: ("transpose=cclock",)}
"""Clockwise degrees; other angles cannot be shown upright in a rectangle and are left alone."""


def clockwise(picture: VideoFrame) -> int:
    """Return the quarter turn that shows a picture upright: 0, 90, 180 or 270 degrees."""
    degrees = -picture.rotation % 360
    return degrees if degrees in _TURNS else 0


class Upright:
    """Turns pictures by libavfilter in their own pixel format; leaves alone what needs no turn."""

    def __init__(self) -> None:
        self._made_for: tuple[int, int, str, int] | None = None
        self._graph: Graph | None = None

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """Return the picture upright."""
        degrees = clockwise(picture)
        if degrees == 0:
            return picture
        need = (picture.width, picture.height, picture.format.name, degrees)
        if self._graph is None or need != self._made_for:
            self._graph, self._made_for = _graph(picture, degrees), need
        self._graph.vpush(picture)
        return self._graph.vpull()


def _graph(picture: VideoFrame, degrees: int) -> Graph:
    graph = Graph()
    graph.threads = 1
    nodes = [
        graph.add_buffer(
            width=picture.width,
            height=picture.height,
            format=picture.format,
            time_base=Fraction(1, 1000),
        )
    ]
    for turn in _TURNS[degrees]:
        name, _, argument = turn.partition("=")
        nodes.append(graph.add(name, argument or None))
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    return graph
