"""Measure the built-in models on held-out scenes and, where present, on real clips.

`python -m scenarios.assets.measure_quality --real FOLDER` prints what ASSETS.toml records. On real
clips there is no ground truth: a published portrait segmenter (SINet) in the same folder stands in
for it, so those figures say how far the two agree, not how right either is.
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scenarios.assets import path
from scenarios.assets.generator_sampling import sample_clip
from scenarios.assets.make_clip import FRAMES as FRAMES_IN_CLIP
from scenarios.assets.make_clip import make_scene, render_frame
from scenarios.assets.onnx_files import mean_iou, planar, session
from scenarios.assets.painterly import painted_bytes
from scenarios.assets.small_clips import ACTIONS, FRAMES, PALETTES, clip
from scenarios.assets.training_scenes import held_out_seed, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
SIZE = (256, 144)
HALF, MIDDLE = 0.5, 127
REFERENCE = "portrait_sinet320_fp32.onnx"
CLIPS = ("webcam_sign_book_vga30.mkv", "juggle_720p24.mp4")
SINET_MEAN = np.array([102.890434, 111.25247, 126.91212], dtype=np.float32)
SINET_SPREAD = np.array([62.93292, 62.82138, 66.355705], dtype=np.float32)


def segmented(model: Path, pictures: Bytes) -> list[npt.NDArray[np.bool_]]:
    """Return the person masks [144, 256] of pictures [n, 144, 256, 3]."""
    net = session(model)
    masks = [net.run(None, {"image": each[None]})[0] for each in planar(pictures)]
    return [np.asarray(mask)[0, 0] > HALF for mask in masks]


def held_out(count: int, width: int = 256, height: int = 144) -> tuple[Bytes, Bytes]:
    """Return `count` scenes that no training saw, and their masks."""
    pairs = [scene(held_out_seed(number), width, height) for number in range(count)]
    return np.stack([one for one, _ in pairs]), np.stack([other for _, other in pairs])


def report_segmenters(count: int) -> Iterator[str]:
    """Yield the IoU of both segmenters on held-out scenes, and how far they agree."""
    pictures, masks = held_out(count)
    truth = list(masks > MIDDLE)
    full = segmented(path("segmenter_fp32.onnx"), pictures)
    small = segmented(path("segmenter_int8.onnx"), pictures)
    yield (
        f"held-out scenes, n={count}: IoU fp32 {mean_iou(truth, full):.3f}, "
        f"int8 {mean_iou(truth, small):.3f}, int8 against fp32 {mean_iou(full, small):.3f}"
    )


def clip_frames(seed: int, step: int) -> tuple[Bytes, Bytes]:
    """Return every `step`-th frame of the maker's clip and its mask, averaged 5x5 to 144x256."""
    pictures, masks = [], []
    made = make_scene(seed)
    for index in range(0, FRAMES_IN_CLIP, step):
        picture, mask = render_frame(made, index)
        pictures.append(picture.reshape(144, 5, 256, 5, 3).mean(axis=(1, 3)))
        masks.append(mask.reshape(144, 5, 256, 5).mean(axis=(1, 3)))
    return np.stack(pictures).astype(np.uint8), np.stack(masks).astype(np.uint8)


def report_on_clips() -> Iterator[str]:
    """Yield the IoU on the built-in clip and on clips of seeds that nothing was made with."""
    for label, seeds in (
        ("built-in clip, seed 7", (7,)),
        ("clips of seeds 101 to 104", range(101, 105)),
    ):
        scores = []
        for seed in seeds:
            pictures, masks = clip_frames(seed, 30)
            found = segmented(path("segmenter_fp32.onnx"), pictures)
            scores.append(mean_iou(list(masks > MIDDLE), found))
        yield f"{label}, every 30th frame: IoU fp32 {np.mean(scores):.3f}"


def decoded(file: Path, size: tuple[int, int], step: int) -> Iterator[Bytes]:
    """Yield every `step`-th frame as RGB at `size` (width, height), stretched to fit."""
    import av

    with av.open(str(file)) as container:
        for frame in islice(container.decode(video=0), 0, None, step):
            picture = frame.to_ndarray(
                width=size[0], height=size[1], format="rgb24", interpolation="BILINEAR"
            )
            yield picture.astype(np.uint8, copy=False)


def reference_masks(folder: Path, file: Path, step: int) -> list[npt.NDArray[np.bool_]]:
    """Return SINet's masks, brought from 320x320 to 144x256 by taking the nearest sample."""
    net = session(folder / REFERENCE, quiet=True)  # it lists weights as inputs
    rows = ((np.arange(SIZE[1]) + 0.5) * 320 / SIZE[1]).astype(int)
    columns = ((np.arange(SIZE[0]) + 0.5) * 320 / SIZE[0]).astype(int)
    masks = []
    for picture in decoded(file, (320, 320), step):
        scaled = (picture[..., ::-1].astype(np.float32) - SINET_MEAN) / SINET_SPREAD / 255.0
        feed = {"data": np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)}
        person = np.asarray(net.run(None, feed)[0])[0, 1] > HALF
        masks.append(person[rows][:, columns])
    return masks


