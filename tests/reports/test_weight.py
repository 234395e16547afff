"""The harness's own weight in a report: what was measured, when, and what follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.store import Run
from reports.page.subject import Subject
from reports.run_report import render
from reports.sections import method

Judged = tuple[Run, dict[str, Any]]
GOLDEN = Path(__file__).parents[1] / "probe" / "verdict" / "calibrations"


@pytest.fixture
def weighed(judged: Callable[..., Judged], altered: Callable[..., Judged]) -> Callable[..., Judged]:
    """Return a maker of a judged Run with a calibration of the golden ones, or none."""

    def get(name: str | None, **manifest: Any) -> Judged:
        run, _ = judged("live")
        document = None if name is None else json.loads((GOLDEN / f"{name}.json").read_text())
        return altered(run, {"calibration": {"document": document, "reason": None}, **manifest})

    return get


def text(found: Judged) -> str:
    return render(found, None).replace("\N{NO-BREAK SPACE}", " ")


def test_each_report_prints_the_shifts_with_interval_limit_and_age(
    weighed: Callable[..., Judged],
) -> None:
    page = text(weighed("held"))
    assert "8 interleaved pairs of live-background-blur with collectors off and on" in page
    assert "3 days before the run" in page
    assert "(95 %: " in page
    assert "limit 2 %" in page
    assert "limit 5 %" in page
    assert "throughput loss" in page


def test_what_was_not_measured_says_how_to(weighed: Callable[..., Judged]) -> None:
    found = weighed(None)
    rows = dict(method.missing(Subject.of(found)))
    assert "no stored calibration" in rows["overhead of the harness"]
    assert "liveprobe calibrate" in rows["overhead of the harness"]
    assert "liveprobe calibrate" in text(found)


@pytest.mark.parametrize("name", ["missed", "unresolved", "few", "lost", "old", "other-device"])
def test_every_outcome_is_rendered(name: str, weighed: Callable[..., Judged]) -> None:
    found = weighed(name)
    rows = dict(method.missing(Subject.of(found)))
    assert ("overhead of the harness" in rows) == (found[1]["overhead"] is None)
    assert "nan" not in method.weight(Subject.of(found))
    text(found)


def test_the_light_run_misses_nothing(weighed: Callable[..., Judged]) -> None:
    run, _ = weighed(None)
    scenario = json.loads(json.dumps(run.manifest["scenario"]))
    scenario["resolved"]["run"]["collectors"] = []
    scenario["resolved"]["copies"]["mode"] = "off"
    subject = Subject.of(weighed(None, scenario=scenario, collectors=[]))
    assert "overhead of the harness" not in dict(method.missing(subject))
    assert "It is the light run" in method.weight(subject)
