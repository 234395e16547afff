"""Small Runs in memory, for the worked cases of audits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from probe.store import Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MS: Final = 10**6
BEGIN_NS: Final = 100 * 10**9
PERIOD_NS: Final = 40 * MS
DEADLINE_MS: Final = 50


def live_run(
    latencies_ms: Sequence[float | None],
    *,
    lost: Mapping[int, str] | None = None,
    work_ms: Mapping[str, Sequence[float]] | None = None,
    results: Mapping[int, Any] | None = None,
    expect: Sequence[Mapping[str, Any]] = (),
) -> Run:
    """Return a Run of one frame each 40 ms, all measured, against a deadline of 50 ms.

    `latencies_ms[k]` is how long after its scheduled time frame k was delivered and shown, None
    for a frame that never was; `lost` gives its fate, "dropped" at infer where it gives none.
    `work_ms` is the time in each stage, frame by frame; `results` what an output says of its
    picture; `expect` the scenario's expectations.
    """
    frames: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    for k, latency in enumerate(latencies_ms):
        due = BEGIN_NS + k * PERIOD_NS
        shown = None if latency is None else due + round(latency * MS)
        fate = "on time" if latency is not None and latency <= DEADLINE_MS else "late"
        fate = (lost or {}).get(k, "dropped" if latency is None else fate)
        frames.append(
            {
                "frame": k, "source_index": k, "scheduled_ns": due, "captured_ns": due,
                "delivered_ns": shown, "rendered_ns": shown, "fate": fate,
                "fate_stage": "infer" if fate == "dropped" else None,
                "fate_reason": "infer: queue full" if fate == "dropped" else None,
                "measured": True,
            }
        )  # fmt: skip
        if shown is not None:
            result = (results or {}).get(k)
            text = result if result is None or isinstance(result, str) else json.dumps(result)
            outputs.append(
                {"output": len(outputs), "frame": k, "delivered_ns": shown, "presented_ns": shown,
                 "measured": True, "result": text}
            )  # fmt: skip
    return _run(frames, outputs, _spans(work_ms or {}), periods=len(latencies_ms), expect=expect)


def generating_run(blocks: int = 4, size: int = 12) -> Run:
    """Return a Run without a live input: one request, answered in blocks of outputs."""
    outputs = [
        {"output": n, "request": 0, "delivered_ns": BEGIN_NS + (n // size + 1) * 300 * MS + n,
         "presented_ns": None, "measured": True}
        for n in range(blocks * size)
    ]  # fmt: skip
    return _run([], outputs, [], periods=50, mode="generate")


def silent_run() -> Run:
    """Return the Run of a command that said nothing."""
    return _run([], [], [], periods=50, mode="command")


def _spans(work_ms: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    spans = []
    count = max((len(times) for times in work_ms.values()), default=0)
    for k in range(count):
        at = BEGIN_NS + k * PERIOD_NS
        for stage, times in work_ms.items():
            end = at + round(times[k] * MS)
            spans.append(
                {"frame": k, "stage": stage, "thread": f"{stage}:1", "start_ns": at,
                 "end_ns": end, "queue_ns": 0}
            )  # fmt: skip
            at = end
    return spans


def _run(
    frames: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
    spans: list[dict[str, Any]],
    *,
    periods: int,
    expect: Sequence[Mapping[str, Any]] = (),
    mode: str = "live",
) -> Run:
    import pandas as pd

    end = BEGIN_NS + periods * PERIOD_NS
    window = {
        "first_ns": BEGIN_NS, "start_ns": BEGIN_NS, "end_ns": end, "warmup_ns": 0,
        "drain_ns": 2 * 10**9,
    }  # fmt: skip
    manifest = {
        "schema": 1, "id": "case", "state": "complete", "mode": mode, "window": window,
        "deadline_ns": DEADLINE_MS * MS,
        "scenario": {"resolved": {"expect": [dict(each) for each in expect],
                                  "generate": {"fps": 25.0}}},
        "program": {"outcome": "ended", "ended_ns": end + 2 * 10**9, "facts": {}},
    }  # fmt: skip
    made = {"frames": frames, "outputs": outputs, "spans": spans}
    return Run.of(manifest, {name: pd.DataFrame(rows) for name, rows in made.items()})
