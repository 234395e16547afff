"""Outcomes of models that give a mask: blur what lies outside it, or show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from av.video.frame import VideoFrame

from probe.pipeline.composite import Blur, Mask, Merge
from probe.pipeline.item import InvalidFrame
from probe.pipeline.planes import view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.pipeline.preprocess import Placement
    from probe.scenario import PostprocessPart

_TINT: Final = (150, 44, 21)
"""Y, U, V of the green that a shown mask is drawn in."""
_TINT_STRENGTH: Final = 0.6
_DIMS: Final = {2: "plane", 3: "picture", 4: "batch"}


def select(
    outputs: Mapping[str, NDArray[Any]], name: str, channel: int, layout: str
) -> NDArray[Any]:
    """Return one channel [h, w] of an output [1, c, h, w], [1, h, w, c], [1, h, w] or [h, w]."""
    values: NDArray[Any] = outputs[name]
    if not hasattr(values, "ndim") or values.ndim not in _DIMS:
        raise InvalidFrame(f"output {name} is no mask: shape {getattr(values, 'shape', None)}")
    if values.ndim == 4 or (values.ndim == 3 and values.shape[0] == 1):  # noqa: PLR2004 - a batch of pictures
        values = values[0]
    if values.ndim == 2:  # noqa: PLR2004
        return values
    axis = 0 if layout == "NCHW" else 2
    if not -values.shape[axis] <= channel < values.shape[axis]:
        raise InvalidFrame(f"output {name} has {values.shape[axis]} channels, none is {channel}")
    plane: NDArray[Any] = values[channel] if axis == 0 else values[:, :, channel]
    return plane


class _Masked:
    """What both ways share: the mask of the picture's part of the model's input, and its area."""

    def __init__(self, part: PostprocessPart, output: str, layout: str) -> None:
        self._part = part
        self._output = output
        self._layout = layout
        self._mask = Mask()
        self._merge = Merge()

    def _read(
        self, outputs: Mapping[str, NDArray[Any]], placement: Placement
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        values = select(outputs, self._output, self._part.channel, self._layout)
        values = _inside(values, placement)
        if not values.size:
            raise InvalidFrame(f"output {self._output} holds nothing: shape {values.shape}")
        area = np.count_nonzero(values > self._part.threshold) / values.size
        return values, {"area": round(area, 4)}


class BackgroundBlur(_Masked):
    """Keeps the picture where the mask is 1 and blurs it where the mask is 0, softly between."""

    def __init__(self, part: PostprocessPart, output: str, layout: str) -> None:
        super().__init__(part, output, layout)
        self._blur = Blur(part.blur)

    def __call__(
        self, picture: VideoFrame, outputs: Mapping[str, NDArray[Any]], placement: Placement
    ) -> tuple[VideoFrame, dict[str, Any]]:
        """Return the blend, and the share of the picture over the threshold as ``area``."""
        values, outcome = self._read(outputs, placement)
        mask = self._mask(values, picture, 1.0)
        return self._merge(self._blur(picture), picture, mask), outcome


class DrawnMask(_Masked):
    """Tints the picture green where the mask is over the threshold."""

    def __init__(self, part: PostprocessPart, output: str, layout: str) -> None:
        super().__init__(part, output, layout)
        self._tint: VideoFrame | None = None

    def __call__(
        self, picture: VideoFrame, outputs: Mapping[str, NDArray[Any]], placement: Placement
    ) -> tuple[VideoFrame, dict[str, Any]]:
        """Return the tinted picture, and the share over the threshold as ``area``."""
        values, outcome = self._read(outputs, placement)
        mask = self._mask(values > self._part.threshold, picture, _TINT_STRENGTH)
        return self._merge(picture, self._coloured(picture), mask), outcome

    def _coloured(self, picture: VideoFrame) -> VideoFrame:
        tint = self._tint
        wanted = (picture.width, picture.height, picture.format.name)
        if tint is None or (tint.width, tint.height, tint.format.name) != wanted:
            tint = self._tint = VideoFrame(*wanted)
            for index, sample in enumerate(_TINT):
                view(tint, index)[:] = sample
        return tint


def _inside(values: NDArray[Any], placement: Placement) -> NDArray[Any]:
    """Return the part of a mask that shows the picture, without a letterbox's bars."""
    height, width = values.shape
    down, across = height / placement.height, width / placement.width
    top, left = round(placement.top * down), round(placement.left * across)
    bottom = top + max(1, round(placement.inner_height * down))
    right = left + max(1, round(placement.inner_width * across))
    return values[top:bottom, left:right]
