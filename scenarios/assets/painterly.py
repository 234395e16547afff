"""The painting that the stylizer learns: flat brush strokes, few tones, dark ink lines.

A picture is smoothed by a Kuwahara filter (every pixel takes the mean of the calmest of four
squares around it), its brightness is drawn to a few soft levels, its colours are strengthened, and
lines are inked where a difference of two blurs says that there is an edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scenarios.assets.textures import blurred, box_blurred

if TYPE_CHECKING:
    from scenarios.assets.shapes import Plane

LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def luma(picture: Plane) -> Plane:
    """Return the brightness [height, width] of RGB [height, width, 3]."""
    return np.asarray(picture @ LUMA, dtype=np.float32)


def shifted(picture: Plane, dy: int, dx: int) -> Plane:
    """Return the picture moved by whole pixels, edges repeated."""
    rows = np.clip(np.arange(picture.shape[0]) + dy, 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(picture.shape[1]) + dx, 0, picture.shape[1] - 1)
    return picture[rows][:, columns]


def brush_strokes(picture: Plane, radius: int) -> Plane:
    """Apply the Kuwahara filter; the four squares are 2 * radius + 1 wide."""
    bright = luma(picture)[..., None]
    stack = np.concatenate([picture, bright, bright * bright], axis=2)
    means = box_blurred(box_blurred(stack, radius, 0), radius, 1)
    spread = means[..., 4] - means[..., 3] ** 2
    corners = [(dy, dx) for dy in (-radius, radius) for dx in (-radius, radius)]
    calm = np.stack([shifted(spread, dy, dx) for dy, dx in corners])
    weight = 1.0 / (1e-4 + np.maximum(calm, 0.0)) ** 3
    weight = (weight / weight.sum(axis=0))[..., None]
    colours = [shifted(means[..., :3], dy, dx) for dy, dx in corners]
    return np.asarray(sum(w * c for w, c in zip(weight, colours, strict=True)), dtype=np.float32)


def few_tones(picture: Plane, levels: int, sharpness: float) -> Plane:
    """Pull the brightness to `levels` steps; `sharpness` 0 leaves it alone, 1 makes it hard."""
    bright = luma(picture)[..., None]
    step = bright * levels
    middle = np.floor(step) + 0.5
    pulled = (middle + np.tanh((step - middle) * 2.0) * 0.5 * (1.0 - sharpness)) / levels
    return np.asarray(picture * (pulled / np.maximum(bright, 1e-3)), dtype=np.float32)


def ink(picture: Plane) -> Plane:
    """Return the paper left by the ink [height, width, 1]: 1 is bare, 0 is black."""
    bright = luma(picture)
    fine, coarse = blurred(bright, 1), blurred(bright, 3)
    edge = (coarse - fine) / (0.25 + coarse)
    return np.asarray(1.0 - np.clip((edge - 0.025) * 9.0, 0.0, 0.85), dtype=np.float32)[..., None]


def paint_over(picture: Plane, radius: int = 4) -> Plane:
    """Return the painted picture; both are RGB [height, width, 3] in 0..1."""
    flat = few_tones(brush_strokes(picture, radius), levels=7, sharpness=0.4)
    grey = luma(flat)[..., None]
    vivid = grey + 1.35 * (flat - grey)
    warm = vivid * np.array([1.04, 1.0, 0.94], dtype=np.float32)
    return np.asarray(np.clip(warm * ink(picture), 0.0, 1.0), dtype=np.float32)


def painted_bytes(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the painted picture of RGB bytes [height, width, 3]."""
    result = paint_over(picture.astype(np.float32) / np.float32(255.0))
    return np.asarray(result * 255.0 + 0.5, dtype=np.uint8)
