"""`liveprobe ops`: the operators of a Run, as text and as JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from probe import cli, store
from probe.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_USAGE

NPU, PROCESSOR = "QNNExecutionProvider", "CPUExecutionProvider"
SUMMARY: dict[str, Any] = {
    "asked": [NPU, PROCESSOR],
    "got": [NPU, PROCESSOR],
    "fallback": {"nodes": 1, "of": 9, "named": [["/nms", "NonMaxSuppression", PROCESSOR]]},
    "cost": {"pairs": 30, "plain_ms": 1.0, "profiled_ms": 1.25, "excess_pct": 25.0},
    "log": ["2 Memcpy nodes are added to the graph g for QNNExecutionProvider"],
    "sources": [],
    "failed": [],
    "not_read": [],
}
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)

    def verb(*arguments: str) -> tuple[int, str, str]:
        code = cli.execute(("ops", *arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return verb


@pytest.fixture
def run(made_run: Callable[..., Path], tmp_path: Path) -> Path:
    path = tmp_path / "run"
    shutil.copytree(made_run("live", seconds=6), path)
    return path


@pytest.fixture
def seen(run: Path) -> Path:
    """Return a Run of two inferences: 3 ms in a fused graph, 1 ms in a node left to the CPU."""
    rows = [
        {"run": k, "node": node, "op": op, "provider": provider, "self_ns": ms * 1_000_000,
         "source": "onnxruntime-7.json"}
        for k in (0, 1)
        for node, op, provider, ms in (("fused_0", "QNN", NPU, 3), ("/nms", "NMS", PROCESSOR, 1))
    ]  # fmt: skip
    store.write_table(run, "ops", pd.DataFrame(rows))
    manifest = {**store.read_manifest(run), "operators": SUMMARY}
    store.write_json(run / store.MANIFEST, manifest)
    return run


def test_a_table_says_who_ran_what_for_how_long(seen: Path, call: Call) -> None:
    code, out, _ = call(str(seen))
    assert code == EXIT_OK
    assert "  asked for     QNN, CPU" in out
    assert "1 of 9 nodes of the model: NonMaxSuppression /nms" in out
    assert "mean 4.000 ms in the operators of an inference; n = 2 inferences" in out
    assert "Profiled: median 1.250 ms an inference" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["QNN", "QNN", "3.000", "75.0", "1.0"] in rows
    assert ["NMS", "CPU", "1.000", "25.0", "1.0"] in rows
    assert "(+25 %, 30 pairs in turns)" in out
    assert "2 Memcpy nodes" in out


@pytest.mark.parametrize(
    ("by", "row"),
    [
        ("node", ["/nms", "NMS", "CPU", "1.000", "25.0", "1.0"]),
        ("provider", ["QNN", "3.000", "75.0", "1.0"]),
    ],
)
def test_by_node_and_by_provider(by: str, row: list[str], seen: Path, call: Call) -> None:
    _, out, _ = call(str(seen), "--by", by)
    assert row in [line.split() for line in out.splitlines()]
    _, out, _ = call(str(seen), "--by", by, "--top", "1")
    assert "... and 1 more rows: --top 0 shows all" in out


def test_the_document_has_the_rows_and_what_was_told(seen: Path, call: Call) -> None:
    code, out, _ = call(str(seen), "--by", "provider", "--json")
    assert code == EXIT_OK
    document = json.loads(out)["operators"]
    assert document["asked"] == [NPU, PROCESSOR]
    (account,) = document["accounts"]
    assert account["total_ms"] == pytest.approx(4)
    assert [(row["name"], row["ms"]) for row in account["rows"]] == [(NPU, 3), (PROCESSOR, 1)]


def test_a_run_of_before_says_that_nothing_looked(run: Path, call: Call) -> None:
    code, out, _ = call(str(run))
    assert code == EXIT_OK
    assert "nothing looked at the operators" in out


def test_a_collector_that_saw_nothing_is_not_quiet(run: Path, call: Call) -> None:
    entry = {
        "name": "onnxruntime", "outcome": "no data", "reason": "the program left no profile",
        "remedy": "let it profile", "tracks": [],
    }  # fmt: skip
    manifest = {**store.read_manifest(run), "collectors": [entry]}
    store.write_json(run / store.MANIFEST, manifest)
    code, out, _ = call(str(run))
    assert code == EXIT_ENVIRONMENT
    assert "the program left no profile" in out
    assert "let it profile" in out


def test_what_is_no_run_is_wrong_usage(tmp_path: Path, call: Call) -> None:
    assert call(str(tmp_path))[0] == EXIT_USAGE
