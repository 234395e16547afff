"""Copies that the reference program makes for nothing, asked for by `program.faults`.

They are there to be found: `liveprobe selfcheck` adds one, and asks the ledger for it. What each
adds can be worked out by hand. A picture is one of 8-bit 4:2:0, w x h; a tensor is the model's
first input (a picture's, or the block of a generator), n elements of s bytes.

=================== ======================= =====================================================
fault               each time               bytes written, by expression
=================== ======================= =====================================================
copy-between-stages a picture is made ready w h 3/2   into a picture of its own
stride-padded       likewise                w h 3/2   row by row into planes with a wider stride
cast-forced         the model runs          8 n       to float64, and n s back
contiguity-lost     the model runs          n s       into another order, and n s inside `run`,
                                                      where the runtime puts it in order again
=================== ======================= =====================================================

Of a live program that is once a frame: pictures at the beginning of `preprocess`, tensors at the
beginning of `infer`. A generating one does pictures at the end of `postprocess`, and runs its model
once a step for a block of frames. What is shown stays the same, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from av.video.frame import VideoFrame

from probe.errors import InputError
from probe.pipeline.infer import Model
from probe.pipeline.planes import PLAIN, views

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from probe.pipeline.item import Item, Stage
    from probe.scenario import Fault

PADDING: Final = 64
"""Bytes by which the stride of a padded plane is wider than its rows."""


@dataclass(frozen=True)
class FaultyModel(Model):
    """A model whose first input takes a detour before each run."""

    cast: bool = False
    turn: bool = False

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run once, on the same values."""
        name = next(iter(feeds))
        tensor = feeds[name]
        if self.cast:
            wide = tensor.astype(np.float64)
            tensor = wide.astype(tensor.dtype)
        if not self.turn:
            return super().run({**feeds, name: tensor})
        turned = tensor.copy(order="F")
        result: list[NDArray[Any]] = self.session.run(self.outputs, {**feeds, name: turned})
        return result


def treated(model: Model, faults: Sequence[Fault]) -> Model:
    """Return the model with the faults of tensors, or itself where none is asked for."""
    cast, turn = "cast-forced" in faults, "contiguity-lost" in faults
    if not (cast or turn):
        return model
    same = {field.name: getattr(model, field.name) for field in fields(Model)}
    return FaultyModel(**same, cast=cast, turn=turn)


class Pictures:
    """Does the faults of pictures; without any it gives back what it is given."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._pads = "stride-padded" in faults
        self._copies = "copy-between-stages" in faults
        self._padded: list[NDArray[np.uint8]] = []

    def __bool__(self) -> bool:
        return self._pads or self._copies

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """Return the picture or its copy; raises `InputError` for one that is not 8-bit 4:2:0."""
        if self and picture.format.name not in PLAIN:
            raise InputError(
                f"program.faults: the pictures are {picture.format.name}, not of 8-bit 4:2:0",
                remedy="choose another clip, or only cast-forced and contiguity-lost",
            )
        if self._pads:
            self._pad(picture)
        return _copied(picture) if self._copies else picture

    def _pad(self, picture: VideoFrame) -> None:
        planes = views(picture)
        shapes = [(height, width + PADDING) for height, width in (p.shape for p in planes)]
        if [padded.shape for padded in self._padded] != shapes:
            self._padded = [np.empty(shape, np.uint8) for shape in shapes]
        for padded, plane in zip(self._padded, planes, strict=True):
            padded[:, :-PADDING] = plane


def _copied(picture: VideoFrame) -> VideoFrame:
    fresh = VideoFrame(picture.width, picture.height, picture.format.name)
    for copied, plane in zip(views(fresh), views(picture), strict=True):
        copied[:] = plane
    fresh.color_range, fresh.colorspace = picture.color_range, picture.colorspace
    fresh.pts = picture.pts
    if picture.time_base is not None:
        fresh.time_base = picture.time_base
    return fresh


class Before:
    """A stage that does the faults of pictures before its own work, as part of it."""

    def __init__(self, stage: Stage, pictures: Pictures) -> None:
        self.name = stage.name
        self._stage = stage
        self._pictures = pictures

    def work(self, item: Item) -> Sequence[Item]:
        """Do the step on one frame."""
        if item.picture is not None:
            item.picture = self._pictures(item.picture)
        return self._stage.work(item)

    def finish(self) -> Sequence[Item]:
        """Give what is still inside."""
        return self._stage.finish()
