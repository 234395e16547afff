"""The model's own moves are seen in a pass of their own, by ONNX Runtime's profiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.copies.readers import onnxruntime as reader
from probe.pipeline import graph_pass, infer
from probe.scenario import InferPart

ASSETS = Path(infer.__file__).parents[2] / "scenarios" / "assets"


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(graph_pass.WANTED, "on")
    monkeypatch.setenv(graph_pass.FOLDER, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["segmenter_fp32", "segmenter_int8", "generator_fp32"])
def test_leaves_one_inference_of_the_model_as_a_profile(name: str, traced: Path) -> None:
    part = InferPart(model=str(ASSETS / f"{name}.onnx"))
    file = graph_pass.profile(infer.load(part), part)
    assert file is not None
    assert list(traced.iterdir()) == [file], "the raw profile is removed"
    ops = reader.read(file)
    assert len(ops) > 10
    assert not ops["node"].duplicated().any(), "one inference, so each node once"
    assert (ops["end_ns"] >= ops["start_ns"]).all()
    assert (ops["provider"] == "CPUExecutionProvider").all()


def test_the_segmenters_output_is_reordered_inside_its_graph(traced: Path) -> None:
    part = InferPart(model=str(ASSETS / "segmenter_fp32.onnx"))
    file = graph_pass.profile(infer.load(part), part)
    assert file is not None
    moved = reader.moves(reader.read(file))
    assert list(moved["op"]) == ["ReorderOutput"]
    assert (moved["output_bytes"] > 0).all()


def test_does_nothing_where_copies_are_not_traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(graph_pass.WANTED, raising=False)
    monkeypatch.setenv(graph_pass.FOLDER, str(tmp_path))
    part = InferPart(model=str(ASSETS / "segmenter_fp32.onnx"))
    assert graph_pass.profile(infer.load(part), part) is None
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_costs_only_the_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(graph_pass.WANTED, "on")
    monkeypatch.setenv(graph_pass.FOLDER, str(tmp_path / "missing"))
    part = InferPart(model=str(ASSETS / "segmenter_fp32.onnx"))
    assert graph_pass.profile(infer.load(part), part) is None
