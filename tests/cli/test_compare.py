"""`liveprobe compare` as a user calls it: how sides are given, what is printed, exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from probe import cli, comparison_schema, store
from probe.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, EXIT_USAGE
from probe.store import Run

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def folders(made_run: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the folders a, b (as a) and slow, of four Runs each."""
    home = tmp_path_factory.mktemp("compared")
    original = made_run("live", seconds=10.0)
    rng = np.random.default_rng(11)
    for name, shift_ms in (("a", 0), ("b", 0), ("slow", 12)):
        for number in range(4):
            path = home / name / f"run-{number}"
            shutil.copytree(original, path)
            (path / "samples.parquet").unlink()
            manifest = json.loads((path / "run.json").read_text())
            manifest["id"] = f"{name}-{number}"
            (path / "run.json").write_text(json.dumps(manifest))
            later = int((rng.normal(0, 0.3) + shift_ms) * 1e6)
            frames = Run.open(path).table("frames").copy()
            frames["rendered_ns"] += later
            frames["delivered_ns"] += later
            store.write_table(path, "frames", frames)
            manifest = store.read_manifest(path)
            store.write_json(
                path / store.MANIFEST, {**manifest, "id": f"{manifest['id']}-{name}-{number}"}
            )
    return home


@pytest.fixture(autouse=True)
def _there(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders)


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_folders_are_sides_and_a_regression_is_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["compare", "a", "b"]) == EXIT_OK
    out = capsys.readouterr().out
    assert "no difference beyond noise" in out.splitlines()[0]
    assert "what differs besides" in out
    assert cli.execute(["compare", "a", "slow"]) == EXIT_FAILED
    out = capsys.readouterr().out
    assert "worse" in out.splitlines()[0]
    assert out.index("what differs besides") < out.index("latency.p50")
    assert cli.execute(["compare", "slow", "a"]) == EXIT_OK
    assert cli.execute(["compare", "a", "slow", "--fail-on", "never"]) == EXIT_OK
    assert cli.execute(["compare", "a", "slow", "--fail-on", "regression"]) == EXIT_FAILED


def test_two_dashes_part_the_sides_wherever_options_stand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [[f"{side}/run-{k}" for k in range(4)] for side in ("a", "slow")]
    arguments = ["compare", *runs[0], "--", *runs[1], "--metric", "latency.p50", "--json"]
    assert cli.execute(arguments) == EXIT_FAILED
    found = document(capsys)
    assert [len(side["runs"]) for side in found["sides"]] == [4, 4]
    assert [each["metric"] for each in found["metrics"]] == ["latency.p50"]
    assert found["metrics"][0]["against"][0]["verdict"] == "worse"


def test_single_runs_are_insufficient_and_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["compare", "a/run-0", "slow/run-0"]) == EXIT_INCONCLUSIVE
    assert "insufficient runs" in capsys.readouterr().out
    only = ["--fail-on", "regression"]
    assert cli.execute(["compare", "a/run-0", "slow/run-0", *only]) == EXIT_OK


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a"], "a base and at least one side"),
        (["a", "--"], "a base and at least one side"),
        (["a", "a/run-0"], "given twice"),
        (["a", "nowhere"], "not a Run"),
        (["a", "b", "--metric", "latncy.p50"], "did you mean latency.p50"),
        (["a", "b", "--vary", "stage.infer.thread"], "did you mean stage.infer.threads"),
        (["a", "b", "--fail-on", "failed"], "regression"),
        (["a", "b", "--min-effect", "-1"], "--min-effect"),
        (["a", "b", "--min-effect", "nan"], "not a number"),
        (["a", "b", "--metric", "stage.infre.p50"], "did you mean infer"),
        (["a", "b", "--metric", "track.heat.max"], "there is no track heat"),
        (["a", "b", "--metric", ""], "'': no such metric"),
        (["a", "a/run-0/run.json"], "a Run is a folder"),
    ],
)
def test_what_cannot_be_compared_is_wrong_usage(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["compare", *arguments]) == EXIT_USAGE
    assert said in capsys.readouterr().err


