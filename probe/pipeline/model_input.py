"""What picture does a model take? Its one input inspected: layout, size, channels, type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from probe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from probe.scenario import PreprocessPart

TYPES: Final[dict[str, DTypeLike]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}
"""What a picture can be, by the runtime's name of the type."""
_LARGEST: Final = 8192
Dim = int | str | None


@dataclass(frozen=True)
class Described:
    """A model's input as the runtime describes it: name, ``tensor(float)``, dimensions."""

    name: str
    type: str
    shape: Sequence[Dim]


@dataclass(frozen=True)
class ModelInput:
    """The picture that a model takes; `layout` is NCHW or NHWC."""

    name: str
    dtype: np.dtype[np.generic]
    layout: str
    channels: int
    height: int
    width: int
    shape: tuple[int, ...]


def inspect(
    inputs: Sequence[Described], part: PreprocessPart, source: tuple[int, int], model: str
) -> ModelInput:
    """Return the picture that a model takes, or raise `InputError` that says why it takes none.

    A model of fixed size decides; one of free size gets `stage.preprocess.size`, and without that
    pictures of `source`: the (height, width) of the source's.
    """
    if len(inputs) != 1:
        names = ", ".join(f"{entry.name} {list(entry.shape)}" for entry in inputs) or "none"
        raise InputError(
            f"{model}: it has {len(inputs)} inputs ({names}), and one picture is what we have",
            remedy="choose a model of one image input, or run your own program: liveprobe run -- …",
        )
    entry = inputs[0]
    dtype = TYPES.get(entry.type)
    if dtype is None:
        raise InputError(
            f"{model}: input {entry.name} is {entry.type}, not a picture",
            remedy=f"a picture can be {', '.join(sorted(TYPES))}",
        )
    dims = _dims(entry, model)
    layout = _layout(dims, part, entry, model)
    return _fit(entry, dims, layout, dtype=np.dtype(dtype), part=part, source=source, model=model)


def _dims(entry: Described, model: str) -> list[int | None]:
    dims = [size if isinstance(size, int) and size >= 0 else None for size in entry.shape]
    if 0 in dims:
        raise InputError(
            f"{model}: input {entry.name} has shape {list(entry.shape)}, which holds nothing",
            remedy="export the model again with the size of a picture",
        )
    if len(dims) not in (3, 4):
        raise InputError(
            f"{model}: input {entry.name} has shape {list(entry.shape)}, which no picture fits",
            remedy="a picture is [1, channels, height, width] or [1, height, width, channels]",
        )
    if len(dims) == 4 and dims[0] not in (1, None):  # noqa: PLR2004 - axes of a batch of pictures
        raise InputError(
            f"{model}: input {entry.name} takes {dims[0]} pictures at once, frames come singly",
            remedy="export the model with a batch of 1",
        )
    return dims[-3:]


def _layout(dims: list[int | None], part: PreprocessPart, entry: Described, model: str) -> str:
    wanted = 1 if part.channels == "GRAY" else 3
    fits = {"NCHW": dims[0] in (wanted, None), "NHWC": dims[2] in (wanted, None)}
    order: tuple[str, ...] = ("NCHW", "NHWC")
    if part.layout != "auto":
        order = (part.layout,)
    elif dims[0] is None and dims[2] is not None:
        order = ("NHWC", "NCHW")
    for layout in order:
        if fits[layout]:
            return layout
    raise InputError(
        f"{model}: input {entry.name} has shape {list(entry.shape)}, which {wanted} channels "
        f"({part.channels}) do not fit" + ("" if part.layout == "auto" else f" as {part.layout}"),
        remedy="set stage.preprocess.channels (RGB, BGR, GRAY) or stage.preprocess.layout",
    )


def _fit(
    entry: Described,
    dims: list[int | None],
    layout: str,
    *,
    dtype: np.dtype[np.generic],
    part: PreprocessPart,
    source: tuple[int, int],
    model: str,
) -> ModelInput:
    own = dims[1:] if layout == "NCHW" else dims[:2]
    asked = part.size or source
    height, width = (fixed or free for fixed, free in zip(own, asked, strict=True))
    if max(height, width) > _LARGEST:
        raise InputError(
            f"{model}: a picture of {height} x {width} is over the limit of {_LARGEST} a side",
            remedy="set stage.preprocess.size, or choose a smaller model",
        )
    channels = 1 if part.channels == "GRAY" else 3
    picture = (channels, height, width) if layout == "NCHW" else (height, width, channels)
    shape = picture if len(entry.shape) == 3 else (1, *picture)  # noqa: PLR2004 - no batch axis
    return ModelInput(entry.name, dtype, layout, channels, height, width, shape)
