"""The folder of a series as an argument: all of its repeats are judged, and reported."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

from probe import cli
from probe.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from probe.verdict.schema import schema as verdict_schema

Capture = pytest.CaptureFixture[str]
MISSED = ["--limit", "latency.p50<50ms"]


@pytest.fixture
def series(make_runs: ModuleType, tmp_path: Path) -> Path:
    """Return a folder with three repeats, the last one late."""
    make_runs.make_series(["live", "live", "late"], tmp_path / "x3", seconds=4.0)
    return tmp_path / "x3"


def verdicts(series: Path) -> list[dict[str, object]]:
    files = sorted(series.glob("repeat-*/verdict.json"))
    return [json.loads(file.read_text()) for file in files]


def test_all_repeats_are_judged_each_beside_all_others(series: Path, capsys: Capture) -> None:
    assert cli.execute(["audit", str(series)]) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("the repeats do not agree: 2 real-time")
    assert [line.split()[:2] for line in lines[1:4]] == [["repeat", str(k)] for k in (1, 2, 3)]
    told = [found["series"] for found in verdicts(series)]
    assert len(told) == 3
    assert all(isinstance(each, dict) and len(each["members"]) == 3 for each in told)


def test_the_document_is_that_of_a_measured_series(series: Path, capsys: Capture) -> None:
    assert cli.execute(["audit", str(series), "--json", "--no-write"]) == EXIT_OK
    found = json.loads(capsys.readouterr().out)
    assert (found["series"]["of"], found["series"]["measured"]) == (3, 3)
    for each in found["runs"]:
        jsonschema.validate(each["verdict"], verdict_schema())
    assert not verdicts(series)


def test_a_limit_that_one_repeat_misses_fails(series: Path, capsys: Capture) -> None:
    assert cli.execute(["audit", str(series), *MISSED]) == EXIT_FAILED
    assert "1 of 1 limits missed: repeat-3" in capsys.readouterr().out
    assert cli.execute(["audit", str(series), *MISSED, "--fail-on", "never"]) == EXIT_OK


def test_one_repeat_judged_again_says_that_the_others_are_as_they_were(
    series: Path, capsys: Capture
) -> None:
    assert cli.execute(["audit", str(series / "repeat-1")]) == EXIT_OK
    said = capsys.readouterr().err
    assert "2 other repeats of its series stays as it is" in said
    assert f"liveprobe audit {series}" in said


def test_each_repeat_gets_a_report_that_leads_to_the_others(series: Path, capsys: Capture) -> None:
    assert cli.execute(["report", str(series)]) == EXIT_OK
    files = capsys.readouterr().out.splitlines()
    assert files == [str(series / f"repeat-{k}" / "report.html") for k in (1, 2, 3)]
    assert cli.execute(["report", str(series)]) == EXIT_USAGE  # they are there
    assert "--force" in capsys.readouterr().err
    assert cli.execute(["report", str(series), "-o", "x.html"]) == EXIT_USAGE
    assert "3 repeats" in capsys.readouterr().err


def test_runs_of_no_one_series_are_not_judged_together(
    series: Path, make_runs: ModuleType, capsys: Capture
) -> None:
    make_runs.make_run("live", series / "single", seconds=4.0)
    assert cli.execute(["audit", str(series)]) != EXIT_OK
    assert "4 Runs that are not the repeats of one series" in capsys.readouterr().err
    assert cli.execute(["audit", str(series / "repeat-1"), "--only", "late_frames"]) == EXIT_OK
