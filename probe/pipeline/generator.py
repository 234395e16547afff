"""A generative model of short clips: one call is one denoising step of a block of frames.

Inputs ``x`` [1, 3, T, H, W] or [1, T, 3, H, W] (noise at time 0, clean at time 1), ``t`` [1],
perhaps ``cond`` [1, C] and ``previous`` [1, 3, H, W] (the last frame of the block before, or
zeros); the output is the velocity of ``x``. Steps are Euler's, at the times that the model's
metadata states (``liveprobe.times``) or at even ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from probe.pipeline.infer import Model
    from probe.pipeline.model_input import Described

_KNOWN: Final = {"x", "t", "cond", "previous"}
_BLOCK_AXES: Final = 5
_RGB: Final = 3
_LARGEST: Final = 2**28
"""Values of a block; a model that asks for more is refused."""
_REMEDY: Final = "use builtin:generator_fp32, or a model with its inputs: x, t, cond, previous"


@dataclass(frozen=True)
class Generator:
    """A loaded generator: the shape of its block, and the times of its denoising steps."""

    model: Model
    shape: tuple[int, ...]
    frames_axis: int
    condition: tuple[int, ...]
    has_previous: bool
    times: tuple[float, ...]
    range: tuple[float, float]

    @property
    def frames(self) -> int:
        """Frames of one block."""
        return self.shape[self.frames_axis]

    def noise(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return a block to begin with."""
        return rng.standard_normal(self.shape, dtype=np.float32)

    def wish(self, rng: np.random.Generator) -> NDArray[np.float32] | None:
        """Return a condition: one choice of each group that the model knows, or None."""
        if not self.condition:
            return None
        parts = []
        for size in self.condition:
            part = np.zeros(size, np.float32)
            part[rng.integers(size)] = 1.0
            parts.append(part)
        return np.concatenate(parts)[None]

    def steps(
        self,
        block: NDArray[np.float32],
        wish: NDArray[np.float32] | None,
        before: NDArray[np.float32] | None,
    ) -> Iterator[None]:
        """Denoise `block` in place, one step for each value yielded (yielded after the step)."""
        feeds: dict[str, NDArray[Any]] = {"x": block}
        if wish is not None:
            feeds["cond"] = wish
        if self.has_previous:
            shape = self.shape[:1] + self.planes(block, 0).shape
            feeds["previous"] = np.zeros(shape, np.float32) if before is None else before[None]
        for now, then in pairwise(self.times):
            feeds["t"] = np.array([now], np.float32)
            velocity = self.model.run(feeds)[0]
            velocity *= np.float32(then - now)
            block += velocity
            yield

    def planes(self, block: NDArray[np.float32], frame: int) -> NDArray[np.float32]:
        """Return one frame of a block as [3, H, W], a view."""
        return block[0, frame] if self.frames_axis == 1 else block[0, :, frame]


def understand(model: Model, steps: int) -> Generator:
    """Read a generator's interface from its inputs and metadata.

    Raises `InputError` for a model of another kind.
    """
    inputs = {entry.name: entry for entry in model.inputs}
    missing = {"x", "t"} - inputs.keys()
    unknown = inputs.keys() - _KNOWN
    if missing or unknown:
        wrong = sorted(missing or unknown)
        raise InputError(
            f"{model.path}: not a generator: {'lacks' if missing else 'unknown'} input "
            f"{', '.join(wrong)}",
            remedy=_REMEDY,
        )
    metadata = model.metadata()
    shape = _block_shape(inputs["x"], model)
    return Generator(
        model,
        shape,
        frames_axis=1 if metadata.get("liveprobe.layout", "").startswith("x and v: NTC") else 2,
        condition=_groups(inputs.get("cond"), metadata.get("liveprobe.cond", ""), model),
        has_previous="previous" in inputs,
        times=_times(metadata.get("liveprobe.times", ""), steps),
        range=_range(metadata.get("liveprobe.range", "")),
    )


def _block_shape(entry: Described, model: Model) -> tuple[int, ...]:
    sizes = [size for size in entry.shape if isinstance(size, int) and size > 0]
    whole = len(sizes) == len(entry.shape) == _BLOCK_AXES and _RGB in sizes[1:3] and sizes[0] == 1
    if not whole or entry.type != "tensor(float)" or math.prod(sizes) > _LARGEST:
        raise InputError(
            f"{model.path}: input x is {entry.type} {list(entry.shape)}, not a block of pictures",
            remedy="a block is float32 [1, 3, frames, height, width] of fixed size",
        )
    return tuple(sizes)


def _groups(entry: Described | None, text: str, model: Model) -> tuple[int, ...]:
    """Return the sizes of the one-hot groups of the condition, as its description lists them."""
    if entry is None:
        return ()
    size = entry.shape[-1]
    if not isinstance(size, int) or not 1 <= size <= _LARGEST:
        raise InputError(f"{model.path}: input cond has no usable fixed size", remedy=_REMEDY)
    groups = tuple(len(words.split()) for words in re.findall(r"\(([^()]*)\)", text))
    return groups if groups and sum(groups) == size and all(groups) else (size,)


def _times(text: str, steps: int) -> tuple[float, ...]:
    """Return the times of `steps` steps, on the curve that the metadata samples."""
    try:
        stated = [float(value) for value in text.split(",")]
    except ValueError:
        stated = [0.0, 1.0]
    places = np.linspace(0.0, 1.0, steps + 1)
    times = np.interp(places, np.linspace(0.0, 1.0, len(stated)), stated)
    return tuple(float(value) for value in times)


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in text.split(".."))
    except ValueError:
        return -1.0, 1.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return -1.0, 1.0
    return low, high
