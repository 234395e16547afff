"""The shipped models do what they were trained for, on scenes that no training saw."""

from __future__ import annotations

import numpy as np
import pytest

from scenarios import assets
from scenarios.assets.generator_sampling import sample_clip
from scenarios.assets.measure_quality import held_out, segmented, similarity
from scenarios.assets.onnx_files import mean_iou, planar, session
from scenarios.assets.painterly import painted_bytes
from scenarios.assets.small_clips import FRAMES, HEIGHT, WIDTH

SCENES = 24
# Measured: 0.754 on these 24 scenes, 0.749 on 200 (ASSETS.toml). The margin of 0.1 leaves room for
# another runtime's arithmetic and for a retrained model of the same kind: one scene deviates by
# 0.2, so a mean over 24 by 0.04. A wrong file or a wrong channel order falls far below.
LEAST_IOU = 0.65
# Measured: 0.956 on these scenes; int8 kernels differ between processors, mostly at the edges.
LEAST_AGREEMENT = 0.85


@pytest.fixture(scope="module")
def scenes() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ...]:
    """Return held-out pictures [SCENES, 144, 256, 3] and masks [SCENES, 144, 256]."""
    return held_out(SCENES)


def test_segmenter_finds_people_in_held_out_scenes(scenes: tuple[np.ndarray, ...]) -> None:
    pictures, masks = scenes
    found = segmented(assets.path("segmenter_fp32.onnx"), pictures)
    assert mean_iou(list(masks > 127), found) > LEAST_IOU


def test_int8_agrees_with_fp32(scenes: tuple[np.ndarray, ...]) -> None:
    full = segmented(assets.path("segmenter_fp32.onnx"), scenes[0])
    small = segmented(assets.path("segmenter_int8.onnx"), scenes[0])
    assert mean_iou(full, small) > LEAST_AGREEMENT


def test_stylizer_is_nearer_to_the_painting_than_its_input() -> None:
    picture = held_out(1, 640, 360)[0][0]
    truth, image = painted_bytes(picture), planar(picture[None])
    styled = session(assets.path("stylizer_fp32.onnx"), 2).run(None, {"image": image})[0]
    assert styled.min() >= 0.0
    assert styled.max() <= 1.0
    ours = similarity(truth, styled[0].transpose(1, 2, 0))
    idle = similarity(truth, image[0].transpose(1, 2, 0))
    assert ours[0] > idle[0] + 2.0
    assert ours[1] > idle[1]


@pytest.fixture(scope="module")
def drawn_clip() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return two blocks of someone waving at noon [32, 48, 64, 3]."""
    return sample_clip(session(assets.path("generator_fp32.onnx"), 2), 5, action=2, palette=0)


def test_generator_repeats_itself_for_a_seed(drawn_clip: np.ndarray) -> None:
    net = session(assets.path("generator_fp32.onnx"), 2)
    assert np.array_equal(sample_clip(net, 5, 2, 0, blocks=1), drawn_clip[:FRAMES])
    assert not np.array_equal(sample_clip(net, 6, 2, 0, blocks=1), drawn_clip[:FRAMES])


def test_generated_frames_have_structure_and_motion(drawn_clip: np.ndarray) -> None:
    assert drawn_clip.shape == (2 * FRAMES, HEIGHT, WIDTH, 3)
    frames = drawn_clip.astype(np.float64)
    frames -= frames.mean(axis=(1, 2), keepdims=True)
    power = np.mean(frames**2)
    beside = np.mean(frames[:, :, 1:] * frames[:, :, :-1]) / power
    assert beside > 0.7  # neighbouring pixels of white noise would give 0
    assert np.sqrt(power) > 15  # a flat picture would give 0
    moved = np.abs(np.diff(drawn_clip.astype(float), axis=0)).mean(axis=(1, 2, 3))
    assert moved.mean() > 0.3


def test_blocks_join_without_a_cut(drawn_clip: np.ndarray) -> None:
    moved = np.abs(np.diff(drawn_clip.astype(float), axis=0)).mean(axis=(1, 2, 3))
    assert moved[FRAMES - 1] < 3.0 * np.median(moved) + 3.0  # measured: 6.4 < 11.7
