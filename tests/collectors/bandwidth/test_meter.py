from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.bandwidth.counter import Counter, Reading
from collectors.bandwidth.meter import MOST_BYTES_PER_S, MULTIPLEXED, Line, Meter, counted
from collectors.bandwidth.pmu import UNITS
from collectors.bandwidth.sources import CPU_READ, READ
from probe.model import Notice, Sample

RECORDINGS = Path(__file__).parents[2] / "devices" / "recordings"
S = 10**9
U64 = st.integers(0, 2**64 - 1)

Given = tuple[int, int, int]


class Tap:
    """Counters on pipes: `give` is what each says when it is read next."""

    def __init__(self, count: int) -> None:
        self._ends = [os.pipe() for _ in range(count)]
        self.counters = [Counter(receiving) for receiving, _ in self._ends]

    def give(self, *readings: Given) -> None:
        for (_, sending), reading in zip(self._ends, readings, strict=True):
            os.write(sending, struct.pack("<QQQ", *reading))

    def close(self) -> None:
        for counter, (_, sending) in zip(self.counters, self._ends, strict=True):
            counter.close()
            os.close(sending)


@pytest.fixture
def two() -> Iterator[Tap]:
    tap = Tap(2)
    yield tap
    tap.close()


@pytest.fixture
def one() -> Iterator[Tap]:
    tap = Tap(1)
    yield tap
    tap.close()


def values(meter: Meter, t_ns: int) -> dict[tuple[str, str], float | None]:
    return {
        (each.track, each.label): each.value
        for each in meter.sample(t_ns)
        if isinstance(each, Sample)
    }


def line(counters: Sequence[Counter], label: str = "imc", track: str = READ) -> Line:
    return Line(track, label, 64.0, list(counters))


def test_a_rate_is_what_came_over_the_time_between_two_calls(one: Tap) -> None:
    meter = Meter([line(one.counters)])
    one.give((1000, 5, 5))
    assert values(meter, S) == {}
    one.give((1000 + 10_000, 5 + S, 5 + S))
    assert values(meter, 3 * S) == {(READ, "imc"): 320_000.0, (MULTIPLEXED, "imc read"): 0.0}


def test_a_call_at_the_same_time_reads_nothing(one: Tap) -> None:
    meter = Meter([line(one.counters)])
    one.give((1000, 5, 5))
    values(meter, S)
    assert values(meter, S) == {}  # the pipe is empty: a read would hang
    one.give((2000, 6, 6))
    assert values(meter, 2 * S)[READ, "imc"] == 64_000.0


