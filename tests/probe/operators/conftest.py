"""Models of ONNX for the real runtime, and what it writes when it profiles them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

PROCESSOR = "CPUExecutionProvider"
Profiled = Callable[..., Path]


def saved(graph: Any, file: Path) -> Path:
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, file)
    return file


@pytest.fixture
def branching(tmp_path: Path) -> Path:
    """Return a model with a Loop of three rounds, and an If after it."""
    body = h.make_graph(
        [
            h.make_node("Identity", ["cond_in"], ["cond_out"], name="keep"),
            h.make_node("Exp", ["v_in"], ["e"], name="inner_exp"),
            h.make_node("Tanh", ["e"], ["v_out"], name="inner_tanh"),
        ],
        "body",
        [
            h.make_tensor_value_info("i", T.INT64, []),
            h.make_tensor_value_info("cond_in", T.BOOL, []),
            h.make_tensor_value_info("v_in", T.FLOAT, ["n"]),
        ],
        [
            h.make_tensor_value_info("cond_out", T.BOOL, []),
            h.make_tensor_value_info("v_out", T.FLOAT, ["n"]),
        ],
    )
    then = h.make_graph(
        [h.make_node("Relu", ["l"], ["t_out"], name="then_relu")],
        "then",
        [],
        [h.make_tensor_value_info("t_out", T.FLOAT, ["n"])],
    )
    other = h.make_graph(
        [h.make_node("Neg", ["l"], ["e_out"], name="else_neg")],
        "else",
        [],
        [h.make_tensor_value_info("e_out", T.FLOAT, ["n"])],
    )
    graph = h.make_graph(
        [
            h.make_node("Loop", ["n", "c", "x"], ["l"], name="the_loop", body=body),
            h.make_node("ReduceSum", ["l"], ["s"], name="rs", keepdims=0),
            h.make_node("Cast", ["s"], ["b"], name="cast", to=T.BOOL),
            h.make_node("If", ["b"], ["y"], name="the_if", then_branch=then, else_branch=other),
        ],
        "g",
        [h.make_tensor_value_info("x", T.FLOAT, ["n"])],
        [h.make_tensor_value_info("y", T.FLOAT, ["n"])],
        [nh.from_array(np.array(3, dtype=np.int64), "n"), nh.from_array(np.array(True), "c")],
    )
    return saved(graph, tmp_path / "branching.onnx")


@pytest.fixture
def profiled(tmp_path: Path) -> Profiled:
    """Return what runs a model with the profiler on, and returns the profile."""

    def run(model: Path, feeds: dict[str, Any], runs: int = 3, *, parallel: bool = False) -> Path:
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(tmp_path / "profile")
        if parallel:
            options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
            options.inter_op_num_threads = 2
        session = ort.InferenceSession(str(model), options, providers=[PROCESSOR])
        for _ in range(runs):
            session.run(None, feeds)
        file = Path(session.end_profiling())
        return file.rename(file.with_name(stamped("profile", session)))

    return run


def stamped(prefix: str, session: ort.InferenceSession) -> str:
    """Return the name that a machine with nothing else to do would give: the begin to the ms."""
    seconds, rest = divmod(session.get_profiling_start_time_ns(), 10**9)
    at = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(seconds))
    return f"{prefix}_{at}_{rest // 10**6:03d}.json"
