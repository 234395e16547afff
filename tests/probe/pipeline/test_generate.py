"""Requests are answered by blocks of frames; the clip that comes out is the one that was made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from onnx import TensorProto, helper

from probe.errors import InputError
from probe.pipeline import infer
from probe.pipeline.generator import understand
from probe.pipeline.model_input import Described
from probe.scenario import InferPart


def generator(models: Any, shape: Any = (1, 3, 4, 12, 16), metadata: Any = None) -> Any:
    """Write a generator whose velocity leads from any noise to what `cond` says: grey levels.

    v = (target - x) / (1 - t), so that Euler's steps end exactly at the target.
    """
    import onnx

    floats = TensorProto.FLOAT
    path = models.save(
        "generator.onnx",
        [
            helper.make_node("MatMul", ["cond", "levels"], ["level"]),
            helper.make_node("ReduceMean", ["previous"], ["last"], keepdims=0),
            helper.make_node("Mul", ["last", "tenth"], ["some"]),
            helper.make_node("Add", ["level", "some"], ["target"]),
            helper.make_node("Sub", ["target", "x"], ["way"]),
            helper.make_node("Sub", ["one", "t"], ["left"]),
            helper.make_node("Div", ["way", "left"], ["v"]),
        ],
        [
            helper.make_tensor_value_info("x", floats, shape),
            helper.make_tensor_value_info("t", floats, [1]),
            helper.make_tensor_value_info("cond", floats, [1, 4]),
            helper.make_tensor_value_info("previous", floats, [1, 3, *shape[3:]]),
        ],
        [helper.make_tensor_value_info("v", floats, shape)],
        {
            "levels": np.array([[-0.5], [-0.5], [0.5], [0.5]], np.float32),
            "one": np.float32(1),
            "tenth": np.float32(0.1),
        },
    )
    model = onnx.load(str(path))
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


def load(path: Any, steps: int = 4) -> Any:
    return understand(infer.load(InferPart(model=str(path))), steps)


def test_requests_blocks_and_outputs_are_on_tape(models: Any, programs: Any) -> None:
    account = programs.run(
        {
            "mode": "generate",
            "generate": {"requests": 3, "frames": 10, "steps": 5, "fps": 12, "scale": 2},
            "stage": {"infer": {"model": str(generator(models))}},
            "run": {"duration": "60s"},
        }
    )
    assert account.code == 0, account.stderr
    assert not account.frames, "nothing about it is live"
    assert account.frames_of("request") == [0, 1, 2]
    fact = account.facts["generate"]
    assert (fact["frames"], fact["block_frames"], fact["blocks"]) == (12, 4, 3)
    assert fact["steps"] == 5
    for request in range(3):
        spans = [span for span in account.spans if span["frame"] == request]
        count = {name: len([s for s in spans if s["name"] == name]) for name in STAGES}
        assert count == {"infer": 15, "postprocess": 3, "encode": 12, "render": 12}
    assert account.frames_of("delivered") == sorted([0, 1, 2] * 12)
    assert [mark["output"] for mark in account.marks["presented"]] == list(range(36))
    begun = account.marks["request"][1]["t"]
    times = [mark["t"] for mark in account.marks["delivered"] if mark["frame"] == 1]
    assert begun < min(times)
    for request in range(3):
        with av.open(str(account.out / f"output-{request:04d}.mp4")) as film:
            pictures = list(film.decode(video=0))
        assert [round(picture.time * 12) for picture in pictures] == list(range(12))
        assert (pictures[0].width, pictures[0].height) == (32, 24)
        levels = [picture.to_ndarray(format="gray").mean() for picture in pictures]
        low = 255 * (1 - 0.5) / 2
        first = low if levels[0] < 127 else 255 - low
        assert levels[0] == pytest.approx(first, abs=3), "denoising ended at its target"
        step = 0.05 * 255 / 2 * (1 if first > 127 else -1)
        assert levels[4] == pytest.approx(first + step, abs=3), "the block before was seen"


STAGES = ("infer", "postprocess", "encode", "render")


def test_it_ends_with_its_time(models: Any, programs: Any) -> None:
    account = programs.run(
        {
            "mode": "generate",
            "generate": {"frames": 4, "steps": 1},
            "stage": {"infer": {"model": str(generator(models))}, "encode": {"place": "off"}},
            "run": {"duration": "200ms"},
        }
    )
    assert account.code == 0, account.stderr
    requests = account.marks["request"]
    assert len(requests) >= 2
    assert requests[-1]["t"] - requests[0]["t"] < 250_000_000
    assert not list(account.out.glob("*.mp4"))


def test_the_same_seed_makes_the_same_clip(models: Any) -> None:
    made = load(generator(models))
    one, other, third = (
        made.noise(np.random.default_rng(seed)) for seed in ([7, 1], [7, 1], [8, 1])
    )
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_groups_of_a_condition_come_from_its_description(models: Any) -> None:
    made = load(generator(models, metadata={"liveprobe.cond": "a (x y) then b (p q)"}))
    for seed in range(8):
        wish = made.wish(np.random.default_rng(seed))
        assert wish.shape == (1, 4)
        assert wish[0, :2].sum() == wish[0, 2:].sum() == 1.0


def test_times_follow_the_curve_that_the_model_states(models: Any) -> None:
    path = generator(models, metadata={"liveprobe.times": "0.0,0.1,1.0", "liveprobe.range": "0..1"})
    assert load(path, steps=2).times == (0.0, 0.1, 1.0)
    assert load(path, steps=4).times == pytest.approx((0.0, 0.05, 0.1, 0.55, 1.0))
    assert load(path).range == (0.0, 1.0)
    assert load(generator(models), steps=2).times == (0.0, 0.5, 1.0)


def test_frames_may_come_before_channels(models: Any) -> None:
    path = generator(
        models, (1, 5, 3, 12, 16), metadata={"liveprobe.layout": "x and v: NTCHW; t: [1]"}
    )
    made = load(path)
    assert made.frames == 5
    block = made.noise(np.random.default_rng(1))
    assert np.array_equal(made.planes(block, 2), block[0, 2])


def test_a_model_of_another_kind_is_refused(models: Any) -> None:
    with pytest.raises(InputError, match="not a generator"):
        load(models.identity())


def test_a_block_that_is_none_is_refused(models: Any) -> None:
    floats = TensorProto.FLOAT
    path = models.save(
        "flat.onnx",
        [helper.make_node("Mul", ["x", "t"], ["v"])],
        [
            helper.make_tensor_value_info("x", floats, [1, 8]),
            helper.make_tensor_value_info("t", floats, [1]),
        ],
        [helper.make_tensor_value_info("v", floats, [1, 8])],
    )
    with pytest.raises(InputError, match="not a block of pictures"):
        load(path)


def test_the_built_in_generator_is_understood() -> None:
    from scenarios import assets

    made = load(assets.path("generator_fp32.onnx"))
    assert made.frames == 16
    assert sum(made.condition) == 8
    assert len(made.condition) == 2
    assert made.has_previous
    assert made.range == (-1.0, 1.0)


def described(shape: Any, cond: int = 4) -> Any:
    inputs = (
        Described("x", "tensor(float)", shape),
        Described("t", "tensor(float)", [1]),
        Described("cond", "tensor(float)", [1, cond]),
    )
    return SimpleNamespace(path="m.onnx", inputs=inputs, metadata=dict)


@pytest.mark.parametrize(
    "model",
    [described([1, 3, 2**31, 2**31, 2**31]), described([1, 3, 4, 12, 16], 2**40)],
    ids=["a product that wraps to 0", "a wish of terabytes"],
)
def test_sizes_that_no_memory_holds_are_refused(model: Any) -> None:
    with pytest.raises(InputError):
        understand(model, 4)


@pytest.mark.parametrize("stated", ["1..1", "1..-1", "nan..1", "0..inf"])
def test_a_range_that_is_none_is_not_believed(models: Any, stated: str) -> None:
    path = generator(models, metadata={"liveprobe.range": stated})
    assert load(path).range == (-1.0, 1.0)