def report_real(folder: Path, step: int = 3) -> Iterator[str]:
    """Yield how far the segmenters agree with SINet on each real clip."""
    for name in CLIPS:
        truth = reference_masks(folder, folder / name, step)
        pictures = np.stack(list(decoded(folder / name, SIZE, step)))
        for model in ("segmenter_fp32.onnx", "segmenter_int8.onnx"):
            guess = segmented(path(model), pictures)
            share = float(np.mean(truth)), float(np.mean(guess))
            yield (
                f"{name}, {model}, n={len(truth)}: IoU with SINet {mean_iou(truth, guess):.3f}; "
                f"area SINet {share[0]:.3f}, ours {share[1]:.3f}"
            )


def similarity(truth: Bytes, guess: Floats) -> tuple[float, float]:
    """Return PSNR (dB) and SSIM (Wang 2004, Gaussian 1.5, brightness) of RGB [h, w, 3]."""
    from scipy.ndimage import gaussian_filter

    weights = np.array([0.2126, 0.7152, 0.0722])
    right = truth.astype(np.float64) / 255.0
    noise = max(float(np.mean((right - guess) ** 2)), 1e-12)
    a, b = right @ weights, guess.astype(np.float64) @ weights
    mean_a, mean_b = gaussian_filter(a, 1.5), gaussian_filter(b, 1.5)
    spread = gaussian_filter(a * a, 1.5) - mean_a**2 + gaussian_filter(b * b, 1.5) - mean_b**2
    both = gaussian_filter(a * b, 1.5) - mean_a * mean_b
    top = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
    ratio = top / ((mean_a**2 + mean_b**2 + 1e-4) * (spread + 9e-4))
    return float(-10.0 * np.log10(noise)), float(np.mean(ratio))


def report_stylizer(pictures: Bytes, label: str) -> Iterator[str]:
    """Yield PSNR and SSIM of stylizer and of the untouched input against the filter."""
    net = session(path("stylizer_fp32.onnx"))
    ours, idle = [], []
    for picture in pictures:
        truth = painted_bytes(picture)
        image = planar(picture[None])
        styled = np.asarray(net.run(None, {"image": image})[0])
        ours.append(similarity(truth, styled[0].transpose(1, 2, 0)))
        idle.append(similarity(truth, image[0].transpose(1, 2, 0)))
    (peak, same), (low, little) = np.mean(ours, axis=0), np.mean(idle, axis=0)
    yield (
        f"stylizer on {label}, n={len(pictures)}: PSNR {peak:.2f} dB, SSIM {same:.3f} "
        f"(input untouched: {low:.2f} dB, {little:.3f})"
    )


def report_generator(count: int, known: int) -> Iterator[str]:
    """Yield motion, and distances to the nearest of `known` training clips, per value in -1..1."""
    net = session(path("generator_fp32.onnx"))
    library = [clip(2 * number) for number in range(known)]
    fresh, joints, motion = [], [], []
    for index in range(count):
        action, palette = index % len(ACTIONS), (index // len(ACTIONS)) % len(PALETTES)
        film = sample_clip(net, 1000 + index, action, palette).astype(np.float32) / 127.5 - 1.0
        steps = np.abs(np.diff(film, axis=0)).mean(axis=(1, 2, 3))
        motion.append(steps.mean())
        joints.append(steps[FRAMES - 1] / max(float(np.median(steps)), 1e-6))
        fresh.append(nearest(film[:FRAMES].transpose(3, 0, 1, 2), library))
    held = [nearest(clip(2 * number + 1)[0][:, :FRAMES], library) for number in range(count)]
    yield (
        f"generator, n={count}: mean change per frame {np.mean(motion):.4f}, "
        f"change at the joint over the median {np.median(joints):.2f}"
    )
    yield (
        f"root mean square distance to the nearest of {known} training clips: "
        f"drawn {np.mean(fresh):.3f} (least {np.min(fresh):.3f}), held-out {np.mean(held):.3f}"
    )


def nearest(block: Floats, library: list[tuple[Floats, Floats]]) -> float:
    """Return the least root mean square distance to the first blocks of a library."""
    return min(float(np.sqrt(np.mean((block - film[:, :FRAMES]) ** 2))) for film, _ in library)


def report(real: Path | None, scenes: int) -> Iterator[str]:
    """Yield every figure as a line."""
    yield from report_segmenters(scenes)
    yield from report_on_clips()
    yield from report_stylizer(held_out(24, 640, 360)[0], "held-out scenes")
    if real:
        yield from report_real(real)
        for name in CLIPS:
            yield from report_stylizer(np.stack(list(decoded(real / name, (640, 360), 20))), name)
    yield from report_generator(16, 600)


def main() -> None:
    """Write all figures as they come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, help="folder with the real clips and SINet")
    parser.add_argument("--scenes", type=int, default=200)
    options = parser.parse_args()
    for line in report(options.real, options.scenes):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
