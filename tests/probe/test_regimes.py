from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe import measured, regimes
from probe.measured import FATES, Frames, Window
from probe.model import Fate, Regime
from probe.regimes import Segment
from probe.tape import NULL

MS = 10**6
SECOND = 10**9
BEGIN = 50 * SECOND


def frames(
    latencies_ms: Sequence[float | None],
    *,
    period_ms: float = 40.0,
    due_ms: Sequence[float] | None = None,
    stale: Sequence[int] = (),
) -> Frames:
    """Return frames delivered and shown so long after they were due, against 50 ms."""
    count = len(latencies_ms)
    offsets = [k * period_ms for k in range(count)] if due_ms is None else due_ms
    due = np.array([BEGIN + round(at * MS) for at in offsets], dtype=np.int64)
    out = np.array(
        [
            NULL if late is None else at + round(late * MS)
            for at, late in zip(due.tolist(), latencies_ms, strict=True)
        ],
        dtype=np.int64,
    )
    fate = np.array(
        [
            FATES.index(
                Fate.DROPPED
                if late is None
                else Fate.STALE
                if k in stale
                else Fate.ON_TIME
                if late <= 50
                else Fate.LATE
            )
            for k, late in enumerate(latencies_ms)
        ],
        dtype=np.int8,
    )
    number = np.arange(count)
    return Frames(
        number, number, due - BEGIN, due, due, due, out, out, out, fate, np.ones(count, dtype=bool)
    )


def window(seconds: float) -> Window:
    return Window(BEGIN, BEGIN, BEGIN + round(seconds * SECOND), 0, 2 * SECOND)


def judged(made: Frames, seconds: float | None = None) -> list[Regime]:
    period = made.period_ns or 0.0
    length = len(made) * period / SECOND if seconds is None else seconds
    return [each.regime for each in regimes.live_windows(made, window(length))]


def in_blocks(size: int, count: int, *, compute_ms: float = 20.0) -> list[float | None]:
    """Return latencies of frames at 25 fps that leave with the last frame of their block."""
    return [compute_ms + 40.0 * (size - 1 - k % size) + 0.1 * (k % size) for k in range(count)]


def test_all_on_time_is_real_time() -> None:
    assert judged(frames([20.0] * 100)) == [Regime.REAL_TIME] * 4


def test_a_window_may_miss_one_frame() -> None:
    second = [20.0] * 25
    one, two = [*second], [*second]
    one[7] = 60.0
    two[7], two[19] = 60.0, None  # type: ignore[call-overload]
    found = judged(frames([*second, *one, *two, *second]))
    expected = [Regime.REAL_TIME, Regime.REAL_TIME, Regime.DEGRADED, Regime.REAL_TIME]
    assert found == expected


def test_a_fast_source_may_miss_one_percent() -> None:
    latencies: list[float | None] = [20.0] * 1000
    for k in range(0, 500, 100):
        latencies[k] = None
    assert judged(frames(latencies, period_ms=2.0), 2) == [Regime.REAL_TIME] * 2
    latencies[333] = None
    assert judged(frames(latencies, period_ms=2.0), 2)[0] is Regime.DEGRADED


def test_a_stale_output_is_out_of_order() -> None:
    assert judged(frames([20.0] * 50, stale=[30])) == [Regime.REAL_TIME, Regime.DEGRADED]


def test_late_throughout_is_degraded() -> None:
    assert judged(frames([80.0] * 50)) == [Regime.DEGRADED] * 2


@pytest.mark.parametrize(("lost", "regime"), [(2, Regime.DEGRADED), (3, Regime.STALLED)])
def test_a_stall_lasts_longer_than_150_ms(lost: int, regime: Regime) -> None:
    # 2 lost at 25 fps: 120 ms without an output; 3 lost: 160 ms
    latencies: list[float | None] = [20.0] * 25
    latencies[10 : 10 + lost] = [None] * lost
    assert judged(frames(latencies)) == [regime]


