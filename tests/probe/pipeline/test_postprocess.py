"""Outcomes are right in the picture and in the words."""

from __future__ import annotations

import json
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.errors import InputError
from probe.pipeline.boxes import in_source, suppress
from probe.pipeline.composite import Merge
from probe.pipeline.item import InvalidFrame, Item
from probe.pipeline.model_input import ModelInput
from probe.pipeline.planes import view
from probe.pipeline.postprocess import Postprocess, choose
from probe.pipeline.preprocess import Placement, Preprocess
from probe.scenario import PostprocessPart, PreprocessPart

WHOLE = Placement(24, 32, 0, 0, 24, 32)


def noise(size: tuple[int, int] = (96, 128), form: str = "yuv420p", seed: int = 1) -> Any:
    rgb = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=form)


def stage(names: Any, fit: str = "stretch", layout: str = "NCHW", **keys: Any) -> Postprocess:
    shape = (1, 3, 24, 32) if layout == "NCHW" else (1, 24, 32, 3)
    spec = ModelInput("image", np.dtype(np.float32), layout, 3, 24, 32, shape)
    preprocess = Preprocess(spec, PreprocessPart(fit=fit), 1)
    outcome = choose(PostprocessPart(**keys), preprocess, names)
    return Postprocess(outcome, names, preprocess)


def run(post: Postprocess, picture: Any, *outputs: Any) -> tuple[Any, Any]:
    (item,) = post.work(Item(0, picture=picture, outputs=outputs))
    return item.picture, json.loads(item.outcome) if item.outcome else None


def half_mask(layout: str = "NCHW") -> Any:
    mask = np.zeros((1, 1, 24, 32), np.float32)
    mask[:, :, :, :16] = 1.0
    return mask if layout == "NCHW" else np.ascontiguousarray(mask.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "yuv422p10le", "yuv444p", "rgb24"])
