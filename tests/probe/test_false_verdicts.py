from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from probe import statistics
from probe.model import Outcome, Tier

RUNS = 1_000
HIGH = 0.02
"""At a true 1 % of false answers, 1,000 runs show over 2 % once in 500 times."""


def bench() -> ModuleType:
    name = "bench_verdicts"
    path = Path(__file__).parents[1] / "bench" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


BENCH = bench()


@pytest.mark.parametrize("burst", [1, 3, 10, 30])
def test_the_simulated_misses_have_the_rate_and_the_bursts_that_were_asked_for(burst: int) -> None:
    cell = BENCH.Cell(18_000, burst, 0.02)
    missed = BENCH.misses(np.random.default_rng(1), 200, cell)
    bursts = np.count_nonzero(missed[:, 1:] & ~missed[:, :-1]) + np.count_nonzero(missed[:, 0])
    assert missed.shape == (200, 18_000)
    assert missed.mean() == pytest.approx(0.02, rel=0.05)
    assert missed.sum() / bursts == pytest.approx(burst if burst > 1 else 1 / 0.98, rel=0.05)
    assert missed[:, 0].mean() == pytest.approx(0.02, abs=0.03)


@pytest.mark.parametrize("frames", [18_000, 24_000])
@pytest.mark.parametrize("burst", [1, 3, 10, 30])
def test_at_the_limit_neither_answer_comes_falsely_more_often_than_promised(
    burst: int, frames: int
) -> None:
    tally = BENCH.judged(BENCH.Cell(frames, burst, 0.01), RUNS)[Tier.STANDARD]
    assert tally[Outcome.SUPPORTED] / RUNS <= HIGH
    assert tally[Outcome.REFUTED] / RUNS <= HIGH
    assert tally[Outcome.INCONCLUSIVE] / RUNS >= 0.96


def test_what_lies_far_from_the_limit_is_told() -> None:
    good = BENCH.judged(BENCH.Cell(18_000, 3, 0.001), 200)[Tier.STANDARD]
    bad = BENCH.judged(BENCH.Cell(18_000, 10, 0.03), 200)[Tier.STANDARD]
    assert good[Outcome.SUPPORTED] >= 170
    assert bad[Outcome.REFUTED] >= 190
    assert bad[Outcome.SUPPORTED] == good[Outcome.REFUTED] == 0


def test_short_runs_in_bursts_are_not_told_rather_than_told_wrongly() -> None:
    for frames in (600, 1_800, 5_400):
        tally = BENCH.judged(BENCH.Cell(frames, 30, 0.01), 300)[Tier.STANDARD]
        assert tally[Outcome.SUPPORTED] == 0
        assert tally[Outcome.REFUTED] <= 9


def test_certified_judges_a_run_as_standard_does_so_that_they_share_a_column() -> None:
    assert statistics.NOMINAL_LEVEL[Tier.CERTIFIED] == statistics.NOMINAL_LEVEL[Tier.STANDARD]
    assert statistics.ASSUMED_BURST[Tier.CERTIFIED] == statistics.ASSUMED_BURST[Tier.STANDARD]


def test_the_tables_hold_every_cell_and_all_three_answers() -> None:
    text = BENCH.DOCUMENT.read_text("utf-8")
    rows = [line for line in text.split("\n") if line.startswith("|") and " % | " in line]
    cells = [row for row in rows if "false" not in row]
    assert len(cells) == len(BENCH.FRAMES) * len(BENCH.BURSTS) * len(BENCH.RATES)
    for row in cells:
        shares = [float(part) for part in row.strip("| ").split(" | ")[2:]]
        assert sum(shares[:3]) == pytest.approx(100, abs=0.02)
        assert sum(shares[3:]) == pytest.approx(100, abs=0.02)
