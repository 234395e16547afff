"""How often is a verdict wrong? Simulated runs of known miss rate, judged as real ones are.

Misses follow a two-state Markov chain that starts in its steady state, and in a last table other
patterns, as the episodes of Gilbert (Capacity of a burst-noise channel, 1960). `--write` puts the
tables into docs/false-verdicts.md; `--runs` says how many runs a cell has. Fails where false
answers at the frames of the guarantee are, with their whole 95 % interval, above the stated 1 %.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from probe import statistics
from probe.model import Outcome, Tier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEED: Final = 4
RUNS: Final = 10_000
BATCH_BYTES: Final = 2**24
LIMIT: Final = 0.01
"""The miss rate that a p99 allows, and the rate of false answers that is promised."""
RATES: Final = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03)
BURSTS: Final = (1, 3, 10, 30, 60, 100)
"""Mean lengths; 1 stands for independent misses, of which a few are neighbours all the same."""
FRAMES: Final = (600, 1_800, 5_400, 18_000, 24_000, 36_000)
PROMISED: Final = 18_000
"""The guarantee: standard and certified, from so many frames, bursts up to `LONGEST_BURST`."""
TIERS: Final = {Tier.QUICK: "quick", Tier.STANDARD: "standard, certified"}
OUTCOMES: Final = (Outcome.SUPPORTED, Outcome.REFUTED, Outcome.INCONCLUSIVE)
MARK: Final = "<!-- the rest is written by tests/bench/bench_verdicts.py --write -->\n"
SLOT: Final = 300
HALF: Final = 0.5
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "false-verdicts.md"

Tally = Counter[Outcome]
Pattern = Callable[[np.random.Generator, int, "Cell"], NDArray[np.bool_]]


@dataclass(frozen=True)
class Cell:
    """What is simulated: so many frames, missed at a rate, in bursts of a mean length."""

    frames: int
    burst: int
    rate: float

    @property
    def promised(self) -> bool:
        """Whether the guarantee covers it."""
        return self.frames >= PROMISED and self.burst <= statistics.LONGEST_BURST


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate every cell, print or write the tables, and return 1 where the guarantee breaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args(arguments)
    started = time.process_time()
    cells = [Cell(n, burst, rate) for n in FRAMES for burst in BURSTS for rate in RATES]
    tallies = {cell: judged(cell, asked.runs) for cell in cells}
    text = document(tallies, asked.runs) + others(max(1, asked.runs // 4))
    if asked.write:
        DOCUMENT.write_text(DOCUMENT.read_text("utf-8").split(MARK)[0] + MARK + text, "utf-8")
    print(text)
    took = time.process_time() - started
    print(f"{len(cells)} cells of {asked.runs:,} runs: {took:.0f} s of CPU")
    broken = [
        f"{cell}: {what} {count / asked.runs:.2%}"
        for cell, what, count in false_answers(tallies)
        if cell.promised and statistics.rate_bounds(count, asked.runs)[0] > LIMIT
    ]
    print("guarantee: " + ("; ".join(broken) if broken else "held"))
    return 1 if broken else 0


def misses(rng: np.random.Generator, runs: int, cell: Cell) -> NDArray[np.bool_]:
    """Return (runs, frames): a chain for each run, by the lengths of its stays.

    The chain of independent misses is the one whose bursts are 1 / (1 - rate) long on average.
    """
    leave = 1 - cell.rate if cell.burst == 1 else 1 / cell.burst
    enter = leave * cell.rate / (1 - cell.rate)
    inside = rng.random(runs) < cell.rate
    turns = np.zeros((runs, cell.frames), np.uint8)
    stays = 10 + round(1.3 * cell.frames * cell.rate * leave)
    at, open_runs = np.zeros(runs, np.int64), np.arange(runs)
    while len(open_runs):
        begins = inside[open_runs, None]
        lengths = np.empty((len(open_runs), 2 * stays), np.int64)
        lengths[:, ::2] = rng.geometric(np.where(begins, leave, enter), (len(open_runs), stays))
        lengths[:, 1::2] = rng.geometric(np.where(begins, enter, leave), (len(open_runs), stays))
        ends = at[open_runs, None] + np.cumsum(lengths, axis=1)
        row, column = np.nonzero(ends < cell.frames)
        turns[open_runs[row], ends[row, column]] = 1
        at[open_runs] = ends[:, -1]
        open_runs = open_runs[at[open_runs] < cell.frames]
    turns[:, 0] ^= inside
    return (np.cumsum(turns, axis=1, dtype=np.uint8) & 1).astype(np.bool_)


def mixed(rng: np.random.Generator, runs: int, cell: Cell) -> NDArray[np.bool_]:
    """Return (runs, frames): half of the misses alone, the others in bursts."""
    half = replace(cell, rate=cell.rate / 2)
    return misses(rng, runs, half) | misses(rng, runs, replace(half, burst=1))


def episodes(rng: np.random.Generator, runs: int, cell: Cell) -> NDArray[np.bool_]:
    """Return (runs, frames): episodes in which every second frame misses by chance (Gilbert)."""
    often = misses(rng, runs, replace(cell, rate=2 * cell.rate))
    return often & (rng.random(often.shape, dtype=np.float32) < HALF)


def slots(rng: np.random.Generator, runs: int, cell: Cell) -> NDArray[np.bool_]:
    """Return (runs, frames): every `SLOT` frames a chance of a burst of one length."""
    place = np.arange(cell.frames) + rng.integers(0, SLOT, (runs, 1))
    on = rng.random((runs, cell.frames // SLOT + 2)) < cell.rate * SLOT / cell.burst
    return (place % SLOT < cell.burst) & np.take_along_axis(on, place // SLOT, 1)


def ramp(rng: np.random.Generator, runs: int, cell: Cell) -> NDArray[np.bool_]:
    """Return (runs, frames): bursts that come ever more often, from none to twice the rate."""
    twice = misses(rng, runs, replace(cell, rate=2 * cell.rate))
    begins = twice & ~np.pad(twice, ((0, 0), (1, 0)))[:, :-1]
    first = np.maximum.accumulate(np.where(begins, np.arange(cell.frames), 0), axis=1)
    kept = rng.random(twice.shape, dtype=np.float32) < np.linspace(0, 1, cell.frames)
    return twice & np.take_along_axis(kept, first, 1)


PATTERNS: Final[dict[str, tuple[Pattern, tuple[int, ...]]]] = {
    "half alone, half in bursts": (mixed, (3, 10, 30)),
    "episodes in which every second frame misses": (episodes, (10, 30, 60)),
    f"bursts of one length, by chance every {SLOT} frames": (slots, (10, 30)),
    "bursts ever more often, from none to twice the rate": (ramp, (3, 10, 30)),
}


def judged(cell: Cell, runs: int, pattern: Pattern = misses) -> dict[Tier, Tally]:
    """Return how many of so many simulated runs have each outcome, by tier; seeded by the cell."""
    rng = np.random.default_rng([SEED, cell.frames, cell.burst, round(cell.rate * 1e6)])
    tallies: dict[Tier, Tally] = {tier: Counter() for tier in TIERS}
    most = max(1, BATCH_BYTES // cell.frames)
    for first in range(0, runs, most):
        for missed in pattern(rng, min(most, runs - first), cell):
            at = np.flatnonzero(missed)
            for tier, tally in tallies.items():
                sample = statistics.sample_at(at, cell.frames, tier)
                tally[statistics.answer(sample).outcome] += 1
    return tallies


def false_answers(tallies: dict[Cell, dict[Tier, Tally]]) -> Iterator[tuple[Cell, str, int]]:
    """Yield each cell's false answers in the guaranteed tiers: at the limit both ways are false."""
    for cell, by_tier in tallies.items():
        tally = by_tier[Tier.STANDARD]
        if cell.rate >= LIMIT:
            yield cell, "supported", tally[Outcome.SUPPORTED]
        if cell.rate <= LIMIT:
            yield cell, "refuted", tally[Outcome.REFUTED]


