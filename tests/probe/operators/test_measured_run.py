"""A program that profiles its own session, and the reference program, tell of their operators."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from probe import engine, judge, store
from probe.model import FindingOutcome
from probe.operators.account import account_of
from probe.scenario import Scenario

ASSETS = Path(__file__).parents[3] / "scenarios" / "assets"
PROCESSOR = "CPUExecutionProvider"
OWN = """
import json, os, sys, time
import numpy as np
import onnxruntime as ort
import probe

options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.enable_profiling = True
options.profile_file_prefix = os.environ["LIVEPROBE_TAPE"] + "/onnxruntime"
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
start = session.get_profiling_start_time_ns()
if sys.argv[2] == "says":
    probe.mark("fact:onnxruntime", text=json.dumps({"profiling_start_ns": start}))
put = session.get_inputs()[0]
feeds = {put.name: np.zeros([size if isinstance(size, int) else 1 for size in put.shape],
                            np.uint8 if "uint8" in put.type else np.float32)}
for k in range(8):
    probe.frame(k)
    with probe.stage("infer", frame=k):
        session.run(None, feeds)
    probe.mark("delivered", frame=k)
    time.sleep(0.02)
if sys.argv[2] != "dies":
    file = session.end_profiling()
    if sys.argv[2] != "says":  # as a machine with nothing else to do would call it
        at = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(start // 10**9))
        own = f"/onnxruntime_{at}_{start % 10**9 // 10**6:03d}.json"
        os.rename(file, os.environ["LIVEPROBE_TAPE"] + own)
else:
    sys.stdout.flush()
    os._exit(3)
"""


def measured(tmp_path: Path, how: str) -> store.Run:
    command = [sys.executable, "-c", OWN, str(ASSETS / "segmenter_fp32.onnx"), how]
    scenario = Scenario.model_validate({
        "name": "own", "mode": "command", "program": {"command": command},
        "run": {"warmup": "0s", "collectors": ["onnxruntime"]},
    })  # fmt: skip
    return store.Run.open(engine.measure(scenario, tmp_path))


@pytest.mark.parametrize("how", ["says", "is silent"])
def test_operators_of_a_profiled_run_belong_to_their_frames(how: str, tmp_path: Path) -> None:
    run = measured(tmp_path, how)
    ops, spans = run.table("ops"), run.table("spans").set_index("frame")
    (account,) = account_of(ops)
    assert (account.inferences, account.frames) == (8, 8)
    for frame, rows in ops.groupby("frame"):
        (span,) = [spans.loc[frame]]
        clock = run.manifest["operators"]["sources"][0]["clock"]
        assert rows["start_ns"].min() >= span["start_ns"] - clock["error_ns"]
        assert rows["end_ns"].max() <= span["end_ns"] + clock["error_ns"]
    (entry,) = run.manifest["collectors"]
    assert entry["outcome"] == "ok"
    assert set(run.table("samples")["track"]) == {"onnxruntime.time", "onnxruntime.nodes"}


def test_a_program_that_died_leaves_what_was_flushed_or_a_reason(tmp_path: Path) -> None:
    run = measured(tmp_path, "dies")
    summary, (entry,) = run.manifest["operators"], run.manifest["collectors"]
    assert entry["outcome"] == "no data" or summary["sources"][0]["whole"] is False


def test_the_reference_program_tells_what_it_asked_for_and_got(tmp_path: Path) -> None:
    asked = ["QNNExecutionProvider", PROCESSOR]
    scenario = Scenario.model_validate({
        "name": "fallback", "mode": "live",
        "source": {"clip": str(ASSETS / "people_720p30.mp4")},
        "stage": {"infer": {"model": str(ASSETS / "segmenter_int8.onnx"), "providers": asked}},
        "operators": {"inferences": 5},
        "run": {"warmup": "0s", "duration": "1s", "collectors": ["onnxruntime"]},
    })  # fmt: skip
    run = store.Run.open(engine.measure(scenario, tmp_path))
    summary = run.manifest["operators"]
    assert (summary["asked"], summary["got"]) == (asked, [PROCESSOR])
    (source,) = summary["sources"]
    assert source["inferences"] == summary["cost"]["pairs"] == 5
    assert source["before_the_run"]
    assert run.table("ops")["end_ns"].max() < run.manifest["window"]["first_ns"]
    (facts,) = [each["facts"] for each in run.manifest["collectors"]]
    assert facts["assigned"] == {PROCESSOR: facts["fallback"]["nodes"]}
    findings = judge.judge(run)["findings"]
    (mismatch,) = [each for each in findings if each["audit"] == "provider_mismatch"]
    assert mismatch["outcome"] == FindingOutcome.FAILED
