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

from probe import cli, store
from probe.errors import (
    EXIT_ENVIRONMENT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PROGRAM,
    EXIT_USAGE,
)
from probe.verdict.schema import schema as verdict_schema

Call = Callable[..., subprocess.CompletedProcess[str]]
Capture = pytest.CaptureFixture[str]
QUICK = ("--set", "run.warmup=0s", "--set", "run.collectors=[]", "--no-report")
AT_ONCE = ("--set", "run.cool_down=0s")
WAIT_S = 60

CRASHES_SECOND = """
import sys, pathlib, probe
mark = pathlib.Path("been-here")
for k in range(5):
    probe.frame(k); probe.mark("delivered", frame=k)
if mark.exists():
    sys.exit("second time unlucky")
mark.touch()
"""


def members(folder: Path) -> list[Path]:
    (place,) = (folder / "runs").iterdir()
    return sorted(place.iterdir())


def verdict_of(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "verdict.json").read_text()))


def test_repeats_are_runs_side_by_side_of_one_series(
    liveprobe: Call, paced: list[str], tmp_path: Path
) -> None:
    done = liveprobe("run", "--repeats", "2", *AT_ONCE, *QUICK, "--", *paced, "30")
    assert done.returncode == EXIT_OK, done.stderr
    manifests = [store.read_manifest(path) for path in members(tmp_path)]
    assert [each["series"]["index"] for each in manifests] == [1, 2]
    assert {each["series"]["of"] for each in manifests} == {2}
    assert len({each["series"]["id"] for each in manifests}) == 1
    assert manifests[1]["cool_down"]["outcome"] == "left out"
    assert "run.repeats=2" in manifests[0]["scenario"]["overrides"]
    told = [verdict_of(path)["series"] for path in members(tmp_path)]
    assert [len(each["members"]) for each in told] == [2, 2]  # judged again at the end
    assert [each["index"] for each in told] == [1, 2]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[1] for line in lines if line[0] == "repeat"] == ["1", "2"]
    assert "repeat 2 of 2: loading" in done.stderr
    assert "it takes until the command ends, 2 times" in done.stderr
    listed = json.loads(liveprobe("ls", "--json").stdout)["runs"]
    assert [Path(each["path"]).name for each in listed] == [p.name for p in members(tmp_path)]


def test_a_series_as_json_holds_each_verdict(
    liveprobe: Call, paced: list[str], tmp_path: Path
) -> None:
    done = liveprobe("run", "--repeats", "2", *AT_ONCE, *QUICK, "--json", "--", *paced, "20")
    printed = json.loads(done.stdout)
    assert (printed["series"]["of"], printed["series"]["measured"]) == (2, 2)
    assert not printed["series"]["certified"]
    for each, path in zip(printed["runs"], members(tmp_path), strict=True):
        jsonschema.validate(each["verdict"], verdict_schema())
        assert each["verdict"] == verdict_of(path)


def test_a_crash_in_one_repeat_is_5_and_all_runs_are_kept(liveprobe: Call, tmp_path: Path) -> None:
    done = liveprobe(
        "run", "--repeats", "3", *AT_ONCE, *QUICK, "--", sys.executable, "-c", CRASHES_SECOND
    )
    assert done.returncode == EXIT_PROGRAM
    states = [store.read_manifest(path)["state"] for path in members(tmp_path)]
    assert states == ["complete", "program failed", "program failed"]
    assert done.stdout.count("program failed") >= 2


def test_a_program_that_measures_nothing_is_not_started_again(
    liveprobe: Call, tmp_path: Path
) -> None:
    done = liveprobe("run", "--repeats", "3", *QUICK, "--", sys.executable, "-c", "raise KeyError")
    assert done.returncode == EXIT_PROGRAM
    assert len(members(tmp_path)) == 1
    assert "1 of 3 repeats were measured" in done.stdout


