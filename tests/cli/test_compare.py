"""`liveprobe compare` as a user calls it: how sides are given, what is printed, exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probe import cli, store
from probe.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, EXIT_USAGE
from probe.store import Run

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def folders(made_run: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the folders a, b (as a) and slow, of four Runs each."""
    home = tmp_path_factory.mktemp("compared")
    original = made_run("live", seconds=10.0)
    rng = np.random.default_rng(11)
    for name, shift_ms in (("a", 0), ("b", 0), ("slow", 12)):
        for number in range(4):
            path = home / name / f"run-{number}"
            shutil.copytree(original, path)
            (path / "samples.parquet").unlink()
            later = int((rng.normal(0, 0.3) + shift_ms) * 1e6)
            frames = Run.open(path).table("frames").copy()
            frames["rendered_ns"] += later
            frames["delivered_ns"] += later
            store.write_table(path, "frames", frames)
    return home


@pytest.fixture(autouse=True)
def _there(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders)


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_folders_are_sides_and_a_regression_is_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["compare", "a", "b"]) == EXIT_OK
    out = capsys.readouterr().out
    assert "no difference beyond noise" in out.splitlines()[0]
    assert "what differs besides" in out
    assert cli.execute(["compare", "a", "slow"]) == EXIT_FAILED
    out = capsys.readouterr().out
    assert "worse" in out.splitlines()[0]
    assert out.index("what differs besides") < out.index("latency.p50")
    assert cli.execute(["compare", "slow", "a"]) == EXIT_OK
    assert cli.execute(["compare", "a", "slow", "--fail-on", "never"]) == EXIT_OK
    assert cli.execute(["compare", "a", "slow", "--fail-on", "regression"]) == EXIT_FAILED


def test_two_dashes_part_the_sides_wherever_options_stand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [[f"{side}/run-{k}" for k in range(4)] for side in ("a", "slow")]
    arguments = ["compare", *runs[0], "--", *runs[1], "--metric", "latency.p50", "--json"]
    assert cli.execute(arguments) == EXIT_FAILED
    found = document(capsys)
    assert [len(side["runs"]) for side in found["sides"]] == [4, 4]
    assert [each["metric"] for each in found["metrics"]] == ["latency.p50"]
    assert found["metrics"][0]["against"][0]["verdict"] == "worse"


def test_single_runs_are_insufficient_and_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["compare", "a/run-0", "slow/run-0"]) == EXIT_INCONCLUSIVE
    assert "insufficient runs" in capsys.readouterr().out
    only = ["--fail-on", "regression"]
    assert cli.execute(["compare", "a/run-0", "slow/run-0", *only]) == EXIT_OK


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a"], "a base and at least one side"),
        (["a", "--"], "a base and at least one side"),
        (["a", "a/run-0"], "given twice"),
        (["a", "nowhere"], "not a Run"),
        (["a", "b", "--metric", "latncy.p50"], "did you mean latency.p50"),
        (["a", "b", "--vary", "stage.infer.thread"], "did you mean stage.infer.threads"),
        (["a", "b", "--fail-on", "failed"], "regression"),
        (["a", "b", "--min-effect", "-1"], "--min-effect"),
    ],
)
def test_what_cannot_be_compared_is_wrong_usage(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["compare", *arguments]) == EXIT_USAGE
    assert said in capsys.readouterr().err


def test_an_error_behind_two_dashes_is_told_as_json_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.execute(["compare", "a", "--", "nowhere", "--json"]) == EXIT_USAGE
    assert document(capsys)["error"]["exit_code"] == EXIT_USAGE
