"""`liveprobe hot` on a real program with two known hot functions, and on Runs without samples."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe import cli, engine, judge
from probe.errors import EXIT_ENVIRONMENT, EXIT_OK
from probe.scenario import Scenario
from probe.store import Run, as_table, write_json, write_table
from reports.run_report import render

PROGRAM = """
import random, time
import probe

def scan_rows(until):
    while time.monotonic_ns() < until: pass

def convolve(until):
    while time.monotonic_ns() < until: pass

end = time.monotonic() + 6
frame = 0
while time.monotonic() < end:
    now = time.monotonic_ns()
    probe.frame(frame, scheduled_ns=now)
    with probe.stage("decode", frame=frame):
        scan_rows(now + random.randint(4, 12) * 10**6)
    now = time.monotonic_ns()
    with probe.stage("infer", frame=frame):
        convolve(now + random.randint(8, 20) * 10**6)
    probe.mark("delivered", frame=frame)
    time.sleep(0.004)
    frame += 1
"""
CLOCK_MS = 60.0
"""A bracket of the clock wider than this means a machine too busy to tell stages apart."""


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("sampled")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    scenario = Scenario.model_validate(
        {
            "name": "two-hot-functions",
            "mode": "command",
            "run": {"warmup": "500ms", "collectors": ["pyspy"]},
            "program": {"command": [sys.executable, str(folder / "program.py")]},
            "pyspy": {"mode": "nonblocking"},
        }
    )
    return Run.open(engine.measure(scenario, folder / "runs"))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def verb(*arguments: str) -> tuple[int, str]:
        code = cli.execute(("hot", *arguments))
        return code, capsys.readouterr().out

    return verb


def test_each_hot_function_stands_in_its_own_stage(
    sampled: Run, call: Callable[..., tuple[int, str]]
) -> None:
    code, out = call(str(sampled.path), "--json")
    assert code == EXIT_OK
    hot: dict[str, Any] = json.loads(out)["hot"]
    if hot["uncertainty_ns"] > CLOCK_MS * 1e6:
        pytest.skip("this machine is too busy to tell when py-spy began")
    first = {each["stage"]: each["functions"][0] for each in hot["stages"]}
    assert {stage: f["function"] for stage, f in first.items()} == {
        "decode": "scan_rows",
        "infer": "convolve",
    }
    for function in first.values():
        assert function["own"]["value"] > 0.9
        assert function["own"]["low"] < function["own"]["value"] <= function["own"]["high"]
        assert function["file"] == "program.py"
    assert hot["agreement"] > 0.8


@pytest.mark.parametrize(
    ("word", "mode"), [("on", "nonblocking"), ("native", "native"), ("off", "off")]
)
def test_the_option_sets_the_mode(word: str, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(("run", "--dry-run", "--json", "--sample", word)) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["scenario"]["pyspy"]["mode"] == mode


def test_as_text_by_stage_and_by_function(
    sampled: Run, call: Callable[..., tuple[int, str]]
) -> None:
    code, by_stage = call(str(sampled.path))
    assert code == EXIT_OK
    assert "decode: n = " in by_stage
    assert "without pausing the program" in by_stage
    _, by_function = call(str(sampled.path), "--by", "function", "--top", "1")
    assert "more functions: --top 0 shows all" in by_function


def test_the_run_holds_a_profile_and_the_samplers_cost(sampled: Run) -> None:
    assert sampled.path is not None
    profile = json.loads((sampled.path / "profile.speedscope.json").read_text(encoding="utf-8"))
    assert profile["$schema"].endswith("file-format-schema.json")
    assert {"stage decode", "stage infer"} <= {f["name"] for f in profile["shared"]["frames"]}
    (entry,) = sampled.manifest["collectors"]
    assert entry["outcome"] == "ok"
    assert entry["facts"]["cpu_ns"] > 0
    assert entry["samples"] > 0


def test_the_programs_cpu_time_is_without_the_samplers(sampled: Run) -> None:
    program = sampled.manifest["program"]
    assert program["cpu_ns"] <= (program["ended_ns"] - program["started_ns"]) * 1.02


def test_the_report_says_where_the_time_is(sampled: Run) -> None:
    page = render((sampled, judge.judge(sampled)), None)
    assert "Where is the time in the code?" in page
    assert "convolve" in page
    assert str(sampled.path) not in page


def changed(sampled: Run, folder: Path, **manifest: Any) -> Path:
    assert sampled.path is not None
    path = Path(shutil.copytree(sampled.path, folder / "run"))
    write_json(path / "run.json", {**sampled.manifest, **manifest})
    return path


@pytest.mark.parametrize(
    ("mode", "outcome"), [("nonblocking", "refuted"), ("native", "inconclusive")]
)
def test_a_pass_that_paused_the_program_refutes_nothing_by_its_latencies(
    sampled: Run, tmp_path: Path, mode: str, outcome: str
) -> None:
    scenario = dict(sampled.manifest["scenario"])
    resolved = {**scenario["resolved"], "pyspy": {"mode": mode, "rate": 100}}
    path = changed(sampled, tmp_path, scenario={**scenario, "resolved": resolved})
    write_table(path, "frames", sampled.table("frames").assign(fate="late"))
    verdict = judge.judge(Run.open(path))
    (rule,) = [each for each in verdict["rules"] if each["rule"] == 3]
    assert rule["outcome"] == outcome
    limited = any("--sample native" in each for each in verdict["validity"]["reasons"])
    assert limited is (mode == "native")
    late = next(each for each in verdict["findings"] if each["audit"] == "late_frames")
    assert late["outcome"] == "failed"
    page = render((Run.open(path), verdict), None)
    paused = mode == "native"
    assert late["disturbed"] == ("the program was paused to be sampled" if paused else None)
    assert ("<b>disturbed</b>" in page) is paused
    assert (f"<i>Fix:</i> {late['remedy'][:20]}" in page) is not paused


def test_a_program_that_says_nothing_is_told_of_by_thread(
    sampled: Run, tmp_path: Path, call: Callable[..., tuple[int, str]]
) -> None:
    path = changed(sampled, tmp_path, window=None)
    silent = sampled.table("stack_samples").assign(stage=None, frame=None, measured=False)
    write_table(path, "stack_samples", as_table("stack_samples", silent))
    for name in ("frames", "outputs", "spans"):
        write_table(path, name, sampled.table(name)[:0])
    code, out = call(str(path))
    assert (code, "by thread, of its whole run" in out) == (EXIT_OK, True)
    page = render((Run.open(path), judge.judge(Run.open(path))), None)
    assert "Functions by thread" in page
    assert "convolve" in page


def test_where_nobody_asked_it_says_how(
    sampled: Run, tmp_path: Path, call: Callable[..., tuple[int, str]]
) -> None:
    path = changed(sampled, tmp_path, stacks=None, collectors=[])
    code, out = call(str(path))
    assert (code, "--sample on" in out) == (EXIT_OK, True)
    assert "Where is the time in the code" not in render(
        (Run.open(path), judge.judge(Run.open(path))), None
    )


def test_where_it_could_not_be_sampled_it_says_why(
    sampled: Run, tmp_path: Path, call: Callable[..., tuple[int, str]]
) -> None:
    entry = {"name": "pyspy", "outcome": "no data", "reason": "no right to look",
             "remedy": "--cap-add SYS_PTRACE"}  # fmt: skip
    path = changed(sampled, tmp_path, stacks=None, collectors=[entry])
    code, out = call(str(path))
    assert code == EXIT_ENVIRONMENT
    assert "no right to look" in out
    assert "SYS_PTRACE" in out
    page = render((Run.open(path), judge.judge(Run.open(path))), None)
    assert "No right to look" in page
