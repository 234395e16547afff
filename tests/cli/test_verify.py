"""`liveprobe verify` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from probe import cli
from probe.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, EXIT_USAGE

Make = Callable[..., Path]
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


def test_the_schema_of_a_file_of_claims_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["schema", "claims"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["title"] == "liveprobe claims"
