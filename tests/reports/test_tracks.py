"""What the page makes of many tracks: which stand in front, which are folded, which only named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import collectors
from probe.store import Run
from reports.charts.samples import Line, scale, text
from reports.charts.stages_named import LIGHT, LINES
from reports.charts.tracks import colours
from reports.charts.waits import MOST_THREADS
from reports.page import document
from reports.page.numbers import NBSP
from reports.page.payload import Payload
from reports.page.subject import Subject
from reports.run_report import render
from reports.sections.tracks import FAMILIES, ORDER, Tracks, tracks_of

Judged = tuple[Run, dict[str, Any]]


@pytest.fixture(scope="session")
def found(sampled: Callable[..., Judged]) -> Tracks:
    return tracks_of(Subject.of(sampled()), Payload())


def test_what_explains_lateness_stands_in_front_in_a_fixed_order(
    found: Tracks, sampled_run: ModuleType
) -> None:
    asked = [chart.question.removeprefix("Title of ") for chart in found.front]
    assert asked == sampled_run.FRONT
    assert [ORDER.index(name) for name in asked] == sorted(ORDER.index(name) for name in asked)


def test_the_order_names_tracks_that_collectors_declare() -> None:
    declared = {track.name for each in collectors.shipped() for track in each.tracks}
    assert set(ORDER) <= declared
    assert len(ORDER) == len(set(ORDER))
    assert len(FAMILIES) == 8


def test_the_rest_is_folded_with_a_row_for_each_line_and_no_static_figure(found: Tracks) -> None:
    names = [row.name for row in found.rows]
    assert names[:2] == ["disk.read", "memory.rss"]
    assert names[-1] == "zz_third.thing"
    assert len(found.folded) == 12
    assert all(chart.image == "" for chart in found.folded)
    assert all(chart.image for chart in found.front)


def test_less_than_three_others_are_not_folded(sampled: Callable[..., Judged]) -> None:
    run, verdict = sampled(others=0)
    table = run.table("samples")
    fewer = table[~table["track"].isin(["disk.read"])]
    some = tracks_of(Subject.of((Run.of(run.manifest, {"samples": fewer}), verdict)), Payload())
    assert some.folded == []
    assert [chart.id for chart in some.front][-2:] == ["track-memory-rss", "track-zz-third-thing"]


def test_what_stayed_is_named_once_by_its_value(found: Tracks) -> None:
    said = {still.value: still.names for still in found.still}
    assert said["0"] == [("memory.swapped", "python"), ("network.lost", "eth0, lo")]
    fans = "fan0, fan1, fan2, fan3, fan4, fan5 and 3 more"
    assert said["1,200\u00a01/min"] == [("thermal.fan", fans)]


def test_a_collector_without_a_value_is_named_but_not_one_for_another_device(
    found: Tracks,
) -> None:
    assert found.absent == ["power"]


def test_threads_are_named_by_their_stage(found: Tracks) -> None:
    assert [name for _, name in found.front[0].legend] == ["python", "infer python"]


def test_a_line_of_a_stage_has_its_hue_and_no_other_line_one_like_it() -> None:
    labels = ["cpu0", "encode", "infer python:7", "infer python:8", "preprocess"]
    assert [name for name, _ in colours(labels)] == [
        "ink", "line-encode", "line-infer", "line3", "line-preprocess",
    ]  # fmt: skip
    assert [name for name, _ in colours(["cpu0", "cpu1"])] == ["ink", "line2"]


def test_the_style_sheet_has_the_colours_of_the_static_figures() -> None:
    style = Path(document.TEMPLATES / "report.css").read_text(encoding="utf-8")
    light = style[: style.index("@media")]
    own = LIGHT | {f"line-{stage}": colour for stage, colour in LINES.items()}
    assert [name for name, colour in own.items() if f"--{name}:{colour}" not in light] == []


def test_waits_are_points_of_each_thread_and_the_longest_is_named(found: Tracks) -> None:
    assert found.waits is not None
    chart = found.waits.chart
    assert re.fullmatch(
        r"infer python waited longest: 50\.0 ms until 0:\d\d\.\d, while cc1plus had the core,"
        r" which is none of the program's threads\.",
        chart.finding.replace("\u00a0", " "),
    )
    assert [each["name"] for each in chart.spec["series"]] == ["infer python", "decode"]
    assert all(each["points"] for each in chart.spec["series"])
    assert "600 waits in the window" in chart.note


def test_who_took_the_core_adds_up(found: Tracks) -> None:
    assert found.waits is not None
    rows = [(each.name, each.foreign, each.total, each.waits) for each in found.waits.takers]
    assert rows == [
        ("cc1plus", True, "8,000.0", "200"),
        ("infer python", False, "4,000.0", "100"),
        ("decode", False, "2,000.0", "100"),
        ("python", True, "400.0", "100"),
        ("nobody: the core was idle", False, "1.0", "100"),
    ]
    assert found.waits.rest == ""


def test_many_threads_and_takers_are_counted_not_drawn(
    sampled: Callable[..., Judged], sampled_run: ModuleType
) -> None:
    run, verdict = sampled()
    start = run.manifest["window"]["start_ns"]
    k = np.arange(400_000)
    labels = [f"t{n % 40}:{n % 40} < by-{n % 300}:{n}" for n in range(1200)]
    table = pd.DataFrame({"t_ns": start + k * 70_000, "label": np.array(labels)[k % 1200]})
    table = table.assign(track=sampled_run.WAITS, value=(k % 997) / 1e5)
    payload = Payload()
    many = Run.of(run.manifest, {"samples": table})
    waits = tracks_of(Subject.of((many, verdict)), payload).waits
    assert waits is not None
    assert len(waits.chart.spec["series"]) == MOST_THREADS
    assert len(waits.takers) == 8
    assert waits.rest.startswith("292 others had it for ")
    assert f"of 40 threads the {MOST_THREADS} that waited longest" in waits.chart.note
    assert sum(column["n"] for column in payload.description()) <= 2 * MOST_THREADS * 540
    assert len(waits.chart.image) < 60_000


def test_what_slept_is_told_and_is_not_missing(sampled: Callable[..., Judged]) -> None:
    run, verdict = sampled()
    track = {"name": "intel_npu.clock", "unit": "hertz", "title": "Clock", "grade": "measured"}
    entry = {
        "name": "intel_npu", "outcome": "ok", "period_ns": 10**9, "samples": 3, "tracks": [track],
        "asleep": {"intel_npu.clock": 2},
    }  # fmt: skip
    rows = [{"t_ns": run.manifest["window"]["start_ns"] + k * 10**9, "track": track["name"],
             "label": "NPU", "value": np.nan} for k in range(3)]  # fmt: skip
    table = pd.concat([run.table("samples"), pd.DataFrame(rows)], ignore_index=True)
    manifest = {**run.manifest, "collectors": [*run.manifest["collectors"], entry]}
    slept = tracks_of(Subject.of((Run.of(manifest, {"samples": table}), verdict)), Payload())
    assert slept.asleep == (("intel_npu.clock", "in 2 of 3 samples"),)
    assert "intel_npu" not in slept.absent


def stating(run: Run, facts: dict[str, Any]) -> Run:
    """Return the run, whose trace of the scheduler states these facts."""
    entries = [
        {**each, "facts": facts} if each["name"] == "scheduler_trace" else each
        for each in run.manifest["collectors"]
    ]
    return Run.of({**run.manifest, "collectors": entries}, {"samples": run.table("samples")})


def test_waits_that_could_not_be_measured_are_said(sampled: Callable[..., Judged]) -> None:
    run, verdict = sampled()
    plain = tracks_of(Subject.of((run, verdict)), Payload()).waits
    assert plain is not None
    facts = {"waits": 580, "waits_without_end": 18, "waits_without_begin": 2, "events_overrun": 7}
    waits = tracks_of(Subject.of((stating(run, facts), verdict)), Payload()).waits
    assert waits is not None
    assert waits.chart.note == plain.chart.note + (
        f" Of 20 more waits in the run (3.3{NBSP}% of all) the kernel left out the beginning or "
        "the end: they are not shown. 7 events of the scheduler were lost: waits are missing."
    )


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        ([[10, 109]], ""),
        (
            [[10, 30], [60, 65]],
            f"the waits of 2 stretches of time, 25.0{NBSP}% of the run, more rarely where more",
        ),
    ],
)
def test_waits_that_were_recorded_in_windows_say_so(
    sampled: Callable[..., Judged], windows: list[list[int]], said: str
) -> None:
    run, verdict = sampled()
    facts = {"waits": 1, "waits_cut": 3, "windows_ns": windows, "watched_ns": [10, 110]}
    waits = tracks_of(Subject.of((stating(run, facts), verdict)), Payload()).waits
    assert waits is not None
    assert said in waits.chart.note
    assert ("3 waits over an edge of these are missing" in waits.chart.note) == bool(said)
    assert ("stretch" in waits.chart.note) == bool(said)
    assert (" waited longest, of those recorded: " in waits.chart.finding) == bool(said)


def test_waits_that_are_no_waits_draw_nothing(sampled: Callable[..., Judged]) -> None:
    run, verdict = sampled()
    start = run.manifest["window"]["start_ns"]
    rows = [("a:1 < b:2", start + 9, None), ("a:1 < b:2", start - 9, 0.1), (None, None, 0.1)]
    table = pd.DataFrame(rows, columns=["label", "t_ns", "value"]).assign(
        track="scheduler_trace.wait"
    )
    broken = Run.of(run.manifest, {"samples": table})
    assert tracks_of(Subject.of((broken, verdict)), Payload()).waits is None


@pytest.mark.parametrize(
    ("label", "headline", "row"),
    [
        (None, "with the core idle.", "nobody: the core was idle"),
        ("a:1 < liveprobe", "while liveprobe itself had the core.", "liveprobe itself"),
    ],
)
def test_an_idle_core_and_liveprobe_itself_are_no_strangers(
    label: str | None, headline: str, row: str, sampled: Callable[..., Judged]
) -> None:
    run, verdict = sampled()
    start = run.manifest["window"]["start_ns"]
    table = pd.DataFrame([{"track": "scheduler_trace.wait", "label": label, "t_ns": start + 9,
                           "value": 0.1}])  # fmt: skip
    waits = tracks_of(Subject.of((Run.of(run.manifest, {"samples": table}), verdict)), Payload())
    assert waits.waits is not None
    assert waits.waits.chart.finding.endswith(headline)
    assert [(each.name, each.foreign) for each in waits.waits.takers] == [(row, False)]


@pytest.mark.parametrize(
    ("unit", "most", "written"),
    [
        ("bytes/s", 367.0, "B/s"), ("bytes/s", 97e6, "MB/s"), ("bytes", 0.0, "bytes"),
        ("bytes", 24e9, "GB"), ("hertz", 2.4e9, "GHz"), ("seconds", 0.08, "ms"),
        ("percent", 3.0, "%"), ("count", 3.0, ""), ("furlongs", 3.0, "furlongs"),
    ],
)  # fmt: skip
def test_a_unit_is_written_as_large_as_the_values_are(unit: str, most: float, written: str) -> None:
    factor, found = scale(unit, most)
    assert found == written
    assert 1 <= most * factor < 1000 or most == 0


def test_a_long_line_keeps_its_extremes_and_its_gaps() -> None:
    x = np.arange(100_000, dtype=np.float64)
    y = np.sin(x)
    y[777], y[55_555], y[60_000:61_000] = 9.0, -9.0, np.nan
    short = Line("", x, y).thinned(3600)
    assert len(short.x) <= 3600
    assert {9.0, -9.0} <= set(short.values)
    assert (np.diff(short.x) > 0).all()
    gaps = short.x[~np.isfinite(short.y)]
    assert gaps.min() == 60_000
    assert len(Line("", x[:3600], y[:3600]).thinned(3600).x) == 3600


def test_values_that_round_to_nothing_read_as_nothing() -> None:
    assert [text(each) for each in (0.0, 0.004, 1.234, 12.34)] == ["0.0", "0.0", "1.23", "12.3"]


def test_the_page_has_the_table_the_rows_and_the_fold(sampled: Callable[..., Judged]) -> None:
    html = render(sampled(), None)
    assert "<h3>12 more tracks</h3>" in html
    assert "Who took the core" in html
    assert html.count('class="static"') == 8
    assert re.search(r"<dt>stayed at 0</dt><dd><code>memory.swapped</code> python;", html)