def document(tallies: dict[Cell, dict[Tier, Tally]], runs: int) -> str:
    """Return the tables as Markdown: the worst false answers first, then every rate."""
    low, high = statistics.rate_bounds(round(LIMIT * runs), runs)
    parts = [
        (
            f"\n{runs:,} simulated runs a cell, seed {SEED}; the 95 % interval of a simulated 1 % "
            f"is {100 * low:.2f} to {100 * high:.2f} %.\n"
        ),
        "## The worst false answers, standard and certified\n",
        *worst(tallies, runs),
    ]
    for frames in FRAMES:
        parts += [f"\n## {frames:,} frames\n", *table(frames, tallies, runs)]
    return "\n".join(parts) + "\n"


def others(runs: int) -> str:
    """Return the table of misses that follow no such chain, around the limit, as Markdown."""
    columns = [f"{100 * rate:g} %: {outcome}" for rate in RATES[1:5] for outcome in OUTCOMES[:2]]
    lines = [
        f"\n## Misses that follow another pattern, standard and certified, {PROMISED:,} frames\n",
        f"{runs:,} simulated runs a cell, in percent; what is left is inconclusive.\n",
        "| misses | bursts, mean | " + " | ".join(columns) + " |",
        "|---|---:|" + "---:|" * len(columns),
    ]
    for name, (pattern, bursts) in PATTERNS.items():
        for burst in bursts:
            shares = []
            for rate in RATES[1:5]:
                tally = judged(Cell(PROMISED, burst, rate), runs, pattern)[Tier.STANDARD]
                shares += [f"{100 * tally[outcome] / runs:.1f}" for outcome in OUTCOMES[:2]]
            lines.append(f"| {name} | {burst} | {' | '.join(shares)} |")
    return "\n".join(lines) + "\n"