@pytest.mark.parametrize("size", [(96, 128), (97, 131)])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_background_blur_keeps_the_person_and_blurs_the_rest(
    form: str, size: tuple[int, int], layout: str
) -> None:
    picture = noise(size, form)
    before = picture.to_ndarray(format="gray").astype(int)
    shown, outcome = run(
        stage(["m"], kind="background-blur", layout=layout), picture, half_mask(layout)
    )
    after = shown.to_ndarray(format="gray").astype(int)
    width = size[1]
    kept, blurred = slice(0, width * 3 // 8), slice(width * 5 // 8, width)
    assert np.abs(after[:, kept] - before[:, kept]).max() <= 3
    assert after[:, blurred].std() < before[:, blurred].std() / 4
    assert after[:, blurred].mean() == pytest.approx(before[:, blurred].mean(), abs=6)
    assert (shown.width, shown.height) == (size[1], size[0])
    assert outcome == {"area": 0.5}


def test_blending_is_exact_where_the_mask_is_whole() -> None:
    below, above, mask = noise(seed=1), noise(seed=2), noise(seed=3)
    for index in range(3):
        plane = view(mask, index)
        plane[:] = 0
        plane[:, : plane.shape[1] // 2] = 255
    merged = Merge()(below, above, mask)
    for index in range(3):
        middle = view(mask, index).shape[1] // 2
        assert np.array_equal(view(merged, index)[:, :middle], view(above, index)[:, :middle])
        assert np.array_equal(view(merged, index)[:, middle:], view(below, index)[:, middle:])


def test_a_size_that_changes_midway_is_followed() -> None:
    post = stage(["m"], kind="background-blur")
    for size in ((96, 128), (48, 64), (96, 128)):
        shown, _ = run(post, noise(size), half_mask())
        assert (shown.height, shown.width) == size


def test_a_drawn_mask_tints_only_what_is_over_the_threshold() -> None:
    picture = noise()
    before = view(picture, 1).astype(int)
    shown, outcome = run(stage(["m"], kind="mask"), picture, half_mask())
    after = view(shown, 1).astype(int)
    assert np.array_equal(after[:, 40:], before[:, 40:])
    assert np.abs(after[:, :24] - before[:, :24]).mean() > 20
    assert outcome == {"area": 0.5}


def test_the_channel_of_a_mask_is_chosen() -> None:
    values = np.stack([np.full((24, 32), 0.1), np.full((24, 32), 0.9)])[None].astype(np.float32)
    assert run(stage(["m"], kind="mask"), noise(), values)[1] == {"area": 1.0}
    assert run(stage(["m"], kind="mask", channel=0), noise(), values)[1] == {"area": 0.0}


@pytest.mark.parametrize("shape", [(24, 32), (1, 24, 32), (1, 1, 24, 32), (1, 2, 12, 16)])
def test_shapes_of_masks(shape: tuple[int, ...]) -> None:
    assert run(stage(["m"], kind="mask"), noise(), np.ones(shape, np.float32))[1] == {"area": 1.0}


@pytest.mark.parametrize("values", [np.zeros(7), np.zeros((1, 2, 3, 4, 5)), ["text"]])
def test_what_is_no_mask_makes_the_frame_invalid(values: Any) -> None:
    with pytest.raises(InvalidFrame):
        run(stage(["m"], kind="mask"), noise(), values)


def test_bars_of_a_letterbox_do_not_count_as_area() -> None:
    # 96 x 128 fits 24 x 32 whole; a 24 x 128 picture lies in rows 9 to 15.
    mask = np.zeros((1, 1, 24, 32), np.float32)
    mask[:, :, 9:15] = 1.0
    post = stage(["m"], fit="letterbox", kind="mask")
    assert run(post, noise((24, 128)), mask)[1] == {"area": 1.0}


def test_not_a_number_does_no_harm() -> None:
    mask = np.full((1, 1, 24, 32), np.nan, np.float32)
    assert run(stage(["m"], kind="background-blur"), noise(), mask)[1] == {"area": 0.0}


def test_boxes_are_told_in_pixels_of_the_source_and_drawn() -> None:
    boxes = [[0.25, 0.25, 0.75, 0.5], [0.26, 0.25, 0.75, 0.5], [0.8, 0.8, 0.9, 0.9], [0, 0, 1, 1]]
    scores = [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.9, 0.1]]
    picture = noise()
    before = view(picture, 0).copy()
    post = stage(["scores", "boxes"], kind="boxes")
    shown, outcome = run(
        post, picture, np.array([scores], np.float32), np.array([boxes], np.float32)
    )
    assert outcome["boxes"] == [
        pytest.approx([32, 24, 96, 48, 0.9], abs=0.01),
        pytest.approx([102.4, 76.8, 115.2, 86.4, 0.7], abs=0.01),
    ]
    after = view(shown, 0)
    assert (after[24:26, 32:96] == 150).all()
    assert np.array_equal(after[30:44, 36:92], before[30:44, 36:92])


def test_boxes_in_a_letterbox_come_back_to_the_source() -> None:
    # A 48 x 128 picture fills 12 of 24 rows of the model's input, from row 6.
    post = stage(["scores", "boxes"], fit="letterbox", kind="boxes")
    box = np.array([[[0.5, 0.25, 1.0, 0.75]]], np.float32)
    _, outcome = run(post, noise((48, 128)), np.array([[[0.0, 1.0]]], np.float32), box)
    assert outcome["boxes"] == [pytest.approx([64, 0, 128, 48, 1.0], abs=0.01)]


def test_no_box_leaves_the_picture_alone() -> None:
    picture = noise()
    post = stage(["scores", "boxes"], kind="boxes")
    zeros = np.zeros((1, 5, 4), np.float32)
    shown, outcome = run(post, picture, np.zeros((1, 5, 2), np.float32), zeros)
    assert shown is picture
    assert outcome == {"boxes": []}


def test_boxes_never_draw_on_what_a_decoder_still_needs(clips: Any) -> None:
    path = clips.make(count=12, size=(128, 96))
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    post = stage(["scores", "boxes"], kind="boxes")
    scores, boxes = np.array([[[0, 1.0]]], np.float32), np.array([[[0, 0, 1, 1]]], np.float32)
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            inner = frame.to_ndarray(format="gray")[8:-8, 8:-8]
            assert np.array_equal(inner, plain[number][8:-8, 8:-8])
            run(post, frame, scores, boxes)


def test_more_classes_than_two_leave_out_the_background() -> None:
    scores = np.array([[[0.9, 0.05, 0.05], [0.1, 0.2, 0.7]]], np.float32)
    boxes = np.array([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]], np.float32)
    _, outcome = run(stage(["scores", "boxes"], kind="boxes"), noise(), scores, boxes)
    assert [box[4] for box in outcome["boxes"]] == [pytest.approx(0.7)]


