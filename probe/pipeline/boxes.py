"""Outcomes of detectors: the best boxes, told in pixels of the source and drawn in YUV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe.pipeline.item import InvalidFrame
from probe.pipeline.planes import view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from probe.pipeline.preprocess import Placement
    from probe.scenario import PostprocessPart

MOST_CANDIDATES: Final = 1000
"""Boxes that enter the suppression, best scores first: its cost grows with their square."""
_COLOUR: Final = (150, 44, 21)
"""Y, U, V of the lines."""
_LINE: Final = 2
_CORNERS: Final = 4


class Boxes:
    """Reads scores [1, n, classes] and boxes [1, n, 4] of corners in 0..1 of the model's input.

    With two classes the second is the object's; with more, class 0 is the background and the best
    of the others counts. Boxes of less than the threshold go, and of those that overlap by more
    than `iou` the best stays.
    """

    def __init__(self, part: PostprocessPart, scores: str, boxes: str) -> None:
        self._part = part
        self._scores = scores
        self._boxes = boxes

    def __call__(
        self, picture: VideoFrame, outputs: Mapping[str, NDArray[Any]], placement: Placement
    ) -> tuple[VideoFrame, dict[str, Any]]:
        """Return the picture with its boxes drawn, and ``boxes``: [x1, y1, x2, y2, score] each."""
        scores, corners = self._read(outputs)
        sure = np.flatnonzero(scores >= self._part.threshold)
        best = sure[np.argsort(-scores[sure], kind="stable")][:MOST_CANDIDATES]
        kept = best[suppress(corners[best], self._part.iou)]
        found = in_source(corners[kept], placement, (picture.height, picture.width))
        if len(found):
            # The decoder may still refer to this picture: what it refers to is never drawn on.
            picture.make_writable()
            for box in found:
                _draw(picture, box)
        rows = np.column_stack([np.round(found, 2), np.round(scores[kept], 4)])
        return picture, {"boxes": [[float(f"{value:.6g}") for value in row] for row in rows]}

    def _read(
        self, outputs: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        corners = np.asarray(outputs[self._boxes], np.float32)
        scores = np.asarray(outputs[self._scores], np.float32)
        if corners.ndim < 2 or corners.shape[-1] != _CORNERS:  # noqa: PLR2004 - rows of corners
            raise InvalidFrame(f"output {self._boxes} holds no boxes: shape {corners.shape}")
        corners = corners.reshape(-1, _CORNERS)
        if not len(corners) and not scores.size:  # a detector that found nothing
            return np.empty(0, np.float32), corners
        if scores.size == 0 or scores.size % max(1, len(corners)):
            raise InvalidFrame(f"{scores.size} scores for {len(corners)} boxes")
        table = scores.reshape(len(corners), -1)
        single = table[:, 0] if table.shape[1] == 1 else table[:, 1:].max(axis=1)
        bad = ~(np.isfinite(single) & np.isfinite(corners).all(axis=1))
        return np.where(bad, np.float32(-1.0), single), corners


def suppress(corners: NDArray[np.float32], iou: float) -> NDArray[np.intp]:
    """Return the places of the boxes that stay, of boxes [n, 4] in falling order of score.

    Greedy non-maximum suppression: a box goes when it overlaps a better one by more than `iou`.
    """
    x1, y1, x2, y2 = corners.T.astype(np.float64)  # areas of float32 would underflow
    area = np.clip(x2 - x1, 0, None) * np.clip(y2 - y1, 0, None)
    left = np.arange(len(corners))
    kept: list[int] = []
    while left.size:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        wide = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        high = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        common = np.clip(wide, 0, None) * np.clip(high, 0, None)
        union = area[best] + area[rest] - common
        left = rest[common <= iou * union]
    return np.asarray(kept, np.intp)


def in_source(
    corners: NDArray[np.float32], placement: Placement, picture: tuple[int, int]
) -> NDArray[np.float64]:
    """Turn corners in 0..1 of the model's input into pixels of a picture of (height, width)."""
    height, width = picture
    across = np.array([placement.width, placement.height] * 2, float)
    start = np.array([placement.left, placement.top] * 2, float)
    inner = np.array([placement.inner_width, placement.inner_height] * 2, float)
    pixels = (corners * across - start) / inner * np.array([width, height] * 2, float)
    inside: NDArray[np.float64] = np.clip(pixels, 0.0, np.array([width, height] * 2, float))
    return inside


def _draw(picture: VideoFrame, box: NDArray[np.float64]) -> None:
    for index, sample in enumerate(_COLOUR):
        plane = view(picture, index)
        down, across = plane.shape[0] / picture.height, plane.shape[1] / picture.width
        line = _LINE if index == 0 else max(1, _LINE // 2)
        x1, x2 = (round(float(x) * across) for x in box[[0, 2]])
        y1, y2 = (round(float(y) * down) for y in box[[1, 3]])
        plane[y1 : y1 + line, x1:x2] = sample
        plane[max(y1, y2 - line) : y2, x1:x2] = sample
        plane[y1:y2, x1 : x1 + line] = sample
        plane[y1:y2, max(x1, x2 - line) : x2] = sample
