"""Does each frame get its own picture, over reordering, loops, odd times and damage?"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import av
import pytest

from probe.pipeline import rehearsal
from probe.pipeline.decode import Decode
from probe.pipeline.item import Item, Ticket
from probe.pipeline.ledger import Ledger
from probe.pipeline.timeline import playback, schedule
from probe.pipeline.upright import Upright


class Notes(Ledger):
    """A ledger that remembers what was invalid."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: dict[int, str] = {}

    def invalid(self, frame: int, stage: str, why: str) -> None:
        super().invalid(frame, stage, why)
        self.bad[frame] = why


def play(path: Path, frames: int, *, loop: bool = True) -> tuple[Any, list[Any], Notes]:
    """Decode as the program does; returns items with the number of the release that gave them."""
    clip = rehearsal.load(path, threads=1)
    notes = Notes()
    decode = Decode(clip.context, notes, Upright())
    got = []
    for due in itertools.islice(playback(clip, loop=loop), frames):
        ticket = Ticket(due.frame, due.pts, due.frame, due.source_index)
        item = Item(due.frame, feeds=due.feeds, tickets=(ticket,))
        got += [(due.frame, given) for given in decode.work(item)]
    if not loop:
        got += [(frames, given) for given in decode.finish()]
    return clip, got, notes


def check(path: Path, read_stamp: Any, *, count: int, loops: int = 3) -> Any:
    """Each frame has the picture of its number, on time, none lost, over several loops."""
    clip, got, notes = play(path, count * loops)
    assert not notes.bad
    assert [item.frame for _, item in got] == list(range(count * loops))
    assert [read_stamp(item.picture) for _, item in got] == [*range(count)] * loops
    assert [item.source_index for _, item in got] == [*range(count)] * loops
    assert [released for released, _ in got] == list(range(count * loops)), "a picture came late"
    return clip


@pytest.mark.parametrize("bframes", [0, 1, 3])
def test_identity_holds_over_reordering_and_loops(
    clips: Any, read_stamp: Any, bframes: int
) -> None:
    path = clips.make(bframes=bframes, count=20)
    clip = check(path, read_stamp, count=20)
    assert clip.depth == (0 if bframes == 0 else clip.context.reorder_depth)
    assert clip.fact()["frames"] == 20


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_clip_shorter_than_its_decoder_is_deep(clips: Any, read_stamp: Any, count: int) -> None:
    check(clips.make(bframes=3, count=count), read_stamp, count=count, loops=4)


