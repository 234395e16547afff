"""The small clips that the generator learns: one figure that does one thing, two blocks long.

A seed decides place, size, phase, brightness and where the sun hangs; the condition only names the
action and the palette. A block is FRAMES pictures and one repetition of the action; two blocks let
a net learn to go on where another block ended. Figures are painted once per action, palette and
phase, and then set into many clips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from scenarios.assets.brush import Brush
from scenarios.assets.canvas import Canvas, Light, Material, paint, stain
from scenarios.assets.figures import paint_figure
from scenarios.assets.looks import Look, Pose
from scenarios.assets.shapes import Colour, Ellipse
from scenarios.assets.textures import wall_noise

FRAMES, HEIGHT, WIDTH, FPS = 16, 48, 64, 12
OVERSAMPLING = 2
PHASES = 3 * FRAMES
SPRITE_HEAD = 0.125
ACTIONS = ("wave", "sway", "jump", "stride")
PALETTES = ("noon", "dusk", "meadow", "studio")
CONDITIONS = len(ACTIONS) + len(PALETTES)
TURN = 2.0 * math.pi

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Palette:
    """The colours of a small world."""

    wall: Colour
    floor: Colour
    shirt: Colour
    trousers: Colour
    hair: Colour
    skin: Colour


COLOURS: dict[str, Palette] = {
    "noon": Palette(
        (0.62, 0.76, 0.88),
        (0.72, 0.64, 0.5),
        (0.8, 0.2, 0.18),
        (0.2, 0.25, 0.45),
        (0.2, 0.13, 0.09),
        (0.9, 0.7, 0.58),
    ),
    "dusk": Palette(
        (0.42, 0.3, 0.45),
        (0.25, 0.2, 0.28),
        (0.95, 0.66, 0.2),
        (0.5, 0.5, 0.55),
        (0.08, 0.06, 0.06),
        (0.72, 0.5, 0.38),
    ),
    "meadow": Palette(
        (0.72, 0.85, 0.8),
        (0.35, 0.55, 0.25),
        (0.95, 0.93, 0.88),
        (0.45, 0.3, 0.2),
        (0.6, 0.4, 0.18),
        (0.93, 0.75, 0.65),
    ),
    "studio": Palette(
        (0.75, 0.72, 0.68),
        (0.5, 0.48, 0.46),
        (0.1, 0.45, 0.45),
        (0.12, 0.12, 0.15),
        (0.35, 0.33, 0.32),
        (0.45, 0.3, 0.22),
    ),
}


def condition(action: int, palette: int) -> Floats:
    """Return the one-hot vector [CONDITIONS]: actions first, then palettes."""
    vector = np.zeros(CONDITIONS, dtype=np.float32)
    vector[action] = 1.0
    vector[len(ACTIONS) + palette] = 1.0
    return vector


def pose_at(action: str, time: float) -> Pose:
    """Return the posture at `time` in actions (1 is one full repetition)."""
    swing = math.sin(TURN * time)
    if action == "wave":
        arms = ((-0.25, -0.1), (2.3 + 0.15 * swing, 3.1 + 0.6 * swing))
        return Pose(arms=arms, tilt=0.05 * swing)
    if action == "sway":
        return Pose(lean=0.13 * swing, arms=((-0.45, -0.2), (0.45, 0.2)), tilt=-0.1 * swing)
    if action == "jump":
        lift = max(0.0, swing)
        return Pose(
            arms=((-0.3 - 1.9 * lift, -0.2 - 2.2 * lift), (0.3 + 1.9 * lift, 0.2 + 2.2 * lift)),
            legs=((-0.05 - 0.3 * lift, -0.3 * lift), (0.05 + 0.3 * lift, 0.3 * lift)),
        )
    return Pose(
        arms=((-0.5 * swing, 0.35 - 0.5 * swing), (0.5 * swing, 0.35 + 0.5 * swing)),
        legs=((0.5 * swing, 0.3 * swing - 0.15), (-0.5 * swing, -0.3 * swing - 0.15)),
        turn=0.8,
        side=0.85,
    )


@cache
def sprites(action: int, kind: int) -> Floats:
    """Return a figure's repetition [PHASES, 4, 2 * HEIGHT, 2 * WIDTH]: RGB times cover, cover."""
    palette = COLOURS[PALETTES[kind]]
    look = Look(
        palette.skin,
        palette.hair,
        "long" if kind in {1, 2} else "short",
        Material(palette.shirt, folds=0.06, unit=0.5),
        Material(palette.trousers, folds=0.06, unit=0.5),
        (0.15, 0.1, 0.1),
        girth=1.1,
    )
    height, width = HEIGHT * OVERSAMPLING, WIDTH * OVERSAMPLING
    head = SPRITE_HEAD * height
    pictures = np.empty((PHASES, 4, height, width), dtype=np.float32)
    for index in range(PHASES):
        canvas = Canvas(np.zeros((height, width, 3), dtype=np.float32))
        brush = Brush(canvas, Light(), 0.5 * width, height - 6.4 * head, head)
        paint_figure(brush, look, pose_at(ACTIONS[action], index / PHASES))
        pictures[index, :3] = canvas.rgb.transpose(2, 0, 1)
        pictures[index, 3] = canvas.mask
    return pictures


