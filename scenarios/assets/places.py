"""Any background from a seed: a room, a street, or an abstract texture."""

# ruff: noqa: PLR2004  a drawing is made of numbers; naming each would hide them

from __future__ import annotations

import numpy as np

from scenarios.assets.backdrop import Backdrop
from scenarios.assets.canvas import Canvas, Light, Material, paint
from scenarios.assets.looks import random_colour, scaled
from scenarios.assets.rooms import room
from scenarios.assets.shapes import Box, Ellipse, Limb, Plane
from scenarios.assets.textures import blurred, gradient, wall_noise


def street(rng: np.random.Generator, width: int, height: int) -> Plane:
    """Return an outdoor place [height, width, 3]: sky, houses or trees, ground."""
    sky = (rng.uniform(0.5, 0.85), rng.uniform(0.65, 0.9), rng.uniform(0.75, 1.0))
    canvas = Canvas(gradient(height, width, sky, (0.9, 0.92, 0.93)))
    backdrop = Backdrop(canvas, rng, float(height))
    ratio, horizon = width / height, float(rng.uniform(0.5, 0.75))
    at = -0.1
    while at < ratio + 0.1:
        wide = float(rng.uniform(0.2, 0.5))
        tall = float(rng.uniform(0.3, 0.75))
        if rng.random() < 0.5:
            paint_house(backdrop, (at, horizon), (wide, tall))
        else:
            paint_tree(backdrop, at + wide / 2, horizon, tall)
        at += wide * float(rng.uniform(0.6, 1.05))
    start = int(horizon * height)
    ground = random_colour(rng, 0.25, 0.6)
    if rng.random() < 0.5:
        ground = (0.3 * ground[0] + 0.1, 0.5 * ground[1] + 0.25, 0.3 * ground[2] + 0.05)
    noise = wall_noise(height - start, width, 200.0, 14)[..., None]
    canvas.rgb[start:] = np.asarray(ground, dtype=np.float32) * (1.0 + 0.12 * noise)
    return canvas.rgb


def paint_house(backdrop: Backdrop, foot: tuple[float, float], size: tuple[float, float]) -> None:
    """Build a façade with windows."""
    rng, (x, base), (wide, tall) = backdrop.rng, foot, size
    colour = random_colour(rng, 0.3, 0.75)
    half = (wide / 2, tall / 2)
    backdrop.box((x + half[0], base - half[1]), half, backdrop.cloth(colour, "stripes", 0.018))
    glass = backdrop.cloth(random_colour(rng, 0.1, 0.5))
    for row in range(int(tall / 0.14)):
        for column in range(int(wide / 0.11)):
            centre = (x + 0.06 + 0.11 * column, base - 0.09 - 0.14 * row)
            backdrop.box(centre, (0.032, 0.045), backdrop.cloth(scaled(colour, 1.3)))
            backdrop.box(centre, (0.026, 0.039), glass)


def paint_tree(backdrop: Backdrop, x: float, base: float, tall: float) -> None:
    """Grow a trunk with a crown of leaf clusters."""
    rng, size = backdrop.rng, backdrop.size
    trunk = Limb(
        x * size, base * size, x * size, (base - tall / 2) * size, 0.025 * size, 0.015 * size
    )
    backdrop.solid(trunk, backdrop.cloth((0.3, 0.22, 0.15), "strands", 0.1))
    for _ in range(22):
        green = scaled((0.25, 0.42, 0.15), float(rng.uniform(0.5, 1.4)))
        spot = Ellipse(
            (x + rng.normal(0.0, 0.1)) * size,
            (base - tall * rng.uniform(0.4, 1.0)) * size,
            float(rng.uniform(0.04, 0.1)) * size,
            float(rng.uniform(0.03, 0.08)) * size,
        )
        backdrop.solid(
            spot, Material(green, scaled(green, 0.5), "marble", unit=0.12 * size, grain=0.2)
        )


def abstract(rng: np.random.Generator, width: int, height: int) -> Plane:
    """Return a texture [height, width, 3]: gradients, coloured noise and loose shapes."""
    picture = gradient(height, width, random_colour(rng, 0.0, 1.0), random_colour(rng, 0.0, 1.0))
    seed = int(rng.integers(1000, 1032))
    cells = float(np.exp(rng.uniform(np.log(3.0), np.log(300.0))))
    share = np.clip(0.5 + rng.uniform(0.1, 0.6) * wall_noise(height, width, cells, seed), 0.0, 1.0)
    second = np.asarray(random_colour(rng, 0.0, 1.0), dtype=np.float32)
    picture += share[..., None] * (second - picture)
    canvas = Canvas(np.ascontiguousarray(picture, dtype=np.float32))
    for _ in range(int(rng.integers(0, 14))):
        paint_thing(canvas, rng)
    return canvas.rgb


def paint_thing(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint one loose shape that is no person: a disc, a bar or a box of any texture."""
    height, width = canvas.mask.shape
    x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
    a, b = (float(v) for v in height * rng.uniform(0.02, 0.25, 2))
    angle = float(rng.uniform(0, np.pi))
    kind = rng.integers(3)
    shape: Ellipse | Box | Limb
    if kind == 0:
        shape = Ellipse(x, y, a, b, angle)
    elif kind == 1:
        shape = Box(x, y, a, b, 0.0, angle)
    else:
        dx, dy = 3 * a * np.cos(angle), 3 * a * np.sin(angle)
        shape = Limb(x, y, x + dx, y + dy, 0.4 * b + 1.0, 0.3 * b + 1.0)
    pattern = str(rng.choice(["plain", "stripes", "checks", "marble", "strands"]))
    material = Material(
        random_colour(rng, 0.0, 1.0),
        random_colour(rng, 0.0, 1.0),
        pattern,
        unit=float(height * rng.uniform(0.03, 0.3)),
        grain=float(rng.uniform(0.0, 0.15)),
        folds=float(rng.uniform(0.0, 0.2)),
    )
    paint(canvas, [shape], material, Light(), softness=1.5)


def random_place(rng: np.random.Generator, width: int, height: int) -> Plane:
    """Return any background [height, width, 3], out of focus by a random amount."""
    kind = rng.random()
    painter = room if kind < 0.3 else street if kind < 0.55 else abstract
    picture = painter(rng, width, height)
    radius = int(rng.choice([0, 0, 1, 2, 4]) * height / 144)
    return np.clip(blurred(picture, radius), 0.0, 1.0)
