from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.store import Run
from probe.thread_names import thread_names


def run(*spans: tuple[str | None, str | None, int | None, int | None]) -> Run:
    rows = [
        {"frame": k, "thread": thread, "stage": stage, "start_ns": start, "end_ns": end}
        for k, (thread, stage, start, end) in enumerate(spans)
    ]
    columns = ["frame", "thread", "stage", "start_ns", "end_ns"]
    return Run.of({}, {"spans": pd.DataFrame(rows, columns=columns)})


@pytest.mark.parametrize(
    ("decode_ns", "name"), [(0, "infer python:7"), (10, "infer python:7"), (11, "python:7")]
)
def test_a_thread_is_named_by_the_stage_that_took_nine_tenths_of_its_time(
    decode_ns: int, name: str
) -> None:
    found = run(("python:7", "infer", 0, 90), ("python:7", "decode", 100, 100 + decode_ns))
    assert thread_names(found).of("python:7") == name


def test_a_thread_that_its_program_named_keeps_that_name_where_the_kernel_has_another() -> None:
    names = thread_names(run(("infer:7", "infer", 0, 5), ("pool-1:8", "infer", 0, 5)))
    assert names.of("python:7") == "infer:7"
    assert names.of("python:8") == "infer pool-1:8"
    assert names.knows("python:7")


@pytest.mark.parametrize("label", ["cpu-thermal", "", "python:9", ":7x", "a:b", "eth0:"])
def test_other_labels_stay_as_they_are(label: str) -> None:
    names = thread_names(run(("python:7", "infer", 0, 5)))
    assert names.of(label) == label
    assert not names.knows(label)


def test_a_number_that_had_two_names_keeps_that_of_most_time() -> None:
    names = thread_names(run(("old:7", "infer", 0, 5), ("new:7", "infer", 10, 20)))
    assert names.of("x:7") == "infer new:7"


def test_what_has_no_time_no_thread_or_no_stage_names_nothing() -> None:
    spans = [("a:1", "infer", None, 5), ("b:2", "infer", 5, None), (None, "infer", 0, 5),
             ("c:3", None, 0, 5), (":4", "infer", 0, 5), ("d:x", "infer", 0, 5)]  # fmt: skip
    assert thread_names(run(*spans)).by_tid == {}
    assert thread_names(run()).by_tid == {}
    assert thread_names(Run.of({}, {})).by_tid == {}


times = st.one_of(st.none(), st.integers(-(2**62), 2**62))
texts = st.one_of(st.none(), st.sampled_from(["python:1", "python:2", "x:1"]), st.text(max_size=5))


@given(spans=st.lists(st.tuples(texts, texts, times, times), max_size=8))
def test_any_spans_give_names_that_hold_the_threads_own(spans: list[Any]) -> None:
    said = {thread for thread, *_ in spans if thread}
    for tid, name in thread_names(run(*spans)).by_tid.items():
        assert any(name.endswith(label) for label in said if label.rpartition(":")[2] == tid)
