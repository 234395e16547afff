"""What is delivered, shown, repeated and encoded."""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.pipeline.display import Clock, Display
from probe.pipeline.edges import Edge
from probe.pipeline.encode import Encode, Film, open_encoder
from probe.pipeline.item import Item
from probe.pipeline.ledger import Ledger
from probe.scenario import EncodePart

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000


class Shown(Ledger):
    """A ledger that remembers what a sink says."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int | None, int, int]] = []
        self.lost: list[int | None] = []

    def presented(self, frame: int | None, output: int, t_ns: int, repeats: int) -> None:
        super().presented(frame, output, t_ns, repeats)
        self.seen.append((frame, t_ns, repeats))

    def superseded(self, frame: int | None) -> None:
        super().superseded(frame)
        self.lost.append(frame)


@given(
    st.fractions(min_value=1, max_value=500, max_denominator=1001),
    st.integers(0, 10**9),
    st.integers(0, 10**16),
)
def test_the_first_refresh_after_a_time(rate: Fraction, phase: int, t_ns: int) -> None:
    clock = Clock(rate, phase)
    refresh = clock.after(t_ns)
    assert clock.time_ns(refresh - 1) <= t_ns < clock.time_ns(refresh)


@given(
    st.fractions(min_value=1, max_value=500, max_denominator=1001),
    st.integers(0, 10**9),
    st.integers(0, 10**16),
)
def test_a_start_stands_in_the_phase_of_the_seed(rate: Fraction, phase: int, t_ns: int) -> None:
    clock = Clock(rate, phase % int(10**9 / rate))
    start = clock.start_after(t_ns)
    assert t_ns - 1 <= start <= t_ns + 10**9 / rate
    nearest = min(clock.time_ns(clock.after(start) + k) - start for k in (-1, 0))
    assert min(abs(nearest - clock.phase_ns), abs(nearest + 10**9 / rate - clock.phase_ns)) <= 2


def test_the_phase_comes_from_the_seed() -> None:
    assert Clock.seeded("60", 7) == Clock.seeded("60", 7)
    assert Clock.seeded("60", 7).phase_ns != Clock.seeded("60", 8).phase_ns
    assert 0 <= Clock.seeded("59.94", 7).phase_ns < 1e9 / 59.94
    assert Clock.seeded("59.94", 7).rate == Fraction(2997, 50)


def test_a_display_repeats_skips_and_shows_the_newest() -> None:
    ledger = Shown()
    display = Display(Clock(Fraction(100), 0), ledger)  # refreshes at 10, 20, 30 ... ms
    for frame, time_ms in enumerate([1, 12, 14, 18, 55]):
        display.show(Item(frame), time_ms * MS, frame)
    display.close()
    assert ledger.seen == [(0, 10 * MS, 0), (3, 20 * MS, 3), (4, 60 * MS, 0)]
    assert ledger.lost == [1, 2]
    assert display.fact() == {"repeated_refreshes": 3, "skipped_refreshes": 2, "pictures": 3}


def test_thirty_on_sixty_repeats_every_picture() -> None:
    ledger = Shown()
    display = Display(Clock(Fraction(60), 3 * MS), ledger)
    for frame in range(31):
        display.show(Item(frame), frame * 1_000_000_000 // 30 + 5 * MS, frame)
    display.close()
    assert [repeats for _, _, repeats in ledger.seen] == [1] * 30 + [0]
    assert not ledger.lost


def test_in_flight_counts_until_the_refresh() -> None:
    ledger = Shown()
    ledger._in_flight = 3
    display = Display(Clock(Fraction(100), 0), ledger)
    display.show(Item(0), 1 * MS, 0)
    display.show(Item(1), 2 * MS, 1)
    assert ledger.in_flight(5 * MS) == 2
    assert ledger.in_flight(10 * MS) == 1


def test_latest_gives_up_the_oldest_and_counts_the_wait() -> None:
    dropped: list[tuple[int | None, str]] = []
    edge = Edge("infer", 2, "latest", lambda item, stage: dropped.append((item.frame, stage)))
    for frame in range(5):
        edge.put(Item(frame))
    assert dropped == [(0, "infer"), (1, "infer"), (2, "infer")]
    edge.close()
    taken = [edge.get(), edge.get(), edge.get()]
    assert [one[0].frame for one in taken if one] == [3, 4]
    assert all(one[1] >= 0 for one in taken if one)
    assert taken[2] is None


def test_block_makes_the_sender_wait_and_loses_nothing() -> None:
    edge = Edge("infer", 2, "block", lambda item, stage: pytest.fail("dropped"))
    sender = threading.Thread(target=lambda: [edge.put(Item(k)) for k in range(50)], daemon=True)
    sender.start()
    got = [edge.get() for _ in range(50)]
    sender.join(10)
    assert [one[0].frame for one in got if one] == list(range(50))
    assert edge.depth == 0


def test_a_closed_queue_lets_go_of_a_sender_that_waits() -> None:
    edge = Edge("infer", 1, "block", lambda item, stage: pytest.fail("dropped"))
    edge.put(Item(0))
    returned = []
    late = Item(1)
    late.lease = lambda: returned.append(1)
    sender = threading.Thread(target=edge.put, args=(late,), daemon=True)
    sender.start()
    edge.close()
    sender.join(10)
    assert not sender.is_alive()
    assert returned == [1]
    first = edge.get()
    assert first is not None
    assert first[0].frame == 0


def pictures(clips: Any, **keys: Any) -> list[Any]:
    with av.open(str(clips.make(**keys))) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
@pytest.mark.parametrize(
    ("size", "form"),
    [
        ((64, 48), "yuv420p"),
        ((67, 51), "yuv444p"),
        ((64, 48), "yuv420p10le"),
        ((64, 48), "yuvj420p"),
    ],
)
def test_one_picture_in_one_packet_out(
    clips: Any, read_stamp: Any, codec: Any, size: tuple[int, int], form: str
) -> None:
    keys = {"codec": "mjpeg", "full": True} if form == "yuvj420p" else {"bframes": 2}
    frames = pictures(clips, name="in.mkv", size=size, form=form, count=12, **keys)
    part = EncodePart(codec=codec)
    stage = Encode(open_encoder(part, frames[0], Fraction(30)))
    decoder = av.CodecContext.create("h264" if codec == "h264" else "mjpeg", "r")
    seen = []
    for number, frame in enumerate(frames):
        (item,) = stage.work(Item(number, number * 33_333_333, picture=frame))
        assert len(item.coded) == 1, "the encoder holds a picture back"
        assert item.bytes == item.coded[0].size
        assert item.coded[0].pts == item.coded[0].dts, "a B-frame"
        seen += decoder.decode(item.coded[0])
    seen += decoder.decode(None)
    assert [read_stamp(frame) for frame in seen] == list(range(12))
    assert not stage.finish()


def test_types_of_decoded_pictures_are_not_obeyed(clips: Any) -> None:
    frames = pictures(clips, count=12, options={"g": "1"})
    stage = Encode(open_encoder(EncodePart(), frames[0], Fraction(30)))
    packets = [stage.work(Item(k, k * 10**7, picture=f))[0].coded[0] for k, f in enumerate(frames)]
    assert [packet.is_keyframe for packet in packets] == [True] + [False] * 11


def test_a_film_can_be_played_before_it_is_closed(
    clips: Any, read_stamp: Any, tmp_path: Path
) -> None:
    frames = pictures(clips, count=30)
    film = Film(tmp_path / "film.mp4", EncodePart(), frames[0], Fraction(10))
    stage = Encode(film.context)
    for number, frame in enumerate(frames):
        film.write(stage.work(Item(number, number * 10**8, picture=frame))[0].coded)
    killed = tmp_path / "killed.mp4"
    killed.write_bytes((tmp_path / "film.mp4").read_bytes())
    film.close()
    with av.open(str(killed)) as container:
        assert len(list(container.decode(video=0))) >= 10
    with av.open(str(tmp_path / "film.mp4")) as container:
        seen = [(round(frame.time, 3), read_stamp(frame)) for frame in container.decode(video=0)]
    assert seen == [(round(k / 10, 3), k) for k in range(30)]
