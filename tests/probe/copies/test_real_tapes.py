"""The interposer's own tapes as tables: real programs, whose copies are known."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from collectors.copies import library
from probe import store, tables
from probe.errors import NoData
from probe.ledger import ledger_of
from probe.scenario import Scenario
from probe.store import Run

PYTHON = """
import threading
import numpy as np
import probe

picture = np.arange(360 * 640 * 3, dtype=np.uint8).reshape(360, 640, 3)

def decode(k):
    with probe.stage("decode", frame=k) as span:
        made = picture.copy()
        span.bytes_out = made.nbytes
    return made

def infer(k, made, given):
    with probe.stage("infer", frame=k):
        planes = np.ascontiguousarray(made.transpose(2, 0, 1))
        given.append(planes.astype(np.float32))

for k in range(4):
    probe.frame(k)
    made, given = decode(k), []
    kept = made.copy()
    thread = threading.Thread(target=infer, args=(k, kept, given), name="inference")
    thread.start()
    thread.join()
    probe.mark("delivered", frame=k)
"""
PICTURE = 360 * 640 * 3

C = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
enum { SIZE = 1 << 20 };
static char first[SIZE], second[SIZE], third[SIZE];
__attribute__((noinline)) static void duplicate(char *to, const char *from)
{
    memcpy(to, from, SIZE);
    __asm__ volatile("" : : : "memory");
}
int main(void)
{
    duplicate(second, first);
    if (fork() == 0) {
        duplicate(third, first);
        exit(0);
    }
    wait(NULL);
    duplicate(third, second);
    return 0;
}
"""


@pytest.fixture(scope="module")
def interposer() -> Path:
    try:
        return library.built()
    except NoData as absent:
        pytest.skip(absent.message)


def finalised(
    maker: ModuleType, interposer: Path, path: Path, command: list[str], **manifest: Any
) -> Run:
    """Run a program under the interposer and return the Run that its tapes make."""
    folder = path / "tapes"
    folder.mkdir(parents=True)
    environment = {
        **os.environ, "LIVEPROBE_TAPE": str(folder), "LIVEPROBE_COPIES": "on",
        "LD_PRELOAD": str(interposer),
    }  # fmt: skip
    subprocess.run(command, env=environment, check=True, timeout=100)
    said = {"outcome": "ended", "started_ns": 0, "ended_ns": 2**62, "command": command}
    return tables.finalise(maker.run_folder(path, [], mode="command", program=said | manifest))


def test_a_python_program_is_told_to_the_expression(
    maker: ModuleType, interposer: Path, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PYTHON)
    run = finalised(maker, interposer, tmp_path / "run", [sys.executable, str(program)])
    ledger = ledger_of(run)
    assert ledger is not None
    assert ledger.frames == 4
    own = [each for each in ledger.lines if each.file == str(program)]
    assert {(each.stage, each.kind, each.expression): each.total_bytes for each in own} == {
        ("decode", "memcpy", "picture.copy()"): 4 * PICTURE,
        (None, "memcpy", "made.copy()"): 4 * PICTURE,
        ("infer", "materialize", "np.ascontiguousarray(made.transpose(2, 0, 1))"): 4 * PICTURE,
        ("infer", "convert", "planes.astype(np.float32)"): 4 * 4 * PICTURE,
    }  # fmt: skip
    assert ledger.total.avoidable_bytes_per_frame == 2 * PICTURE
    assert ledger.frame_equivalents == ledger.total.bytes_per_frame / PICTURE
    copies = run.table("copies")
    stages = copies[copies["stage"] == "infer"]
    assert stages["thread"].str.startswith("inference:").all()
    assert sorted(stages["frame"].tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_c_program_and_its_child_are_told_apart_and_named(
    maker: ModuleType, interposer: Path, tmp_path: Path
) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(C)
    build = [compiler, "-O1", "-fno-builtin", "-fno-optimize-sibling-calls"]
    subprocess.run([*build, "-o", program, source], check=True, timeout=60)
    run = finalised(maker, interposer, tmp_path / "run", [str(program)])
    copies, sites = run.table("copies"), run.table("sites").set_index("site")
    assert copies["bytes"].tolist() == [1 << 20] * 3
    assert sites.loc[copies["site"], "symbol"].tolist() == ["duplicate"] * 3
    assert sites.loc[copies["site"], "module"].tolist() == [str(program)] * 3
    assert copies["source_copy"].isna().tolist() == [True, True, False]
    assert copies["source_copy"][2] == 0  # the child's copy is in another address space
    said = run.manifest["copies"]["processes"]
    assert sorted(each["copies"] for each in said) == [1, 2]
    assert {each["exe"] for each in said} == {str(program)}


def test_what_is_allocated_is_filled_by_what_was_copied_there(
    maker: ModuleType, interposer: Path, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PYTHON)
    run = finalised(maker, interposer, tmp_path / "run", [sys.executable, str(program)])
    buffers = run.table("buffers")
    of_infer = buffers[(buffers["stage"] == "infer") & (buffers["bytes"] >= PICTURE)]
    assert pd.unique(of_infer["filled"]).tolist() == ["materialize", "convert"]


ENDLESS = """
import time
import numpy as np
import probe

picture = np.zeros((360, 640, 3), np.uint8)
for k in range(10**6):
    probe.frame(k)
    with probe.stage("decode", frame=k):
        made = picture.copy()
    probe.mark("delivered", frame=k)
    time.sleep(0.01)
"""


def test_a_killed_harness_leaves_the_copies_on_their_tapes(
    interposer: Path, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(ENDLESS)
    runs = tmp_path / "runs"
    document = Scenario.model_validate({
        "name": "t", "mode": "command", "program": {"command": [sys.executable, str(program)]},
        "run": {"warmup": "0s", "duration": "60s", "collectors": ["copies"]},
    }).document()  # fmt: skip
    text = (
        "from pathlib import Path; from probe import engine; from probe.scenario import Scenario\n"
        f"scenario = Scenario.of_document({document!r})\n"
        f"engine.measure(scenario, Path({str(runs)!r}),"
        " progress=lambda p: print(p.phase, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True
    ) as harness:
        assert harness.stdout is not None
        while "measuring" not in (line := harness.stdout.readline()):
            assert line, "the harness ended by itself"
        harness.kill()
    (path,) = runs.iterdir()
    manifest = store.read_manifest(path)
    folder = tables.tape_folder(path, manifest)
    gone(manifest["program"]["pid"])
    done = subprocess.run(
        [sys.executable, "-m", "probe", "audit", str(path), "--json"],
        check=False, capture_output=True, text=True, timeout=100, cwd=tmp_path,
    )  # fmt: skip
    try:
        run = Run.open(path)
        assert run.manifest["state"] == "interrupted"
        copies = run.table("copies")
        assert len(copies[copies["stage"] == "decode"]) >= 1
        assert '"copies": {' in done.stdout
    finally:
        store.discard_tapes(path, manifest["id"], folder)


def gone(pid: int) -> None:
    """Wait until a process has ended: it dies with the harness."""
    until = time.monotonic() + 30
    stat = Path(f"/proc/{pid}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until, "the program outlived the harness"
        time.sleep(0.01)
