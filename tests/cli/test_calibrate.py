"""`liveprobe calibrate` as a user calls it: real pairs of runs, a second or two each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe import store
from probe.errors import (
    EXIT_ENVIRONMENT,
    EXIT_INCONCLUSIVE,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PROGRAM,
    EXIT_USAGE,
)

Call = Callable[..., subprocess.CompletedProcess[str]]
SHORT = ("--set", "run.warmup=0s", "--set", "run.duration=20s")
"""The paced program ends long before, by itself."""
REFERENCE = ("--set", "run.warmup=0s", "--set", "run.duration=1s")
CPU = ("--set", 'run.collectors=["cpu"]', "--copies", "off")
FRAMES = 120


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("LIVEPROBE_STATE", str(folder))
    return folder


@pytest.fixture
def scenario(paced: list[str], tmp_path: Path) -> str:
    """Return the file of a scenario whose program gives 100 frames a second, and ends."""
    return written(tmp_path, [*paced, str(FRAMES)])


def written(folder: Path, command: list[str]) -> str:
    file = folder / "paced.toml"
    file.write_text(
        'version = 1\nname = "paced"\ntitle = "a paced program"\nmode = "command"\n'
        f"[program]\ncommand = {json.dumps(command)}\n"
    )
    return str(file)


def kept(state: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(state.glob("calibrations/*.json"))]


def test_pairs_are_measured_in_turn_and_kept_for_later_runs(
    liveprobe: Call, scenario: str, state: Path, tmp_path: Path
) -> None:
    done = liveprobe(
        "calibrate", scenario, *SHORT, *CPU, "--pairs", "2", "-o", "pairs", "--json"
    )  # fmt: skip
    assert done.returncode == EXIT_INCONCLUSIVE, done.stderr  # two pairs give no interval
    assert "2 pairs of paced, 4 runs: about" in done.stderr
    assert "run 4 of 4" in done.stderr
    said, (document,) = json.loads(done.stdout), kept(state)
    assert said["outcome"] == "not resolved here"
    assert {name: said[name] for name in document} == document
    assert document["collectors"] == document["read"] == ["cpu"]
    assert document["copies"] == "off"
    assert document["conditions"]["frames"] == [FRAMES, FRAMES]
    assert all(len(document["shifts"][name]) == 2 for name in ("p50", "p99", "cpu"))
    assert "throughput" not in document["shifts"]  # a command cannot be told to run free
    assert document["costs"]["cpu"]["cpu_ms_per_s"] > 0
    manifests = [store.read_manifest(path) for path in sorted((tmp_path / "pairs").iterdir())]
    by_time = sorted(manifests, key=lambda each: each["clocks"]["start_monotonic_ns"])
    order = [len(each["collectors"]) for each in by_time]
    assert order == [0, 1, 1, 0]  # A B B A

    paced = ("--no-report", "-o", "later", "--fail-on", "never", "--json")
    later = json.loads(liveprobe("run", scenario, *SHORT, *CPU, *paced).stdout)
    assert later["overhead"]["pairs"] == 2
    assert later["overhead"]["outcome"] == "not resolved here"
    again = liveprobe("calibrate", scenario, *SHORT, *CPU, "--pairs", "2", "--if-stale")
    assert again.returncode == EXIT_INCONCLUSIVE
    assert "nothing was measured" in again.stderr
    assert kept(state) == [document]
    other = json.loads(liveprobe("run", scenario, *SHORT, "--copies", "off", *paced).stdout)
    assert other["overhead"] is None


def test_the_text_says_what_it_came_to_and_what_to_do(liveprobe: Call, scenario: str) -> None:
    done = liveprobe(
        "calibrate", scenario, *SHORT, *CPU, "--pairs", "1", "--noise", "--fail-on", "never"
    )
    assert done.returncode == EXIT_OK, done.stderr
    assert "the harness's weight: not resolved here" in done.stdout
    assert "off against off" in done.stdout
    assert "too few pairs" in done.stdout
    assert "liveprobe calibrate --pairs 6" in done.stdout


def test_the_reference_program_is_also_measured_free_running(liveprobe: Call, state: Path) -> None:
    done = liveprobe("calibrate", *REFERENCE, *CPU, "--pairs", "1", "--fail-on", "never")
    assert done.returncode == EXIT_OK, done.stderr
    (document,) = kept(state)
    assert document["scenario"]["name"] == "live-background-blur"
    (loss,) = document["shifts"]["throughput"]
    assert loss is not None
    assert document["conditions"]["off"]["free_fps"] > 0
    assert "--set run.duration=20s" in done.stdout  # 30 frames have no p99


def test_nothing_is_measured_where_nothing_could_be_kept(
    liveprobe: Call, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEPROBE_STATE", "/proc/liveprobe")
    done = liveprobe("calibrate", scenario, *SHORT, *CPU, "--pairs", "1")
    assert done.returncode == EXIT_ENVIRONMENT
    assert "/proc/liveprobe/calibrations: no calibration can be kept there" in done.stderr
    assert "LIVEPROBE_STATE" in done.stderr
    assert "run 1 of" not in done.stderr


@pytest.mark.parametrize(("reached", "pairs"), [("run 1 of", 0), ("run 3 of", 1)])
def test_ctrl_c_keeps_the_whole_pairs(
    reached: str, pairs: int, scenario: str, state: Path, tmp_path: Path
) -> None:
    arguments = ["calibrate", scenario, *SHORT, *CPU, "--pairs", "50"]
    process = subprocess.Popen(
        [sys.executable, "-m", "probe", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "CI": "1"},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(reached):
                break
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == EXIT_INTERRUPTED, rest
    assert [len(each["shifts"]["p50"]) for each in kept(state)] == [1] * bool(pairs)
    assert all(each["interrupted"] for each in kept(state))


def test_a_program_that_fails_is_5_and_nothing_is_kept(
    liveprobe: Call, state: Path, tmp_path: Path
) -> None:
    file = written(tmp_path, [sys.executable, "-c", "raise SystemExit('no luck')"])
    done = liveprobe("calibrate", file, *SHORT, *CPU, "--pairs", "1")
    assert done.returncode == EXIT_PROGRAM
    assert "no luck" in done.stderr
    assert kept(state) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("generate-clip",), "no latency to be shifted"),
        (("--set", "run.collectors=[]", "--copies", "off"), "nothing to weigh"),
        (("--set", 'run.collectors=["nonsense"]'), "no collector nonsense"),
        (("--pairs", "0"), "--pairs"),
    ],
)
def test_what_cannot_be_weighed_is_wrong_usage(
    arguments: tuple[str, ...], said: str, liveprobe: Call
) -> None:
    done = liveprobe("calibrate", *arguments)
    assert done.returncode == EXIT_USAGE
    assert said in done.stderr
