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

from probe.comparison import LEVEL, NOMINAL_LEVEL
from probe.effects import effects, p_values
from probe.statistics import Interval, Met, rate_bounds, resolved

METRICS: Final = 25
GOAL: Final = 0.95
SIDES: Final = (4, 5, 8)
EFFECTS: Final = (1.0, 2.0, 3.0, 4.0)
SHIFTS: Final = (0.0, 3.0, 100.0)


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
        alarms += p_values(values[base], values[~base]).min() <= NOMINAL_LEVEL
    return alarms / trials


def power(trials: int, runs: int, shift: float) -> float:
    """Return how often a shift of one of the metrics, in its own scatter, is found among all."""
    rng = np.random.default_rng([runs, int(shift * 10)])
    hits = 0
    for _ in range(trials):
        values = rng.normal(0, 1, (2 * runs, METRICS))
        values[runs:, 0] += shift
        hits += p_values(values[:runs], values[runs:])[0] <= NOMINAL_LEVEL
    return hits / trials


def coverage(trials: int, runs: int, shift: float) -> tuple[float, float]:
    """Return how often the interval of a shifted metric holds the shift: alone, and of many."""
    rng = np.random.default_rng([runs, int(shift * 10), 1])
    held = np.zeros(2)
    for _ in range(trials):
        values = rng.normal(0, 1, (2 * runs, METRICS))
        values[runs:] += shift
        for k, some in enumerate((values[:, :1], values)):
            each = effects(some[:runs], some[runs:], LEVEL).effects[0]
            held[k] += each.low is not None and each.high is not None and (
                each.low <= shift <= each.high
            )  # fmt: skip
    alone, many = held / trials
    return float(alone), float(many)


def real(folder: Path, runs: int) -> list[bool | None]:
    """Compare consecutive real Runs, labelled A B B A: in which did a metric differ?

    Windows follow each other by one pair of runs, so most of them share runs with their neighbours.
    None is a window that was blocked, as where the folder has Runs of several scenarios: nothing
    was compared in it.
    """
    from probe import comparison, judge
    from probe.store import Run

    paths = [path.parent for path in sorted(folder.glob("*/run.json"))]
    judged = [(run, judge.judge(run)) for run in map(Run.open, paths)]
    base = order(runs, interleaved=True)
    found: list[bool | None] = []
    for begin in range(0, len(judged) - 2 * runs + 1, 2):
        window = judged[begin : begin + 2 * runs]
        sides = [
            comparison.Side(
                name, tuple(each for each, mine in zip(window, which, strict=True) if mine)
            )
            for name, which in (("a", base), ("b", ~base))
        ]
        document = comparison.compare(sides[0], sides[1:])
        (summary,) = document["summary"]
        told = summary["better"] + summary["worse"] > 0
        found.append(None if comparison.undecided(document) else told)
    return found


def show_real(folder: Path) -> int:
    """Print how real runs of one program compare with themselves."""
    worst = 1.0
    for runs in SIDES[:2]:
        windows = real(folder, runs)
        alarms = [each for each in windows if each is not None]
        apart = [each for each in windows[::runs] if each is not None]
        if len(alarms) < len(windows):
            print(f"{len(windows) - len(alarms)} of {len(windows)} windows cannot be compared")
        if not alarms:
            return 1
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
    few = max(100, asked.trials // 10)
    print(f"\n{1 - LEVEL:.0%} intervals of a shift of every metric: share that holds it, of one "
          f"metric / of one among {METRICS} ({few} trials)")  # fmt: skip
    print(f"{'runs a side':<14}" + "".join(f"{shift:>14g}" for shift in SHIFTS))
    for runs in SIDES[:2]:
        held = [coverage(few, runs, shift) for shift in SHIFTS]
        print(f"{runs:<14}" + "".join(f"{alone:>7.0%}{many:>7.0%}" for alone, many in held))
    both = np.random.default_rng(1).normal(size=(16, METRICS))
    begin = time.process_time()
    effects(both[:8], both[8:], LEVEL)
    print(f"\n8 runs a side: {(time.process_time() - begin) * 1e3:.0f} ms CPU a comparison")
    low, high = rate_bounds(round(worst * asked.trials), asked.trials)
    goal = resolved(Interval(worst, low, high, asked.trials, 1), GOAL, at_most=False)
    print(f"no difference in at least {GOAL:.0%} of comparisons of a program with itself: "
          f"{goal.text}")  # fmt: skip
    return 1 if goal.met is Met.MISSED else 0


if __name__ == "__main__":
    sys.exit(main())
