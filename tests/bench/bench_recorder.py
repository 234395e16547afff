"""What does one record cost: in a tight loop, and in a real frame loop with cold caches?

    python tests/bench/bench_recorder.py [--clip CLIP] [--frames N] [--json FILE]

The frame loop decodes a clip, resizes it and runs a model on it; after each frame, nine spans are
recorded by one of the variants, which take turns frame by frame, so that the machine's noise falls
on all alike. The time around the nine is taken, its median over the frames is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOME = Path(__file__).resolve().parents[2]
BUILT_IN_CLIP = HOME / "scenarios" / "assets" / "people_720p30.mp4"
BUILT_IN_MODEL = HOME / "scenarios" / "assets" / "segmenter_fp32.onnx"
SPANS = 9
STAGES = [f"stage {n}" for n in range(SPANS)]
TIGHT_CALLS = 30_000
SLOW_CALLS = 2_000
TIGHT_REPEATS = 25
TITLES = {
    "tight_ns": "One span in a tight loop, CPU ns",
    "frame_us": "Nine spans in a real frame loop, µs",
}
GOALS = {
    ("silent", "tight_ns"): 300,
    ("recorder in C", "tight_ns"): 800,
    ("recorder in C", "frame_us"): 60,
}


def recorder(choice: str, folder: str) -> Callable[..., Any]:
    """Return `stage` of one recorder, chosen when `probe` is imported; silent without a folder."""
    for name in [name for name in sys.modules if name.split(".")[0] == "probe"]:
        del sys.modules[name]
    os.environ |= {"LIVEPROBE_TAPE": folder, "LIVEPROBE_RECORDER": choice}
    import probe

    stage: Callable[..., Any] = probe.stage
    return stage


def silent_in_c(folder: str) -> Callable[..., Any]:
    """Return `stage` of a C recorder that is not connected: a copy, for ours will be."""
    from importlib.util import find_spec, module_from_spec, spec_from_file_location

    found = find_spec("probe.recorder._pen")
    if found is None or found.origin is None:
        raise SystemExit("the C recorder is not built: pip install -e . where a C compiler is")
    copy = shutil.copy(found.origin, folder)
    spec = spec_from_file_location("silent._pen", copy)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{copy} cannot be loaded")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    stage: Callable[..., Any] = module.stage
    return stage


def with_stage(stage: Callable[..., Any]) -> Callable[[int], None]:
    def spans(k: int) -> None:
        for name in STAGES:
            with stage(name, frame=k):
                pass

    return spans


def clock_reads() -> Callable[[int], None]:
    clock = time.perf_counter_ns

    def spans(_: int) -> None:
        for _name in STAGES:
            clock()
            clock()

    return spans


def viztracer_events() -> Callable[[int], None]:
    from viztracer import VizTracer

    tracer = VizTracer(verbose=0)
    sys.setprofile(None)  # it would trace every function of every variant; events need it not

    def spans(_: int) -> None:
        for name in STAGES:
            with tracer.log_event(name):
                pass

    return spans


def opentelemetry_spans() -> Callable[[int], None]:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    tracer = provider.get_tracer("bench")

    def spans(k: int) -> None:
        for name in STAGES:
            with tracer.start_as_current_span(name) as span:
                span.set_attribute("frame", k)

    return spans


def perfetto_packets() -> Callable[[int], None]:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent
    from perfetto.trace_builder.proto_builder import TraceProtoBuilder

    builder = TraceProtoBuilder()

    def packet(kind: int, name: str | None) -> None:
        one = builder.add_packet()
        one.timestamp = time.perf_counter_ns()
        one.track_event.type = kind
        one.track_event.track_uuid = 1
        one.trusted_packet_sequence_id = 1
        if name is not None:
            one.track_event.name = name

    def spans(_: int) -> None:
        for name in STAGES:
            packet(TrackEvent.TYPE_SLICE_BEGIN, name)
            packet(TrackEvent.TYPE_SLICE_END, None)

    return spans


OTHERS = {
    "VizTracer log_event": viztracer_events,
    "Perfetto TraceProtoBuilder": perfetto_packets,
    "OpenTelemetry SDK span": opentelemetry_spans,
}


def variants(folder: str) -> dict[str, Callable[[int], None]]:
    """Return what is compared; a package that is not installed is left out, and said."""
    made = {
        "two clock reads": clock_reads(),
        "silent": with_stage(silent_in_c(folder)),
        "silent, without C": with_stage(recorder("python", "")),
        "recorder in C": with_stage(recorder("c", folder)),
        "recorder in Python": with_stage(recorder("python", folder)),
    }
    for name, make in OTHERS.items():
        try:
            made[name] = make()
        except ImportError as error:
            print(f"left out: {name} ({error})", file=sys.stderr)
    return made


def tight_once_ns(spans: Callable[[int], None], calls: int) -> float:
    """Return the CPU time of this thread for one span, the loop's own taken off."""
    rounds = max(1, calls // SPANS)
    began = time.thread_time_ns()
    for k in range(rounds):
        spans(k)
    spent = time.thread_time_ns() - began
    began = time.thread_time_ns()
    for _k in range(rounds):
        for _name in STAGES:
            pass
    return (spent - (time.thread_time_ns() - began)) / (rounds * SPANS)


def in_tight_loops_ns(compared: dict[str, Callable[[int], None]]) -> dict[str, list[float]]:
    """Return CPU ns for one span of each variant, in turn."""
    times: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(TIGHT_REPEATS):
        for name, spans in compared.items():
            times[name].append(tight_once_ns(spans, SLOW_CALLS if name in OTHERS else TIGHT_CALLS))
    return times


def pictures(clip: Path) -> Iterator[np.ndarray]:
    """Decode a clip for ever on one thread: RGB, [240, 320, 3], uint8."""
    import av

    while True:
        with av.open(str(clip)) as container:
            container.streams.video[0].thread_type = "NONE"
            for picture in container.decode(video=0):
                small = picture.reformat(width=320, height=240, format="rgb24")
                yield small.to_ndarray()


def work() -> Callable[[np.ndarray], object]:
    """Return what a frame costs besides: the built-in model if it is here, else a convolution."""
    if not BUILT_IN_MODEL.is_file():
        kernel = np.random.default_rng(0).random((75, 32), np.float32)

        def convolve(picture: np.ndarray) -> object:
            windows = np.lib.stride_tricks.sliding_window_view(
                picture.astype(np.float32), (5, 5, 3)
            )
            return windows[::2, ::2].reshape(-1, 75) @ kernel

        return convolve
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(BUILT_IN_MODEL), options, providers=["CPUExecutionProvider"]
    )
    declared = session.get_inputs()[0]
    shape = [size if isinstance(size, int) else 1 for size in declared.shape]
    count = int(np.prod(shape))

    def infer(picture: np.ndarray) -> object:
        flat = np.resize(picture.astype(np.float32) / 255, count).reshape(shape)
        return session.run(None, {declared.name: flat})

    return infer


