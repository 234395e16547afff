"""What ONNX Runtime's bindings copy around `run`, by version: counts and bytes, exactly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from probe import tape
from probe.copies.methods import METHODS

PROGRAM = Path(__file__).parent / "languages" / "ort_copies.py"
TENSOR_BYTES = 3 * 640 * 640 * 4
VERSION = tuple(int(part) for part in ort.__version__.split(".")[:2])
CAPSULE = VERSION >= (1, 20)
"""From 1.20 on an output leaves the runtime without a copy."""
Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    shape = [1, 3, 640, 640]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "twice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    path = tmp_path_factory.mktemp("model") / "twice.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, path)
    return str(path)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("contiguous", [] if CAPSULE else ["memcpy"]),
        ("non-contiguous", ["PyArray_NewCopy"] + ([] if CAPSULE else ["memcpy"])),
        ("value-numpy", [] if CAPSULE else ["memcpy"]),
        ("bound-output", []),
        ("copy-outputs", ["memcpy"]),
    ],
)
def test_each_way_to_run_copies_what_its_version_is_known_to(
    case: str, expected: list[str], traced: Traced, model: str
) -> None:
    done, tapes = traced([sys.executable, str(PROGRAM), model, case])
    assert done.stdout == f"{TENSOR_BYTES // 4 * 2}\n"
    rows = [row for each in tapes for row in each.records[each.records["kind"] == tape.COPY]]
    whole = [row for row in rows if int(row["frame"]) == TENSOR_BYTES and not row["flags"] & 1]
    assert [METHODS[int(row["part"])].name for row in whole] == expected
