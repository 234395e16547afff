"""Small Runs with copies in memory, for the worked cases of audits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe import cases
from probe.copies.methods import Kind
from probe.store import Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FRAME_BYTES: Final = 1280 * 720 * 3 // 2
"""Decoded bytes of a frame of these Runs: yuv420p, 1280 x 720."""
FRAMES: Final = 20
FILE: Final = "/app/program.py"
_STAGES: Final = ("decode", "preprocess", "infer", "render")


class Copied(NamedTuple):
    """One copy that every frame makes (or each `every`th); the fields are those of the tables.

    `reads` is the place in the list of the copy whose bytes this one reads.
    """

    stage: str
    bytes: int
    line: int | None = 1
    expression: str = "picture.copy()"
    kind: str = Kind.MEMCPY.value
    method: str = "memcpy"
    detail: str | None = None
    reads: int | None = None
    ms: float = 0.2
    geometry: tuple[int, int, int, int] | None = None
    domains: str = "cpu>cpu"
    faults: int | None = 0
    stack: tuple[tuple[str, int, str], ...] = ()
    every: int = 1
    module: str = "/lib/libc.so.6"


def copying_run(
    *copies: Copied,
    mode: str = "live",
    frames: int = FRAMES,
    decoded: int | None = FRAME_BYTES,
    attributed: bool = True,
    background: Copied | None = None,
    blind: tuple[str, str] | None = None,
    traced: bool = True,
) -> Run:
    """Return a Run in which each frame makes these copies, all measured.

    `mode` "generate" makes one request of as many outputs; "command" is a black box: no spans, no
    stages, frames inferred. `decoded` is what stage decode says that it gave. `attributed` False:
    no copy could be attributed. `background` is a copy made before the first frame, which every
    copy without `reads` reads. `blind` names a process that could not be looked into, and why;
    `traced` False: nor any other.
    """
    import pandas as pd

    base = _of_mode(mode, frames, decoded)
    inferred = mode == "command"
    rows: list[dict[str, Any]] = []
    every = copies if background is None else (background, *copies)
    if background is not None:
        rows.append(_row(background, 0, cases.BEGIN_NS - cases.PERIOD_NS, measured=False))
    for k in range(frames):
        written: dict[int, int] = {}
        for number, copied in enumerate(copies):
            if k % copied.every:
                continue
            written[number] = len(rows)
            at = cases.BEGIN_NS + k * cases.PERIOD_NS + number * cases.MS
            row = _row(copied, number + (background is not None), at, measured=True)
            if attributed:
                row |= {"frame": 0 if mode == "generate" else k}
                row |= {"stage": None if inferred else copied.stage}
            if background is not None and copied.reads is None:
                row["source_copy"] = 0
            elif copied.reads is not None:
                row["source_copy"] = written.get(copied.reads)
            rows.append(row | {"grade": "inferred" if inferred else "measured"})
    manifest = dict(base.manifest, copies=_summary(traced=traced))
    facts = {"blind": [{"pid": 9, "exe": blind[0], "why": blind[1]}] if blind else []}
    manifest["collectors"] = [{"name": "copies", "outcome": "ok", "facts": facts}]
    tables = {name: base.table(name) for name in ("frames", "outputs", "spans")}
    tables |= {"copies": pd.DataFrame(rows), "sites": pd.DataFrame(_sites(every))}
    return Run.of(manifest, tables)


def _of_mode(mode: str, frames: int, decoded: int | None) -> Run:
    if mode == "generate":
        return cases.generating_run(blocks=1, size=frames)
    if mode == "command":
        return cases.silent_run()
    run = cases.live_run([20.0] * frames, work_ms={name: [1.0] * frames for name in _STAGES})
    spans = run.table("spans")
    spans.loc[spans["stage"] == "decode", "bytes_out"] = decoded
    return run


def _row(copied: Copied, site: int, at: int, *, measured: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "t_ns": at, "thread": "main:1", "kind": copied.kind, "bytes": copied.bytes,
        "duration_ns": round(copied.ms * cases.MS), "site": site, "method": copied.method,
        "detail": copied.detail, "domains": copied.domains, "faults": copied.faults,
        "frame": None, "stage": None, "source_copy": None, "measured": measured,
    }  # fmt: skip
    if copied.geometry:
        names = ("rows", "row_bytes", "destination_stride", "source_stride")
        row |= dict(zip(names, copied.geometry, strict=True))
    return row


def _sites(copies: Sequence[Copied]) -> list[dict[str, Any]]:
    return [
        {
            "site": number, "file": FILE if copied.line else None, "line": copied.line,
            "function": "work" if copied.line else None,
            "module": copied.module, "symbol": copied.method,
            "expression": copied.expression if copied.line else None,
            "stack": json.dumps([*copied.stack, (FILE, copied.line, "work")]),
        }
        for number, copied in enumerate(copies)
    ]  # fmt: skip


def _summary(*, traced: bool) -> Mapping[str, Any]:
    process = {"pid": 7, "exe": "/usr/bin/python3", "lost": 0, "stopped": False, "hooks": []}
    return {"mode": "on", "threshold_bytes": 16384, "processes": [process] if traced else []}
