"""Does the reference pipeline cost more than the calls that it makes? Throughput, free-running.

    python tests/bench/bench_pipeline.py [--rounds 15] [--frames 150]

Three ways to work through the same pictures, taking turns in one process, the recorder on:

    loop      a hand-written loop of the same PyAV and ONNX Runtime calls, nothing else
    serial    the reference program's stages, one after the other in one thread, with their spans
    threads   the reference program as it runs: a thread for each stage, bounded queues, `block`

All libraries have one thread. Goals: serial at least 0.97 of loop; threads at least
min(1.3, 0.85 x sum of stages / longest stage) of loop on two cores. A goal is missed only when the
whole 95 % interval (order statistics of the rounds) lies below it; otherwise it is held or not
resolved.
CPU time stands beside it: on a busy machine it says more about the cost of the program's own parts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from probe.statistics.goals import Met, median_interval, resolved

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe.pipeline.live import Live

SERIAL_GOAL = 0.97
THREADS_CEILING, THREADS_SHARE = 1.3, 0.85
MEMORY = "/dev/shm"  # noqa: S108 - tapes on a disk would stall whoever writes a record
CLIP, MODEL = "people_720p30.mp4", "segmenter_fp32.onnx"


class Loop:
    """The same work by hand: decode, scale, normalise, infer, blur, blend, encode, show."""

    def __init__(self, clip: str, model: str) -> None:
        import onnxruntime as ort

        from probe.pipeline.infer import options as session_options
        from probe.scenario import InferPart

        self.clip = clip
        options = session_options(InferPart(model=model))
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        entry = self.session.get_inputs()[0]
        self.name, (_, _, self.height, self.width) = entry.name, entry.shape
        self.tensor = np.empty((1, 3, self.height, self.width), np.float32)
        with av.open(clip) as container:
            self.packets = [packet for packet in container.demux(video=0) if packet.size]
        self.container = av.open(clip)
        self.context = self.container.streams.video[0].codec_context
        self.context.thread_type, self.context.thread_count = "SLICE", 1
        self.scale, self.down, self.up, self.mask_up = (
            av.video.reformatter.VideoReformatter() for _ in range(4)
        )
        self.small = av.VideoFrame(self.width, self.height, "yuv420p")
        self.values = np.empty((self.height, self.width), np.float32)
        self.renew()

    def renew(self) -> None:
        """Open the encoder afresh, as each pass of the program does."""
        self.merge, self.encoder = _Merge(), _encoder(1280, 720)

    def run(self, frames: int) -> None:
        """Work through `frames` pictures."""
        merge, encoder = self.merge, self.encoder
        shown: list[int] = []
        for number, packet in enumerate(self.packets[:frames]):
            for picture in self.context.decode(packet):
                blended = self.picture(picture, merge, number)
                blended.pts, blended.time_base = number * 33_333, Fraction(1, 1_000_000)
                blended.pict_type = 0
                encoder.encode(blended)
                shown.append(time.perf_counter_ns())
        self.context.decode(None)
        self.context.flush_buffers()
        if len(shown) != frames:
            raise SystemExit(f"the loop showed {len(shown)} of {frames} pictures")

    def picture(self, picture: Any, merge: Any, number: int) -> Any:
        """Make of one decoded picture the one to show."""
        small = self.scale.reformat(
            picture, self.width, self.height, "gbrp", interpolation="BILINEAR", threads=1
        )
        for channel, plane in enumerate((2, 0, 1)):
            np.multiply(_plane(small, plane), np.float32(1 / 255), out=self.tensor[0, channel])
        mask = self.session.run(None, {self.name: self.tensor})[0][0, -1]
        np.count_nonzero(mask > 0.5)
        np.multiply(mask, np.float32(255.0), out=self.values)
        np.clip(self.values, 0.0, 255.0, out=self.values)
        np.copyto(_plane(self.small, 0), self.values, casting="unsafe")
        for index in (1, 2):
            np.copyto(_plane(self.small, index), self.values[::2, ::2], casting="unsafe")
        self.small.color_range, self.small.colorspace = picture.color_range, picture.colorspace
        width, height = picture.width, picture.height
        large = self.mask_up.reformat(
            self.small, width, height, interpolation="BILINEAR", threads=1
        )
        tiny = self.down.reformat(
            picture, width // 24, height // 24, interpolation="AREA", threads=1
        )
        blurred = self.up.reformat(tiny, width, height, interpolation="BILINEAR", threads=1)
        return merge(blurred, picture, large, number)


class _Merge:
    """libavfilter's maskedmerge."""

    def __init__(self) -> None:
        self.graph = av.filter.Graph()
        self.graph.threads = 1
        self.sources = [
            self.graph.add_buffer(
                width=1280,
                height=720,
                format=av.VideoFormat("yuv420p"),
                time_base=Fraction(1, 1000),
                name=name,
            )
            for name in ("a", "b", "c")
        ]
        merge, self.sink = self.graph.add("maskedmerge"), self.graph.add("buffersink")
        for index, source in enumerate(self.sources):
            source.link_to(merge, 0, index)
        merge.link_to(self.sink)
        self.graph.configure()

    def __call__(self, below: Any, above: Any, mask: Any, number: int) -> Any:
        for source, picture in zip(self.sources, (below, above, mask), strict=True):
            picture.pts = number
            source.push(picture)
        return self.sink.pull()


