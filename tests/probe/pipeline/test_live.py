"""The live program as a process: what it writes on tape, what it refuses, how it ends."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from probe import tape

if TYPE_CHECKING:
    from pathlib import Path

NULL = tape.NULL


def document(clip: Path, model: Path, **parts: Any) -> dict[str, Any]:
    """Return a scenario of a raw program with a null sink; `parts` change it."""
    stage = {
        "infer": {"model": str(model)},
        "render": {"sink": "null"},
        "encode": {"place": "off"},
        **parts.pop("stage", {}),
    }
    source = {"clip": str(clip), **parts.pop("source", {})}
    return {"source": source, "stage": stage, **parts}


def fates(account: Any) -> dict[int, str]:
    """Return one fate for each frame, as the judge will: invalid, shown, dropped."""
    found: dict[int, str] = {}
    for name in ("dropped", "presented", "invalid"):
        found.update(dict.fromkeys(account.frames_of(name), name))
    return found


def test_every_frame_has_its_picture_its_time_and_one_fate(
    clips: Any, models: Any, programs: Any, read_stamp: Any
) -> None:
    clip = clips.make(bframes=2, count=20)
    account = programs.run(
        document(
            clip,
            models.identity(),
            source={"policy": "block"},
            stage={"infer": {"model": str(models.identity())}, "render": {"sink": "file"}},
        )
    )
    assert account.code == 0, account.stderr
    frames = account.frames
    assert sorted(frames) == list(range(len(frames)))
    assert len(frames) == 69, "300 ms and 2 s of frames after them, at 30 fps"
    start = frames[0]["scheduled"]
    for k, frame in frames.items():
        assert frame["scheduled"] - start == k * 10**9 // 30
        assert frame["captured"] >= frame["scheduled"]
        assert frame["pts"] == pytest.approx(k * 1e9 / 30, abs=2)
        assert frame["index"] == k % 20
    assert fates(account) == dict.fromkeys(range(69), "presented")
    assert account.frames_of("delivered") == list(range(69))
    assert sorted(mark["output"] for mark in account.marks["delivered"]) == list(range(69))
    with av.open(str(account.out / "output.mp4")) as film:
        shown = [read_stamp(picture) for picture in film.decode(video=0)]
    assert shown == [k % 20 for k in range(69)], "a loop, and reordering, kept every identity"
    assert account.facts["source"]["reorder_depth"] == 2
    assert account.facts["encode"]["place"] == "before-render"
    assert account.facts["encode"]["asked"] == "off"
    assert "file" in account.facts["encode"]["reason"]


def test_spans_gauges_and_facts(clips: Any, models: Any, programs: Any) -> None:
    account = programs.run(
        document(
            clips.make(count=45),
            models.brightness(),
            source={"loop": False},
            stage={
                "infer": {"model": str(models.brightness())},
                "postprocess": {"kind": "background-blur"},
                "render": {"sink": "vsync:60"},
                "encode": {"place": "beside-render"},
            },
            program={"switch_interval": "2ms"},
        )
    )
    assert account.code == 0, account.stderr
    names = ["capture", "decode", "preprocess", "infer", "postprocess", "render", "encode"]
    shown = set(account.frames_of("presented"))
    assert shown
    for name in names:
        spans = {span["frame"]: span for span in account.spans if span["name"] == name}
        assert name == "encode" or shown <= spans.keys()
        for frame, span in spans.items():
            assert span["t1"] >= span["t0"] > 0
            assert span["t0"] >= account.frames[frame]["scheduled"]
            assert (span["a"] == NULL) == (name == "capture"), "a queue wait where there is a queue"
            if name not in ("capture", "render"):
                assert min(span["b"], span["c"]) > 0
    for frame in shown:
        order = [
            next(s for s in account.spans if s["name"] == name and s["frame"] == frame)["t0"]
            for name in names[:6]
        ]
        assert order == sorted(order)
    assert set(account.facts) >= {
        "source", "providers", "model", "encode", "display",
        "queues", "sink", "interpreter", "load",
    }  # fmt: skip
    assert account.facts["interpreter"]["switch_interval_s"] == pytest.approx(0.002)
    assert account.facts["providers"]["got"] == ["CPUExecutionProvider"]
    assert account.facts["load"]["model_ns"] > 0
    assert {queue["feeds"]: queue["policy"] for queue in account.facts["queues"]} == {
        "decode": "block", "preprocess": "latest", "infer": "latest", "postprocess": "latest",
        "render": "latest", "encode": "latest",
    }  # fmt: skip
    gauge = account.marks["in_flight"]
    assert len(gauge) > 5
    assert all(mark["value"] >= 0 for mark in gauge)
    assert {mark["stage"] for mark in account.marks["queue"]} == {*names[1:]}
    assert set(fates(account)) == set(account.frames)
    sink = account.facts["sink"]
    assert sink["pictures"] == len(shown)
    display = account.facts["display"]
    for mark in account.marks["presented"]:
        place = (mark["t"] - display["phase_ns"]) * display["refresh_hz"] / 1e9
        assert abs(place - round(place)) < 1e-3, "presented at a refresh"
    delivered = {mark["frame"]: mark["t"] for mark in account.marks["delivered"]}
    assert all(
        0 < m["t"] - delivered[m["frame"]] <= 1e9 / 60 + 1 for m in account.marks["presented"]
    )
    # The light patches of picture k are the bits that are set in k.
    for frame, outcome in account.outcomes().items():
        light = account.frames[frame]["index"].bit_count() / 12
        assert outcome["area"] == pytest.approx(light, abs=0.06)


def test_a_full_queue_gives_up_the_oldest_and_says_where(
    clips: Any, models: Any, programs: Any
) -> None:
    account = programs.run(
        document(
            clips.make(size=(256, 192)),
            models.identity([1, 3, 2400, 3200]),
            source={"fps": 500, "queue": 1},
        )
    )
    assert account.code == 0, account.stderr
    assert fates(account).keys() == account.frames.keys()
    dropped = account.marks["dropped"]
    assert dropped
    assert {mark["stage"] for mark in dropped} <= {"preprocess", "infer", "postprocess", "render"}
    assert all("full" in mark["text"] for mark in dropped)
    presented = account.frames_of("presented")
    assert presented == sorted(presented), "in order"


def test_block_keeps_every_frame_and_its_scheduled_time(
    clips: Any, models: Any, programs: Any
) -> None:
    account = programs.run(
        document(
            clips.make(count=40),
            models.identity([1, 3, 1200, 1600]),
            # 40 frames are due within 40 ms; their 23 MB tensors take longer on any machine
            source={"fps": 1000, "queue": 1, "policy": "block", "loop": False},
        ),
    )
    assert account.code == 0, account.stderr
    assert not account.marks["dropped"]
    start = account.frames[0]["scheduled"]
    assert all(f["scheduled"] - start == k * 1_000_000 for k, f in account.frames.items())
    late = [f["captured"] - f["scheduled"] for f in account.frames.values()]
    assert max(late) > 50_000_000, "overdue frames are released late, with their own times"
    assert account.frames_of("presented") == sorted(account.frames_of("presented"))


def test_a_clip_without_loop_ends_and_loses_nothing(clips: Any, models: Any, programs: Any) -> None:
    account = programs.run(
        document(
            clips.make(bframes=3, count=15),
            models.identity(),
            source={"loop": False, "policy": "block"},
        )
    )
    assert account.code == 0
    assert account.frames_of("presented") == list(range(15))


def test_a_damaged_picture_is_invalid_and_the_run_goes_on(
    clips: Any, models: Any, programs: Any
) -> None:
    path = clips.make(count=24, options={"g": "4", "keyint_min": "4"})
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][9]
        start, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[start + size // 3 : start + size] = bytes([0x55]) * (size - size // 3)
    path.write_bytes(data)
    account = programs.run(document(path, models.identity(), source={"policy": "block"}))
    assert account.code == 0
    assert account.frames_of("invalid") == [9, 33, 57]
    assert {mark["stage"] for mark in account.marks["invalid"]} == {"decode"}
    assert set(fates(account)) == set(account.frames)
    assert len(account.frames_of("presented")) == len(account.frames) - 3


@pytest.mark.parametrize("which", ["clip", "model", "output", "size", "provider"])
def test_unusable_input_ends_with_two_and_one_line(
    clips: Any, models: Any, programs: Any, tmp_path: Path, which: str
) -> None:
    scenario = document(clips.make(), models.identity())
    if which == "clip":
        scenario["source"]["clip"] = str(tmp_path / "absent.mp4")
    elif which == "model":
        (tmp_path / "bad.onnx").write_text("nothing")
        scenario["stage"]["infer"]["model"] = str(tmp_path / "bad.onnx")
    elif which == "output":
        scenario["stage"]["postprocess"] = {"kind": "boxes"}
    elif which == "size":
        scenario["stage"]["postprocess"] = {"kind": "mask", "channel": 9}
    else:
        scenario["stage"]["infer"]["providers"] = ["Nobody"]
    account = programs.run(scenario)
    assert account.code == 2
    assert set(account.error) == {"error", "remedy"}
    assert account.error["remedy"]
    assert len(account.stderr.strip().splitlines()) == 1
    assert not account.frames


def test_sigterm_ends_it_soon_and_cleanly(clips: Any, models: Any, programs: Any) -> None:
    scenario = document(clips.make(), models.identity(), run={"duration": "60s"})
    program = programs.start(scenario)
    wait_for_tapes(programs.folder)
    program.send_signal(signal.SIGINT)  # the engine's to answer: the program goes on
    program.send_signal(signal.SIGTERM)
    account = programs.finish(program, timeout_s=20)
    assert account.code == 0, account.stderr
    assert 0 < len(account.frames) < 1700
    assert set(account.frames) - set(fates(account)) == set(), "what was under way came out"
    assert "sink" in account.facts


def wait_for_tapes(folder: Path, timeout_s: float = 60) -> None:
    """Wait until the program has released a frame."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        tapes, _ = tape.read_all(folder / "tapes")
        if any((one.records["kind"] == tape.FRAME).any() for one in tapes):
            return
        time.sleep(0.02)
    pytest.fail("no frame was released")