def test_a_copy_of_a_run_is_no_second_sample(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree("a/run-0", copy)
    assert cli.execute(["compare", "a", "--", "b", str(copy)]) == EXIT_USAGE
    assert f"{copy}: a copy of a/run-0" in " ".join(capsys.readouterr().err.split())


def test_both_sides_are_judged_by_the_rules_of_this_version(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree("a", tmp_path / "a")
    for run in (tmp_path / "a").iterdir():
        (run / "verdict.json").write_text('{"schema": 1, "latency_ms": {"p50": 1e9}}')
    assert cli.execute(["compare", str(tmp_path / "a"), "b", "--json"]) == EXIT_OK
    assert document(capsys)["summary"][0]["no difference"] > 0


def test_what_blocks_is_told_with_how_to_name_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree("b", tmp_path / "b")
    for run in (tmp_path / "b").iterdir():
        manifest = json.loads((run / "run.json").read_text())
        manifest["scenario"]["resolved"]["stage"]["infer"]["threads"] = 2
        (run / "run.json").write_text(json.dumps(manifest))
    arguments = ["compare", "a", str(tmp_path / "b")]
    assert cli.execute(arguments) == EXIT_INCONCLUSIVE
    assert "add --vary stage.infer.threads" in capsys.readouterr().out
    assert cli.execute([*arguments, "--vary", "stage.infer.threads"]) == EXIT_OK


def test_a_metric_named_twice_is_compared_once(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--metric", "latency.p50", "--metric", "latency.p50"]
    cli.execute(["compare", "a", "b", *asked, "--json"])
    assert len(document(capsys)["metrics"]) == 1


def test_an_error_behind_two_dashes_is_told_as_json_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.execute(["compare", "a", "--", "nowhere", "--json"]) == EXIT_USAGE
    assert document(capsys)["error"]["exit_code"] == EXIT_USAGE


def test_the_printed_document_is_as_the_printed_schema_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.execute(["schema", "comparison"]) == EXIT_OK
    schema = document(capsys)
    assert schema == comparison_schema.schema()
    for sides in (["a", "b"], ["a/run-0", "slow/run-0"], ["a", "slow", "--min-effect", "5"]):
        cli.execute(["compare", *sides, "--json", "--fail-on", "never"])
        jsonschema.validate(document(capsys), schema)


def test_the_report_is_written_beside_what_is_printed(
    capsys: pytest.CaptureFixture[str], folders: Path
) -> None:
    file = folders / "comparison.html"
    report = folders / "a" / "run-1" / "report.html"
    report.write_text("<!doctype html>", encoding="utf-8")
    assert cli.execute(["compare", "a", "slow"]) == EXIT_FAILED
    plain = capsys.readouterr().out
    try:
        assert cli.execute(["compare", "a", "slow", "-o", "comparison.html"]) == EXIT_FAILED
        said = capsys.readouterr()
        assert said.out == plain
        assert "comparison.html" in said.err
        page = file.read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>")
        assert 'href="a/run-1/report.html"' in page
        assert page.count("report.html") == 1
        assert str(folders) not in page

        assert cli.execute(["compare", "a", "slow", "-o", "comparison.html"]) == EXIT_USAGE
        assert "--force" in capsys.readouterr().err
        again = ["compare", "a", "b", "-o", "comparison.html", "--force", "--json"]
        assert cli.execute(again) == EXIT_OK
        assert document(capsys)["comparable"]
        assert file.read_text(encoding="utf-8") != page
    finally:
        file.unlink(missing_ok=True)
        report.unlink()


def test_a_report_elsewhere_names_no_folder_of_the_runs(folders: Path, tmp_path: Path) -> None:
    report = folders / "a" / "run-0" / "report.html"
    report.write_text("<!doctype html>", encoding="utf-8")
    file = tmp_path / "comparison.html"
    try:
        assert cli.execute(["compare", "a", "b", "-o", str(file)]) == EXIT_OK
    finally:
        report.unlink()
    assert "report.html" not in file.read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_wrong_usage_before_anything_is_read(
    capsys: pytest.CaptureFixture[str], folders: Path
) -> None:
    assert cli.execute(["compare", "a", "nowhere", "-o", "no/such/c.html"]) == EXIT_USAGE
    assert "no such folder" in capsys.readouterr().err
    assert not (folders / "no").exists()
