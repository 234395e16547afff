"""Paint whole people-like figures from a look and a pose; units as in `brush.py`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from scenarios.assets.canvas import Material
from scenarios.assets.faces import paint_back_hair, paint_head
from scenarios.assets.looks import Look, Pose, scaled, skin_material
from scenarios.assets.shapes import Box, Carved, Limb, Shape, United

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.assets.brush import Brush


def reach(start: tuple[float, float], angle: float, length: float) -> tuple[float, float]:
    """Return the end of a bone that hangs from `start`."""
    return (start[0] + length * math.sin(angle), start[1] + length * math.cos(angle))


def paint_figure(brush: Brush, look: Look, pose: Pose) -> None:
    """Paint a whole figure from back to front."""
    paint_legs(brush, look, pose)
    upper = brush.moved(0.0, 2.6, pose.lean).moved(0.0, -2.6, 0.0)
    far, near = (0, 1) if pose.side >= 0 else (1, 0)
    head = upper.moved(0.0, -0.1, pose.tilt)
    paint_back_hair(head, look)
    if pose.side:
        paint_arm(upper, look, pose, far)
    paint_torso(upper, look, pose)
    paint_head(head, look, pose)
    if not pose.side:
        paint_arm(upper, look, pose, far)
    paint_arm(upper, look, pose, near)


def paint_legs(brush: Brush, look: Look, pose: Pose) -> None:
    """Paint both legs, the shoes and, for some, a skirt."""
    narrow = 1.0 - 0.25 * abs(pose.side)
    spread = 0.34 * look.girth * (1.0 - 0.75 * abs(pose.side))
    wide = 0.6 * look.girth * narrow
    brush.fill([brush.limb((0.0, 2.35), (0.0, 2.6), wide, 0.85 * wide)], look.trousers)
    for side, (thigh, shin) in zip((-1.0, 1.0), pose.legs, strict=True):
        hip = (side * spread, 2.75)
        knee = reach(hip, thigh, 1.75)
        ankle = reach(knee, shin, 1.7)
        toe = (ankle[0] + (0.42 * pose.side if pose.side else 0.12 * side), ankle[1] + 0.16)
        shoe = Material(look.shoes, grain=0.05, folds=0.0, unit=0.2, gloss=0.2)
        brush.fill([brush.limb((ankle[0], ankle[1] + 0.1), toe, 0.15, 0.13)], shoe)
        cloth = skin_material(look) if look.skirt else replace(look.trousers, angle=-thigh)
        shade = 0.86 if side * (pose.side or 1.0) < 0 else 1.0
        cloth = replace(cloth, colour=scaled(cloth.colour, shade), origin=knee)
        girth = look.girth * (0.8 if look.skirt else 1.0)
        bones = [
            brush.limb(hip, knee, 0.36 * girth, 0.25 * girth),
            brush.limb(knee, ankle, 0.24 * girth, 0.16 * girth),
        ]
        brush.fill(bones, cloth, blend=0.12)
    if look.skirt:
        brush.fill([brush.limb((0.0, 2.4), (0.0, 2.6), wide, wide)], look.trousers)
        hem = (pose.legs[0][0] + pose.legs[1][0]) * 0.6
        skirt = brush.limb((0.0, 2.5), (hem, 4.3), wide, 1.35 * wide)
        floor = Box(*brush.at(0.0, 6.3), 3.0 * brush.head, 2.0 * brush.head, 0.0, brush.angle)
        brush.fill([Carved(skirt, floor)], look.trousers)


def paint_torso(brush: Brush, look: Look, pose: Pose) -> None:
    """Paint trunk, neck, collar and, for some, an open jacket."""
    narrow = 1.0 - 0.5 * abs(pose.side)
    half, girth = look.shoulders * narrow, look.girth * (1.0 - 0.25 * abs(pose.side))
    trunk = [
        brush.limb((-half + 0.1, 0.3), (half - 0.1, 0.3), 0.3, 0.3),
        brush.limb((-0.12, -0.02), (-half * 0.7, 0.18), 0.14, 0.22),
        brush.limb((0.12, -0.02), (half * 0.7, 0.18), 0.14, 0.22),
        brush.limb((0.0, 0.3), (0.0, 0.55), 0.3, 0.5),
        brush.limb((0.0, 0.9), (0.0, 2.9), 0.72 * girth, 0.64 * girth),
    ]
    below = Box(*brush.at(0.0, 3.95), 2.0 * brush.head, 1.2 * brush.head, 0.0, brush.angle)
    paint_trunk(brush, look, trunk, below)
    dark = scaled(look.shirt.colour, 0.45)
    brush.shade(brush.ellipse(0.55 * narrow, 1.5, 0.3, 1.2), dark, 0.35, 0.5)
    brush.shade(brush.ellipse(-0.1, 1.25, 0.5 * narrow, 0.1), dark, 0.22, 0.25)
    if look.jacket and not pose.side:
        paint_jacket(brush, look, half, girth)
    neck = brush.limb((0.0, -0.5), (0.0, 0.0), 0.19, 0.215)
    opening = brush.ellipse(0.0, 0.04, 0.3 * narrow, 0.21)
    brush.fill([opening], replace(look.shirt, colour=dark, pattern="plain"))
    brush.fill([neck, brush.ellipse(0.0, 0.03, 0.26 * narrow, 0.17)], skin_material(look), 0.1)
    brush.shade(brush.ellipse(0.05, -0.3, 0.24, 0.2), scaled(look.skin, 0.45), 0.5, 0.3)


def paint_trunk(brush: Brush, look: Look, trunk: Sequence[Shape], below: Box) -> None:
    """Paint the shirt down to its hem, with the shadow that it throws on the hips."""
    hem = Limb(*brush.at(-0.6, 2.76), *brush.at(0.6, 2.76), 0.06 * brush.head, 0.06 * brush.head)
    brush.shade(hem, scaled(look.trousers.colour, 0.4), 0.6, 0.2)
    brush.fill([Carved(United(tuple(trunk), 0.25 * brush.head), below)], look.shirt)


def paint_jacket(brush: Brush, look: Look, half: float, girth: float) -> None:
    """Paint two open fronts over the shirt."""
    cloth = Material(look.jacket or look.shirt.colour, grain=0.06, folds=0.12, unit=0.5)
    for side in (-1.0, 1.0):
        front = [
            brush.limb((side * (half - 0.1), 0.3), (side * 0.3, 0.2), 0.3, 0.16),
            brush.limb((side * 0.52, 0.5), (side * 0.56 * girth, 2.6), 0.34, 0.24),
        ]
        brush.fill(front, cloth, blend=0.2)
        edge = brush.limb((side * 0.2, 0.3), (side * 0.33, 2.6), 0.05, 0.05)
        brush.shade(edge, scaled(cloth.colour, 0.35), 0.6, 0.12)


def paint_arm(brush: Brush, look: Look, pose: Pose, index: int) -> None:
    """Paint one arm with sleeve, forearm and hand."""
    side = (-1.0, 1.0)[index]
    upper, lower = pose.arms[index]
    half = look.shoulders * (1.0 - 0.85 * abs(pose.side))
    shoulder = (side * half, 0.33)
    elbow = reach(shoulder, upper, 1.3)
    wrist = reach(elbow, lower, 1.1)
    hand = reach(wrist, lower, 0.2)
    cloth = replace(look.shirt, origin=elbow, angle=-lower)
    if look.jacket:
        cloth = Material(look.jacket, grain=0.06, folds=0.14, unit=0.5, origin=elbow)
    sleeve_upper = [brush.limb(shoulder, elbow, 0.26, 0.19)]
    forearm = [brush.limb(elbow, wrist, 0.18, 0.125)]
    skin = skin_material(look)
    paint_hand(brush, skin, wrist, hand, lower)
    if look.sleeves == "long":
        brush.fill(sleeve_upper + forearm, cloth, blend=0.08)
    else:
        brush.fill(sleeve_upper + forearm, skin, blend=0.08)
        if look.sleeves == "short":
            middle = reach(shoulder, upper, 0.75)
            brush.fill([brush.limb(shoulder, middle, 0.27, 0.26)], cloth)
    crease = brush.limb(
        (shoulder[0] - side * 0.24, shoulder[1] + 0.35),
        (elbow[0] - side * 0.16, elbow[1]),
        0.03,
        0.03,
    )
    brush.shade(crease, scaled(cloth.colour, 0.35), 0.4, 0.14)


def paint_hand(
    brush: Brush,
    skin: Material,
    wrist: tuple[float, float],
    hand: tuple[float, float],
    angle: float,
) -> None:
    """Paint a palm with four fingers and a thumb."""
    palm = [brush.limb(wrist, hand, 0.11, 0.15)]
    for spread in (-0.32, -0.1, 0.12, 0.34):
        tip = reach(hand, angle + spread, 0.36)
        palm.append(brush.limb(reach(hand, angle + spread * 1.3, 0.08), tip, 0.045, 0.035))
    thumb = reach(hand, angle + 1.1, 0.26)
    palm.append(brush.limb(hand, thumb, 0.06, 0.04))
    brush.fill(palm, skin, blend=0.03)
