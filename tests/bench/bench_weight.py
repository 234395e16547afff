"""What do the default collectors weigh, and what do others on the same loop?

    python tests/bench/bench_weight.py [--part pairs,windows,peers] [--pairs 10] [--seconds 12]
                                       [--windows 60] [--rounds 6] [--frames 300] [--json FILE]

pairs  the reference pipeline in interleaved pairs of runs (A B B A), all collectors and copies on
       against off, live at the rate of its clip and free-running; off against off beside it, which
       is what chance does on this machine. Goals: p50 shift under 1 %, p99 shift under 3 %, loss of
       throughput under 1 %. One is missed only where the whole 95 % interval of the median over the
       pairs lies beyond it (METHOD: which rule decides what).
windows  the same goals, finer: inside one run the harness is stopped (SIGSTOP) for some seconds and
       let go for as long, in pairs whose order is drawn, so that what else the machine does falls
       on both sides alike. The kernel's trace of the scheduler is switched off meanwhile, and takes
       the time for quiet: it pauses more rarely than in a run. What fell due while it was stopped
       comes all at once when it goes on: the first moments of a window count on neither side. What
       stays on both: copy tracing, inside the program (bench_copies.py weighs it), and tools that
       collectors started (none on this machine).
       Intervals: blocks of pairs drawn with replacement (probe.statistics.resampling says whence).
peers  the loop of copy_loop.py, in rounds, forwards and backwards: plain, plain again, as a program
       of `liveprobe run` with all collectors and copies, with py-spy beside it (100 Hz, also
       --nonblocking and --native), under Scalene (CPU; with memory), VizTracer and memray (also
       --native): wall time of a frame, p50 and p99, against plain of the same round. Tools that are
       not installed are left out, and said.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from collectors import scheduler_trace
from probe import engine, measured, statistics, store, weighing
from probe.statistics.goals import CONFIDENCE, median_interval, resolved
from probe.statistics.resampling import Interval
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from probe.scenario import Scenario

HERE = Path(__file__).resolve().parent
LOOP = HERE / "copy_loop.py"
SCENARIO: Final = "live-background-blur"
GOALS_PCT: Final = {"p50": 1.0, "p99": 3.0, "throughput": 1.0}
TIMEOUT_S: Final = 900
PLAIN: Final = "plain"


def said(values: list[float | None], goal: float | None = None) -> str:
    """Write the median of shifts in percent, its interval, and what that says of a goal."""
    known = np.asarray([value for value in values if value is not None], float)
    if not len(known):
        return "no value"
    interval = median_interval(known)
    text = f"{np.median(known):+.2f} %"
    text += "" if interval is None else f" (95 %: {interval.low:+.2f} to {interval.high:+.2f})"
    if goal is not None:
        text += f"; goal at most {goal:g} %: {resolved(interval, goal, '%').text}"
    return text


# ---- pairs ----


def pairs(count: int, seconds: float) -> dict[str, Any]:
    """Weigh the default collectors with the reference pipeline."""
    scenario = _scenario(seconds)
    chosen = weighing.kinds(scenario, noise=True)
    print(f"{count} pairs: about {weighing.takes_ns(count, chosen) / 60e9:.0f} min")
    with tempfile.TemporaryDirectory() as folder:
        found = weighing.weigh(
            chosen, count, Path(folder), said=lambda done, total, what: print(
                f"  run {done + 1} of {total}: {what}", flush=True
            ),
        )  # fmt: skip
    if not found.rounds:
        raise SystemExit("interrupted before one pair was whole")
    document = weighing.document(found, scenario)
    print(f"{'':<12}on against off")
    for name, values in document["shifts"].items():
        print(f"{name:<12}{said(values, GOALS_PCT.get(name))}")
    print(f"{'':<12}off against off")
    for name, values in (document["noise"] or {}).items():
        print(f"{name:<12}{said(values)}")
    for name, cost in document["costs"].items():
        print(f"  {name:<18}{cost['cpu_ms_per_s']:.2f} ms of CPU a second")
    return document


def _scenario(seconds: float) -> Scenario:
    import scenarios
    from probe.console import judged
    from probe.scenario.file import load

    changes = ("run.warmup=2s", f"run.duration={seconds}s")
    return judged.ready(load(SCENARIO, folder=scenarios.folder(), overrides=changes))


# ---- windows ----

WINDOW_S: Final = 4.0
SETTLE_NS: Final = 300_000_000
"""How much of the beginning of a window does not count."""
EDGE_NS: Final = 100_000_000
"""Frames this near to the end of a window are left out: they live on in the next one."""
FREE_SHARE: Final = 0.4
BLOCK_PAIRS: Final = 4
DRAWS: Final = 2_000
WAIT_S: Final = 30.0


@dataclass(frozen=True, eq=False)
class Side:
    """What one window of a pair has: latencies in ms, and frames a second."""

    latency_ms: NDArray[np.float64]
    rate: float


def windows(count: int) -> dict[str, Any]:
    """Weigh the default collectors inside one live and one free-running run."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for pace, pairs_of_it in ((weighing.LIVE, count), (weighing.FREE, int(count * FREE_SHARE))):
            seconds = 2 * WINDOW_S * pairs_of_it
            scenario = _scenario(seconds)
            if pace == weighing.FREE:
                kind = weighing.Kind(pace, weighing.ON, _scenario(seconds / weighing.FREE_SHARE))
                scenario = weighing.free(kind, folder)
            print(f"  {pace}: {pairs_of_it} pairs of {WINDOW_S:g} s each side", flush=True)
            sides = _pairs_of_windows(scenario, folder / pace)
            found |= _shifts_of(pace, sides)
            found[f"{pace} pairs"] = len(sides)
    return found


