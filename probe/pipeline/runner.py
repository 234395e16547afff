"""One thread for each stage, bounded queues between them, and an end in order."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import probe
from probe.errors import ProbeError
from probe.pipeline.edges import Edge, Policy
from probe.pipeline.gauges import Gauges
from probe.pipeline.item import InvalidFrame, Item, Stage
from probe.pipeline.ledger import Ledger
from probe.pipeline.pacing import SECOND_NS, Span, now_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probe.pipeline.capture import Source

END_NS: Final = 10 * SECOND_NS
"""How long frames under way may take to come out after the source has ended."""
HURRY_NS: Final = 1 * SECOND_NS
"""The same when the program was told to stop."""
SETTLE_NS: Final = SECOND_NS // 5
"""From the start of the threads to the first frame."""
_POLL_S: Final = 0.05


def name_thread(name: str) -> None:
    """Tell the kernel what this thread is for, so that every tool shows it by name (15 bytes)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name, "utf-8")


class Worker(threading.Thread):
    """Runs one stage: takes frames from its queue, records a span, passes the results on."""

    def __init__(
        self, stage: Stage, edge: Edge, targets: Sequence[Callable[[Item], None]], ledger: Ledger
    ) -> None:
        super().__init__(name=stage.name, daemon=True)
        self.stage = stage
        self.edge = edge
        self.targets = targets
        self.ledger = ledger
        self.followers: list[Edge] = []
        self.beside = False

    def run(self) -> None:
        """Work until the queue is closed and empty, then hand on what the stage still holds."""
        name_thread(self.name)
        try:
            while (taken := self.edge.get()) is not None:
                self._pass_on(self._work(*taken))
            self._pass_on(self.stage.finish())
        finally:
            self.edge.close()
            for edge in self.followers:
                edge.close()

    def _work(self, item: Item, waited_ns: int) -> Sequence[Item]:
        size = item.bytes
        with probe.stage(
            self.stage.name, frame=item.frame, queue_ns=waited_ns, bytes_in=size
        ) as span:
            try:
                results = self.stage.work(item)
            except InvalidFrame as why:
                item.release()
                if self.beside:  # the frame has its fate elsewhere
                    self.ledger.skipped(item, self.stage.name)
                elif item.frame is not None:
                    self.ledger.invalid(item.frame, self.stage.name, str(why))
                return ()
            span.bytes_out = sum(result.bytes for result in results)
        return results

    def _pass_on(self, results: Sequence[Item]) -> None:
        for result in results:
            for target in self.targets:
                target(result)


@dataclass
class Program:
    """A source, the stages behind it in order, and perhaps one stage beside the last.

    `start_after` gives the time of the first frame's schedule: at or after the time it is given.

    `beside` gets a copy of what the last stage gets, from the stage before; what it makes goes
    nowhere. The queues that hold coded packets, in front of the first stage and behind `encode`,
    never drop: the pictures after a missing packet would be decoded wrong.
    """

    source: Source
    stages: Sequence[Stage]
    ledger: Ledger = field(default_factory=Ledger)
    beside: Stage | None = None
    capacity: int = 2
    policy: Policy = "latest"
    stop: threading.Event = field(default_factory=threading.Event)
    start_after: Callable[[int], int] = int
    failed: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.edges = [
            Edge(
                stage.name,
                self.capacity,
                "block" if place == 0 or self.stages[place - 1].name == "encode" else self.policy,
                self.ledger.dropped,
            )
            for place, stage in enumerate(self.stages)
        ]
        self.side = (
            None
            if self.beside is None
            else Edge(self.beside.name, self.capacity, self.policy, self.ledger.skipped)
        )

    def run(self, length_ns: int) -> bool:
        """Run for `length_ns` from the first frame, or to the source's end; False on a failure.

        Raises the `ProbeError` that a stage ended with, if one did.
        The queues are closed one after another, so that every frame under way comes out, unless
        that takes longer than `END_NS`.
        """
        lead = self.source.lead()
        if lead is not None:
            self.stages[0].work(lead)
        workers = self._workers()
        gauges = Gauges(self.ledger, [*self.edges, *([self.side] if self.side else [])])
        hook, threading.excepthook = threading.excepthook, self._note
        try:
            for worker in workers:
                worker.start()
            gauges.start()
            start_ns = self.start_after(now_ns() + SETTLE_NS)
            whole = self._drive(Span(start_ns, start_ns + length_ns), workers)
            gauges.stop.set()
            gauges.join()
        finally:
            threading.excepthook = hook
        for error in self.failed:
            if isinstance(error, ProbeError):
                raise error
        return whole and not self.failed

    def queues(self) -> list[dict[str, Any]]:
        """Return what the Run says about the queues."""
        edges = [*self.edges, *([self.side] if self.side else [])]
        return [
            {"feeds": edge.feeds, "capacity": edge.capacity, "policy": edge.policy}
            for edge in edges
        ]

    def _workers(self) -> list[Worker]:
        workers = []
        for place, (stage, edge) in enumerate(zip(self.stages, self.edges, strict=True)):
            following = self.edges[place + 1 : place + 2]
            worker = Worker(stage, edge, [after.put for after in following], self.ledger)
            worker.followers = following
            workers.append(worker)
        if self.beside is not None and self.side is not None:
            side = self.side
            before = workers[-2]
            before.targets = [*before.targets, lambda item: side.put(item.fork())]
            before.followers = [*before.followers, side]
            workers.append(Worker(self.beside, side, (), self.ledger))
            workers[-1].beside = True
        return workers

    def _drive(self, span: Span, workers: Sequence[Worker]) -> bool:
        capture = threading.Thread(target=self._capture, args=(span,), name="capture", daemon=True)
        capture.start()
        _join([capture], None, self.stop)
        hurried = self.stop.is_set()
        ended = _join([capture, *workers], now_ns() + (HURRY_NS if hurried else END_NS), self.stop)
        if not ended:
            probe.mark("unfinished", text="stages still worked when the time to end was over")
            for edge in (*self.edges, *([self.side] if self.side else [])):
                edge.abandon()
            ended = _join([capture, *workers], now_ns() + HURRY_NS, None)
        return ended

    def _capture(self, span: Span) -> None:
        first = self.edges[0]
        name_thread("capture")
        try:
            self.source.run(first.put, self.ledger, span, self.stop)
        finally:
            first.close()

    def _note(self, failure: threading.ExceptHookArgs) -> None:
        """Keep a stage's failure, print it unless it explains itself, and end the run."""
        error = failure.exc_value if failure.exc_value is not None else failure.exc_type()
        thread = failure.thread.name if failure.thread else None
        self.failed.append(error)
        probe.mark("failed", stage=thread, text=f"{failure.exc_type.__name__}: {error}")
        if not isinstance(error, ProbeError):
            threading.__excepthook__(failure)
        self.stop.set()


def _join(
    threads: Sequence[threading.Thread], until_ns: int | None, stop: threading.Event | None
) -> bool:
    """Wait for threads in the main thread, which stays awake for signals; False when time is up."""
    begun_stopped = stop is not None and stop.is_set()
    for thread in threads:
        while thread.is_alive():
            thread.join(_POLL_S)
            if until_ns is not None and now_ns() > until_ns:
                return False
            if until_ns is None and stop is not None and stop.is_set():
                return False
            if until_ns is not None and stop is not None and stop.is_set() and not begun_stopped:
                until_ns = min(until_ns, now_ns() + HURRY_NS)
                begun_stopped = True
    return True
