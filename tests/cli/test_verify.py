"""`liveprobe verify` as a user calls it."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import jsonschema
import pytest

from probe import cli
from probe.errors import (
    EXIT_FAILED,
    EXIT_INCONCLUSIVE,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PROGRAM,
    EXIT_USAGE,
)

Make = Callable[..., Path]
TIMEOUT_S = 60
LiveProbe = Callable[..., CompletedProcess[str]]
CLAIMS = """\
version = 1
[[claim]]
id = "{id}"
text = "quoted"
source = "a page"
date = 2026-03-18
[[claim.statement]]
text = "words"
holds = ["{test}"]
essential = true
"""


@pytest.fixture
def claims(tmp_path: Path) -> Callable[..., str]:
    def write(test: str, *more: str) -> str:
        path = tmp_path / "mine.toml"
        texts = [CLAIMS.format(id=f"c{k}", test=each) for k, each in enumerate((test, *more))]
        path.write_text(texts[0] + "".join(each.partition("\n")[2] for each in texts[1:]))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("test", "fail_on", "code"),
    [
        ("latency.p99<=50ms", None, EXIT_OK),
        ("latency.p99<=20ms", None, EXIT_FAILED),
        ("latency.p99<=20ms", "inconclusive", EXIT_OK),
        ("power.mean<=5W", None, EXIT_INCONCLUSIVE),
        ("power.mean<=5W", "refuted", EXIT_OK),
    ],
)
def test_the_exit_code_is_that_of_the_worst_claim(
    claims: Callable[..., str], made_run: Make, test: str, fail_on: str | None, code: int
) -> None:
    more = [] if fail_on is None else ["--fail-on", fail_on]
    assert cli.execute(["verify", claims(test), str(made_run("live")), *more]) == code


def test_the_answer_is_one_json_document(
    claims: Callable[..., str], made_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(made_run("live"))
    assert cli.execute(["verify", claims("latency.p99<=50ms"), run, "--json"]) == EXIT_OK
    (found,) = json.loads(capsys.readouterr().out)["claims"]
    assert (found["id"], found["outcome"]) == ("c0", "supported")
    assert found["date"] == "2026-03-18"


def test_runs_are_taken_only_for_the_claim_that_they_are_meant_for(
    claims: Callable[..., str], made_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = claims("latency.p99<=50ms", "latency.p99<=20ms"), str(made_run("live"))
    assert cli.execute(["verify", file, run]) == EXIT_INCONCLUSIVE
    assert "--claim c0" in capsys.readouterr().out
    assert cli.execute(["verify", file, run, "--claim", "c0"]) == EXIT_OK
    assert cli.execute(["verify", file, run, "--claim", "c1"]) == EXIT_FAILED
    assert cli.execute(["verify", file, run, "--claim", "c2"]) == EXIT_USAGE


def test_a_claim_of_another_device_is_not_testable_here_and_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["verify", "pi5-ai-hat", "--json", "--fail-on", "refuted"]
    assert cli.execute(arguments) == EXIT_OK
    found = json.loads(capsys.readouterr().out)["claims"]
    assert len(found) == 5
    assert {each["outcome"] for each in found} == {"not testable"}
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_wrong_is_told_with_its_lines(
    claims: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["verify", claims("latncy.p99<=50ms")]) == EXIT_USAGE
    err = capsys.readouterr().err
    assert "did you mean latency.p99" in err
    assert "(line " in err


def test_what_a_claim_names_is_measured(liveprobe: LiveProbe, tmp_path: Path) -> None:
    file = tmp_path / "demo.toml"
    conditions = (
        '[claim.conditions]\nscenario = "live-background-blur"\nduration = "1s"\n'
        'overrides = ["run.warmup=0s", "copies.mode=off", "stage.encode.place=off"]\n'
    )
    text = CLAIMS.format(id="x", test="block_size<=1")
    file.write_text(text.replace("[[claim.statement]]", conditions + "[[claim.statement]]"))
    done = liveprobe("verify", str(file), "--json", "--fail-on", "never")
    assert done.returncode == EXIT_OK, done.stderr
    (found,) = json.loads(done.stdout)["claims"]
    (run,) = (tmp_path / "runs").iterdir()
    assert found["runs"] == [run.name]
    assert found["statements"][0]["tests"][0]["test"] == "block_size<=1"


def test_the_same_run_or_a_copy_of_it_answers_once(
    claims: Callable[..., str], made_run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, copy = made_run("live"), tmp_path / "copy"
    shutil.copytree(run, copy)
    for second in (run, copy):
        assert cli.execute(["verify", claims("latency.max<=1s"), str(run), str(second)]) == (
            EXIT_USAGE
        )
        assert "each Run counts once" in capsys.readouterr().err


def test_an_answer_does_not_hang_on_the_verdict_that_a_run_brings(
    claims: Callable[..., str], made_run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(made_run("late"), run)
    (run / "verdict.json").write_text('{"schema": 1, "real_time": {"outcome": "supported"}}')
    assert cli.execute(["verify", claims("real-time"), str(run)]) == EXIT_FAILED
    assert "refuted" in capsys.readouterr().out


def measuring(test: str, *more: str) -> str:
    """Return a file with a claim a test, each of which measures the paced program's scenario."""
    conditions = '[claim.conditions]\nscenario = "paced.toml"\noverrides = ["run.seed={k}"]\n'
    texts = [
        CLAIMS.format(id=f"c{k}", test=each).replace(
            "[[claim.statement]]", conditions.format(k=k) + "[[claim.statement]]"
        )
        for k, each in enumerate((test, *more))
    ]
    return texts[0] + "".join(each.partition("\n")[2] for each in texts[1:])


