"""Makes Runs with exact times, for tests: real tapes and a manifest, turned into tables as always.

    python tests/runs/make_runs.py live -o DIR [--seconds 30] [--seed 7]

A small simulation of single-server stages with bounded queues gives each frame its times, so that
queue waits, drops and lateness fit together. Nothing here reads a clock: the same arguments give
the same tapes, byte by byte.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probe import store, tables, tape
from probe.scenario import Scenario, drain_ns

MS: Final = 10**6
SECOND: Final = 10**9
BEGIN_NS: Final = 1_000 * SECOND
"""First scheduled frame, on a machine that has been up for a quarter of an hour."""
WALL_NS: Final = 1_795_226_400 * SECOND
LOAD_NS: Final = 1_800 * MS
REFRESH_HZ: Final = 59.94
"""A real display is never quite at twice the source's rate, so that its wait wanders."""
GAUGE_NS: Final = 50 * MS
STAGES: Final = ("capture", "decode", "preprocess", "infer", "postprocess", "encode", "render")
USUAL_MS: Final = {
    "capture": 0.15, "decode": 2.6, "preprocess": 1.9, "infer": 13.0,
    "postprocess": 2.4, "encode": 4.8, "render": 0.3,
}  # fmt: skip
NEVER: Final = tape.NULL


@dataclass
class Conditions:
    """What a kind of Run is made under."""

    seconds: float = 30.0
    fps: float = 30.0
    warmup_s: float = 5.0
    deadline_ms: float = 50.0
    seed: int = 7
    queue: int = 2
    refresh_hz: float | None = REFRESH_HZ

    @property
    def period_ns(self) -> float:
        """Distance of two scheduled frames."""
        return SECOND / self.fps


@dataclass
class Story:
    """What a program wrote: a row a frame in `frames`, a stage execution in `spans`, marks."""

    conditions: Conditions
    frames: list[tuple[int, int, int]] = field(default_factory=list)
    """(frame, scheduled, captured)"""
    spans: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    """(stage, start, end, frame, queue wait)"""
    marks: list[tuple[str, int, int, dict[str, Any]]] = field(default_factory=list)
    """(name, time, frame, what else is said)"""
    facts: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    scenario: dict[str, Any] = field(default_factory=dict)
    mode: str = "live"


def _schedule(conditions: Conditions) -> NDArray[np.int64]:
    """Return the scheduled times: warm-up, window, drain."""
    drain = max(2.0, 10 * conditions.deadline_ms / 1000)
    total = conditions.warmup_s + conditions.seconds + drain
    k = np.arange(round(total * conditions.fps))
    return BEGIN_NS + np.floor(k * conditions.period_ns).astype(np.int64)


def _service(
    conditions: Conditions, count: int, usual: Mapping[str, float], spread: float = 0.05
) -> dict[str, NDArray[np.int64]]:
    """Return the time that each frame spends inside each stage: gamma-distributed."""
    rng = np.random.default_rng(conditions.seed)
    shape = 1 / spread**2
    return {
        stage: (rng.gamma(shape, usual[stage] / shape, count) * MS).astype(np.int64)
        for stage in STAGES
    }


def _server(
    arrivals: list[tuple[int, int]], service: NDArray[np.int64], room: int
) -> tuple[list[tuple[int, int, int, int]], list[tuple[int, int]]]:
    """Serve (time, frame) in order with one server whose full queue gives up its oldest frame.

    Returns (arrival, start, end, frame) of the served, and (time, frame) of the given up.
    """
    served: list[tuple[int, int, int, int]] = []
    lost: list[tuple[int, int]] = []
    waiting: deque[tuple[int, int]] = deque()
    free = 0

    def serve(until: int) -> None:
        nonlocal free
        while waiting and max(free, waiting[0][0]) <= until:
            came, frame = waiting.popleft()
            start = max(free, came)
            free = start + int(service[frame])
            served.append((came, start, free, frame))

    for came, frame in arrivals:
        serve(came)
        if len(waiting) == room:
            lost.append((came, waiting.popleft()[1]))
        waiting.append((came, frame))
    serve(2**62)
    return served, lost


