"""Make the built-in clip: people in a room, seen by a noisy camera that sways a little.

`python -m scenarios.assets.make_clip --seed 7 -o people_720p30.mp4` renders 12 s at 1280x720 and
30 fps with numpy and encodes H.264 with PyAV. Every motion repeats after 12 s, so that the clip
loops without a jump; only the sensor noise and the encoder differ at the seam.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scenarios.assets.brush import Brush
from scenarios.assets.canvas import Canvas, Light, stain
from scenarios.assets.figures import paint_figure
from scenarios.assets.looks import Look, Pose, everyday_look
from scenarios.assets.rooms import room
from scenarios.assets.shapes import Ellipse, Plane
from scenarios.assets.textures import blurred, sensor_noise

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 30, 12
FRAMES = FPS * SECONDS
MARGIN = 24
TURN = 2.0 * math.pi
SHUT = 0.03


@dataclass(frozen=True)
class Scene:
    """Everything that a seed decides; pictures are [HEIGHT + 2 MARGIN, WIDTH + 2 MARGIN, 3]."""

    background: Plane
    looks: tuple[Look, ...]
    light: Light
    noise: tuple[Plane, ...]
    vignette: Plane


def make_scene(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Scene:
    """Return the scene of a seed."""
    rng = np.random.default_rng(seed)
    scale = height / HEIGHT
    margin = round(MARGIN * scale)
    background = room(rng, width + 2 * margin, height + 2 * margin)
    looks = tuple(everyday_look(rng) for _ in range(5))
    noise = tuple(sensor_noise(rng, (height + 64, width + 64), 1.0) for _ in range(3))
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    vignette = (1.04 - 0.16 * (x * x + y * y))[..., None]
    light = Light(-0.62, -0.45, 0.64, ambient=0.5, diffuse=0.62, tint=(1.03, 1.0, 0.95))
    return Scene(blurred(background, round(2 * scale)), looks, light, noise, vignette)


def camera_shift(phase: float, scale: float) -> tuple[float, float]:
    """Return how far the camera points to the right and down, pixels, at `phase` 0..1."""
    x = 9.0 * math.sin(TURN * phase) + 2.2 * math.sin(TURN * 5 * phase + 1.0)
    y = 5.0 * math.sin(TURN * 2 * phase + 0.6) + 1.5 * math.sin(TURN * 7 * phase)
    return x * scale, y * scale


def cropped(picture: Plane, left: float, top: float, width: int, height: int) -> Plane:
    """Cut [height, width, 3] at a fractional position with bilinear interpolation."""
    column, row = math.floor(left), math.floor(top)
    dx, dy = np.float32(left - column), np.float32(top - row)
    part = picture[row : row + height + 1, column : column + width + 1]
    rows = part[:-1] + dy * (part[1:] - part[:-1])
    return np.asarray(rows[:, :-1] + dx * (rows[:, 1:] - rows[:, :-1]), dtype=np.float32)


def walking(phase: float, side: float, steps: int) -> Pose:
    """Return a walker in mid-stride; `steps` double steps per clip."""
    swing = math.sin(TURN * steps * phase)
    other = math.cos(TURN * steps * phase)
    lift = 0.45 * side
    return Pose(
        lean=0.04 * side,
        turn=0.85 * side,
        side=0.9 * side,
        arms=(
            (-0.42 * swing, -0.42 * swing + 0.35 * side),
            (0.42 * swing, 0.42 * swing + 0.35 * side),
        ),
        legs=(
            (0.42 * swing, 0.42 * swing - lift * max(0.0, other)),
            (-0.42 * swing, -0.42 * swing - lift * max(0.0, -other)),
        ),
    )


def waving(phase: float) -> Pose:
    """Return the standing man who lifts his arm and waves twice per clip."""
    lift = 0.5 - 0.5 * math.cos(TURN * 2 * phase)
    lift = lift * lift * (3.0 - 2.0 * lift)
    wave = 0.35 * math.sin(TURN * 24 * phase) * lift
    sway = math.sin(TURN * 3 * phase)
    return Pose(
        lean=0.03 * sway,
        tilt=0.06 * math.sin(TURN * 4 * phase + 1.0),
        turn=0.35 * math.sin(TURN * phase),
        arms=((-0.2 - 1.5 * lift, -0.1 - 2.9 * lift + wave), (0.18, 0.05 - 0.2 * sway)),
        legs=((-0.1 - 0.02 * sway, -0.06), (0.1 - 0.02 * sway, 0.06)),
        blink=blink(phase, 0.3),
    )


def talking(phase: float) -> Pose:
    """Return the portrait figure that talks, nods and gestures with one hand."""
    gesture = 0.5 - 0.5 * math.cos(TURN * 3 * phase)
    speech = max(0.0, math.sin(TURN * 31 * phase) * math.sin(TURN * 4 * phase + 0.5))
    return Pose(
        lean=0.035 * math.sin(TURN * 2 * phase),
        tilt=0.07 * math.sin(TURN * 3 * phase + 0.7),
        turn=0.42 * math.sin(TURN * 2 * phase + 1.2),
        arms=(
            (-0.2 - 0.06 * gesture, -0.1 + 0.1 * gesture),
            (0.2 + 0.12 * gesture, 0.1 + 2.95 * gesture + 0.16 * math.sin(TURN * 15 * phase)),
        ),
        blink=blink(phase, 0.0),
        mouth=0.8 * speech,
    )


def blink(phase: float, offset: float) -> float:
    """Return 1 while the eyes are shut: three times per clip, a tenth of a second each."""
    return 1.0 if ((phase + offset) * 3.0) % 1.0 < SHUT else 0.0


def paint_people(canvas: Canvas, scene: Scene, phase: float, shift: tuple[float, float]) -> None:
    """Paint everyone from far to near; the camera's shift grows with nearness."""
    height, width = canvas.mask.shape
    unit = height / 720.0
    first, second, third, fourth, portrait = scene.looks
    across = width / unit + 300.0

    def brush(x: float, y: float, head: float, parallax: float, softness: float) -> Brush:
        return Brush(
            canvas,
            scene.light,
            x * unit - parallax * shift[0],
            y * unit - parallax * shift[1],
            head * unit,
            softness=max(1.0, softness * unit),
        )

    x = (phase * across + 500.0) % across - 150.0
    stroll(brush(x, 300.0, 52.0, 1.05, 2.6), first, walking(phase, 0.95, 9))
    stand(brush(330.0, 318.0, 58.0, 1.1, 2.2), second, waving(phase))
    x = across - (phase * across + 1000.0) % across - 150.0
    stroll(brush(x, 292.0, 66.0, 1.2, 1.8), third, walking(phase, -0.95, 8))
    sway = 6.0 * math.sin(TURN * 2 * phase)
    stand(brush(620.0 + sway, 352.0, 61.0, 1.15, 2.0), fourth, resting(phase))
    x = 890.0 + 8.0 * math.sin(TURN * 2 * phase + 0.4)
    y = 487.0 + 4.0 * math.sin(TURN * 3 * phase)
    paint_figure(brush(x, y, 158.0, 1.6, 1.3), portrait, talking(phase))