@pytest.mark.parametrize(
    ("name", "codec", "form", "size"),
    [
        ("odd.mkv", "libx264", "yuv444p", (67, 51)),
        ("odd420.mkv", "mpeg4", "yuv420p", (67, 51)),
        ("ten.mkv", "libx264", "yuv420p10le", (64, 48)),
        ("wide.mkv", "libx264", "yuv422p", (64, 48)),
        ("jpeg.avi", "mjpeg", "yuvj420p", (64, 48)),
        ("raw.avi", "rawvideo", "yuv420p", (64, 48)),
        ("vp8.webm", "libvpx", "yuv420p", (64, 48)),
        ("vp9.webm", "libvpx-vp9", "yuv420p", (64, 48)),
        ("ts.ts", "libx264", "yuv420p", (64, 48)),
    ],
)
def test_formats_sizes_and_containers(
    clips: Any, read_stamp: Any, name: str, codec: str, form: str, size: tuple[int, int]
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = clips.make(name, codec=codec, form=form, size=size, count=9, full=form == "yuvj420p")
    check(path, read_stamp, count=9)


def test_pictures_without_times_are_ordered_by_the_decoder(clips: Any, read_stamp: Any) -> None:
    path = clips.make("raw.h264", bframes=2, count=14)
    clip = check(path, read_stamp, count=14)
    assert any("no times of their own" in note for note in clip.notes)


def test_a_long_clip_is_streamed_with_the_same_identity(
    clips: Any, read_stamp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "PRELOAD_BYTES", 1)
    clip = check(clips.make(bframes=2, count=20), read_stamp, count=20)
    assert clip.fact()["preloaded"] is False
    assert clip.fact()["frames"] is None


def test_variable_times_are_kept_over_the_seam(clips: Any, read_stamp: Any) -> None:
    ticks = [0, 1000, 4000, 5000, 6000, 9000, 9500, 12000]
    clip = check(clips.make("vfr.mkv", ticks=ticks, count=8, bframes=2), read_stamp, count=8)
    assert clip.variable
    when = schedule(clip, None)
    frames = list(itertools.islice(playback(clip, loop=True), 17))
    times = [round(when.offset_ns(due.frame, due.pts) / 1e6) for due in frames]
    assert times[:8] == [round(tick / 30) for tick in ticks]
    length = times[8]
    assert 400 < length <= 400 + 100, "the last picture lasts, but no longer than pictures do"
    assert times[8:16] == pytest.approx([length + time for time in times[:8]], abs=1)
    assert times[16] == pytest.approx(2 * length, abs=1)


def test_a_rate_retimes_a_variable_clip(clips: Any) -> None:
    clip = rehearsal.load(clips.make("vfr.mkv", ticks=[0, 1000, 4000, 5000], count=4), threads=1)
    when = schedule(clip, 25.0)
    assert [when.offset_ns(k, 12345) for k in range(4)] == [0, 40_000_000, 80_000_000, 120_000_000]


def test_no_picture_is_lost_at_the_end(clips: Any, read_stamp: Any) -> None:
    path = clips.make(bframes=3, count=10)
    _, got, notes = play(path, 99, loop=False)
    assert [read_stamp(item.picture) for _, item in got] == list(range(10))
    assert not notes.bad


def damage(path: Path, number: int) -> Path:
    """Overwrite the second half of one packet of a clip."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        start, size = packets[number].pos, packets[number].size
    data = bytearray(path.read_bytes())
    data[start + size // 3 : start + size] = bytes([0x55]) * (size - size // 3)
    path.write_bytes(data)
    return path


def test_a_damaged_picture_is_invalid_and_the_others_keep_their_identity(
    clips: Any, read_stamp: Any
) -> None:
    path = damage(clips.make(count=24, options={"g": "4", "keyint_min": "4"}), 9)
    _, got, notes = play(path, 48)
    assert set(notes.bad) == {9, 33}
    assert "decode" in notes.bad[9] or "damaged" in notes.bad[9]
    frames = [item.frame for _, item in got]
    assert frames == [frame for frame in range(48) if frame not in (9, 33)]
    # What refers to the damaged picture may be wrong until the next key picture, at 12.
    whole = [(item.frame % 24, read_stamp(item.picture)) for _, item in got]
    assert all(number == place for place, number in whole if not 9 <= place < 12)


def test_a_size_that_changes_midway_is_followed(clips: Any, read_stamp: Any) -> None:
    small = clips.make("small.h264", count=5)
    large = clips.make("large.h264", count=5, size=(128, 96))
    path = clips.folder / "both.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    _, got, notes = play(path, 20)
    assert not notes.bad
    assert [(item.picture.width, read_stamp(item.picture)) for _, item in got] == [
        *((64, number) for number in range(5)),
        *((128, number) for number in range(5)),
    ] * 2


def test_times_that_would_overflow_are_replaced(clips: Any, read_stamp: Any) -> None:
    far = [2**60 + 1000 * number for number in range(6)]
    clip = check(clips.make("far.mkv", count=6, ticks=far), read_stamp, count=6)
    assert max(clip.ticks) < 2**53


def test_a_cut_off_clip_plays_what_there_is(clips: Any, read_stamp: Any) -> None:
    path = clips.make("cut.mkv", count=20, options={"g": "1"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    clip, got, notes = play(path, 40)
    count = clip.fact()["frames"]
    assert 5 < count < 20
    assert len(got) + len(notes.bad) == 40
    assert all(read_stamp(item.picture) == item.frame % count for _, item in got)
