"""What does the copy ledger cost: a call, a frame, a run? And what do others cost on the same loop?

    python tests/bench/bench_copies.py [--part calls,pipeline,peers] [--rounds 10] [--json FILE]

calls     ns of one memcpy (64 B, 4 KiB, 64 KiB, 1 MiB), of a row that is joined, of malloc and free
          (64 B, 64 KiB, 6 MiB), with the interposer and without, in processes that take turns
pipeline  the reference pipeline, live at 30 fps without a display clock, in pairs of runs with
          copies on and off, in an order that changes: CPU per frame, p50 and p99 of the latency.
          Goals: CPU and p99 shift under 1 %. A goal is missed only when the whole 95 % interval
          (order statistics of the pairs) lies beyond it. Beside it stands what the events cost by
          their number: events a frame times the ns of one.
peers     the loop of copy_loop.py, plain, with our interposer, and under Scalene, memray, DHAT
          (`--mode=copy`) and bpftrace (a probe on each memcpy), in rounds: CPU per frame. DHAT and
          bpftrace (which needs root) run where they are installed, on few frames.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe.statistics.goals import median_interval, resolved

if TYPE_CHECKING:
    from probe.statistics import Interval

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1]
LOOP = HERE / "copy_loop.py"
CALLS = HERE / "copy_calls.c"
GOAL_PCT: Final = 1.0
TIMEOUT_S: Final = 900


def interposer() -> Path:
    """Return the built interposer, or end with what to do."""
    found = sorted((HOME / "collectors" / "copies").glob("_interposer*.so"))
    if not found:
        raise SystemExit("the interposer is not built: run `make test` once, with a C compiler")
    return found[0]


def traced(folder: str) -> dict[str, str]:
    """Return the environment of a program whose copies are traced."""
    return {
        "LD_PRELOAD": str(interposer()),
        "LIVEPROBE_TAPE": folder,
        "LIVEPROBE_COPIES": "on",
    }


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Run a program and return what it printed; its failure ends the bench."""
    done = subprocess.run(
        command, env=os.environ | (environment or {}), capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ...: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def bounds(found: Interval | None, form: str) -> str:
    """Return ``low to high``, or that there are too few values for an interval."""
    return f"{found.low:{form}} to {found.high:{form}}" if found else "too few rounds"


# ---- calls ----


def calls(rounds: int) -> dict[str, Any]:
    """Time single calls in processes that take turns."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        program = Path(folder) / "calls"
        flags = ["-O2", "-std=c11", "-fno-builtin", "-o", str(program)]
        run(["cc", *flags, str(CALLS)])
        found: dict[str, dict[str, list[float]]] = {"plain": {}, "traced": {}}
        for _ in range(rounds):
            for name, environment in (("plain", {}), ("traced", traced(folder))):
                for key, value in json.loads(run([str(program)], environment)).items():
                    found[name].setdefault(key, []).append(value)
            for tape in Path(folder).glob("*.tape"):
                tape.unlink()
    print(f"{'ns of one call':<24}{'plain':>10}{'traced':>10}{'added':>10}")
    result = {}
    for key, values in found["plain"].items():
        plain, ours = statistics.median(values), statistics.median(found["traced"][key])
        result[key] = {"plain_ns": plain, "traced_ns": ours}
        print(f"{key:<24}{plain:>10.1f}{ours:>10.1f}{ours - plain:>10.1f}")
    return result


# ---- pipeline ----


def pipeline(rounds: int, event_ns: float | None) -> dict[str, Any]:
    """Run the reference pipeline in pairs, copies on and off."""
    settings = [
        "stage.render.sink=null",
        "run.warmup=2s",
        "run.duration=16s",
        'run.collectors=["copies"]',
    ]
    pairs: dict[str, list[tuple[float, float]]] = {"cpu": [], "p50": [], "p99": []}
    events: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            order = ("on", "off") if number % 2 else ("off", "on")
            measured = {mode: _one_run(mode, settings, Path(folder)) for mode in order}
            for key, found in pairs.items():
                found.append((measured["off"][key], measured["on"][key]))
            events.append(measured["on"]["events"])
            print(f"  pair {number + 1}: " + ", ".join(
                f"{key} {pairs[key][-1][0]:.3f} > {pairs[key][-1][1]:.3f} ms" for key in pairs
            ))  # fmt: skip
    result: dict[str, Any] = {"events_per_frame": statistics.median(events)}
    for key, found in pairs.items():
        shifts = np.array([100 * (on / off - 1) for off, on in found])
        between, shift = median_interval(shifts), float(np.median(shifts))
        result[key] = {
            "off_ms": statistics.median(off for off, _ in found),
            "shift_pct": shift,
            "low_pct": between.low if between else None,
            "high_pct": between.high if between else None,
        }  # fmt: skip
        said = resolved(between, GOAL_PCT, "%").text
        goal = "" if key == "p50" else f"   goal under {GOAL_PCT} %: {said}"
        print(f"{key}: {shift:+.2f} % (95 %: {bounds(between, '+.2f')}){goal}")
    if event_ns is not None:
        cost_us = result["events_per_frame"] * event_ns / 1000
        share = 100 * cost_us / 1000 / result["cpu"]["off_ms"]
        result["events_cost_us"], result["events_cost_pct"] = cost_us, share
        print(
            f"by their number: {result['events_per_frame']:.1f} events a frame x {event_ns:.0f} ns"
            f" = {cost_us:.1f} us a frame, {share:.3f} % of its CPU"
        )
    return result


def _one_run(mode: str, settings: list[str], folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "probe", "run", "--no-report", "--json", "-o", str(folder)]
    command += [part for each in settings for part in ("--set", each)]
    command += ["--set", f"copies.mode={mode}", "--fail-on", "never"]
    verdict = json.loads(run(command))
    path = folder / verdict["run"]
    manifest = json.loads((path / "run.json").read_text(encoding="utf-8"))
    import pandas as pd

    frames = pd.read_parquet(path / "frames.parquet")
    events = 0.0
    if mode == "on":
        copies = pd.read_parquet(path / "copies.parquet")
        buffers = pd.read_parquet(path / "buffers.parquet")
        events = (copies["measured"].sum() + buffers["measured"].sum()) / frames["measured"].sum()
    shutil.rmtree(path)
    latency = verdict["latency_ms"]
    per_frame = manifest["program"]["cpu_ns"] / 1e6 / len(frames)
    return {"cpu": per_frame, "p50": latency["p50"], "p99": latency["p99"], "events": events}


# ---- peers ----


def peers(rounds: int) -> dict[str, Any]:
    """Run the same loop under each tool, in rounds."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for _ in range(rounds):
            for name, command, environment, _frames in _tools(folder, slow=False):
                found.setdefault(name, []).append(_loop(command, environment))
        for name, command, environment, _frames in _tools(folder, slow=True):
            found[name] = [_loop(command, environment)]
    base = found["plain"]
    print(f"{'CPU ms a frame':<28}{'median':>9}{'of plain':>10}{'95 %':>20}   rounds")
    result = {}
    for name, values in found.items():
        if len(values) == len(base):
            ratios = np.array([a / b for a, b in zip(values, base, strict=True)])
            middle, between = float(np.median(ratios)), bounds(median_interval(ratios), ".3f")
        else:
            middle, between = values[0] / statistics.median(base), "one run"
        result[name] = {"cpu_ms": statistics.median(values), "ratio": middle, "bounds": between}
        print(
            f"{name:<28}{statistics.median(values):>9.2f}{middle:>10.3f}  {between:>18}"
            f"   {len(values)}"
        )
    return result


def _tools(folder: str, *, slow: bool) -> list[tuple[str, list[str], dict[str, str], int]]:
    python = [sys.executable]
    frames = 5 if slow else 60
    loop = [str(LOOP), "--frames", str(frames)]
    if not slow:
        memray = [*python, "-m", "memray", "run", "-q", "-f", "-o", f"{folder}/memray.bin"]
        scalene = [*python, "-m", "scalene", "run", "--cpu-only=false", "--no-browser"]
        return [
            ("plain", [*python, *loop], {}, frames),
            ("liveprobe interposer", [*python, *loop], traced(folder), frames),
            ("memray", [*memray, *loop], {}, frames),
            ("scalene", _scalene(folder, loop) or scalene, {}, frames),
        ]
    tools = []
    if shutil.which("valgrind"):
        dhat = [
            "valgrind",
            "--tool=dhat",
            "--mode=copy",
            f"--dhat-out-file={folder}/dhat.out",
            "-q",
        ]
        tools.append(("DHAT copy mode", [*dhat, *python, *loop], {}, frames))
    if shutil.which("bpftrace") and os.geteuid() == 0:
        tools.append(("bpftrace, each memcpy", _bpftrace([*python, *loop]), {}, frames))
    return tools


def _scalene(folder: str, loop: list[str]) -> list[str]:
    return [
        sys.executable, "-m", "scalene", "run", "--memory", "-o", f"{folder}/scalene.json",
        "--no-stacks", *loop,
    ]  # fmt: skip


def _bpftrace(command: list[str]) -> list[str]:
    """Return bpftrace with a probe on the memcpy that this machine's libc resolves to."""
    import ctypes

    libc = next(
        line.split()[-1]
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        if "libc.so" in line
    )
    base = min(
        int(line.split("-")[0], 16)
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        if line.endswith(libc)
    )
    memcpy = ctypes.cast(ctypes.CDLL(None).memcpy, ctypes.c_void_p).value or 0
    script = f"uprobe:{libc}:{memcpy - base:#x} {{ @calls = count(); }}"
    return ["bpftrace", "-q", "-e", script, "-c", " ".join(command)]


def _loop(command: list[str], environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    text = run(command, environment)
    line = next(line for line in text.splitlines() if line.startswith("{"))
    found: float = json.loads(line)["cpu_ms"]
    print(f"  {Path(command[0]).name} {found:.2f} ms a frame ({time.perf_counter() - begun:.0f} s)")
    return found


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", default="calls,pipeline,peers")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts = options.part.split(",")
    result: dict[str, Any] = {}
    event_ns = None
    if "calls" in parts:
        result["calls"] = calls(options.rounds)
        found = result["calls"].get("memcpy 64 KiB")
        event_ns = found["traced_ns"] - found["plain_ns"] if found else None
    if "pipeline" in parts:
        result["pipeline"] = pipeline(options.rounds, event_ns)
    if "peers" in parts:
        result["peers"] = peers(options.rounds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
