"""Pictures with people and their masks under strong randomisation, for training and held-out tests.

Even seeds are for training and odd seeds are held out: `training_seed` and `held_out_seed` map a
running number to either.
"""

# ruff: noqa: PLR2004  a drawing is made of numbers; naming each would hide them

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scenarios.assets.brush import Brush
from scenarios.assets.canvas import Canvas, Light
from scenarios.assets.figures import paint_figure
from scenarios.assets.looks import random_look, random_pose
from scenarios.assets.make_clip import FRAMES, make_scene, render_frame
from scenarios.assets.places import paint_thing, random_place
from scenarios.assets.textures import blurred, sensor_noise

if TYPE_CHECKING:
    from scenarios.assets.shapes import Plane

Bytes = npt.NDArray[np.uint8]


def training_seed(number: int) -> int:
    """Return the seed of training picture `number`."""
    return 2 * number


def held_out_seed(number: int) -> int:
    """Return the seed of held-out picture `number`."""
    return 2 * number + 1


def random_light(rng: np.random.Generator) -> Light:
    """Return a light from anywhere in front."""
    direction = rng.normal(0.0, 0.6, 2)
    depth = float(rng.uniform(0.3, 1.0))
    x, y, z = np.array([*direction, depth]) / np.linalg.norm([*direction, depth])
    tint = rng.uniform(0.85, 1.1, 3)
    return Light(
        float(x),
        float(y),
        float(z),
        ambient=float(rng.uniform(0.25, 0.7)),
        diffuse=float(rng.uniform(0.2, 0.8)),
        rim=float(rng.uniform(0.0, 0.3)),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
    )


def random_brush(rng: np.random.Generator, canvas: Canvas, light: Light) -> Brush:
    """Return a place for a figure: portrait, waist up or full length."""
    height, width = canvas.mask.shape
    kind = rng.choice(3, p=[0.45, 0.3, 0.25])
    if kind == 0:
        head = height * rng.uniform(0.22, 0.5)
        y = height - head * rng.uniform(0.3, 1.8)
    elif kind == 1:
        head = height * rng.uniform(0.13, 0.24)
        y = height - head * rng.uniform(1.6, 4.0)
    else:
        head = height * rng.uniform(0.06, 0.14)
        y = height * rng.uniform(0.85, 1.05) - 6.4 * head
    x = width * np.clip(rng.normal(0.5, 0.22), 0.0, 1.0)
    return Brush(
        canvas,
        light,
        float(x),
        float(y),
        float(head),
        angle=float(rng.normal(0.0, 0.05)),
        softness=float(rng.uniform(1.0, 2.2)),
    )


def scene(seed: int, width: int = 256, height: int = 144) -> tuple[Bytes, Bytes]:
    """Return a picture [height, width, 3] and its person mask [height, width], 0..255."""
    rng = np.random.default_rng((seed, 31))
    canvas = Canvas(np.ascontiguousarray(random_place(rng, width, height), dtype=np.float32))
    light = random_light(rng)
    count = int(rng.choice([0, 1, 2, 3], p=[0.06, 0.66, 0.2, 0.08]))
    brushes = [random_brush(rng, canvas, light) for _ in range(count)]
    for brush in sorted(brushes, key=lambda each: each.head):
        paint_figure(brush, random_look(rng), random_pose(rng))
        if rng.random() < 0.12:
            paint_thing(canvas, rng)
    return photographed(rng, canvas)


def film_scene(seed: int, width: int = 256, height: int = 144) -> tuple[Bytes, Bytes]:
    """Return one frame of a clip of its own seed, and its mask; five people, often overlapping.

    The seeds of these clips start at 1000, so that the built-in clip is none of them.
    """
    rng = np.random.default_rng((seed, 37))
    made = make_scene(1000 + seed, width, height)
    picture, mask = render_frame(made, int(rng.integers(FRAMES)), width, height)
    canvas = Canvas(picture.astype(np.float32) / np.float32(255.0))
    canvas.mask = mask.astype(np.float32) / np.float32(255.0)
    return photographed(rng, canvas)


def photographed(rng: np.random.Generator, canvas: Canvas) -> tuple[Bytes, Bytes]:
    """Apply what a camera does: exposure, colour cast, contrast, blur, noise."""
    picture: Plane = np.clip(canvas.rgb, 0.0, 1.0)
    picture = picture ** float(np.exp(rng.normal(0.0, 0.25)))
    picture = picture * rng.uniform(0.85, 1.12, 3).astype(np.float32)
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + (picture - grey) * float(rng.uniform(0.0, 1.25))
    middle = float(rng.uniform(0.3, 0.7))
    picture = middle + (picture - middle) * float(rng.uniform(0.6, 1.25))
    picture = picture + float(rng.normal(0.0, 0.06))
    if rng.random() < 0.2:
        picture = blurred(picture.astype(np.float32), int(rng.integers(1, 3)))
    shape = (picture.shape[0], picture.shape[1])
    picture = picture + sensor_noise(rng, shape, float(abs(rng.normal(0.0, 0.022))))
    mask = canvas.mask
    if rng.random() < 0.5:
        picture, mask = picture[:, ::-1], mask[:, ::-1]
    return as_bytes(picture), as_bytes(mask)


def as_bytes(picture: Plane) -> Bytes:
    """Return 0..1 as 0..255."""
    return np.asarray(np.clip(picture * 255.0 + 0.5, 0.0, 255.0), dtype=np.uint8)
