from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from probe import cli
from probe.errors import EXIT_BUG, EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_USAGE

TIMEOUT_S = 60


def liveprobe(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "probe", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=TIMEOUT_S,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "rnu"),
        (["run", "--foo"], "--foo"),
        (["run", "nosuch"], "no scenario and no file of that name"),
        (["run", "--set", "run.durration=6s"], "did you mean run.duration?"),
        (["run", "--set", "run.duration"], "KEY=VALUE"),
        (["run", "--duration", "-1s", "--dry-run"], "run.duration"),
        (["run", "--clip", "/nowhere/a.mp4"], "/nowhere/a.mp4: no such file"),
        (["run", "live-face-boxes"], "--model FILE"),
        (["run", "--"], "nothing behind --"),
        (["run", "--", "no-such-command-here"], "no such command"),
        (["run", "--fail-on", "sometimes"], "no such outcome"),
        (["audit", "/nowhere"], "not a Run"),
        (["report", "/nowhere"], "not a Run"),
        (["export", "/nowhere", "--to", "perfetto"], "not a Run"),
        (["export", "/nowhere", "--to", "gif"], "one of"),
        (["ls", "/nowhere"], "no such folder"),
        (["init", "/nowhere/a.toml"], "no such folder"),
        (["schema", "cat"], "cat"),
        (["completion", "cmd"], "cmd"),
    ],
)
def test_wrong_usage_says_what_and_what_to_do_and_exits_2(arguments: list[str], said: str) -> None:
    done = liveprobe(*arguments)
    assert done.returncode == EXIT_USAGE, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "what to do: " in done.stderr
    assert "Traceback" not in done.stderr


def test_all_problems_of_a_scenario_are_printed_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('name = "t"\n[run]\nseed = -1\n[source]\nfps = 0\nxyz = 1\n')
    done = liveprobe("run", "bad.toml", cwd=tmp_path)
    assert done.returncode == EXIT_USAGE
    assert "3 problems" in done.stderr
    for key, line in (("run.seed", 3), ("source.fps", 5), ("source.xyz", 6)):
        assert any(
            told.startswith(f"  {key}: ") and told.endswith(f"(line {line})")
            for told in done.stderr.splitlines()
        ), done.stderr
    assert not (tmp_path / "runs").exists()


def test_with_json_an_error_is_the_one_document_on_stdout() -> None:
    done = liveprobe("run", "--json", "--set", "run.seed=-1", "--set", "x=1")
    assert done.returncode == EXIT_USAGE
    error = json.loads(done.stdout)["error"]
    assert error["exit_code"] == EXIT_USAGE
    assert {problem["key"] for problem in error["problems"]} == {"run.seed", "x"}
    assert error["remedy"]
    assert done.stderr.startswith("error: ")


def test_an_unparsable_argument_with_json_is_a_document_too() -> None:
    done = liveprobe("ls", "--json", "--foo")
    assert done.returncode == EXIT_USAGE
    assert "--foo" in json.loads(done.stdout)["error"]["what"]


def test_json_behind_the_dashes_is_the_programs_own() -> None:
    done = liveprobe("run", "--set", "x=1", "--", "true", "--json")
    assert done.returncode == EXIT_USAGE
    assert done.stdout == ""


def test_a_foreign_name_cannot_repaint_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('name = "a\\u001b[2Jb"\n"\\u001b[31mx" = 1\n')
    done = liveprobe("run", "bad.toml", cwd=tmp_path)
    assert done.returncode == EXIT_USAGE
    assert "\x1b" not in done.stderr


def test_nothing_is_coloured_that_is_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "probe", "run", "nosuch", "--no-color"],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "FORCE_COLOR": "1"},
    )
    assert "\x1b[31m" not in done.stderr
    assert "\x1b[33m" not in done.stderr


def test_without_arguments_there_is_help_and_exit_2() -> None:
    done = liveprobe()
    assert done.returncode == EXIT_USAGE
    assert "Commands:" in done.stdout + done.stderr


def bug(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a verb whose module raises what nobody expects."""
    code = (
        "import sys\nfrom probe import cli\nfrom probe.scenario import problems\n"
        "def broken(): raise ZeroDivisionError('seven')\n"
        "problems.schema = broken\n"
        f"sys.exit(cli.execute({list(arguments)!r}))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def test_our_own_bug_is_70_and_says_how_to_report_it() -> None:
    done = bug("schema", "scenario")
    assert done.returncode == EXIT_BUG
    assert "a bug of liveprobe" in done.stderr
    assert "ZeroDivisionError: seven" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in bug("schema", "scenario", "-v").stderr


def test_ctrl_c_is_130() -> None:
    code = (
        "import sys\nfrom probe import cli\nfrom probe.scenario import problems\n"
        "def interrupt(): raise KeyboardInterrupt\n"
        "problems.schema = interrupt\n"
        "sys.exit(cli.execute(['schema', 'scenario']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == EXIT_INTERRUPTED
    assert done.stderr == "error: interrupted\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "probe", "schema", "scenario"],
            check=False,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
        )
    finally:
        os.close(writer)
    assert done.returncode == cli.EXIT_PIPE
    assert done.stderr == ""


def test_a_full_disk_behind_stdout_is_told(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("w") as sink:
        done = subprocess.run(
            [sys.executable, "-m", "probe", "schema", "scenario"],
            check=False,
            stdout=sink,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            timeout=TIMEOUT_S,
        )
    assert done.returncode == EXIT_ENVIRONMENT
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr
