"""What people look like and how they hold themselves: drawn at random or in quiet clothes."""

# ruff: noqa: PLR2004  a drawing is made of numbers; naming each would hide them

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from scenarios.assets.canvas import Material

if TYPE_CHECKING:
    from scenarios.assets.shapes import Colour

SKINS: tuple[Colour, ...] = (
    (0.93, 0.76, 0.66),
    (0.87, 0.67, 0.55),
    (0.78, 0.57, 0.44),
    (0.64, 0.44, 0.32),
    (0.48, 0.32, 0.23),
    (0.34, 0.22, 0.16),
)

HAIRS: tuple[Colour, ...] = (
    (0.09, 0.07, 0.06),
    (0.20, 0.13, 0.09),
    (0.36, 0.23, 0.13),
    (0.55, 0.38, 0.20),
    (0.76, 0.62, 0.38),
    (0.52, 0.50, 0.48),
    (0.45, 0.18, 0.10),
)

CLOTHES: tuple[Colour, ...] = (
    (0.16, 0.22, 0.38),
    (0.48, 0.16, 0.18),
    (0.40, 0.43, 0.28),
    (0.76, 0.58, 0.24),
    (0.55, 0.56, 0.58),
    (0.86, 0.84, 0.79),
    (0.30, 0.42, 0.56),
    (0.18, 0.42, 0.42),
    (0.70, 0.40, 0.30),
)

STYLES = ("short", "long", "bob", "bun", "curly", "cap", "bald")

SLEEVES = ("long", "short", "none")


@dataclass(frozen=True)
class Look:
    """What does not change while a figure moves."""

    skin: Colour
    hair: Colour
    style: str
    shirt: Material
    trousers: Material
    shoes: Colour
    sleeves: str = "long"
    girth: float = 1.0
    shoulders: float = 0.86
    face_width: float = 0.37
    glasses: bool = False
    beard: bool = False
    jacket: Colour | None = None
    skirt: bool = False