def test_a_stall_lasts_longer_than_three_periods_of_a_slow_source() -> None:
    latencies: list[float | None] = [20.0] * 40
    latencies[10:12] = [None, None]  # 300 ms at 10 fps: not longer than three periods
    assert judged(frames(latencies, period_ms=100.0), 4)[0] is Regime.DEGRADED
    latencies[12] = None
    assert judged(frames(latencies, period_ms=100.0), 4)[0] is Regime.STALLED


def test_a_long_silence_stalls_every_window_that_it_covers() -> None:
    latencies: list[float | None] = [*[20.0] * 25, *[None] * 60, *[20.0] * 40]
    expected = [Regime.REAL_TIME, *[Regime.STALLED] * 3, Regime.REAL_TIME]
    assert judged(frames(latencies)) == expected


def test_nothing_at_all_is_stalled() -> None:
    assert judged(frames([None] * 50)) == [Regime.STALLED] * 2


def test_a_source_that_pauses_stalls_nobody() -> None:
    due = [*(40.0 * k for k in range(25)), *(3000.0 + 40.0 * k for k in range(25))]
    found = judged(frames([20.0] * 50, due_ms=due), 4)
    assert found == [Regime.REAL_TIME] * 4


def test_blocks_that_keep_up_are_fast_generation() -> None:
    assert judged(frames(in_blocks(4, 100))) == [Regime.FAST_GENERATION] * 4


