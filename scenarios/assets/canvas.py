"""Paint lit, textured shapes on a picture and keep the mask of what is a person.

Colours are RGB in 0..1, stored as float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scenarios.assets.shapes import Colour, Plane, Shape, merged_surface
from scenarios.assets.textures import smooth_tile_at, tile_at

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Material:
    """What a surface looks like.

    `pattern` is one of `plain`, `stripes`, `checks`, `dots`, `marble` or `strands`; `unit` is the
    pattern's period in pixels, `origin` and `angle` fix it to the moving part. `grain` is fine
    texture, `folds` coarse shading, both as a share of the brightness.
    """

    colour: Colour
    second: Colour = (1.0, 1.0, 1.0)
    pattern: str = "plain"
    unit: float = 12.0
    origin: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    grain: float = 0.04
    folds: float = 0.08
    gloss: float = 0.0


@dataclass(frozen=True)
class Light:
    """A directed light with an ambient share; `x`, `y`, `z` point towards the light."""

    x: float = -0.5
    y: float = -0.6
    z: float = 0.62
    ambient: float = 0.55
    diffuse: float = 0.55
    rim: float = 0.12
    tint: Colour = (1.0, 1.0, 1.0)


@dataclass
class Canvas:
    """A picture `rgb` [height, width, 3] with a person coverage `mask` [height, width], 0..1."""

    rgb: Plane
    mask: Plane = field(init=False)

    def __post_init__(self) -> None:
        """Start without any person."""
        self.mask = np.zeros(self.rgb.shape[:2], dtype=np.float32)


def window(
    canvas: Canvas, shapes: Sequence[Shape], margin: float
) -> tuple[slice, slice, Plane, Plane] | None:
    """Return the rows, columns and pixel centres that the shapes can touch, or None."""
    height, width = canvas.mask.shape
    boxes = [shape.bounds() for shape in shapes]
    left = max(0, math.floor(min(box[0] for box in boxes) - margin))
    top = max(0, math.floor(min(box[1] for box in boxes) - margin))
    right = min(width, math.ceil(max(box[2] for box in boxes) + margin) + 1)
    bottom = min(height, math.ceil(max(box[3] for box in boxes) + margin) + 1)
    if left >= right or top >= bottom:
        return None
    x = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5)
    return slice(top, bottom), slice(left, right), x, y


def pattern_share(material: Material, u: Plane, v: Plane) -> Plane | float:
    """Return how much of the second colour shows at the local points `u`, `v`, in periods."""
    if material.pattern == "stripes":
        return soft_wave(v)
    if material.pattern == "checks":
        return np.asarray(0.5 * soft_wave(u) + 0.5 * soft_wave(v), dtype=np.float32)
    if material.pattern == "dots":
        inside = np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v) - 1.1
        return np.asarray(np.clip(inside * 3.0, 0.0, 1.0), dtype=np.float32)
    if material.pattern == "marble":
        return np.asarray(np.clip(0.5 + 0.45 * smooth_tile_at(u * 24.0, v * 24.0, 3), 0.0, 1.0))
    if material.pattern == "strands":
        return np.asarray(np.clip(0.35 + 0.35 * tile_at(u * 40.0, v * 3.0, 5), 0.0, 1.0))
    return 0.0


def soft_wave(position: Plane) -> Plane:
    """Return a softened square wave of period 1, in 0..1."""
    wave = np.clip(0.5 + 2.5 * np.sin(2 * np.pi * position), 0.0, 1.0)
    return np.asarray(wave, dtype=np.float32)


def shaded_colour(
    material: Material, light: Light, x: Plane, y: Plane, normal: tuple[Plane, Plane]
) -> Plane:
    """Return the lit colour [rows, columns, 3] of a surface."""
    nx, ny = normal
    cos, sin = math.cos(material.angle), math.sin(material.angle)
    dx, dy = x - material.origin[0], y - material.origin[1]
    u, v = (dx * cos + dy * sin) / material.unit, (dy * cos - dx * sin) / material.unit
    nz = np.sqrt(np.clip(1.0 - nx * nx - ny * ny, 0.0, 1.0))
    facing = np.maximum(light.x * nx + light.y * ny + light.z * nz, 0.0)
    shade = light.ambient + light.diffuse * facing + light.rim * (1.0 - nz) ** 3
    if material.folds:
        shade = shade * (1.0 + material.folds * smooth_tile_at(u * 7.0, v * 4.0, 1))
    if material.grain:
        shade = shade * (1.0 + material.grain * tile_at(u * 40.0, v * 40.0, 2))
    share = pattern_share(material, u, v)
    gloss = material.gloss * np.clip(facing, 0.0, 1.0) ** 12
    first = np.asarray(material.colour, dtype=np.float32)
    second = np.asarray(material.second, dtype=np.float32)
    tint = np.asarray(light.tint, dtype=np.float32)
    base = first + np.asarray(share, dtype=np.float32)[..., None] * (second - first)
    return base * (shade[..., None] * tint) + gloss[..., None]


def paint(
    canvas: Canvas,
    shapes: Sequence[Shape],
    material: Material,
    light: Light,
    *,
    softness: float = 1.2,
    blend: float = 0.0,
    person: bool = False,
    opacity: float = 1.0,
) -> None:
    """Paint the union of `shapes`; `softness` is the width of the edge in pixels.

    A `person` adds to the mask, anything else that is painted opaque hides what lay below.
    """
    area = window(canvas, shapes, softness + blend)
    if area is None:
        return
    rows, columns, x, y = area
    distance, nx, ny = merged_surface(shapes, x, y, blend)
    cover = np.clip(0.5 - distance / softness, 0.0, 1.0) * opacity
    colour = shaded_colour(material, light, x, y, (nx, ny))
    region = canvas.rgb[rows, columns]
    region += cover[..., None] * (colour - region)
    mask = canvas.mask[rows, columns]
    mask += cover * ((1.0 if person else 0.0) - mask)


def stain(
    canvas: Canvas,
    shape: Shape,
    colour: Colour,
    *,
    opacity: float,
    softness: float,
    person_only: bool = False,
) -> None:
    """Blend a flat colour softly over the picture and leave the mask alone (shadow, blush).

    With `person_only` nothing falls on what is not a person.
    """
    area = window(canvas, [shape], softness)
    if area is None:
        return
    rows, columns, x, y = area
    distance, _, _ = shape.surface(x, y)
    share = np.clip(0.5 - distance / softness, 0.0, 1.0)
    cover = opacity * share * share * (3.0 - 2.0 * share)
    if person_only:
        cover = cover * canvas.mask[rows, columns]
    region = canvas.rgb[rows, columns]
    region += cover[..., None] * (np.asarray(colour, dtype=np.float32) - region)
