from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from probe import soak
from probe.model import Device
from probe.preparation import Cooled, Soaked, Terms
from probe.scenario import Scenario
from probe.series import longest

S = 10**9
SHORT = Terms(step_ns=S // 2, steps=3, least_ns=S, longest_ns=60 * S, idle_ns=S // 2)
PACED = """
import time, probe
begin = time.perf_counter_ns()
for k in range({count}):
    due = begin + k * 10_000_000
    time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
    probe.frame(k, scheduled_ns=due)
    probe.mark("delivered", frame=k)
"""
ENDLESS = PACED.format(count=10**6)


def scenario(code: str, **run: Any) -> Scenario:
    settings = {"warmup": "0s", "collectors": [], **run}
    command = [sys.executable, "-c", code]
    return Scenario.model_validate(
        {"name": "t", "mode": "command", "run": settings, "program": {"command": command}}
    )


def quietly(_: object) -> None:
    return


def ramp(begin: float, end: float, step: float) -> Callable[[], Iterator[float]]:
    def values() -> Iterator[float]:
        value = begin
        while (value - end) * step < 0:
            value += step
            yield value

    return values


def test_a_soak_waits_until_every_temperature_stands_still(board: Callable[..., Any]) -> None:
    made, told = board(soc=40.0, nvme=30.0), []
    made.drive("soc", ramp(40.0, 60.0, 0.2))  # two seconds, 600 C a minute
    found = soak.soak(scenario(ENDLESS), made.device, SHORT, told.append)
    assert found["outcome"] == Soaked.STEADY
    assert "2 temperatures moved less than 1 C a minute" in found["why"]
    sensors = {each["sensor"]: each for each in found["sensors"]}
    assert sensors["soc"]["end_celsius"] == 60.0
    assert sensors["soc"]["celsius_per_min"] == pytest.approx(0)
    assert sensors["soc"]["start_celsius"] < 60.0
    # steady for three steps, after it came to rest
    assert found["length_ns"] > 2 * S
    assert any("soc" in each.note and "C a minute" in each.note for each in told)
    assert found["starts"] == 1


def test_a_soak_that_never_comes_to_rest_ends_and_says_what_moved(
    board: Callable[..., Any],
) -> None:
    made = board(soc=40.0)
    made.drive("soc", ramp(40.0, 140.0, 0.05))
    terms = Terms(step_ns=S // 2, steps=3, least_ns=S, longest_ns=3 * S)
    found = soak.soak(scenario(ENDLESS), made.device, terms, quietly)
    assert found["outcome"] == Soaked.STILL_MOVING
    assert "soc" in found["why"]
    assert found["length_ns"] >= 3 * S


def test_without_a_temperature_it_is_load_for_the_least_time(tmp_path: Path) -> None:
    found = soak.soak(scenario(ENDLESS), Device("bare", tmp_path), SHORT, quietly)
    assert found["outcome"] == Soaked.NO_TEMPERATURE
    assert found["length_ns"] >= SHORT.least_ns
    assert "no temperature sensor" in found["why"]
    assert "modprobe" in found["why"]
    assert found["sensors"] == []


def test_a_constant_is_no_temperature(board: Callable[..., Any]) -> None:
    made = board(acpitz=27.8)
    found = soak.soak(scenario(ENDLESS), made.device, SHORT, quietly)
    assert found["outcome"] == Soaked.NO_TEMPERATURE
    assert "of 1 sensor none moved by a digit" in found["why"]


def test_a_program_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    terms = Terms(step_ns=S // 2, least_ns=2 * S)
    code = PACED.format(count=2)
    found = soak.soak(scenario(code), Device("bare", tmp_path), terms, quietly)
    assert found["outcome"] == Soaked.NO_TEMPERATURE
    assert found["starts"] >= 2


def test_a_program_that_crashes_ends_the_soak(tmp_path: Path) -> None:
    code = PACED.format(count=3) + "raise SystemExit('no luck')"
    found = soak.soak(scenario(code), Device("bare", tmp_path), SHORT, quietly)
    assert found["outcome"] == Soaked.PROGRAM_FAILED
    assert "exit status 1" in found["why"]
    assert "no luck" in found["why"]


def test_a_source_that_ends_before_its_first_frame_ends_the_soak(tmp_path: Path) -> None:
    silent = scenario("").model_copy(update={"mode": "live"})
    found = soak.soak(silent, Device("bare", tmp_path), SHORT, quietly)
    assert found["outcome"] == Soaked.PROGRAM_FAILED
    assert found["why"] == "the program ended without a frame"


def test_a_cool_down_waits_for_what_was_idle(board: Callable[..., Any]) -> None:
    made, told = board(soc=40.0, nvme=30.0), []
    idle = soak.idle(made.device, SHORT, quietly)
    assert idle == {"soc": 40.0, "nvme": 30.0}
    made.set("soc", 70.0)
    made.drive("soc", ramp(70.0, 41.0, -0.5))
    found = soak.cool_down(made.device, idle, 60 * S, SHORT, told.append)
    assert found["outcome"] == Cooled.COOL
    soc = next(each for each in found["sensors"] if each["sensor"] == "soc")
    assert soc["idle_celsius"] == 40.0
    assert soc["end_celsius"] <= 42.0 < soc["start_celsius"]
    assert any("soc" in each.note and "idle 40.0 C" in each.note for each in told)


def test_a_cool_down_has_an_end(board: Callable[..., Any]) -> None:
    made = board(soc=60.0)
    found = soak.cool_down(made.device, {"soc": 40.0}, S, SHORT, quietly)
    assert found["outcome"] == Cooled.TIME_UP
    assert found["why"] == "after 1 s still soc 60.0 C, idle 40.0 C"
    assert found["length_ns"] >= S


def test_without_a_temperature_all_of_the_time_is_waited(tmp_path: Path) -> None:
    device = Device("bare", tmp_path)
    assert soak.idle(device, SHORT, quietly) == {}
    found = soak.cool_down(device, {}, S // 2, SHORT, quietly)
    assert found["outcome"] == Cooled.NO_TEMPERATURE
    assert found["length_ns"] >= S // 2
    assert "no temperature sensor" in found["why"]
    left_out = soak.cool_down(device, {}, 0, SHORT, quietly)
    assert (left_out["outcome"], left_out["length_ns"]) == (Cooled.LEFT_OUT, 0)


def test_the_longest_time_is_known_before(tmp_path: Path) -> None:
    timed = longest(scenario("", duration="10m", warmup="5s", repeats=5, soak=True))
    assert timed.measured_ns == 5 * 607 * S
    assert timed.soak_ns == 5 * 1800 * S
    assert timed.cool_down_ns == 4 * 300 * S
    assert longest(scenario("", repeats=5)).measured_ns is None