def test_a_read_only_folder_is_said(clips: Any, models: Any, programs: Any, tmp_path: Path) -> None:
    scenario = document(clips.make(), models.identity())
    scenario["stage"]["render"] = {"sink": "file", "path": "output.mp4"}
    (tmp_path / "output.mp4").mkdir()
    account = programs.run(scenario)
    assert account.code == 4
    assert "output.mp4" in account.error["error"]


def test_the_face_is_found_where_it_is(shared_data: Path, programs: Any) -> None:
    account = programs.run(
        document(
            shared_data / "webcam_sign_book_vga30.mkv",
            shared_data / "face_ultraface_rfb320_fp32.onnx",
            source={"policy": "block", "loop": False, "fps": 200},
            stage={
                "infer": {"model": str(shared_data / "face_ultraface_rfb320_fp32.onnx")},
                "preprocess": {"range": [0, 255], "mean": [127], "std": [128]},
                "postprocess": {"kind": "boxes", "threshold": 0.7, "iou": 0.3},
            },
        )
    )
    assert account.code == 0, account.stderr
    (box,) = account.outcomes()[40]["boxes"]
    assert box[4] == pytest.approx(0.9968, abs=0.003)
    assert box[:4] == pytest.approx([278.25, 93.67, 330.12, 167.86], abs=1.5)


