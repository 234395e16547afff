"""Gives a made Run a copy ledger whose sums are known: the same copies in every frame.

Numbers are of a 720p pipeline: a picture of yuv420p has 1,382,400 bytes, one of rgb24 2,764,800.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from probe.store import Run

PICTURE: Final = 1280 * 720 * 3 // 2
RGB: Final = 1280 * 720 * 3
TENSOR: Final = 256 * 256 * 3 * 4
CROP: Final = 720 * 720 * 3


class Copy(NamedTuple):
    """A copy that every frame makes; `source` counts from 0 among the copies of its frame."""

    stage: str | None
    site: int
    kind: str
    method: str
    bytes: int
    duration_ns: int
    source: int | None = None
    detail: str | None = None
    rows: int | None = None
    row_bytes: int | None = None
    destination_stride: int | None = None
    source_stride: int | None = None
    domains: str = "cpu>cpu"
    every: int = 1
    grade: str = "measured"


LIVE: Final = (
    Copy("decode", 1, "convert", "sws_scale_frame", RGB, 1_620_000, detail="yuv420p > rgb24"),
    Copy("preprocess", 2, "memcpy", "memcpy", CROP, 310_000, 0,
         rows=720, row_bytes=2160, destination_stride=2160, source_stride=3840),
    Copy("preprocess", 3, "convert", "ndarray.astype", TENSOR, 1_340_000,
         detail="uint8 > float32; (3, 256, 256) from (256, 256, 3)"),
    Copy("infer", 4, "materialize", "numpy.ascontiguousarray", TENSOR, 250_000, 2),
    Copy("postprocess", 5, "memcpy", "memmove", RGB, 520_000, 0),
    Copy("postprocess", 6, "memcpy", "memcpy", RGB, 500_000, 4),
    Copy("render", 7, "materialize", "ndarray.copy", RGB, 2_100_000, 5),
    Copy("render", 8, "transfer", "write", RGB, 700_000, 6, domains="cpu>kernel"),
    Copy(None, 9, "memcpy", "memcpy", 65_536, 20_000, every=2),
)  # fmt: skip
"""The copy of no stage happens in every second frame."""
GENERATE: Final = (
    Copy("infer", 3, "convert", "ndarray.astype", TENSOR, 300_000, detail="float16 > float32"),
    Copy("encode", 10, "convert", "sws_scale_frame", PICTURE, 900_000, detail="rgb24 > yuv420p"),
    Copy("encode", 6, "memcpy", "memcpy", RGB, 500_000),
)
SITES: Final = (
    (1, "app/decode.py", 33, "read", 'frame.to_ndarray(format="rgb24")', "libswscale.so.9",
     "sws_scale_frame"),
    (2, "app/preprocess.py", 27, "crop", "rgb[:, 280:1000].copy()", "_multiarray.so", ""),
    (3, "app/preprocess.py", 41, "tensor", "x.transpose(2, 0, 1).astype(np.float32)",
     "_multiarray.so", ""),
    (4, "app/infer.py", 58, "Session.run", "np.ascontiguousarray(batch[::1])", "", ""),
    (5, "app/postprocess.py", 71, "blend", "self.background[:] = rgb", "", ""),
    (6, "app/postprocess.py", 88, "<module>", "out = background.copy()", "", ""),
    (7, "app/render.py", 52, "show", "picture.copy()", "", ""),
    (8, None, None, None, None, "/usr/lib/libc.so.6", "write"),
    (9, None, None, None, None, "/usr/lib/libavcodec.so.61", "ff_thread_decode_frame"),
    (10, "app/encode.py", 12, "encode", 'frame.reformat(format="yuv420p")', "", ""),
)  # fmt: skip
OPS: Final = (
    ("conv1_reorder", "ReorderInput", 786_432, 210),
    ("mask_reorder", "ReorderOutput", 262_144, 90),
    ("conv1", "Conv", 4_194_304, 9_000),
)
"""Node, operator, bytes, microseconds: of one inference."""
BUFFERS: Final = (
    ("decode", RGB, "convert"), ("preprocess", CROP, "rows"), ("preprocess", TENSOR, "convert"),
    ("infer", 4_194_304, "unknown"), ("postprocess", RGB, "memcpy"), ("render", RGB, "materialize"),
    ("render", RGB, "untouched"),
)  # fmt: skip
WRITES: Final = (
    ("decode", 2_768_896, 2_764_800, 0), ("preprocess", 2_543_616, 2_341_632, 0),
    ("infer", 5_242_880, 786_432, 409_600),
)  # fmt: skip
"""Stage, bytes of written pages, bytes that copies explain, unsure ones: of one look."""
SUMMARY: Final[dict[str, Any]] = {
    "mode": "on",
    "threshold_bytes": 16_384,
    "processes": [
        {
            "pid": 4242, "exe": "/home/eve/bin/python3.11", "threads": 7, "copies": 9_000,
            "bytes": 20 * 10**9, "small_copies": 812_004, "small_bytes": 20_100_000, "rows": 1,
            "lost": 0, "passed_unseen": 0, "untracked_buffers": 0, "stopped": False,
            "python": {"version": "3.11.9", "frames": "own", "why": ""}, "hooks": [], "notes": [],
        }
    ],
    "nested_copies": 0, "unattributed_copies": 450, "unattributed_bytes": 29_491_200,
}  # fmt: skip


def copied(
    run: Run,
    plan: tuple[Copy, ...] = LIVE,
    *,
    deep: bool = False,
    every: int = 60,
    summary: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Run:
    """Return a copy of the Run in memory in which each frame made the copies of `plan`.

    `summary` changes parts of the manifest's, `facts` adds the collector's. In a generating Run
    each measured output is made with the copies.
    """
    tables = {name: run.table(name) for name in ("frames", "outputs", "spans", "samples", "events")}
    starts, ends, measured = _times(run)
    spans = tables["spans"].copy()
    spans.loc[spans["stage"] == "decode", "bytes_out"] = PICTURE
    rows: list[dict[str, Any]] = []
    first: dict[tuple[int, int], int] = {}
    for frame in starts:
        for k, copy in enumerate(plan):
            if frame % copy.every:
                continue
            start, end = starts[frame].get(copy.stage or ""), ends[frame]
            if start is None:
                start = end
            first[frame, k] = len(rows)
            rows.append(_row(copy, frame, start + 1000 * (k + 1), measured[frame], k, first))
    table = pd.DataFrame(rows)
    order = np.argsort(table["t_ns"].to_numpy(), kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    table["source_copy"] = [None if pd.isna(k) else place[int(k)] for k in table["source_copy"]]
    table = table.iloc[order].reset_index(drop=True)
    manifest = {**run.manifest, "copies": {**SUMMARY, **(summary or {})}}
    if facts is not None:
        manifest["collectors"] = [*run.manifest["collectors"], _collector(facts)]
    names = ("site", "file", "line", "function", "expression", "module", "symbol")
    more = {
        "spans": spans,
        "copies": table,
        "sites": pd.DataFrame([dict(zip(names, site, strict=True)) for site in SITES]),
        "buffers": _buffers(measured),
        "ops": _ops(),
    }
    if deep:
        manifest["copies"] = {**manifest["copies"], "mode": "deep"}
        more["writes"] = _writes(measured, every)
    return Run.of(manifest, {**tables, **more})


def _times(run: Run) -> tuple[dict[int, dict[str, int]], dict[int, int], dict[int, bool]]:
    """Return by frame (of a generating Run: by output): starts of stages, an end, measured."""
    if run.manifest["mode"] == "generate":
        outputs = run.table("outputs")
        keys = [int(key) for key in outputs["output"]]
        times = [int(value) for value in outputs["delivered_ns"]]
        flags = [bool(value) for value in outputs["measured"]]
        at = dict(zip(keys, times, strict=True))
        return {key: {} for key in keys}, at, dict(zip(keys, flags, strict=True))
    frames, spans = run.table("frames"), run.table("spans")
    measured = {
        int(number): bool(flag)
        for number, flag in zip(
            frames["frame"], frames["measured"].fillna(value=False), strict=True
        )
    }
    starts: dict[int, dict[str, int]] = {number: {} for number in measured}
    ends = dict.fromkeys(measured, 0)
    rows = spans[["frame", "stage", "start_ns", "end_ns"]].itertuples(index=False, name=None)
    for frame, stage, start, end in rows:
        starts[int(frame)][str(stage)] = int(start)
        ends[int(frame)] = max(ends[int(frame)], int(end))
    worked = [number for number in measured if starts[number]]
    return {k: starts[k] for k in worked}, ends, measured


def _row(
    copy: Copy, frame: int, t_ns: int, measured: bool, k: int, first: Mapping[tuple[int, int], int]
) -> dict[str, Any]:
    said = copy._asdict()
    source = said.pop("source")
    said.pop("every")
    thread = f"{copy.stage or 'pool'}:{5000 + k}"
    more = {"t_ns": t_ns, "thread": thread, "faults": 0, "measured": measured}
    more["frame"] = None if copy.stage is None else frame
    more["source_copy"] = None if source is None else first[frame, source]
    return {**said, **more}


def _buffers(measured: Mapping[int, bool]) -> pd.DataFrame:
    rows = [
        {"t_ns": frame, "frame": frame, "stage": stage, "bytes": size, "filled": filled,
         "measured": flag}
        for frame, flag in measured.items()
        for stage, size, filled in BUFFERS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _writes(measured: Mapping[int, bool], every: int) -> pd.DataFrame:
    rows = [
        {"frame": frame, "stage": stage, "start_ns": frame, "end_ns": frame + 1,
         "written_bytes": written, "explained_bytes": explained, "uncertain_bytes": unsure,
         "beside": "", "measured": flag}
        for frame, flag in measured.items()
        if frame % every == 0
        for stage, written, explained, unsure in WRITES
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _ops(runs: int = 5) -> pd.DataFrame:
    rows = [
        {"node": node, "op": op, "provider": "CPUExecutionProvider", "start_ns": 0,
         "end_ns": us * 1000, "output_bytes": size}
        for _ in range(runs)
        for node, op, size, us in OPS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _collector(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": "copies", "outcome": "ok", "reason": None, "remedy": None, "samples": 0,
        "tracks": [], "period_ns": 10**9, "sensitive": False, "calls": 1, "cpu_ns": 0,
        "wall_ns": 0, "slowest_ns": 0, "facts": dict(facts),
    }  # fmt: skip
