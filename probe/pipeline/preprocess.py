"""Make the model's input from a decoded picture: one pass of libswscale, one of numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from av.video.reformatter import VideoReformatter

from probe.pipeline.item import InvalidFrame, Item, Pool
from probe.pipeline.planes import views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from probe.pipeline.model_input import ModelInput
    from probe.scenario import PreprocessPart

_FILTERS: Final = {"bilinear": "BILINEAR", "bicubic": "BICUBIC", "area": "AREA", "nearest": "POINT"}
_GBRP: Final = {"RGB": (2, 0, 1), "BGR": (1, 0, 2), "GRAY": (0,)}
"""Which plane of GBRP (green, blue, red) is channel 0, 1, 2 of the model."""


@dataclass(frozen=True)
class Placement:
    """Where the picture lies inside the model's input: the whole of it, or letterboxed.

    Offsets and sizes are in pixels of the model's input; its own size is `height` x `width`.
    """

    height: int
    width: int
    top: int
    left: int
    inner_height: int
    inner_width: int


def place(spec: ModelInput, part: PreprocessPart, picture: tuple[int, int]) -> Placement:
    """Return where a picture of (height, width) is put: stretched, or fitted inside and centred."""
    height, width = spec.height, spec.width
    if part.fit == "stretch":
        return Placement(height, width, 0, 0, height, width)
    scale = min(height / picture[0], width / picture[1])
    inner_height = min(height, max(1, round(picture[0] * scale)))
    inner_width = min(width, max(1, round(picture[1] * scale)))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    return Placement(height, width, top, left, inner_height, inner_width)


class Preprocess:
    """Scales and converts in one pass to small planar RGB, then writes ``(x - mean) / std``.

    The picture never exists as RGB at its full size. Pixels outside a letterboxed picture are
    black. Buffers of the model's input are lent and come back when inference is done.
    """

    name = "preprocess"

    def __init__(self, spec: ModelInput, part: PreprocessPart, buffers: int) -> None:
        self.spec = spec
        self.part = part
        self._reformatter = VideoReformatter()
        self._filter = _FILTERS[part.resize]
        self._format = "gray" if part.channels == "GRAY" else "gbrp"
        self._scale, self._shift = _affine(part, spec.channels)
        self._made_for: tuple[int, int] | None = None
        self._places: dict[tuple[int, int], Placement] = {}
        self._place = place(spec, part, (spec.height, spec.width))
        self._black = _black(spec, self._shift)
        self._pool = Pool(lambda: np.array(self._black)).fill(buffers)
        plane = (spec.height, spec.width)
        self._work = None if spec.dtype == np.float32 else np.empty(plane, np.float32)

    def work(self, item: Item) -> Sequence[Item]:
        """Fill a lent buffer from the frame's picture."""
        picture = item.picture
        if picture is None:
            raise InvalidFrame("no picture")
        fresh = self._settle(picture)
        small = self._reformatter.reformat(
            picture,
            width=self._place.inner_width,
            height=self._place.inner_height,
            format=self._format,
            interpolation=self._filter,
            threads=1,
        )
        tensor = self._pool.lend(item)
        if fresh or self.part.fit == "letterbox":
            np.copyto(tensor, self._black)
        self._normalise(small, tensor)
        item.bytes = tensor.nbytes
        return (item,)

    def finish(self) -> Sequence[Item]:
        """Hold nothing."""
        return ()

    def placement(self, picture: tuple[int, int]) -> Placement:
        """Return where a picture of (height, width) lies in the model's input."""
        where = self._places.get(picture)
        if where is None:
            where = self._places[picture] = place(self.spec, self.part, picture)
        return where

    def _settle(self, picture: VideoFrame) -> bool:
        size = (picture.height, picture.width)
        if size == self._made_for:
            return False
        self._made_for, self._place = size, self.placement(size)
        return True

    def _normalise(self, small: VideoFrame, tensor: NDArray[Any]) -> None:
        where = self._place
        rows = slice(where.top, where.top + where.inner_height)
        columns = slice(where.left, where.left + where.inner_width)
        channels = tensor.reshape(tensor.shape[-3:])
        planes = views(small)
        for channel, plane in enumerate(_GBRP[self.part.channels]):
            pixels = planes[plane]
            if self.spec.layout == "NCHW":
                target = channels[channel, rows, columns]
            else:
                target = channels[rows, columns, channel]
            self._write(pixels, target, self._scale[channel], self._shift[channel])

    def _write(
        self, pixels: NDArray[np.uint8], target: NDArray[Any], scale: np.float32, shift: np.float32
    ) -> None:
        if self._work is None:
            np.multiply(pixels, scale, out=target)
            if shift:
                target += shift
            return
        values = self._work[: pixels.shape[0], : pixels.shape[1]]
        np.multiply(pixels, scale, out=values)
        values += shift
        _round(values, target)


def _affine(part: PreprocessPart, channels: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return scale and shift of each channel, so that value = pixel * scale + shift."""
    low, high = part.range
    mean = np.broadcast_to(np.asarray(part.mean, float), channels)
    std = np.broadcast_to(np.asarray(part.std, float), channels)
    return (
        ((high - low) / 255.0 / std).astype(np.float32),
        ((low - mean) / std).astype(np.float32),
    )


def _black(spec: ModelInput, shift: NDArray[np.float32]) -> NDArray[Any]:
    axes = (-1, 1, 1) if spec.layout == "NCHW" else (1, 1, -1)
    values = np.broadcast_to(shift.reshape(axes), spec.shape[-3:]).reshape(spec.shape)
    black = np.empty(spec.shape, spec.dtype)
    _round(np.array(values), black)
    return black


def _round(values: NDArray[np.float32], target: NDArray[Any]) -> None:
    """Write `values` as the target's type; whole numbers are rounded and kept in range."""
    if np.issubdtype(target.dtype, np.integer):
        limits = np.iinfo(target.dtype)
        np.rint(values, out=values)
        np.clip(values, limits.min, limits.max, out=values)
    np.copyto(target, values, casting="unsafe")
