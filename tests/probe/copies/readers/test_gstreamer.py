"""GStreamer's own word for a copy: a real pipeline's log, and logs that lie."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from probe.copies.readers import gstreamer, matching

LAUNCH = shutil.which("gst-launch-1.0")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the log of a compositor that copies three frames of 322 x 240 I420."""
    if LAUNCH is None:
        pytest.skip("gst-launch-1.0 is not installed")
    file = tmp_path / "gstreamer.log"
    pipeline = (
        "videotestsrc num-buffers=3 ! video/x-raw,format=I420,width=322,height=240 "
        "! videoflip method=clockwise ! compositor ! fakesink"
    )
    wanted = {"GST_DEBUG": "GST_PERFORMANCE:5", "GST_DEBUG_FILE": str(file)}
    done = subprocess.run(
        [LAUNCH, "-q", *pipeline.split()], env=os.environ | wanted, timeout=60, check=False,
        capture_output=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"this GStreamer has no such pipeline: {done.stderr.decode()[-200:]}")
    return file


def test_every_plane_that_a_real_pipeline_copies_is_a_row(log: Path) -> None:
    before = time.time_ns()
    told = gstreamer.read(log)
    planes = told.groupby(["row_bytes", "rows"]).size().to_dict()
    assert planes == {(322, 240): 3, (161, 120): 6}
    assert list(told["bytes"][:3]) == [322 * 240, 161 * 120, 161 * 120]
    assert told["t_ns"].between(before - 60 * 10**9, before).all(), "anchored at the last write"
    assert told["pid"].nunique() == 1


def test_a_coloured_log_reads_the_same() -> None:
    line = (
        "\x1b[00m0:00:01.000000002 \x1b[33m 9368\x1b[00m 0x559b044d6290 \x1b[37mDEBUG  \x1b[00m "
        "\x1b[00;01;37;41m     GST_PERFORMANCE video-frame.c:384:copy:\x1b[00m "
        "copy plane 1, w:161 h:120 "
    )
    told = _of(line)
    assert told[["pid", "rows", "row_bytes"]].to_numpy().tolist() == [[9368, 120, 161]]


def test_a_merge_tells_no_bytes() -> None:
    told = _of("0:00:00.5 9 0x1 DEBUG GST_PERFORMANCE gstbuffer.c:1:f: copy for merge 0x1")
    assert len(told) == 0, "nine digits of a second belong to a line"
    told = _of("0:00:00.500000000 9 0x1 DEBUG GST_PERFORMANCE gstbuffer.c:1:f: copy for merge 0x1")
    assert told["bytes"].isna().all()
    assert len(told) == 1


@pytest.mark.parametrize(
    "text", ["", "\x00" * 100, "copy plane 0, w:1 h:1", "0:00:00.1 x GST_PERFORMANCE copy plane"]
)
def test_lines_of_another_kind_are_passed_over(text: str) -> None:
    assert len(_of(text)) == 0


def test_a_copy_that_the_interposer_saw_too_is_not_counted_twice() -> None:
    told = pd.DataFrame({"t_ns": [0, 10**7, 10**9], "rows": [240] * 3, "row_bytes": [322] * 3})
    seen = pd.DataFrame({"t_ns": [10**6, 10**7], "rows": [240] * 2, "row_bytes": [322] * 2})
    assert matching.unseen(told, seen, ["rows", "row_bytes"]).tolist() == [False, False, True]


def test_one_seen_copy_stands_for_one_that_was_told_of() -> None:
    told = pd.DataFrame({"t_ns": [0, 1, 2], "bytes": [100, 100, 100]})
    seen = pd.DataFrame({"t_ns": [1], "bytes": [100]})
    assert matching.unseen(told, seen, ["bytes"]).tolist() == [False, True, True]


def _of(text: str) -> pd.DataFrame:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gstreamer.log"
        file.write_text(text + "\n", encoding="utf-8")
        return gstreamer.read(file)
