"""A live source: packets stamped as they arrive, identity by pts, gaps of a camera found."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from typing import TYPE_CHECKING, Any

import av
import pytest

from probe.errors import InputError
from probe.pipeline.arrivals import Arrival, Arrivals
from probe.pipeline.capture import ArrivalSource
from probe.pipeline.item import Item, Ticket
from probe.pipeline.ledger import Ledger
from probe.pipeline.pacing import Span
from probe.scenario import SourcePart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextlib.contextmanager
def served(data: bytes) -> Iterator[str]:
    """Give bytes to the first that connects, then close: a sender that ends."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(60)

    def send() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.sendall(data)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()
        thread.join(10)


@pytest.mark.parametrize("bframes", [0, 2])
def test_a_network_stream_keeps_every_identity(
    clips: Any, models: Any, programs: Any, read_stamp: Any, bframes: int
) -> None:
    path = clips.make("sent.ts", count=60, bframes=bframes)
    with served(path.read_bytes()) as url:
        account = programs.run(
            {
                "source": {"kind": "stream", "url": url, "policy": "block", "timeout": "20s"},
                "stage": {
                    "infer": {"model": str(models.identity())},
                    "render": {"sink": "file"},
                },
            }
        )
    assert account.code == 0, account.stderr
    frames = account.frames
    shown = account.frames_of("presented")
    assert len(frames) >= 20, "what came while the stream was being understood is gone"
    assert shown == sorted(frames) == list(range(len(frames)))
    with av.open(str(account.out / "output.mp4")) as film:
        numbers = [read_stamp(picture) for picture in film.decode(video=0)]
    assert numbers == list(range(numbers[0], numbers[0] + len(frames)))
    assert account.facts["source"]["kind"] == "stream"
    assert account.facts["source"]["reorder_depth"] == (2 if bframes else 0)
    assert all(frame["captured"] == frame["scheduled"] for frame in frames.values())
    for key in ("pts", "scheduled"):
        values = [frames[k][key] for k in sorted(frames)]
        assert values == sorted(values), "no frame is due before the one that comes ahead of it"
    assert account.marks["source_ended"]


def test_a_stream_that_is_not_there(programs: Any, models: Any) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    server.close()
    account = programs.run(
        {
            "source": {"kind": "stream", "url": url, "timeout": "2s"},
            "stage": {"infer": {"model": str(models.identity())}},
        }
    )
    assert account.code == 2
    assert url in account.error["error"]
    assert "source.timeout" in account.error["remedy"]


def test_a_stream_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match="cannot be opened"):
            Arrivals(SourcePart(kind="stream", url=url, timeout=300_000_000 / 1e9), 1)


def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Arrivals(SourcePart(kind="camera", device=str(tmp_path / "video9")), 1)


def test_a_stream_may_not_read_files(clips: Any) -> None:
    path = clips.make("secret.mp4")
    with pytest.raises(InputError):
        Arrivals(SourcePart(kind="stream", url=f"file:{path}"), 1)


