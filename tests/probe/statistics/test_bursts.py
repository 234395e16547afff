from __future__ import annotations

import importlib.util
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe import statistics
from probe.model import Outcome, Tier


def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "bench" / "bench_verdicts.py"
    spec = importlib.util.spec_from_file_location("bench_of_patterns", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


BENCH = bench()


def misses(frames: int, *bursts: tuple[int, int]) -> statistics.Sample:
    missed = np.zeros(frames, dtype=bool)
    for at, length in bursts:
        missed[at : at + length] = True
    return statistics.sample_of(missed, Tier.STANDARD)


@given(st.lists(st.booleans(), min_size=2, max_size=400))
def test_the_autocorrelation_of_counts_is_that_of_the_series(series: list[bool]) -> None:
    missed = np.array(series)
    rho = statistics.sample_of(missed, Tier.QUICK).rho
    if missed.min() == missed.max():
        assert rho is None
        return
    apart = missed - missed.mean()
    expected = float((apart[1:] * apart[:-1]).sum() / (apart * apart).sum())
    assert rho is not None
    assert abs(rho - min(max(expected, 0.0), 1.0)) < 1e-9


def test_few_bursts_count_as_five_of_their_length() -> None:
    assert misses(18_000, (100, 2)).weight == 5
    assert misses(18_000, (100, 1), (200, 3)).weight == Fraction(5, 2)
    many = misses(18_000, *((k, 1) for k in range(0, 5_000, 1_000)))
    assert many.assumed_burst is None
    assert many.weight == 1


def test_quick_takes_misses_for_independent_and_adds_none() -> None:
    missed = np.zeros(900, dtype=bool)
    missed[40] = True
    assert statistics.sample_of(missed, Tier.QUICK).weight == 1


def test_a_few_late_frames_of_ten_minutes_do_not_forbid_support() -> None:
    for bursts in (1, 2, 3, 4, 5, 10, 50):
        sample = misses(18_000, *((300 * k, 1) for k in range(1, bursts + 1)))
        assert statistics.answer(sample).outcome is Outcome.SUPPORTED


def test_the_frames_that_are_still_needed_suffice_with_few_bursts_too() -> None:
    first = misses(15_000, (100, 3))
    found = statistics.answer(first)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.still_needed is not None
    longer = misses(15_000 + found.still_needed, (100, 3))
    assert statistics.answer(longer).outcome is Outcome.SUPPORTED


def test_the_dispersion_is_the_variance_of_counts_over_that_of_chance() -> None:
    missed = np.random.default_rng(4).random(18_100) < 0.02
    missed[6_000:6_100] = True
    counts = missed[:18_000].reshape(60, 300).sum(axis=1)
    share = counts.mean() / 300
    sample = statistics.sample_of(missed, Tier.STANDARD)
    assert sample.dispersion == pytest.approx(counts.var() / (300 * share * (1 - share)))
    assert sample.told_by_blocks
    assert sample.effective == int(18_100 / sample.dispersion)


def test_a_frame_in_time_does_not_make_two_bursts_of_an_episode() -> None:
    episode = np.zeros(18_000, dtype=bool)
    episode[9_000:9_060:2] = True
    sample = statistics.sample_of(episode, Tier.STANDARD)
    assert (sample.misses, sample.bursts, sample.assumed_burst) == (30, 1, 10)
    spread = misses(18_000, *((600 * k, 1) for k in range(30)))
    assert (spread.bursts, spread.dispersion, spread.effective) == (30, 1, 18_000)


@pytest.mark.parametrize(("burst", "pattern"), [(30, "episodes"), (60, "episodes"), (3, "mixed")])
def test_misses_that_follow_no_chain_are_not_told_falsely_either(burst: int, pattern: str) -> None:
    # by the lag-1 autocorrelation alone episodes of 30 and 60 gave 17 to 28 % of each falsehood
    tally = BENCH.judged(BENCH.Cell(18_000, burst, 0.01), 400, getattr(BENCH, pattern))
    assert tally[Tier.STANDARD][Outcome.SUPPORTED] <= 12
    assert tally[Tier.STANDARD][Outcome.REFUTED] <= 12


def test_places_weigh_as_the_series_does() -> None:
    missed = np.random.default_rng(2).random(3_000) < 0.01
    places = statistics.sample_at(np.flatnonzero(missed), 3_000, Tier.STANDARD)
    assert places == statistics.sample_of(missed, Tier.STANDARD)


@given(
    st.integers(100, 4_000),
    st.lists(st.tuples(st.integers(0, 4_000), st.integers(1, 40)), min_size=1, max_size=8),
    st.sampled_from([Tier.QUICK, Tier.STANDARD]),
)
def test_the_frames_that_are_said_to_be_needed_suffice(
    frames: int, bursts: list[tuple[int, int]], tier: Tier
) -> None:
    missed = np.zeros(frames, dtype=bool)
    for at, length in bursts:
        missed[at : at + length] = True
    found = statistics.answer(statistics.sample_of(missed, tier))
    if found.outcome is not Outcome.INCONCLUSIVE:
        assert found.still_needed is None
        return
    assert found.still_needed is not None
    longer = np.concatenate([missed, np.zeros(found.still_needed, dtype=bool)])
    assert statistics.answer(statistics.sample_of(longer, tier)).outcome is Outcome.SUPPORTED


def test_ten_million_frames_are_weighed_without_overflow() -> None:
    missed = np.zeros(10_000_000, dtype=bool)
    missed[::1_000] = True
    sample = statistics.sample_of(missed, Tier.STANDARD)
    assert (sample.misses, sample.effective) == (10_000, 10_000_000)
    assert statistics.answer(sample).outcome is Outcome.SUPPORTED
