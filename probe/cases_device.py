"""Small Runs in memory that state more: facts, clocks, sensors, operators, a device's inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe import cases
from probe.store import TABLES, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECOND: Final = 10**9
GAUGE_NS: Final = 50 * cases.MS
_UNITS: Final = {"thermal": "celsius", "power": "watts", "npu": "percent"}


def stating(run: Run, facts: Mapping[str, Any], **manifest: Any) -> Run:
    """Return the Run with these facts of its program, and with entries of its manifest replaced."""
    program = dict(run.manifest["program"])
    program["facts"] = {**program["facts"], **facts}
    return _changed(run, {**run.manifest, "program": program, **manifest}, {})


def holding(run: Run, table: str, rows: Sequence[Mapping[str, Any]]) -> Run:
    """Return the Run with these rows as its table."""
    return _changed(run, run.manifest, {table: rows})


def rows_of(run: Run, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table, to be changed and held again."""
    return [
        {str(key): value for key, value in row.items()}
        for row in run.table(table).to_dict("records")
    ]


def closed_loop(frames: int = 60, service_ms: float = 12.0) -> Run:
    """Return a Run whose frames are each due 10 us after the answer to the one before."""
    step = round(service_ms * cases.MS)
    run = cases.live_run([service_ms] * frames)
    rows, outputs = rows_of(run, "frames"), rows_of(run, "outputs")
    for k, (row, output) in enumerate(zip(rows, outputs, strict=True)):
        due = cases.BEGIN_NS + k * (step + 10_000)
        row |= {"scheduled_ns": due, "captured_ns": due, "pts_ns": k * cases.PERIOD_NS}
        row |= {"delivered_ns": due + step, "rendered_ns": due + step}
        output |= {"delivered_ns": due + step, "presented_ns": due + step}
    return holding(holding(run, "frames", rows), "outputs", outputs)


def gauged_run(factor: float, frames: int = 400) -> Run:
    """Return a Run with a gauge of frames in flight that reads `factor` times what is true."""
    latency = round(130 * cases.MS)
    run = cases.live_run([130.0] * frames)
    end = cases.BEGIN_NS + frames * cases.PERIOD_NS
    rows = []
    for at in range(cases.BEGIN_NS + 1_000_000, end, GAUGE_NS):
        entered = min(frames - 1, (at - cases.BEGIN_NS) // cases.PERIOD_NS) + 1
        left = max(0, min(frames, (at - latency - cases.BEGIN_NS) // cases.PERIOD_NS + 1))
        rows.append(_sample("program.in_flight", None, at, factor * (entered - left)))
    return holding(run, "samples", rows)


def provided_run(
    asked: Sequence[str],
    got: Sequence[str],
    ops: Sequence[tuple[str, str, float]] = (),
    frames: int = 60,
    infer_ms: float | None = None,
) -> Run:
    """Return a Run of these execution providers; `ops` is (operator, provider, ms) of one pass."""
    said = {"providers": {"asked": list(asked), "got": list(got)}}
    work = {} if infer_ms is None else {"infer": [infer_ms] * frames}
    run = stating(cases.live_run([20.0] * frames, work_ms=work), said)
    rows, at = [], cases.BEGIN_NS - SECOND
    for number, (name, provider, ms) in enumerate(ops):
        end = at + round(ms * cases.MS)
        rows.append(
            {"node": f"{name}_{number}", "op": name, "provider": provider, "start_ns": at,
             "end_ns": end, "output_bytes": 4_096}
        )  # fmt: skip
        at = end
    return holding(run, "ops", rows)


def sensed_run(
    load: Sequence[tuple[float, float]],
    sensors: Mapping[tuple[str, str], float | Sequence[float]],
) -> Run:
    """Return a Run with a core's load of (seconds, percent) stretches and sensors read each second.

    `sensors` is (track, label) to a value, or to one a stretch, each of which it keeps for all of
    the stretch.
    """
    run = cases.live_run([20.0] * 60)
    rows, at = [], cases.BEGIN_NS
    for number, (seconds, percent) in enumerate(load):
        for _ in range(round(seconds)):
            rows.append(_sample("cpu.core", "0", at, percent))
            for (track, label), value in sensors.items():
                read = value if isinstance(value, (int, float)) else value[number]
                rows.append(_sample(track, label, at, float(read)))
            at += SECOND
    described = [
        {
            "name": track, "title": track.partition(".")[2].capitalize(),
            "unit": _UNITS[track.partition(".")[0]],
            "kind": "busy time" if track.startswith("npu.") else None,
        }
        for track in dict.fromkeys(track for track, _ in sensors)
    ]  # fmt: skip
    run = holding(run, "samples", rows)
    return stating(run, {}, collectors=[{"name": "sensors", "tracks": described}])


def modelled_run(
    *,
    sram_bytes: int | None,
    model_bytes: int,
    input_shape: Sequence[int] = (1, 3, 256, 256),
    got: str = "NpuExecutionProvider",
    output_bytes: Sequence[int] = (),
) -> Run:
    """Return a Run of a uint8 model on an accelerator with so much on-chip memory.

    `output_bytes` are what its operators give, in their order; empty: no pass over the graph.
    """
    model = {
        "bytes": model_bytes,
        "inputs": {"picture": ["tensor(uint8)", list(input_shape)]},
        "outputs": {"mask": ["tensor(uint8)", [1, 1, 256, 256]]},
    }
    providers = {"asked": [got], "got": [got]}
    source = {"width": 1280, "height": 720, "pixel_format": "yuv420p"}
    accelerator: dict[str, Any] = {"name": "a made-up NPU", "driver": None, "node": None}
    if sram_bytes is not None:
        accelerator["sram_bytes"] = sram_bytes
    run = stating(
        cases.live_run([20.0] * 60),
        {"model": model, "providers": providers, "source": source},
        device={"accelerators": [accelerator]},
    )
    at = cases.BEGIN_NS - SECOND
    rows = [
        {"node": f"n{k}", "op": "Conv", "provider": got, "start_ns": at + k * 1000,
         "end_ns": at + k * 1000 + 900, "output_bytes": size}
        for k, size in enumerate(output_bytes)
    ]  # fmt: skip
    return holding(run, "ops", rows)


def delivered_run(model_bytes: int | None, **delivery: float | None) -> Run:
    """Return a Run of a model of so many bytes, and of a scenario with this table `delivery`."""
    run = cases.live_run([20.0] * 60)
    resolved = {**run.manifest["scenario"]["resolved"], "delivery": delivery}
    facts = {} if model_bytes is None else {"model": {"bytes": model_bytes}}
    return stating(run, facts, scenario={"resolved": resolved})


def _sample(track: str, label: str | None, t_ns: int, value: float) -> dict[str, Any]:
    return {"track": track, "label": label, "t_ns": t_ns, "value": value}


def _changed(
    run: Run, manifest: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Run:
    import pandas as pd

    kept = {name: run.table(name) for name in TABLES if run.has(name)}
    return Run.of(manifest, {**kept, **{name: pd.DataFrame(rows) for name, rows in tables.items()}})
