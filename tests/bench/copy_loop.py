"""The loop that hidden copies are measured on: decode, to_ndarray, crop, transpose, astype, infer.

    python tests/bench/copy_loop.py --frames 60 [--clip CLIP] [--model MODEL]

Prints one JSON line: CPU and wall time per frame (the median over frames, after ten to warm up; of
wall time the p99, too), and the bytes that one frame moves, by hand: the conversion to RGB, the
crop made contiguous, the transpose made contiguous, the widening to float32. Says stages and frames
when liveprobe listens.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime as ort

import probe

ASSETS = Path(__file__).resolve().parents[2] / "scenarios" / "assets"
WARM = 10


class Loop:
    """One decoder, one model, and the bytes that each step moved."""

    def __init__(self, clip: str, model: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        entry = self.session.get_inputs()[0]
        self.name, (_, _, self.height, self.width) = entry.name, entry.shape
        self.container = av.open(clip)
        self.container.streams.video[0].codec_context.thread_count = 1

    def frame(self, k: int, picture: Any) -> dict[str, int]:
        """Work through one picture; return the bytes that each step wrote, by its shapes."""
        with probe.stage("convert", frame=k):
            rgb = picture.to_ndarray(format="rgb24")
        with probe.stage("preprocess", frame=k):
            crop = np.ascontiguousarray(rgb[64 : 64 + self.height, 128 : 128 + self.width])
            planes = np.ascontiguousarray(crop.transpose(2, 0, 1))
            tensor = planes.astype(np.float32)
            tensor /= 255.0
        with probe.stage("infer", frame=k):
            self.session.run(None, {self.name: tensor[None]})
        return {
            "to_rgb": rgb.nbytes,
            "crop": crop.nbytes,
            "transpose": planes.nbytes,
            "astype": tensor.nbytes,
        }


def main() -> None:
    """Run, and print the line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--clip", default=str(ASSETS / "people_720p30.mp4"))
    parser.add_argument("--model", default=str(ASSETS / "segmenter_fp32.onnx"))
    options = parser.parse_args()
    loop = Loop(options.clip, options.model)
    cpu: list[float] = []
    wall: list[float] = []
    moved: dict[str, int] = {}
    for k, picture in enumerate(loop.container.decode(video=0)):
        if k >= options.frames + WARM:
            break
        probe.frame(k)
        before = time.process_time_ns(), time.perf_counter_ns()
        moved = loop.frame(k, picture)
        cpu.append((time.process_time_ns() - before[0]) / 1e6)
        wall.append((time.perf_counter_ns() - before[1]) / 1e6)
        probe.mark("delivered", frame=k)
    said = {
        "frames": len(cpu) - WARM,
        "cpu_ms": statistics.median(cpu[WARM:]),
        "wall_ms": statistics.median(wall[WARM:]),
        "wall_p99_ms": sorted(wall[WARM:])[max(0, math.ceil(0.99 * len(wall[WARM:])) - 1)],
        "moved": moved,
        "moved_bytes": sum(moved.values()),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
