"""What lies in a tape folder and what a scenario names become one table and its sums."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe import store
from probe.operators import log, statement
from probe.operators.account import account_of, inferences, own_ns
from probe.operators.document import operators_of

RECORDINGS = Path(__file__).parents[2] / "devices" / "recordings"
PROCESSOR = "CPUExecutionProvider"
NPU = "QNNExecutionProvider"
X = {"x": np.ones(1000, np.float32)}
Profiled = Callable[..., Path]


def clocks() -> dict[str, int]:
    now, wall = time.monotonic_ns(), time.time_ns()
    return {
        "start_monotonic_ns": now - 10**11, "start_wall_ns": wall - 10**11,
        "end_monotonic_ns": now, "end_wall_ns": wall,
    }  # fmt: skip


def reading(part: str, *names: Path | str) -> dict[str, Any]:
    resolved = {part: {"read": [str(name) for name in names]}}
    return {"scenario": {"resolved": resolved}, "clocks": clocks()}


def test_a_profile_that_the_program_left_is_of_the_frames_of_its_spans(
    branching: Path, profiled: Profiled, tmp_path: Path
) -> None:
    tapes = tmp_path / "tapes"
    tapes.mkdir()
    raw = profiled(branching, X)
    plain = operators_of(tmp_path, tmp_path, reading("operators", raw)).ops
    runs = plain.groupby("run").agg({"start_ns": "min", "end_ns": "max"})
    spans = pd.DataFrame({
        "frame": [10, 11, 12], "stage": "infer", "thread": f"infer:{os.getpid()}",
        "start_ns": runs["start_ns"] - 60_000, "end_ns": runs["end_ns"] + 60_000,
    })  # fmt: skip
    raw.rename(tapes / f"onnxruntime{raw.name}")
    manifest = {"clocks": clocks()}
    made = operators_of(tmp_path, tapes, manifest, store.as_table("spans", spans))
    assert made.rejected == []
    assert made.ops.groupby("run")["frame"].agg(["min", "max"]).to_numpy().tolist() == [
        [10, 10], [11, 11], [12, 12],
    ]  # fmt: skip
    assert made.summary is not None
    (source,) = made.summary["sources"]
    assert (source["inferences"], source["of_frames"], source["before_the_run"]) == (3, 3, False)
    assert source["clock"]["known_by"] in {"name", "spans"}
    (account,) = account_of(made.ops)
    assert (account.inferences, account.frames) == (3, 3)
    assert account.total_ms == pytest.approx(float(own_ns(made.ops).sum()) / 3e6)
    calls = {row.name: row.calls for row in account.by_node}
    assert (calls["inner_exp"], calls["the_if"]) == (3.0, 1.0)
    assert sum(row.share or 0 for row in account.by_op) == pytest.approx(1)


def test_a_session_that_is_stated_needs_no_name(
    branching: Path, profiled: Profiled, tmp_path: Path
) -> None:
    raw = profiled(branching, X)
    renamed = raw.rename(tmp_path / "own.json")
    manifest = reading("operators", renamed)
    unplaced = operators_of(tmp_path, tmp_path, manifest)
    assert unplaced.ops["start_ns"].isna().all()
    assert unplaced.ops["self_ns"].notna().all(), "how long is known all the same"
    began = manifest["clocks"]["start_wall_ns"] + 5
    for said in (began, {"own.json": began}):
        placed = operators_of(
            tmp_path, tmp_path, manifest, None, {"onnxruntime": {"profiling_start_ns": said}}
        )
        assert placed.ops["start_ns"].min() >= manifest["clocks"]["start_monotonic_ns"]


def test_stars_in_a_name_mean_what_was_written_since_the_run_began(
    branching: Path, profiled: Profiled, tmp_path: Path
) -> None:
    raw = profiled(branching, X)
    old = tmp_path / "profile_old.json"
    old.write_text(raw.read_text())
    os.utime(old, (1, 1))
    made = operators_of(tmp_path, tmp_path, reading("operators", tmp_path / "profile_*.json"))
    assert set(made.ops["source"]) == {raw.name}


def test_files_of_all_runtimes_stand_apart(
    branching: Path, profiled: Profiled, tmp_path: Path
) -> None:
    for name, file in (
        ("qnn_profiling_csv.txt", "q.csv"),
        ("tflite_benchmark_op_profile.txt", "l"),
    ):
        text = (RECORDINGS / name).read_text(encoding="utf-8").partition("=====\n0")[0]
        kept = [line for line in text.splitlines() if not line.startswith("#")]
        (tmp_path / file).write_text("\n".join(kept), encoding="utf-8")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "folder").mkdir()
    names = [
        profiled(branching, X),
        *(tmp_path / n for n in ("q.csv", "l", "text", "folder", "no")),
    ]
    made = operators_of(tmp_path, tmp_path, reading("operators", *names))
    assert [name for name, _ in made.rejected] == ["text", "folder", "no"]
    assert [(a.source, a.unit) for a in account_of(made.ops)] == [
        (names[0].name, "ms"), ("q.csv", "cycles"), ("l", "ms"),
    ]  # fmt: skip
    assert made.summary is not None
    assert [each["runtime"] for each in made.summary["sources"]] == [
        "onnxruntime", "qnn", "litert",
    ]  # fmt: skip


def test_of_the_reports_for_copies_only_a_profile_has_operators(
    branching: Path, profiled: Profiled, tmp_path: Path
) -> None:
    other = tmp_path / "gst.log"
    other.write_text("0:00:00.1 1 0x1 DEBUG GST_PERFORMANCE x\n")
    made = operators_of(tmp_path, tmp_path, reading("copies", profiled(branching, X), other))
    assert made.rejected == []
    assert len(made.ops)


def test_what_fell_back_stands_against_what_was_asked_for(tmp_path: Path) -> None:
    said = {
        "asked": [NPU, PROCESSOR], "got": [NPU, PROCESSOR],
        "assigned": [
            {"provider": NPU, "nodes": [["a", "Conv", ""], ["b", "Relu", ""]]},
            {"provider": PROCESSOR, "nodes": [["c", "NonMaxSuppression", ""]]},
        ],
        "pairs": [[1_000_000, 1_200_000], [2_000_000, 2_600_000], [0, 3]],
        "log": ["3 Memcpy nodes are added to the graph main for QNN"],
    }  # fmt: skip
    (tmp_path / "operators-7.json").write_text(json.dumps(said))
    (tmp_path / "operators-8.json").write_text("{")
    made = operators_of(tmp_path, tmp_path, {})
    assert [name for name, _ in made.rejected] == ["operators-8.json"]
    summary = made.summary
    assert summary is not None
    assert (summary["asked"], summary["got"]) == ([NPU, PROCESSOR], [NPU, PROCESSOR])
    assert summary["seen_by"] == "assignment"
    assert summary["assigned"] == {NPU: 2, PROCESSOR: 1}
    assert summary["fallback"] == {
        "nodes": 1, "of": 3, "named": [["c", "NonMaxSuppression", PROCESSOR]],
    }  # fmt: skip
    assert summary["cost"]["pairs"] == 2
    assert summary["cost"]["excess_pct"] == pytest.approx(25)
    assert summary["log"] == said["log"]
    json.dumps(summary, allow_nan=False)


def test_nothing_told_is_no_summary(tmp_path: Path) -> None:
    made = operators_of(tmp_path, tmp_path, {})
    assert made.summary is None
    assert len(made.ops) == 0


def test_an_older_table_has_as_many_inferences_as_its_most_frequent_node() -> None:
    rows = {"node": ["a", "b"] * 3, "op": "Conv", "provider": PROCESSOR, "start_ns": 5, "end_ns": 9}
    ops = store.as_table("ops", pd.DataFrame(rows))
    assert inferences(ops) == 3
    (account,) = account_of(ops)
    assert account.total_ms == pytest.approx(8e-6)


def test_the_log_gives_its_reasons_and_nothing_else() -> None:
    text = (RECORDINGS / "ort_fallback_messages.txt").read_text(encoding="utf-8")
    found = log.reasons(text + "\n\x1b[0;93m2023 [W:onnxruntime:, x.cc:1 y] loading /home/me/a\n")
    assert len(found) == 8
    assert "Specified provider 'QNNExecutionProvider'" in found[1]
    assert found[-1].startswith("3 Memcpy nodes are added to the graph main_graph")
    assert not any("onnxruntime:," in line or "/home/me" in line for line in found)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["asked", "got", "pairs", "clocks", "assigned", "provider", "nodes", "warm",
                         "began_wall_ns", "log", "profile"]), inner, max_size=5),
    max_leaves=20,
))  # fmt: skip
def test_any_statement_is_read_as_what_it_should_be_or_not_at_all(said: object) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "operators-1.json"
        file.write_text(json.dumps(said), encoding="utf-8")
        try:
            found = statement.read(file)
        except ValueError:
            assert not isinstance(said, dict)
            return
    assert all(isinstance(name, str) for name in (*found.asked, *found.got, *found.log))
    assert all(first > 0 and second > 0 for first, second in (*found.pairs, *found.clocks))
    assert found.warm >= 0
    statement.cost(found.pairs)
