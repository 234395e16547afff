"""The model's input holds the right colours at the right places."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from probe.pipeline.item import Item
from probe.pipeline.model_input import ModelInput
from probe.pipeline.preprocess import Preprocess, place
from probe.scenario import PreprocessPart

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def spec(
    layout: str = "NCHW", dtype: Any = np.float32, size: Any = (16, 24), channels: int = 3
) -> Any:
    picture = (channels, *size) if layout == "NCHW" else (*size, channels)
    return ModelInput("image", np.dtype(dtype), layout, channels, *size, (1, *picture))


def flat(
    colour: Any, size: tuple[int, int] = (48, 64), form: str = "yuv420p", full: bool = False
) -> Any:
    rgb = np.empty((*size, 3), np.uint8)
    rgb[:] = colour
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    return frame.reformat(format=form, dst_color_range="JPEG" if full else "MPEG")


def run(stage: Preprocess, picture: Any) -> Any:
    item = Item(0, picture=picture)
    (result,) = stage.work(item)
    return result


@pytest.mark.parametrize("form", ["yuv420p", "yuv422p", "yuv444p10le", "nv12", "rgb24"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("colour", [RED, GREEN, BLUE, WHITE, (0, 0, 0), (100, 150, 200)])
def test_colours_survive_every_format_and_range(form: str, full: bool, colour: Any) -> None:
    part = PreprocessPart(range=(0, 255))
    values = run(Preprocess(spec(), part, 2), flat(colour, form=form, full=full)).tensor
    assert values.mean(axis=(0, 2, 3)) == pytest.approx(colour, abs=4)


def test_yuvj_is_full_range() -> None:
    picture = av.VideoFrame(64, 48, "yuvj420p")
    for plane, sample in zip(picture.planes, (255, 128, 128), strict=True):
        np.frombuffer(plane, np.uint8)[:] = sample  # type: ignore[call-overload]
    picture.color_range = 2
    values = run(Preprocess(spec(), PreprocessPart(range=(0, 255)), 2), picture).tensor
    assert values.min() >= 254


@pytest.mark.parametrize(("channels", "order"), [("RGB", (0, 1, 2)), ("BGR", (2, 1, 0))])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_order_and_normalisation(channels: Any, order: Any, layout: str) -> None:
    part = PreprocessPart(
        channels=channels, range=(-1, 1), mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 2]
    )
    values = run(Preprocess(spec(layout), part, 2), flat((200, 100, 50))).tensor
    axes = (0, 2, 3) if layout == "NCHW" else (0, 1, 2)
    pixels = np.array((200, 100, 50))[list(order)] / 255 * 2 - 1
    expected = (pixels - [0.1, 0.2, 0.3]) / [0.5, 0.25, 2]
    assert values.mean(axis=axes) == pytest.approx(expected, abs=0.08)
    assert values.flags.c_contiguous


def test_grey() -> None:
    part = PreprocessPart(channels="GRAY", range=(0, 255))
    values = run(Preprocess(spec(channels=1), part, 2), flat((90, 90, 90))).tensor
    assert values.mean() == pytest.approx(90, abs=2)


@pytest.mark.parametrize(
    ("dtype", "scale", "expected"),
    [(np.uint8, (0, 255), 200), (np.int8, (-128, 127), 72), (np.float16, (0, 1), 200 / 255)],
)
def test_types(dtype: Any, scale: Any, expected: float) -> None:
    stage = Preprocess(spec(dtype=dtype), PreprocessPart(range=scale), 2)
    values = run(stage, flat((200, 200, 200))).tensor
    assert values.dtype == dtype
    assert float(values.astype(float).mean()) == pytest.approx(
        expected, abs=2 if dtype != np.float16 else 0.01
    )


def test_whole_numbers_are_kept_in_range() -> None:
    stage = Preprocess(spec(dtype=np.uint8), PreprocessPart(range=(-100, 400)), 2)
    assert run(stage, flat(WHITE)).tensor.min() == 255
    assert run(stage, flat((0, 0, 0))).tensor.max() == 0


def test_a_letterbox_is_centred_and_black() -> None:
    part = PreprocessPart(fit="letterbox", range=(0, 1), mean=[0.5], std=[0.5])
    stage = Preprocess(spec(size=(32, 32)), part, 2)
    for _ in range(3):  # buffers come back dirty
        item = run(stage, flat(WHITE, size=(24, 48)))
        values = item.tensor[0, 0].copy()
        item.tensor[:] = 7
        item.release()
    assert values[:8].max() == values[24:].max() == -1.0
    assert values[9:23].min() == pytest.approx(1.0, abs=0.02)


def test_placement_covers_the_picture_and_no_more() -> None:
    where = place(spec(size=(320, 320)), PreprocessPart(fit="letterbox"), (720, 1280))
    assert (where.inner_height, where.inner_width, where.top, where.left) == (180, 320, 70, 0)
    tall = place(spec(size=(100, 100)), PreprocessPart(fit="letterbox"), (1000, 1))
    assert tall.inner_width == 1


def test_a_new_size_of_picture_is_taken() -> None:
    part = PreprocessPart(fit="letterbox", range=(0, 255))
    stage = Preprocess(spec(size=(32, 32)), part, 2)
    wide = run(stage, flat(WHITE, size=(16, 64))).tensor[0, 0].copy()
    tall = run(stage, flat(WHITE, size=(64, 16))).tensor[0, 0].copy()
    assert min(wide[16, 0], tall[0, 16]) > 250
    assert max(wide[0, 16], tall[16, 0]) < 5


def test_a_frame_keeps_its_buffer_until_it_lets_go() -> None:
    stage = Preprocess(spec(), PreprocessPart(range=(0, 255)), 1)
    first = run(stage, flat(WHITE))
    second = run(stage, flat((0, 0, 0)))
    assert first.tensor is not second.tensor
    assert first.tensor.min() > 250
    kept = second.tensor
    second.release()
    assert run(stage, flat(RED)).tensor is kept


def test_resizing_filters_differ_but_agree_on_a_flat_picture() -> None:
    rng = np.random.default_rng(3)
    noise = av.VideoFrame.from_ndarray(rng.integers(0, 256, (48, 64, 3), np.uint8), format="rgb24")
    results = {}
    for name in ("bilinear", "bicubic", "area", "nearest"):
        stage = Preprocess(spec(), PreprocessPart(resize=name, range=(0, 255)), 2)
        results[name] = run(stage, noise).tensor.copy()
        assert run(stage, flat((90, 90, 90))).tensor.std() < 1
    assert results["nearest"].std() > results["area"].std()
