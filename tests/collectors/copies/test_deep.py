"""Deep mode: the pages that a stage wrote, exactly, and how many of them copies explain."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from probe import tape
from probe.copies import records
from probe.copies.columns import thread_names
from probe.copies.deep import writes_of

PROGRAM = "deep_stages.c"
HOME = Path(__file__).parents[3]
PAGE = 4096
USERFAULTFD = {"x86_64": 323, "aarch64": 282}

Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]
Compiled = Callable[..., str]


def watchable() -> bool:
    """Say whether this kernel, and whatever confines the tests, lets a program watch its pages."""
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release is None or (int(release[1]), int(release[2])) < (6, 7):
        return False
    user_mode_only = 1
    descriptor = ctypes.CDLL(None).syscall(USERFAULTFD[platform.machine()], user_mode_only)
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True


pytestmark = [
    pytest.mark.skipif(not watchable(), reason="no userfaultfd here, or before Linux 6.7"),
    pytest.mark.skipif(os.sysconf("SC_PAGESIZE") != PAGE, reason="the programs count 4 KiB pages"),
]
EVERY_FRAME = {"LIVEPROBE_COPIES": "deep", "LIVEPROBE_COPIES_EVERY": "1"}
EVERY_OTHER = {"LIVEPROBE_COPIES": "deep", "LIVEPROBE_COPIES_EVERY": "2"}
EVERY_EIGHTH = {"LIVEPROBE_COPIES": "deep", "LIVEPROBE_COPIES_EVERY": "8"}

Row = tuple[str, int, int, int]
"""Stage, frame, pages written, pages explained."""


ON = {"state": "on", "why": ""}


def states(tapes: list[tape.Tape]) -> list[dict[str, str]]:
    return [note.said for note in records.notes_of(tapes) if note.key == "deep"]


def rows(tapes: list[tape.Tape]) -> list[dict[str, object]]:
    assert states(tapes)[0] == ON
    found: list[dict[str, object]] = writes_of(tapes, thread_names(tapes, [])).to_dict("records")
    return found


def in_pages(found: list[dict[str, object]]) -> list[Row]:
    return sorted(
        (str(row["stage"]), int(row["frame"]), int(row["written_bytes"]) // PAGE,  # type: ignore[call-overload]
         int(row["explained_bytes"]) // PAGE)  # type: ignore[call-overload]
        for row in found
    )  # fmt: skip


def expected(done: subprocess.CompletedProcess[str]) -> list[Row]:
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return sorted((line[0], int(line[1]), int(line[2]), int(line[3])) for line in lines)


def ranges(tapes: list[tape.Tape]) -> list[tuple[int, int]]:
    """Return (address, pages) of the unexplained ranges of all tapes."""
    return [
        (int(row["t0"]), int(row["t1"]) // PAGE)
        for one in tapes
        for row in one.records[one.records["kind"] == tape.WRITTEN]
    ]


WHICH = [
    "inside", "rows", "nested", "fork", "moved", "between", "gone", "gone_meanwhile", "gone_first",
]  # fmt: skip


@pytest.mark.parametrize("which", WHICH)
def test_the_pages_of_a_stage_are_exact(traced: Traced, compiled: Compiled, which: str) -> None:
    done, tapes = traced([compiled(PROGRAM), which], env=EVERY_FRAME)
    tapes = [one for one in tapes if one.header.pid == tapes[0].header.pid]
    assert in_pages(rows(tapes)) == expected(done)
    assert all(row["uncertain_bytes"] == 0 for row in rows(tapes))


def test_a_program_that_closes_our_descriptors_keeps_its_own_and_a_stage_is_left_out(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "descriptors"], env=EVERY_FRAME)
    assert in_pages(rows(tapes)) == expected(done)
    assert [said["why"] for said in states(tapes)][1].endswith("a stage is left out")


def test_two_stages_are_told_apart_on_one_frame_in_two(traced: Traced, compiled: Compiled) -> None:
    done, tapes = traced([compiled(PROGRAM), "two_stages"], env=EVERY_OTHER)
    assert in_pages(rows(tapes)) == expected(done)
    assert [pages for _, pages in ranges(tapes)] == [4, 5, 4, 5]
    assert all(row["uncertain_bytes"] == 0 for row in rows(tapes))


def test_frames_between_the_watched_ones_are_let_go_and_the_next_is_exact(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "far_apart"], env=EVERY_EIGHTH)
    assert in_pages(rows(tapes)) == expected(done)


def test_a_read_into_a_watched_buffer_works_and_is_a_write(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "kernel"], env=EVERY_FRAME)
    assert in_pages(rows(tapes)) == expected(done)


def test_stages_that_overlap_share_only_what_nobody_can_tell(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "threads"], env=EVERY_FRAME)
    found = rows(tapes)
    assert in_pages(found) == expected(done)
    doubts = {row["stage"]: (row["beside"], row["uncertain_bytes"]) for row in found}
    assert doubts == {"left": ("right", 2 * PAGE), "right": ("left", 2 * PAGE)}


def test_a_stage_without_a_watched_frame_is_a_stage_beside_all_the_same(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "threads"], env=EVERY_OTHER)
    (left,) = rows(tapes)
    assert in_pages([left]) == [row for row in expected(done) if row[0] == "left"]
    assert (left["beside"], left["uncertain_bytes"]) == ("right", 2 * PAGE)


def test_many_threads_that_allocate_and_free_in_stages_come_through(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "storm"], env=EVERY_OTHER)
    assert done.returncode == 0, done.stderr
    found = rows(tapes)
    assert len(found) == int(done.stdout)
    for row in found:
        written, explained = row["written_bytes"], row["explained_bytes"]
        assert explained == 8 * PAGE, "each copies eight pages into a buffer of its own"
        assert isinstance(written, int)
        assert written >= 8 * PAGE


def test_without_the_kernel_it_says_so_and_the_program_runs(
    traced: Traced, compiled: Compiled
) -> None:
    launcher, program = compiled("without_call.c"), compiled(PROGRAM)
    number = USERFAULTFD[platform.machine()]
    done, tapes = traced([launcher, str(number), program, "rows"], env=EVERY_FRAME)
    assert done.returncode == 0, done.stderr
    mine = [one for one in tapes if one.header.thread == "deep_stages"]
    (said,) = states(mine)
    assert said["state"] == "off"
    assert said["why"]
    assert not len(writes_of(mine, thread_names(mine, [])))


def test_mode_on_gives_a_program_no_stages_to_watch(traced: Traced, compiled: Compiled) -> None:
    done, tapes = traced([compiled(PROGRAM), "rows"])
    assert done.returncode == 0, done.stderr
    assert not len(writes_of(tapes, thread_names(tapes, [])))


UFUNC = """
import json
import numpy as np
import probe

