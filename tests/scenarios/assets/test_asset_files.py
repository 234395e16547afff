"""The shipped files are the described ones: names, digests, sizes, interfaces, clip properties."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from scenarios import assets

DESCRIPTION = tomllib.loads(Path(assets.__file__).with_name("ASSETS.toml").read_text("utf-8"))
MODELS = [name for name in assets.NAMES if name.endswith(".onnx")]
INTERFACES: dict[str, tuple[dict[str, list[int]], dict[str, list[int]]]] = {
    "segmenter_fp32.onnx": ({"image": [1, 3, 144, 256]}, {"mask": [1, 1, 144, 256]}),
    "segmenter_int8.onnx": ({"image": [1, 3, 144, 256]}, {"mask": [1, 1, 144, 256]}),
    "stylizer_fp32.onnx": ({"image": [1, 3, 360, 640]}, {"styled": [1, 3, 360, 640]}),
    "generator_fp32.onnx": (
        {"x": [1, 3, 16, 48, 64], "t": [1], "cond": [1, 8], "previous": [1, 3, 48, 64]},
        {"v": [1, 3, 16, 48, 64]},
    ),
}


def is_the_described_file(name: str, file: Path) -> bool:
    """Return whether `file` has the digest that ASSETS.toml gives for `name`."""
    return bool(hashlib.sha256(file.read_bytes()).hexdigest() == DESCRIPTION[name]["sha256"])


@pytest.fixture(scope="module")
def clip_frames() -> list[tuple[int, bool, int]]:
    """Return presentation time, keyframe flag and picture type of every frame."""
    with av.open(str(assets.path("people_720p30.mp4"))) as container:
        return [
            (int(frame.pts or 0), bool(frame.key_frame), int(frame.pict_type))
            for frame in container.decode(video=0)
        ]


def test_every_described_asset_is_listed() -> None:
    assert set(DESCRIPTION) == set(assets.NAMES)


@pytest.mark.parametrize("name", assets.NAMES)
def test_file_is_the_described_one_and_ships(name: str) -> None:
    file = assets.path(name)
    assert is_the_described_file(name, file)
    assert file.stat().st_size == DESCRIPTION[name]["bytes"] < 3_000_000
    assert DESCRIPTION[name]["licence"] == "Apache-2.0"


def test_a_swapped_file_is_noticed(tmp_path: Path) -> None:
    swapped = tmp_path / "segmenter_fp32.onnx"
    shutil.copy(assets.path("segmenter_int8.onnx"), swapped)
    assert not is_the_described_file("segmenter_fp32.onnx", swapped)


def test_unknown_name_says_which_there_are() -> None:
    with pytest.raises(assets.UnknownAssetError, match=r"no built-in asset 'clip'.*people_720p30"):
        assets.path("clip")


def test_clip_is_twelve_seconds_of_720p30() -> None:
    with av.open(str(assets.path("people_720p30.mp4"))) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.pix_fmt) == (1280, 720, "yuv420p")
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 30
        assert stream.frames == 360
        frame = next(container.decode(stream))
        assert (frame.colorspace, frame.color_range) == (1, 1)  # BT.709, limited


def test_clip_has_no_b_frames_and_a_keyframe_every_second(
    clip_frames: list[tuple[int, bool, int]],
) -> None:
    assert len(clip_frames) == 360
    assert {kind for _, _, kind in clip_frames} == {1, 2}  # I and P, no B
    keys = [index for index, (_, is_key, _) in enumerate(clip_frames) if is_key]
    assert keys[0] == 0
    assert max(np.diff([*keys, 360])) <= 30
    assert len(set(np.diff([pts for pts, _, _ in clip_frames]))) == 1


@pytest.mark.parametrize("name", MODELS)
def test_model_has_the_documented_interface(name: str) -> None:
    net = ort.InferenceSession(str(assets.path(name)), providers=["CPUExecutionProvider"])
    inputs, outputs = INTERFACES[name]
    assert {each.name: each.shape for each in net.get_inputs()} == inputs
    assert {each.name: each.shape for each in net.get_outputs()} == outputs
    assert {each.type for each in [*net.get_inputs(), *net.get_outputs()]} == {"tensor(float)"}


@pytest.mark.parametrize("name", MODELS)
def test_model_file_is_self_contained_and_says_what_it_is(name: str) -> None:
    proto = onnx.load(str(assets.path(name)), load_external_data=False)
    assert max(entry.version for entry in proto.opset_import if not entry.domain) <= 20
    assert proto.ir_version <= 9
    weights = {each.name for each in proto.graph.initializer}
    assert not weights & {each.name for each in proto.graph.input}
    assert not any(each.external_data for each in proto.graph.initializer)
    notes: dict[str, Any] = {each.key: each.value for each in proto.metadata_props}
    kind = name.partition("_")[0]
    assert notes["liveprobe.kind"] == kind
    needed = ("layout", "channels", "range", "precision", "licence", "command")
    assert all(notes[f"liveprobe.{key}"] for key in needed)
