"""Stages of any kind run side by side, fail aloud, and end in order."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probe.errors import EnvironmentUnmet
from probe.pipeline import runner
from probe.pipeline.edges import Edge
from probe.pipeline.item import InvalidFrame, Item, Ticket
from probe.pipeline.ledger import Ledger
from probe.pipeline.pacing import now_ns
from probe.pipeline.runner import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probe.pipeline.pacing import Span


class Count:
    """A source of numbered frames without pictures."""

    name = "capture"

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.given = 0

    def lead(self) -> Item | None:
        return None

    def run(
        self, put: Callable[[Item], None], ledger: Ledger, span: Span, stop: threading.Event
    ) -> None:
        for frame in range(self.frames):
            if stop.is_set():
                return
            ledger.released(Ticket(frame, frame, now_ns(), frame), now_ns(), None)
            put(Item(frame, bytes=8))
            self.given += 1


class Pass:
    """A stage that lets frames through, does `act` with each, and keeps what it saw."""

    def __init__(self, name: str, act: Callable[[Item], None] = lambda item: None) -> None:
        self.name = name
        self.act = act
        self.seen: list[int | None] = []
        self.finished = False

    def work(self, item: Item) -> Sequence[Item]:
        self.act(item)
        self.seen.append(item.frame)
        return (item,)

    def finish(self) -> Sequence[Item]:
        self.finished = True
        return ()


def run(program: Program, timeout_s: float = 30) -> bool:
    """Run a program; one that hangs fails the test instead of hanging it."""
    watch = threading.Timer(timeout_s, program.stop.set)
    watch.start()
    try:
        whole = program.run(10**12)
        assert watch.is_alive(), "it took too long"
    finally:
        watch.cancel()
    return whole


def test_every_frame_goes_through_every_stage_in_order() -> None:
    stages = [Pass("one"), Pass("two"), Pass("three")]
    assert run(Program(Count(200), stages, policy="block"))
    for stage in stages:
        assert stage.seen == list(range(200))
        assert stage.finished


def test_what_a_stage_holds_comes_out_at_the_end() -> None:
    class Hold(Pass):
        def work(self, item: Item) -> Sequence[Item]:
            self.seen.append(item.frame)
            return ()

        def finish(self) -> Sequence[Item]:
            return [Item(frame) for frame in self.seen]

    last = Pass("last")
    assert run(Program(Count(5), [Hold("hold"), last], policy="block"))
    assert last.seen == [0, 1, 2, 3, 4]


def test_a_stage_beside_gets_a_copy_and_holds_nothing_up() -> None:
    stages = [Pass("one"), Pass("two"), Pass("render")]
    beside = Pass("encode")
    program = Program(Count(50), stages, beside=beside, policy="block")
    assert run(program)
    assert stages[-1].seen == beside.seen == list(range(50))
    assert [queue["feeds"] for queue in program.queues()] == ["one", "two", "render", "encode"]


def test_an_invalid_frame_ends_alone() -> None:
    def refuse(item: Item) -> None:
        if item.frame == 3:
            raise InvalidFrame("three")

    bad: list[tuple[int, str, str]] = []

    class Notes(Ledger):
        def invalid(self, frame: int, stage: str, why: str) -> None:
            super().invalid(frame, stage, why)
            bad.append((frame, stage, why))

    last = Pass("last")
    stages = [Pass("one", refuse), last]
    assert run(Program(Count(6), stages, ledger=Notes(), policy="block"))
    assert last.seen == [0, 1, 2, 4, 5]
    assert bad == [(3, "one", "three")]


def test_a_stage_that_fails_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(item: Item) -> None:
        if item.frame == 3:
            raise ZeroDivisionError("on purpose")

    source, last = Count(10**9), Pass("last")
    assert run(Program(source, [Pass("one", fail), last], policy="block")) is False
    assert last.seen == [0, 1, 2]
    assert last.finished
    assert "on purpose" in capsys.readouterr().err


def test_an_error_that_explains_itself_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(item: Item) -> None:
        raise EnvironmentUnmet("the disk is full", remedy="make room")

    with pytest.raises(EnvironmentUnmet, match="disk is full"):
        run(Program(Count(10**9), [Pass("one", fail)], policy="block"))
    assert not capsys.readouterr().err


def test_a_stage_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "END_NS", 200_000_000)
    monkeypatch.setattr(runner, "HURRY_NS", 200_000_000)
    free = threading.Event()
    last = Pass("last")
    program = Program(Count(2), [Pass("hangs", lambda item: free.wait(60) and None), last])
    assert program.run(10**12) is False
    free.set()


def test_stop_ends_the_source_and_lets_the_rest_come_out() -> None:
    stop = threading.Event()

    def see(item: Item) -> None:
        if item.frame == 20:
            stop.set()

    source, last = Count(10**9), Pass("last", see)
    program = Program(source, [Pass("one"), last], policy="block", stop=stop)
    assert program.run(10**12)
    assert last.seen == list(range(source.given))


def test_threads_carry_the_names_of_their_stages_for_the_kernel() -> None:
    names: list[str] = []

    def look(_: Item) -> None:
        task = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
        names.append(task.read_text().strip())

    assert run(Program(Count(1), [Pass("decode", look), Pass("infer", look)], policy="block"))
    assert names == ["decode", "infer"]


def test_a_coded_picture_is_never_given_up() -> None:
    dropped: list[str] = []

    class Notes(Ledger):
        def dropped(self, item: Item, stage: str, why: str | None = None) -> None:
            dropped.append(stage)
            super().dropped(item, stage, why)

    slow = Pass("render", lambda _: time.sleep(0.01))
    program = Program(Count(30), [Pass("encode"), slow], ledger=Notes(), capacity=1)
    assert run(program)
    assert slow.seen == list(range(30))
    assert not dropped
    assert [queue["policy"] for queue in program.queues()] == ["block", "block"]


def test_a_closed_queue_gives_nothing_up() -> None:
    lost: list[Item] = []
    edge = Edge("infer", 1, "latest", lambda item, stage: lost.append(item))
    edge.put(Item(0))
    edge.close()
    edge.put(Item(1))
    found = edge.get()
    assert found is not None
    assert found[0].frame == 0
    assert lost == []
