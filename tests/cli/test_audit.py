"""Audits one by one: asked alone, explained, and named wrongly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from probe import cli, judge
from probe.errors import EXIT_OK, EXIT_USAGE

Run = Callable[[str], Path]


@pytest.fixture
def late(made_run: Run) -> Path:
    return made_run("late")


def test_only_asks_the_audits_it_names_in_their_order_and_writes_nothing(
    late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.execute(["audit", str(late), "--only", "lost_frames,late_frames", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == EXIT_OK
    assert [each["audit"] for each in document["findings"]] == ["lost_frames", "late_frames"]
    assert [each["outcome"] for each in document["findings"]] == ["passed", "failed"]
    assert not (late / "verdict.json").exists()


def test_only_says_what_was_found_and_what_to_do(
    late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.execute(["audit", str(late), "--only", "late_frames"])
    text = capsys.readouterr().out
    assert text.startswith("failed       late_frames: Frames shown after the deadline: 900 of 900")
    assert "where: stage infer, 0.0 to 30.1 s of the window, " in text
    assert "what to do: make the stage that grows" in text


def test_an_audit_that_does_not_apply_says_so(
    made_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.execute(["audit", str(made_run("generator")), "--only", "late_frames"])
    assert "does not apply" in capsys.readouterr().out


def test_explain_needs_no_run_and_says_all_that_an_audit_knows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.execute(["audit", "--explain", "late_frames"]) == EXIT_OK
    text = capsys.readouterr().out
    (audit,) = (each for each in judge.shipped() if each.id == "late_frames")
    plain = " ".join(text.split())
    for said in (audit.title, audit.why, audit.source, audit.remedy):
        assert said in plain
    for case in audit.cases:
        assert case.title in text
    assert "Which frames came too late" in text
    assert max(map(len, text.splitlines())) <= 100
    assert cli.execute(["audit", "--explain", "late_frames", "--json"]) == EXIT_OK
    (document,) = json.loads(capsys.readouterr().out)["audits"]
    assert document["reads"] == ["frames", "spans"]
    assert {"case": "every frame on time", "outcomes": ["passed"]} in document["cases"]


@pytest.mark.parametrize("option", ["--only", "--explain"])
@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ("late-frame", "did you mean late_frames"),
        ("late_frames,lost_frame", "did you mean lost_frames"),
        ("latency", "did you mean latency_is_not_throughput"),
        ("xyzzy", "there are block_delivery"),
        ("", "there are block_delivery"),
    ],
)
def test_an_unknown_audit_is_refused_with_the_nearest_names(
    option: str, ids: str, said: str, late: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["audit", str(late), option, ids]) == EXIT_USAGE
    err = capsys.readouterr().err
    assert "no such audit" in err
    assert said in err


def test_without_a_run_and_without_a_question_there_is_nothing_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.execute(["audit"]) == EXIT_USAGE
    assert "Missing argument RUN" in capsys.readouterr().err


def test_a_limit_is_not_asked_of_a_part(late: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["audit", str(late), "--only", "late_frames", "--limit", "latency.p99<50ms"]
    assert cli.execute(arguments) == EXIT_USAGE
    assert "leave one of them out" in capsys.readouterr().err


def test_the_shell_is_told_the_audits() -> None:
    from probe.console.chosen_audits import complete

    assert complete(None, None, "late_frames,lo") == ["late_frames,lost_frames"]  # type: ignore[arg-type]
    assert "late_frames" in complete(None, None, "la")  # type: ignore[arg-type]


def test_a_verdict_that_is_no_whole_one_is_told_with_how_to_write_it_again(
    made_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(made_run("live"), run)
    (run / "verdict.json").write_text('{"schema": 1}')
    assert cli.execute(["report", str(run)]) == EXIT_USAGE
    err = " ".join(capsys.readouterr().err.split())
    assert "verdict.json: has no run, validity" in err
    assert f"`liveprobe audit {run}` writes it again" in err
    assert cli.execute(["audit", str(run), "-q"]) == EXIT_OK
    assert cli.execute(["report", str(run)]) == EXIT_OK