def placing(count: int, source: int, scale: float, offset: float) -> Floats:
    """Return [count, source] weights: target sample i averages its share of the source.

    Target position p shows source position (p - offset) / scale; both count in samples.
    """
    edges = (np.arange(count + 1, dtype=np.float64) - offset) / scale
    low = np.maximum(edges[:-1, None], np.arange(source)[None, :])
    high = np.minimum(edges[1:, None], np.arange(1, source + 1)[None, :])
    return np.asarray(np.maximum(high - low, 0.0) * scale, dtype=np.float32)


def background(rng: np.random.Generator, palette: Palette) -> Floats:
    """Return wall, sun and floor [HEIGHT, WIDTH, 3]."""
    picture = np.empty((HEIGHT, WIDTH, 3), dtype=np.float32)
    picture[:] = palette.wall
    picture *= 1.06 - 0.2 * np.linspace(0.0, 1.0, HEIGHT, dtype=np.float32)[:, None, None]
    canvas = Canvas(picture)
    x, y = float(rng.uniform(0.78, 0.9)) * WIDTH, float(rng.uniform(0.14, 0.24)) * HEIGHT
    disc = Material((0.98, 0.93, 0.75), folds=0.0, grain=0.0)
    stain(canvas, Ellipse(x, y, 11, 11), (1.0, 0.95, 0.8), opacity=0.35, softness=12.0)
    paint(canvas, [Ellipse(x, y, 4.0, 4.0)], disc, Light())
    canvas.rgb[int(0.8 * HEIGHT) :] = palette.floor
    canvas.rgb *= 1.0 + 0.02 * wall_noise(HEIGHT, WIDTH, 40.0, 21)[..., None]
    return canvas.rgb


def clip(seed: int) -> tuple[Floats, Floats]:
    """Return frames [3, 2 * FRAMES, HEIGHT, WIDTH] in -1..1 and the condition [CONDITIONS]."""
    rng = np.random.default_rng((seed, 53))
    action, kind = int(rng.integers(len(ACTIONS))), int(rng.integers(len(PALETTES)))
    place = background(rng, COLOURS[PALETTES[kind]])
    size, start = float(rng.uniform(0.8, 0.88)), int(rng.integers(PHASES))
    x, drift = float(rng.uniform(0.4, 0.54)), float(rng.choice([-1.0, 1.0]))
    tone = np.float32(rng.uniform(0.9, 1.08))
    frames = np.empty((2 * FRAMES, HEIGHT, WIDTH, 3), dtype=np.float32)
    for index in range(2 * FRAMES):
        phase = (start + index * PHASES // FRAMES) % PHASES
        time = index / FRAMES
        shift = 0.1 * drift * math.sin(math.pi * time) if ACTIONS[action] == "stride" else 0.0
        lift = max(0.0, math.sin(TURN * phase / PHASES)) if ACTIONS[action] == "jump" else 0.0
        frames[index] = composed(place, sprites(action, kind)[phase], (x + shift, size, lift))
    frames = np.clip(frames * tone, 0.0, 1.0) * 2.0 - 1.0
    return np.ascontiguousarray(frames.transpose(3, 0, 1, 2)), condition(action, kind)


def composed(place: Floats, sprite: Floats, where: tuple[float, float, float]) -> Floats:
    """Set a figure before `place` [HEIGHT, WIDTH, 3]; `where` is x share, size, lift."""
    x, size, lift = where
    scale = size / OVERSAMPLING
    head = SPRITE_HEAD * size * HEIGHT
    canvas = Canvas(place.copy())
    foot = 0.95 * HEIGHT
    shadow = Ellipse(x * WIDTH, foot - 0.2 * head, (1.5 - 0.6 * lift) * head, 0.35 * head)
    stain(canvas, shadow, (0.05, 0.05, 0.08), opacity=0.45, softness=0.6 * head)
    rows = placing(HEIGHT, sprite.shape[1], scale, foot - size * HEIGHT - 0.8 * lift * head)
    columns = placing(WIDTH, sprite.shape[2], scale, (x - 0.5 * size) * WIDTH)
    small = (rows @ sprite @ columns.T).transpose(1, 2, 0)
    return np.asarray(canvas.rgb * (1.0 - small[..., 3:]) + small[..., :3], dtype=np.float32)