def test_blocks_that_lose_half_of_the_input_are_offline() -> None:
    latencies = [late if (k // 4) % 2 else None for k, late in enumerate(in_blocks(4, 200))]
    assert judged(frames(latencies))[1:-1] == [Regime.OFFLINE] * 6


def test_blocks_longer_than_a_window_are_no_stall() -> None:
    found = judged(frames(in_blocks(50, 500)))
    assert found[2:] == [Regime.FAST_GENERATION] * 18


def test_one_burst_that_catches_up_is_degraded() -> None:
    latencies = [20.0] * 10 + [122.0, 83.0, 44.0] + [20.0] * 12
    assert judged(frames(latencies)) == [Regime.DEGRADED]


def test_windows_have_twenty_periods_and_the_last_takes_the_rest() -> None:
    made = regimes.live_windows(frames([20.0] * 60, period_ms=100.0), window(5.5))
    assert [each.length_ns for each in made] == [2 * SECOND, 3.5 * SECOND]


def test_a_source_that_ended_is_judged_up_to_its_end() -> None:
    made = frames([20.0] * 50)
    manifest = {
        "window": {
            "first_ns": BEGIN, "start_ns": BEGIN, "end_ns": BEGIN + 9 * SECOND, "warmup_ns": 0,
            "drain_ns": 0,
        },
        "program": {"outcome": "ended"},
    }  # fmt: skip
    found = measured.live_window(manifest, made)
    assert found is not None
    assert found.end_ns == BEGIN + 2 * SECOND
    hung = measured.live_window({**manifest, "program": {"outcome": "timed out"}}, made)
    assert hung is not None
    assert hung.end_ns == BEGIN + 9 * SECOND
    assert judged(made, 9) == [*[Regime.REAL_TIME] * 2, *[Regime.STALLED] * 7]


def test_times_that_no_run_can_have_make_no_end_of_windows() -> None:
    made = frames([20.0] * 60)
    found = regimes.live_windows(made, Window(-(2**61), -(2**61), BEGIN + SECOND, 0, 0))
    assert len(found) <= regimes.MOST_WINDOWS + 1


def test_a_closed_loop_is_never_real_time() -> None:
    windows = [Segment(0, SECOND, Regime.REAL_TIME), Segment(SECOND, 2 * SECOND, Regime.STALLED)]
    fast = regimes.without_live_input(windows, None)
    assert {each.regime for each in fast} == {Regime.FAST_GENERATION}
    slow = regimes.without_live_input(windows, 0.5)
    assert {each.regime for each in slow} == {Regime.OFFLINE}


def row(*stretches: tuple[int, Regime]) -> list[Segment]:
    found, at = [], 0
    for seconds, regime in stretches:
        found.append(Segment(at, at + seconds * SECOND, regime))
        at += seconds * SECOND
    return found


@pytest.mark.parametrize(
    ("stretches", "held_s"),
    [
        ([(30, Regime.REAL_TIME)], 30),
        ([(30, Regime.DEGRADED)], 0),
        ([(5, Regime.DEGRADED)], 0),
        ([(12, Regime.REAL_TIME), (9, Regime.DEGRADED), (9, Regime.REAL_TIME)], 30),
        ([(12, Regime.REAL_TIME), (10, Regime.DEGRADED), (9, Regime.REAL_TIME)], 12),
        ([(12, Regime.REAL_TIME), (5, Regime.DEGRADED), (5, Regime.STALLED)], 12),
        ([(11, Regime.STALLED), (9, Regime.REAL_TIME)], 0),
    ],
)
def test_real_time_is_held_until_ten_seconds_without_it(
    stretches: list[tuple[int, Regime]], held_s: int
) -> None:
    assert regimes.held_ns(row(*stretches)) == held_s * SECOND


def test_merging_joins_only_what_touches() -> None:
    windows = [*row((1, Regime.OFFLINE), (1, Regime.OFFLINE)), Segment(9, 10, Regime.OFFLINE)]
    assert regimes.merged(windows)[0] == Segment(0, 2 * SECOND, Regime.OFFLINE)
    assert len(regimes.merged(windows)) == 2


def test_of_equal_shares_the_lesser_claim_names_the_run() -> None:
    share = regimes.shares(row((5, Regime.REAL_TIME), (5, Regime.DEGRADED)))
    assert regimes.foremost(share) is Regime.DEGRADED
    assert regimes.foremost({}) is None


@given(
    st.lists(
        st.one_of(st.none(), st.floats(1.0, 400.0)),
        min_size=2,
        max_size=300,
    ),
    st.sampled_from([8.3, 16.7, 33.3, 40.0, 100.0]),
    st.floats(0.5, 12.0),
)
def test_windows_tile_the_time_and_shares_sum_to_one(
    latencies: list[float | None], period_ms: float, seconds: float
) -> None:
    made = regimes.live_windows(frames(latencies, period_ms=period_ms), window(seconds))
    assert made[0].from_ns == BEGIN
    assert made[-1].to_ns == BEGIN + round(seconds * SECOND)
    for before, after in pairwise(made):
        assert before.to_ns == after.from_ns
    share = regimes.shares(regimes.merged(made))
    assert sum(share.values()) == pytest.approx(1)
    assert share == pytest.approx(regimes.shares(made))


@given(
    st.integers(2, 40),
    st.sampled_from([120.0, 60.0, 30.0, 25.0, 10.0]),
    st.integers(3, 12),
    st.floats(1.0, 30.0),
)
def test_never_real_time_when_all_outputs_come_in_blocks(
    size: int, fps: float, blocks: int, compute_ms: float
) -> None:
    period = 1000 / fps
    count = size * blocks
    gap = min(0.2 * period, 5.0) / size
    latencies: list[float | None] = [
        compute_ms + period * (size - 1 - k % size) + gap * (k % size) for k in range(count)
    ]
    found = judged(frames(latencies, period_ms=period), max(0.2, count / fps))
    assert Regime.REAL_TIME not in found


@given(st.integers(1, 30), st.sampled_from([60.0, 30.0, 25.0]), st.integers(25, 200))
def test_always_real_time_when_each_output_comes_in_time(
    latency: int, fps: float, count: int
) -> None:
    made = frames([float(latency)] * count, period_ms=1000 / fps)
    assert set(judged(made)) == {Regime.REAL_TIME}