def _plane(picture: Any, index: int) -> Any:
    plane = picture.planes[index]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _encoder(width: int, height: int) -> Any:
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 1_000_000), Fraction(30)
    context.thread_count, context.max_b_frames, context.gop_size = 1, 0, 60
    context.color_range, context.colorspace = 1, 1
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "26"}
    context.open()
    return context


def build(clip: str, model: str) -> Live:
    """Return the reference program of this work, with encode in line, as the loop has it."""
    from probe.pipeline.live import Live
    from probe.scenario import Scenario

    scenario = Scenario.model_validate(
        {
            "name": "bench",
            "source": {"clip": clip, "loop": False, "policy": "block"},
            "stage": {
                "infer": {"model": model},
                "postprocess": {"kind": "background-blur"},
                "encode": {"place": "before-render"},
                "render": {"sink": "null"},
            },
        }
    )
    return Live(scenario, Path(tempfile.gettempdir()), free=True)


class First:
    """The first `frames` frames of a source."""

    name = "capture"

    def __init__(self, source: Any, frames: int) -> None:
        self.source = source
        self.frames = frames

    def lead(self) -> Any:
        return self.source.lead()

    def run(self, put: Callable[[Any], None], ledger: Any, span: Any, stop: Any) -> None:
        import threading

        enough = threading.Event()
        given = 0

        def count(item: Any) -> None:
            nonlocal given
            put(item)
            given += 1
            if given >= self.frames:
                enough.set()

        self.source.run(count, ledger, span, enough)


def renew(live: Live, frames: int) -> Any:
    """Return a program for another pass: the same stages, the decoder and the encoder afresh."""
    from probe.pipeline import encode as encoding
    from probe.pipeline.capture import ClipSource
    from probe.pipeline.decode import Decode
    from probe.pipeline.encode import Encode
    from probe.pipeline.ledger import Ledger
    from probe.pipeline.render import Nowhere, Render
    from probe.pipeline.upright import Upright

    clip = live.source.clip  # type: ignore[union-attr]
    clip.context.flush_buffers()
    live.ledger = Ledger()
    live.decode = Decode(clip.context, live.ledger, Upright())
    live.render = Render(Nowhere(live.ledger), live.ledger)
    part = live.scenario.stage.encode
    live.encode = Encode(encoding.open_encoder(part, live.picture, Fraction(30)))
    source = ClipSource(clip, fps=None, loop=False, free=True)
    live.source = First(source, frames)  # type: ignore[assignment]
    made = live.program()
    live.source = source
    return made


