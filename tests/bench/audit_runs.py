"""Makes Runs of any length for the bench of `audit`: tables written as columns, no tapes.

    python tests/bench/audit_runs.py PATH FRAMES COPIES_A_FRAME

A source at 60 fps goes through eight stages of one server each, with gamma-distributed service
times; 0.4 % of the frames are late in bursts of ten on average, one in 2,000 is dropped. Nothing
here reads a clock: the same arguments give the same tables.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from probe import store
from probe.copies.methods import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from numpy.typing import NDArray

    Times = NDArray[np.int64]

FPS: Final = 60
MS: Final = 10**6
SECOND: Final = 10**9
SERVICE_MS: Final = {
    "capture": 0.15, "decode": 2.6, "preprocess": 1.9, "infer": 10.0,
    "postprocess": 2.4, "stabilise": 1.0, "encode": 4.8, "render": 0.3,
}  # fmt: skip
SPREAD: Final = 0.08
LATE_SHARE: Final = 0.004
BURST: Final = 10
LATE_NS: Final = 35 * MS
LOST_SHARE: Final = 1 / 2_000
GAUGE_NS: Final = 50 * MS
SAMPLE_NS: Final = 250 * MS
CORES: Final = 4
ZONES: Final = 2
PART: Final = 1_000_000
"""Rows a part: of a long table no two parts lie in memory."""
PICTURE_BYTES: Final = 1280 * 720 * 3


def make_runs() -> ModuleType:
    """Import tests/runs/make_runs.py, which stands in no package."""
    file = Path(__file__).resolve().parent.parent / "runs/make_runs.py"
    spec = importlib.util.spec_from_file_location("make_runs", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_runs"] = module
    spec.loader.exec_module(module)
    return module


def make(path: Path, frames: int, copies: int = 0, seed: int = 7) -> Path:
    """Write a Run of so many measured frames, with so many copies a frame, and return it."""
    runs = make_runs()
    conditions = runs.Conditions(seconds=frames / FPS, fps=FPS, seed=seed, refresh_hz=None)
    story = runs.Story(conditions)
    story.facts = {
        "source": {"kind": "clip", "width": 1280, "height": 720, "fps": FPS, "frames": 300},
        "providers": {"asked": ["CPUExecutionProvider"], "got": ["CPUExecutionProvider"]},
        "encode": {"place": "beside-render", "codec": "h264"},
    }
    manifest = runs.manifest_of(story, "live")
    begin = runs.BEGIN_NS
    start = begin + 5 * SECOND
    end = start + frames * SECOND // FPS
    manifest["window"] = {
        "first_ns": begin, "start_ns": start, "end_ns": end, "warmup_ns": 5 * SECOND,
        "drain_ns": manifest["bounds"]["drain_ns"],
    }  # fmt: skip
    manifest["program"] |= {"facts": story.facts, "load_ns": runs.LOAD_NS}
    manifest["tapes"] = {"kept": False, "records": 1, "lost": 0, "torn": 0, "stopped": 0}
    path.mkdir(parents=True)
    flow = Flow(begin, frames + 7 * FPS, seed)
    store.write_table(path, "frames", flow.frames(start, end))
    store.write_table(path, "outputs", flow.outputs(start, end))
    store.write_table(path, "spans", flow.spans())
    store.write_table(path, "samples", flow.samples(seed))
    store.write_table(path, "events", store.empty_table("events"))
    if copies:
        manifest["copies"] = {"mode": "on", "processes": [{"pid": runs.PID, "exe": "python"}]}
        store.write_table(path, "sites", sites(copies))
        store.write_table(path, "copies", flow.copies(copies, start, end))
    store.write_json(path / store.MANIFEST, manifest)
    return path


class Flow:
    """The times of every frame in every stage."""

    def __init__(self, begin: int, count: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.number = np.arange(count)
        self.due = begin + self.number * SECOND // FPS
        self.captured = self.due + rng.gamma(2.0, 20_000, count).astype(np.int64)
        self.lost = rng.random(count) < LOST_SHARE
        self.lost[0] = False
        self.start: dict[str, Times] = {}
        self.end: dict[str, Times] = {}
        self.queue: dict[str, Times] = {}
        came = self.captured
        for stage, usual in SERVICE_MS.items():
            took = (rng.gamma(SPREAD**-2, usual * SPREAD**2, count) * MS).astype(np.int64)
            took[self.lost] = 0
            start, out = served(came, took)
            self.start[stage], self.end[stage], self.queue[stage] = start, out, start - came
            if stage == "encode":
                continue  # beside the way to the display
            came = out
            if stage == "stabilise":
                late = bursts(rng, count)
                came = np.maximum.accumulate(came + np.where(late, LATE_NS, 0))
        self.shown = self.end["render"]

    def frames(self, start: int, end: int) -> pd.DataFrame:
        """Return the table of frames."""
        late = self.shown - self.due > 50 * MS
        fate = np.where(self.lost, "dropped", np.where(late, "late", "on time"))
        out = pd.array(self.shown, dtype="Int64")
        out[self.lost] = pd.NA
        why = pd.array(np.where(self.lost, "decode", None), dtype="string")
        full = pd.array(np.where(self.lost, "decode: queue full", None), dtype="string")
        return pd.DataFrame(
            {
                "frame": self.number, "source_index": self.number % 300,
                "pts_ns": self.due - self.due[0], "scheduled_ns": self.due,
                "captured_ns": self.captured, "delivered_ns": out, "rendered_ns": out,
                "fate": pd.array(fate.astype(object), dtype="string"), "fate_stage": why,
                "fate_reason": full,
                "fate_ns": np.where(self.lost, self.end["capture"], self.shown),
                "block": self.number, "measured": (self.due >= start) & (self.due < end),
            }
        )  # fmt: skip

    def outputs(self, start: int, end: int) -> pd.DataFrame:
        """Return the table of outputs."""
        kept = ~self.lost
        shown = self.shown[kept]
        return pd.DataFrame(
            {
                "output": np.arange(len(shown)), "frame": self.number[kept],
                "delivered_ns": shown, "presented_ns": shown, "repeat": 0,
                "block": np.arange(len(shown)), "measured": (shown >= start) & (shown < end),
            }
        )  # fmt: skip

    def spans(self) -> Iterator[pd.DataFrame]:
        """Yield the table of spans in order of their starts."""
        names = pd.array(list(SERVICE_MS), dtype="string")
        threads = pd.array([f"{name}:{4242 + k}" for k, name in enumerate(SERVICE_MS)], "string")
        begins = np.concatenate([self.start[name] for name in SERVICE_MS])
        order = np.argsort(begins, kind="stable")
        alive = ~self.lost[order % len(self.number)] | (order < len(self.number))
        order = order[alive]  # a lost frame was captured, and no more
        ends = np.concatenate([self.end[name] for name in SERVICE_MS])
        waits = np.concatenate([self.queue[name] for name in SERVICE_MS])
        for first in range(0, len(order), PART):
            rows = order[first : first + PART]
            stage, frame = rows // len(self.number), rows % len(self.number)
            yield pd.DataFrame(
                {
                    "frame": frame, "stage": names.take(stage), "thread": threads.take(stage),
                    "start_ns": begins[rows], "end_ns": ends[rows], "queue_ns": waits[rows],
                    "bytes_in": PICTURE_BYTES, "bytes_out": PICTURE_BYTES, "raised": False,
                }
            )  # fmt: skip

    def samples(self, seed: int) -> pd.DataFrame:
        """Return cores and temperatures at 4 Hz, and the gauge of frames in flight."""
        rng = np.random.default_rng(seed + 1)
        at = np.arange(self.due[0], self.due[-1], SAMPLE_NS)
        warm = 48 + 17 * (1 - np.exp(-(at - at[0]) / (60 * SECOND)))
        tracks = [
            ("cpu.core", str(k), at, np.clip(rng.normal(55 - 9 * k, 8, len(at)), 0, 100))
            for k in range(CORES)
        ]
        tracks += [
            ("thermal.temperature", f"zone{k}", at, warm + k + rng.normal(0, 0.1, len(at)))
            for k in range(ZONES)
        ]
        asked = np.arange(self.due[0], self.due[-1], GAUGE_NS)
        asked += rng.integers(50_000, 400_000, len(asked))
        left = np.where(self.lost, self.end["capture"], self.shown)
        entered = np.searchsorted(np.sort(self.captured), asked, "right")
        swimming = entered - np.searchsorted(np.sort(left), asked, "right")
        tracks.append(("program.in_flight", "", asked, swimming.astype(np.float64)))
        parts = [
            pd.DataFrame({"track": track, "label": label, "t_ns": when, "value": value})
            for track, label, when, value in tracks
        ]
        return pd.concat(parts).sort_values("t_ns", kind="stable", ignore_index=True)

    def copies(self, each: int, start: int, end: int) -> Iterator[pd.DataFrame]:
        """Yield the table of copies: each reads what the one before it of its frame wrote."""
        stages = [name for name in SERVICE_MS if name != "capture"]
        kinds = (Kind.MEMCPY.value, Kind.MEMCPY.value, Kind.CONVERT.value, Kind.MATERIALIZE.value)
        worked, rows = np.flatnonzero(~self.lost), max(1, PART // each)
        for first in range(0, len(worked), rows):
            frame = np.repeat(worked[first : first + rows], each)
            k = np.tile(np.arange(each), len(frame) // each)
            where = k * len(stages) // each
            begin = np.stack([self.start[name] for name in stages])[where, frame]
            row = first * each + np.arange(len(frame))
            kind = np.array(kinds, dtype=object)[k % len(kinds)]
            yield pd.DataFrame(
                {
                    "t_ns": begin + k * 1_000, "frame": frame,
                    "stage": pd.Categorical.from_codes(where, stages),
                    "thread": pd.Categorical.from_codes(where, [f"{name}:1" for name in stages]),
                    "kind": pd.Categorical(kind), "bytes": PICTURE_BYTES >> (k % 3),
                    "duration_ns": 90_000 + 7 * (row % 1_000), "site": k,
                    "method": pd.Categorical.from_codes(np.zeros(len(k), int), ["memcpy"]),
                    "rows": pd.array(np.full(len(k), pd.NA), dtype="Int64"),
                    "domains": pd.Categorical.from_codes(np.zeros(len(k), int), ["cpu>cpu"]),
                    "faults": 0,
                    "source_copy": pd.array(np.where(k > 0, row - 1, -1), "Int64"),
                    "grade": pd.Categorical.from_codes(np.zeros(len(k), int), ["measured"]),
                    "measured": (self.due[frame] >= start) & (self.due[frame] < end),
                }
            )  # fmt: skip


def served(came: Times, took: Times) -> tuple[Times, Times]:
    """Return start and end of work that one server takes in order (Lindley's recursion)."""
    total = np.cumsum(took)
    end = total + np.maximum.accumulate(came - (total - took))
    return end - took, end


def bursts(rng: np.random.Generator, count: int) -> NDArray[np.bool_]:
    """Mark frames in bursts of `BURST` on average that make up `LATE_SHARE` of all."""
    pairs = 2 * round(count * LATE_SHARE / BURST) + 8
    calm = rng.geometric(LATE_SHARE / (1 - LATE_SHARE) / BURST, pairs)
    slow = rng.geometric(1 / BURST, pairs)
    edges = np.cumsum(np.stack([calm, slow], axis=1).ravel())
    return np.searchsorted(edges, np.arange(count), "right") % 2 == 1


def sites(count: int) -> pd.DataFrame:
    """Return the table of sites: a line of Python each."""
    return pd.DataFrame(
        {
            "site": np.arange(count), "file": "/app/pipeline.py", "line": 10 + np.arange(count),
            "function": "step", "module": "/usr/lib/libapp.so", "symbol": "copy",
            "stack": '[["/app/pipeline.py", 10, "step"]]', "end_line": 10 + np.arange(count),
            "column": 4, "end_column": 40,
            "expression": [f"picture_{k}.copy()" for k in range(count)],
        }
    )  # fmt: skip


def frames_for(spans: int) -> int:
    """Return how many measured frames make so many spans."""
    return spans // len(SERVICE_MS)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