def test_an_interrupted_series_stops_and_keeps_its_runs(paced: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "probe", "run", "--repeats", "3", *QUICK, "--", *paced, "20"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "repeat 2 of 3: cool-down" in line:
                break
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=WAIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == EXIT_INTERRUPTED
    (path,) = members(tmp_path)
    assert store.read_manifest(path)["state"] == "complete"
    assert "1 of 3 repeats were measured" in out
    assert verdict_of(path)["series"]["of"] == 3


def test_a_killed_member_is_missed_then_recovered(tmp_path: Path, capsys: Capture) -> None:
    command = [sys.executable, "-m", "probe", "run", "--repeats", "2", *AT_ONCE, *QUICK, "--"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", SLOW_SECOND], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            until((tmp_path / "hanging").exists)
        finally:
            process.kill()
    first, second = members(tmp_path)
    cli.execute(["audit", str(first)])
    assert "repeat 2 was cut short" in capsys.readouterr().out
    cli.execute(["audit", str(second)])
    capsys.readouterr()
    cli.execute(["audit", str(first)])
    assert "was cut short" not in capsys.readouterr().out
    assert len(verdict_of(first)["series"]["members"]) == 2


SLOW_SECOND = """
import pathlib, time, probe
second = pathlib.Path("been-here").exists()
pathlib.Path("been-here").touch()
for k in range(5):
    probe.frame(k); probe.mark("delivered", frame=k)
if second:
    pathlib.Path("hanging").touch()
    time.sleep(100)
"""


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


@pytest.mark.parametrize("number", ["0", "-1", "1000000000"])
def test_a_number_of_repeats_that_makes_no_sense_is_2(number: str, capsys: Capture) -> None:
    assert cli.execute(["run", "--repeats", number, "--", "true"]) == EXIT_USAGE
    assert "repeats" in capsys.readouterr().err


def test_a_folder_that_takes_no_series(capsys: Capture) -> None:
    asked = ["run", "--repeats", "2", "-o", "/proc/nowhere", "--", "true"]
    assert cli.execute(asked) == EXIT_ENVIRONMENT
    said = capsys.readouterr().err
    assert "/proc/nowhere" in said
    assert "what to do" in said


def planned(capsys: Capture, *arguments: str) -> list[str]:
    """Return what a dry run says would be changed of the scenario."""
    assert cli.execute(["run", *arguments, "--dry-run", "--json"]) == EXIT_OK
    return list(json.loads(capsys.readouterr().out)["overrides"])


def test_a_tier_sets_what_it_needs(capsys: Capture) -> None:
    certified = ["run.duration=600s", "run.soak=true", "run.repeats=5"]
    assert planned(capsys, "--tier", "certified") == certified
    assert planned(capsys, "--tier", "standard") == ["run.duration=600s"]
    longer = ("--set", "run.duration=20m", "--tier", "standard")
    assert planned(capsys, *longer) == ["run.duration=20m"]
    cli.execute(["run", "--tier", "certified", "--dry-run"])
    assert "at most 3 h 41 min" in capsys.readouterr().out


def test_a_tier_of_a_command_sets_how_long_it_goes_on(liveprobe: Call) -> None:
    done = liveprobe("run", "--tier", "certified", "--dry-run", "--json", "--", "true")
    changed = ["run.duration=600s", "run.soak=true", "run.repeats=5"]
    assert json.loads(done.stdout)["overrides"] == changed


def test_a_tier_and_a_shorter_duration_contradict_each_other(capsys: Capture) -> None:
    short = ["run", "--tier", "standard", "--duration", "3s", "--dry-run"]
    assert cli.execute(short) == EXIT_USAGE
    said = capsys.readouterr().err
    assert "run.duration=600s" in said
    assert "run.duration=3s" in said
    few = ["run", "--tier", "certified", "--repeats", "3", "--dry-run"]
    assert cli.execute(few) == EXIT_USAGE
    assert "run.repeats=5" in capsys.readouterr().err