def scenario(folder: Path, command: list[str]) -> None:
    """Write a scenario whose name is not that of its file, beside the claims."""
    (folder / "paced.toml").write_text(
        'version = 1\nname = "named-otherwise"\ntitle = "paced"\nmode = "command"\n'
        f"[program]\ncommand = {json.dumps(command)}\n"
        '[run]\nwarmup = "0s"\nduration = "10s"\ncollectors = []\n'
    )


def test_a_scenario_lies_beside_the_claims_and_is_known_by_its_name(
    liveprobe: LiveProbe, paced: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    scenario(folder, [*paced, "60"])
    (folder / "mine.toml").write_text(measuring("block_size<=1"))
    done = liveprobe("verify", "claims/mine.toml", "--json", "--fail-on", "never")
    assert done.returncode == EXIT_OK, done.stderr
    again = liveprobe("verify", "claims/mine.toml", "runs", "--json", "--fail-on", "never")
    outcomes = [json.loads(each.stdout)["claims"][0]["runs"] for each in (done, again)]
    assert outcomes[0] == outcomes[1] != []


def test_a_program_that_fails_while_it_is_measured_is_exit_5(
    liveprobe: LiveProbe, tmp_path: Path
) -> None:
    scenario(tmp_path, [sys.executable, "-c", "raise SystemExit(3)"])
    (tmp_path / "mine.toml").write_text(measuring("block_size<=1", "latency.p50<=1s"))
    done = liveprobe("verify", "mine.toml", "--fail-on", "never")
    assert done.returncode == EXIT_PROGRAM
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_an_interrupt_ends_all_measuring_and_what_was_measured_is_told(
    paced: list[str], tmp_path: Path
) -> None:
    scenario(tmp_path, [*paced, "3000"])
    (tmp_path / "mine.toml").write_text(measuring("block_size<=1", "latency.p50<=1s"))
    process = subprocess.Popen(
        [sys.executable, "-m", "probe", "verify", "mine.toml", "--json"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    waited = 0
    while not list(tmp_path.glob("runs/*/run.json")) and waited < TIMEOUT_S:
        time.sleep(0.2)
        waited += 1
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == EXIT_INTERRUPTED
    first, second = json.loads(out)["claims"]
    assert len(first["runs"]) == 1
    assert second["runs"] == []
    assert "stopped before" in second["reason"]


def test_all_that_is_to_be_measured_is_checked_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scenario(tmp_path, ["true"])
    text = measuring("block_size<=1", "latency.p50<=1s").replace("run.seed=1", "run.sed=1")
    (tmp_path / "mine.toml").write_text(text)
    assert cli.execute(["verify", "mine.toml"]) == EXIT_USAGE
    err = " ".join(capsys.readouterr().err.split())
    assert "claim c1: paced.toml: 1 problem" in err
    assert "did you mean run.seed?" in err
    assert not (tmp_path / "runs").exists()


def test_the_schema_of_a_file_of_claims_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["schema", "claims"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["title"] == "liveprobe claims"


def test_the_printed_document_is_as_the_printed_schema_says(
    claims: Callable[..., str], made_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["schema", "verify"]) == EXIT_OK
    schema = json.loads(capsys.readouterr().out)
    file = claims("latency.p99<=50ms")
    for runs in ([str(made_run("live"))], [str(made_run("generator"))]):
        cli.execute(["verify", file, *runs, "--json"])
        jsonschema.validate(json.loads(capsys.readouterr().out), schema)
    cli.execute(["verify", "pi5-ai-hat", str(made_run("live")), "--json"])
    jsonschema.validate(json.loads(capsys.readouterr().out), schema)


def test_a_report_is_written_beside_what_is_printed(
    claims: Callable[..., str], made_run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run, page = claims("latency.p99<=50ms"), str(made_run("live")), tmp_path / "claims.html"
    assert cli.execute(["verify", file, run]) == EXIT_OK
    before = capsys.readouterr().out
    assert cli.execute(["verify", file, run, "-o", str(page)]) == EXIT_OK
    assert capsys.readouterr().out == f"{before}\nreport: {page}\n"
    text = page.read_text(encoding="utf-8")
    assert hashlib.sha256(Path(file).read_bytes()).hexdigest() in text
    assert "supported" in text
    assert str(tmp_path) not in text
    assert cli.execute(["verify", file, run, "-o", str(page), "--json"]) == EXIT_USAGE
    assert "exists" in capsys.readouterr().out
    assert cli.execute(["verify", file, run, "-o", str(page), "--json", "--force"]) == EXIT_OK
    assert "report" not in json.loads(capsys.readouterr().out)


def test_a_report_that_cannot_be_written_stops_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("runs", "nowhere/claims.html"):
        assert cli.execute(["verify", "default-demo", "-o", place]) == EXIT_USAGE
    assert "--folder says where Runs are made" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_same_run_counts_once(
    claims: Callable[..., str], made_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(made_run("live"))
    assert cli.execute(["verify", claims("latency.max<=1s"), *[run] * 5]) == EXIT_USAGE
    assert "given twice" in capsys.readouterr().err
