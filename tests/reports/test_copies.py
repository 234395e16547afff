"""Where do bytes move? The section in a page: its sums by hand, its graph, its limits, its words.

One frame of the made Run moves, in bytes (a picture of rgb24 has 2,764,800):

    convert      rgb24 2,764,800 + tensor 786,432                               = 3,551,232
    memcpy       crop 1,555,200 + rgb24 2 x 2,764,800 + half of 65,536          = 7,117,568
    materialize  tensor 786,432 + rgb24 2,764,800                               = 3,551,232
    transfer     rgb24 2,764,800                                                = 2,764,800
    all                                                                          16,984,832
    avoidable    what postprocess copied before, copied again twice             = 5,529,600
    decoded      1,382,400, which goes into all 12.29 times
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from probe import judge
from probe.ledger import ledger_of
from probe.store import TABLES, Run
from reports.charts import copy_graph
from reports.charts.copy_graph import Flow, Move, Station
from reports.charts.copy_shapes import fitted
from reports.page import numbers
from reports.page.subject import Subject
from reports.run_report import render
from reports.sections import copy_evidence
from reports.sections.method import missing

Judged = tuple[Run, dict[str, Any]]
Make = Callable[..., Judged]
RGB, TENSOR, CROP = 2_764_800, 786_432, 1_555_200
TOTAL = 16_984_832
NOT_NUMBERS = re.compile(r"\b(?:nan|NaN|None|inf|undefined|null|True|False|NaT)\b|<NA>")
HOSTILE = "</title></svg><script>alert(1)</script>\"' onload=x"


class Section(HTMLParser):
    """The text of an element by its id, its tables as rows of cells, and its drawings."""

    def __init__(self, html: str, identity: str) -> None:
        super().__init__(convert_charrefs=True)
        self._identity = identity
        self._depth = 0
        self._tag = ""
        self._seen: list[str] = []
        self._open: list[str] = []
        self._hidden = 0
        self.rows: list[list[str]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: dict[str, list[str]] = {}
        self._drawing = ""
        self.feed(html)
        self.text = re.sub(r"\s+", " ", "".join(self._seen))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if not self._depth and said.get("id") == self._identity:
            self._tag, self._depth = tag, 1
        elif self._depth and tag == self._tag:
            self._depth += 1
        if not self._depth:
            return
        self.elements.append((tag, said))
        self._hidden += tag == "span" and (said.get("class") == "nar" or self._hidden > 0)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "svg":
            self._drawing = said.get("class", "")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._depth:
            return
        if tag in ("td", "th"):
            self.rows[-1][-1] = re.sub(r"\s+", " ", self.rows[-1][-1]).strip()
        if tag == "span" and self._hidden:
            self._hidden -= 1
        while self._open and self._open.pop() != tag:
            pass
        if tag == self._tag:
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if not self._depth:
            return
        self._seen.append(data)
        if "text" in self._open:
            self.words.setdefault(self._drawing, []).append(data)
        elif self.rows and any(tag in ("td", "th") for tag in self._open) and not self._hidden:
            self.rows[-1][-1] += data


def page(pair: Judged) -> str:
    generates = pair[0].manifest["mode"] == "generate"
    return render(None if generates else pair, pair if generates else None)


def section(pair: Judged, identity: str = "copies") -> Section:
    return Section(page(pair), identity)


def plain(text: str) -> str:
    return text.replace(numbers.NBSP, " ")


@pytest.fixture(scope="module")
def live(copied: Make) -> Judged:
    return copied("live", deep=True)


@pytest.fixture(scope="module")
def shown(live: Judged) -> Section:
    return section(live)


def test_the_first_sentence_is_the_sum_by_hand(shown: Section) -> None:
    assert TOTAL == 2 * 3_551_232 + 7_117_568 + RGB
    assert (
        "16.98 MB move per frame in 8.5 copies, as much as 12.3 decoded pictures, in 7.35 ms;"
        " 5.53 MB of it (33 %) moves unchanged bytes again."
    ) in plain(shown.text)
    assert "Mean of 900 measured frames" in shown.text
    for said in ("memcpy 7.12 MB", "convert 3.55 MB", "materialize 3.55 MB", "transfer 2.76 MB"):
        assert said in plain(shown.text)


def test_the_lines_add_up_to_the_total_and_stand_by_bytes(shown: Section, live: Judged) -> None:
    rows = [row for row in shown.rows if len(row) == 10 and row[0] != "line"]
    total = next(row for row in shown.rows if row[0].startswith("all "))
    assert total == ["all 9 lines", "16.98", "8.50", "7.35", "2.3", "5.53", ""]
    ledger = ledger_of(live[0])
    assert ledger is not None
    assert len(rows) == len(ledger.lines) == 9
    for column, sum_of in ((4, 1), (5, 2), (6, 3), (8, 5)):
        added = sum(float(row[column]) for row in rows)
        assert added == pytest.approx(float(total[sum_of]), abs=0.005 * len(rows))
    sizes = [float(row[4]) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(line.bytes_per_frame for line in ledger.lines) == pytest.approx(TOTAL)


def test_a_line_says_where_how_in_what_shape_and_how_much(shown: Section) -> None:
    rows = {row[0]: row[1:] for row in shown.rows if len(row) == 10}
    assert rows["preprocess.py:27 «rgb[:, 280:1000].copy()» in crop"] == [
        "preprocess", "memcpy",
        "memcpy; 720 rows of 2,160 bytes, stride 3,840 to 2,160",
        "1.56", "1.00", "0.31", "5.0", "0", "measured",
    ]  # fmt: skip
    assert rows['decode.py:33 «frame.to_ndarray(format="rgb24")» in read'] == [
        "decode", "convert", "sws_scale_frame; yuv420p > rgb24; 2,764,800 bytes",
        "2.76", "1.00", "1.62", "1.7", "0", "measured",
    ]  # fmt: skip
    assert rows["postprocess.py:88 «out = background.copy()»"][-2] == "2.76"
    assert rows["libc.so.6 write"][2] == "write; 2,764,800 bytes; cpu to kernel"
    assert rows["libavcodec.so.61 ff_thread_decode_frame"][:1] == ["no stage"]
    assert rows["libavcodec.so.61 ff_thread_decode_frame"][3:5] == ["0.033", "0.50"]


def test_every_number_of_the_section_is_the_verdicts(shown: Section, live: Judged) -> None:
    said = live[1]["copies"]
    if said is None:
        pytest.skip("the verdict has no copies yet")
    for kind in ("memcpy", "convert", "materialize", "transfer"):
        size = numbers.megabytes(said[f"{kind}_bytes_per_frame"])
        assert f"{kind} {size} MB" in shown.text
    assert said["frame_equivalents"] == pytest.approx(TOTAL / 1_382_400)
    assert said["count_per_frame"] == pytest.approx(8.5)
    row = section(live, "numbers").text
    assert "bytes copied per frame16.98 MB" in plain(row)


def test_the_graph_has_each_stage_with_what_it_copies_and_what_entered(shown: Section) -> None:
    wide = [plain(word) for word in shown.words["cg wide"]]
    stages = ("capture", "decode", "preprocess", "infer", "postprocess", "encode", "render")
    assert [word for word in wide if word in stages] == list(stages)
    assert wide.count("no copy seen") == 2
    for stage, size, ms, entered in (
        ("decode", "2.76 MB", "1.62 ms", "nothing entered"),
        ("preprocess", "2.34 MB", "1.65 ms", "1.56 MB entered"),
        ("infer", "0.79 MB", "0.25 ms", "0.79 MB entered"),
        ("postprocess", "5.53 MB", "1.02 ms", "2.76 MB entered"),
        ("render", "5.53 MB", "2.80 ms", "2.76 MB entered"),
    ):
        at = wide.index(stage)
        assert wide[at : at + 4] == [stage, size, ms, entered]
    assert wide.count("2.76 MB avoidable") == 2
    for arrow in ("2.76 MB memcpy", "2.76 MB materialize", "1.56 MB", "0.79 MB"):
        assert arrow in wide
    assert "render moves the most" not in shown.text, "of equals, the first in the way of a frame"


@pytest.mark.parametrize("look", ["wide", "middle", "narrow"])
def test_each_drawing_has_a_title_a_description_and_stays_inside(shown: Section, look: str) -> None:
    drawings = [
        said for tag, said in shown.elements if tag == "svg" and said.get("class") == f"cg {look}"
    ]
    (drawing,) = drawings
    assert drawing["role"] == "img"
    for identity in drawing["aria-labelledby"].split():
        assert sum(said.get("id") == identity for _, said in shown.elements) == 1
    width, height = (float(drawing[name]) for name in ("width", "height"))
    start = shown.elements.index(("svg", drawing))
    inside = []
    for tag, said in shown.elements[start + 1 :]:
        if tag == "svg":
            break
        inside.append((tag, said))
    boxes = [said for tag, said in inside if tag == "rect"]
    assert len(boxes) > 20
    for box in boxes:
        x, y, w, h = (float(box[name]) for name in ("x", "y", "width", "height"))
        assert x >= 0, box
        assert y >= 0, box
        assert x + w <= width + 0.2, box
        assert y + h <= height + 0.2, box
        assert w > 0, box
        assert h > 0, box
    assert all(float(said["y"]) <= height for tag, said in inside if tag == "text")


def test_buffers_say_how_they_were_filled_and_unknown_is_no_copy(shown: Section) -> None:
    rows = {row[0]: row[1:] for row in shown.rows if len(row) == 4}
    assert rows["unknown"] == ["a loop that nobody sees: not called a copy", "4.19", "1.00"]
    assert rows["convert"][1:] == ["3.55", "2.00"]
    assert rows["untouched"][1:] == ["2.76", "1.00"]


def test_deep_mode_says_what_copies_explain_of_each_stage(shown: Section) -> None:
    rows = {row[0]: row[1:] for row in shown.rows if len(row) == 7}
    assert plain(rows["decode"][4]) == "99.9 %"
    assert plain(" ".join(rows["infer"])) == "5.24 0.79 4.46 0.41 15.0 % 15"
    explained = (2_764_800 + 2_341_632 + 786_432) / (2_768_896 + 2_543_616 + 5_242_880)
    said = f"{numbers.percent(explained)} of the bytes in written pages, in 45 looks at a stage"
    assert plain(said) in shown.text


def test_operators_that_only_move_stand_apart_from_the_sums(shown: Section) -> None:
    text = plain(shown.text)
    assert "2 operators that only move or reformat" in text
    assert "mean of one inference, in no sum above" in text
    rows = {row[0]: row[1:] for row in shown.rows}
    assert rows["conv1_reorder"] == ["ReorderInput", "CPU", "0.79", "1", "0.21"]
    assert "conv1" not in rows


def test_not_deep_is_not_checked_and_says_how_to(copied: Make) -> None:
    text = section(copied("live")).text
    assert "not checked: run with --copies deep" in text
    assert "98" not in text.partition("explained")[2][:60]


def test_deep_mode_that_could_not_look_says_why(copied: Make, copied_run: ModuleType) -> None:
    (process,) = copied_run.SUMMARY["processes"]
    note = {"key": "deep", "state": "off", "why": "the kernel is older than 6.7"}
    summary = {"mode": "deep", "processes": [{**process, "notes": [note]}]}
    assert "not checked: the kernel is older than 6.7" in section(copied(summary=summary)).text


def test_what_is_not_seen_stands_beside_the_numbers(copied: Make) -> None:
    process = {
        "pid": 4242, "exe": "/home/eve/bin/python3", "threads": 3, "lost": 12, "stopped": True,
        "python": {"version": "3.14.0", "frames": "off", "why": "offsets are not known"},
        "hooks": [
            {"hook": "numpy.take", "state": "off", "why": "the self-test saw 0 of 1"},
            {"hook": "numpy.copyto", "state": "on", "why": ""},
        ],
        "notes": [], "small_copies": 5, "small_bytes": 640, "passed_unseen": 3,
        "untracked_buffers": 1,
    }  # fmt: skip
    blind = [{"pid": 77, "exe": "/home/eve/jdk/bin/java", "why": "HotSpot copies by its own stubs"}]
    said = section(copied("live", summary={"processes": [process]}, facts={"blind": blind}))
    text = plain(said.text)
    for words in (
        "blind java (pid 77): HotSpot copies by its own stubs",
        (
            "12 copies found no room on a tape and the tapes of 1 process came to their limit:"
            " every number is at least this"
        ),
        "numpy.take: the self-test saw 0 of 1",
        "none of Python 3.14.0: offsets are not known",
        "all but 0.033 MB per frame (0.2 %), which belong to no stage",
        "1 process, 3 threads",
        "16,384 bytes; 5 smaller copies, 640 bytes in the whole run, in no sum",
        "3 calls were passed on unseen",
        "1 large allocation was passed on unseen",
    ):
        assert words in text, words
    noted = {**process, "lost": 0, "notes": [{"key": "stopped", "why": "no space left"}]}
    text += plain(section(copied("live", summary={"processes": [noted]})).text)
    assert "1 process stopped recording (no space left): every number is at least this" in text
    assert "numpy.copyto" not in text
    assert "eve" not in re.findall(r"[a-z]+", text)


def test_what_many_audits_could_not_see_is_said_once(copied: Make) -> None:
    blind = [{"pid": 77, "exe": "/home/eve/jdk/bin/java", "why": "HotSpot copies by its own stubs"}]
    run, _ = copied("live", facts={"blind": blind})
    text = plain(section((run, judge.judge(run)), "findings").text)
    _, _, others = text.partition("Device memory read uncached")
    assert others.count("HotSpot copies by its own stubs") == 1
    assert text.count("none in what was seen") > 2
    assert text.count("Not seen: ") == 1


def test_copies_stand_once_among_what_is_missing(judged: Make, altered: Make) -> None:
    run, verdict = judged("live")
    off = {"name": "copies", "outcome": "off", "reason": "copies.mode is off",
           "remedy": "run it with --copies on", "tracks": []}  # fmt: skip
    ok = {**off, "outcome": "ok", "reason": None, "remedy": None}
    others = [each for each in run.manifest["collectors"] if each["name"] != "copies"]
    for collectors in ([*others, off], [*others, ok], others):
        manifest = {**run.manifest, "collectors": collectors}
        rows = missing(Subject.of((Run.of(manifest, {}), {**verdict, "copies": None})))
        assert [what for what, _ in rows].count("copies") == 1


def test_a_run_in_which_copies_were_not_traced_says_why(
    judged: Make, altered: Make, copied_run: ModuleType
) -> None:
    run, _ = judged("live")
    assert (
        "Copies were not traced in this run. Run it again with --copies on."
        in section(judged("live")).text
    )
    collector = {
        "name": "copies", "outcome": "no data", "reason": "no interposer was built", "tracks": [],
        "remedy": "install a C compiler and reinstall liveprobe", "facts": {},
    }  # fmt: skip
    gone = altered(run, {"collectors": [*run.manifest["collectors"], collector]})
    text = section(gone).text
    assert "No interposer was built. Install a C compiler and reinstall liveprobe." in text
    facts = {"blind": [{"pid": 9, "exe": "/opt/app", "why": "it is linked statically"}]}
    collector = {**copied_run._collector(facts)}
    blind = altered(run, {"collectors": [*run.manifest["collectors"], collector]})
    text = section(blind).text
    assert "No copy was seen: app (pid 9): it is linked statically." in text
    assert "0 copies" not in text


def test_off_is_said_to_be_off(judged: Make, altered: Make) -> None:
    run, _ = judged("live")
    scenario = dict(run.manifest["scenario"])
    scenario["resolved"] = {**scenario["resolved"], "copies": {"mode": "off"}}
    assert "Switched off for this run" in section(altered(run, {"scenario": scenario})).text


def test_a_generating_run_counts_by_output_frame(copied: Make, copied_run: ModuleType) -> None:
    pair = copied("generator")
    shown = section(pair)
    made = int(pair[0].table("outputs")["measured"].sum())
    each = TENSOR + copied_run.PICTURE + RGB
    text = plain(shown.text)
    assert f"{each / 1e6:.2f} MB move per output frame in 3.0 copies, in 1.70 ms" in text
    assert f"Mean of {made:,} measured outputs" in text
    assert "none of it moves unchanged bytes again" in text
    assert "MB/output" in text


def test_both_ledgers_stand_in_a_page_of_both_runs(copied: Make) -> None:
    html = render(copied("live"), copied("generator"))
    assert "16.98" in Section(html, "copies").text
    assert "4.93" in Section(html, "copies-generation").text
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_more_than_twelve_lines_are_folded_and_nothing_is_left_out(
    judged: Make, copied: Make, copied_run: ModuleType
) -> None:
    plan = tuple(
        copied_run.Copy("decode", 1 + k % 8, "memcpy", f"memcpy{k}", 40_000 - k, 1_000)
        for k in range(30)
    )
    shown = section(copied("live", plan=plan))
    rows = [row for row in shown.rows if len(row) == 10 and row[0] != "line"]
    assert len(rows) == 30
    rest = sum(40_000 - k for k in range(12, 30))
    assert f"18 more lines, {numbers.megabytes(rest)} MB per frame" in plain(shown.text)
    assert "27 more lines" in plain(shown.text), "the graph joins what is beyond three lines"


def test_one_line_by_several_native_places_is_one_row_that_says_so(copied: Make) -> None:
    run, verdict = copied("live")
    tables = {name: run.table(name).copy() for name in TABLES if run.has(name)}
    sites = tables["sites"]
    same = sites[sites["site"] == 5].assign(site=77, symbol="another")
    tables["sites"] = pd.concat([sites, same])
    again = tables["copies"][tables["copies"]["site"] == 5]
    tables["copies"] = pd.concat(
        [tables["copies"], again.assign(site=77, rows=8, row_bytes=1000, bytes=8000)]
    )
    shown = section((Run.of(run.manifest, tables), verdict))
    rows = {row[0]: row[1:] for row in shown.rows if len(row) == 10}
    assert rows["postprocess.py:71 «self.background[:] = rgb» in blend"] == [
        "postprocess", "memcpy", "memmove; 2,764,800 bytes and 1 other shape",
        "2.77", "2.00", "1.04", "2.7", "0", "measured",
    ]  # fmt: skip
    assert any(row[0] == "all 9 lines" for row in shown.rows)


def test_an_expression_of_several_lines_ends_in_an_ellipsis(copied: Make) -> None:
    run, verdict = copied("live")
    tables = {name: run.table(name).copy() for name in TABLES if run.has(name)}
    tables["sites"]["expression"] = "self.scaler.reformat("
    shown = section((Run.of(run.manifest, tables), verdict))
    assert "decode.py:33 «self.scaler.reformat(…» in read" in {row[0] for row in shown.rows}


def test_nothing_copied_is_told_as_such_with_the_size_from_which_on(copied: Make) -> None:
    run, _ = copied("live")
    empty = {name: run.table(name) for name in TABLES if run.has(name)}
    empty["copies"] = empty["copies"].iloc[:0]
    pair = Run.of(run.manifest, empty), {**copied("live")[1], "copies": None}
    assert "No copy of 16,384 bytes or more was seen in any frame." in section(pair).text
    facts = {"facts": {"blind": [{"pid": 1, "exe": "x", "why": "static"}]}, "name": "copies"}
    manifest = {**run.manifest, "collectors": [*run.manifest["collectors"], facts]}
    pair = Run.of(manifest, empty), pair[1]
    assert "No copy was seen, which need not mean that there was none." in section(pair).text


def test_a_program_that_ended_in_its_warm_up_has_a_page_with_all_that_it_did(copied: Make) -> None:
    run, _ = copied("live", deep=True)
    window = run.manifest["window"]
    manifest = {**run.manifest, "window": {**window, "end_ns": window["start_ns"]}}
    tables = {name: run.table(name).copy() for name in TABLES if run.has(name)}
    for name in ("frames", "copies", "buffers", "writes"):
        tables[name]["measured"] = False
    ended = Run.of(manifest, tables)
    pair = ended, judge.judge(ended)
    assert "bytes copied per framenot measured" in plain(section(pair, "numbers").text)
    shown = section(pair)
    assert "the program ended in its warm-up" in shown.text
    ledger = ledger_of(ended)
    assert ledger is not None
    assert ledger.lines
    assert ledger.buffers
    assert ledger.explained


def test_copies_of_a_run_without_frames_are_whole_and_those_of_no_stage_are_not_followed(
    copied: Make,
) -> None:
    run, _ = copied("live")
    tables = {name: run.table(name).copy() for name in TABLES if run.has(name)}
    for name in ("frames", "outputs", "spans"):
        tables[name] = tables[name].iloc[:0]
    tables["copies"] = tables["copies"].assign(frame=pd.NA, stage=None)
    quiet = Run.of({**run.manifest, "mode": "command"}, tables)
    shown = section((quiet, judge.judge(quiet)))
    number = len(tables["copies"][tables["copies"]["measured"]])
    assert f" move in the run in {number:,} copies, " in plain(shown.text)
    assert "Sums over the run, for no frame was told" in shown.text
    assert "not followed" in [plain(word) for word in shown.words["cg wide"]]
    assert "nothing entered" not in shown.text


@pytest.mark.parametrize(
    ("count", "said"), [(1.001, ""), (0.001, "under 0.01 x"), (3.0, "3 x"), (0.5, "0.50 x")]
)
def test_how_often_a_copy_happens_is_never_nought_times(count: float, said: str) -> None:
    assert plain(copy_graph.often(count)).replace(numbers.TIMES, "x") == said


def test_hostile_names_stand_as_text_and_folders_do_not_enter(copied: Make) -> None:
    run, verdict = copied("live")
    tables = {name: run.table(name).copy() for name in TABLES if run.has(name)}
    sites, copies = tables["sites"], tables["copies"]
    sites["file"] = "/home/eve/secret/" + sites["file"]
    sites["expression"] = HOSTILE + ' open("/home/eve/secret/key.pem")'
    sites["module"] = "/home/eve/lib/" + HOSTILE.replace("/", "")
    sites["symbol"] = sites["function"] = HOSTILE
    copies["detail"] = HOSTILE
    copies["stage"] = copies["stage"].astype("string").replace("infer", HOSTILE)
    html = page((Run.of(run.manifest, tables), verdict))
    shown = Section(html, "copies")
    assert HOSTILE not in html
    assert "alert(1)" in shown.text
    assert not [tag for tag, _ in shown.elements if tag == "script"]
    assert not [said for _, said in shown.elements if "onload" in said]
    assert "eve" not in re.findall(r"[a-z]+", shown.text)
    assert "secret" not in shown.text
    assert "key.pem" in shown.text
    assert "decode.py:33" in shown.text


def test_a_frame_may_be_measured_and_nothing_else_said(copied: Make) -> None:
    run, verdict = copied("live")
    tables = {name: run.table(name) for name in TABLES if run.has(name)}
    keep = ["t_ns", "kind", "bytes", "measured"]
    tables["copies"] = tables["copies"][keep]
    tables["sites"] = pd.DataFrame()
    text = section((Run.of(run.manifest, tables), verdict)).text
    assert not NOT_NUMBERS.search(text), NOT_NUMBERS.findall(text)
    assert "which belong to no stage" in text


@pytest.mark.parametrize("number", [1, 2, 5, 9, 10, 24])
def test_any_number_of_stages_is_drawn(number: int) -> None:
    stations = [
        Station(f"a stage with a long name {k}", "extra-0", 10.0**k, 1.5, 0.0,
                (Move("memcpy", 10.0**k, 1.0, "some_module.py:1234", 10.0**k / 3),))
        for k in range(number)
    ]  # fmt: skip
    flows = [
        Flow(stations[a].name, stations[b].name, 10.0**a + 1, (("memcpy", 10.0**a + 1),))
        for a in range(number)
        for b in range(number)
        if (a * 7 + b) % 5 == 0
    ]
    made = copy_graph.graph(stations, flows)
    assert [each.look for each in made.drawings] == ["wide", "middle", "narrow"]
    for drawing in made.drawings:
        for box in drawing.boxes:
            assert box.x >= 0, box
            assert box.x + box.width <= drawing.width + 0.2, box
            assert box.y >= 0, box
            assert box.y + box.height <= drawing.height + 0.2, box
        assert all(words.y >= 8 for words in drawing.words), "nothing is cut off at the top"
    assert all(station.name in made.description for station in stations)


def test_bars_are_to_one_scale_and_amber_is_their_avoidable_part() -> None:
    moves = (Move("memcpy", 4e6, 1, "a.py:1"), Move("memcpy", 1e6, 1, "a.py:2", 250_000.0))
    made = copy_graph.graph([Station("s", "extra-0", 5e6, 1.0, 0.0, moves)], [])
    for drawing in made.drawings:
        bars = [box for box in drawing.boxes if box.look.startswith("k-")]
        whole, amber, rest = (box.width for box in bars)
        assert whole == pytest.approx(4 * (amber + rest), abs=0.5)
        assert amber == pytest.approx((amber + rest) / 4, abs=0.2)
        assert [box.look for box in bars] == ["k-memcpy", "k-memcpy twice", "k-memcpy"]


def test_lanes_of_arrows_that_meet_are_not_the_same() -> None:
    stations = [Station(name, "extra-0", 1.0, 1.0, 0.0, ()) for name in "abcd"]
    flows = [Flow("a", "c", 1.0, (("memcpy", 1.0),)), Flow("b", "d", 1.0, (("memcpy", 1.0),)),
             Flow("d", "a", 1.0, (("memcpy", 1.0),))]  # fmt: skip
    wide = copy_graph.graph(stations, flows).drawings[0]
    levels = [re.search(r"V([\d.]+)H", each.d) for each in wide.strokes if each.look == "over"]
    assert len({found[1] for found in levels if found}) == 3


@pytest.mark.parametrize(
    ("text", "px", "found"),
    [
        ("short.py:1", 100, "short.py:1"),
        ("a_very_long_module_name.py:1234", 100, "a_very_l…py:1234"),
        ("abc", 0, "abc"),
    ],
)
def test_a_text_too_long_loses_its_middle_and_keeps_its_line(
    text: str, px: float, found: str
) -> None:
    assert fitted(text, px) == found
    assert len(fitted(text, px)) <= max(3, px / 6.1)


EVIDENCE: dict[str, Any] = {
    "name": "blur.py:11 picture.copy()", "file": "/home/eve/blur.py", "line": 11, "column": 4,
    "function": "work", "expression": "picture.copy()", "module": "/usr/lib/libc.so.6",
    "symbol": "memcpy", "kind": "memcpy", "method": "memcpy", "copies": 900,
    "copies_per_frame": 1.0, "bytes_per_copy": 3_120_000, "bytes": 2_808_000_000,
    "gb_per_s": 6.912, "sample_frames": [0, 1], "sites": [3], "share_of_frame": 1.5,
    "geometry": {"rows": 800, "row_bytes": 3900, "destination_stride": 3900,
                 "source_stride": 3904},
    "copied_before": {"line": "decode.py:10 frame.to_ndarray()", "method": "memcpy",
                      "copies": 900, "bytes_per_copy": 3_120_000},
}  # fmt: skip


def test_a_finding_of_copies_shows_its_line_as_code_and_its_sizes_with_units(
    judged: Make,
) -> None:
    run, verdict = judged("live")
    finding: dict[str, Any] = {
        "audit": "redundant_copies", "outcome": "failed", "cost_ms_per_frame": 0.5,
        "title": f"Bytes copied twice: {EVIDENCE['name']}: copies what was copied before",
        "cost_bytes_per_frame": 3_120_000.0, "stage": "decode", "from_ns": None, "to_ns": None,
        "evidence": EVIDENCE, "remedy": "take a view", "grade": "derived",
    }  # fmt: skip
    html = page((run, {**verdict, "findings": [finding]}))
    shown = Section(html, "findings")
    assert f"<code>{EVIDENCE['name']}</code>: copies what was copied before" in html
    text = plain(shown.text)
    assert finding["title"] in text
    for words in (
        "lineblur.py:11 picture.copy() in work",
        "called fromlibc.so.6 memcpy",
        "bytes per copy 3.12 MB".replace("copy ", "copy"),
        "bytes2.81 GB",
        "speed6.91 GB/s",
        "of a decoded frame150 %",
        "geometry800 rows of 3,900 bytes, from stride 3,904, to stride 3,900",
        "copied beforedecode.py:10 frame.to_ndarray() memcpy; 900 copies; 3.12 MB each",
    ):
        assert words in text, words
    assert "sites" not in text
    assert "eve" not in text


@pytest.mark.parametrize(
    ("title", "parts"),
    [
        ("A: blur.py:11 picture.copy(): b", ("A: ", "blur.py:11 picture.copy()", ": b")),
        ("A: blur.py:11 pict…, b", ("A: ", "blur.py:11 pict…", ", b")),
        ("A: b… of another", ("A: ", "b…", " of another")),
        ("no line is named", ("no line is named", "", "")),
    ],
)
def test_the_line_is_found_in_a_title_even_where_it_was_cut(
    title: str, parts: tuple[str, str, str]
) -> None:
    found = copy_evidence.split(title, EVIDENCE)
    assert found == parts
    assert "".join(found) == title


CAPTIONS = re.compile(r'<p class="lead">(.*?)</p>|<span class="[fn]">(.*?)</span>', re.DOTALL)


@pytest.mark.parametrize("kind", ["live", "generator"])
def test_captions_of_the_ledger_are_the_golden_ones(kind: str, copied: Make, accepts: bool) -> None:
    html = page(copied(kind))
    part = html[html.index('id="copies"') :]
    found = [a or b for a, b in CAPTIONS.findall(part[: part.index("</section>")])]
    text = plain("\n".join(found)) + "\n"
    file = Path(__file__).parent / "golden" / f"copies-{kind}.txt"
    if accepts:
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text
