"""A profile's inferences are put on the run's clock, and belong to the frame around them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from probe import store
from probe.operators import placing
from probe.operators.placing import Clock
from probe.operators.profile import Inference
from probe.tape import NULL

WALL = 1_795_289_000_000_000_000
MS = 1_000_000
PAIRS = [[5_000 * MS, WALL], [15_000 * MS, WALL + 10_000 * MS]]


def spans(*rows: tuple[int | None, int, int], stage: str = "infer", tid: int = 7) -> pd.DataFrame:
    columns = ["frame", "start_ns", "end_ns"]
    table = pd.DataFrame(list(rows), columns=columns).assign(stage=stage, thread=f"infer:{tid}")
    return store.as_table("spans", table)


def test_both_clocks_read_together_give_the_begin() -> None:
    assert placing.clock(WALL + 1_000 * MS, PAIRS, "stated") == Clock(
        6_000 * MS, "stated", placing.STATED_NS, 0
    )


def test_a_step_of_the_wall_clock_is_stated_and_is_part_of_the_error() -> None:
    stepped = [PAIRS[0], [15_000 * MS, WALL + 10_000 * MS + 40 * MS]]
    found = placing.clock(WALL + 1_000 * MS, stepped, "stated")
    assert found.disagreement_ns == 40 * MS
    assert found.error_ns == placing.STATED_NS + 40 * MS
    assert found.began_ns == 6_000 * MS, "by the pair that was read nearer to it"


@pytest.mark.parametrize("pairs", [[], [[1]], [[None, 3]], [[True, 3]], [[0, -4]]])
def test_without_a_pair_of_clocks_nobody_knows_when_it_began(pairs: list[Any]) -> None:
    assert placing.clock(WALL, pairs, "stated") == placing.NOWHERE


def test_the_name_of_a_profile_says_its_begin_whatever_the_zone() -> None:
    for hours in (0, -8, 5.75, 14):
        local = time.gmtime((WALL + 2_345 * MS) // 10**9 + hours * 3600)
        file = Path(time.strftime("p_%Y-%m-%d_%H-%M-%S", local) + "_345.json")
        assert placing.began_by_name(file, PAIRS) == WALL + 2_345 * MS


@pytest.mark.parametrize(
    "name",
    ["p.json", "p_2026-11-21_19-24-48_571.json", "p_2026-99-21_19-24-48_571.json", "p_1_2.json"],
)
def test_a_name_of_another_time_or_none_says_nothing(name: str) -> None:
    far = [[5_000 * MS, WALL + 7 * 60 * 10**9 + 13], [6_000 * MS, WALL + 7 * 61 * 10**9]]
    assert placing.began_by_name(Path(name), far) is None


def test_an_inference_is_of_the_frame_whose_span_it_lies_in() -> None:
    began = Clock(1_000 * MS, "stated", MS // 10, 0)
    table = spans((4, 1_010 * MS, 1_020 * MS), (5, 1_030 * MS, 1_040 * MS), (None, 0, 1))
    asked = [Inference(11 * MS, 19 * MS, 7), Inference(31 * MS, 39 * MS, 7), Inference(50, 60, 7)]
    _, frames = placing.frames(began, asked, table)
    assert frames.tolist() == [4, 5, NULL]


def test_the_spans_bound_a_clock_that_only_a_name_tells() -> None:
    true = 1_000 * MS
    began = Clock(true + 3 * MS // 2, "name", placing.STAMP_NS, 0)
    rng = np.random.default_rng(4)
    at = np.arange(40) * 33 * MS
    table = spans(*((k, true + int(t), true + int(t) + 10 * MS) for k, t in enumerate(at)))
    lead, tail = (rng.integers(5_000, 300_000, 40) for _ in range(2))
    asked = [
        Inference(int(t + a), int(t + 10 * MS - b), 7)
        for t, a, b in zip(at, lead, tail, strict=True)
    ]
    better, frames = placing.frames(began, asked, table)
    assert frames.tolist() == list(range(40))
    assert better.known_by == "spans"
    assert better.began_ns is not None
    assert better.error_ns is not None
    assert abs(better.began_ns - true) <= better.error_ns < MS


def test_where_two_places_fit_as_well_nobody_knows_the_frame() -> None:
    began = Clock(0, "name", placing.STAMP_NS, 0)
    table = spans((1, 0, 2 * MS), (2, 3 * MS, 5 * MS))
    same, frames = placing.frames(began, [Inference(2 * MS, 3 * MS, 7)], table)
    assert frames.tolist() == [NULL]
    assert same == began


def test_a_thread_that_the_program_tells_decides() -> None:
    began = Clock(0, "stated", MS, 0)
    table = pd.concat([spans((1, 0, 10 * MS), tid=7), spans((2, 0, 10 * MS), tid=8)])
    _, frames = placing.frames(began, [Inference(MS, 2 * MS, 8)], table)
    assert frames.tolist() == [2]
    _, frames = placing.frames(began, [Inference(MS, 2 * MS, 9)], table)
    assert frames.tolist() == [NULL], "a thread of which no stage is told"


def test_without_a_stage_infer_the_shortest_around_it_is_meant() -> None:
    began = Clock(0, "stated", MS // 10, 0)
    outer, inner = spans((1, 0, 100 * MS), stage="all"), spans((2, 5 * MS, 20 * MS), stage="model")
    _, frames = placing.frames(began, [Inference(6 * MS, 19 * MS, 7)], pd.concat([outer, inner]))
    assert frames.tolist() == [2]


def test_the_runtimes_begin_is_a_time_of_the_wall_clock(tmp_path: Path) -> None:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "p")
    model = Path(__file__).parents[3] / "scenarios" / "assets" / "segmenter_fp32.onnx"
    before = time.time_ns()
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    after = time.time_ns()
    began = session.get_profiling_start_time_ns()
    file = Path(session.end_profiling())
    assert before <= began <= after
    pairs = [
        [time.monotonic_ns() - (after - before), before],
        [time.monotonic_ns(), time.time_ns()],
    ]
    named = placing.began_by_name(Path(os.fspath(file)), pairs)
    assert named is not None
    assert 0 <= began - named < 10**9, "the name is made before it, and cut to the ms"
