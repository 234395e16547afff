from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probe import cases, measured, store
from probe.store import Run
from probe.verdict.evidence import Evidence


def counted(run: Run, asked: list[int]) -> int:
    def make(shown: Run) -> int:
        asked.append(1)
        return len(shown.table("frames"))

    return run.view(make, "frames counted")


def test_a_view_is_computed_once_and_shared_with_those_that_may_see_its_tables() -> None:
    run, asked = cases.live_run([20.0] * 10), []
    assert counted(run.only(("frames", "spans")), asked) == 10
    assert counted(run, asked) == 10
    assert len(asked) == 1


def test_a_view_of_an_undeclared_table_is_refused_though_it_was_computed_before() -> None:
    run, asked = cases.live_run([20.0] * 10), []
    counted(run, asked)
    with pytest.raises(KeyError, match="frames"):
        counted(run.only(("spans",)), asked)


def test_a_view_of_a_view_knows_the_tables_of_both() -> None:
    run = cases.live_run([20.0] * 10)
    measured.frames_of(run)
    measured.measured_frames_of(run)
    with pytest.raises(KeyError, match="frames"):
        measured.measured_frames_of(run.only(("spans",)))


def test_what_views_share_cannot_be_changed() -> None:
    frames = measured.frames_of(cases.live_run([20.0] * 10))
    with pytest.raises(ValueError, match="read-only"):
        frames.due_ns[0] = 0


def test_a_column_is_read_alone_and_is_that_of_the_table(tmp_path: Path) -> None:
    table = cases.live_run([20.0, None, 30.0]).table("frames")
    store.write_json(tmp_path / store.MANIFEST, {"schema": store.SCHEMA})
    store.write_table(tmp_path, "frames", table)
    run = Run.open(tmp_path)
    for name in table:
        alone = run.column("frames", str(name))
        pd.testing.assert_series_equal(alone.astype(table[name].dtype), table[name])
    assert run.column("spans", "frame").empty
    with pytest.raises(KeyError, match="frames"):
        run.only(("spans",)).column("frames", "frame")


@pytest.mark.parametrize("wide", [1, 10**15])
def test_places_are_those_of_a_search_whether_numbers_are_dense_or_not(wide: int) -> None:
    rng = np.random.default_rng(3)
    numbers = rng.integers(-50, 50, 80) * wide
    wanted = rng.integers(-70, 70, 300) * wide
    first = {int(number): k for k, number in reversed(list(enumerate(numbers.tolist())))}
    expected = [first.get(number, -1) for number in wanted.tolist()]
    assert measured.places(numbers, wanted).tolist() == expected
    assert measured.among(wanted, numbers).tolist() == np.isin(wanted, numbers).tolist()
    assert measured.places(numbers[:0], wanted).tolist() == [-1] * 300


@pytest.mark.parametrize("edge", [np.iinfo(np.int64).min, np.iinfo(np.int64).max])
def test_numbers_at_the_end_of_their_range_have_places(edge: int) -> None:
    assert measured.places(np.array([edge]), np.array([0, edge])).tolist() == [-1, 0]


def test_what_frames_compute_of_themselves_cannot_be_changed_either() -> None:
    run = cases.live_run([20.0] * 10)
    frames = measured.frames_of(run)
    for found in (frames.answered, frames.missed, frames.latency_ns, Evidence(run).lateness_ns):
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 0