def test_boxes_that_are_not_finite_are_left_out() -> None:
    scores = np.array([[[0, np.nan], [0, 0.9]]], np.float32)
    boxes = np.array([[[0, 0, 1, 1], [np.inf, 0, 1, 1]]], np.float32)
    _, outcome = run(stage(["scores", "boxes"], kind="boxes"), noise(), scores, boxes)
    assert outcome == {"boxes": []}


@pytest.mark.parametrize(
    ("scores", "boxes"),
    [(np.zeros((1, 3, 2)), np.zeros((1, 4, 4))), (np.zeros((1, 4, 2)), np.zeros((1, 4, 5)))],
)
def test_outputs_that_are_no_boxes(scores: Any, boxes: Any) -> None:
    with pytest.raises(InvalidFrame):
        run(stage(["scores", "boxes"], kind="boxes"), noise(), scores, boxes)


corner = st.tuples(*[st.floats(0, 1, width=32)] * 4).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)


def overlap(a: Any, b: Any) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    union = sum(area) - wide * high
    return wide * high / union if union > 0 else 0.0


@given(st.lists(corner, max_size=12))
def test_suppression_keeps_the_best_and_nothing_that_overlaps_it(boxes: Any) -> None:
    kept = suppress(np.array(boxes, np.float32).reshape(-1, 4), 0.5)
    assert list(kept) == sorted(set(kept))
    for one in kept:
        for other in kept:
            assert one == other or overlap(boxes[one], boxes[other]) <= 0.5 + 1e-3
    for gone in set(range(len(boxes))) - set(kept):
        assert any(overlap(boxes[gone], boxes[k]) > 0.5 - 1e-3 for k in kept if k < gone)


def test_boxes_are_cut_at_the_edge_of_the_picture() -> None:
    corners = np.array([[-0.5, -0.5, 1.5, 1.5]], np.float32)
    assert in_source(corners, WHOLE, (48, 64)).tolist() == [[0, 0, 64, 48]]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p"])
def test_an_image_output_is_shown_at_the_size_of_the_source(layout: str, form: str) -> None:
    values = np.empty((1, 3, 12, 16), np.float32)
    for channel, value in enumerate((1.0, 0.5, -1.0)):
        values[:, channel] = value
    if layout == "NHWC":
        values = values.transpose(0, 2, 3, 1)
    picture = noise(form=form)
    post = stage(["out"], kind="image", range=(-1, 1), layout=layout)
    shown, outcome = run(post, picture, values)
    assert (shown.width, shown.height, shown.format.name) == (128, 96, form)
    rgb = shown.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0)
    assert rgb == pytest.approx([255, 191, 0], abs=5)
    assert outcome is None


def test_a_detector_that_finds_nothing_is_no_invalid_frame() -> None:
    post = stage(["s", "b"], kind="boxes", scores="s", boxes="b")
    scores, boxes = np.zeros((1, 0, 2), np.float32), np.zeros((1, 0, 4), np.float32)
    assert run(post, noise(), scores, boxes)[1] == {"boxes": []}


@pytest.mark.parametrize("kind", ["background-blur", "mask", "image"])
def test_an_output_that_holds_nothing_makes_the_frame_invalid(kind: str) -> None:
    with pytest.raises(InvalidFrame, match="holds nothing"):
        run(stage(["m"], kind=kind), noise(), np.zeros((1, 3, 0, 0), np.float32))


def test_an_image_of_two_channels_cannot_be_shown() -> None:
    with pytest.raises(InvalidFrame):
        run(stage(["out"], kind="image"), noise(), np.zeros((1, 2, 8, 8), np.float32))


def test_raw_shows_the_picture_and_tells_shapes() -> None:
    picture = noise()
    shown, outcome = run(stage(["a", "b"], kind="raw"), picture, np.zeros((1, 5)), np.zeros(3))
    assert shown is picture
    assert outcome == {"outputs": {"a": [1, 5], "b": [3]}}


def test_an_output_that_is_not_there_is_an_input_error() -> None:
    for keys in ({"kind": "mask", "output": "nope"}, {"kind": "boxes"}):
        with pytest.raises(InputError, match="it has out"):
            stage(["out"], **keys)