def serial(program: Any, times: dict[str, float] | None = None) -> None:
    """Run the stages one after the other in this thread, with the spans of the runner."""
    import threading

    import probe
    from probe.pipeline.pacing import Span

    def through(item: Any) -> None:
        items = [item]
        for stage in program.stages:
            following = []
            for one in items:
                begun = time.perf_counter()
                size = one.bytes
                with probe.stage(stage.name, frame=one.frame, queue_ns=0, bytes_in=size) as span:
                    made = stage.work(one)
                    span.bytes_out = sum(result.bytes for result in made)
                following += made
                if times is not None:
                    times[stage.name] = times.get(stage.name, 0.0) + time.perf_counter() - begun
            items = following

    program.source.run(through, program.ledger, Span(0, 2**62), threading.Event())


def once(work: Callable[[], None], frames: int) -> tuple[float, float]:
    """Return frames per second of one pass, and its CPU time in ms a frame."""
    begun, cpu = time.perf_counter(), time.process_time()
    work()
    spent = time.process_time() - cpu
    return frames / (time.perf_counter() - begun), 1000 * spent / frames


def judge(name: str, ratios: list[float], goal: float) -> int:
    """Print one line; returns 1 when the whole interval lies below the goal."""
    found = median_interval(np.array(ratios))
    said = resolved(found, goal, at_most=False)
    between = f"{found.low:.3f} to {found.high:.3f}, " if found else ""
    print(
        f"{name:<16} {np.median(ratios):.3f} of the loop  ({between}{len(ratios)} rounds)  "
        f"goal >= {goal:.3f}: {said.text}"
    )
    return int(said.met is Met.MISSED)


def main() -> int:
    """Take turns and compare; returns 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=150)
    options = parser.parse_args()
    from scenarios import assets

    sys.setswitchinterval(0.0005)
    clip, model = str(assets.path(CLIP)), str(assets.path(MODEL))
    loop, live = Loop(clip, model), build(clip, model)
    frames = options.frames
    times: dict[str, float] = {}
    ready("loop", loop, live, frames)()
    serial(renew(live, frames), times)
    rates: dict[str, list[float]] = {"loop": [], "serial": [], "threads": []}
    cpus: dict[str, list[float]] = {name: [] for name in rates}
    for number in range(options.rounds):
        names = list(rates) if number % 2 == 0 else list(rates)[::-1]
        for name in names:
            rate, cpu = once(ready(name, loop, live, frames), frames)
            rates[name].append(rate)
            cpus[name].append(cpu)
    stages = {name: 1000 * value / frames for name, value in times.items()}
    print("ms a frame:", ", ".join(f"{name} {value:.2f}" for name, value in stages.items()))
    for name, values in rates.items():
        print(
            f"{name:<8} {np.median(values):7.1f} frames/s, {np.median(cpus[name]):.2f} ms CPU "
            f"a frame (medians of {len(values)})"
        )
    goal = min(THREADS_CEILING, THREADS_SHARE * sum(stages.values()) / max(stages.values()))
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}")
    missed = 0
    for name, bound in (("serial", SERIAL_GOAL), ("threads", goal)):
        if name == "threads" and cores < 2:
            print("threads: one core only, nothing can overlap")
            continue
        pairs = zip(rates[name], rates["loop"], strict=True)
        missed += judge(name, [ours / theirs for ours, theirs in pairs], bound)
    return 1 if missed else 0


def ready(name: str, loop: Loop, live: Live, frames: int) -> Callable[[], None]:
    """Return one pass, with all that is opened for it already open."""
    if name == "loop":
        loop.renew()
        return lambda: loop.run(frames)
    program = renew(live, frames)
    return lambda: serial(program) if name == "serial" else _threads(program)


def _threads(program: Any) -> None:
    from probe.pipeline import runner

    runner.SETTLE_NS = 0
    if not program.run(10**15):
        raise SystemExit("a stage failed")


if __name__ == "__main__":
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="bench-pipeline-", dir=memory)
    os.environ["LIVEPROBE_TAPE"] = folder
    try:
        code = main()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(code)