def worst(tallies: dict[Cell, dict[Tier, Tally]], runs: int) -> list[str]:
    """Return the highest rates of false answers over all miss rates, by burst and frames."""
    lines = [
        "| bursts, mean | answer | " + " | ".join(f"{n:,} frames" for n in FRAMES) + " |",
        "|---|---|" + "---:|" * len(FRAMES),
    ]
    falses = list(false_answers(tallies))
    for burst in BURSTS:
        for what in ("supported", "refuted"):
            found = [
                max(n for cell, w, n in falses if (cell.frames, cell.burst, w) == (f, burst, what))
                for f in FRAMES
            ]
            shares = " | ".join(f"{100 * count / runs:.2f} %" for count in found)
            lines.append(f"| {named(burst)} | false {what} | {shares} |")
    return lines


def table(frames: int, tallies: dict[Cell, dict[Tier, Tally]], runs: int) -> list[str]:
    """Return one length's rates of all three answers, in percent of the runs."""
    columns = [f"{tier}: {outcome}" for tier in TIERS.values() for outcome in OUTCOMES]
    lines = [
        "| bursts, mean | true miss rate | " + " | ".join(columns) + " |",
        "|---|---:|" + "---:|" * len(columns),
    ]
    for cell, by_tier in tallies.items():
        if cell.frames == frames:
            counts = [by_tier[tier][outcome] for tier in TIERS for outcome in OUTCOMES]
            shares = " | ".join(f"{100 * count / runs:.2f}" for count in counts)
            lines.append(f"| {named(cell.burst)} | {100 * cell.rate:g} % | {shares} |")
    return lines


def named(burst: int) -> str:
    """Return how the tables name a mean length."""
    return "independent" if burst == 1 else str(burst)


if __name__ == "__main__":
    sys.exit(main())
