"""Profiles of ONNX Runtime become rows of `ops`, whole or cut short, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from probe.errors import InputError
from probe.operators import account
from probe.operators import profile as reader

RECORDINGS = Path(__file__).parents[2] / "devices" / "recordings"


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
    ops = reader.read(profile).ops
    assert list(ops["node"]) == ["widen", "planes", "twice"] * 3
    assert list(ops["op"][:3]) == ["Cast", "Transpose", "Add"]
    assert set(ops["output_bytes"]) == {32 * 48 * 3 * 4}
    assert set(ops["provider"]) == {"CPUExecutionProvider"}
    assert ops["frame"].isna().all()
    assert (ops["start_ns"].diff().dropna() >= 0).all()


def test_moves_are_the_operators_that_compute_nothing(profile: Path) -> None:
    ops = reader.read(profile).ops
    assert list(account.moves(ops)["op"]) == ["Cast", "Transpose"] * 3
    (fused,) = account.account_of(ops.replace({"op": {"Transpose": "TransposeMatMul"}}))
    assert {row.op for row in fused.moves} == {"Cast"}


def test_the_profile_of_a_program_that_died_is_read_to_its_last_whole_event(profile: Path) -> None:
    text = profile.read_text(encoding="utf-8")
    profile.write_text(text[: text.rindex('"name" :"twice')], encoding="utf-8")
    assert list(reader.read(profile).ops["node"]) == (["widen", "planes", "twice"] * 3)[:-1]


def test_a_graph_inside_a_node_is_its_child_and_counts_once(
    branching: Path, profiled: Callable[..., Path]
) -> None:
    found = reader.read(profiled(branching, {"x": np.ones(1000, np.float32)}))
    ops = found.ops
    assert len(found.inferences) == 3
    assert ops["run"].notna().all()
    assert {name: set(rows) for name, rows in ops.groupby("parent")["node"]} == {
        "the_loop": {"inner_exp", "inner_tanh", "keep"},
        "the_if": {"then_relu"},
    }
    for run, rows in ops.groupby("run"):
        assert (rows["node"] == "inner_exp").sum() == 3, "once a round"
        outer = rows[rows["parent"].isna()]
        assert rows["self_ns"].sum() == (outer["end_ns"] - outer["start_ns"]).sum()
        whole = found.inferences[int(run)]
        assert rows["self_ns"].sum() <= whole.end_ns - whole.start_ns


def test_nodes_of_pool_threads_are_of_the_inference_under_way(
    branching: Path, profiled: Callable[..., Path]
) -> None:
    file = profiled(branching, {"x": np.ones(1000, np.float32)}, 4, parallel=True)
    found = reader.read(file)
    assert found.ops["run"].notna().all()
    assert found.ops.groupby("run").size().nunique() == 1
    assert found.ops["run"].nunique() == len(found.inferences) == 4


def test_the_recorded_profile_of_another_machine_is_read(tmp_path: Path) -> None:
    lines = (RECORDINGS / "ort_profile.json").read_text(encoding="utf-8").splitlines()
    file = tmp_path / "profile.json"
    file.write_text("\n".join(line for line in lines if not line.startswith("//")))
    found = reader.read(file)
    assert len(found.inferences) == 3
    assert found.whole
    assert found.damaged == 0
    ops = found.ops
    assert {"ReorderOutput", "Conv", "QuickGelu"} <= set(ops["op"])
    assert ops.groupby("run").size().tolist() == [8, 8, 8]
    first = ops[ops["node"] == "c0_nchwc"].iloc[0]
    assert (first["self_ns"], first["output_bytes"], first["index"]) == (178_000, 65_536, 11)
    assert ops["output_bytes"].dropna().gt(0).all()


def test_the_recorded_special_events_are_understood(tmp_path: Path) -> None:
    text = (RECORDINGS / "ort_special_events.txt").read_text(encoding="utf-8")
    ended, _, order = text.partition("=====\n")
    events = []
    for line in order.splitlines():
        cat, name, ts, dur, op, index = line.split()
        said = {} if op == "None" else {"op_name": op, "node_index": index}
        events.append({"cat": cat, "name": name, "ts": int(ts), "dur": int(dur), "args": said})
    events.append(json.loads(ended.splitlines()[1]))
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(events), encoding="utf-8")
    found = reader.read(file)
    assert found.dropped == 20_002
    assert dict(zip(found.ops["node"], found.ops["self_ns"], strict=True)) == {
        "rs": 115_000, "cast": 28_000, "then_relu": 9_000, "the_if": 17_000,
    }  # fmt: skip
    assert found.ops.set_index("node")["parent"].dropna().to_dict() == {"then_relu": "the_if"}
    assert (found.ops["run"] == 0).all()


def test_an_inference_that_never_ended_has_no_number(profile: Path) -> None:
    text = profile.read_text(encoding="utf-8")
    cut = text[: text.rindex('{"cat" : "Session"')]  # the end of the last one is missing
    profile.write_text(cut, encoding="utf-8")
    found = reader.read(profile)
    assert not found.whole
    assert found.damaged == 0
    assert len(found.inferences) == 2
    assert found.ops["run"].isna().sum() == 3


def test_a_damaged_event_is_counted_and_the_rest_is_read(profile: Path) -> None:
    text = profile.read_text(encoding="utf-8").replace('"planes_kernel', '"pla"nes_kernel', 1)
    profile.write_text(text, encoding="utf-8")
    found = reader.read(profile)
    assert found.damaged == 1
    assert len(found.ops) == 8


def test_the_fences_of_older_versions_are_no_nodes(tmp_path: Path) -> None:
    events = [
        {"cat": "Node", "name": f"a{end}", "ts": "3", "dur": "4", "tid": 1, "args": {}}
        for end in ("_fence_before", "_kernel_time", "_fence_after")
    ]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(events), encoding="utf-8")
    ops = reader.read(file).ops
    assert list(ops["node"]) == ["a"]
    assert list(ops["self_ns"]) == [4000]


def test_two_threads_that_ask_at_once_are_kept_apart(tmp_path: Path) -> None:
    def node(name: str, tid: int, ts: int) -> dict[str, Any]:
        return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": 5, "tid": tid,
                "args": {"op_name": "Conv"}}  # fmt: skip

    def run(tid: int, ts: int) -> dict[str, Any]:
        return {"cat": "Session", "name": "model_run", "ts": ts, "dur": 30, "tid": tid}

    events = [node("a", 1, 2), node("b", 2, 3), run(1, 0), run(2, 1), node("c", 3, 10)]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(events), encoding="utf-8")
    ops = reader.read(file).ops.set_index("node")["run"]
    assert (ops["a"], ops["b"]) == (0, 1)
    assert ops.isna()["c"], "a pool's thread, and two inferences under way: nobody knows whose"


def test_a_file_larger_than_the_limit_is_refused(profile: Path) -> None:
    with pytest.raises(InputError, match="too many"):
        reader.read(profile, most_bytes=100)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "cat": st.sampled_from(["Node", "Session"]) | SCALARS,
        "name": st.sampled_from(
            ["a_kernel_time", "b_kernel_time", "model_run", "SequentialExecutor::Execute",
             "profile_truncated"]
        ) | SCALARS,
        "ts": st.integers(0, 50) | SCALARS,
        "dur": st.integers(0, 50) | SCALARS,
        "tid": st.integers(0, 2) | SCALARS,
        "args": SCALARS | st.fixed_dictionaries(
            {}, optional={"op_name": st.sampled_from(["If", "Conv"]) | SCALARS,
                          "node_index": SCALARS, "output_size": SCALARS}
        ),
    },
)  # fmt: skip


@given(events=st.lists(EVENT | SCALARS, max_size=30), cut=st.integers(0, 200))
def test_any_events_give_rows_that_can_be(events: list[Any], cut: int) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "profile.json"
        text = json.dumps(events)
        file.write_text(text[: max(1, len(text) - cut)], encoding="utf-8")
        try:
            found = reader.read(file)
        except InputError:
            return
    ops = found.ops
    nodes = [e for e in events if isinstance(e, dict) and e.get("cat") == "Node"]
    assert len(ops) <= len(nodes)
    assert (ops["end_ns"] >= ops["start_ns"]).all()
    assert (ops["self_ns"] <= ops["end_ns"] - ops["start_ns"]).all()
    assert ops["run"].dropna().between(0, len(found.inferences) - 1).all()
    assert set(ops["parent"].dropna()) <= set(ops["node"])


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
    assert len(reader.read(file).ops) == 0


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
    ops = reader.read(file).ops
    assert ops[["start_ns", "end_ns", "output_bytes"]].isna().all(axis=None)
