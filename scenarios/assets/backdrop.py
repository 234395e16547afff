"""A background under construction, in units of the picture's height.

A thumbnail and a 720p frame of one seed thus show the same place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenarios.assets.canvas import Canvas, Light, Material, paint
from scenarios.assets.looks import scaled
from scenarios.assets.shapes import Box, Colour, Ellipse, Limb

if TYPE_CHECKING:
    import numpy as np

FLAT = Light(0.0, 0.0, 1.0, ambient=0.85, diffuse=0.15, rim=0.0)


@dataclass(frozen=True)
class Backdrop:
    """A picture under construction: positions are shares of the height."""

    canvas: Canvas
    rng: np.random.Generator
    size: float

    def box(
        self,
        centre: tuple[float, float],
        half: tuple[float, float],
        material: Material,
        corner: float = 0.0,
    ) -> None:
        """Paint an upright rectangle."""
        self.solid(
            Box(
                centre[0] * self.size,
                centre[1] * self.size,
                half[0] * self.size,
                half[1] * self.size,
                corner * self.size,
            ),
            material,
        )

    def solid(self, shape: Box | Ellipse | Limb, material: Material) -> None:
        """Paint a shape given in pixels with the flat light."""
        paint(self.canvas, [shape], material, FLAT, softness=max(1.0, 0.002 * self.size))

    def cloth(self, colour: Colour, pattern: str = "plain", unit: float = 0.05) -> Material:
        """Return a material whose period is `unit` of the height."""
        return Material(
            colour,
            scaled(colour, 0.72),
            pattern,
            unit=max(unit * self.size, 2.0),
            folds=0.05,
            grain=0.04,
        )
