"""The maker draws the same scene for the same seed, and the scene holds people that move."""

from __future__ import annotations

import hashlib

import av
import numpy as np
import pytest

from scenarios import assets
from scenarios.assets.make_clip import FRAMES, Scene, make_scene, render_frame
from scenarios.assets.training_scenes import held_out_seed, scene, training_seed

WIDTH, HEIGHT = 320, 180


@pytest.fixture(scope="module")
def small_scene() -> Scene:
    """Return the shipped clip's scene at a quarter of its size."""
    return make_scene(7, WIDTH, HEIGHT)


def test_same_seed_gives_the_same_pixels(small_scene: Scene) -> None:
    first, first_mask = render_frame(small_scene, 40, WIDTH, HEIGHT)
    second, second_mask = render_frame(make_scene(7, WIDTH, HEIGHT), 40, WIDTH, HEIGHT)
    digests = {hashlib.sha256(each.tobytes()).hexdigest() for each in (first, second)}
    assert len(digests) == 1
    assert np.array_equal(first_mask, second_mask)


def test_other_seed_gives_another_scene(small_scene: Scene) -> None:
    first, _ = render_frame(small_scene, 40, WIDTH, HEIGHT)
    other, _ = render_frame(make_scene(8, WIDTH, HEIGHT), 40, WIDTH, HEIGHT)
    assert np.abs(first.astype(int) - other.astype(int)).mean() > 10


def test_motion_is_periodic(small_scene: Scene) -> None:
    start = render_frame(small_scene, 0, WIDTH, HEIGHT)[1].astype(int)
    after_end = render_frame(small_scene, FRAMES, WIDTH, HEIGHT)[1].astype(int)
    last = render_frame(small_scene, FRAMES - 1, WIDTH, HEIGHT)[1].astype(int)
    middle = render_frame(small_scene, FRAMES // 2, WIDTH, HEIGHT)[1].astype(int)
    assert np.array_equal(start, after_end)
    assert np.abs(start - last).mean() < 0.25 * np.abs(start - middle).mean()


def test_people_fill_a_plausible_share(small_scene: Scene) -> None:
    _, mask = render_frame(small_scene, 100, WIDTH, HEIGHT)
    assert 0.1 < np.mean(mask > 127) < 0.5


def test_shipped_clip_is_what_the_maker_draws() -> None:
    expected, _ = render_frame(make_scene(7), 0)
    with av.open(str(assets.path("people_720p30.mp4"))) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    error = np.mean((expected.astype(float) - shown.astype(float)) ** 2)
    assert 10 * np.log10(255**2 / error) > 28  # measured 35 dB; another seed gives 13


def test_training_and_held_out_seeds_never_meet() -> None:
    numbers = range(500)
    assert not {training_seed(n) for n in numbers} & {held_out_seed(n) for n in numbers}


def test_training_scene_is_deterministic_and_consistent() -> None:
    picture, mask = scene(11, 128, 72)
    again, mask_again = scene(11, 128, 72)
    assert picture.shape == (72, 128, 3)
    assert mask.shape == (72, 128)
    assert np.array_equal(picture, again)
    assert np.array_equal(mask, mask_again)