def flow(
    conditions: Conditions,
    service: Mapping[str, NDArray[np.int64]],
    *,
    hold: Callable[[int, int], int] | None = None,
    released: Callable[[int, int], int] | None = None,
) -> Story:
    """Send every scheduled frame through the stages to a display clock.

    `hold(frame, time)` may move the time at which a frame leaves postprocess (a program that keeps
    frames back); `released(frame, scheduled)` the time at which the source gives it.
    """
    story = Story(conditions)
    scheduled = _schedule(conditions)
    rng = np.random.default_rng(conditions.seed + 1)
    lateness = (rng.gamma(2.0, 20_000, len(scheduled))).astype(np.int64)
    arrivals = []
    for k, due in enumerate(scheduled.tolist()):
        captured = (released(k, due) if released else due) + int(lateness[k])
        story.frames.append((k, due, captured))
        arrivals.append((captured, k))
    for stage in STAGES[:-2]:
        served, lost = _server(arrivals, service[stage], conditions.queue)
        story.spans += [(stage, start, end, k, start - came) for came, start, end, k in served]
        story.marks += [
            ("dropped", at, k, {"stage": stage, "text": f"{stage}: queue full"}) for at, k in lost
        ]
        arrivals = [(end, k) for _, _, end, k in served]
    if hold is not None:
        arrivals = sorted((max(at, hold(k, at)), k) for at, k in arrivals)
    beside, _ = _server(arrivals, service["encode"], conditions.queue)
    story.spans += [("encode", start, end, k, start - came) for came, start, end, k in beside]
    served, _ = _server(arrivals, service["render"], len(scheduled))
    story.spans += [("render", start, end, k, start - came) for came, start, end, k in served]
    _show(story, [(end, k) for _, _, end, k in served])
    return story