def _pairs_of_windows(scenario: Scenario, folder: Path) -> list[tuple[Side, Side]]:
    """Measure the scenario while its harness is stopped and let go; the sides: (off, on)."""
    folder.mkdir()
    harness = multiprocessing.get_context("spawn").Process(
        target=engine.measure, args=(scenario, folder)
    )
    harness.start()
    drawn, log = np.random.default_rng(7), []
    until = time.monotonic() + WAIT_S + (scenario.run.warmup + scenario.run.duration) / 1e9
    time.sleep(WAIT_S / 10 + scenario.run.warmup / 1e9)  # it loads meanwhile
    end = time.monotonic() + scenario.run.duration / 1e9 - WAIT_S / 10
    while time.monotonic() < end and harness.is_alive():
        first = bool(drawn.integers(2))
        log.append([(on, *_window(harness.pid, on=on)) for on in (first, not first)])
    os.kill(harness.pid or 0, signal.SIGCONT)
    harness.join(max(1.0, until - time.monotonic()))
    if harness.exitcode != 0:
        harness.kill()
        raise SystemExit(f"the harness ended with {harness.exitcode}")
    (path,) = (each for each in folder.iterdir() if (each / "run.json").exists())
    frames = measured.measured_frames_of(store.Run.open(path))
    given = frames.delivered_ns != NULL
    latency = np.where(given, (frames.delivered_ns - frames.due_ns) / 1e6, np.inf)
    sides = []
    for pair_of_it in log:
        both = {on: _side(frames, latency, start, end_ns) for on, start, end_ns in pair_of_it}
        if all(side.rate for side in both.values()):
            sides.append((both[False], both[True]))
    if not sides:
        raise SystemExit("no window of the run had a frame")
    return sides


def _window(pid: int | None, *, on: bool) -> tuple[int, int]:
    """Let the harness go or stop it for a window; return what of it counts, in ns."""
    os.kill(pid or 0, signal.SIGCONT if on else signal.SIGSTOP)
    for place in scheduler_trace.PLACES:  # what is recorded now would be read in the next window
        instance = f"instances/{scheduler_trace.PREFIX}{pid}-*"
        for switch in Path(place).glob(f"{instance}/events/sched/sched_*/enable"):
            if switch.parent.name in scheduler_trace.EVENTS:
                switch.write_text(str(int(on)))
    start = time.monotonic_ns() + SETTLE_NS
    time.sleep(WINDOW_S)
    return start, time.monotonic_ns()


def _side(frames: measured.Frames, latency: NDArray[np.float64], start: int, end: int) -> Side:
    inside = (frames.due_ns >= start) & (frames.due_ns < end - EDGE_NS)
    done = np.count_nonzero((frames.delivered_ns >= start) & (frames.delivered_ns < end))
    return Side(latency[inside], done / ((end - start) / 1e9))


def _shifts_of(pace: str, sides: list[tuple[Side, Side]]) -> dict[str, Any]:
    """Print and return the shifts in percent of each figure of a pace, with their intervals."""
    asked: dict[str, Callable[[Sequence[Side]], float]] = {
        "throughput": lambda each: -float(np.mean([side.rate for side in each]))
    }
    if pace == weighing.LIVE:
        asked = {
            "p50": lambda each: _percentile(each, 0.5),
            "p99": lambda each: _percentile(each, statistics.P99),
        }
    found = {}
    for name, statistic in asked.items():
        interval = _drawn(sides, statistic)
        found[name] = [interval.estimate, interval.low, interval.high]
        verdict = resolved(interval, GOALS_PCT[name], "%").text
        text = f"{interval.estimate:+.2f} % (95 %: {interval.low:+.2f} to {interval.high:+.2f})"
        print(f"{name:<12}{text}; goal at most {GOALS_PCT[name]:g} %: {verdict}", flush=True)
    return found


def _percentile(sides: Sequence[Side], share: float) -> float:
    ordered = np.sort(np.concatenate([side.latency_ms for side in sides]))
    return float(ordered[statistics.rank(len(ordered), share) - 1])


