"""Small Runs in memory whose frames wait, repeat, queue or come cold, for cases of audits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe import cases
from probe.cases import BEGIN_NS, DEADLINE_MS, MS, PERIOD_NS
from probe.store import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HELD: Final = ("frames", "outputs", "spans", "samples", "events")


def changed(run: Run, manifest: Mapping[str, Any] | None = None, **tables: Any) -> Run:
    """Return the Run with some tables and manifest entries replaced."""
    kept = {name: run.table(name) for name in HELD if run.has(name)}
    return Run.of({**run.manifest, **(manifest or {})}, {**kept, **tables})


def stated(run: Run, *, load_ms: float | None = None, **facts: Any) -> Run:
    """Return the Run of a program that states facts, and took `load_ms` to its first frame."""
    load_ns = None if load_ms is None else round(load_ms * MS)
    return changed(run, {"program": {**run.manifest["program"], "facts": facts,
                                     "load_ns": load_ns}})  # fmt: skip


def warmed(run: Run, frames: int) -> Run:
    """Return the Run with its first frames as warm-up."""
    start = BEGIN_NS + frames * PERIOD_NS
    table = run.table("frames")
    window = {**run.manifest["window"], "start_ns": start, "warmup_ns": frames * PERIOD_NS}
    measured = table["scheduled_ns"] >= start
    return changed(run, {"window": window}, frames=table.assign(measured=measured))


def repeating(run: Run, again: Mapping[int, int]) -> Run:
    """Return the Run in which the output of frame k is delivered `again[k]` times more.

    One follows the other after a frame period.
    """
    import pandas as pd

    table = run.table("outputs")
    rows = [table]
    for frame, times in again.items():
        shown = table[table["frame"] == frame]
        rows += [
            shown.assign(
                delivered_ns=shown["delivered_ns"] + (n + 1) * PERIOD_NS,
                presented_ns=shown["presented_ns"] + (n + 1) * PERIOD_NS,
            )
            for n in range(times)
        ]
    joined = pd.concat(rows, ignore_index=True).sort_values("delivered_ns", kind="stable")
    return changed(run, outputs=joined.assign(output=range(len(joined))))


def gauged(run: Run, values: Sequence[float], track: str, label: str = "") -> Run:
    """Return the Run with a gauge that was read once each frame period."""
    import pandas as pd

    rows = [
        {"track": track, "label": label, "t_ns": BEGIN_NS + k * PERIOD_NS, "value": value}
        for k, value in enumerate(values)
    ]
    return changed(run, samples=pd.DataFrame(rows))


def served_run(
    work_ms: Sequence[float],
    *,
    servers: int = 1,
    room: int | None = None,
    then_ms: float = 0.0,
    batch: int = 1,
) -> Run:
    """Return a Run of a stage `infer` that works on one frame each 40 ms, `servers` at a time.

    Frames wait their turn: all of them, or at most `room`, of which the oldest is given up for a
    newer one. A stage `postprocess` follows and takes `then_ms`. With a `batch` each execution
    answers so many frames, and its span bears the number of the last.
    """
    import pandas as pd

    free = [BEGIN_NS] * servers
    spans: list[dict[str, Any]] = []
    latencies: list[float | None] = [None] * len(work_ms)
    for k in _served(work_ms, free, room, batch, spans):
        end = spans[-1]["end_ns"]
        out = end + round(then_ms * MS)
        if then_ms:
            spans.append(_span(k, "postprocess", end, out, 0))
        for member in range(k - batch + 1, k + 1):
            latencies[member] = (out - _due(member)) / MS
    return changed(cases.live_run(latencies), spans=pd.DataFrame(spans))


def _served(
    work_ms: Sequence[float],
    free: list[int],
    room: int | None,
    batch: int,
    spans: list[dict[str, Any]],
) -> Iterator[int]:
    """Yield the number of each frame that is worked on, after its span was added."""
    waiting: list[int] = []
    for k in [*range(batch - 1, len(work_ms), batch), None]:
        while waiting and (k is None or max(min(free), _due(waiting[0])) <= _due(k)):
            frame = waiting.pop(0)
            server = free.index(min(free))
            start = max(free[server], _due(frame))
            free[server] = start + round(work_ms[frame] * MS)
            spans.append(_span(frame, "infer", start, free[server], start - _due(frame)))
            yield frame
        if room is not None and len(waiting) == room:
            waiting.pop(0)
        if k is not None:
            waiting.append(k)


def _due(frame: int) -> int:
    return BEGIN_NS + frame * PERIOD_NS


def _span(frame: int, stage: str, start: int, end: int, queue: int) -> dict[str, Any]:
    return {"frame": frame, "stage": stage, "thread": f"{stage}:1", "start_ns": start,
            "end_ns": end, "queue_ns": queue}  # fmt: skip


def in_a_row(work_ms: Mapping[str, float], frames: int = 120, *, own: bool = False) -> Run:
    """Return a Run whose stages work on each frame one after the other, against 200 ms.

    They do so on one thread, which takes each frame in turn and keeps all; or on `own` threads,
    one each.
    """
    import pandas as pd

    free = dict.fromkeys(work_ms if own else [""], BEGIN_NS)
    spans: list[dict[str, Any]] = []
    latencies: list[float | None] = []
    for k in range(frames):
        at = _due(k)
        for stage, took in work_ms.items():
            thread = stage if own else ""
            start = max(at, free[thread])
            free[thread] = at = start + round(took * MS)
            spans.append({**_span(k, stage, start, at, 0), "thread": thread or "main:1"})
        latencies.append((at - _due(k)) / MS)
    return late_by(changed(cases.live_run(latencies), spans=pd.DataFrame(spans)), 200.0)


def held_up(run: Run) -> Run:
    """Return the Run in which frames wait at the source, not in a queue: half of each wait."""
    frames, spans = run.table("frames"), run.table("spans")
    half = spans.set_index("frame")["queue_ns"] // 2
    later = frames["captured_ns"] + frames["frame"].map(half).fillna(0).astype("Int64")
    return changed(
        run,
        frames=frames.assign(captured_ns=later),
        spans=spans.assign(queue_ns=spans["queue_ns"] - spans["queue_ns"] // 2),
    )


def cut_short(run: Run) -> Run:
    """Return the Run as one that was interrupted at the end of its window."""
    ended = {"outcome": "interrupted", "ended_ns": run.manifest["window"]["end_ns"]}
    program = {**run.manifest["program"], **ended}
    return changed(run, {"state": "interrupted", "program": program})


def late_by(run: Run, deadline_ms: float = DEADLINE_MS) -> Run:
    """Return the Run judged against another deadline; fates stay."""
    return changed(run, {"deadline_ns": round(deadline_ms * MS)})


def on_display(run: Run, hertz: float) -> Run:
    """Return the Run with each output shown at the first refresh after its delivery."""
    frames, outputs = run.table("frames"), run.table("outputs")
    refresh = 1e9 / hertz

    def shown(delivered: Any) -> Any:  # noqa: ANN401 - a column
        return ((delivered // refresh + 1) * refresh).astype("Int64")

    later = changed(
        run,
        frames=frames.assign(rendered_ns=shown(frames["delivered_ns"])),
        outputs=outputs.assign(presented_ns=shown(outputs["delivered_ns"])),
    )
    return stated(later, display={"refresh_hz": hertz, "phase_ns": 0})
