"""What do the default collectors weigh, and what do others on the same loop?

    python tests/bench/bench_weight.py [--part pairs,peers] [--pairs 10] [--seconds 12]
                                       [--rounds 6] [--frames 300] [--json FILE]

pairs  the reference pipeline in interleaved pairs of runs (A B B A), all collectors and copies on
       against off, live at the rate of its clip and free-running; off against off beside it, which
       is what chance does on this machine. Goals: p50 shift under 1 %, p99 shift under 3 %, loss of
       throughput under 1 %. One is missed only where the whole 95 % interval of the median over the
       pairs lies beyond it (METHOD: which rule decides what).
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
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from probe.statistics.goals import median_interval, resolved

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
    import scenarios
    from probe import weighing
    from probe.console import judged
    from probe.scenario.file import load

    changes = ("run.warmup=2s", f"run.duration={seconds}s")
    loaded = load(SCENARIO, folder=scenarios.folder(), overrides=changes)
    scenario = judged.ready(loaded)
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
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {}
    if "pairs" in options.part.split(","):
        result["pairs"] = pairs(options.pairs, options.seconds)
    if "peers" in options.part.split(","):
        result["peers"] = peers(options.rounds, options.frames)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
