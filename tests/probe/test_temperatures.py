from __future__ import annotations

import time
from pathlib import Path

import pytest

from collectors.cpu import Cpu
from collectors.thermal import Thermal
from probe import temperatures
from probe.model import Device
from probe.temperatures import Thermometer

MINUTE = 60 * 10**9
DEVICES = Path(__file__).parents[1] / "devices"


def rising(celsius_per_min: float, minutes: float = 4.0) -> list[tuple[int, float]]:
    """Return a sensor read four times a second, from minute 0."""
    step = MINUTE // 240
    return [(k * step, 50 + celsius_per_min * k / 240) for k in range(round(minutes * 240))]


@pytest.mark.parametrize("slope", [0.0, 0.9, 1.1, -3.0])
def test_a_move_is_in_celsius_per_minute(slope: float) -> None:
    found = temperatures.moves({"soc": rising(slope)}, 4 * MINUTE, MINUTE, 3)
    assert found["soc"] == pytest.approx([slope] * 3)


def test_a_coarse_sensor_between_two_degrees_stands_still() -> None:
    rows = [(t, 60.0 + (k // 3) % 2) for k, (t, _) in enumerate(rising(0))]
    steps = temperatures.moves({"soc": rows}, 4 * MINUTE, MINUTE, 3)["soc"]
    assert steps is not None
    assert max(map(abs, steps)) < 0.1


def test_a_sensor_that_was_not_there_for_long_enough_says_nothing_yet() -> None:
    late = [(t, value) for t, value in rising(0) if t > 2 * MINUTE]
    assert temperatures.moves({"soc": late}, 4 * MINUTE, MINUTE, 3) == {"soc": None}


def test_a_sensor_that_went_away_is_left_out() -> None:
    gone = rising(0, minutes=2)
    assert temperatures.moves({"soc": gone}, 4 * MINUTE, MINUTE, 3) == {}


def test_a_level_is_the_median_of_a_while() -> None:
    rows = [(0, 90.0), (10, 50.0), (11, 51.0), (12, 120.0)]
    assert temperatures.levels({"soc": rows, "off": [(0, 20.0)]}, 10) == {"soc": 51.0}


def test_a_thermometer_reads_temperatures_and_nothing_else() -> None:
    with Thermometer([Thermal(), Cpu()], Device("pi", DEVICES / "raspberry-pi-5")) as read:
        end = time.monotonic() + 20
        while len(read.read()) < 2 and time.monotonic() < end:
            time.sleep(0.01)
    assert {name: rows[0][1] for name, rows in read.readings.items()} == {
        "cpu-thermal": 59.3, "rp1_adc temp1": 51.236,
    }  # fmt: skip


def test_a_device_without_a_sensor_says_what_would_give_one() -> None:
    with Thermometer([Thermal()], Device("vm", DEVICES / "bare-vm")) as read:
        assert read.read() == {}
        assert "no temperature sensor" in read.absence
        assert "measure on the device itself" in read.absence
