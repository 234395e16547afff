"""Both recorders tell a preloaded library of their stages, in deep mode and only then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import probe
from probe import tape

HOME = Path(probe.__file__).parents[1]

LISTENER = r"""
#include <stdint.h>
#include <stdio.h>
void liveprobe_stage_enter(const char *stage, int64_t frame)
{
    fprintf(stderr, "+%s %lld\n", stage, (long long)frame);
}
void liveprobe_stage_exit(void) { fprintf(stderr, "-\n"); }
"""

STAGES = """
import probe, sys
with probe.stage("decode", frame=0):
    with probe.stage("inner", frame=1):
        pass
with probe.stage("no frame"):
    pass
with probe.stage("late") as s:
    s.frame = 5
try:
    with probe.stage("raises", 2):
        raise KeyError
except KeyError:
    pass

class Index:
    def __index__(self):
        return 3

with probe.stage("an index", Index()):
    pass
for name, frame in (("text", "4"), (7, 7), ("\\ud800", 8)):
    with probe.stage(name, frame):
        pass
with probe.stage("huge", 2**80):
    pass
s = probe.stage("twice", 9)
for _ in range(2):
    with s:
        pass
"""

TOLD = [
    "+decode 0", "+inner 1", "-", "-", "+raises 2", "-", "+an index 3", "-",
    f"+huge {2**63 - 1}", "-", "+twice 9", "-", "+twice 9", "-",
]  # fmt: skip


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    folder = tmp_path_factory.mktemp("listener")
    (folder / "listener.c").write_text(LISTENER)
    command = [compiler, "-shared", "-fPIC", "-o", "listener.so", "listener.c"]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    return folder / "listener.so"


@pytest.fixture(params=["c", "python"])
def recorder(request: pytest.FixtureRequest) -> str:
    if request.param == "c" and find_spec("probe.recorder._pen") is None:
        pytest.skip("the C recorder is not built (no compiler at installation)")
    return str(request.param)


def told(folder: Path, recorder: str, **more: str) -> tuple[list[str], list[tape.Tape]]:
    """Run the stages; return what the library was told, and the tapes."""
    folder.mkdir()
    known = {key: value for key, value in os.environ.items() if not key.startswith("LIVEPROBE_")}
    said = {"LIVEPROBE_TAPE": str(folder), "LIVEPROBE_RECORDER": recorder, "PYTHONPATH": str(HOME)}
    done = subprocess.run(
        [sys.executable, "-c", STAGES],
        env=known | said | more, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    tapes, refused = tape.read_all(folder)
    assert refused == []
    return [line for line in done.stderr.splitlines() if line[0] in "+-"], tapes


def spans(tapes: list[tape.Tape]) -> list[tuple[str, int]]:
    return [
        (one.names[int(row["name"])], int(row["frame"]))
        for one in tapes
        for row in one.records[one.records["kind"] == tape.SPAN]
    ]


def test_stages_on_a_frame_are_told_in_deep_mode(
    tmp_path: Path, listener: Path, recorder: str
) -> None:
    preloaded = {"LD_PRELOAD": str(listener)}
    lines, tapes = told(tmp_path / "deep", recorder, LIVEPROBE_COPIES="deep", **preloaded)
    assert lines == TOLD
    _, plain = told(tmp_path / "plain", recorder)
    assert spans(tapes) == spans(plain), "the tapes are the same"


def test_nobody_is_told_in_another_mode_or_without_the_library(
    tmp_path: Path, listener: Path, recorder: str
) -> None:
    preloaded = {"LD_PRELOAD": str(listener)}
    assert told(tmp_path / "on", recorder, LIVEPROBE_COPIES="on", **preloaded)[0] == []
    assert told(tmp_path / "without", recorder, LIVEPROBE_COPIES="deep")[0] == []
