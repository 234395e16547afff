"""Paint heads: hair behind, skull, face, hair on top."""

# ruff: noqa: PLR2004  a drawing is made of numbers; naming each would hide them

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from scenarios.assets.canvas import Material
from scenarios.assets.looks import Look, Pose, hair_material, scaled, skin_material
from scenarios.assets.shapes import Carved, Shape

if TYPE_CHECKING:
    from scenarios.assets.brush import Brush


def paint_back_hair(brush: Brush, look: Look) -> None:
    """Paint the hair that lies behind neck and shoulders."""
    hair = hair_material(look)
    wide = look.face_width
    if look.style == "long":
        locks = [
            brush.limb((0.0, -0.8), (-0.1, 0.45), wide + 0.16, wide + 0.1),
            brush.limb((0.0, -0.8), (0.12, 0.4), wide + 0.16, wide + 0.08),
        ]
        brush.fill(locks, hair, blend=0.1)
    if look.style == "bob":
        brush.fill([brush.limb((0.0, -0.8), (0.0, -0.3), wide + 0.17, wide + 0.14)], hair)
    if look.style == "bun":
        brush.fill([brush.ellipse(0.02, -1.38, 0.2, 0.18)], hair)
    if look.style == "curly":
        brush.fill(curls(brush, look), hair, blend=0.06)


def curls(brush: Brush, look: Look) -> list[Shape]:
    """Return a ring of curls around the skull."""
    ring: list[Shape] = []
    for index in range(13):
        angle = math.pi * (1.0 + (index - 2.0) / 8.0)
        x = (look.face_width + 0.08) * math.cos(angle)
        y = -0.78 + 0.5 * math.sin(angle)
        ring.append(brush.ellipse(x, y, 0.17 + 0.03 * (index % 3), 0.17))
    return ring


def paint_head(brush: Brush, look: Look, pose: Pose) -> None:
    """Paint skull, ears, face and the hair on top."""
    skin = skin_material(look)
    wide, shift = look.face_width, 0.13 * pose.turn
    for side in (-1.0, 1.0):
        if side * pose.turn < 0.55:
            ear = brush.ellipse(side * (wide - 0.01) - 0.5 * shift, -0.72, 0.07, 0.12, side * 0.15)
            brush.fill([ear], replace(skin, colour=scaled(look.skin, 0.88)))
    skull = [
        brush.ellipse(0.0, -0.82, wide, 0.44),
        brush.ellipse(0.35 * shift, -0.56, wide * 0.8, 0.36),
    ]
    brush.fill(skull, skin, blend=0.12)
    far = -1.0 if brush.light.x > 0 else 1.0
    brush.shade(
        brush.ellipse(far * wide * 0.85, -0.65, 0.16, 0.4), scaled(look.skin, 0.5), 0.32, 0.35
    )
    if look.beard:
        beard = [brush.ellipse(0.5 * shift, -0.42, wide * 0.78, 0.25)]
        hole = brush.ellipse(0.8 * shift, -0.62, wide * 0.66, 0.2)
        brush.fill([Carved(beard[0], hole)], hair_material(look))
    paint_face(brush.moved(shift, 0.0, 0.0), look, pose)
    paint_top_hair(brush, look, pose)


def paint_face(brush: Brush, look: Look, pose: Pose) -> None:
    """Paint eyes, brows, nose, mouth and cheeks around the (already turned) middle line."""
    squeeze = 1.0 - 0.25 * abs(pose.turn)
    dark = scaled(look.skin, 0.5)
    for side in (-1.0, 1.0):
        brush.shade(
            brush.ellipse(side * 0.2 * squeeze, -0.58, 0.1, 0.08), (0.85, 0.35, 0.3), 0.18, 0.16
        )
        paint_eye(brush, look, pose, side * 0.155 * squeeze)
    bridge = brush.limb((0.02, -0.78), (0.035 + 0.05 * pose.turn, -0.58), 0.02, 0.045)
    brush.shade(bridge, dark, 0.32, 0.07)
    brush.shade(
        brush.limb((-0.01, -0.76), (0.03 * pose.turn, -0.6), 0.015, 0.03),
        scaled(look.skin, 1.25),
        0.45,
        0.05,
    )
    for side in (-1.0, 1.0):
        nostril = brush.ellipse(side * 0.045 + 0.04 * pose.turn, -0.565, 0.022, 0.014)
        brush.shade(nostril, scaled(look.skin, 0.3), 0.6, 0.03)
    paint_mouth(brush, look, pose, squeeze)


