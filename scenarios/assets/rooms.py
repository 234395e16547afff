"""A furnished room: wall, floor, window, bookcase, pictures, plant, lamp."""

# ruff: noqa: PLR2004  a drawing is made of numbers; naming each would hide them

from __future__ import annotations

import numpy as np

from scenarios.assets.backdrop import Backdrop
from scenarios.assets.canvas import Canvas, stain
from scenarios.assets.looks import random_colour, scaled
from scenarios.assets.shapes import Box, Colour, Ellipse, Limb, Plane
from scenarios.assets.textures import gradient, smooth_tile_at, wall_noise


def room(rng: np.random.Generator, width: int, height: int) -> Plane:
    """Return an interior [height, width, 3]: wall, floor, window, shelf, pictures, lamp, plant."""
    wall = random_colour(rng, 0.45, 0.8)
    canvas = Canvas(gradient(height, width, scaled(wall, 1.02), scaled(wall, 0.8)))
    backdrop = Backdrop(canvas, rng, float(height))
    canvas.rgb *= 1.0 + 0.05 * wall_noise(height, width, 90.0, 11)[..., None]
    canvas.rgb *= 1.0 + 0.025 * wall_noise(height, width, 420.0, 12)[..., None]
    ratio = width / height
    floor_at = float(rng.uniform(0.7, 0.8))
    paint_floor(canvas, rng, floor_at)
    paint_panelling(backdrop, floor_at, ratio, wall)
    paint_window(backdrop, float(rng.uniform(0.14, 0.3)) * ratio)
    paint_shelf(backdrop, float(rng.uniform(0.72, 0.88)) * ratio, floor_at)
    for _ in range(int(rng.integers(1, 4))):
        paint_picture(backdrop, float(rng.uniform(0.36, 0.62)) * ratio)
    paint_plant(backdrop, float(rng.uniform(0.4, 0.62)) * ratio, floor_at)
    paint_lamp(backdrop, float(rng.uniform(0.45, 0.66)) * ratio)
    return canvas.rgb


def paint_floor(canvas: Canvas, rng: np.random.Generator, top: float) -> None:
    """Lay planks in perspective below `top`."""
    height, width = canvas.mask.shape
    start = int(top * height)
    wood = np.asarray((0.5, 0.36, 0.24), dtype=np.float32) * float(rng.uniform(0.6, 1.2))
    depth = (np.arange(height - start, dtype=np.float32) / height + 0.06)[:, None]
    across = (np.arange(width, dtype=np.float32)[None, :] / height - 0.5 * width / height) / depth
    plank = np.floor(across * 1.3)
    tone = 0.86 + 0.22 * ((plank * 0.618) % 1.0)
    seam = np.abs(across * 1.3 - plank - 0.5) > 0.475
    grain = smooth_tile_at(across * 40.0, 1.4 / depth + plank * 17.0, 13)
    shade = tone * (1.0 + 0.07 * grain) * np.where(seam, 0.7, 1.0) * (0.75 + 1.2 * depth)
    canvas.rgb[start:] = wood * shade[..., None]


def paint_panelling(backdrop: Backdrop, floor_at: float, ratio: float, wall: Colour) -> None:
    """Add a skirting board and a rail."""
    white = scaled(wall, 1.15)
    backdrop.box((ratio / 2, floor_at - 0.018), (ratio, 0.02), backdrop.cloth(white))
    backdrop.box((ratio / 2, floor_at + 0.004), (ratio, 0.004), backdrop.cloth(scaled(wall, 0.4)))


def paint_window(backdrop: Backdrop, x: float) -> None:
    """Add a window with blurred greenery and sky behind it, and its glow on the wall."""
    rng, size = backdrop.rng, backdrop.size
    y, half_x, half_y = 0.3, float(rng.uniform(0.16, 0.24)), 0.22
    stain(
        backdrop.canvas,
        Ellipse(x * size, y * size, 0.5 * size, 0.4 * size),
        (1.0, 0.98, 0.9),
        opacity=0.35,
        softness=0.5 * size,
    )
    frame = backdrop.cloth((0.9, 0.89, 0.86))
    backdrop.box((x, y), (half_x + 0.02, half_y + 0.02), frame)
    backdrop.box((x, y), (half_x, half_y), backdrop.cloth((0.86, 0.93, 0.99)))
    view = Canvas(backdrop.canvas.rgb)
    for _ in range(40):
        green = (rng.uniform(0.25, 0.6), rng.uniform(0.45, 0.75), rng.uniform(0.2, 0.4))
        spot = Ellipse(
            (x + rng.uniform(-0.9, 0.9) * half_x) * size,
            (y + rng.uniform(-0.1, 0.95) * half_y) * size,
            0.035 * size,
            0.028 * size,
        )
        stain(view, spot, green, opacity=0.5, softness=0.05 * size)
    for shift in (-0.33, 0.33):
        backdrop.box((x + shift * half_x, y), (0.006, half_y), frame)
    backdrop.box((x, y), (half_x, 0.006), frame)
    backdrop.box((x, y + half_y + 0.03), (half_x + 0.05, 0.014), frame)
    curtain = random_colour(rng, 0.4, 0.85)
    for side in (-1.0, 1.0):
        for fold in range(4):
            at = x + side * (half_x + 0.02 + 0.03 * fold)
            tone = 0.8 + 0.12 * (fold % 2)
            backdrop.solid(
                Limb(at * size, 0.03 * size, at * size, 0.62 * size, 0.022 * size, 0.026 * size),
                backdrop.cloth(scaled(curtain, tone)),
            )


