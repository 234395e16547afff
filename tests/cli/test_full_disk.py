"""A disk that fills up while a program is measured: what was measured is kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from probe.errors import EXIT_ENVIRONMENT, EXIT_OK

PROGRAM = """
import pathlib, sys, time, probe
begin = time.perf_counter_ns()
for k in range(60):
    due = begin + k * 20_000_000
    time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
    probe.frame(k, scheduled_ns=due)
    probe.mark("delivered", frame=k)
    if k == 30:
        try:
            with open(sys.argv[1], "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            pass
"""

STEPS = """
mount -t tmpfs -o size=4m none "$1" || exit 77
mkdir "$1/runs"
"$2" -m probe run -o "$1/runs" --set run.warmup=0s --set 'run.collectors=[]' --fail-on never \
    -- "$2" -c "$3" "$1/fill" >"$4/run.out" 2>"$4/run.err"
echo $? >"$4/run.rc"
rm "$1/fill"
"$2" -m probe audit "$1"/runs/* --json >"$4/audit.json" 2>"$4/audit.err"
echo $? >"$4/audit.rc"
cp "$1"/runs/*/run.json "$4/"
"""


def test_a_full_disk_is_4_and_the_run_recovers_once_there_is_room(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare: a file system of our own cannot be mounted")
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", STEPS, "sh", disk, sys.executable, PROGRAM, out],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if not (out / "run.rc").exists():
        pytest.skip(f"a file system of our own cannot be mounted: {done.stderr.strip()}")
    said = (out / "run.err").read_text()
    assert int((out / "run.rc").read_text()) == EXIT_ENVIRONMENT, said
    assert "No space left on device" in said
    assert "the tapes are kept in" in said
    assert int((out / "audit.rc").read_text()) == EXIT_OK, (out / "audit.err").read_text()
    verdict = json.loads((out / "audit.json").read_text())
    assert verdict["released"] == 60
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["state"] == "complete"
    assert manifest["program"]["exit_code"] == 0
    assert not Path(manifest["tapes"]["folder"]).exists(), "the tapes are not left in memory"