class Seen(Ledger):
    """A ledger that remembers what was released and what was lost."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[tuple[int, int]] = []
        self.lost: list[tuple[int | None, str, str | None]] = []

    def released(self, ticket: Ticket, captured_ns: int, pts_ns: int | None) -> None:
        super().released(ticket, captured_ns, pts_ns)
        self.frames.append((ticket.frame, ticket.scheduled_ns))

    def dropped(self, item: Item, stage: str, why: str | None = None) -> None:
        super().dropped(item, stage, why)
        self.lost.append((item.frame, stage, why))


class Recorded:
    """Arrivals that were written down."""

    def __init__(self, entries: list[Arrival], period_ns: float | None, depth: int = 0) -> None:
        self.entries = entries
        self.period_ns = period_ns
        self.depth = depth

    def packets(self, stop: threading.Event, over: Callable[[], bool]) -> Iterator[Arrival]:
        yield from self.entries

    def ticks_ns(self, ticks: int) -> int:
        return ticks


def arrivals(clips: Any, times: list[int]) -> list[Arrival]:
    with av.open(str(clips.make(count=1))) as container:
        packet = next(container.demux(video=0))
    return [Arrival(packet, t, t + 3, t) for t in times]


def test_gaps_of_a_camera_are_frames_that_were_lost(clips: Any) -> None:
    times = [0, 101, 199, 500, 601]  # two are missing between 199 and 500
    ledger = Seen()
    source: Any = ArrivalSource(Recorded(arrivals(clips, times), 100.0))  # type: ignore[arg-type]
    items: list[Item] = []
    source.run(items.append, ledger, Span(0, 10_000), threading.Event())
    assert [frame for frame, _ in ledger.frames] == list(range(7))
    assert [time for _, time in ledger.frames] == [0, 101, 199, 299, 399, 500, 601]
    assert [(frame, stage) for frame, stage, _ in ledger.lost] == [(3, "capture"), (4, "capture")]
    assert [t.frame for item in items for t in item.tickets] == [0, 1, 2, 5, 6]


def test_a_stream_has_no_gaps_to_find(clips: Any) -> None:
    ledger = Seen()
    source: Any = ArrivalSource(Recorded(arrivals(clips, [0, 100, 900]), None))  # type: ignore[arg-type]
    source.run(lambda item: None, ledger, Span(0, 10_000), threading.Event())
    assert [frame for frame, _ in ledger.frames] == [0, 1, 2]


def test_a_live_source_ends_with_its_span(clips: Any) -> None:
    ledger = Seen()
    source: Any = ArrivalSource(Recorded(arrivals(clips, list(range(0, 1000, 100))), None))  # type: ignore[arg-type]
    source.run(lambda item: None, ledger, Span(5, 355), threading.Event())
    assert [time for _, time in ledger.frames] == [0, 100, 200, 300]


def test_a_silent_source_is_waited_for_no_longer_than_the_span() -> None:
    source = silent(SourcePart(kind="stream", url="tcp://nowhere"))
    asked: list[bool] = []
    assert list(source.packets(threading.Event(), lambda: not asked.append(True))) == []
    assert asked == [True]


def silent(part: SourcePart) -> Any:
    """Return arrivals of a source that gives nothing."""
    source: Any = object.__new__(Arrivals)
    source.part, source.camera = part, part.kind == "camera"
    source._waiting, source._wanted = queue.Queue(), threading.Event()
    source._over, source._ending = threading.Event(), threading.Lock()
    source._read_bytes = source._taken_bytes = 0
    source._read = lambda: None
    return source


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return why sources ended, as they say it."""
    said: list[str] = []
    monkeypatch.setattr("probe.mark", lambda name, *, text: said.append(f"{name}: {text}"))
    return said


def test_a_camera_that_gives_nothing_has_failed_after_its_timeout(ends: list[str]) -> None:
    """As the kernel's vivid does with all its buffers dropped: nobody ends the wait for one."""
    source = silent(SourcePart(kind="camera", timeout=0.2))
    assert list(source.packets(threading.Event(), lambda: False)) == []
    source._end("the source failed: No such device")
    assert ends == ["source_ended: it gave no picture for 0.2 s"]


@pytest.mark.parametrize("taken", [True, False])
def test_only_what_somebody_takes_can_fall_behind(
    taken: bool, clips: Any, ends: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program drains for seconds after the last frame; a camera goes on all that time."""
    monkeypatch.setattr("probe.pipeline.arrivals._MOST_WAITING_BYTES", 0)
    with av.open(str(clips.make(count=3))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    source = silent(SourcePart(kind="camera"))
    left = threading.Event()

    class Camera:
        def demux(self, stream: object) -> Iterator[Any]:
            yield packets[0]
            assert left.wait(60)
            yield from packets[1:]

    source.container, source.stream = Camera(), None
    source._stamp = lambda packet, arrived_ns: Arrival(packet, packet.pts, arrived_ns, arrived_ns)
    source._wanted.set()
    del source._read
    reader = threading.Thread(target=source._read)
    reader.start()
    found = source.packets(threading.Event(), lambda: False)
    assert next(found).packet is packets[0]
    if not taken:
        found.close()
    left.set()
    reader.join(60)
    behind = ["source_ended: decoding fell 0 MiB behind the source"]
    assert (ends, source._waiting.empty()) == ((behind, False) if taken else ([], True))


def test_what_a_camera_took_before_the_start_is_let_go(clips: Any) -> None:
    """It runs since it was opened: its buffers hold pictures from before the model was loaded."""
    with av.open(str(clips.make(count=3))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    source = silent(SourcePart(kind="camera"))
    read, begun = threading.Event(), threading.Event()

    class Camera:
        def demux(self, stream: object) -> Iterator[Any]:
            yield packets[0]
            read.set()
            assert begun.wait(60)
            yield from packets[1:]

    source.container, source.stream = Camera(), None
    source._stamp = lambda packet, arrived_ns: Arrival(packet, packet.pts, arrived_ns, arrived_ns)
    del source._read
    source._begin_to_read()
    assert read.wait(60)
    stop = threading.Event()
    found = source.packets(stop, lambda: bool(begun.set()))
    packets[1].is_keyframe = True
    assert [each.packet for each in found] == packets[1:]
