"""What does a watched stage cost in deep mode? By the size and number of live buffers.

    python tests/bench/bench_deep.py [--rounds 5] [--json FILE]

begin       arming all live buffers, before the stage's clock starts
end         reading back and letting go, after it has stopped: nothing written, or all of it
first write writing each page while it is watched, beside writing it unwatched
unwatched   a stage on a frame that is not looked at

Medians of rounds that take turns; each round is a process, each of its figures a median of 41.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASES = ((6, 6_000), (25, 6_000), (25, 64), (100, 6_000))
"""MB of live buffers, KiB of each."""
TITLES = {
    "begin_us_per_mb": "begin, us/MB",
    "end_us_per_mb": "end, clean, us/MB",
    "end_after_writing_us_per_mb": "end, all written, us/MB",
    "write_us_per_mb": "write unwatched, us/MB",
    "first_write_us_per_mb": "first write watched, us/MB",
    "unwatched_stage_ns": "unwatched stage, ns",
}


def interposer() -> Path:
    """Return the built interposer, or end with what to do."""
    found = sorted((HERE.parents[1] / "collectors" / "copies").glob("_interposer*.so"))
    if not found:
        raise SystemExit("the interposer is not built: run `make test` once, with a C compiler")
    return found[0]


def once(program: Path, megabytes: int, kibibytes: int, tapes: Path) -> dict[str, float]:
    """Run one case in a process of its own."""
    environment = {
        "LD_PRELOAD": str(interposer()), "LIVEPROBE_TAPE": str(tapes), "LIVEPROBE_COPIES": "deep",
        "LIVEPROBE_COPIES_EVERY": "60",
    }  # fmt: skip
    done = subprocess.run(
        [str(program), str(megabytes), str(kibibytes)],
        env=os.environ | environment, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure, print the table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    asked = parser.parse_args()
    rounds: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "deep_calls"
        flags = ["-O2", "-std=c11", "-fno-builtin", "-o", str(program)]
        subprocess.run(["cc", *flags, str(HERE / "deep_calls.c"), "-ldl"], check=True, timeout=60)
        for _ in range(asked.rounds):
            for case in CASES:
                name = f"{case[0]} MB by {case[1]} KiB"
                rounds.setdefault(name, []).append(once(program, *case, Path(folder)))
    figures = {
        name: {key: statistics.median(each[key] for each in found) for key in TITLES}
        for name, found in rounds.items()
    }
    print(f"{'':28}" + "".join(f"{name:>20}" for name in figures))
    for key, title in TITLES.items():
        print(f"{title:28}" + "".join(f"{found[key]:>20.1f}" for found in figures.values()))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
