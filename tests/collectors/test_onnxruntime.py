"""The collector asks for the pass, and says at the end what was seen where."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.onnxruntime import OnnxRuntime
from probe.errors import NoData, SwitchedOff, Unmet
from probe.model import Device, Launch

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parents[1] / "devices" / "recordings" / "ort_profile.json"
LOCAL = Device("local")


def launch(tapes: Path, mode: str = "live", **operators: object) -> Launch:
    return Launch(("program",), {}, tapes, {"mode": mode, "operators": operators})


def left(tapes: Path) -> None:
    lines = RECORDED.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("//"))
    (tapes / "onnxruntime-1.json").write_text(text, encoding="utf-8")


def test_the_folder_does_not_hide_the_runtime() -> None:
    code = "import collectors.onnxruntime, onnxruntime; print(onnxruntime.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert done.stdout[0].isdigit()
    assert (
        importlib.import_module("onnxruntime").__file__
        != sys.modules["collectors.onnxruntime"].__file__
    )


def test_asks_the_program_and_tells_at_the_end(tmp_path: Path) -> None:
    collector = OnnxRuntime()
    assert collector.attach(launch(tmp_path, inferences=12)) == {"LIVEPROBE_OPERATORS": "12"}
    collector.start(LOCAL)
    assert list(collector.sample(1)) == [], "the run begins: nothing yet"
    left(tmp_path)
    (tmp_path / "operators-1.json").write_text(
        json.dumps({"profile": "onnxruntime-1.json", "asked": ["A"], "got": ["B"], "warm": 1})
    )
    samples = {each.track: each for each in collector.sample(2)}
    collector.stop()
    assert samples["onnxruntime.nodes"].value == 8
    assert samples["onnxruntime.nodes"].label == "CPUExecutionProvider"
    seconds = samples["onnxruntime.time"].value
    assert seconds is not None
    assert 5e-5 < seconds < 5e-4
    facts = collector.facts()
    assert (facts["asked"], facts["got"]) == (["A"], ["B"])
    assert facts["accounts"][0]["inferences"] == 2
    assert facts["seen_by"] == "profile"
    assert facts["assigned"] is None
    json.dumps(dict(facts), allow_nan=False)


def test_a_program_of_ones_own_that_left_nothing_is_told_how(tmp_path: Path) -> None:
    collector = OnnxRuntime()
    collector.attach(launch(tmp_path, mode="command", inferences=30))
    collector.start(LOCAL)
    list(collector.sample(1))
    with pytest.raises(NoData) as caught:
        list(collector.sample(2))
    assert "profile_file_prefix" in str(caught.value.remedy)
    collector.stop()


def test_a_named_profile_that_cannot_be_read_is_known_before_the_program_starts(
    tmp_path: Path,
) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other.csv"
    folder.mkdir()
    other.write_text("1,2\n")
    absent = tmp_path / "absent.json"
    for file, why in ((folder, "not a plain file"), (other, "neither"), (absent, "No such file")):
        with pytest.raises(Unmet, match=f"operators.read: {file.name}: {why}"):
            OnnxRuntime().attach(launch(tmp_path, read=[str(file)]))
    # a program of one's own may write it yet, and a runtime fills in the stars
    OnnxRuntime().attach(launch(tmp_path, mode="command", read=[str(other), str(absent)]))
    left(tmp_path)
    good = [str(tmp_path / name) for name in ("profile*.json", "onnxruntime-1.json")]
    OnnxRuntime().attach(launch(tmp_path, read=good))


def test_none_asked_for_and_none_named_is_off(tmp_path: Path) -> None:
    with pytest.raises(SwitchedOff):
        OnnxRuntime().attach(launch(tmp_path, inferences=0))
    named = launch(tmp_path, "command", inferences=0, read=["p.json"])
    assert OnnxRuntime().attach(named) == {"LIVEPROBE_OPERATORS": "0"}


def test_no_model_runs_on_a_captured_tree(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="captured"):
        OnnxRuntime().start(Device("tree", tmp_path))


def test_without_a_program_it_has_nothing(tmp_path: Path) -> None:
    collector = OnnxRuntime()
    collector.start(LOCAL)
    assert list(collector.sample(1)) == list(collector.sample(2)) == []
    collector.attach(launch(tmp_path, inferences=3))
    with pytest.raises(NoData) as caught:
        list(collector.sample(3))
    assert "liveprobe run" in str(caught.value.remedy)


def test_what_is_too_much_for_the_end_of_a_run_is_left_for_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.onnxruntime.MOST_BYTES", 100)
    collector = OnnxRuntime()
    collector.attach(launch(tmp_path, inferences=3))
    list(collector.sample(1))
    left(tmp_path)
    assert list(collector.sample(2)) == []
    assert collector.facts()["accounts"] is None
