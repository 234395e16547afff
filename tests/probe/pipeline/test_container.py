"""Clips that cannot be used say why; clips that lie are not believed."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from probe.errors import InputError
from probe.pipeline import rehearsal
from probe.pipeline.container import open_clip
from probe.pipeline.upright import Upright, clockwise

if TYPE_CHECKING:
    from pathlib import Path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        rehearsal.load(path, threads=1)
    assert str(path) in caught.value.message
    assert caught.value.remedy
    assert caught.value.exit_code == 2
    return caught.value.message


def test_a_missing_file(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "absent.mp4")


def test_a_directory(tmp_path: Path) -> None:
    assert "a directory" in refused(tmp_path)


def test_a_device_file(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.mp4")
    assert "not a regular file" in refused(tmp_path / "pipe.mp4")


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "empty" in refused(path)


def test_a_truncated_mp4_has_lost_its_index(clips: Any) -> None:
    path = clips.make()
    path.write_bytes(path.read_bytes()[:600])
    assert "not a readable video file" in refused(path)


def test_noise(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(1).integers(0, 256, 5000, np.uint8).tobytes())
    refused(path)


@pytest.mark.parametrize("name", ["notes.txt", "page.html", "clip.mp4"])
def test_text_is_no_video_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("<p>These are words.\n" * 50)
    refused(path)


def test_a_playlist_opens_no_other_file(clips: Any, tmp_path: Path) -> None:
    target = clips.make("secret.ts")
    path = tmp_path / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n")
    assert "not a video" in refused(path) or "not a readable" in refused(path)


def test_a_still_picture(clips: Any, tmp_path: Path) -> None:
    path = tmp_path / "still.png"
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
        container.mux(stream.encode(av.VideoFrame(16, 16, "rgb24")))
        container.mux(stream.encode(None))
    assert "not a video" in refused(path)


def test_audio_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.mka"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    message = refused(path)
    assert "no video stream" in message
    assert "audio" in message


def test_no_picture_can_be_decoded(clips: Any) -> None:
    path = clips.make("bad.mkv", count=6)
    with av.open(str(path)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for start, size in spans:
        data[start + 6 : start + 6 + size - 4] = bytes([0xFF]) * (size - 4)
    path.write_bytes(data)
    assert "picture" in refused(path)


def test_pictures_over_the_limit_are_refused(clips: Any) -> None:
    path = clips.make(size=(8256, 16), count=1)
    assert "8256x16" in refused(path)


def test_metadata_that_is_not_utf8_does_no_harm(clips: Any) -> None:
    path = clips.make(metadata={"title": "TITLETITLE"}, count=3)

    def spoil(data: bytearray) -> None:
        place = data.index(b"TITLETITLE")
        data[place : place + 10] = b"\xff\xfe\xc3\x28\xa0\xa1\xe2\x28\xf0\x28"

    clip = rehearsal.load(clips.patch(path, "spoilt.mp4", spoil), threads=1)
    assert clip.fact()["frames"] == 3


def test_a_frame_count_that_lies_is_not_believed(clips: Any) -> None:
    path = clips.make("lies.avi", codec="mjpeg", form="yuvj420p", count=7)

    def lie(data: bytearray) -> None:
        struct.pack_into("<I", data, data.index(b"strh") + 8 + 32, 5000)

    clip = rehearsal.load(clips.patch(path, "lie.avi", lie), threads=1)
    assert clip.fact()["stated"]["frames"] == 5000
    assert clip.fact()["frames"] == 7


def test_a_rate_that_lies_is_not_believed(clips: Any) -> None:
    path = clips.make("slow.mkv", count=30, rate=30)

    def lie(data: bytearray) -> None:
        place = data.index(b"\x23\xe3\x83") + 3  # Matroska's DefaultDuration, in ns
        size = data[place] & 0x7F
        data[place + 1 : place + 1 + size] = (8_333_333).to_bytes(size, "big")

    clip = rehearsal.load(clips.patch(path, "fast.mkv", lie), threads=1)
    fact = clip.fact()
    assert fact["stated"]["fps"] == pytest.approx(120, rel=0.05)
    assert fact["fps"] == pytest.approx(30, rel=1e-3)
    assert any("states" in note for note in fact["notes"])


def test_a_true_rate_is_taken_exactly(clips: Any) -> None:
    path = clips.make("ms.mkv", count=40, rate=30)  # Matroska counts in ms: 33, 33, 34
    clip = rehearsal.load(path, threads=1)
    assert clip.rate == Fraction(30)
    assert not clip.variable


def test_a_variable_rate_is_seen(clips: Any) -> None:
    path = clips.make("vfr.mkv", ticks=[0, 1000, 2000, 5000, 6000], count=5)
    assert rehearsal.load(path, threads=1).fact()["variable_rate"] is True


def matrix(data: bytearray, values: tuple[int, ...]) -> None:
    # tkhd, version 0: the matrix follows 40 bytes of other fields
    struct.pack_into(">9i", data, data.index(b"tkhd") + 4 + 40, *values)


ONE, PERSPECTIVE = 1 << 16, 1 << 30


@pytest.mark.parametrize(
    ("values", "turn", "size", "corner"),
    [
        ((0, ONE, 0, -ONE, 0, 0, 0, 0, PERSPECTIVE), 90, (48, 64), "top right"),
        ((-ONE, 0, 0, 0, -ONE, 0, 0, 0, PERSPECTIVE), 180, (64, 48), "bottom right"),
        ((0, -ONE, 0, ONE, 0, 0, 0, 0, PERSPECTIVE), 270, (48, 64), "bottom left"),
    ],
)
def test_a_rotation_is_honoured(
    clips: Any, values: tuple[int, ...], turn: int, size: tuple[int, int], corner: str
) -> None:
    path = clips.patch(clips.make(count=2), "turned.mp4", lambda data: matrix(data, values))
    clip = rehearsal.load(path, threads=1)
    clip.context.decode(clip.coded[0].packet)
    picture = clip.context.decode(clip.coded[1].packet)  # number 1: only its first patch is light
    shown = Upright()((picture or clip.context.decode(None))[-1])
    grey = shown.to_ndarray(format="gray")
    assert clockwise(clip.first_picture()) == turn
    assert (shown.width, shown.height) == size
    corners = {
        "top left": grey[3, 3],
        "top right": grey[3, -4],
        "bottom left": grey[-4, 3],
        "bottom right": grey[-4, -4],
    }
    assert max(corners, key=lambda name: corners[name]) == corner


@pytest.mark.parametrize(
    "values", [(0,) * 9, (ONE // 2, ONE // 2, 0, -ONE // 2, ONE // 2, 0, 0, 0, PERSPECTIVE)]
)
def test_a_rotation_that_makes_no_sense_is_left_alone(clips: Any, values: tuple[int, ...]) -> None:
    path = clips.patch(clips.make(count=2), "odd.mp4", lambda data: matrix(data, values))
    assert clockwise(rehearsal.load(path, threads=1).first_picture()) == 0


def test_only_the_file_protocol_is_spoken(tmp_path: Path) -> None:
    path = tmp_path / "a.concat"
    path.write_text("ffconcat version 1.0\nfile http://127.0.0.1:9/x.mp4\n")
    with pytest.raises(InputError):
        open_clip(path)


@pytest.mark.parametrize(
    ("options", "matrix"),
    [
        ({}, "not stated, taken as BT.601"),
        ({"x264-params": "colormatrix=bt709"}, "BT.709"),
        ({"x264-params": "colormatrix=smpte170m"}, "BT.601"),
    ],
)
def test_the_run_says_which_matrix_a_clip_states(
    clips: Any, options: dict[str, str], matrix: str
) -> None:
    clip = rehearsal.load(clips.make(count=2, options=options), threads=1)
    assert clip.fact()["matrix"] == matrix
