from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pandas as pd
import pytest

from probe import judge, store
from probe.model import Outcome
from probe.store import Run
from probe.verdict import repeats, schema
from probe.verdict.evidence import Evidence
from probe.verdict.sustained import sustained
from probe.verdict.tiers import Series

VALIDATOR = jsonschema.Draft202012Validator(schema.schema())
STANDARD = {"seconds": 600.0, "fps": 22.0}
"""A p99 of the standard tier takes 13,072 frames without a miss."""
S = 10**9
SAME = dict.fromkeys(("scenario", "input", "model", "code"), "0" * 64)


@pytest.fixture(scope="module")
def made(make_runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return five repeats that agree, and a late one of the same length; do not change them."""
    folder = tmp_path_factory.mktemp("certified")
    paths = make_runs.make_series(["live"] * 5, folder / "five", **STANDARD)
    late = make_runs.make_series(["late"], folder / "late", **STANDARD)
    return {**{str(k): path for k, path in enumerate(paths, start=1)}, "late": late[0]}


@pytest.fixture
def series(made: dict[str, Path], tmp_path: Path) -> Path:
    """Return a folder with the five repeats, to be changed."""
    for index in range(1, 6):
        shutil.copytree(made[str(index)], tmp_path / f"repeat-{index}")
    return tmp_path


def verdict(path: Path) -> dict[str, Any]:
    document = json.loads(json.dumps(judge.judge(Run.open(path)), allow_nan=False))
    assert not [error.message for error in VALIDATOR.iter_errors(document)]
    return dict(document)


def series_at(path: Path) -> Series:
    found = repeats.series_of(Run.open(path))
    assert found is not None
    return found


def rule(found: dict[str, Any], number: int) -> dict[str, Any]:
    return next(each for each in found["rules"] if each["rule"] == number)


def change(path: Path, **entries: Any) -> None:
    manifest = store.read_manifest(path)
    for key, value in entries.items():
        whole = isinstance(value, dict) and isinstance(manifest.get(key), dict)
        manifest[key] = manifest[key] | value if whole else value
    store.write_json(path / store.MANIFEST, manifest)


def replace(series: Path, index: int, by: Path) -> None:
    """Put another run in the place of a repeat."""
    own = store.read_manifest(series / f"repeat-{index}")
    shutil.rmtree(series / f"repeat-{index}")
    shutil.copytree(by, series / f"repeat-{index}")
    kept = {"series": own["series"], "cool_down": own["cool_down"]}
    change(series / f"repeat-{index}", **kept, scenario={"hashes": own["scenario"]["hashes"]})


def test_five_of_five_soaked_and_sustained_are_certified(series: Path) -> None:
    found = verdict(series / "repeat-3")
    assert found["tier"] == "certified"
    assert found["series"]["certified"]
    assert (found["series"]["index"], found["series"]["of"]) == (3, 5)
    assert found["series"]["agreeing"] == 5
    assert found["series"]["missing"] == []
    assert [each["index"] for each in found["series"]["members"]] == [1, 2, 3, 4, 5]
    assert rule(found, 7)["outcome"] == "supported"
    assert "5 of 5 runs are real-time" in rule(found, 7)["reason"]
    assert rule(found, 8)["outcome"] == "supported"
    assert rule(found, 9)["outcome"] == "supported"
    assert found["soak"]["length_ns"] == 372 * S
    assert found["cool_down"]["outcome"] == "cool"
    assert found["sustained"]["outcome"] == "supported"
    assert found["sustained"]["first_p50_ms"] == pytest.approx(
        found["sustained"]["last_p50_ms"], rel=0.1
    )


def test_every_member_says_the_same_of_its_series(series: Path) -> None:
    told = [series_at(series / f"repeat-{index}").members for index in (1, 5)]
    assert told[0] == told[1]


def test_there_is_no_best_of(series: Path, made: dict[str, Path]) -> None:
    replace(series, 4, made["late"])
    found = verdict(series / "repeat-1")
    assert found["tier"] == "standard"
    assert found["series"]["missing"] == ["4 of 5 runs agree: no best-of"]
    assert "no best-of" in rule(found, 7)["reason"]
    assert rule(found, 7)["remedy"]
    assert series_at(series / "repeat-4").agreeing == 4


def test_five_that_are_all_refuted_are_certified_to_be_so(
    series: Path, made: dict[str, Path]
) -> None:
    for index in range(1, 6):
        replace(series, index, made["late"])
    found = verdict(series / "repeat-2")
    assert found["tier"] == "certified"
    assert "refuted" in rule(found, 7)["reason"]


def test_a_repeat_that_is_not_here_is_missed(series: Path) -> None:
    shutil.rmtree(series / "repeat-2")
    (series / "repeat-5").rename(series.parent / "away-5")
    assert series_at(series / "repeat-1").missing == ("only 3 of the 5 repeats are here",)


def test_runs_of_another_series_and_rubbish_beside_it_change_nothing(series: Path) -> None:
    shutil.copytree(series / "repeat-1", series / "other")
    change(series / "other", series={"id": "f" * 16})
    (series / "rubbish").mkdir()
    (series / "rubbish" / "run.json").write_text('{"schema": 1, "series": [7]}')
    assert series_at(series / "repeat-1").certified


def test_a_copy_counts_for_no_other(series: Path) -> None:
    shutil.rmtree(series / "repeat-2")
    shutil.copytree(series / "repeat-1", series / "repeat-2")
    assert series_at(series / "repeat-3").missing == (
        "repeat 1 is here 2 times", "only 4 of the 5 repeats are here",
    )  # fmt: skip


def test_a_killed_repeat_is_cut_short(series: Path) -> None:
    change(series / "repeat-5", state="running", harness={"pid": 2**22 + 1, "start_ticks": "1"})
    missing = series_at(series / "repeat-1").missing
    assert missing[0].startswith("repeat 5 was cut short")
    assert missing[1] == "only 4 of the 5 repeats are here"


def test_a_damaged_repeat_is_no_error_of_its_siblings(series: Path) -> None:
    (series / "repeat-5" / "frames.parquet").write_bytes(b"rubbish")
    (series / "repeat-4" / "run.json").write_text("{")
    missing = series_at(series / "repeat-1").missing
    assert "repeat-4 cannot be read" in missing[0]
    assert "repeat-5 cannot be read" in missing[1]
    assert missing[2] == "only 3 of the 5 repeats are here"


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        ({"state": "program failed"}, "repeat 3: not measured to its end"),
        ({"soak": None}, "repeat 3: no soak before it"),
        ({"soak": {"outcome": "still moving"}}, "repeat 3: its soak did not come to rest"),
        ({"soak": {"outcome": "no temperature"}}, "repeat 3: no temperature"),
        ({"soak": {"outcome": "a new word"}}, "repeat 3: no soak before it"),
        ({"cool_down": {"outcome": "time up"}}, "repeat 3: not cooled down before it"),
        ({"cool_down": None}, "repeat 3: not cooled down before it"),
        (
            {"scenario": {"hashes": SAME | {"scenario": "f" * 64}}},
            "the repeats were not measured alike: they differ in scenario",
        ),
    ],
)
def test_what_is_missing_is_named(series: Path, entries: dict[str, Any], missing: str) -> None:
    change(series / "repeat-3", **entries)
    found = series_at(series / "repeat-1")
    assert missing in found.missing
    assert not found.certified


def test_a_wait_of_five_minutes_is_a_cool_down_too(series: Path) -> None:
    change(series / "repeat-3", cool_down={"outcome": "time up", "length_ns": 300 * S})
    assert series_at(series / "repeat-3").certified


def test_a_series_of_three_is_no_certificate(series: Path) -> None:
    for index in (1, 2, 3):
        change(series / f"repeat-{index}", series={"of": 3})
    for index in (4, 5):
        shutil.rmtree(series / f"repeat-{index}")
    assert series_at(series / "repeat-1").missing == ("a series of 3, certified takes 5 repeats",)


def test_a_single_run_is_told_what_certified_takes(made_run: Callable[..., Path]) -> None:
    found = verdict(made_run("live", **STANDARD))
    assert found["series"] is found["soak"] is found["cool_down"] is None
    assert found["tier"] == "standard"
    assert "--tier certified" in rule(found, 7)["remedy"]
    assert rule(found, 8)["outcome"] == "not testable"
    assert "run.soak=true" in rule(found, 8)["remedy"]
    assert not rule(found, 9)["applies"]


def test_a_soak_without_a_temperature_is_no_soak(series: Path) -> None:
    why = "loaded for 5.0 min: no temperature sensor"
    change(series / "repeat-2", soak={"outcome": "no temperature", "why": why})
    found = rule(verdict(series / "repeat-2"), 8)
    assert found["outcome"] == "not testable"
    assert "cannot be certified as sustained" in found["reason"]
    assert "driver of a temperature sensor" in found["remedy"]


@pytest.mark.parametrize("series_entry", [7, {}, {"id": 1}, {"id": "x", "index": 9, "of": 5}])
def test_a_foreign_manifest_does_no_harm(series: Path, series_entry: object) -> None:
    manifest = store.read_manifest(series / "repeat-1")
    manifest |= {"series": series_entry, "soak": {"outcome": []}, "cool_down": [1]}
    store.write_json(series / "repeat-1" / store.MANIFEST, manifest)
    found = verdict(series / "repeat-1")
    assert found["series"] is found["soak"] is found["cool_down"] is None
    assert not series_at(series / "repeat-2").certified


def test_slower_in_the_last_minute_is_not_sustained(made_run: Callable[..., Path]) -> None:
    found = verdict(made_run("mixed", seconds=180.0, fps=15.0))
    kept = found["sustained"]
    assert kept["outcome"] == "refuted"
    assert kept["last_p50_ms"] > 1.1 * kept["first_p50_ms"]
    assert rule(found, 8)["outcome"] == "refuted"
    assert rule(found, 8)["reason"].startswith("not sustained: p50 ")
    assert "cool the device better" in rule(found, 8)["remedy"]
    assert any(reason.startswith("not sustained") for reason in found["validity"]["reasons"])


def test_a_short_window_does_not_tell_whether_it_lasts(made_run: Callable[..., Path]) -> None:
    found = verdict(made_run("live"))
    assert found["sustained"]["outcome"] == "inconclusive"
    assert "120 s are needed" in found["sustained"]["reason"]


@pytest.mark.parametrize(
    ("track", "value", "shift_s", "outcome"),
    [
        ("throttle.thermal", 1.0, 100, Outcome.REFUTED),
        ("throttle.thermal", 0.0, 100, Outcome.SUPPORTED),
        ("throttle.thermal", 1.0, -100, Outcome.SUPPORTED),  # in the warm-up
        ("throttled.thermal", 1.0, 100, Outcome.SUPPORTED),  # not a flag of throttling
        ("npu.throttle", 1.0, 100, Outcome.REFUTED),  # a collector's own
    ],
)
def test_a_throttle_flag_in_the_window_is_not_sustained(
    made_run: Callable[..., Path], track: str, value: float, shift_s: int, outcome: Outcome
) -> None:
    run = Run.open(made_run("live", seconds=180.0, fps=15.0))
    at = run.manifest["window"]["start_ns"] + shift_s * S
    more = pd.DataFrame({"track": [track], "label": ["soc"], "t_ns": [at], "value": [value]})
    tables = {name: run.table(name) for name in store.TABLES if run.has(name)}
    tables["samples"] = pd.concat([tables["samples"], store.as_table("samples", more)])
    found = sustained(Evidence(Run.of(run.manifest, tables)))
    assert found.outcome is outcome
    assert found.throttled == ((f"{track} soc",) if outcome is Outcome.REFUTED else ())


@pytest.mark.parametrize(
    ("shares", "outcome"),
    [
        ([25.0, 25.0, 25.0], Outcome.SUPPORTED),  # somebody's own cap, from before the run
        ([25.0, 25.0, 40.0], Outcome.REFUTED),
        ([0.0, 0.0, 12.5], Outcome.REFUTED),
        ([12.5, 0.0, 0.0], Outcome.SUPPORTED),  # it was held back in the warm-up alone
        ([0.0, 0.0, None], Outcome.SUPPORTED),
    ],
)
def test_a_share_that_was_held_back_all_along_is_no_flag(
    made_run: Callable[..., Path], shares: list[float | None], outcome: Outcome
) -> None:
    run = Run.open(made_run("live", seconds=180.0, fps=15.0))
    start = run.manifest["window"]["start_ns"]
    times = [start - S, start + 50 * S, start + 100 * S]
    more = {"track": "throttle.capped", "label": "cpu0-3", "t_ns": times, "value": shares}
    tables = {name: run.table(name) for name in store.TABLES if run.has(name)}
    table = store.as_table("samples", pd.DataFrame(more))
    tables["samples"] = pd.concat([tables["samples"], table])
    entry = {"name": "throttle", "tracks": [{"name": "throttle.capped", "unit": "percent"}]}
    manifest = {**run.manifest, "collectors": [*run.manifest["collectors"], entry]}
    assert sustained(Evidence(Run.of(manifest, tables))).outcome is outcome


def test_a_generator_is_sustained_by_its_blocks(made_run: Callable[..., Path]) -> None:
    found = verdict(made_run("generator", seconds=180.0))
    assert found["sustained"]["outcome"] == "supported"
    assert found["sustained"]["first_p50_ms"] == pytest.approx(1000 / 24 / 1.6, rel=0.1)


def test_a_program_that_failed_in_the_soak_is_5(series: Path) -> None:
    change(series / "repeat-1", soak={"outcome": "program failed"})
    run = Run.open(series / "repeat-1")
    assert judge.exit_code(run.manifest, judge.judge(run)) == 5
