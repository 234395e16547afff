"""Rule 13, from calibrations as they lie on disk: nothing is measured here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from probe import calibration, judge, store
from probe.store import Run
from probe.verdict import schema
from probe.verdict.weight import UNWEIGHED, advice, weight

GOLDEN = Path(__file__).parent / "calibrations"
VALIDATOR = jsonschema.Draft202012Validator(schema.schema())
Make = Callable[..., Path]


def entry(name: str) -> dict[str, Any]:
    """Return what the engine writes into the manifest for a file of calibrations."""
    document, wrong = calibration.read(GOLDEN / f"{name}.json")
    assert document is None or wrong is None
    return {"document": document, "reason": wrong and f"the stored calibration {wrong}"}


@pytest.fixture
def run(made_run: Make) -> Run:
    """Return a run of the standard tier, with nothing else that limits it."""
    return Run.open(made_run("live", seconds=600.0, fps=10.0))


def judged(run: Run, **changes: Any) -> dict[str, Any]:
    kept = {name: run.table(name) for name in store.TABLES if run.has(name)}
    document = json.loads(
        json.dumps(judge.judge(Run.of({**run.manifest, **changes}, kept)), allow_nan=False)
    )
    assert not [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(document)]
    return dict(document)


def rule(found: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in found["rules"] if each["rule"] == 13)


def about_weight(found: dict[str, Any]) -> list[str]:
    return [each for each in found["validity"]["reasons"] if "harness" in each]


def test_without_a_calibration_it_is_not_measured_and_says_how_to(run: Run) -> None:
    found = judged(run)
    assert rule(found)["outcome"] == "not testable"
    assert "`liveprobe calibrate`" in rule(found)["remedy"]
    assert found["overhead"] is None
    assert found["validity"]["status"] == "limited"
    assert found["validity"]["reasons"][0].startswith(UNWEIGHED)


def test_where_it_holds_a_run_is_valid_at_last(run: Run) -> None:
    found = judged(run, calibration=entry("held"))
    assert found["validity"] == {"status": "valid", "reasons": []}
    assert rule(found)["outcome"] == "supported"
    assert rule(found)["remedy"] is None
    assert (
        "8 interleaved pairs of live-background-blur, 3 days before the run"
        in rule(found)["reason"]
    )
    overhead = found["overhead"]
    assert overhead["outcome"] == "held"
    assert overhead["pairs"] == 8
    assert overhead["age_days"] == pytest.approx(3)
    assert overhead["p50_shift_pct"] == pytest.approx(0.35)
    assert overhead["p50_shift_interval_pct"] == [-0.2, 0.8]  # at 8 the extremes: 2 / 2^8
    assert overhead["p99_shift_interval_pct"] == [-1.4, 3.1]
    assert overhead["throughput_loss_pct"] == pytest.approx(0.45)
    assert overhead["costs"]["cpu"]["cpu_ms_per_s"] == 2.4


def test_too_much_is_told_with_the_light_run_as_the_way_out(run: Run) -> None:
    found = judged(run, calibration=entry("missed"))
    assert rule(found)["outcome"] == "refuted"
    assert "p50 +3.0 % (95 %: +2.4 to +4.0), limit 2 %: beyond it" in rule(found)["reason"]
    (reason,) = about_weight(found)
    for text in (reason, rule(found)["remedy"]):
        assert "--set 'run.collectors=[]' --copies off" in text
    assert found["validity"]["status"] == "limited"
    assert found["overhead"]["outcome"] == "missed"
    assert found["real_time"] == judged(run)["real_time"]  # it decides validity, and only that


def test_an_interval_over_the_bound_is_not_resolved_and_asks_for_more_pairs(run: Run) -> None:
    found = judged(run, calibration=entry("unresolved"))
    assert rule(found)["outcome"] == "inconclusive"
    assert "not resolved here, at most 14.8 %" in rule(found)["reason"]
    assert "`liveprobe calibrate --pairs 16`" in rule(found)["remedy"]
    assert len(about_weight(found)) == 1
    assert found["overhead"]["outcome"] == "not resolved here"


@pytest.mark.parametrize(
    ("shifted", "outcome", "said"),
    [
        ([-6.0] * 8, "refuted", "p50 -6.0 % (95 %: -6.0 to -6.0), limit 2 %: beyond it"),
        ([-6.0, -5.0, -4.0, -3.0, -1.5, -1.0, 0.0, 0.5], "inconclusive", "at least -6 %"),
    ],
)
def test_a_harness_that_makes_faster_shifts_too(
    shifted: list[float], outcome: str, said: str, run: Run
) -> None:
    document = entry("held")["document"]
    document["shifts"]["p50"] = shifted
    found = judged(run, calibration={"document": document, "reason": None})
    assert rule(found)["outcome"] == outcome
    assert said in rule(found)["reason"]
    assert found["validity"]["status"] == "limited"


def test_few_pairs_have_no_interval(run: Run) -> None:
    found = judged(run, calibration=entry("few"))
    assert rule(found)["outcome"] == "inconclusive"
    assert "too few pairs" in rule(found)["reason"]
    assert "--pairs 6" in rule(found)["remedy"]
    assert found["overhead"]["p50_shift_interval_pct"] is None
    assert found["overhead"]["p50_shift_pct"] is None
    assert "p50 not known from 3 pairs, limit 2 %: " in rule(found)["reason"]
    document = entry("few")["document"]
    document["shifts"]["p99"][0] = None  # lost frames are no matter yet
    assert "--pairs 6" in str(advice(document))


def test_a_percentile_that_fell_on_lost_frames_leaves_it_open(run: Run) -> None:
    found = judged(run, calibration=entry("lost"))
    assert rule(found)["outcome"] == "inconclusive"
    assert "no value in 2 of 8 pairs" in rule(found)["reason"]
    assert "keeps up" in rule(found)["remedy"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("old", "51 days old, 30 days are allowed"),
        ("other-kernel", "of another kernel (6.6.31)"),
        ("other-version", "of another version of liveprobe (0.0.9)"),
    ],
)
def test_a_stale_one_is_printed_and_does_not_count(name: str, why: str, run: Run) -> None:
    found = judged(run, calibration=entry(name))
    assert rule(found)["outcome"] == "inconclusive"
    assert why in rule(found)["reason"]
    assert why in about_weight(found)[0]
    assert found["overhead"]["outcome"] == "stale"
    assert found["overhead"]["p50_shift_pct"] == pytest.approx(0.35)
    assert found["validity"]["status"] == "limited"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("other-device", "is of another device"),
        ("other-set", "is of another set of collectors"),
        ("other-copies", "is of another set of collectors"),
        ("less-read", "weighed no thermal: they found nothing then"),
        ("newer", "is of a newer liveprobe (schema 2)"),
        ("corrupt", "is not JSON"),
    ],
)
def test_one_that_does_not_speak_of_this_run_is_none(name: str, why: str, run: Run) -> None:
    found = judged(run, calibration=entry(name))
    assert rule(found)["outcome"] == "not testable"
    assert why in rule(found)["reason"]
    assert why in about_weight(found)[0]
    assert found["overhead"] is None


@pytest.mark.parametrize("damage", [{}, {"schema": 1}, {"shifts": {"p50": ["1"]}}, {"costs": 7}])
def test_a_damaged_one_in_the_run_itself_harms_nobody(damage: dict[str, Any], run: Run) -> None:
    document = entry("held")["document"] | damage if damage else {"schema": 1}
    if damage == {"schema": 1}:
        del document["created"]
    found = judged(run, calibration={"document": document, "reason": None})
    assert "damaged" in rule(found)["reason"]


def test_the_light_run_needs_no_calibration(run: Run) -> None:
    scenario = json.loads(json.dumps(run.manifest["scenario"]))
    scenario["resolved"]["run"]["collectors"] = []
    scenario["resolved"]["copies"]["mode"] = "off"
    found = judged(run, scenario=scenario, collectors=[])
    assert rule(found)["outcome"] == "supported"
    assert "light run" in rule(found)["reason"]
    assert found["validity"]["status"] == "valid"
    found = judged(run, scenario=scenario)  # collectors that nobody asked for
    assert rule(found)["outcome"] == "not testable"


def test_the_remedy_names_the_collectors_of_the_run() -> None:
    asked = {"run": {"collectors": ["cpu", "thermal"]}, "copies": {"mode": "deep"}}
    found = weight({"scenario": {"resolved": asked}, "calibration": {"document": None}})
    call = """`liveprobe calibrate --set 'run.collectors=["cpu", "thermal"]' --copies deep`"""
    assert call in (found.remedy or "")
