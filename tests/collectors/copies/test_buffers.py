"""The ledger of large allocations: exact by address and size, from any thread and any allocator."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from probe import tape
from probe.copies import records, sites
from probe.copies.buffers import filled
from probe.copies.kinds import kinds_of

PROGRAM = "allocations.c"
REALLOC = 8
PROGRAMS = Path(__file__).parent / "programs"
ASSETS = Path(__file__).parents[3] / "scenarios" / "assets"

Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]
Compiled = Callable[..., str]


def blocks(tapes: list[tape.Tape]) -> NDArray[Any]:
    """Return the BUFFER records of all tapes."""
    each = [one.records[one.records["kind"] == tape.BUFFER] for one in tapes]
    return np.concatenate([np.empty(0, tape.record_dtype()), *each])


def untracked(tapes: list[tape.Tape]) -> int:
    return sum(records.counters_of(one).untracked_buffers for one in tapes)


def said(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def copied(tapes: list[tape.Tape]) -> list[tuple[int, int]]:
    """Return (method, bytes) of every copy."""
    return [
        (int(row["part"]), int(row["frame"]))
        for one in tapes
        for row in one.records[one.records["kind"] == tape.COPY]
    ]


def test_each_buffer_ends_as_what_filled_it(traced: Traced, compiled: Compiled) -> None:
    done, tapes = traced([compiled(PROGRAM), "fills"])
    expected = {(int(at), int(size)): how for how, at, size in said(done)}
    texts, places = records.Texts(), sites.merged(tapes)
    copies, _ = records.copies_of(tapes, places.lookups, texts)
    allocated = records.buffers_of(tapes, places.lookups)
    kinds = kinds_of(copies, list(texts.known))
    process = np.array([one.header.pid for one in tapes] + [-1])
    found, covered = filled(allocated, copies, kinds, process)
    keys = list(zip(allocated.address.tolist(), allocated.bytes.tolist(), strict=True))
    assert dict(zip(keys, found, strict=True)) == expected
    whole = {key: how for key, how, size in zip(keys, found, covered, strict=True) if size}
    assert Counter(whole.values()) == {"memcpy": 5, "rows": 3, "transfer": 1}
    alive = allocated.end == tape.NULL
    assert [keys[k] for k in np.flatnonzero(alive)] == [list(expected)[-1]]
    assert int(covered[alive][0]) == 2 << 20


def test_every_function_of_the_family_is_seen_with_its_size(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "family"])
    rows = blocks(tapes)
    expected = [(int(at), int(size)) for _, at, size in said(done)]
    assert [(int(row["a"]), int(row["frame"])) for row in rows] == expected
    assert len(set(rows["name"].tolist())) == len(expected), "each has a caller of its own"


def test_realloc_is_a_copy_where_the_bytes_moved_and_only_there(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "reallocs"])
    lines = said(done)
    assert [(how, moved) for how, moved, *_ in lines] == [
        ("copied", "1"), ("stayed", "0"), ("small", "1"), ("mapped", "1"), ("copied", "1"),
    ]  # fmt: skip
    expected = [(REALLOC, int(had)) for how, _, had, _ in lines if how == "copied"]
    assert copied(tapes) == expected
    sizes = blocks(tapes)["frame"].tolist()
    kept = [int(size) for how, _, had, size in lines for size in (had, size) if how != "small"]
    kept.remove(20 * 1024)  # the block that was cut where it lay is one buffer, of its last size
    assert Counter(sizes) == Counter([*kept, 150 * 1024, 70 * 1024])


def test_threads_that_free_what_others_allocated_lose_none_and_no_two_overlap(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "threads"])
    rows = blocks(tapes)
    assert len(rows) == int(said(done)[0][0])
    assert (rows["t0"] < rows["t1"]).all()
    workers = {one.header.tid for one in tapes} - {tapes[0].header.pid}
    assert set(rows["c"].tolist()) <= workers, "the thread that allocated it is named"
    allocated = records.buffers_of(tapes, sites.merged(tapes).lookups)
    assert (allocated.site >= 0).all()
    order = np.lexsort((rows["t0"], rows["a"]))
    rows = rows[order]
    again = rows["a"][1:] == rows["a"][:-1]
    assert again.any()
    assert (rows["t0"][1:] >= rows["t1"][:-1])[again].all(), "an address lives once at a time"


def test_a_forked_child_reports_its_own_and_leaves_its_parents_to_the_parent(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "forks"])
    parent, child = (int(number) for number in said(done)[0])
    found = {
        pid: blocks([one for one in tapes if one.header.pid == pid])["frame"].tolist()
        for pid in (parent, child)
    }
    assert found == {parent: [1 << 20], child: [2 << 20]}


@pytest.mark.parametrize("mode", ["on", "deep"])
def test_a_signal_handler_that_allocates_is_seen_or_counted(
    traced: Traced, compiled: Compiled, mode: str
) -> None:
    env = {"LIVEPROBE_COPIES": mode, "LIVEPROBE_COPIES_EVERY": "3"}
    done, tapes = traced([compiled(PROGRAM), "signals"], env=env)
    passed = sum(records.counters_of(one).passed_unseen for one in tapes)
    assert len(blocks(tapes)) + passed >= int(said(done)[0][0])


def test_more_allocations_than_the_ledger_holds_are_counted(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled(PROGRAM), "many"])
    made = int(said(done)[0][0])
    assert untracked(tapes) > 0
    assert len(blocks(tapes)) + untracked(tapes) == made


@pytest.mark.parametrize("options", [(), ("-DSIZED",)], ids=["without sizes", "with sizes"])
@pytest.mark.parametrize("which", ["family", "threads", "reallocs", "forks"])
def test_another_allocator_behind_it_is_followed_as_well(
    traced: Traced,
    compiled: Compiled,
    interposer: Path,
    options: tuple[str, ...],
    which: str,
) -> None:
    other = compiled("other_malloc.c", "-shared", "-fPIC", *options, target="other.so")
    program = compiled(PROGRAM)
    done, tapes = traced([program, which], env={"LD_PRELOAD": f"{interposer}:{other}"})
    lines = said(done)
    tapes = [one for one in tapes if len(blocks([one]))]
    if which == "family":
        assert [(int(row["a"]), int(row["frame"])) for row in blocks(tapes)] == [
            (int(at), int(size)) for _, at, size in lines
        ]
    elif which == "threads":
        assert len(blocks(tapes)) == int(lines[0][0])
    elif which == "forks":
        assert Counter(blocks(tapes)["frame"].tolist()) == {1 << 20: 1, 2 << 20: 1}
    else:
        sizes = [int(had) for _, _, had, _ in lines if int(had) >= 16384]
        least = [size for _, size in copied(tapes)]
        assert least == [min(int(had), int(now)) for _, _, had, now in lines if int(had) >= 16384]
        assert len(sizes) == len(least), "one copy each: the allocator's own memcpy"


def test_an_allocator_before_it_is_said_and_the_program_runs_as_it_did(
    traced: Traced, compiled: Compiled, interposer: Path
) -> None:
    other = compiled("other_malloc.c", "-shared", "-fPIC", target="other.so")
    program = compiled(PROGRAM)
    done, tapes = traced([program, "family"], env={"LD_PRELOAD": f"{other}:{interposer}"})
    assert len(said(done)) == 9
    assert len(blocks(tapes)) == 0
    assert "own malloc" in str([note.said for note in records.notes_of(tapes)])


def test_a_program_that_takes_reallocs_address_has_no_allocator_of_its_own(
    traced: Traced, compiled: Compiled
) -> None:
    done, tapes = traced([compiled("takes_address.c", "-no-pie", "-fno-pie")])
    assert said(done) == [["2000000"]]
    assert "malloc" not in [note.said.get("hook") for note in records.notes_of(tapes)]
    assert [int(row["frame"]) for row in blocks(tapes)][-1] == 2_000_000


WORK = """
import hashlib, sys
import numpy as np
import onnxruntime

rng = np.random.default_rng(5)
digest = hashlib.sha256()
for _ in range(5):
    picture = rng.integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    plane = np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.float32) / 255
    digest.update(np.concatenate([plane, plane[:, ::-1]]).tobytes())
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
given = session.get_inputs()[0]
shape = [size if isinstance(size, int) else 1 for size in given.shape]
dtype = np.uint8 if "uint8" in given.type else np.float32
for _ in range(5):
    x = (rng.random(shape) * 255).astype(dtype)
    for output in session.run(None, {given.name: x}):
        digest.update(np.ascontiguousarray(output).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.parametrize("mode", ["on", "deep"])
def test_numpy_and_a_whole_inference_give_the_same_bytes_with_and_without(
    traced: Traced, mode: str
) -> None:
    command = [sys.executable, "-c", WORK, str(ASSETS / "segmenter_fp32.onnx")]
    plain = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    done, tapes = traced(command, env={"LIVEPROBE_COPIES": mode}, timeout=100)
    assert (done.returncode, done.stdout) == (0, plain.stdout), done.stderr
    pictures = blocks(tapes)["frame"] == 720 * 1280 * 3 * 4
    assert int(pictures.sum()) >= 10, "float pictures: converted and divided"
