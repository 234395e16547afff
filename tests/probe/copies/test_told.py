"""What other runtimes tell of their copies becomes rows, once, and never fails a Run."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from probe import judge, tables
from probe.store import Run

SECOND = 10**9
GST = (
    "0:00:01.{:09d} {} 0x55d0c8 DEBUG GST_PERFORMANCE video-frame.c:505: copy plane 0, w:322 h:240"
)


def gstreamer_log(file: Path, last_ns: int, *at_ns: int, pid: int = 4242) -> None:
    """Write a log with a line at each of `at_ns`, the last of them at `last_ns`."""
    file.write_text("".join(GST.format(at, pid) + "\n" for at in at_ns))
    os.utime(file, ns=(last_ns, last_ns))


def finalised(maker: ModuleType, path: Path, *threads: Any, **manifest: Any) -> Run:
    return tables.finalise(maker.run_folder(path, threads, **manifest))


def test_a_profile_becomes_ops_with_or_without_copies(maker: ModuleType, tmp_path: Path) -> None:
    node = {
        "cat": "Node", "ph": "X", "name": "reorder_kernel_time", "ts": 5, "dur": 7,
        "args": {"op_name": "ReorderOutput", "provider": "CPU", "output_size": "64"},
    }  # fmt: skip
    for name, threads in (("without", []), ("with", [maker.ThreadTape()])):
        folder = tmp_path / name / "tapes"
        folder.mkdir(parents=True)
        (folder / "onnxruntime-4242.json").write_text(json.dumps([node]))
        run = finalised(maker, tmp_path / name, *threads)
        assert run.table("ops")[["op", "output_bytes"]].values.tolist() == [["ReorderOutput", 64]]
        assert run.has("copies") == (name == "with")
        assert (run.manifest["copies"] is None) == (name == "without")


def test_planes_that_gstreamer_copied_are_rows_unless_they_were_seen(
    maker: ModuleType, tmp_path: Path
) -> None:
    thread = maker.ThreadTape()
    thread.copy(10 * SECOND, 322 * 240, rows=(240, 322, 384, 322))
    folder = tmp_path / "tapes"
    folder.mkdir()
    # clocks: monotonic = wall - 100 s; the log ends when monotonic is 10.2 s
    gstreamer_log(folder / "gstreamer-4242.log", 110 * SECOND + 200_000_000, 0, 200_000_000)
    clocks = {"start_monotonic_ns": SECOND, "start_wall_ns": 101 * SECOND}
    run = finalised(maker, tmp_path, thread, clocks=clocks)
    copies = run.table("copies")
    assert copies["method"].tolist() == ["memcpy", "gst_video_frame_copy"]
    told = copies.iloc[1]
    assert (told["bytes"], told["rows"], told["row_bytes"]) == (322 * 240, 240, 322)
    assert (told["kind"], told["domains"], told["grade"]) == ("memcpy", "cpu>cpu", "measured")
    assert copies["thread"].isna().tolist() == [False, True]
    assert abs(told["t_ns"] - (10 * SECOND + 200_000_000)) < 10_000_000
    sites = run.table("sites").set_index("site")
    assert sites.loc[told["site"], "module"] == "GStreamer"


def cupti(file: Path, *rows: tuple[int, int, int, int]) -> None:
    database = sqlite3.connect(file)
    database.execute(
        "CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start, end, bytes, copyKind, srcKind, dstKind, "
        "correlationId, globalPid)"
    )
    database.execute("CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (correlationId, globalTid)")
    database.execute("CREATE TABLE TARGET_INFO_SESSION_START_TIME (utcEpochNs)")
    database.execute("INSERT INTO TARGET_INFO_SESSION_START_TIME VALUES (0)")
    for number, (start, size, kind, tid) in enumerate(rows):
        owner = 4242 << 24
        database.execute(
            "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (?, ?, ?, ?, 1, 2, ?, ?)",
            (start, start + 1_000, size, kind, number, owner),
        )
        database.execute(
            "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?, ?)", (number, owner | tid)
        )
    database.commit()
    database.close()


def test_copies_that_cupti_tells_of_belong_to_the_span_of_the_thread_that_called(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling = maker.own("main", 7), maker.ThreadTape(7)
    main.span("infer", 100, 900, 3)
    calling.copy(200, 1_000_000, method="cudaMemcpy", domains=(1, 2))
    cupti(tmp_path / "report.sqlite", (210, 1_000_000, 1, 7), (500, 2_000_000, 2, 7))
    said = {"scenario": {"resolved": {"copies": {"mode": "on", "read": ["report.sqlite"]}}}}
    run = finalised(maker, tmp_path, main, calling, **said)
    copies = run.table("copies")
    assert copies["method"].tolist() == ["cudaMemcpy", "CUPTI memcpy"]
    assert copies["kind"].tolist() == ["transfer", "transfer"]
    assert copies["domains"].tolist() == ["cpu>gpu", "gpu>cpu"]
    assert copies["stage"].tolist() == ["infer", "infer"]
    assert copies["thread"].tolist() == ["main:7", "main:7"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("", 0), ("[", 0), ('[{"cat": "Node", "ph": }]', 1), ("SQLite format 3\0rubbish", 1)],
)
def test_a_report_that_cannot_be_read_is_an_event(
    maker: ModuleType, tmp_path: Path, text: str, told: int
) -> None:
    folder = tmp_path / "tapes"
    folder.mkdir()
    (folder / "onnxruntime-1.json").write_text(text)
    (folder / "gstreamer-1.log").write_bytes(b"\xff\xfe rubbish\n")
    os.mkfifo(folder / "gstreamer-2.log")
    run = finalised(maker, tmp_path, maker.ThreadTape())
    assert len(run.table("copies")) == 0
    said = run.table("events")["text"].tolist()
    assert [each.startswith("onnxruntime-1.json was not read: ") for each in said] == [True] * told


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda file: None, "No such file or directory"),
        (Path.mkdir, "not a plain file"),
        (os.mkfifo, "not a plain file"),
        (Path.touch, "neither an SQLite export of Nsight Systems"),
        (lambda file: file.write_bytes(os.urandom(9000)), "neither an SQLite export of Nsight"),
        (lambda file: file.write_bytes(b"SQLite format 3\0rubbish"), ""),
        (lambda file: file.write_text("0:00:00.000000001 7 0x5 INFO GST_INIT gst.c:5: hi\n"), None),
        (lambda file: gstreamer_log(file, SECOND, 5), None),
    ],
)
def test_a_named_report_that_cannot_be_read_is_said(
    maker: ModuleType, tmp_path: Path, make: Any, why: str | None
) -> None:
    make(tmp_path / "report.log")
    named = {"resolved": {"copies": {"mode": "on", "read": [str(tmp_path / "report.log")]}}}
    run = finalised(maker, tmp_path / "run", maker.ThreadTape(), scenario=named)
    said = run.manifest["copies"]["not_read"]
    reasons = [each for each in judge.judge(run)["validity"]["reasons"] if "report.log" in each]
    if why is None:
        assert said == reasons == []
        return
    ((name, found),) = said
    assert name == "report.log"
    assert why in found
    assert reasons == [f"report.log could not be read: {found}"]
