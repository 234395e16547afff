"""What one run says of the harness's weight, and what pairs of them come to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probe import measured, run_cost, weighing
from probe.run_cost import Reading
from probe.scenario import Scenario
from probe.store import Run
from probe.weighing import AGAIN, FREE, LIVE, OFF, ON, Weighing

Make = Callable[..., Path]


def reading(p50: float | None = 20.0, **changes: Any) -> Reading:
    said: dict[str, Any] = {
        "p99": 40.0, "rate": 30.0, "cpu": 10.0, "frames": 240, "collectors": (), "span_s": 10.0,
    }  # fmt: skip
    return Reading(p50=p50, **(said | changes))


def scenario(**said: Any) -> Scenario:
    return Scenario.model_validate({"name": "it", "title": "it", "mode": "live"} | said)


def weighed(*rounds: dict[tuple[str, str], Reading], **options: Any) -> Weighing:
    found = Weighing(tuple(weighing.kinds(scenario(), **options)))
    for each in rounds:
        whole = {kind: each.get((kind.pace, kind.name), reading()) for kind in found.kinds}
        found.rounds.append(whole)
    return found


def test_latency_is_to_delivery_so_that_no_refresh_hides_a_shift(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    found = run_cost.reading(run)
    frames = measured.frames_of(run)
    frames = frames.rows(frames.measured)
    waits = np.sort((frames.delivered_ns - frames.due_ns) / 1e6)
    assert found.frames == len(waits) == 900
    assert found.p50 == pytest.approx(waits[449])
    assert found.p99 == pytest.approx(waits[890])
    assert found.rate == pytest.approx(30, rel=0.01)


def test_a_percentile_on_a_lost_frame_is_none(made_run: Make) -> None:
    found = run_cost.reading(Run.open(made_run("dropping")))
    assert found.p50 is not None
    assert found.p99 is None


def test_few_frames_have_no_p99(made_run: Make) -> None:
    found = run_cost.reading(Run.open(made_run("live", seconds=3.0)))
    assert found.frames == 90
    assert found.p50 is not None
    assert found.p99 is None


def test_a_silent_program_has_no_values(made_run: Make) -> None:
    found = run_cost.reading(Run.open(made_run("silent")))
    assert (found.p50, found.p99, found.cpu, found.frames) == (None, None, None, 0)


def test_shifts_are_of_each_pair_and_positive_for_worse() -> None:
    found = weighed(
        {
            (LIVE, OFF): reading(20.0), (LIVE, ON): reading(21.0, p99=38.0, cpu=11.0),
            (FREE, OFF): reading(rate=60.0), (FREE, ON): reading(rate=57.0),
        },
        {(LIVE, OFF): reading(10.0), (LIVE, ON): reading(None)},
    )  # fmt: skip
    shifts = found.shifts(ON)
    assert shifts["p50"] == [pytest.approx(5.0), None]
    assert shifts["p99"] == [pytest.approx(-5.0), 0]
    assert shifts["cpu"] == [pytest.approx(10.0), 0]
    assert shifts["throughput"] == [pytest.approx(5.0), 0]
    assert found.shifts(AGAIN) == {}


def test_a_round_has_what_was_asked_for() -> None:
    def named(**options: Any) -> list[tuple[str, str]]:
        return [(kind.pace, kind.name) for kind in weighing.kinds(scenario(), **options)]

    assert named() == [(LIVE, OFF), (LIVE, ON), (FREE, OFF), (FREE, ON)]
    assert (FREE, AGAIN) in named(noise=True)
    assert named(alone=["cpu"])[2] == (LIVE, "cpu alone")
    command = scenario(mode="command", program={"command": ["true"]})
    assert [kind.pace for kind in weighing.kinds(command)] == [LIVE, LIVE]
    camera = scenario(source={"kind": "camera"})
    assert [kind.pace for kind in weighing.kinds(camera)] == [LIVE, LIVE]


def test_off_has_no_collector_and_traces_no_copies() -> None:
    found = {kind.name: kind.scenario for kind in weighing.kinds(scenario(), alone=["cpu"])}
    assert found[OFF].run.collectors == []
    assert found[OFF].copies.mode == "off"
    assert found[ON] == scenario()
    assert found["cpu alone"].run.collectors == ["cpu"]
    assert found["cpu alone"].copies.mode == "off"


def test_copies_alone_are_traced_as_the_scenario_does() -> None:
    kinds = weighing.kinds(scenario(copies={"mode": "deep"}), alone=["copies"])
    assert kinds[2].scenario.copies.mode == "deep"


def test_costs_are_medians_over_the_runs_of_what_was_read() -> None:
    def run(cpu_ms: float, outcome: str = "ok") -> Reading:
        spent = {"name": "cpu", "outcome": outcome, "cpu_ns": cpu_ms * 1e6, "wall_ns": 2e7}
        gone = {"name": "npu", "outcome": "other device", "cpu_ns": 9, "wall_ns": 9}
        return reading(collectors=(spent, gone))

    found = run_cost.costs([run(10.0), run(40.0), run(20.0), run(9000.0, "failed")])
    assert found == {"cpu": {"cpu_ms_per_s": 2.0, "wall_ms_per_s": 2.0}}


def test_how_long_it_takes_is_known_before() -> None:
    kinds = weighing.kinds(scenario(run={"duration": "10s", "warmup": "1s"}))
    live, free = 1 + 10 + 2 + 1.5, 1 + 4 + 2 + 1.5
    assert weighing.takes_ns(6, kinds) == 6 * 2 * (live + free) * 1e9
