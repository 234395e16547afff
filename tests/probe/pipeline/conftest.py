"""Real clips and real models, made small."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from probe import tape
from probe.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from av.video.frame import VideoFrame

COLUMNS, ROWS = 4, 3
TICK = Fraction(1, 30_000)


class Clips:
    """Makes clips whose pictures carry their own number, as 12 bits in a grid of 4 x 3 patches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(
        self,
        name: str = "clip.mp4",
        *,
        count: int = 20,
        size: tuple[int, int] = (64, 48),
        codec: str = "libx264",
        form: str = "yuv420p",
        bframes: int = 0,
        rate: int = 30,
        ticks: Sequence[int] | None = None,
        full: bool = False,
        options: dict[str, str] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        """Write a clip; `ticks` are the pictures' times in 1/30000 s."""
        path = self.folder / name
        with av.open(str(path), "w") as container:
            container.metadata.update(metadata or {})
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, form
            stream.options = {"crf": "12"} if codec == "libx264" else {}
            stream.options = {**stream.options, **(options or {})}
            stream.codec_context.gop_size = 12
            stream.codec_context.max_b_frames = bframes
            if codec == "mpeg4":
                stream.codec_context.bit_rate = 2_000_000
            else:
                stream.codec_context.time_base = TICK
            if full:
                stream.codec_context.color_range = 2
            for number in range(count):
                frame = stamped(number, size, form, full=full)
                frame.time_base = TICK
                frame.pts = ticks[number] if ticks else number * 30_000 // rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    def patch(self, path: Path, name: str, change: Callable[[bytearray], None]) -> Path:
        """Copy a file with some bytes changed."""
        data = bytearray(path.read_bytes())
        change(data)
        target = self.folder / name
        target.write_bytes(data)
        return target


def stamped(number: int, size: tuple[int, int], form: str, *, full: bool = False) -> VideoFrame:
    """Return a picture of 12 patches, light where the bit of `number` is set."""
    width, height = size
    bits = np.array([(number >> bit) & 1 for bit in range(COLUMNS * ROWS)], np.uint8)
    tall, wide = np.arange(height) * ROWS // height, np.arange(width) * COLUMNS // width
    grey = np.where(bits.reshape(ROWS, COLUMNS)[tall][:, wide], 220, 30).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(np.repeat(grey[:, :, None], 3, axis=2), format="rgb24")
    return frame.reformat(format=form, dst_color_range="JPEG" if full else "MPEG")


def stamp(picture: VideoFrame) -> int:
    """Read the number back from a picture of any format and size."""
    grey = picture.reformat(format="gray").to_ndarray()
    number = 0
    for bit in range(COLUMNS * ROWS):
        row, column = divmod(bit, COLUMNS)
        rows, columns = grey.shape[0] // ROWS, grey.shape[1] // COLUMNS
        patch = grey[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns]
        number |= (
            int(patch[rows // 4 : -rows // 4, columns // 4 : -columns // 4].mean() > 125) << bit
        )
    return number


class Models:
    """Makes small ONNX models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self,
        name: str,
        nodes: Sequence[onnx.NodeProto],
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        weights: dict[str, Any] | None = None,
        opsets: dict[str, int] | None = None,
    ) -> Path:
        """Write a model."""
        graph = helper.make_graph(
            list(nodes),
            "g",
            list(inputs),
            list(outputs),
            [numpy_helper.from_array(value, key) for key, value in (weights or {}).items()],
        )
        versions = [helper.make_opsetid(key, value) for key, value in (opsets or {"": 17}).items()]
        model = helper.make_model(graph, opset_imports=versions, ir_version=8)
        path = self.folder / name
        path.write_bytes(model.SerializeToString())
        return path

    def identity(
        self,
        shape: Sequence[int | str | None] = (1, 3, 24, 32),
        kind: int = TensorProto.FLOAT,
        name: str = "identity.onnx",
    ) -> Path:
        """Write a model that gives back its input."""
        return self.save(
            name,
            [helper.make_node("Identity", ["image"], ["out"])],
            [helper.make_tensor_value_info("image", kind, shape)],
            [helper.make_tensor_value_info("out", kind, shape)],
        )

    def brightness(self, height: int = 24, width: int = 32) -> Path:
        """Write a model whose mask [1, 1, h, w] is the mean of the three channels."""
        return self.save(
            "brightness.onnx",
            [helper.make_node("ReduceMean", ["image"], ["mask"], axes=[1], keepdims=1)],
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])],
            [helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, height, width])],
        )

    def detector(self, boxes: Any, scores: Any, size: tuple[int, int] = (24, 32)) -> Path:
        """Write a detector that always says the same."""
        boxes, scores = np.asarray(boxes, np.float32), np.asarray(scores, np.float32)
        zero = helper.make_node("Mul", ["image", "nothing"], ["nil"])
        total = helper.make_node("ReduceSum", ["nil"], ["sum"], keepdims=0)
        return self.save(
            "detector.onnx",
            [
                zero,
                total,
                helper.make_node("Add", ["all_boxes", "sum"], ["boxes"]),
                helper.make_node("Add", ["all_scores", "sum"], ["scores"]),
            ],
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])],
            [
                helper.make_tensor_value_info("scores", TensorProto.FLOAT, list(scores.shape)),
                helper.make_tensor_value_info("boxes", TensorProto.FLOAT, list(boxes.shape)),
            ],
            {"nothing": np.float32(0), "all_boxes": boxes, "all_scores": scores},
        )


@dataclass
class Account:
    """What a tape says: facts, frames, spans and marks."""

    code: int
    stderr: str
    out: Path
    facts: dict[str, Any] = field(default_factory=dict)
    frames: dict[int, dict[str, int]] = field(default_factory=dict)
    spans: list[dict[str, Any]] = field(default_factory=list)
    marks: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def error(self) -> dict[str, str]:
        """The line of JSON that the program ended with."""
        document: dict[str, str] = json.loads(self.stderr.strip().splitlines()[-1])
        return document

    def frames_of(self, mark: str) -> list[int]:
        """Return the frames of all marks of one name, in order of time."""
        return [entry["frame"] for entry in sorted(self.marks[mark], key=lambda e: e["t"])]

    def outcomes(self) -> dict[int, Any]:
        """Return what each delivered frame said."""
        return {
            entry["frame"]: json.loads(entry["text"])
            for entry in self.marks["delivered"]
            if entry["text"]
        }


def read_account(code: int, stderr: str, out: Path) -> Account:
    """Read the tapes of a program that has ended."""
    account = Account(code, stderr, out)
    tapes, rejected = tape.read_all(out / "tapes")
    assert not rejected
    for one in tapes:
        for record in one.records:
            _enter(account, record, one.names)
    return account


def _enter(account: Account, record: Any, names: dict[int, str]) -> None:
    kind, name = int(record["kind"]), names.get(int(record["name"]), "")
    if kind == tape.SPAN:
        keys = ("t0", "t1", "frame", "a", "b", "c")
        account.spans.append({"name": name, **{key: int(record[key]) for key in keys}})
    elif kind == tape.FRAME:
        account.frames[int(record["frame"])] = {
            "scheduled": int(record["t0"]),
            "captured": int(record["t1"]),
            "pts": int(record["a"]),
            "index": int(record["b"]),
        }
    elif kind == tape.MARK:
        text = names.get(int(record["b"]), "")
        if name.startswith("fact:"):
            account.facts[name[5:]] = json.loads(text)
            return
        account.marks[name].append(
            {
                "t": int(record["t0"]),
                "value": int(record["t1"]),
                "frame": int(record["frame"]),
                "stage": names.get(int(record["a"]), ""),
                "text": text,
                "output": int(record["c"]),
            }
        )


class Programs:
    """Starts the reference program as the engine does, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, document: dict[str, Any]) -> subprocess.Popen[str]:
        """Start a scenario; keys left out have short defaults."""
        document = {"name": "test", **document}
        document["run"] = {
            "duration": "300ms",
            "warmup": 0,
            "deadline": "50ms",
            **document.get("run", {}),
        }
        scenario = Scenario.model_validate(document)
        path = self.folder / "scenario.json"
        path.write_text(json.dumps(scenario.document()))
        (self.folder / "tapes").mkdir(exist_ok=True)
        program = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "probe.pipeline",
                "--scenario",
                str(path),
                "--out",
                str(self.folder),
            ],
            env={**os.environ, tape.ENVIRONMENT: str(self.folder / "tapes")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(program)
        return program

    def finish(self, program: subprocess.Popen[str], *, timeout_s: float = 90) -> Account:
        """Wait for the end and read what is on tape."""
        _, stderr = program.communicate(timeout=timeout_s)
        return read_account(program.returncode, stderr, self.folder)

    def run(self, document: dict[str, Any], *, timeout_s: float = 90) -> Account:
        """Start, wait, read."""
        return self.finish(self.start(document), timeout_s=timeout_s)

    def close(self) -> None:
        """Leave nothing behind."""
        for program in self.started:
            if program.poll() is None:
                program.send_signal(signal.SIGKILL)
                program.communicate(timeout=10)


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    return Clips(tmp_path)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


@pytest.fixture
def programs(tmp_path: Path) -> Any:
    started = Programs(tmp_path)
    yield started
    started.close()


@pytest.fixture
def read_stamp() -> Callable[[VideoFrame], int]:
    return stamp


@pytest.fixture
def shared_data() -> Path:
    folder = Path(
        os.environ.get("LIVEPROBE_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
    )
    if not folder.is_dir():
        pytest.skip(f"no real clips and models at {folder}")
    return folder
