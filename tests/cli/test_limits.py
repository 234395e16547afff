"""`--limit` as a user gives it: exit codes, what is refused before measuring, what is printed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from probe import cli
from probe.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, EXIT_USAGE

LiveProbe = Callable[..., CompletedProcess[str]]
Make = Callable[..., Path]


@pytest.fixture
def run(made_run: Make, tmp_path: Path) -> Path:
    path = tmp_path / "run"
    shutil.copytree(made_run("live"), path)
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((path / "verdict.json").read_text())["limits"]
    return found


@pytest.mark.parametrize(
    ("limits", "fail_on", "code"),
    [
        (["latency.p99<50ms", "rate>=29fps"], None, EXIT_OK),
        (["latency.p99<20ms"], None, EXIT_FAILED),
        (["latency.p99<20ms"], "inconclusive", EXIT_OK),
        (["power.mean<6W"], None, EXIT_INCONCLUSIVE),
        (["power.mean<6W"], "failed", EXIT_OK),
        (["power.mean<6W", "latency.p99<20ms"], "failed", EXIT_FAILED),
        (["power.mean<6W", "latency.p99<20ms"], "never", EXIT_OK),
    ],
)
def test_an_audit_asks_limits_of_an_old_run(
    run: Path, limits: list[str], fail_on: str | None, code: int
) -> None:
    arguments = [part for each in limits for part in ("--limit", each)]
    arguments += [] if fail_on is None else ["--fail-on", fail_on]
    assert cli.execute(["audit", str(run), *arguments]) == code
    assert [each["metric"] for each in rows(run)] == [
        each.partition("<")[0].partition(">")[0] for each in limits
    ]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("latncy.p99<50ms", "did you mean latency.p99"),
        ("stage.infre.p95<8ms", "did you mean infer"),
        ("track.thermal.temprature.max<80C", "did you mean thermal.temperature"),
        ("rate>=30", "fps"),
    ],
)
def test_a_name_that_is_not_there_is_wrong_usage(
    run: Path, capsys: pytest.CaptureFixture[str], limit: str, said: str
) -> None:
    assert cli.execute(["audit", str(run), "--limit", limit]) == EXIT_USAGE
    assert said in capsys.readouterr().err
    assert not (run / "verdict.json").exists()


def test_a_wrong_limit_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for limit in ("latncy.p99<50ms", "stage.infre.p95<8ms", "track.thermal.heat.max<80C"):
        assert cli.execute(["run", "--limit", limit]) == EXIT_USAGE
    assert "did you mean" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_names_its_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["run", "--dry-run", "--limit", "latency.p99<50ms"]) == EXIT_OK
    assert "limit     latency.p99<50ms" in capsys.readouterr().out


def test_a_measured_run_keeps_its_limits_and_is_judged_by_them_again(
    liveprobe: LiveProbe, paced: list[str], tmp_path: Path
) -> None:
    asked = ["--limit", "latency.p50<1s", "--limit", "latency.p50<1ns"]
    short = ["--set", "run.warmup=0s", "--no-report"]
    done = liveprobe("run", "--json", *asked, *short, "--", *paced, "60")
    assert done.returncode == EXIT_FAILED, done.stderr
    first = json.loads(done.stdout)["limits"]
    assert [each["outcome"] for each in first] == ["passed", "failed"]
    (path,) = (tmp_path / "runs").iterdir()
    assert liveprobe("audit", str(path)).returncode == EXIT_FAILED
    assert rows(path) == first


def test_the_report_has_value_limit_and_margin(run: Path) -> None:
    cli.execute(["audit", str(run), "--limit", "latency.p99<20ms", "--limit", "rate>=29fps"])
    assert cli.execute(["report", str(run)]) == EXIT_OK
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "Limits that were set" in text
    assert "latency.p99" in text
    assert "missed by" in text


def test_the_metrics_are_listed_with_their_definitions(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["schema", "metrics"]) == EXIT_OK
    out = capsys.readouterr().out
    assert "latency.p99 " in out
    assert "a lost one counts as infinite" in out
