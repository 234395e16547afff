from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from probe import judge, store
from probe.errors import (
    EXIT_ENVIRONMENT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PROGRAM,
    EXIT_USAGE,
)
from probe.verdict.schema import schema as verdict_schema

Call = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--set", "run.warmup=0s", "--set", "run.collectors=[]")
WAIT_S = 60


def only_run(folder: Path) -> Path:
    (path,) = (folder / "runs").iterdir()
    return path


def verdict_of(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / "verdict.json").read_text())
    return document


def test_a_command_is_measured_judged_and_reported(
    liveprobe: Call, paced: list[str], tmp_path: Path
) -> None:
    done = liveprobe("run", *QUICK, "--", *paced, "60")
    path = only_run(tmp_path)
    verdict, manifest = verdict_of(path), store.read_manifest(path)
    assert done.returncode == judge.exit_code(manifest, verdict), done.stderr
    assert verdict["released"] == 60
    assert (path / "report.html").read_text().startswith("<!doctype html>")
    assert done.stdout.startswith(verdict["regime"])
    assert f"of {verdict['released']} frames" in done.stdout
    assert str(path.relative_to(tmp_path) / "report.html") in done.stdout
    assert manifest["scenario"]["overrides"] == ["run.warmup=0s", "run.collectors=[]"]
    assert manifest["scenario"]["custom"]


def test_with_json_stdout_is_the_verdict_and_nothing_else(
    liveprobe: Call, paced: list[str], tmp_path: Path
) -> None:
    done = liveprobe("run", *QUICK, "--json", "--no-report", "--", *paced, "60")
    printed = json.loads(done.stdout)
    assert printed == verdict_of(only_run(tmp_path))
    jsonschema.validate(printed, verdict_schema())
    assert not (only_run(tmp_path) / "report.html").exists()


def test_quiet_says_nothing_on_stderr(liveprobe: Call, paced: list[str]) -> None:
    assert liveprobe("run", *QUICK, "-q", "--no-report", "--", *paced, "20").stderr == ""


def test_a_program_that_fails_is_5_and_what_it_measured_is_kept(
    liveprobe: Call, tmp_path: Path
) -> None:
    code = (
        "import probe, sys; probe.frame(0); probe.mark('delivered', frame=0); sys.exit('no luck')"
    )
    done = liveprobe("run", *QUICK, "--fail-on", "never", "--", sys.executable, "-c", code)
    assert done.returncode == EXIT_PROGRAM
    assert "exit status 1" in done.stdout
    assert "no luck" in done.stdout
    run = store.Run.open(only_run(tmp_path))
    assert run.manifest["state"] == "program failed"
    assert len(run.table("frames")) == 1
    assert (only_run(tmp_path) / "report.html").exists()


def test_a_crash_is_seen_where_whoever_started_us_ignores_the_end_of_children(
    tmp_path: Path,
) -> None:
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, '-m', 'probe', *sys.argv[1:]])"
    )
    crash = (sys.executable, "-c", "import os; os.abort()")
    options = ("run", *QUICK, "-q", "--no-report", "--fail-on", "never", "--", *crash)
    command = (sys.executable, "-c", ignoring, *options)
    done = subprocess.run(command, cwd=tmp_path, timeout=120, check=False)
    manifest = store.read_manifest(only_run(tmp_path))
    assert (done.returncode, manifest["state"]) == (EXIT_PROGRAM, "program failed")
    assert manifest["program"]["signal"] == "SIGABRT"
    assert manifest["program"]["cpu_ns"] > 0


def test_a_silent_program_is_no_failure(liveprobe: Call, tmp_path: Path) -> None:
    done = liveprobe("run", *QUICK, "--fail-on", "never", "--", "true")
    assert done.returncode == EXIT_OK, done.stderr
    assert verdict_of(only_run(tmp_path))["regime"] is None


def test_an_invalid_measurement_is_3_unless_silenced(liveprobe: Call, tmp_path: Path) -> None:
    code = (
        "import probe, time\nfor k in range(20):\n"
        " due = time.perf_counter_ns() + 10**12\n"
        " probe.frame(k, scheduled_ns=due); probe.mark('delivered', frame=k)"
    )
    program = ("--", sys.executable, "-c", code)
    told = liveprobe("run", *QUICK, "--no-report", *program)
    expected = judge.exit_code({"state": "complete"}, verdict_of(only_run(tmp_path)))
    assert told.returncode == expected != EXIT_OK
    silenced = liveprobe("run", *QUICK, "--no-report", "--fail-on", "failed", *program)
    assert silenced.returncode == EXIT_OK


def test_ctrl_c_is_130_and_what_was_measured_is_judged(paced: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "probe", "run", *QUICK, "--no-report", "--", *paced, "100000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        until(lambda: any((tmp_path / "runs").glob("*/program.out")) and frames_out(tmp_path) > 20)
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=WAIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == EXIT_INTERRUPTED
    run = store.Run.open(only_run(tmp_path))
    assert run.manifest["state"] == "interrupted"
    assert len(run.table("frames")) > 20
    assert "interrupted" in out
    assert verdict_of(only_run(tmp_path))["released"]


PRESSED = """
import signal, sys
from probe import cli, judge, tables
owner = {{"judge": judge, "finalise": tables}}["{name}"]
real = owner.{name}
def pressed(*given, **more):
    setattr(owner, "{name}", real)
    signal.raise_signal(signal.SIGINT)
    return real(*given, **more)
owner.{name} = pressed
sys.exit(cli.execute(sys.argv[1:]))
"""


def press(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Measure a program, and press Ctrl-C when this function of ours is called."""
    program = [sys.executable, "-c", "import probe; probe.frame(0, scheduled_ns=1)"]
    return subprocess.run(
        [sys.executable, "-c", PRESSED.format(name=name), "run", *QUICK, "--no-report", "--",
         *program],
        check=False, capture_output=True, text=True, cwd=folder, timeout=WAIT_S,
    )  # fmt: skip


def test_ctrl_c_while_it_is_judged_says_where_to_go_on(liveprobe: Call, tmp_path: Path) -> None:
    done = press("judge", tmp_path)
    path = only_run(tmp_path).relative_to(tmp_path)
    assert done.returncode == EXIT_INTERRUPTED
    assert f"error: interrupted before it was judged; what was measured is kept in {path}" in (
        done.stderr.replace("\n", " ")
    )
    assert f"what to do: `liveprobe audit {path}` goes on from there" in done.stderr
    assert "frame" in liveprobe("audit", str(path)).stdout


def test_ctrl_c_while_tables_are_written_is_130_and_all_is_judged(tmp_path: Path) -> None:
    done = press("finalise", tmp_path)
    assert done.returncode == EXIT_INTERRUPTED
    assert done.stderr.count("error") == 0
    assert store.read_manifest(only_run(tmp_path))["state"] == "complete"
    assert str(only_run(tmp_path).relative_to(tmp_path)) in done.stdout
    assert verdict_of(only_run(tmp_path))


def frames_out(folder: Path) -> int:
    return (only_run(folder) / "program.out").read_text().count("frame")


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("folder", "code"), [("/proc/nowhere", EXIT_ENVIRONMENT), ("file/runs", EXIT_USAGE)]
)
def test_a_folder_that_takes_no_run(
    liveprobe: Call, tmp_path: Path, folder: str, code: int
) -> None:
    (tmp_path / "file").touch()
    done = liveprobe("run", *QUICK, "-o", folder, "--", "true")
    assert done.returncode == code, done.stderr
    assert "give another folder" in done.stderr