def in_frames_us(
    compared: dict[str, Callable[[int], None]], clip: Path, frames: int
) -> dict[str, list[float]]:
    """Return the µs around nine spans of each variant, a frame each in turn."""
    process, source = work(), pictures(clip)
    names = list(compared)
    times: dict[str, list[float]] = {name: [] for name in names}
    for k in range(frames * len(names)):
        process(next(source))
        name = names[(k + k // len(names)) % len(names)]
        began = time.perf_counter_ns()
        compared[name](k)
        times[name].append((time.perf_counter_ns() - began) / 1e3)
    return times


def report(results: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, object]]:
    """Print the table; return its figures."""
    from probe.statistics.goals import median_interval, resolved  # `recorder` drops what it imports

    figures: dict[str, dict[str, object]] = {}
    for measure, title in TITLES.items():
        print(f"\n{title}\n{'':28}{'median':>9}{'95 % interval':>20}")
        for name, times in results[measure].items():
            found, median = median_interval(np.array(times)), statistics.median(times)
            low, high = (found.low, found.high) if found else (None, None)
            bound = GOALS.get((name, measure))
            said = "" if bound is None else f"goal {bound}: {resolved(found, bound).text}"
            between = f"{low:11.1f}{high:9.1f}" if found else f"{'too few frames':>20}"
            print(f"{name:28}{median:9.1f}{between}   {said}")
            figures.setdefault(name, {})[measure] = {
                "median": median, "low": low, "high": high, "n": len(times), "verdict": said,
            }  # fmt: skip
    return figures


def main() -> None:
    """Measure, print the tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    folder = os.environ.get("LIVEPROBE_DATA")
    clips = sorted(Path(folder).glob("*.mp4")) if folder else []
    parser.add_argument("--clip", type=Path, default=clips[0] if clips else BUILT_IN_CLIP)
    parser.add_argument("--frames", type=int, default=120, help="frames for each variant")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    asked = parser.parse_args()
    memory = Path("/dev/shm")  # noqa: S108 - tapes lie in memory where they can
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as tapes:
        compared = variants(tapes)
        results = {
            "frame_us": in_frames_us(compared, asked.clip, asked.frames),
            "tight_ns": in_tight_loops_ns(compared),
        }
    figures = report(results)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