def _show(story: Story, delivered: list[tuple[int, int]]) -> None:
    """Present (time, frame) at the first refresh after it, of several the newest frame.

    Without a display clock each is shown when it is delivered.
    """
    hertz = story.conditions.refresh_hz
    if hertz is None:
        for number, (at, frame) in enumerate(delivered):
            story.marks.append(("delivered", at, frame, {"output": number}))
            story.marks.append(("presented", at, frame, {"output": number, "value": 0}))
        return
    refresh = SECOND / hertz
    slots: dict[int, list[tuple[int, int, int]]] = {}
    for number, (at, frame) in enumerate(delivered):
        story.marks.append(("delivered", at, frame, {"output": number}))
        slot = int((at - BEGIN_NS) // refresh) + 1
        slots.setdefault(slot, []).append((frame, number, at))
    order = sorted(slots)
    for slot, following in zip(order, [*order[1:], order[-1] + 2] if order else [], strict=True):
        *older, (frame, number, _) = sorted(slots[slot])
        shown = BEGIN_NS + round(slot * refresh)
        said = {"output": number, "value": following - slot - 1}
        story.marks.append(("presented", shown, frame, said))
        newest_at = max(at for _, _, at in slots[slot])
        for given_up, _, _ in older:
            said = {"stage": "render", "text": "render: superseded before the refresh"}
            story.marks.append(("dropped", newest_at, given_up, said))


def live(conditions: Conditions) -> Story:
    """Everything on time, with a few milliseconds of scatter."""
    return flow(conditions, _service(conditions, len(_schedule(conditions)), USUAL_MS))


def late(conditions: Conditions) -> Story:
    """Keeps the rate, but every stage is slow: answers after about 80 ms."""
    slow = USUAL_MS | {"decode": 16.0, "preprocess": 12.0, "infer": 27.0, "postprocess": 14.0}
    return flow(conditions, _service(conditions, len(_schedule(conditions)), slow))


def dropping(conditions: Conditions) -> Story:
    """Inference takes one and a half frame periods: a third is given up, the rest is on time."""
    conditions.fps, conditions.queue, conditions.refresh_hz = 60.0, 1, None
    slow = USUAL_MS | {"decode": 1.5, "preprocess": 1.0, "infer": 24.5, "postprocess": 0.8}
    return flow(conditions, _service(conditions, len(_schedule(conditions)), slow, 0.01))


def blocky(conditions: Conditions, block: int = 12) -> Story:
    """Live input answered in blocks of 12: the last frame of a block releases it."""
    conditions.refresh_hz = None
    due = _schedule(conditions)

    def hold(frame: int, _: int) -> int:
        last = min((frame // block + 1) * block, len(due)) - 1
        return int(due[last]) + 30 * MS + (frame % block) * 200_000

    return flow(conditions, _service(conditions, len(due), USUAL_MS), hold=hold)


def stalled(conditions: Conditions) -> Story:
    """Inference hangs for 4 of every 5 seconds; what waits is given up."""
    service = _service(conditions, len(_schedule(conditions)), USUAL_MS)
    every = round(5 * conditions.fps)
    service["infer"][every // 2 :: every] = 4 * SECOND
    # a hang swallows the frames of its own time: one long execution each five seconds
    return flow(conditions, service)


def mixed(conditions: Conditions) -> Story:
    """On time in the first half of the window; then the clock falls and every frame is late."""
    due = _schedule(conditions)
    service = _service(conditions, len(due), USUAL_MS)
    half = BEGIN_NS + round((conditions.warmup_s + conditions.seconds / 2) * SECOND)
    for stage in ("decode", "preprocess", "infer", "postprocess"):
        service[stage][due >= half] = np.minimum(service[stage][due >= half] * 5, 28 * MS)
    return flow(conditions, service)


def bursty(conditions: Conditions, length: float = 10.0, share: float = 0.03) -> Story:
    """Live, but 3 % of the frames are late, in bursts of 10 on average."""
    due = _schedule(conditions)
    rng = np.random.default_rng(conditions.seed + 2)
    service = _service(conditions, len(due), USUAL_MS)
    enter, leave = share / (1 - share) / length, 1 / length
    slow, inside = set(), False
    for k in range(len(due)):
        inside = rng.random() < (1 - leave if inside else enter)
        if inside:
            slow.add(k)
    return flow(conditions, service, hold=lambda frame, at: at + (32 * MS if frame in slow else 0))


def frozen(conditions: Conditions, length_s: float = 2.0, every_s: float = 10.0) -> Story:
    """Live; but the last 2 of every 10 seconds show the same picture again and again."""
    conditions.refresh_hz = None
    story = live(conditions)
    begin = BEGIN_NS + round(conditions.warmup_s * SECOND)
    rest = round((every_s - length_s) * SECOND)
    due = {k: at for k, at, _ in story.frames}
    old = {k for k, at in due.items() if at >= begin and (at - begin) % (every_s * SECOND) >= rest}
    marks, shown = [], 0
    for name, at, frame, said in sorted(story.marks, key=lambda mark: mark[1]):
        if frame not in old:
            shown = frame
        elif name == "presented":
            given_up = {"stage": "postprocess", "text": "postprocess: kept the last result"}
            marks.append(("dropped", at, frame, given_up))
        marks.append((name, at, shown, said))
    story.marks = marks
    return story


def in_flight_at_end(conditions: Conditions) -> Story:
    """Live; but the last half second of the window never gets a fate."""
    story = live(conditions)
    end = BEGIN_NS + round((conditions.warmup_s + conditions.seconds) * SECOND)
    swallowed = {k for k, due, _ in story.frames if end - SECOND // 2 <= due < end}
    story.marks = [mark for mark in story.marks if mark[2] not in swallowed]
    story.spans = [
        span for span in story.spans if span[3] not in swallowed or span[0] in STAGES[:3]
    ]
    return story


def out_of_order(conditions: Conditions) -> Story:
    """Two workers: every tenth frame is shown after the one that followed it."""
    conditions.refresh_hz = None
    due = _schedule(conditions)

    def hold(frame: int, at: int) -> int:
        return at + round(1.3 * conditions.period_ns) if frame % 10 == 4 else at

    return flow(conditions, _service(conditions, len(due), USUAL_MS), hold=hold)


def interrupted(conditions: Conditions) -> Story:
    """Live, and stopped by Ctrl-C two thirds into the window; nothing was drained."""
    story = live(conditions)
    stop = BEGIN_NS + round((conditions.warmup_s + conditions.seconds * 2 / 3) * SECOND) + 13 * MS
    _cut(story, stop)
    ended = {"outcome": "interrupted", "exit_code": None, "signal": "SIGINT", "ended_ns": stop}
    story.manifest = {"state": "interrupted", "program": ended}
    return story


def crashed(conditions: Conditions) -> Story:
    """Live, and killed by SIGSEGV two thirds into the window."""
    story = interrupted(conditions)
    ended = {"outcome": "crashed", "signal": "SIGSEGV", "stderr_tail": "Segmentation fault"}
    story.manifest = {
        "state": "program failed",
        "program": story.manifest["program"] | ended,
    }
    return story


def _cut(story: Story, stop_ns: int) -> None:
    story.frames = [frame for frame in story.frames if frame[2] <= stop_ns]
    story.spans = [span for span in story.spans if span[2] <= stop_ns]
    written = {frame: at for name, at, frame, _ in story.marks if name == "delivered"}
    story.marks = [
        mark for mark in story.marks
        if (written[mark[2]] if mark[0] == "presented" else mark[1]) <= stop_ns
    ]  # fmt: skip


def overlong_release(conditions: Conditions) -> Story:
    """Live, but the source gives every twentieth frame 6 ms after its scheduled time."""
    due = _schedule(conditions)
    return flow(
        conditions,
        _service(conditions, len(due), USUAL_MS),
        released=lambda frame, at: at + (6 * MS if frame % 20 == 0 else 0),
    )


def closed_loop(conditions: Conditions) -> Story:
    """A command that asks for the next picture when the last was answered, and calls that live."""
    story = Story(conditions, mode="command")
    at = BEGIN_NS
    end = BEGIN_NS + round((conditions.warmup_s + conditions.seconds) * SECOND)
    service = _service(conditions, 10**5, USUAL_MS)
    k = 0
    while at < end:
        story.frames.append((k, at, at + 2_000))
        start = at + 5_000
        stop = start + int(service["infer"][k])
        story.spans.append(("infer", start, stop, k, 0))
        story.marks.append(("delivered", stop + 10_000, k, {}))
        at = stop + 40_000
        k += 1
    return story


def generator(conditions: Conditions, speed: float = 1.6) -> Story:
    """Clips of 96 frames at 24 fps, in blocks of 12 from 4 steps; faster than playback."""
    story = Story(conditions, mode="generate")
    frames, block, steps, fps = 96, 12, 4, 24.0
    rng = np.random.default_rng(conditions.seed)
    end = BEGIN_NS + round((conditions.warmup_s + conditions.seconds) * SECOND)
    at, request, number = BEGIN_NS, 0, 0
    while at < end:
        story.marks.append(("request", at, request, {}))
        for _ in range(frames // block):
            took = block / fps / speed * SECOND * float(rng.normal(1, 0.02))
            for _ in range(steps):
                story.spans.append(("infer", at, at + round(took * 0.2), request, 0))
                at += round(took * 0.2)
            for n in range(block):
                start = at + n * 400_000
                story.spans.append(("encode", start, start + 350_000, request, 0))
                said = {"output": number}
                story.marks.append(("delivered", start + 360_000, request, said))
                number += 1
            at += round(took * 0.2)
        request += 1
    if at > end + 3 * SECOND:  # the last request goes on long after the drain, and is waited for
        story.manifest = {"program": {"ended_ns": at + 300 * MS}}
    made = {"frames": frames, "block_frames": block, "steps": steps, "fps": fps}
    story.facts["generate"] = made
    story.scenario = {"generate": {"frames": frames, "steps": steps, "fps": fps}}
    story.scenario["stage"] = {"postprocess": {"kind": "image"}}
    return story


def offline(conditions: Conditions) -> Story:
    """The same, two and a half times slower than playback."""
    return generator(conditions, speed=0.4)


def silent(conditions: Conditions) -> Story:
    """A command that says nothing."""
    return Story(conditions, mode="command")


KINDS: Final[dict[str, Callable[[Conditions], Story]]] = {
    "live": live,
    "late": late,
    "dropping": dropping,
    "blocky": blocky,
    "generator": generator,
    "offline": offline,
    "stalled": stalled,
    "mixed": mixed,
    "bursty": bursty,
    "frozen": frozen,
    "in-flight": in_flight_at_end,
    "out-of-order": out_of_order,
    "interrupted": interrupted,
    "crashed": crashed,
    "late-release": overlong_release,
    "closed-loop": closed_loop,
    "silent": silent,
}


class TapeFile:
    """One thread's tape, record by record, with exact times."""

    def __init__(self, thread: str, tid: int) -> None:
        self.thread, self.tid = thread, tid
        self.names: dict[str, int] = {"": 0}
        self.records: list[bytes] = []

    def add(self, kind: int, name: int, *values: int) -> None:
        body = tape.BODY.pack(kind, 0, 0, name, *values)
        self.records.append(body + tape.SEQUENCE.pack(len(self.records) + 1))

    def name(self, text: str) -> int:
        if text not in self.names:
            number = self.names[text] = len(self.names)
            data = text.encode()
            for part in range(max(1, -(-len(data) // tape.TEXT_PART_BYTES))):
                chunk = data[part * tape.TEXT_PART_BYTES :][: tape.TEXT_PART_BYTES]
                body = tape.DEFINITION.pack(tape.DEFINE, 0, part, number, chunk, len(data))
                self.records.append(body + tape.SEQUENCE.pack(len(self.records) + 1))
        return self.names[text]

    def mark(self, name: str, t_ns: int, frame: int, said: Mapping[str, Any]) -> None:
        values = (
            t_ns, said.get("value", NEVER), frame, self.name(said.get("stage", "")),
            self.name(said.get("text", "")), said.get("output", NEVER),
        )  # fmt: skip
        self.add(tape.MARK, self.name(name), *values)

    def save(self, folder: Path, pid: int, closed: bool = True) -> None:
        header = tape.HEADER.pack(
            tape.MAGIC, tape.VERSION, tape.HEADER_BYTES, tape.RECORD_BYTES, pid, self.tid,
            BEGIN_NS - LOAD_NS, WALL_NS, 0, tape.CLOSED if closed else tape.RECORDING,
            tape.WRITER_PYTHON, self.thread.encode(),
        )  # fmt: skip
        data = header.ljust(tape.HEADER_BYTES, b"\0") + b"".join(self.records)
        (folder / f"{pid}-{self.tid}-1{tape.SUFFIX}").write_bytes(data)


PID: Final = 4242


def write_tapes(story: Story, folder: Path) -> None:
    """Write a tape for each stage's thread, one for the gauges, one for the facts."""
    folder.mkdir(parents=True, exist_ok=True)
    tapes: dict[str, TapeFile] = {}

    def of(thread: str) -> TapeFile:
        return tapes.setdefault(thread, TapeFile(thread, PID + len(tapes)))

    main = of("main")
    for key, value in story.facts.items():
        main.mark(f"fact:{key}", BEGIN_NS - MS, NEVER, {"text": json.dumps(value)})
    indices = story.facts.get("source", {}).get("frames", 2**62)
    for k, due, captured in story.frames:
        of("capture").add(tape.FRAME, 0, due, captured, k, due - BEGIN_NS, k % indices, NEVER)
    for stage, start, end, frame, queue in story.spans:
        thread = of(stage)
        thread.add(tape.SPAN, thread.name(stage), start, end, frame, queue, NEVER, NEVER)
    for name, at, frame, said in sorted(story.marks, key=lambda mark: mark[1]):
        of(said.get("stage") or "render").mark(name, at, frame, said)
    for at, count in _gauge(story):
        of("gauge").mark("in_flight", at, NEVER, {"value": count})
    closed = story.manifest.get("state", "complete") == "complete"
    for each in tapes.values():
        if each.records:
            each.save(folder, PID, closed)


def _gauge(story: Story) -> list[tuple[int, int]]:
    """Return (time, frames entered and without a fate), sampled every 50 ms from a thread apart."""
    if not story.frames or story.mode != "live":
        return []
    fate = {frame: at for name, at, frame, _ in story.marks if name == "dropped"}
    latest_first = sorted(story.marks, key=lambda mark: mark[1], reverse=True)
    fate |= {frame: at for name, at, frame, _ in latest_first if name == "presented"}
    entered = np.array(sorted(captured for _, _, captured in story.frames))
    left = np.array(sorted(fate.get(k, 2**62) for k, _, _ in story.frames))
    rng = np.random.default_rng(story.conditions.seed + 3)
    times = np.arange(BEGIN_NS, int(entered[-1]), GAUGE_NS)
    times = times + rng.integers(50_000, 400_000, len(times))
    counts = np.searchsorted(entered, times, "right") - np.searchsorted(left, times, "right")
    return list(zip(times.tolist(), counts.tolist(), strict=True))


def manifest_of(story: Story, kind: str) -> dict[str, Any]:
    """Return run.json as the engine leaves it before the tapes are read."""
    conditions = story.conditions
    scenario = _scenario(story, kind)
    length = conditions.warmup_s + conditions.seconds
    last = BEGIN_NS + round(length * SECOND) + drain_ns(scenario)
    end = story.manifest.get("program", {}).get("ended_ns", last + 300 * MS)
    begin = BEGIN_NS - LOAD_NS
    hashes = dict.fromkeys(("scenario", "input", "model", "code"), "0" * 64)
    document = {
        "schema": store.SCHEMA,
        "liveprobe": "0.1.0",
        "id": f"20261121T021500Z-{kind}-test-board",
        "state": "complete",
        "created": "2026-11-21T02:15:00Z",
        "mode": story.mode,
        "scenario": {
            "name": scenario.name,
            "title": scenario.title,
            "custom": False,
            "overrides": [],
            "resolved": scenario.document(),
            "hashes": hashes,
        },
        "bounds": {
            "warmup_ns": scenario.run.warmup,
            "duration_ns": scenario.run.duration,
            "drain_ns": drain_ns(scenario),
        },
        "device": {
            "name": "test board", "board": "Test Board 5", "soc": "simulated", "os": "Linux",
            "kernel": "6.12.0", "cpu": "4 simulated cores", "cores": 4,
            "memory_bytes": 8 * 2**30, "governor": "performance", "accelerators": [],
        },
        "clocks": {
            "clock": "CLOCK_MONOTONIC",
            "start_monotonic_ns": begin - 200 * MS, "start_wall_ns": WALL_NS,
            "end_monotonic_ns": end + 50 * MS,
            "end_wall_ns": WALL_NS + end + 250 * MS - begin,
        },
        "window": None,
        "deadline_ns": scenario.run.deadline,
        "collectors": _collectors(),
        "perturbations": [],
        "environment": {
            "python": "3.11.9",
            "packages": {"numpy": "2.4.6", "onnxruntime": "1.31.1", "av": "18.1.0"},
            "load_average": [0.4, 0.3, 0.2],
        },
        "program": {
            "command": ["python", "-m", "probe.pipeline", "--scenario", "scenario.json"],
            "pid": PID, "outcome": "ended", "exit_code": 0, "signal": None,
            "started_ns": begin, "ended_ns": end, "load_ns": None, "stderr_tail": "", "facts": {},
        },
        "tapes": {"kept": True},
        "harness": {"cpu_ns": 900 * MS, "wall_ns": end - begin},
    }  # fmt: skip
    for key, value in story.manifest.items():
        document[key] = document.get(key, {}) | value if isinstance(value, dict) else value
    return document


def _scenario(story: Story, kind: str) -> Scenario:
    conditions = story.conditions
    run = {
        "duration": conditions.seconds, "warmup": conditions.warmup_s,
        "deadline": f"{conditions.deadline_ms:g}ms", "seed": conditions.seed,
    }  # fmt: skip
    said: dict[str, Any] = {
        "name": kind, "title": kind.replace("-", " "), "mode": story.mode, "run": run,
    }  # fmt: skip
    if conditions.refresh_hz is not None:
        said["stage"] = {"render": {"sink": f"vsync:{conditions.refresh_hz:g}"}}
    else:
        said["stage"] = {"render": {"sink": "null"}}
    if story.mode == "command":
        said["program"] = {"command": ["./program"]}
    return Scenario.model_validate(said | story.scenario)


def _collectors() -> list[dict[str, Any]]:
    def entry(name: str, period_ns: int, *tracks: tuple[str, str, str]) -> dict[str, Any]:
        described = [
            {"name": track, "unit": unit, "title": title, "grade": "measured", "kind": None}
            for track, unit, title in tracks
        ]
        return {
            "name": name, "outcome": "ok", "reason": None, "remedy": None, "samples": 0,
            "tracks": described, "period_ns": period_ns, "sensitive": False, "calls": 300,
            "cpu_ns": 60 * MS, "wall_ns": 90 * MS, "slowest_ns": 2 * MS,
        }  # fmt: skip

    cpu = ("cpu.core", "percent", "Busy time of the cores")
    heat = ("thermal.temperature", "celsius", "Temperature")
    return [entry("cpu", 250 * MS, cpu), entry("thermal", SECOND, heat)]


def _samples(story: Story, end_ns: int) -> pd.DataFrame:
    """Return what collectors of a warming board would have read."""
    rng = np.random.default_rng(story.conditions.seed + 4)
    rows: list[tuple[str, str, int, float]] = []
    for at in range(BEGIN_NS - LOAD_NS, end_ns, 250 * MS):
        for core in range(4):
            busy = float(np.clip(rng.normal(55 - 9 * core, 8), 0, 100))
            rows.append(("cpu.core", str(core), at, busy))
    for at in range(BEGIN_NS - LOAD_NS, end_ns, SECOND):
        warm = 48 + 17 * (1 - np.exp(-(at - BEGIN_NS + LOAD_NS) / (20 * SECOND)))
        rows.append(("thermal.temperature", "cpu-thermal", at, float(warm + rng.normal(0, 0.1))))
    return pd.DataFrame(rows, columns=["track", "label", "t_ns", "value"])


def make_run(kind: str, path: Path, **changes: Any) -> Path:
    """Make the Run `kind` in the directory `path` (made anew) and return it.

    `changes` are those of `Conditions`: seconds, fps, warmup_s, deadline_ms, seed, queue.
    """
    story = KINDS[kind](Conditions(**changes))
    if story.mode == "live":
        story.facts |= {
            "source": {
                "kind": "clip", "width": 1280, "height": 720, "fps": story.conditions.fps,
                "frames": 300, "pixel_format": "yuv420p", "codec": "h264", "range": "tv",
                "rotation": 0, "reorder_depth": 0, "variable_rate": False,
            },
            "providers": {"asked": ["CPUExecutionProvider"], "got": ["CPUExecutionProvider"]},
            "encode": {"place": "beside-render", "codec": "h264"},
            "display": {"refresh_hz": story.conditions.refresh_hz, "phase_ns": 0},
        }  # fmt: skip
    return write_run(story, kind, path)


SERIES_ID: Final = "0123456789abcdef"
SENSOR: Final = "cpu-thermal"


def prepared(index: int, of: int) -> dict[str, Any]:
    """Return what the manifest of a well prepared repeat says: its series, soak and cool-down."""
    soaked = {"sensor": SENSOR, "start_celsius": 42.0, "end_celsius": 65.0, "celsius_per_min": 0.2}
    cooled = {"sensor": SENSOR, "idle_celsius": 41.0, "start_celsius": 64.0, "end_celsius": 42.5}
    return {
        "series": {"id": SERIES_ID, "index": index, "of": of},
        "soak": {
            "outcome": "steady", "why": "1 temperature moved less than 1 C a minute for 3.0 min",
            "length_ns": 372 * SECOND, "starts": 1, "sensors": [soaked],
        },
        "cool_down": None if index == 1 else {
            "outcome": "cool", "why": "within 2 C of idle", "length_ns": 141 * SECOND,
            "longest_ns": 300 * SECOND, "sensors": [cooled],
        },
    }  # fmt: skip


def make_series(kinds: Sequence[str], folder: Path, **changes: Any) -> list[Path]:
    """Make one Run of each kind in `folder`, as the repeats of a series, each of its own seed."""
    paths = []
    for index, kind in enumerate(kinds, start=1):
        path = make_run(kind, folder / f"repeat-{index}", **{**changes, "seed": 7 + index})
        manifest = store.read_manifest(path) | prepared(index, len(kinds))
        manifest["id"] = f"20261121T{index:02d}1500Z-{kind}-test-board"
        manifest["created"] = f"2026-11-21T{index:02d}:15:00Z"
        store.write_json(path / store.MANIFEST, manifest)
        paths.append(path)
    return paths


def write_run(story: Story, kind: str, path: Path) -> Path:
    """Write a story as a Run directory: manifest, samples, tapes, tables."""
    path.mkdir(parents=True)
    manifest = manifest_of(story, kind)
    store.write_json(path / store.MANIFEST, manifest)
    write_tapes(story, path / store.TAPES)
    store.write_table(path, "samples", _samples(story, manifest["program"]["ended_ns"]))
    store.write_table(path, "events", store.empty_table("events"))
    tables.finalise(path)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("kind", choices=[*KINDS, "all"])
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the Run")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    for kind in KINDS if asked.kind == "all" else [asked.kind]:
        path = make_run(kind, asked.out / kind, seconds=asked.seconds, seed=asked.seed)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