def place(array):
    address = array.__array_interface__["data"][0]
    first = address // 4096
    return first * 4096, -(-(address + array.nbytes) // 4096) - first

a, b, c = (np.full((1024, 1024), value, np.float32) for value in (1, 2, 3))
with probe.stage("warm", frame=1):
    np.add(a, 1, out=b)
with probe.stage("ufunc", frame=2):
    np.add(a, 1, out=b)
with probe.stage("copy", frame=2):
    np.copyto(c, b)
with probe.stage("strided", frame=2):
    np.copyto(c, b.T)
with probe.stage("no frame"):
    np.add(a, 1, out=b)
print(json.dumps([place(b), place(c)]))
"""


@pytest.mark.parametrize("recorder", ["c", "python"])
def test_a_ufunc_into_out_is_unexplained_by_exactly_its_pages_and_copies_are_explained(
    traced: Traced, recorder: str
) -> None:
    env = EVERY_OTHER | {"LIVEPROBE_RECORDER": recorder, "PYTHONPATH": str(HOME)}
    done, tapes = traced([sys.executable, "-c", UFUNC], env=env)
    assert done.returncode == 0, done.stderr
    (start, pages), (_, others) = json.loads(done.stdout)
    mine = [one for one in tapes if records.of_interposer(one)]
    found = {row["stage"]: row for row in rows(mine)}
    assert set(found) == {"ufunc", "copy", "strided"}
    assert (start, pages) in ranges(mine)
    # Beside the arrays, Python's own tables are large allocations too, and written now and then.
    assert found["ufunc"]["explained_bytes"] == 0
    assert pages <= found["ufunc"]["written_bytes"] // PAGE < pages + 16  # type: ignore[operator]
    for stage in ("copy", "strided"):
        assert found[stage]["explained_bytes"] == others * PAGE