@dataclass(frozen=True)
class Pose:
    """Joint angles in radians; 0 hangs straight down, positive turns to the picture's right.

    `turn` looks to the left (-1) or right (1); `arms` and `legs` are (upper, lower) pairs, left of
    the picture first.
    """

    lean: float = 0.0
    tilt: float = 0.0
    turn: float = 0.0
    arms: tuple[tuple[float, float], tuple[float, float]] = ((-0.15, -0.05), (0.15, 0.05))
    legs: tuple[tuple[float, float], tuple[float, float]] = ((-0.03, 0.0), (0.03, 0.0))
    blink: float = 0.0
    mouth: float = 0.0
    side: float = 0.0


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a brighter or darker colour."""
    red, green, blue = colour
    return (min(red * factor, 1.0), min(green * factor, 1.0), min(blue * factor, 1.0))


def random_colour(rng: np.random.Generator, low: float = 0.05, high: float = 0.9) -> Colour:
    """Return a colour whose channels are even in [low, high]."""
    red, green, blue = rng.uniform(low, high, 3)
    return (float(red), float(green), float(blue))


def random_cloth(rng: np.random.Generator) -> Material:
    """Return a cloth; half of them are plain."""
    patterns = ("plain", "plain", "plain", "stripes", "checks", "dots", "marble")
    colour = random_colour(rng)
    value = float(rng.uniform(0.1, 0.9))
    greyness = float(rng.choice([0.0, 0.5, 0.85]))
    mixed = tuple(channel + (value - channel) * greyness for channel in colour)
    return Material(
        (mixed[0], mixed[1], mixed[2]),
        random_colour(rng),
        str(rng.choice(patterns)),
        unit=float(rng.uniform(0.12, 0.6)),
        grain=float(rng.uniform(0.02, 0.12)),
        folds=float(rng.uniform(0.05, 0.25)),
    )


def random_look(rng: np.random.Generator) -> Look:
    """Return a person drawn at random."""
    skin = SKINS[rng.integers(len(SKINS))]
    warmth = rng.uniform(0.9, 1.08, 3)
    style = str(rng.choice(STYLES, p=[0.3, 0.2, 0.14, 0.08, 0.12, 0.08, 0.08]))
    return Look(
        skin=(skin[0] * warmth[0], skin[1] * warmth[1], skin[2] * warmth[2]),
        hair=HAIRS[rng.integers(len(HAIRS))],
        style=style,
        shirt=random_cloth(rng),
        trousers=random_cloth(rng),
        shoes=random_colour(rng, 0.03, 0.6),
        sleeves=str(rng.choice(SLEEVES, p=[0.5, 0.35, 0.15])),
        girth=float(rng.uniform(0.8, 1.2)),
        shoulders=float(rng.uniform(0.74, 0.98)),
        face_width=float(rng.uniform(0.34, 0.41)),
        glasses=bool(rng.random() < 0.2),
        beard=bool(rng.random() < 0.2 and style not in {"long", "bob", "bun"}),
        jacket=random_colour(rng) if rng.random() < 0.25 else None,
        skirt=bool(rng.random() < 0.12),
    )


def everyday_look(rng: np.random.Generator) -> Look:
    """Return a person drawn at random in quiet clothes."""
    look = random_look(rng)
    tops = rng.permutation(len(CLOTHES))
    pattern = str(rng.choice(["plain", "plain", "stripes", "checks"]))
    first, second = CLOTHES[tops[0]], CLOTHES[tops[1]]
    shirt = Material(first, scaled(first, 0.7), pattern, unit=0.22, grain=0.05, folds=0.06)
    trousers = Material(scaled(second, 0.7), grain=0.06, folds=0.06, unit=0.5)
    jacket = scaled(CLOTHES[tops[2]], 0.9) if look.jacket else None
    return replace(look, shirt=shirt, trousers=trousers, jacket=jacket, skirt=False)


def random_pose(rng: np.random.Generator) -> Pose:
    """Return a posture drawn at random: resting, gesturing or walking."""
    side = float(rng.choice([0.0, 0.0, 0.0, -0.9, 0.9]))
    swing = float(rng.uniform(-0.5, 0.5)) if side else float(rng.uniform(-0.12, 0.12))
    return Pose(
        lean=float(rng.normal(0.0, 0.07)),
        tilt=float(rng.normal(0.0, 0.12)),
        turn=float(np.clip(side or rng.normal(0.0, 0.45), -1.0, 1.0)),
        arms=(random_arm(rng, -1.0), random_arm(rng, 1.0)),
        legs=((swing - 0.04, swing * 0.5), (0.04 - swing, -swing * 0.5)),
        blink=float(rng.random() < 0.1),
        mouth=float(rng.uniform(0.0, 0.6)),
        side=side,
    )


def random_arm(rng: np.random.Generator, side: float) -> tuple[float, float]:
    """Return an arm that hangs, is folded before the body, or is raised."""
    kind = rng.integers(4)
    if kind <= 1:
        upper = side * rng.uniform(0.02, 0.5)
        return float(upper), float(upper + rng.uniform(-0.5, 0.4))
    if kind == 2:
        return float(side * rng.uniform(0.05, 0.6)), float(-side * rng.uniform(0.6, 2.6))
    upper = side * rng.uniform(0.2, 2.4)
    return float(upper), float(side * rng.uniform(1.6, 3.6))


def skin_material(look: Look) -> Material:
    """Return the skin with faint texture."""
    return Material(look.skin, grain=0.025, folds=0.035, unit=0.5, gloss=0.05)


def hair_material(look: Look) -> Material:
    """Return hair with strands and a sheen."""
    light = scaled(look.hair, 1.5)
    return Material(look.hair, light, "strands", unit=0.55, grain=0.1, folds=0.1, gloss=0.1)
