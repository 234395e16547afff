"""How much CPU does the command line take before it does anything? Goal: `--help` under 100 ms.

CPU time of child processes, user and system, from RUSAGE_CHILDREN; a bare interpreter is measured
in between, so that a slow machine shows. The interval of the median is that of order statistics.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Final

REPEATS: Final = 30
LOW, HIGH = 9, 20
"""Of 30 sorted values the 10th and the 21st bound the median at 95 % (binomial)."""
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
        ordered = sorted(values)
        median = (ordered[REPEATS // 2 - 1] + ordered[REPEATS // 2]) / 2
        print(f"{name:<26}{median:>8.1f}  {ordered[LOW]:.1f} to {ordered[HIGH]:.1f}", end="  ")
        print(goal(name, ordered[LOW], ordered[HIGH]))
        if name in HELD and ordered[LOW] > BOUND_MS:
            missed.append(name)
    return 1 if missed else 0


def goal(name: str, low: float, high: float) -> str:
    """Say whether the bound holds, fails, or is not resolved by this interval."""
    if name not in HELD:
        return ""
    if high <= BOUND_MS:
        return f"goal < {BOUND_MS:g}: held"
    return f"goal < {BOUND_MS:g}: " + ("MISSED" if low > BOUND_MS else "not resolved here")


def cpu_ms(arguments: list[str]) -> float:
    """Return the CPU time of one run of the interpreter, in ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
