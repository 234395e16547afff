"""How much CPU does the command line take before it does anything? Goal: `--help` under 100 ms.

CPU time of child processes, user and system, from RUSAGE_CHILDREN; a bare interpreter is measured
in between, so that a slow machine shows. The interval of the median is that of order statistics.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Final

import numpy as np

from probe.statistics.goals import Met, median_interval, resolved

REPEATS: Final = 30
BOUND_MS: Final = 100.0
COMMANDS: Final[dict[str, list[str]]] = {
    "bare python": ["-c", "pass"],
    "liveprobe --help": ["-m", "probe", "--help"],
    "liveprobe run --help": ["-m", "probe", "run", "--help"],
    "liveprobe --version": ["-m", "probe", "--version"],
    "liveprobe run --dry-run": ["-m", "probe", "run", "--dry-run"],
}
HELD: Final = ("liveprobe --help", "liveprobe run --help", "liveprobe --version")


def main() -> int:
    """Measure the commands interleaved, print a table, and return 1 where the goal is missed."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for arguments in COMMANDS.values():  # once unmeasured: the bytecode is written
        cpu_ms(arguments)
    for _ in range(REPEATS):
        for name, arguments in COMMANDS.items():
            times[name].append(cpu_ms(arguments))
    missed = []
    print(f"{'CPU ms':<26}{'median':>8}  95 % interval, {REPEATS} runs each")
    for name, values in times.items():
        found = median_interval(np.array(values))
        between = f"{found.low:.1f} to {found.high:.1f}" if found else "too few runs"
        said = resolved(found, BOUND_MS, "ms")
        goal = f"goal < {BOUND_MS:g}: {said.text}" if name in HELD else ""
        print(f"{name:<26}{np.median(values):>8.1f}  {between}  {goal}")
        if name in HELD and said.met is Met.MISSED:
            missed.append(name)
    return 1 if missed else 0


def cpu_ms(arguments: list[str]) -> float:
    """Return the CPU time of one run of the interpreter, in ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