def paint_shelf(backdrop: Backdrop, x: float, floor_at: float) -> None:
    """Add a bookcase with rows of books."""
    rng = backdrop.rng
    wood = backdrop.cloth((0.42, 0.29, 0.19), "strands", 0.3)
    half = float(rng.uniform(0.16, 0.24))
    backdrop.box((x, 0.42), (half + 0.02, floor_at - 0.42), wood)
    dark = backdrop.cloth((0.2, 0.14, 0.1))
    rows = 4
    pitch = (floor_at - 0.14) / rows
    for row in range(rows):
        base = 0.1 + pitch * (row + 1)
        backdrop.box((x, base - pitch / 2), (half, pitch / 2 - 0.008), dark)
        at = x - half + 0.004
        while at < x + half - 0.02:
            thick = float(rng.uniform(0.008, 0.022))
            tall = pitch * float(rng.uniform(0.55, 0.86))
            if rng.random() < 0.88:
                book = backdrop.cloth(random_colour(rng, 0.1, 0.75))
                backdrop.box(
                    (at + thick / 2, base - 0.012 - tall / 2), (thick / 2 - 0.001, tall / 2), book
                )
                label = backdrop.cloth((0.85, 0.8, 0.65))
                backdrop.box((at + thick / 2, base - tall * 0.8), (thick / 3, 0.006), label)
            at += thick


def paint_picture(backdrop: Backdrop, x: float) -> None:
    """Hang a framed picture with an abstract landscape."""
    rng = backdrop.rng
    y = float(rng.uniform(0.16, 0.34))
    half_x, half_y = float(rng.uniform(0.05, 0.1)), float(rng.uniform(0.05, 0.09))
    shadow = Box(
        (x + 0.008) * backdrop.size,
        (y + 0.01) * backdrop.size,
        half_x * backdrop.size,
        half_y * backdrop.size,
    )
    stain(backdrop.canvas, shadow, (0.1, 0.1, 0.1), opacity=0.35, softness=0.03 * backdrop.size)
    backdrop.box((x, y), (half_x, half_y), backdrop.cloth(random_colour(rng, 0.05, 0.35)))
    backdrop.box((x, y), (half_x - 0.01, half_y - 0.01), backdrop.cloth((0.93, 0.92, 0.88)))
    inner = (half_x - 0.025, half_y - 0.025)
    backdrop.box((x, y), inner, backdrop.cloth(random_colour(rng, 0.3, 0.9), "marble", 0.08))
    low = (x, y + inner[1] / 2)
    backdrop.box(low, (inner[0], inner[1] / 2), backdrop.cloth(random_colour(rng), "marble", 0.06))


def paint_plant(backdrop: Backdrop, x: float, floor_at: float) -> None:
    """Stand a potted plant on the floor."""
    rng, size = backdrop.rng, backdrop.size
    base = floor_at + 0.03
    for _ in range(26):
        angle = float(rng.uniform(-1.3, 1.3))
        length = float(rng.uniform(0.1, 0.26))
        tip = (x + length * np.sin(angle), base - 0.12 - length * np.cos(angle))
        green = scaled((0.22, 0.42, 0.17), float(rng.uniform(0.6, 1.4)))
        stem = Limb(
            x * size, (base - 0.1) * size, tip[0] * size, tip[1] * size, 0.003 * size, 0.003 * size
        )
        backdrop.solid(stem, backdrop.cloth(scaled(green, 0.8)))
        leaf = Ellipse(tip[0] * size, tip[1] * size, 0.018 * size, 0.05 * size, angle)
        backdrop.solid(leaf, backdrop.cloth(green, "strands", 0.2))
    pot = Limb(
        x * size, (base - 0.1) * size, x * size, (base - 0.03) * size, 0.06 * size, 0.045 * size
    )
    backdrop.solid(pot, backdrop.cloth((0.62, 0.34, 0.22)))


def paint_lamp(backdrop: Backdrop, x: float) -> None:
    """Hang a lamp from the ceiling, with its halo."""
    size = backdrop.size
    cord = Limb(x * size, 0.0, x * size, 0.08 * size, 0.002 * size, 0.002 * size)
    backdrop.solid(cord, backdrop.cloth((0.1, 0.1, 0.1)))
    halo = Ellipse(x * size, 0.13 * size, 0.16 * size, 0.14 * size)
    stain(backdrop.canvas, halo, (1.0, 0.86, 0.6), opacity=0.5, softness=0.28 * size)
    shade = Limb(x * size, 0.08 * size, x * size, 0.12 * size, 0.02 * size, 0.05 * size)
    backdrop.solid(shade, backdrop.cloth((0.98, 0.84, 0.56)))