def _drawn(
    sides: list[tuple[Side, Side]], statistic: Callable[[Sequence[Side]], float]
) -> Interval:
    """Return the shift of a statistic from off to on in percent, and its interval."""

    def shift(chosen: Sequence[tuple[Side, Side]]) -> float:
        off, on = (statistic([pair[side] for pair in chosen]) for side in (0, 1))
        if math.isinf(off):  # more than a hundredth was lost
            return 0.0 if math.isinf(on) else -100.0
        return 100 * (on - off) / abs(off)

    rng, count = np.random.default_rng(7), len(sides)
    drawn = []
    for _ in range(DRAWS):
        starts = rng.integers(0, count, -(-count // BLOCK_PAIRS))
        at = (starts[:, None] + np.arange(BLOCK_PAIRS)).ravel()[:count] % count
        drawn.append(shift([sides[k] for k in at]))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], method="nearest")
    return Interval(shift(sides), float(low), float(high), count, BLOCK_PAIRS)


# ---- peers ----


def peers(rounds: int, frames: int) -> dict[str, Any]:
    """Run the same loop under each tool, in rounds."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as text:
        tools = _tools(Path(text), frames)
        for number in range(rounds):
            order = list(tools) if number % 2 == 0 else list(reversed(tools))
            for name in order:
                found.setdefault(name, []).append(_loop(name, tools[name], Path(text)))
            print(f"  round {number + 1} of {rounds}", flush=True)
    base = found[PLAIN]
    print(f"{'of a frame, against plain':<30}{'ms':>8}   p50, then p99")
    result: dict[str, Any] = {}
    for name in tools:
        shifts: dict[str, list[float | None]] = {
            key: [100 * (a[key] / b[key] - 1) for a, b in zip(found[name], base, strict=True)]
            for key in ("wall_ms", "wall_p99_ms")
        }
        middle = float(np.median([each["wall_ms"] for each in found[name]]))
        result[name] = {"wall_ms": middle, **shifts}
        print(f"{name:<30}{middle:>8.2f}   {said(shifts['wall_ms'])}")
        print(f"{'':<41}{said(shifts['wall_p99_ms'])}")
    return result


def _tools(folder: Path, frames: int) -> dict[str, list[str]]:
    """Return the command of each tool that is here, by name."""
    python = sys.executable
    loop = [str(LOOP), "--frames", str(frames)]
    tools = {PLAIN: [python, *loop], "plain again": [python, *loop]}
    harness = [python, "-m", "probe", "run", "--no-report", "--fail-on", "never", "-q"]
    tools["liveprobe, all collectors"] = [
        *harness, "--set", "run.warmup=0s", "-o", str(folder / "runs"), "--", python, *loop
    ]  # fmt: skip
    spy = Path(python).with_name("py-spy")
    if spy.exists():
        record = [str(spy), "record", "-r", "100", "-f", "raw", "-o", str(folder / "spy.txt")]
        for words in ([], ["--nonblocking"], ["--native"]):
            tools[" ".join(["py-spy 100 Hz", *words])] = [*record, *words, "--", python, *loop]
    if importlib.util.find_spec("scalene"):
        out = ["-o", str(folder / "scalene.json"), "--no-stacks"]
        for words in (["--cpu-only"], ["--memory"]):
            name = f"scalene {words[0]}"
            tools[name] = [python, "-m", "scalene", "run", *words, *out, *loop]
    if importlib.util.find_spec("viztracer"):
        trace = [python, "-m", "viztracer", "--quiet", "-o", str(folder / "viz.json")]
        tools["viztracer"] = [*trace, "--", *loop]
    if importlib.util.find_spec("memray"):
        memray = [python, "-m", "memray", "run", "-q", "-f", "-o", str(folder / "memray.bin")]
        tools["memray"] = [*memray, *loop]
        tools["memray --native"] = [*memray, "--native", *loop]
    for name in ("py-spy", "scalene", "viztracer", "memray"):
        if not any(name in each for each in tools):
            print(f"  {name} is not installed: left out")
    return tools


def _loop(name: str, command: list[str], folder: Path) -> dict[str, float]:
    """Run the loop once and return the line that it prints."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=os.environ
    )
    text, runs = done.stdout, folder / "runs"
    if runs.is_dir():
        text += "".join(file.read_text() for file in runs.glob("*/program.out"))
        shutil.rmtree(runs)
    line = next((each for each in text.splitlines() if each.startswith("{")), None)
    if line is None:
        raise SystemExit(f"{name}: exit {done.returncode}\n{done.stderr[-2000:]}")
    said_by_loop: dict[str, float] = json.loads(line)
    return said_by_loop


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", default="pairs,peers")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {}
    if "pairs" in options.part.split(","):
        result["pairs"] = pairs(options.pairs, options.seconds)
    if "windows" in options.part.split(","):
        result["windows"] = windows(options.windows)
    if "peers" in options.part.split(","):
        result["peers"] = peers(options.rounds, options.frames)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