def resting(phase: float) -> Pose:
    """Return someone who stands with folded arms and looks around."""
    sway = math.sin(TURN * 2 * phase)
    return Pose(
        lean=0.02 * sway,
        tilt=0.05 * math.sin(TURN * 5 * phase),
        turn=0.5 * math.sin(TURN * phase + 2.0),
        arms=((-0.25, 1.35 + 0.05 * sway), (0.25, -1.45 - 0.05 * sway)),
        legs=((-0.08 - 0.015 * sway, -0.04), (0.08 - 0.015 * sway, 0.04)),
        blink=blink(phase, 0.15),
    )


def stroll(brush: Brush, look: Look, pose: Pose) -> None:
    """Paint a walker, who bobs with every step."""
    bob = abs(pose.legs[0][0]) * 0.22
    stand(brush.moved(0.0, bob, 0.0), look, pose)


def stand(brush: Brush, look: Look, pose: Pose) -> None:
    """Paint a full-length figure with the shadow below its feet."""
    for reach, opacity in ((1.5, 0.3), (0.8, 0.4)):
        shadow = Ellipse(
            brush.x + 0.4 * brush.head,
            brush.y + 6.35 * brush.head,
            reach * brush.head,
            0.3 * brush.head,
        )
        stain(brush.canvas, shadow, (0.06, 0.05, 0.05), opacity=opacity, softness=0.5 * brush.head)
    paint_figure(brush, look, pose)


def render_frame(
    scene: Scene, index: int, width: int = WIDTH, height: int = HEIGHT
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return frame `index` as RGB [height, width, 3] and mask [height, width], 0..255."""
    phase = (index % FRAMES) / FRAMES
    scale = height / HEIGHT
    margin = round(MARGIN * scale)
    shift = camera_shift(phase, scale)
    canvas = Canvas(cropped(scene.background, margin + shift[0], margin + shift[1], width, height))
    paint_people(canvas, scene, phase, shift)
    flicker = 1.0 + 0.012 * math.sin(TURN * 6 * phase)
    picture = canvas.rgb * (scene.vignette * np.float32(flicker))
    rng = np.random.default_rng((index, 977))
    row, column = rng.integers(0, 64, 2)
    noise = scene.noise[index % len(scene.noise)][row : row + height, column : column + width]
    picture += noise * (0.008 + 0.008 * np.sqrt(np.clip(picture, 0.0, 1.0)))
    return to_bytes(picture), to_bytes(canvas.mask)


def to_bytes(picture: Plane) -> npt.NDArray[np.uint8]:
    """Return 0..1 as 0..255."""
    return np.asarray(np.clip(picture * 255.0 + 0.5, 0.0, 255.0), dtype=np.uint8)


def frames(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield all frames [height, width, 3] of a seed."""
    scene = make_scene(seed, width, height)
    for index in range(FRAMES):
        yield render_frame(scene, index, width, height)[0]


def encode(pictures: Iterator[npt.NDArray[np.uint8]], target: Path, crf: int) -> None:
    """Write H.264 without B-frames, BT.709 limited range, a keyframe every second."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    with av.open(str(target), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.colorspace = 1
        stream.codec_context.color_primaries = 1
        stream.codec_context.color_trc = 1
        stream.options = {
            "crf": str(crf),
            "preset": "slow",
            "tune": "grain",
            "bf": "0",
            "g": str(FPS),
            "threads": "1",
        }
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p",
                src_colorspace=Colorspace.ITU709,
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def main() -> None:
    """Render and encode the clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--crf", type=int, default=26)
    parser.add_argument("-o", "--output", type=Path, default=Path("people_720p30.mp4"))
    options = parser.parse_args()
    encode(frames(options.seed), options.output, options.crf)


if __name__ == "__main__":
    main()