def test_the_person_covers_what_she_covers(shared_data: Path, programs: Any) -> None:
    account = programs.run(
        document(
            shared_data / "webcam_sign_book_vga30.mkv",
            shared_data / "portrait_sinet320_fp32.onnx",
            source={"policy": "block", "loop": False, "fps": 200},
            stage={
                "infer": {"model": str(shared_data / "portrait_sinet320_fp32.onnx")},
                "preprocess": {
                    "channels": "BGR",
                    "range": [0, 1],
                    "mean": list(np.array([102.890434, 111.25247, 126.91212]) / 255),
                    "std": [62.93292, 62.82138, 66.355705],
                },
                "postprocess": {"kind": "mask"},
            },
        ),
        timeout_s=150,
    )
    assert account.code == 0, account.stderr
    assert account.outcomes()[40]["area"] == pytest.approx(0.205, abs=0.01)


def test_its_errors_are_json_even_for_a_scenario_that_is_none(
    programs: Any, tmp_path: Path
) -> None:
    import subprocess
    import sys

    (tmp_path / "bad.json").write_text("{")
    for name in ("bad.json", "absent.json"):
        ended = subprocess.run(
            [sys.executable, "-m", "probe.pipeline", "--scenario", name, "--out", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2
        assert name in json.loads(ended.stderr)["error"]
