"""The verbs that work from a Run on disk: measured once, and each test has a copy to damage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from probe import cli, store
from probe.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE


@dataclass(frozen=True)
class Done:
    """What a verb printed, and its exit code."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]


def verdict_of(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / "verdict.json").read_text())
    return document


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)

    def verb(*arguments: str) -> Done:
        code = cli.execute(arguments)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return verb


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, paced_text: str) -> Path:
    folder = tmp_path_factory.mktemp("original")
    command = [sys.executable, "-m", "probe", "run", "--set", "run.warmup=0s", "--no-report"]
    subprocess.run(
        [*command, "--", sys.executable, "-c", paced_text, "60"],
        check=False,
        capture_output=True,
        cwd=folder,
        timeout=120,
    )
    (path,) = (folder / "runs").iterdir()
    return path


@pytest.fixture
def measured(original: Path, tmp_path: Path) -> Path:
    """Return the directory of a Run of 60 frames that the test may damage."""
    path = tmp_path / "runs" / original.name
    shutil.copytree(original, path)
    return path


def test_audit_gives_the_same_verdict_again(call: Call, measured: Path) -> None:
    first = verdict_of(measured)
    (measured / "verdict.json").unlink()
    unwritten = call("audit", str(measured), "--json", "--no-write")
    assert json.loads(unwritten.out) == first
    assert not (measured / "verdict.json").exists()
    call("audit", str(measured))
    assert verdict_of(measured) == first


def test_a_run_whose_harness_died_is_recovered_by_audit(call: Call, measured: Path) -> None:
    manifest = store.read_manifest(measured)
    manifest["state"] = "running"
    manifest["harness"] = {"pid": 2**22 + 1, "start_ticks": "0", "cpu_ns": 0}
    (measured / "run.json").write_text(json.dumps(manifest))
    done = call("audit", str(measured))
    assert done.code == EXIT_INTERRUPTED, done.err
    assert store.read_manifest(measured)["state"] == "interrupted"


def test_report_renders_again_and_replaces_only_by_force(
    call: Call, measured: Path, tmp_path: Path
) -> None:
    done = call("report", str(measured), "--json")
    assert json.loads(done.out)["report"] == str(measured / "report.html")
    assert (measured / "report.html").read_text().startswith("<!doctype html>")
    again = call("report", str(measured))
    assert again.code == EXIT_USAGE
    assert "--force" in again.err
    assert call("report", str(measured), "--force").code == EXIT_OK
    assert call("report", str(measured), "-o", "elsewhere.html").code == EXIT_OK
    assert (tmp_path / "elsewhere.html").exists()


def test_two_runs_of_a_kind_are_no_page(call: Call, measured: Path) -> None:
    done = call("report", str(measured), str(measured), "-o", "both.html")
    assert done.code == EXIT_USAGE
    assert "both Runs are live" in done.err


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": 999}', "\xff"])
def test_a_verdict_that_cannot_be_read_says_how_to_get_another(
    call: Call, measured: Path, damage: str
) -> None:
    (measured / "verdict.json").write_bytes(damage.encode("latin-1"))
    done = call("report", str(measured), "-o", "new.html")
    assert done.code == EXIT_USAGE
    assert "liveprobe audit" in done.err


def test_a_run_of_a_newer_version_is_refused(call: Call, measured: Path) -> None:
    manifest = store.read_manifest(measured) | {"schema": 999}
    (measured / "run.json").write_text(json.dumps(manifest))
    for verb in ("audit", "report"):
        done = call(verb, str(measured))
        assert done.code == EXIT_USAGE
        assert "newer liveprobe" in done.err


@pytest.mark.parametrize("name", ["perfetto", "csv", "parquet"])
def test_export_writes_each_format_once(call: Call, measured: Path, name: str) -> None:
    done = call("export", str(measured), "--to", name, "--json")
    assert done.code == EXIT_OK, done.err
    path = Path(json.loads(done.out)["path"])
    assert path.parent == measured
    assert path.stat().st_size > 0
    again = call("export", str(measured), "--to", name)
    assert again.code == EXIT_USAGE
    assert call("export", str(measured), "--to", name, "--force").code == EXIT_OK


def test_a_folder_of_somebody_is_not_replaced_by_an_export(
    call: Call, measured: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "a").touch()
    done = call("export", str(measured), "--to", "csv", "-o", "precious", "--force")
    assert done.code == EXIT_USAGE
    assert (precious / "a").exists()


def test_ls_lists_what_was_measured(call: Call, measured: Path) -> None:
    (row,) = json.loads(call("ls", "--json").out)["runs"]
    assert (row["scenario"], row["state"], row["mode"]) == ("command", "complete", "command")
    assert row["validity"] == verdict_of(measured)["validity"]["status"]
