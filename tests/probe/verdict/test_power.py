"""Which line is the device's power, and what does a frame cost?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from probe import cases, cases_device, limits, metrics
from probe.comparison import Side, compare
from probe.measured import Window
from probe.store import Run
from probe.verdict.energy import Drawn, drawn
from probe.verdict.evidence import Evidence
from probe.verdict.limits import rows
from probe.verdict.power import of_device
from probe.verdict.readings import Reading, reading
from probe.verdict.series import shown

SECOND = 10**9
FRAMES = 150
Lines = dict[tuple[str, str], float | None]


def powered(
    run: Run, lines: Lines, *, every_ns: int = SECOND // 4, facts: dict[str, Any] | None = None,
    between: tuple[float, float] = (0.0, 1.0),
) -> Run:  # fmt: skip
    """Return the Run with lines of constant power, read in a part of its window."""
    window = run.manifest["window"]
    length = window["end_ns"] - window["start_ns"]
    first, last = (window["start_ns"] + round(part * length) for part in between)
    samples = [
        {"track": track, "label": label, "t_ns": t_ns, "value": watts}
        for t_ns in range(first, last, every_ns)
        for (track, label), watts in lines.items()
    ]
    collectors = [
        {"name": name, "tracks": [
            {"name": track, "unit": "watts", "title": "", "grade": "derived"}
            for track in dict.fromkeys(t for t, _ in lines) if track.partition(".")[0] == name
        ], "facts": facts if name == "power" else None}
        for name in dict.fromkeys(track.partition(".")[0] for track, _ in lines)
    ]  # fmt: skip
    return cases_device.stating(
        cases_device.holding(run, "samples", samples), {}, collectors=collectors
    )


def read(run: Run, name: str, verdict: dict[str, Any] | None = None) -> Reading:
    return reading(metrics.find(name), Evidence(run), verdict or {"rate_fps": 30.0})


def live() -> Run:
    return cases.live_run([20.0] * FRAMES)


TOTAL = ("power.total", "RAPL package")
METER = ("power_meter.power", "meter")


def test_the_total_is_taken_and_its_parts_are_never_added() -> None:
    lines: Lines = {
        ("power.domain", "package-0"): 15.0, ("power.domain", "package-0 core"): 9.0, TOTAL: 15.0,
        ("nvidia.power", "GPU"): 100.0,
    }  # fmt: skip
    found = read(powered(live(), lines), "power.mean")
    assert found.value == 15.0
    assert found.source == "power.total[RAPL package], derived"
    assert read(powered(live(), lines), "power.max").value == 15.0


def test_a_meter_in_the_supply_comes_first_and_only_where_it_was_read() -> None:
    both = powered(live(), {TOTAL: 15.0, METER: 21.0})
    assert read(both, "power.mean").value == 21.0
    assert (read(both, "power.mean").source or "").startswith("power_meter.power[meter]")
    silent = powered(live(), {TOTAL: 15.0, METER: None})
    assert read(silent, "power.mean").value == 15.0


def test_what_the_total_leaves_out_is_said_with_it() -> None:
    facts = {"total": {"leaves_out": "the 5 V rail"}}
    run = powered(live(), {TOTAL: 4.0}, facts=facts)
    assert read(run, "power.mean").source == (
        "power.total[RAPL package], derived; leaves out the 5 V rail"
    )
    (row,) = rows([limits.parse("power.mean<5W")], Evidence(run), {})
    assert (row["outcome"], row["value"]) == ("passed", 4.0)
    assert row["note"] == "power.total[RAPL package], derived; leaves out the 5 V rail"


@pytest.mark.parametrize(
    ("lines", "why"),
    [({}, "no collector of this Run read power"),
     ({("hailo.power", "0"): 2.0}, r"name a part, as in track.hailo.power[0].mean"),
     ({("power.total", "a"): 2.0, ("power.total", "b"): 3.0}, "2 lines; name one"),
     ({TOTAL: None}, "no line was read in the window")],
)  # fmt: skip
def test_where_no_one_line_is_the_device_there_is_no_number(lines: Lines, why: str) -> None:
    run = powered(live(), lines) if lines else live()
    for name in ("power.mean", "power.max", "energy.per_frame"):
        found = read(run, name)
        assert found.value is None
        assert why in (found.why or "")


def test_energy_is_power_by_the_frames_that_came_out() -> None:
    found = read(powered(live(), {TOTAL: 15.0}), "energy.per_frame")
    window = live().manifest["window"]
    length_s = (window["end_ns"] - window["start_ns"]) / 1e9
    assert found.n == FRAMES
    assert found.value == pytest.approx(15.0 * length_s / FRAMES)
    assert found.unit == "joules"
    assert (found.source or "").startswith("derived: power.total")


def test_lost_frames_cost_energy_and_do_not_count() -> None:
    half = cases.live_run([20.0 if k % 2 else None for k in range(FRAMES)])
    found = read(powered(half, {TOTAL: 15.0}), "energy.per_frame", {"rate_fps": 15.0})
    whole = read(powered(live(), {TOTAL: 15.0}), "energy.per_frame")
    assert found.n == FRAMES // 2
    assert found.value == pytest.approx(2 * (whole.value or 0))


def test_a_generated_picture_has_its_energy_as_well() -> None:
    run = powered(cases.generating_run(), {TOTAL: 15.0})
    window = run.manifest["window"]
    length_s = (window["end_ns"] - window["start_ns"]) / 1e9
    found = read(run, "energy.per_frame", {})
    assert found.n == 48
    assert found.value == pytest.approx(15.0 * length_s / 48)


def test_a_window_that_was_not_read_throughout_gives_no_energy() -> None:
    run = powered(live(), {TOTAL: 15.0}, between=(0.0, 0.3))
    mean = read(run, "power.mean")
    assert mean.value == 15.0
    assert "not read for 4.2 s" in (mean.gap or "")
    energy = read(run, "energy.per_frame")
    assert energy.value is None
    assert "not read for" in (energy.why or "")
    (row,) = rows([limits.parse("power.mean<20W")], Evidence(run), {})
    assert "not read for" in row["note"]


def test_nothing_that_came_out_has_no_energy() -> None:
    run = powered(cases.live_run([None] * FRAMES), {TOTAL: 15.0})
    assert "no frame came out" in (read(run, "energy.per_frame", {"rate_fps": 0.0}).why or "")


def taken(readings: list[tuple[float, float | None]], length_s: float, parts: int = 1) -> Drawn:
    """Return what was taken of a window from 0 on, of readings of (s, watts)."""
    times = np.array([round(at * SECOND) for at, _ in readings], dtype=np.int64)
    watts = np.array([np.nan if each is None else each for _, each in readings])
    found = drawn(times, watts, Window(0, 0, round(length_s * SECOND), 0, 0), parts)
    assert found is not None
    return found


def test_readings_count_by_their_time_however_irregular_they_come() -> None:
    # 10 W for 4 s read often, 20 W for 4 s read seldom, by hand: trapezes of
    # 2 x 10 x 1, 2 x 10 x 1, (10 + 20) / 2 x 2 = 30, 20 x 2 = 40 J
    found = taken([(0, 10.0), (1, 10.0), (2, 10.0), (4, 20.0), (6, 20.0)], 6)
    assert found.joules == pytest.approx(10 + 10 + 30 + 40)
    assert found.read_ns.sum() == 6 * SECOND
    assert found.mean == pytest.approx(15.0)  # the readings' own mean would be 14
    assert found.gap is None


def test_energy_is_the_mean_by_the_time_that_was_read_and_a_gap_is_not() -> None:
    # read from 0 to 2 s and from 8 to 10 s; 6 s between are more than three steps of 1 s
    found = taken([(0, 10.0), (1, 10.0), (2, 10.0), (8, 30.0), (9, 30.0), (10, 30.0)], 10)
    assert found.read_ns.sum() == 4 * SECOND
    assert found.joules == pytest.approx(2 * 10 + 2 * 30)
    assert found.mean == pytest.approx(20.0)
    assert found.gap == "power was not read for 6.0 s of the window"
    halves = taken([(0, 10.0), (1, 10.0), (2, 10.0), (8, 30.0), (9, 30.0), (10, 30.0)], 10, 2)
    assert halves.means == pytest.approx([10.0, 30.0])
    assert list(halves.read_ns) == [2 * SECOND, 2 * SECOND]
    times = np.array([0.5, 1.99, 2.0, 5.0, 8.0, 9.99, 10.0]) * SECOND
    assert halves.count(times.astype(np.int64)) == 4


def test_a_reading_that_said_nothing_is_a_gap_on_both_sides() -> None:
    found = taken([(0, 10.0), (1, None), (2, 10.0), (3, 10.0), (4, 10.0)], 4)
    assert (found.read_ns.sum(), found.joules) == (2 * SECOND, pytest.approx(20.0))


def test_readings_outside_of_the_window_do_not_count_and_its_edges_are_held() -> None:
    found = taken([(-0.1, 99.0), (0.25, 10.0), (0.75, 30.0), (1.0, 99.0)], 1)
    assert found.joules == pytest.approx(0.25 * 10 + 0.5 * 20 + 0.25 * 30)
    assert found.read_ns.sum() == SECOND


def test_parts_of_the_window_make_up_the_whole() -> None:
    rng = np.random.default_rng(7)
    times, watts = np.cumsum(rng.uniform(0.1, 0.4, 200)), rng.uniform(5, 50, 200)
    readings: list[tuple[float, float | None]] = [*zip(times.tolist(), watts.tolist(), strict=True)]
    whole, parts = taken(readings, 40), taken(readings, 40, 10)
    assert parts.joules == pytest.approx(whole.joules)
    assert parts.means == pytest.approx(parts.nanojoules / (4 * SECOND))


def test_one_reading_is_no_mean() -> None:
    run = powered(live(), {TOTAL: 15.0}, every_ns=100 * SECOND)
    for name in ("power.mean", "energy.per_frame"):
        assert "one alone is no mean" in (read(run, name).why or "")
    assert read(run, "power.max").value == 15.0


def test_the_energy_of_a_frame_agrees_with_the_mean_over_the_same_time() -> None:
    # of 6 s the first 0.48 are not read: 8 %, and more than three steps of 0.1 s
    run = powered(live(), {TOTAL: 15.0}, every_ns=SECOND // 10, between=(0.08, 1.0))
    rendered = shown(Evidence(run))
    assert not isinstance(rendered, str)
    frames = np.count_nonzero(rendered[0] >= run.manifest["window"]["start_ns"] + 0.48 * SECOND)
    assert 0 < frames < FRAMES
    mean, energy = read(run, "power.mean"), read(run, "energy.per_frame")
    assert (mean.value, energy.n) == (15.0, frames)
    assert energy.value == pytest.approx(15.0 * (6 - 0.48) / frames)


@pytest.mark.parametrize(
    ("times_s", "length_s", "fine"),
    [([0.5, 1.5, 2.5], 3, True), ([1, 2, 3, 7, 8, 9], 10, False),
     (list(range(0, 100, 9)), 100, True), (list(range(0, 80, 9)), 105, False),
     ([0, 1, 2, 3, 4, 9, 10], 10, False), ([*range(30), *range(34, 60)], 60, True)],
)  # fmt: skip
def test_a_gap_is_told_by_its_share_and_by_the_lines_own_step(
    times_s: Sequence[float], length_s: float, fine: bool
) -> None:
    assert (taken([(each, 5.0) for each in times_s], length_s).gap is None) == fine


def test_power_of_different_sources_is_not_compared() -> None:
    sides = [
        Side(name, tuple((powered(live(), {line: 15.0}), _verdict()) for _ in range(4)))
        for name, line in (("pi", ("power.total", "PMIC, 12 rails")), ("jetson", TOTAL))
    ]
    document = compare(sides[0], sides[1:], names=["power.mean"])
    (entry,) = document["metrics"][0]["against"]
    assert entry["verdict"] == "not comparable"
    assert "read in different ways" in entry["reason"]
    same = compare(sides[0], [Side("again", sides[0].runs)], names=["power.mean"])
    assert same["metrics"][0]["against"][0]["verdict"] != "not comparable"


def _verdict() -> dict[str, Any]:
    return {"validity": {"status": "valid"}, "rate_fps": 30.0}


def test_the_line_is_asked_for_once_and_has_its_track() -> None:
    found = of_device(Evidence(powered(live(), {TOTAL: 15.0})))
    assert not isinstance(found, str)
    assert found.track == "power.total"
