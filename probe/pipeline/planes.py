"""The planes of a picture as numpy arrays, without a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from numpy.typing import NDArray

PLAIN: Final = frozenset({"yuv420p", "yuvj420p"})
"""Formats that are blended, drawn on and encoded as they are."""


def view(picture: VideoFrame, index: int) -> NDArray[np.uint8]:
    """Return plane `index` of a picture of 8-bit planes as [height, width], not copied."""
    return views(picture)[index]


def plain(picture: VideoFrame, reformatter: VideoReformatter) -> VideoFrame:
    """Return the picture as 8-bit 4:2:0 planes: itself, or a converted one of the same range."""
    if picture.format.name in PLAIN:
        return picture
    return reformatter.reformat(picture, format="yuv420p", threads=1)


def views(picture: VideoFrame) -> list[NDArray[np.uint8]]:
    """Return all planes, as `view` gives them one by one."""
    planes: list[NDArray[np.uint8]] = []
    for plane in cast("tuple[Any, ...]", picture.planes):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width])
    return planes


class Sizes:
    """Knows how many bytes pictures have; looks only once at pictures of one size and format."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, str], int] = {}

    def of(self, picture: VideoFrame) -> int:
        """Return the bytes of a picture's planes."""
        kind = (picture.width, picture.height, picture.format.name)
        size = self._known.get(kind)
        if size is None:
            size = self._known[kind] = sum(plane.buffer_size for plane in picture.planes)
        return size
