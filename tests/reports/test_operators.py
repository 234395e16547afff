"""The section on operators says what an inference spends where, and what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from probe.store import Run
from reports.page.subject import Subject
from reports.run_report import render
from reports.sections.operators import Operators, Unseen, operators

NPU, PROCESSOR = "QNNExecutionProvider", "CPUExecutionProvider"
SOURCE = {
    "file": "onnxruntime-7.json", "runtime": "onnxruntime 1.31.1", "inferences": 2,
    "before_the_run": True, "dropped_events": 5, "damaged": 0, "whole": False,
    "clock": {"began_ns": None},
}  # fmt: skip
SUMMARY: dict[str, Any] = {
    "asked": [NPU, PROCESSOR],
    "got": [NPU, PROCESSOR],
    "assigned": {NPU: 8, PROCESSOR: 1},
    "fallback": {"nodes": 1, "of": 9, "named": [["/nms", "NonMaxSuppression", PROCESSOR]]},
    "sources": [SOURCE],
    "cost": {"pairs": 30, "plain_ms": 1.0, "profiled_ms": 1.25, "excess_pct": 25.0,
             "excess_low_pct": 20.0, "excess_high_pct": 31.0},
    "log": ["2 Memcpy nodes are added to the graph g for <b>QNN</b>"],
}  # fmt: skip


def rows(**more: Any) -> pd.DataFrame:
    """Return two inferences: 3 ms in a fused graph, 0.9 ms on the processor, 0.1 ms of a copy."""
    nodes = (
        ("fused_0", "QNN", NPU, 3_000_000), ("/home/eve/nms", "NMS", PROCESSOR, 900_000),
        ("Memcpy_token_1", "MemcpyToHost", PROCESSOR, 100_000),
    )  # fmt: skip
    return pd.DataFrame([
        {"run": k, "node": node, "op": op, "provider": provider, "self_ns": ns,
         "source": "onnxruntime-7.json", **more}
        for k in (0, 1) for node, op, provider, ns in nodes
    ])  # fmt: skip


def section(
    ops: pd.DataFrame | None, summary: dict[str, Any] | None, **manifest: Any
) -> Operators | Unseen:
    run = Run.of({"operators": summary, **manifest}, {} if ops is None else {"ops": ops})
    return operators(Subject.of((run, {})))


def shown() -> Operators:
    found = section(rows(), SUMMARY)
    assert isinstance(found, Operators)
    return found


def test_the_first_sentence_is_the_sum_by_hand() -> None:
    (source,) = shown().sources
    assert source.lead.replace("\u00a0", " ") == (
        "An inference spends a mean of 4.00 ms in 3 nodes; QNN takes 75 %. By provider QNN 75 %,"
        " CPU 25 %."
    )
    assert source.basis == "mean of 2 inferences in a pass of its own before the run"


def test_rows_stand_by_time_with_bars_to_the_largest() -> None:
    (source,) = shown().sources
    assert [(line.name, line.provider, line.spent, line.width) for line in source.by_op] == [
        ("QNN", "QNN", "3.00", 100), ("NMS", "CPU", "0.90", 30),
        ("MemcpyToHost", "CPU", "0.10", 3.33),
    ]  # fmt: skip


def test_what_stands_beside_says_fallback_moves_cost_and_gaps() -> None:
    known: dict[str, list[str]] = {}
    for what, said in shown().known:
        known.setdefault(what, []).append(said.replace("\u00a0", " "))
    assert known["asked for"] == ["QNN, CPU"]
    assert known["the model's own nodes"] == ["QNN 8, CPU 1 (before they were fused)"]
    assert known["not on the first choice"] == ["1 of 9: NonMaxSuppression"]
    assert known["only move or reformat"] == ["2.5 % of it: MemcpyToHost"]
    assert known["what profiling costs"][0].startswith(
        "a median of 1.2 ms an inference, without it 1.0 ms: 25 % more (half of the pairs: 20 to"
        " 31)"
    )
    assert len(known["gaps"]) == 3


def test_cycles_have_no_times() -> None:
    ops = rows().assign(cycles=[500, 300, 200] * 2).drop(columns="self_ns")
    found = section(ops, {**SUMMARY, "sources": [{**SOURCE, "runtime": "qnn"}]})
    assert isinstance(found, Operators)
    (source,) = found.sources
    assert source.unit == "cycles"
    assert "cycles" in source.lead
    assert "no times" in source.basis
    assert {line.spent for line in source.by_op} == {"\N{EN DASH}"}


def test_what_was_not_seen_says_why() -> None:
    entry = {"name": "onnxruntime", "outcome": "no data", "reason": "no profile", "remedy": "do it"}
    assert section(None, None, collectors=[entry]) == Unseen("no profile", "do it")
    assert section(None, {"failed": ["bad model"]}) == Unseen(
        "the pass before the run failed: bad model", ""
    )
    assert isinstance(section(None, None), Unseen)


@pytest.mark.parametrize("kind", ["live", "generator"])
def test_the_page_has_the_section_escaped_and_without_homes(
    kind: str, judged: Callable[..., tuple[Run, dict[str, Any]]]
) -> None:
    run, verdict = judged(kind)
    held = Run.of({**run.manifest, "operators": SUMMARY}, {"ops": rows(), **_tables(run)})
    sides = ((held, verdict), None) if kind == "live" else (None, (held, verdict))
    page = render(*sides)
    part = page[page.index('id="operators"') :]
    part = part[: part.index("</section>")]
    assert "MemcpyToHost" in part
    assert "&lt;b&gt;QNN" in part
    assert "/home/eve" not in part
    assert "home/eve" not in part
    assert "style=" not in part


def _tables(run: Run) -> dict[str, pd.DataFrame]:
    names = ("frames", "outputs", "spans", "samples", "events")
    return {name: run.table(name) for name in names if run.has(name)}