def paint_eye(brush: Brush, look: Look, pose: Pose, x: float) -> None:
    """Paint one eye with its socket, lid and brow."""
    gap = 0.042 * (1.0 - pose.blink)
    dark = scaled(look.skin, 0.5)
    brush.shade(brush.ellipse(x, -0.765, 0.105, 0.07), dark, 0.42, 0.08)
    if gap > 0.008:
        brush.shade(brush.ellipse(x, -0.755, 0.07, gap), (0.93, 0.92, 0.9), 0.95, 0.02)
        iris = x + 0.022 * pose.turn
        brush.shade(
            brush.ellipse(iris, -0.757, 0.034, min(gap, 0.036)), (0.2, 0.13, 0.08), 0.95, 0.012
        )
        brush.shade(brush.ellipse(iris - 0.01, -0.768, 0.009, 0.009), (1.0, 1.0, 1.0), 0.8, 0.01)
    lid = brush.limb((x - 0.07, -0.75 - 0.3 * gap), (x + 0.07, -0.75 - 0.3 * gap), 0.008, 0.008)
    lift = brush.limb((x - 0.07, -0.755), (x, -0.757 - gap), 0.012, 0.014)
    drop = brush.limb((x, -0.757 - gap), (x + 0.07, -0.755), 0.014, 0.012)
    lashes = (0.12, 0.08, 0.07)
    for stroke in (lift, drop) if gap > 0.008 else (lid,):
        brush.shade(stroke, lashes, 0.75, 0.02)
    brow = brush.limb((x - 0.085, -0.865), (x + 0.085, -0.87), 0.02, 0.02)
    brush.shade(brow, scaled(look.hair, 0.8), 0.8, 0.035)
    if look.glasses:
        frame = brush.ellipse(x, -0.755, 0.125, 0.1)
        ring = Carved(frame, brush.ellipse(x, -0.755, 0.105, 0.08))
        brush.shade(ring, (0.08, 0.07, 0.08), 0.9, 0.02)
        brush.shade(brush.ellipse(x - 0.03, -0.79, 0.05, 0.025), (1.0, 1.0, 1.0), 0.25, 0.03)


def paint_mouth(brush: Brush, look: Look, pose: Pose, squeeze: float) -> None:
    """Paint lips; `pose.mouth` opens them."""
    lips = (look.skin[0] * 0.78, look.skin[1] * 0.48, look.skin[2] * 0.48)
    half = 0.125 * squeeze
    opening = 0.012 + 0.05 * pose.mouth
    brush.shade(brush.ellipse(0.0, -0.41, half, 0.035 + 0.5 * opening), lips, 0.85, 0.04)
    brush.shade(brush.ellipse(0.0, -0.415, half * 0.8, opening), (0.22, 0.07, 0.07), 0.9, 0.02)
    if pose.mouth > 0.3:
        teeth = brush.ellipse(0.0, -0.415 - 0.45 * opening, half * 0.6, opening * 0.35)
        brush.shade(teeth, (0.95, 0.93, 0.9), 0.85, 0.02)
    brush.shade(brush.ellipse(0.0, -0.335, 0.09, 0.03), scaled(look.skin, 0.55), 0.35, 0.06)


def paint_top_hair(brush: Brush, look: Look, pose: Pose) -> None:
    """Paint the hair or the cap over the forehead."""
    if look.style == "bald":
        brush.shade(brush.ellipse(-0.12, -1.1, 0.1, 0.06), (1.0, 1.0, 1.0), 0.22, 0.12)
        return
    wide, shift = look.face_width, 0.13 * pose.turn
    crown = brush.ellipse(-0.3 * shift, -0.88, wide + 0.06, 0.46)
    low = {"long": 0.52, "bob": 0.52}.get(look.style, 0.4)
    hole = brush.ellipse(0.06 + 1.2 * shift, -0.55, wide * 0.88, low)
    if look.style == "cap":
        cloth = Material(look.shoes, grain=0.05, folds=0.05, unit=0.3)
        brush.fill([Carved(crown, brush.ellipse(0.0, -0.4, 0.7, 0.58))], cloth)
        brim = brush.limb((-0.3 + 2.2 * shift, -0.97), (0.3 + 2.2 * shift, -0.97), 0.05, 0.05)
        brush.fill([brim], replace(cloth, colour=scaled(look.shoes, 0.6)))
        return
    brush.fill([Carved(crown, hole)], hair_material(look))
    sheen = brush.ellipse(-0.12, -1.18, 0.18, 0.05, -0.25)
    brush.shade(sheen, scaled(look.hair, 2.2), 0.35, 0.12)
