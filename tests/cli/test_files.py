from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from probe import cli
from probe.errors import EnvironmentUnmet, UsageError


def liveprobe(*arguments: str) -> Result:
    return CliRunner().invoke(cli.liveprobe, list(arguments), standalone_mode=False)


@pytest.mark.parametrize("mode", ["live", "generate"])
def test_init_writes_a_scenario_that_run_takes(mode: str, tmp_path: Path) -> None:
    file = tmp_path / "Mine Own.toml"
    done = liveprobe("init", str(file), "--template", mode, "--json")
    assert json.loads(done.stdout) == {"scenario": str(file)}
    document = tomllib.loads(file.read_text())
    assert (document["name"], document["mode"]) == ("mine-own", mode)
    planned = json.loads(liveprobe("run", str(file), "--dry-run", "--json").stdout)
    assert planned["scenario"]["name"] == "mine-own"
    assert planned["custom"]


def test_what_exists_is_replaced_only_by_force(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("precious")
    refused = liveprobe("init", str(file))
    assert isinstance(refused.exception, UsageError)
    assert "--force" in str(refused.exception.remedy)
    assert file.read_text() == "precious"
    assert liveprobe("init", str(file), "--force").exception is None
    assert "version = 1" in file.read_text()


def test_a_folder_is_not_overwritten_even_by_force(tmp_path: Path) -> None:
    assert isinstance(liveprobe("init", str(tmp_path), "--force").exception, UsageError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_the_environments_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert isinstance(liveprobe("init", str(tmp_path / "a.toml")).exception, EnvironmentUnmet)


@pytest.mark.parametrize("document", ["scenario", "verdict"])
def test_schemas_are_schemas(document: str) -> None:
    plain, as_json = liveprobe("schema", document), liveprobe("schema", document, "--json")
    assert json.loads(plain.stdout) == json.loads(as_json.stdout)
    jsonschema.Draft202012Validator.check_schema(json.loads(plain.stdout))


def test_a_dry_run_measures_nothing_and_says_what_it_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = liveprobe("run", "--dry-run", "--set", "run.duration=6s", "-o", "there")
    assert done.return_value == 0
    for words in ("live-background-blur (live), custom", "6 s measured", "people_720p30", "there"):
        assert words in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_command_is_measured_until_it_ends_unless_bounded() -> None:
    assert "until the command ends" in liveprobe("run", "--dry-run", "--", "sleep", "1").stdout
    bounded = liveprobe("run", "--dry-run", "--duration", "3s", "--", "sleep", "--help")
    assert "3 s measured" in bounded.stdout
    assert "sleep --help" in bounded.stdout


def test_ls_of_a_folder_without_runs(tmp_path: Path) -> None:
    assert json.loads(liveprobe("ls", str(tmp_path), "--json").stdout) == {"runs": []}
    assert liveprobe("ls", str(tmp_path)).stdout == ""


def test_ls_shows_what_became_of_each_run(tmp_path: Path) -> None:
    manifest = {
        "schema": 1, "state": "running", "mode": "live", "created": "2026-01-02T00:00:00Z",
        "scenario": {"name": "mine"}, "harness": {"pid": 2**22 + 1, "start_ticks": "0"},
    }  # fmt: skip
    for name, text in {
        "b": json.dumps(manifest),
        "a": json.dumps({**manifest, "state": "complete", "created": "2026-01-03T00:00:00Z"}),
        "c": "{",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    verdict = {"regime": "real-time", "validity": {"status": "valid"}}
    (tmp_path / "a" / "verdict.json").write_text(json.dumps(verdict))
    rows = json.loads(liveprobe("ls", str(tmp_path), "--json").stdout)["runs"]
    told = [(Path(row["path"]).name, row["state"], row["regime"]) for row in rows]
    assert told == [
        ("c", "unreadable", None),
        ("b", "cut short", None),
        ("a", "complete", "real-time"),
    ]
    text = liveprobe("ls", str(tmp_path)).stdout
    assert text.splitlines()[0].split()[0] == "CREATED"
    assert len(text.splitlines()) == 4
