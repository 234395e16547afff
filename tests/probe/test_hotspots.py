"""Hot functions of stages: shares with intervals, and why there are none."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from probe.console.hot_text import lines
from probe.hotspots import Absent, HotSpots, functions_of, hot_spots_of, named, share, telling
from probe.store import Run

SUMMARY = {"mode": "nonblocking", "rate_hz": 100, "recordings": 1, "errors": 3,
           "uncertainty_ns": 2_000_000, "agreement": 0.9}  # fmt: skip
MAIN = ("/home/eve/app.py", 1, "main")
HOT = ("/home/eve/app.py", 7, "hot")
WARM = ("/home/eve/app.py", 9, "warm")
STACKS = [(HOT, MAIN), (WARM, MAIN), (HOT, HOT, MAIN), (MAIN,)]
FRAME_NS = 10_000_000


def run(rows: list[tuple[str | None, int, int, str]], **manifest: Any) -> HotSpots | Absent:
    """Return the hot spots of rows (stage, stack, samples, thread), one after another."""
    table, at = [], 0
    for stage, stack, samples, thread in rows:
        table.append({"t_ns": at, "held_ns": samples * FRAME_NS, "pid": 7, "tid": 9, "stage": stage,
                      "thread": thread, "stack": stack, "measured": True})  # fmt: skip
        at += samples * FRAME_NS
    stacks = pd.DataFrame({"stack": range(4), "frames": [json.dumps(each) for each in STACKS]})
    made = Run.of({"stacks": SUMMARY, **manifest},
                  {"stack_samples": pd.DataFrame(table), "stacks": stacks})  # fmt: skip
    return hot_spots_of(made)


def found() -> HotSpots:
    spots = run([
        ("infer", 0, 70, "a:9"), ("infer", 1, 30, "a:9"), ("decode", 1, 10, "a:9"),
        (None, 3, 90, "a:9"), (None, 3, 50, "b:8"),
    ])  # fmt: skip
    assert isinstance(spots, HotSpots)
    return spots


def test_shares_are_of_the_samples_of_the_stage() -> None:
    infer, decode = found().stages
    assert (infer.stage, infer.samples, decode.samples) == ("infer", 100, 10)
    hot, warm, main = infer.functions
    assert (hot.function, hot.line, hot.file, hot.own.value) == ("hot", 7, "app.py", 0.7)
    assert (warm.own.value, main.own.value, main.total.value) == (0.3, 0.0, 1.0)


def test_how_many_samples_a_stage_should_have_is_by_its_spans() -> None:
    stacks = pd.DataFrame({"stack": [0], "frames": [json.dumps([HOT])]})
    rows = pd.DataFrame([{"t_ns": 0, "held_ns": 10**9, "stage": "infer", "thread": "a:9",
                          "stack": 0, "measured": True}])  # fmt: skip
    spans = pd.DataFrame([
        {"stage": "infer", "start_ns": 10, "end_ns": 10 + 8 * 10**8},
        {"stage": "infer", "start_ns": 2 * 10**9, "end_ns": 3 * 10**9},
    ])  # fmt: skip
    tables = {"stack_samples": rows, "stacks": stacks, "spans": spans}
    spots = hot_spots_of(Run.of({"stacks": SUMMARY}, tables))
    assert isinstance(spots, HotSpots)
    assert (spots.stages[0].samples, spots.stages[0].expected) == (100, 80)
    assert found().stages[0].expected is None


def test_what_is_outside_and_elsewhere_is_told() -> None:
    spots = found()
    assert (spots.samples, spots.outside, spots.elsewhere) == (200, 90, 50)


def test_a_function_that_calls_itself_counts_once() -> None:
    spots = run([("infer", 2, 40, "a:9")])
    assert isinstance(spots, HotSpots)
    hot, main = spots.stages[0].functions
    assert (hot.total.value, hot.own.value, main.total.value) == (1.0, 1.0, 1.0)


def test_what_merely_calls_all_others_tells_nothing() -> None:
    assert [each.function for each in telling(found().stages[0])] == ["hot", "warm"]
    assert [(f.stage, f.function) for f in functions_of(found().stages)] == [
        ("infer", "hot"), ("infer", "warm"), ("decode", "warm"),
    ]  # fmt: skip


def test_code_without_symbols_is_its_librarys_and_what_starts_a_thread_is_none() -> None:
    library = ("/x/site-packages/av.libs/libavcodec-5e6b81c2.so.62.28.102", None, "0x7f10")
    libc = ("/usr/lib/x86_64-linux-gnu/libc.so.6", None, "0x7faa")
    stacks = [[library, MAIN, libc, libc], [libc, MAIN, libc], [libc]]
    table = [{"t_ns": k, "held_ns": FRAME_NS, "stage": "decode", "thread": "a:9", "stack": k,
              "measured": True} for k in range(3)]  # fmt: skip
    known = pd.DataFrame({"stack": range(3), "frames": [json.dumps(each) for each in stacks]})
    spots = hot_spots_of(
        Run.of({"stacks": SUMMARY}, {"stack_samples": pd.DataFrame(table), "stacks": known})
    )
    assert isinstance(spots, HotSpots)
    rows = [(named(each), each.own.value, each.total.value) for each in spots.stages[0].functions]
    assert rows == [
        ("libc (no symbols)", pytest.approx(2 / 3), pytest.approx(2 / 3)),
        ("libavcodec (no symbols)", pytest.approx(1 / 3), pytest.approx(1 / 3)),
        ("main", 0.0, pytest.approx(2 / 3)),
    ]


@pytest.mark.parametrize(("part", "whole"), [(70, 100), (0, 100), (100, 100), (2, 60), (1, 2)])
def test_the_interval_is_wilsons_of_half_the_samples(part: int, whole: int) -> None:
    oracle = stats.binomtest(part // 2, whole // 2).proportion_ci(0.95, method="wilson")
    answer = share(part // 2 * 2, whole)
    assert (answer.low, answer.high) == (pytest.approx(oracle.low), pytest.approx(oracle.high))


def test_a_share_of_nothing_is_not_known() -> None:
    assert share(0, 0) == (0, 0, 1)


def test_samples_outside_the_window_do_not_count() -> None:
    stacks = pd.DataFrame({"stack": [0], "frames": [json.dumps([MAIN])]})
    rows = pd.DataFrame([{"t_ns": 1, "held_ns": 5, "stage": "a", "stack": 0, "measured": False}])
    absent = hot_spots_of(Run.of({"stacks": SUMMARY}, {"stack_samples": rows, "stacks": stacks}))
    assert isinstance(absent, Absent)
    assert absent.asked


@pytest.mark.parametrize("whole", [True, False])
def test_a_program_that_says_no_stage_is_told_of_by_thread(whole: bool) -> None:
    spots = run([(None, 3, 90, "w:8"), (None, 0, 60, "a:9"), (None, 1, 20, "a:9")],
                **({"window": None} if whole else {}))  # fmt: skip
    assert isinstance(spots, HotSpots)
    assert (spots.by, spots.whole) == ("thread", whole)
    assert [(each.stage, each.samples, each.expected) for each in spots.stages] == [
        ("w:8", pytest.approx(90), None), ("a:9", pytest.approx(80), None)
    ]  # fmt: skip
    assert (spots.samples, spots.outside, spots.elsewhere) == (pytest.approx(170), 0, 0)
    (hottest, *_) = functions_of(spots.stages)
    assert (hottest.stage, hottest.function) == ("w:8", "main")
    text = "\n".join(lines(spots, "stage", 8))
    assert "in 2 threads" in text
    assert ("of its whole run" in text) is whole
    assert "between their stages" not in text


@pytest.mark.parametrize(
    ("manifest", "asked", "reason"),
    [
        ({}, False, "nobody asked"),
        ({"collectors": [{"name": "pyspy", "outcome": "off"}]}, False, "nobody asked"),
        ({"collectors": [{"name": "pyspy", "outcome": "no data", "reason": "no right",
                          "remedy": "get it"}]}, True, "no right"),
        ({"collectors": [{"name": "pyspy", "outcome": "ok"}],
          "stacks": {"not_read": [["pyspy-1.json", "not JSON"]]}}, True, "pyspy-1.json: not JSON"),
        ({"collectors": [{"name": "pyspy", "outcome": "ok"}]}, True, "no recording"),
        ({"collectors": [{"name": "pyspy", "outcome": "ok", "facts": {"refused": 1}}]}, True,
         "is no Python, or it ended too soon"),
    ],
)  # fmt: skip
def test_why_there_are_none_is_told(manifest: dict[str, Any], asked: bool, reason: str) -> None:
    absent = hot_spots_of(Run.of(manifest, {}))
    assert isinstance(absent, Absent)
    assert (absent.asked, reason in absent.reason) == (asked, True)
    assert absent.remedy
