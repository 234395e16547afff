"""Signed distances and fake surface normals of simple shapes.

Coordinates are pixels, x to the right and y downwards. A shape answers with its signed distance
(negative inside) and with the x and y of a surface normal as if it were a rounded body seen from
the front; that is what gives the painted figures their volume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Colour: TypeAlias = tuple[float, float, float]

Plane: TypeAlias = npt.NDArray[np.floating[Any]]

Bounds: TypeAlias = tuple[float, float, float, float]

Surface: TypeAlias = tuple[Plane, Plane, Plane]

CENTRE = 1e-3


class Shape(Protocol):
    """Anything with a bounding box and a surface."""

    def bounds(self) -> Bounds:
        """Return left, top, right and bottom, pixels."""
        ...

    def surface(self, x: Plane, y: Plane) -> Surface:
        """Return distance (pixels) and normal x and y (-1..1) at the points `x`, `y`."""
        ...


@dataclass(frozen=True)
class Ellipse:
    """An ellipse with radii `rx`, `ry`, turned by `angle` radians."""

    x: float
    y: float
    rx: float
    ry: float
    angle: float = 0.0

    def bounds(self) -> Bounds:
        """Return the box of the turned ellipse."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        half_width = math.hypot(self.rx * cos, self.ry * sin)
        half_height = math.hypot(self.rx * sin, self.ry * cos)
        return (
            self.x - half_width,
            self.y - half_height,
            self.x + half_width,
            self.y + half_height,
        )

    def surface(self, x: Plane, y: Plane) -> Surface:
        """Approximate the distance to first order: implicit value over its gradient."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        u = ((x - self.x) * cos + (y - self.y) * sin) / self.rx
        v = ((y - self.y) * cos - (x - self.x) * sin) / self.ry
        level = np.sqrt(u * u + v * v)
        slope = np.sqrt((u / self.rx) ** 2 + (v / self.ry) ** 2)
        distance = level * (level - 1.0) / np.maximum(slope, 1e-6)
        distance = np.where(level < CENTRE, -min(self.rx, self.ry), distance)
        return distance.astype(np.float32), u * cos - v * sin, u * sin + v * cos


@dataclass(frozen=True)
class Limb:
    """A rounded stroke from (x0, y0) to (x1, y1) whose radius goes from `r0` to `r1`."""

    x0: float
    y0: float
    x1: float
    y1: float
    r0: float
    r1: float

    def bounds(self) -> Bounds:
        """Return the box around both end discs."""
        return (
            min(self.x0 - self.r0, self.x1 - self.r1),
            min(self.y0 - self.r0, self.y1 - self.r1),
            max(self.x0 + self.r0, self.x1 + self.r1),
            max(self.y0 + self.r0, self.y1 + self.r1),
        )

    def surface(self, x: Plane, y: Plane) -> Surface:
        """Measure from the nearest point of the axis."""
        ax, ay = self.x1 - self.x0, self.y1 - self.y0
        dx, dy = x - self.x0, y - self.y0
        along = np.clip((dx * ax + dy * ay) / max(ax * ax + ay * ay, 1e-6), 0.0, 1.0)
        dx, dy = dx - along * ax, dy - along * ay
        radius = self.r0 + along * (self.r1 - self.r0)
        return np.sqrt(dx * dx + dy * dy) - radius, dx / radius, dy / radius


@dataclass(frozen=True)
class Box:
    """A flat rectangle with half sizes `hx`, `hy`, rounded corners and a turn in radians."""

    x: float
    y: float
    hx: float
    hy: float
    corner: float = 0.0
    angle: float = 0.0

    def bounds(self) -> Bounds:
        """Return the box of the turned rectangle."""
        cos, sin = abs(math.cos(self.angle)), abs(math.sin(self.angle))
        half_width = self.hx * cos + self.hy * sin
        half_height = self.hx * sin + self.hy * cos
        return (
            self.x - half_width,
            self.y - half_height,
            self.x + half_width,
            self.y + half_height,
        )

    def surface(self, x: Plane, y: Plane) -> Surface:
        """Measure exactly; the normal is that of a gentle barrel across the width."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        u = (x - self.x) * cos + (y - self.y) * sin
        v = (y - self.y) * cos - (x - self.x) * sin
        over_x = np.abs(u) - (self.hx - self.corner)
        over_y = np.abs(v) - (self.hy - self.corner)
        outside = np.hypot(np.maximum(over_x, 0.0), np.maximum(over_y, 0.0))
        inside = np.minimum(np.maximum(over_x, over_y), 0.0)
        return outside + inside - self.corner, 0.3 * u / self.hx, 0.3 * v / self.hy


@dataclass(frozen=True)
class Carved:
    """`body` without what lies in `hole`."""

    body: Shape
    hole: Shape

    def bounds(self) -> Bounds:
        """Return the box of the body."""
        return self.body.bounds()

    def surface(self, x: Plane, y: Plane) -> Surface:
        """Keep the body's normal; the cut has none."""
        distance, nx, ny = self.body.surface(x, y)
        hole, _, _ = self.hole.surface(x, y)
        return np.maximum(distance, -hole), nx, ny


@dataclass(frozen=True)
class United:
    """Several shapes as one, the seams smoothed over `blend` pixels."""

    parts: tuple[Shape, ...]
    blend: float

    def bounds(self) -> Bounds:
        """Return the box around all parts."""
        boxes = np.array([part.bounds() for part in self.parts])
        left, top = boxes[:, :2].min(axis=0)
        right, bottom = boxes[:, 2:].max(axis=0)
        return (float(left), float(top), float(right), float(bottom))

    def surface(self, x: Plane, y: Plane) -> Surface:
        """Blend distances and normals."""
        return merged_surface(self.parts, x, y, self.blend)


def merged_surface(shapes: Sequence[Shape], x: Plane, y: Plane, blend: float) -> Surface:
    """Unite shapes; `blend` pixels smooth the seams (polynomial smooth minimum)."""
    distance, nx, ny = shapes[0].surface(x, y)
    for shape in shapes[1:]:
        other, ox, oy = shape.surface(x, y)
        share = np.clip(0.5 + 0.5 * (other - distance) / max(blend, 1e-3), 0.0, 1.0)
        distance = other + (distance - other) * share - blend * share * (1.0 - share)
        nx = ox + (nx - ox) * share
        ny = oy + (ny - oy) * share
    return distance, nx, ny
