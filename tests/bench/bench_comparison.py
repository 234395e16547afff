"""How often does a comparison of a program with itself come out "no difference"?

    python tests/bench/bench_comparison.py [--trials 1000] [--runs FOLDER]

Simulated: runs of one program on a machine whose noise has heavy tails, hits all metrics together,
and drifts from run to run; sides measured interleaved (A B B A) or one after the other. `--runs`
takes a folder of real Runs of one program instead, measured one after the other, and compares each
stretch of them with itself, labelled A B B A.
Goal: at least 95 of 100 comparisons differ in no metric at all, where sides are interleaved.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from probe.comparison import NOMINAL_LEVEL
from probe.effects import effects

METRICS: Final = 25
GOAL: Final = 0.95
SIDES: Final = (4, 5, 8)
EFFECTS: Final = (1.0, 2.0, 3.0, 4.0)


def noise(rng: np.random.Generator, runs: int, drift: float) -> NDArray[np.float64]:
    """Return (runs, metrics) in the order of measuring: lognormal neighbours, t3 tails, AR(1)."""
    machine = np.zeros(runs)
    for k in range(runs):
        machine[k] = drift * machine[k - 1] + rng.normal() if k else rng.normal()
    neighbour = rng.lognormal(0, 0.4, (runs, 1)) - 1
    weight = rng.uniform(0, 1, METRICS)
    own = rng.standard_t(3, (runs, METRICS))
    return 100 + own + 3 * weight * neighbour + 2 * weight * machine[:, None]


def order(runs: int, interleaved: bool) -> NDArray[np.bool_]:
    """Return which of the measured runs are the base's."""
    pattern = [True, False, False, True] * math.ceil(runs / 2) if interleaved else [True] * runs
    return np.array((pattern + [False] * runs)[: 2 * runs])


def false_alarms(trials: int, runs: int, drift: float, interleaved: bool) -> float:
    """Return the share of A/A comparisons in which any metric differs."""
    rng = np.random.default_rng([runs, int(drift * 10), interleaved])
    base = order(runs, interleaved)
    alarms = 0
    for _ in range(trials):
        values = noise(rng, 2 * runs, drift)
        found = effects(values[base], values[~base], NOMINAL_LEVEL)
        alarms += min(each.p_value for each in found.effects) <= NOMINAL_LEVEL
    return alarms / trials


def power(trials: int, runs: int, shift: float) -> float:
    """Return how often a shift of one of the metrics, in its own scatter, is found among all."""
    rng = np.random.default_rng([runs, int(shift * 10)])
    hits = 0
    for _ in range(trials):
        values = rng.normal(0, 1, (2 * runs, METRICS))
        values[runs:, 0] += shift
        found = effects(values[:runs], values[runs:], NOMINAL_LEVEL).effects[0]
        hits += found.p_value <= NOMINAL_LEVEL
    return hits / trials


def real(folder: Path, runs: int) -> list[bool]:
    """Compare consecutive real Runs, labelled A B B A: in which did a metric differ?

    Windows follow each other by one pair of runs, so most of them share runs with their neighbours.
    """
    from probe import comparison, judge
    from probe.store import Run

    paths = [path.parent for path in sorted(folder.glob("*/run.json"))]
    judged = [(run, judge.judge(run)) for run in map(Run.open, paths)]
    base = order(runs, interleaved=True)
    found = []
    for begin in range(0, len(judged) - 2 * runs + 1, 2):
        window = judged[begin : begin + 2 * runs]
        sides = [
            comparison.Side(
                name, tuple(each for each, mine in zip(window, which, strict=True) if mine)
            )
            for name, which in (("a", base), ("b", ~base))
        ]
        (summary,) = comparison.compare(sides[0], sides[1:])["summary"]
        found.append(summary["better"] + summary["worse"] > 0)
    return found


def show_real(folder: Path) -> int:
    """Print how real runs of one program compare with themselves."""
    worst = 1.0
    for runs in SIDES[:2]:
        alarms = real(folder, runs)
        apart = alarms[::runs]
        share = 1 - sum(alarms) / len(alarms)
        worst = min(worst, share)
        print(
            f"{runs} runs a side: no difference in {len(alarms) - sum(alarms)} of {len(alarms)} "
            f"windows ({share:.1%}); of {len(apart)} that share no run, in "
            f"{len(apart) - sum(apart)}"
        )
    return 0 if worst >= GOAL else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="false alarms of a comparison")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--runs", type=Path)
    asked = parser.parse_args()
    if asked.runs is not None:
        return show_real(asked.runs)
    print(f"{METRICS} metrics, {asked.trials} A/A comparisons a cell: share with no difference")
    print(f"{'runs a side':<14}{'drift 0':>12}{'drift 0.5':>12}{'0.5, A then B':>16}")
    worst = 1.0
    for runs in SIDES:
        cells = [
            1 - false_alarms(asked.trials, runs, drift, interleaved)
            for drift, interleaved in ((0.0, True), (0.5, True), (0.5, False))
        ]
        worst = min(worst, *cells[:2])
        print(f"{runs:<14}{cells[0]:>12.1%}{cells[1]:>12.1%}{cells[2]:>16.1%}")
    print("\na true shift of one metric, in units of its scatter: share found")
    print(f"{'runs a side':<14}" + "".join(f"{shift:>8g}" for shift in EFFECTS))
    few = max(200, asked.trials // 5)
    for runs in SIDES:
        found = [power(few, runs, shift) for shift in EFFECTS]
        print(f"{runs:<14}" + "".join(f"{share:>8.0%}" for share in found))
    begin = time.process_time()
    effects(np.ones((8, METRICS)), np.ones((8, METRICS)), NOMINAL_LEVEL)
    print(f"\n8 runs a side: {(time.process_time() - begin) * 1e3:.0f} ms CPU a comparison")
    error = 3 * math.sqrt(GOAL * (1 - GOAL) / asked.trials)
    return 0 if worst >= GOAL - error else 1


if __name__ == "__main__":
    sys.exit(main())
