"""Models that cannot be used say why; those that can are loaded as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from probe.errors import InputError
from probe.pipeline import infer
from probe.pipeline.item import InvalidFrame, Item
from probe.pipeline.model_input import inspect
from probe.scenario import InferPart, PreprocessPart

if TYPE_CHECKING:
    from pathlib import Path


def load(path: Path, **keys: Any) -> infer.Model:
    return infer.load(InferPart(model=str(path), **keys))


def refused(path: Path, **keys: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        load(path, **keys)
    assert str(path) in caught.value.message
    assert caught.value.remedy
    return caught.value


def spec(path: Path, source: tuple[int, int] = (48, 64), **keys: Any) -> Any:
    model = load(path)
    return inspect(model.inputs, PreprocessPart(**keys), source, str(path))


def unfit(path: Path, **keys: Any) -> str:
    with pytest.raises(InputError) as caught:
        spec(path, **keys)
    assert caught.value.remedy
    return caught.value.message


def test_a_missing_model(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "absent.onnx").message


def test_a_directory(tmp_path: Path) -> None:
    assert "a directory" in refused(tmp_path).message


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    assert "empty" in refused(tmp_path / "m.onnx").message


def test_not_onnx(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_text("this is no model")
    assert "cannot load" in refused(path).message


def test_a_truncated_model(models: Any) -> None:
    path = models.detector(np.zeros((1, 200, 4)), np.zeros((1, 200, 2)))
    path.write_bytes(path.read_bytes()[:-1500])
    assert "cannot load" in refused(path).message


def test_custom_operators(models: Any) -> None:
    shape = [1, 3, 4, 4]
    path = models.save(
        "custom.onnx",
        [helper.make_node("Wobble", ["image"], ["out"], domain="com.example")],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        opsets={"": 17, "com.example": 1},
    )
    error = refused(path)
    assert "com.example" in error.message or "Wobble" in error.message
    assert "operators" in str(error.remedy)


def test_no_provider_of_those_asked_for(models: Any) -> None:
    error = refused(models.identity(), providers=["NoSuchProvider"])
    assert "NoSuchProvider" in error.message
    assert "CPUExecutionProvider" in str(error.remedy)


def test_providers_got_are_told_apart_from_those_asked_for(models: Any) -> None:
    model = load(models.identity(), providers=["NoSuchProvider", "CPUExecutionProvider"])
    assert model.asked == ("NoSuchProvider", "CPUExecutionProvider")
    assert model.got == ("CPUExecutionProvider",)


class Failing:
    """The native session of an accelerator that fails in the midst of a run."""

    def is_webgpu_graph_capture_enabled(self) -> bool:
        return False

    def run(self, *_: Any) -> None:
        raise infer.ort_errors.EPFail("the device is lost")


def test_a_provider_that_fails_ends_the_run_and_is_not_replaced(
    models: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    model = load(models.identity([1, 3, 4, 4]))
    model.session._sess = Failing()
    with pytest.raises(infer.ort_errors.EPFail, match="the device is lost"):
        model.run({"image": np.zeros((1, 3, 4, 4), np.float32)})
    assert capfd.readouterr().out == ""  # ONNX Runtime would say it there, and go on elsewhere
    assert isinstance(model.session._sess, Failing)


def test_pools_do_not_spin_unless_asked(models: Any) -> None:
    for spinning, expected in ((False, "0"), (True, "1")):
        options = infer.options(InferPart(model="x", threads=2, spinning=spinning))
        for pool in ("intra_op", "inter_op"):
            assert options.get_session_config_entry(f"session.{pool}.allow_spinning") == expected
        assert options.intra_op_num_threads == 2


def test_telemetry_is_off_before_the_library_is_loaded() -> None:
    import os

    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_string_input(models: Any) -> None:
    path = models.identity([1, 3, 4, 4], TensorProto.STRING)
    assert "tensor(string)" in unfit(path)


def test_zero_sized_input(models: Any) -> None:
    assert "holds nothing" in unfit(models.identity([1, 3, 0, 32]))


def test_two_inputs(models: Any) -> None:
    shape = [1, 3, 4, 4]
    path = models.save(
        "two.onnx",
        [helper.make_node("Add", ["one", "two"], ["out"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("one", "two")],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
    )
    message = unfit(path)
    assert "2 inputs" in message
    assert "one" in message


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([1, 10], "no picture fits"),
        ([1, 3, 4, 4, 4], "no picture fits"),
        ([8, 3, 24, 32], "8 pictures at once"),
        ([1, 7, 24, 32], "3 channels (RGB) do not fit"),
        ([1, 1, 24, 32], "3 channels (RGB) do not fit"),
        ([1, 3, 20_000, 20_000], "over the limit"),
    ],
)
def test_shapes_that_take_no_picture(models: Any, shape: list[int], words: str) -> None:
    assert words in unfit(models.identity(shape))


@pytest.mark.parametrize(
    ("shape", "keys", "layout", "size"),
    [
        ([1, 3, 24, 32], {}, "NCHW", (24, 32)),
        ([1, 24, 32, 3], {}, "NHWC", (24, 32)),
        (["n", 3, "h", "w"], {}, "NCHW", (48, 64)),
        (["n", "h", "w", 3], {}, "NHWC", (48, 64)),
        ([None, None, None, None], {"size": (10, 12)}, "NCHW", (10, 12)),
        ([1, 3, "h", "w"], {"size": (16, 20)}, "NCHW", (16, 20)),
        ([1, 3, 24, 32], {"size": (16, 20)}, "NCHW", (24, 32)),
        ([3, 24, 32], {}, "NCHW", (24, 32)),
        ([1, 1, 24, 32], {"channels": "GRAY"}, "NCHW", (24, 32)),
        ([1, 3, 24, 3], {"layout": "NHWC"}, "NHWC", (3, 24)),
    ],
)
def test_layout_and_size_are_found(
    models: Any, shape: list[Any], keys: dict[str, Any], layout: str, size: tuple[int, int]
) -> None:
    found = spec(models.identity(shape), **keys)
    assert (found.layout, found.height, found.width) == (layout, *size)
    assert len(found.shape) == len(shape)


def test_a_layout_that_does_not_fit_is_refused(models: Any) -> None:
    assert "as NHWC" in unfit(models.identity([1, 3, 24, 32]), layout="NHWC")


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.FLOAT, np.float32),
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.UINT8, np.uint8),
        (TensorProto.INT8, np.int8),
    ],
)
def test_types_of_pictures(models: Any, kind: int, dtype: Any) -> None:
    assert spec(models.identity([1, 3, 4, 4], kind)).dtype == dtype


def test_running_gives_the_outputs_and_the_buffer_back(models: Any) -> None:
    model = load(models.identity([1, 3, 4, 4]))
    returned = []
    item = Item(3, tensor=np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4))
    item.lease = lambda: returned.append(3)
    (result,) = infer.Infer(model, "image").work(item)
    assert np.array_equal(result.outputs[0].ravel(), np.arange(48))
    assert returned == [3]
    assert result.tensor is None
    with pytest.raises(InvalidFrame):
        infer.Infer(model, "image").work(result)


def test_outputs_without_numbers_are_refused(models: Any) -> None:
    numbers = load(models.identity())
    infer.require_pictures(numbers)
    texts = models.save(
        "texts.onnx",
        [helper.make_node("Cast", ["image"], ["words"], to=TensorProto.STRING)],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("words", TensorProto.STRING, [1, 3, 4, 4])],
    )
    with pytest.raises(InputError, match=r"'words' is tensor\(string\)"):
        infer.require_pictures(load(texts))
