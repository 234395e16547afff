"""Are the made tapes what a program's recorder would have written?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from probe import store, tables
from probe.store import Run

HERE = Path(__file__).resolve()
RECORDED = """
import importlib.util, json, sys
import probe
from probe.recorder import pen
from probe.tape import NULL, SPAN

spec = importlib.util.spec_from_file_location("make_runs", sys.argv[1])
maker = sys.modules["make_runs"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(maker)
story = maker.KINDS[sys.argv[2]](maker.Conditions(seconds=3.0, warmup_s=1.0))
pictures = story.facts.get("source", {}).get("frames", 2**62)
for key, value in story.facts.items():
    probe.mark(f"fact:{key}", t_ns=maker.BEGIN_NS - maker.MS, text=json.dumps(value))
for k, due, captured in story.frames:
    probe.frame(k, scheduled_ns=due, captured_ns=captured, pts_ns=due - maker.BEGIN_NS,
                source_index=k % pictures)
mine = pen._pen()
for stage, start, end, frame, queue in story.spans:
    mine.write(SPAN, 0, mine.name(stage), start, end, frame, queue, NULL, NULL)
for name, at, frame, said in sorted(story.marks, key=lambda mark: mark[1]):
    probe.mark(name, frame, t_ns=at, **said)
for at, count in maker._gauge(story):
    probe.mark("in_flight", t_ns=at, value=count)
"""


@pytest.mark.parametrize("kind", ["live", "out-of-order", "frozen", "generator"])
def test_a_recorder_that_is_told_the_same_gives_the_same_tables(
    kind: str, make_runs: ModuleType, tmp_path: Path
) -> None:
    conditions = make_runs.Conditions(seconds=3.0, warmup_s=1.0)
    story = make_runs.KINDS[kind](conditions)
    made = Run.open(make_runs.write_run(story, kind, tmp_path / "made"))
    other = tmp_path / "recorded"
    (other / store.TAPES).mkdir(parents=True)
    store.write_json(other / store.MANIFEST, make_runs.manifest_of(story, kind))
    environment = {**os.environ, "LIVEPROBE_TAPE": str(other / store.TAPES),
                   "LIVEPROBE_RECORDER": "python", "PYTHONPATH": str(HERE.parents[2])}  # fmt: skip
    maker = HERE.with_name("make_runs.py")
    command = [sys.executable, "-c", RECORDED, str(maker), kind]
    subprocess.run(command, env=environment, check=True, timeout=120)
    store.write_table(other, "samples", store.empty_table("samples"))
    store.write_table(other, "events", store.empty_table("events"))
    tables.finalise(other)
    recorded = Run.open(other)
    assert len(made.table("outputs")) > 60
    for name in ("frames", "outputs", "spans"):
        left, right = (_alike(run.table(name)) for run in (made, recorded))
        pd.testing.assert_frame_equal(left, right)
    gauge = [
        table[table["track"] == "program.in_flight"].reset_index(drop=True)
        for table in (made.table("samples"), recorded.table("samples"))
    ]
    pd.testing.assert_frame_equal(*gauge)


def _alike(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in an order of its own, without the names of threads: one wrote here."""
    kept = table.drop(columns=["thread"], errors="ignore")
    return kept.sort_values(list(kept.columns), kind="stable").reset_index(drop=True)
