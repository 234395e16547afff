"""Where a figure stands on a canvas, and strokes in its own units.

Lengths inside a figure are heads: 1.0 is chin to crown, the origin is the pit of the neck, x goes
to the picture's right and y downwards. A standing adult reaches from about -1.3 to 6.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scenarios.assets.canvas import Canvas, Light, Material, paint, stain
from scenarios.assets.shapes import Colour, Ellipse, Limb, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Brush:
    """Where a figure stands on a canvas: neck at (x, y), `head` pixels per head length."""

    canvas: Canvas
    light: Light
    x: float
    y: float
    head: float
    angle: float = 0.0
    softness: float = 1.3

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel position of a point in heads."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return (
            self.x + self.head * (x * cos - y * sin),
            self.y + self.head * (x * sin + y * cos),
        )

    def ellipse(self, x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Ellipse:
        """Return an ellipse given in heads."""
        centre = self.at(x, y)
        return Ellipse(*centre, rx * self.head, ry * self.head, self.angle + turn)

    def limb(
        self, start: tuple[float, float], end: tuple[float, float], r0: float, r1: float
    ) -> Limb:
        """Return a stroke given in heads."""
        return Limb(*self.at(*start), *self.at(*end), r0 * self.head, r1 * self.head)

    def fill(self, shapes: Sequence[Shape], material: Material, blend: float = 0.0) -> None:
        """Paint a part of the person; `blend` is in heads."""
        fitted = replace(
            material,
            unit=max(material.unit * self.head, 1.0),
            origin=self.at(*material.origin),
            angle=material.angle + self.angle,
        )
        paint(
            self.canvas,
            shapes,
            fitted,
            self.light,
            softness=self.softness,
            blend=blend * self.head,
            person=True,
        )

    def shade(self, shape: Shape, colour: Colour, opacity: float, softness: float) -> None:
        """Blend a soft patch; `softness` is in heads."""
        width = max(softness * self.head, self.softness)
        stain(self.canvas, shape, colour, opacity=opacity, softness=width, person_only=True)

    def moved(self, x: float, y: float, turn: float) -> Brush:
        """Return a brush whose origin is (x, y) here and which is turned on."""
        px, py = self.at(x, y)
        return replace(self, x=px, y=py, angle=self.angle + turn)
