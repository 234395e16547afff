"""The demo and the reference program from the command line, with scenarios made short."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import scenarios
from probe import cli, store
from probe.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROGRAM, EXIT_USAGE

VERDICT: dict[str, Any] = {
    "validity": {"status": "invalid"}, "limits": [], "claims": None, "findings": [],
}  # fmt: skip


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, with the shipped scenarios cut to two seconds."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    for file in scenarios.folder().glob("*.toml"):
        text = re.sub(
            r'^duration = "\d+s"', 'duration = "2s"', file.read_text(), flags=re.MULTILINE
        )
        text = re.sub(r'^warmup = "\d+s"', 'warmup = "500ms"', text, flags=re.MULTILINE)
        (folder / file.name).write_text(text)
    monkeypatch.setattr(scenarios, "folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_demo_tells_a_live_pipeline_from_a_generating_one(
    short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["demo", "--json", "--progress", "off"]) == EXIT_OK
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    live, generation = document["runs"]
    assert live["verdict"]["released"] == 60
    assert live["verdict"]["generation"] is None
    assert generation["verdict"]["released"] is None
    assert generation["verdict"]["regime"] in ("fast generation", "offline")
    assert generation["verdict"]["real_time"]["outcome"] == "refuted"
    report = short / document["report"]
    assert report.read_text().startswith("<!doctype html>")
    assert len(list((short / "runs").iterdir())) == 2
    for run in (live, generation):
        assert not store.read_manifest(short / run["path"])["scenario"]["custom"]


@pytest.mark.parametrize(("state", "code"), [(None, EXIT_OK), ("program failed", EXIT_PROGRAM)])
def test_the_demo_gates_nothing_but_our_own_failures(state: str | None, code: int) -> None:
    from probe.commands import demo
    from probe.console.judged import Judged

    run = store.Run.of({"mode": "live", "state": state or "complete"}, {})
    assert demo._exit_code([Judged(Path(), run, VERDICT)]) == code


def test_an_interrupted_demo_is_130() -> None:
    from probe.commands import demo
    from probe.console.judged import Judged

    runs = [
        store.Run.of({"mode": "live", "state": s}, {}) for s in ("program failed", "interrupted")
    ]
    assert demo._exit_code([Judged(Path(), run, VERDICT) for run in runs]) == EXIT_INTERRUPTED


@pytest.mark.parametrize("option", ["--clip", "--model"])
def test_an_input_that_the_program_cannot_use_is_2_and_leaves_no_run(
    short: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    (short / "junk").write_bytes(b"not a clip and not a model\n" * 40)
    assert cli.execute(["run", option, "junk", "--progress", "off"]) == EXIT_USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "junk" in captured.err
    assert "what to do: " in captured.err
    assert list((short / "runs").iterdir()) == []