def test_what_was_missed_while_others_counted_is_filled_up_and_said_once(one: Tap) -> None:
    meter = Meter([line(one.counters)])
    said = []
    for step in range(4):
        one.give((step * 1000, step * S, step * S // 4))
        said += list(meter.sample(step * S + 1))
    samples = [each for each in said if isinstance(each, Sample)]
    assert [each.value for each in samples if each.track == READ] == [4 * 64_000.0] * 3
    assert [each.value for each in samples if each.track == MULTIPLEXED] == [75.0] * 3
    notices = [each for each in said if isinstance(each, Notice)]
    assert len(notices) == 1
    assert notices[0].attributes == {"counted_percent": 25.0}
    assert "imc read" in notices[0].text


def test_counters_that_are_read_one_after_another_differ_a_little_unsaid(one: Tap) -> None:
    meter = Meter([line(one.counters)])
    one.give((0, 0, 0))
    list(meter.sample(S))
    one.give((1000, S, S - S // 200))
    assert all(isinstance(each, Sample) for each in meter.sample(2 * S))


def test_a_counter_that_never_had_its_turn_says_nothing_but_that(one: Tap) -> None:
    meter = Meter([line(one.counters)])
    one.give((7, S, 0))
    values(meter, S)
    one.give((7, 2 * S, 0))
    assert values(meter, 2 * S) == {(READ, "imc"): None, (MULTIPLEXED, "imc read"): 100.0}


def test_a_counter_that_was_switched_off_is_no_zero(one: Tap) -> None:
    meter = Meter([line(one.counters)])
    for t_ns in (S, 2 * S):
        one.give((7, S, S))  # its CPU is off: no time passes for it
        found = values(meter, t_ns)
    assert found == {(READ, "imc"): None}


def test_a_program_that_sleeps_reads_nothing(one: Tap) -> None:
    meter = Meter([line(one.counters, track=CPU_READ)], may_rest=True)
    for t_ns in (S, 2 * S):
        one.give((7, S, S))
        found = values(meter, t_ns)
    assert found == {(CPU_READ, "imc"): 0.0}


def test_a_thread_on_one_cluster_is_not_multiplexed_on_the_other(two: Tap) -> None:
    little, big = two.counters
    lines = [line([little], "a55", CPU_READ), line([big], "a76", CPU_READ)]
    meter = Meter(lines, may_rest=True)
    two.give((0, 0, 0), (0, 0, 0))
    values(meter, S)
    two.give((100, S, S // 4), (3000, S, S * 3 // 4))
    assert values(meter, 2 * S) == {
        (CPU_READ, "a55"): 6_400.0,
        (CPU_READ, "a76"): 192_000.0,
        (MULTIPLEXED, "a55 + a76 cpu_read"): 0.0,
    }
    two.give((150, 2 * S, S // 4 + S // 10), (4000, 2 * S, S * 3 // 4 + S * 4 // 10))
    found = values(meter, 3 * S)  # half of the second counted
    assert found[CPU_READ, "a55"] == pytest.approx(6_400.0)
    assert found[CPU_READ, "a76"] == pytest.approx(128_000.0)
    assert found[MULTIPLEXED, "a55 + a76 cpu_read"] == pytest.approx(50.0)


def test_several_counters_of_a_line_are_added_up(two: Tap) -> None:
    meter = Meter([line(two.counters)])
    two.give((0, 0, 0), (0, 0, 0))
    values(meter, S)
    two.give((100, S, S), (50, S, S))
    assert values(meter, 2 * S)[READ, "imc"] == 150 * 64


def test_one_of_several_that_says_nothing_leaves_a_gap(two: Tap) -> None:
    meter = Meter([line(two.counters)])
    for step, second in enumerate((0, 10, 5, 6, 20)):  # it goes back once
        two.give((step * 100, step, step), (second, step, step))
        found = values(meter, (step + 1) * S)
        expected = {1: 110 * 64.0, 2: None, 3: 101 * 64.0, 4: 114 * 64.0}.get(step)
        assert found.get((READ, "imc")) == expected


def test_the_first_reading_of_a_counter_that_begins_wild_is_thrown_away(one: Tap) -> None:
    meter = Meter([Line(READ, "rockchip_ddr", 1.0, list(one.counters))], unsettled=1)
    found = []
    for step, value in enumerate((0, 10**12, 10**12 + 1000, 10**12 + 3000)):
        one.give((value, step * S, step * S))
        found.append(values(meter, (step + 1) * S).get((READ, "rockchip_ddr"), "nothing"))
    assert found == ["nothing", "nothing", 1000.0, 2000.0]


@pytest.mark.parametrize("wild", [2**63 - 1, 2**62, int(MOST_BYTES_PER_S) // 64 + 1])
def test_more_than_any_memory_moves_is_none(one: Tap, wild: int) -> None:
    meter = Meter([line(one.counters)])
    one.give((0, 0, 0))
    values(meter, S)
    one.give((wild, S, S))
    assert values(meter, 2 * S)[READ, "imc"] is None


@settings(deadline=None)
@given(
    st.lists(st.tuples(U64, U64, U64), min_size=2, max_size=5),
    st.booleans(),
    st.integers(0, 2),
)
def test_nothing_that_a_counter_says_makes_up_a_rate(
    readings: list[Given], may_rest: bool, unsettled: int
) -> None:
    tap = Tap(1)
    meter = Meter([line(tap.counters)], may_rest=may_rest, unsettled=unsettled)
    before = None
    for step, reading in enumerate(readings):
        tap.give(reading)
        for each in meter.sample((step + 1) * S):
            if not isinstance(each, Sample) or each.value is None:
                continue
            assert before is not None
            if each.track == MULTIPLEXED:
                assert 0 <= each.value <= 100
            else:
                assert 0 <= each.value <= MOST_BYTES_PER_S
                assert each.value >= (reading[0] - before[0]) * 64 * (1 - 1e-9)
        before = reading
    tap.close()


@given(st.lists(st.one_of(st.none(), st.builds(Reading, U64, U64, U64)), max_size=4))
def test_a_share_is_one(gained: list[Reading | None]) -> None:
    share = counted(gained)
    assert share is None or 0 <= share <= 1
    if None in gained:
        assert share is None


def recorded(name: str) -> list[tuple[str, str, str]]:
    """Return (number, unit, event) of each counter in the output of `perf stat`."""
    text = (RECORDINGS / name).read_text()
    return re.findall(r"^(?:CPU0)? *([0-9.]+)(?: (M\S+))? +(\S+/)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "scale", "seconds"),
    [
        ("rk3588_ddr_perf.txt", 9.536743164e-07, 1.002616498),
        ("perf_imc_free_running.txt", 6.103515625e-5, 0.1),
    ],
)
def test_what_perf_printed_comes_out_of_the_same_counts(
    name: str, scale: float, seconds: float
) -> None:
    found = [(float(number), unit, event) for number, unit, event in recorded(name) if unit]
    assert len(found) >= 2
    for printed, unit, event in found:
        tap = Tap(1)
        meter = Meter([Line(READ, event, scale * UNITS[unit], tap.counters)])
        tap.give((0, 0, 0))
        values(meter, S)
        tap.give((round(printed / scale), int(seconds * 1e9), int(seconds * 1e9)))
        rate = values(meter, S + int(seconds * 1e9))[READ, event]
        tap.close()
        assert rate == pytest.approx(printed * 2**20 / seconds, rel=1e-4)


def test_the_wild_count_that_was_recorded_is_no_reading() -> None:
    cycles = [int(number) for number, unit, _ in recorded("rk3588_ddr_perf.txt") if not unit]
    assert cycles == [1058691047, 18446744070475110400]
    tap = Tap(1)
    meter = Meter([Line(READ, "ddr", 1.0, tap.counters)])
    found = []
    for step, value in enumerate((0, cycles[1], cycles[0], cycles[0] + 5)):
        tap.give((value, step, step))
        found.append(values(meter, (step + 1) * S).get((READ, "ddr")))
    tap.close()
    assert found == [None, None, None, 5.0]
