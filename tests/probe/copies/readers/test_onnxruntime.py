"""Profiles of ONNX Runtime become rows of `ops`, whole or cut short, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from probe.copies.readers import onnxruntime as reader
from probe.errors import InputError


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """Return the profile of three runs of a model that casts, transposes and adds."""
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT, name="widen"),
        helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2], name="planes"),
        helper.make_node("Add", ["t", "t"], ["y"], name="twice"),
    ]
    graph = helper.make_graph(
        nodes,
        "moves",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 32, 48, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 32, 48])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    for _ in range(3):
        session.run(None, {"x": np.zeros((1, 32, 48, 3), np.uint8)})
    return Path(session.end_profiling())


def test_every_execution_of_a_node_is_a_row_with_its_output_bytes(profile: Path) -> None:
    ops = reader.read(profile)
    assert list(ops["node"]) == ["widen", "planes", "twice"] * 3
    assert list(ops["op"][:3]) == ["Cast", "Transpose", "Add"]
    assert set(ops["output_bytes"]) == {32 * 48 * 3 * 4}
    assert set(ops["provider"]) == {"CPUExecutionProvider"}
    assert ops["frame"].isna().all()
    assert (ops["start_ns"].diff().dropna() >= 0).all()


def test_moves_are_the_operators_that_compute_nothing(profile: Path) -> None:
    assert list(reader.moves(reader.read(profile))["op"]) == ["Cast", "Transpose"] * 3


def test_times_count_from_the_begin_that_is_given(profile: Path) -> None:
    plain, aligned = reader.read(profile), reader.read(profile, began_ns=10**15)
    assert ((aligned["start_ns"] - plain["start_ns"]) == 10**15).all()
    assert (
        (aligned["end_ns"] - aligned["start_ns"]) == (plain["end_ns"] - plain["start_ns"])
    ).all()


def test_the_profile_of_a_program_that_died_is_read_to_its_last_whole_event(profile: Path) -> None:
    text = profile.read_text(encoding="utf-8")
    profile.write_text(text[: text.rindex('"name" :"twice')], encoding="utf-8")
    assert list(reader.read(profile)["node"]) == (["widen", "planes", "twice"] * 3)[:-1]


def test_the_recorded_profile_of_another_machine_is_read(real_data: Path, tmp_path: Path) -> None:
    recorded = real_data.parent / "device_samples" / "ort_profile.json"
    if not recorded.exists():
        pytest.skip("the recorded outputs of devices are not here")
    lines = recorded.read_text(encoding="utf-8").splitlines()
    file = tmp_path / "profile.json"
    file.write_text("\n".join(line for line in lines if not line.startswith("//")))
    ops = reader.read(file)
    assert {"ReorderInput", "ReorderOutput", "Conv"} & set(ops["op"])
    assert ops["output_bytes"].dropna().gt(0).all()


@pytest.mark.parametrize(
    "text",
    ["", "{}", "null", '"text"', "[" * 5000 + "\n]", "\x00\x01"],
    ids=["empty", "object", "null", "text", "deep", "binary"],
)
def test_what_is_no_profile_is_an_input_error(text: str, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        reader.read(file)
    assert str(file) in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["[", "[1, 2", "[\n"])
def test_a_profile_that_has_just_begun_has_no_rows(text: str, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text, encoding="utf-8")
    assert len(reader.read(file)) == 0


@pytest.mark.parametrize(
    "event",
    [
        {"cat": "Node", "name": "x_kernel_time", "args": "text"},
        {"cat": "Node", "name": 7, "args": {}},
        {"cat": "Node", "name": "x_kernel_time", "ts": "soon", "dur": -4, "args": {}},
        {"cat": "Node", "name": "x_kernel_time", "ts": 1e300, "args": {"output_size": "9" * 40}},
        [],
        None,
    ],
)
def test_an_absurd_event_gives_no_absurd_row(event: Any, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(json.dumps([event]), encoding="utf-8")
    ops = reader.read(file)
    assert ops[["start_ns", "end_ns", "output_bytes"]].isna().all(axis=None)
