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
        ([(3, Regime.REAL_TIME)], 3),
        ([(1, Regime.REAL_TIME), (8, Regime.STALLED)], None),
        ([], None),
    ],
)
def test_real_time_is_held_until_ten_seconds_without_it(
    stretches: list[tuple[int, Regime]], held_s: int | None
) -> None:
    assert regimes.held_ns(row(*stretches)) == (None if held_s is None else held_s * SECOND)


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


PERIODS_MS = [1000 / 240, 1000 / 60, 1000 / 30, 40.0, 100.0, 1000.0]
LATENCIES = st.lists(
    st.one_of(st.none(), st.floats(1.0, 400.0)),
    min_size=2,
    max_size=200,
)


@pytest.mark.parametrize(("fps", "length_s"), [(1, 20), (10, 2), (20, 1), (30, 1), (240, 1)])
def test_a_window_is_a_second_and_twenty_periods_at_every_rate(fps: int, length_s: int) -> None:
    count = 3 * fps * length_s
    made = regimes.live_windows(frames([3.0] * count, period_ms=1000 / fps), window(3 * length_s))
    assert [each.length_ns for each in made] == [length_s * SECOND] * 3
    assert {each.regime for each in made} == {Regime.REAL_TIME}


@pytest.mark.parametrize(("fps", "allowed"), [(1, 1), (30, 1), (199, 1), (240, 2)])
def test_a_window_may_miss_one_frame_or_a_hundredth(fps: int, allowed: int) -> None:
    length = max(1, 20 // fps)
    for misses, regime in ((allowed, Regime.REAL_TIME), (allowed + 1, Regime.DEGRADED)):
        latencies = [3.0] * (fps * length)
        for k in range(misses):
            latencies[4 + 9 * k] = 51.0 if fps < 100 else 3.0
        made = frames(latencies, period_ms=1000 / fps)
        late = np.isin(made.number, [4 + 9 * k for k in range(misses)])
        fate = np.where(late, FATES.index(Fate.LATE), made.fate).astype(np.int8)
        made = Frames(**{**vars(made), "fate": fate})
        assert judged(made, length) == [regime]


def test_a_paused_source_stalls_nobody_however_late_it_is_answered() -> None:
    due = [*(40.0 * k for k in range(25)), *(3000.0 + 40.0 * k for k in range(25))]
    slow = frames([200.0] * 50, due_ms=due)
    first, *rest = judged(slow, 4)
    assert first is Regime.STALLED  # 200 ms without any output, and nothing was measured before
    assert rest == [Regime.DEGRADED] * 3


@pytest.mark.parametrize("lost", [24, 25])
def test_one_frame_lost_beside_a_pause_is_no_stall(lost: int) -> None:
    """Frame 24 is the last before the pause of the source, 25 the first after it."""
    due = [*(40.0 * k for k in range(25)), *(3000.0 + 40.0 * k for k in range(25))]
    latencies: list[float | None] = [20.0] * 50
    latencies[lost] = None
    assert Regime.STALLED not in judged(frames(latencies, due_ms=due), 4)


@pytest.mark.parametrize("first", [20, 25])
def test_frames_lost_beside_a_pause_stall_where_they_were_due(first: int) -> None:
    due = [*(40.0 * k for k in range(25)), *(3000.0 + 40.0 * k for k in range(25))]
    latencies: list[float | None] = [20.0] * 50
    latencies[first : first + 5] = [None] * 5
    found = judged(frames(latencies, due_ms=due), 4)
    assert found[0 if first == 20 else 3] is Regime.STALLED
    assert found.count(Regime.STALLED) == 1


def test_a_source_that_pauses_past_the_window_stalls_nobody() -> None:
    due = [*(40.0 * k for k in range(25)), 6000.0]
    assert judged(frames([20.0] * 26, due_ms=due), 4) == [Regime.REAL_TIME] * 4


def test_a_clip_of_variable_rate_is_judged_by_its_own_times() -> None:
    rng = np.random.default_rng(8)
    due = np.cumsum(rng.choice([20.0, 40.0, 120.0, 400.0], 200, p=[0.2, 0.6, 0.1, 0.1]))
    due -= due[0]
    found = judged(frames([20.0] * 200, due_ms=due.tolist()), due[-1] / 1000)
    assert set(found) == {Regime.REAL_TIME}


def test_a_window_with_no_frame_due_is_as_the_one_before_and_the_first_as_the_next() -> None:
    due = [*(2000.0 + 40.0 * k for k in range(25)), *(5000.0 + 40.0 * k for k in range(25))]
    latencies = [80.0] * 25 + [20.0] * 25
    expected = [Regime.DEGRADED] * 5 + [Regime.REAL_TIME]
    assert judged(frames(latencies, due_ms=due), 6) == expected


@pytest.mark.parametrize(
    ("periods", "regime"), [(1.4, Regime.FAST_GENERATION), (1.6, Regime.STALLED)]
)
def test_a_gap_under_one_and_a_half_block_periods_is_no_stall(
    periods: float, regime: Regime
) -> None:
    """Blocks of 10 at 25 fps come each 400 ms; the gap before the middle one is as long as said."""
    latencies = in_blocks(10, 100)
    late = (periods - 1) * 400
    for k in range(50, 60):
        latencies[k] = (latencies[k] or 0.0) + late
    found = judged(frames(latencies))
    assert found[2] is regime or found[1] is regime
    assert Regime.REAL_TIME not in found


def test_two_bursts_are_catching_up_and_three_are_blocks() -> None:
    for count, blocky in ((2, False), (3, True)):
        latencies = [20.0] * (12 - 4 * count) + in_blocks(4, 4 * count) + [20.0] * 13  # type: ignore[operator]
        bursts = regimes.bursts_of(np.sort(frames(latencies).delivered_ns), 40.0 * MS)
        assert bursts.block.any() == blocky


@given(LATENCIES, st.sampled_from(PERIODS_MS), st.integers(-(10**18), 10**18))
def test_another_origin_of_time_changes_nothing(
    latencies: list[float | None], period_ms: float, shift: int
) -> None:
    made = frames(latencies, period_ms=period_ms)
    moved = {
        name: np.where(getattr(made, name) == NULL, NULL, getattr(made, name) + shift)
        for name in ("due_ns", "scheduled_ns", "captured_ns", "delivered_ns", "rendered_ns")
    }
    there = Window(BEGIN + shift, BEGIN + shift, BEGIN + 3 * SECOND + shift, 0, 0)
    shifted = regimes.live_windows(Frames(**{**vars(made), **moved}), there)
    back = [Segment(each.from_ns - shift, each.to_ns - shift, each.regime) for each in shifted]
    assert back == regimes.live_windows(made, window(3))


@given(LATENCIES, st.integers(2, 20))
def test_a_slow_motion_of_a_slow_source_behaves_alike(
    latencies: list[float | None], factor: int
) -> None:
    """From 50 ms a frame on, windows and stalls are counted in periods, so all times may scale."""
    made = frames(latencies, period_ms=60.0)
    times = ("due_ns", "scheduled_ns", "captured_ns", "delivered_ns", "rendered_ns")
    scaled = {
        name: np.where(getattr(made, name) == NULL, NULL, getattr(made, name) * factor)
        for name in times
    }
    slow = Window(BEGIN * factor, BEGIN * factor, (BEGIN + 6 * SECOND) * factor, 0, 0)
    found = regimes.live_windows(Frames(**{**vars(made), **scaled}), slow)
    assert [each.regime for each in found] == judged(made, 6)


@given(LATENCIES, st.sampled_from(PERIODS_MS), st.floats(1.0, 400.0), st.floats(1.0, 400.0))
def test_a_tighter_deadline_never_makes_a_run_more_real_time(
    latencies: list[float | None], period_ms: float, one_ms: float, other_ms: float
) -> None:
    made = frames(latencies, period_ms=period_ms)
    late = np.array([np.inf if each is None else each for each in latencies])
    shares = []
    for deadline in sorted((one_ms, other_ms)):
        kept = np.where(late <= deadline, FATES.index(Fate.ON_TIME), FATES.index(Fate.LATE))
        fate = np.where(np.isinf(late), FATES.index(Fate.DROPPED), kept).astype(np.int8)
        found = regimes.live_windows(Frames(**{**vars(made), "fate": fate}), window(4))
        shares.append(regimes.shares(found)[Regime.REAL_TIME])
    assert shares[0] <= shares[1]


@given(st.data(), st.sampled_from(PERIODS_MS), st.integers(20, 150))
def test_one_more_late_or_lost_frame_never_makes_a_run_more_real_time(
    data: st.DataObject, period_ms: float, count: int
) -> None:
    """Of a run whose outputs come one by one."""
    latencies: list[float | None] = data.draw(
        st.lists(st.sampled_from([1.0, None, 1.0 + 0.4 * period_ms]), min_size=count,
                 max_size=count)
    )  # fmt: skip
    before = regimes.live_windows(frames(latencies, period_ms=period_ms), window(4))
    at = data.draw(st.integers(0, count - 1))
    latencies[at] = data.draw(st.sampled_from([None, 51.3 + 7.25 * period_ms]))
    after = regimes.live_windows(frames(latencies, period_ms=period_ms), window(4))
    for one, other in zip(before, after, strict=True):
        assert one.regime is Regime.REAL_TIME or other.regime is not Regime.REAL_TIME
