"""How many executions a stage can have at a time, and how long any stage works on a frame."""

from __future__ import annotations

import numpy as np
import pytest

from probe.loads import parallel_of, worked_ns
from probe.measured import Spans
from probe.tape import NULL


def lanes(servers: int, work: int, period: int, count: int = 200) -> tuple[int, ...]:
    """Return the executions that `parallel_of` sees of a pool that takes each frame as it comes."""
    free = [0] * servers
    start = np.zeros(count, dtype=np.int64)
    for k in range(count):
        server = free.index(min(free))
        start[k] = max(free[server], k * period)
        free[server] = int(start[k]) + work
    return (parallel_of(start, start + work),)


@pytest.mark.parametrize(
    ("servers", "work", "parallel"),
    [(1, 50, 1), (1, 20, 1), (2, 50, 2), (2, 90, 2), (4, 150, 4), (4, 30, 1)],
)
def test_workers_are_those_that_work_side_by_side(servers: int, work: int, parallel: int) -> None:
    assert lanes(servers, work, 40) == (parallel,)


def test_one_overlap_by_chance_makes_no_second_worker() -> None:
    start = np.arange(100, dtype=np.int64) * 100
    end = start + 90
    end[50] += 60
    assert parallel_of(start, end) == 1


def test_nothing_and_executions_without_length_are_one_worker() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert parallel_of(none, none) == 1
    assert parallel_of(np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)) == 1


def test_the_work_on_a_frame_is_the_union_of_its_executions() -> None:
    rng = np.random.default_rng(5)
    frame = rng.integers(0, 12, 200)
    start = rng.integers(0, 900, 200)
    end = start + rng.integers(0, 120, 200)
    nothing = np.full(200, NULL)
    number, worked = worked_ns(Spans(("a",), np.zeros(200, np.int64), frame, start, end, nothing))
    for k, ns in zip(number.tolist(), worked.tolist(), strict=True):
        busy = np.zeros(1_100, dtype=bool)
        for begin, stop in zip(start[frame == k], end[frame == k], strict=True):
            busy[begin:stop] = True
        assert ns == busy.sum()
