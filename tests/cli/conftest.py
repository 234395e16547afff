"""Programs to measure, and the command line as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TIMEOUT_S = 120

PACED = """
import sys, time, probe
period, begin = 10_000_000, time.perf_counter_ns()
for k in range(int(sys.argv[1])):
    due = begin + k * period
    time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
    probe.frame(k, scheduled_ns=due)
    with probe.stage("infer", frame=k):
        pass
    probe.mark("delivered", frame=k)
    print("frame", k, flush=True)
"""


@pytest.fixture
def liveprobe(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "probe", *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "CI": "1"},
            timeout=TIMEOUT_S,
        )

    return call


@pytest.fixture(scope="session")
def paced_text() -> str:
    """Return a program with 100 frames a second; its argument is their number."""
    return PACED


@pytest.fixture
def paced(tmp_path: Path) -> list[str]:
    """Return the command of that program, to which the number of frames is added."""
    file = tmp_path / "paced.py"
    file.write_text(PACED)
    return [sys.executable, str(file)]
