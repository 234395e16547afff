"""What happens in the model's graph is seen in a pass of its own, by ONNX Runtime's profiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.operators import account, profile, statement
from probe.operators.document import operators_of
from probe.pipeline import graph_pass, infer
from probe.scenario import InferPart

ASSETS = Path(infer.__file__).parents[2] / "scenarios" / "assets"
PROCESSOR = "CPUExecutionProvider"


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(graph_pass.COPIES, raising=False)
    monkeypatch.setenv(graph_pass.WANTED, "4")
    monkeypatch.setenv(graph_pass.FOLDER, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["segmenter_fp32", "segmenter_int8", "generator_fp32"])
def test_leaves_a_few_inferences_of_the_model_and_what_they_cost(name: str, traced: Path) -> None:
    part = InferPart(model=str(ASSETS / f"{name}.onnx"))
    file = graph_pass.profile(infer.load(part), part)
    assert file is not None
    assert {each.name.partition("-")[0] for each in traced.iterdir()} == {
        "onnxruntime", "operators",
    }, "raw profile and log are removed"  # fmt: skip
    made = operators_of(traced, traced, {})
    assert made.rejected == []
    summary = made.summary
    assert summary is not None
    (source,) = summary["sources"]
    assert 1 <= source["inferences"] <= 4
    assert source["left_out_warm"] == graph_pass.WARM
    assert source["clock"]["known_by"] == "stated"
    assert summary["cost"]["pairs"] == source["inferences"]
    assert summary["cost"]["profiled_ms"] > 0
    assert summary["asked"] == summary["got"] == [PROCESSOR]
    assert summary["seen_by"] == "assignment"
    assert summary["fallback"]["nodes"] == 0
    (found,) = account.account_of(made.ops)
    assert len(found.by_node) > 10
    assert all(row.calls == 1 for row in found.by_node), "each node once an inference"
    assert found.total_ms is not None
    assert found.total_ms > 0
    assert [row.name for row in found.by_provider] == [PROCESSOR]


def test_the_segmenters_output_is_reordered_inside_its_graph(traced: Path) -> None:
    part = InferPart(model=str(ASSETS / "segmenter_fp32.onnx"))
    file = graph_pass.profile(infer.load(part), part)
    assert file is not None
    moved = account.moves(profile.read(file).ops)
    assert set(moved["op"]) == {"ReorderOutput"}
    assert (moved["output_bytes"] > 0).all()


def test_times_are_those_of_the_pass_on_the_runs_clock(traced: Path) -> None:
    part = InferPart(model=str(ASSETS / "segmenter_int8.onnx"))
    graph_pass.profile(infer.load(part), part)
    said = statement.read(next(traced.glob("operators-*.json")))
    (begun, _), (ended, _) = said.clocks
    ops = operators_of(traced, traced, {}).ops
    assert begun <= ops["start_ns"].min() <= ops["end_ns"].max() <= ended


def test_a_provider_that_is_not_there_was_asked_for_and_not_given(traced: Path) -> None:
    asked = ["QNNExecutionProvider", PROCESSOR]
    part = InferPart(model=str(ASSETS / "segmenter_int8.onnx"), providers=asked)
    graph_pass.profile(infer.load(part), part)
    summary = operators_of(traced, traced, {}).summary
    assert summary is not None
    assert (summary["asked"], summary["got"]) == (asked, [PROCESSOR])
    assert summary["assigned"] == {PROCESSOR: summary["fallback"]["of"]}
    assert summary["fallback"]["nodes"] == summary["fallback"]["of"] > 0


def test_a_version_that_tells_no_assignment_leaves_the_profile(traced: Path) -> None:
    class Old:
        """A session of a version without it."""

    assert graph_pass.assigned(Old()) is None


@pytest.mark.parametrize(
    ("operators", "copies", "count"),
    [
        (None, None, 0), (None, "off", 0), (None, "on", 1), ("0", "on", 0), ("7", None, 7),
        ("many", None, 0), ("-3", "on", 1), ("²", None, 0),
    ],
)  # fmt: skip
def test_as_many_are_profiled_as_were_asked_for(
    operators: str | None, copies: str | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(graph_pass.FOLDER, "/somewhere")
    for name, value in ((graph_pass.WANTED, operators), (graph_pass.COPIES, copies)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert graph_pass.wanted() == count
    monkeypatch.delenv(graph_pass.FOLDER)
    assert graph_pass.wanted() == 0


def test_a_folder_that_cannot_be_written_costs_only_the_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(graph_pass.WANTED, "3")
    monkeypatch.setenv(graph_pass.FOLDER, str(tmp_path / "missing"))
    part = InferPart(model=str(ASSETS / "segmenter_fp32.onnx"))
    assert graph_pass.profile(infer.load(part), part) is None


def test_what_the_runtime_logs_meanwhile_comes_to_the_statement_and_stderr_stays(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import os

    said: dict[str, object] = {}
    with graph_pass._logged(tmp_path / "log", said):
        os.write(2, b"[W:onnxruntime:, a.cc:1 b] 2 Memcpy nodes are added to the graph g\nother\n")
    os.write(2, b"after")
    assert said == {"log": ["2 Memcpy nodes are added to the graph g"]}
    assert capfd.readouterr().err == "after"
    assert not list(tmp_path.iterdir())
