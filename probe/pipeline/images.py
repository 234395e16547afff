"""Outcomes of image-to-image models: their output as the picture that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from probe.pipeline.item import InvalidFrame
from probe.pipeline.planes import view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.pipeline.preprocess import Placement
    from probe.scenario import PostprocessPart

_GBRP: Final = {"RGB": (2, 0, 1), "BGR": (1, 0, 2)}
"""Which plane of GBRP (green, blue, red) channel 0, 1, 2 of the output is."""
_AXES: Final = (3, 4)


class Painter:
    """Writes [c, h, w] or [h, w, c] values of a range into a picture's 8-bit planes."""

    def __init__(self, low: float, high: float, layout: str, channels: str) -> None:
        self._low, self._scale = np.float32(low), np.float32(255.0 / (high - low))
        self._layout = layout
        self._order = _GBRP.get(channels, _GBRP["RGB"])
        self._work = np.empty((0, 0), np.float32)
        self._picture: VideoFrame | None = None

    def paint(self, values: NDArray[Any]) -> VideoFrame:
        """Return the values as GBRP, or grey for one channel; the next call reuses the picture."""
        planes = values if self._layout == "NCHW" else np.moveaxis(values, 2, 0)
        if len(planes) not in (1, 3):
            raise InvalidFrame(f"an image of {len(planes)} channels; 1 or 3 can be shown")
        picture = self._fresh(planes.shape[2], planes.shape[1], len(planes))
        order = (0,) if len(planes) == 1 else self._order
        for plane, index in zip(planes, order, strict=True):
            np.subtract(plane, self._low, out=self._work, casting="unsafe")
            self._work *= self._scale
            np.rint(self._work, out=self._work)
            np.clip(self._work, 0.0, 255.0, out=self._work)
            np.copyto(view(picture, index), self._work, casting="unsafe")
        return picture

    def _fresh(self, width: int, height: int, channels: int) -> VideoFrame:
        wanted = (width, height, "gray" if channels == 1 else "gbrp")
        picture = self._picture
        if picture is None or (picture.width, picture.height, picture.format.name) != wanted:
            picture = self._picture = VideoFrame(*wanted)
            self._work = np.empty((height, width), np.float32)
        return picture


class Image:
    """Shows the model's output at the size of the source."""

    def __init__(self, part: PostprocessPart, output: str, layout: str, channels: str) -> None:
        self._output = output
        self._painter = Painter(*part.range, layout, channels)
        self._layout = layout
        self._scaler = VideoReformatter()

    def __call__(
        self, picture: VideoFrame, outputs: Mapping[str, NDArray[Any]], placement: Placement
    ) -> tuple[VideoFrame, dict[str, Any] | None]:
        """Return the output as a picture of the source's size, format and colours."""
        values = outputs[self._output]
        if getattr(values, "ndim", 0) not in _AXES:
            raise InvalidFrame(f"output {self._output} is no image")
        if not values.size:
            raise InvalidFrame(f"output {self._output} holds nothing: shape {values.shape}")
        values = values[0] if values.ndim == _AXES[-1] else values
        painted = self._painter.paint(_inside(values, placement, self._layout))
        shown = self._scaler.reformat(
            painted,
            width=picture.width,
            height=picture.height,
            format=picture.format.name,
            dst_colorspace=picture.colorspace,
            dst_color_range=picture.color_range,
            interpolation="BILINEAR",
            threads=1,
        )
        return shown, None


def _inside(values: NDArray[Any], placement: Placement, layout: str) -> NDArray[Any]:
    """Return the part of an image that shows the picture, whatever the output's own scale."""
    height, width = values.shape[1:] if layout == "NCHW" else values.shape[:2]
    down, across = height / placement.height, width / placement.width
    top, left = round(placement.top * down), round(placement.left * across)
    rows = slice(top, top + max(1, round(placement.inner_height * down)))
    columns = slice(left, left + max(1, round(placement.inner_width * across)))
    return values[:, rows, columns] if layout == "NCHW" else values[rows, columns]
