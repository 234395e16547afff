"""What the page says, read as text: every number is the verdict's, and nothing can escape."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from probe.store import Run
from reports.charts.frames import frames_of
from reports.page import numbers, status
from reports.page.document import source_hash
from reports.page.numbers import NBSP
from reports.page.subject import Subject
from reports.run_report import render, thinned
from reports.sections.figures import Figure, figures
from reports.sections.hot import Hot, hot
from reports.sections.live import answers

Judged = tuple[Run, dict[str, Any]]
LIVE = ("live", "late", "dropping", "blocky", "stalled", "mixed", "bursty", "in-flight")
ODD = ("interrupted", "crashed", "late-release", "closed-loop", "out-of-order", "silent")
GENERATING = ("generator", "offline")
NOT_NUMBERS = re.compile(r"\b(?:nan|NaN|None|inf|Infinity|undefined|null|True|False|NaT)\b|<NA>")
CAPTIONS = re.compile(
    r'<p class="verdict">(.*?)</p>|<span class="f">(.*?)</span>'
    r'|<p class="chain">(.*?)</p>|<p class="lead">(.*?)</p>',
    re.DOTALL,
)
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page and what a reader sees of it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.styles: list[str] = []
        self.by_id: dict[str, str] = {}
        self._open: list[tuple[str, dict[str, str]]] = []
        self._seen: list[str] = []
        self.feed(text)
        self.close()
        self.text = re.sub(r"\s+", " ", "".join(self._seen))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.elements.append((tag, said))
        if tag not in VOID:
            self._open.append((tag, said))

    def handle_endtag(self, tag: str) -> None:
        if any(name == tag for name, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        tag, said = self._open[-1] if self._open else ("", {})
        if tag == "script":
            self.scripts.append((said, data))
        elif tag == "style":
            self.styles.append(data)
        else:
            self._seen.append(data)
            for _, each in self._open:
                if "id" in each:
                    self.by_id[each["id"]] = self.by_id.get(each["id"], "") + data

    def within(self, identity: str) -> str:
        """Return the text inside the element with this id, blanks evened."""
        return re.sub(r"\s+", " ", self.by_id.get(identity, ""))


def html(pair: Judged) -> str:
    verdict = pair[1]
    live = pair[0].manifest["mode"] != "generate" and verdict["released"] is not None
    return render(pair if live else None, None if live else pair)


@pytest.fixture(scope="session")
def read(judged: Callable[..., Judged]) -> Callable[[str], tuple[Page, str, Judged]]:
    made: dict[str, tuple[Page, str, Judged]] = {}

    def get(kind: str) -> tuple[Page, str, Judged]:
        if kind not in made:
            pair = judged(kind)
            text = html(pair)
            made[kind] = Page(text), text, pair
        return made[kind]

    return get


Read = Callable[[str], tuple[Page, str, Judged]]


@pytest.mark.parametrize("kind", LIVE + ODD + GENERATING)
def test_every_kind_of_run_makes_a_sound_page(kind: str, read: Read) -> None:
    page, text, (run, _) = read(kind)
    assert text.startswith("<!doctype html>")
    assert not NOT_NUMBERS.search(page.text), NOT_NUMBERS.findall(page.text)
    assert sum(tag == "h1" for tag, _ in page.elements) == 1
    ids = [said["id"] for _, said in page.elements if "id" in said]
    assert len(ids) == len(set(ids))
    assert run.manifest["scenario"]["name"] in page.text
    targets = [said["href"][1:] for tag, said in page.elements if tag == "a"]
    assert set(targets) <= set(ids)
    assert len(text) < 1_500_000


@pytest.mark.parametrize("kind", ["live", "generator", "silent"])
def test_the_policy_comes_first_and_names_what_runs(kind: str, read: Read) -> None:
    page, _, _ = read(kind)
    tags = [tag for tag, _ in page.elements]
    start = tags.index("meta")
    assert page.elements[start][1] == {"charset": "utf-8"}
    policy = page.elements[start + 1][1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    running = [body for said, body in page.scripts if "type" not in said]
    assert len(running) == 2
    for source in (*running, *page.styles):
        assert source_hash(source) in policy["content"]
    assert policy["content"].count("sha256-") == 3


@pytest.mark.parametrize("kind", ["live", "generator"])
def test_nothing_is_loaded_and_nothing_is_inline(kind: str, read: Read) -> None:
    page, _, _ = read(kind)
    for tag, said in page.elements:
        assert "style" not in said, tag
        assert not [name for name in said if name.startswith("on")], tag
        for name in ("src", "href", "action", "srcset", "data", "xlink:href"):
            assert said.get(name, "#").startswith(("#", "data:image/svg+xml;base64,")), said
        assert tag not in ("iframe", "object", "embed", "base", "form", "link")


@pytest.mark.parametrize("kind", ["live", "late", "dropping", "mixed"])
def test_the_answers_are_those_of_the_verdict(kind: str, read: Read) -> None:
    page, _, (_, verdict) = read(kind)
    shown = page.within("live")
    latency = verdict["latency_ms"]
    p99 = "lost" if latency["p99"] == "lost" else f"{latency['p99']:,.1f} ms"
    assert f"response latency, p99{p99}" in shown
    assert f"{verdict['rate_fps']:.2f} fps" in shown
    assert f"real-time held{verdict['real_time_held_s']:.1f} s" in shown
    assert f"n {latency['n']:,}" in shown
    if isinstance(verdict["slack_p99_ms"], float):
        word = "holds by" if verdict["slack_p99_ms"] >= 0 else "missed by"
        assert f"{word} {abs(verdict['slack_p99_ms']):,.1f} ms" in shown
    for name, number in verdict["fates"].items():
        said = f"{name.replace('_', ' ')} {number:,} "
        assert not number or said in shown, said


def test_held_with_gaps_and_a_rate_below_the_source_say_so(judged: Callable[..., Judged]) -> None:
    run, verdict = judged("live")
    shares = {"real-time": 0.8, "degraded real-time": 0.2}
    subject = Subject.of((run, {**verdict, "regime_share": shares, "rate_fps": 28.95}))
    held, _, rate, _ = answers(subject)
    assert held.status == status.PARTLY.saying(f"holds, with gaps: 6.0{NBSP}s")
    assert (rate.limit, rate.status) == ("source 30.00 fps, 1.05 under it", None)


def test_a_drift_stands_with_its_interval_or_says_why_not(judged: Callable[..., Judged]) -> None:
    def drift(seconds: int) -> Figure:
        found = figures(Subject.of(judged("live", seconds=seconds)))
        return next(each for each in found if each.name == "sync drift")

    assert drift(30).value.endswith(f"{NBSP}ms/min")
    assert re.search(r"up to delivery.*99 %: \S+ to \S+$", drift(30).basis)
    assert drift(6).value == "not measured"
    assert drift(6).basis == "frames over 6.0 s were answered, 20 s needed"


@pytest.mark.parametrize(("samples", "width"), [(10, None), (40, 100.0)])
def test_a_stage_of_few_samples_has_an_interval_and_no_bar(
    samples: int, width: float | None
) -> None:
    rows = [{"t_ns": k, "held_ns": 10**7, "stage": "decode", "thread": "a:9", "stack": 0,
             "measured": True} for k in range(samples)]  # fmt: skip
    stacks = pd.DataFrame({"stack": [0], "frames": ['[["libx264-d65.so.165", null, "0x7f"]]']})
    run = Run.of({"stacks": {"mode": "native", "rate_hz": 100}},
                 {"stack_samples": pd.DataFrame(rows), "stacks": stacks})  # fmt: skip
    found = hot(Subject.of((run, {})))
    assert isinstance(found, Hot)
    ((row,),) = (part.rows for part in found.parts)
    assert (row.width, row.high) == (width, 100.0)
    assert row.low > 0


def test_the_fates_fill_their_bar(read: Read) -> None:
    _, text, (_, verdict) = read("dropping")
    bar = re.search(r"<h2>Fates of.*?</svg>", text, re.DOTALL)
    assert bar is not None
    found = re.findall(r'class="f-\w+ sep" x="([\d.]+)%" y="0" width="([\d.]+)%"', bar[0])
    assert len(found) == sum(1 for number in verdict["fates"].values() if number)
    assert sum(float(width) for _, width in found) == pytest.approx(100, abs=0.01)
    for (x, width), (after, _) in pairwise(found):
        assert float(x) + float(width) == pytest.approx(float(after), abs=0.01)


def test_each_rule_stands_with_its_outcome_and_reason(read: Read) -> None:
    page, _, (_, verdict) = read("late")
    for rule in verdict["rules"]:
        assert rule["title"] in page.text
        assert numbers.sentence(rule["reason"]) in page.text
        assert numbers.sentence(rule["remedy"] or "") in page.text


def test_each_finding_stands_with_its_cost_and_remedy(read: Read) -> None:
    page, _, (_, verdict) = read("dropping")
    shown = [each for each in verdict["findings"] if each["outcome"] in ("failed", "warning")]
    assert shown
    for finding in shown:
        assert finding["title"] in page.text
        assert re.sub(r"\s+", " ", finding["remedy"]) in page.text
        if finding["cost_ms_per_frame"] is not None:
            assert f"{numbers.ms_plain(finding['cost_ms_per_frame'])} ms/frame" in page.text


@pytest.mark.parametrize("kind", GENERATING)
def test_a_generating_run_has_its_own_metrics_and_says_what_does_not_apply(
    kind: str, read: Read
) -> None:
    page, _, (_, verdict) = read(kind)
    said = page.within("generated")
    assert f"speed{verdict['speed']:.2f} {numbers.TIMES}" in said
    assert f"{verdict['block_size']:.0f} frames" in said
    assert "response latency, slackn/a" in said
    word = "Fast, not live." if verdict["regime"] == "fast generation" else "Offline, not live."
    assert word in said
    assert "insufficient" in page.text, "a p99 of few blocks is never given"


def test_why_it_is_not_live_is_rule_twelve(read: Read) -> None:
    page, _, (run, verdict) = read("generator")
    fps = run.manifest["program"]["facts"]["generate"]["fps"]
    fill = (verdict["block_size"] - 1) / fps * 1000
    assert numbers.ms(fill).replace(numbers.NBSP, " ") in page.within("generated")
    bound = re.search(r"could not show sooner than ([\d.]+) (m?s)", page.text)
    assert bound is not None
    soonest = float(bound[1]) * (1 if bound[2] == "ms" else 1000)
    assert soonest > fill


def test_both_runs_stand_beside_each_other_and_no_score_joins_them(
    judged: Callable[..., Judged],
) -> None:
    live, generating = judged("live"), judged("generator")
    page = Page(render(live, generating))
    assert "Real-time inference" in page.within("live")
    assert "Fast generation" in page.within("generated")
    side = page.text[page.text.index("Side by side, never joined") :]
    assert re.search(r"response latency, p99 ?[\d.]+ ms ?n/a", side)
    assert re.search(rf"speed ?n/a ?[\d.]+ {numbers.TIMES}", side)
    assert not re.search(r"\bscore: |overall|points", page.text)


def test_an_interrupted_run_and_a_crash_say_so(read: Read) -> None:
    assert "interrupted" in read("interrupted")[0].text.lower()
    crashed = read("crashed")[0].text
    assert "SIGSEGV" in crashed
    assert "what was measured until then is shown" in crashed


def test_a_program_that_says_nothing_is_not_testable_and_no_generator(read: Read) -> None:
    page, _, _ = read("silent")
    assert "Not testable." in page.within("live")
    assert "Fast generation" not in page.text
    assert page.text.count("not measured") > 5


def test_a_run_without_frames_is_rendered(
    judged: Callable[..., Judged], altered: Callable[..., Judged]
) -> None:
    run, _ = judged("live")
    empty = {name: run.table(name).iloc[:0] for name in ("frames", "outputs", "spans", "samples")}
    page = Page(html(altered(run, {"window": None}, empty)))
    assert not NOT_NUMBERS.search(page.text)
    assert "no frame was released before the run ended" in page.text.lower()


def test_an_invalid_measurement_has_no_verdict(judged: Callable[..., Judged]) -> None:
    run, verdict = judged("live")
    invalid = {**verdict, "validity": {"status": "invalid", "reasons": ["negative latency"]}}
    said = Page(html((run, invalid))).within("live")
    assert "Invalid measurement." in said
    assert "Live." not in said


def test_too_few_frames_are_insufficient_and_never_a_percentile(
    judged: Callable[..., Judged],
) -> None:
    pair = judged("live", seconds=4.0)
    assert pair[1]["latency_ms"]["p99"] is None
    said = Page(html(pair)).within("live")
    assert "response latency, p99insufficient" in said


def test_no_run_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a live run"):
        render(None, None)


def test_hostile_names_stand_as_text(hostile: tuple[dict[str, str], Judged]) -> None:
    names, pair = hostile
    text = html(pair)
    page = Page(text)
    plain = re.sub(r"\s+", " ", page.text)
    for name in names.values():
        assert re.sub(r"\s+", " ", name) in plain, name
        assert name not in text or not set(name) & set("<>")
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"u", "i'", "script>"}
    assert [
        said["src"] for tag, said in page.elements if tag == "img" and len(said["src"]) < 99
    ] == []
    assert "{{ 7 * 7 }}" in plain
    for said, body in page.scripts:
        if said.get("type") == "application/json":
            assert not set(body) & set("<>&\u2028\u2029")


def test_home_paths_do_not_enter(
    judged: Callable[..., Judged], altered: Callable[..., Judged]
) -> None:
    run, _ = judged("crashed")
    scenario = dict(run.manifest["scenario"])
    scenario["overrides"] = ["source.clip=/home/eve/secret/talk.mp4"]
    scenario["resolved"] = {
        **scenario["resolved"],
        "source": {**scenario["resolved"]["source"], "clip": "/home/eve/secret/talk.mp4"},
    }
    program = {
        **run.manifest["program"],
        "command": ["/home/eve/bin/run", "/Users/eve/x"],
        "stderr_tail": "File /home/eve/secret/app.py, line 3",
    }
    text = html(altered(run, {"scenario": scenario, "program": program}))
    assert "eve" not in re.findall(r"[a-z]+", re.sub(r"[A-Za-z0-9+/=]{200,}", "", text))
    assert "talk.mp4" in text
    assert "line 3" in text


def test_static_figures_are_sound_svg_without_scripts(read: Read) -> None:
    _, text, _ = read("mixed")
    images = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    assert len(images) >= 4
    for image in images:
        root = ET.fromstring(base64.b64decode(image))  # noqa: S314  our own figure
        assert root.tag.endswith("svg")
        assert not [e for e in root.iter() if e.tag.endswith(("script", "foreignObject"))]
        assert "nan" not in ET.tostring(root, encoding="unicode")


def test_a_missing_sensor_says_why_and_what_to_do(
    judged: Callable[..., Judged], altered: Callable[..., Judged]
) -> None:
    run, _ = judged("live")
    cpu, thermal = run.manifest["collectors"]
    gone = {**thermal, "outcome": "no data", "reason": "no zone below /sys/class/thermal",
            "remedy": "load the driver", "tracks": []}  # fmt: skip
    page = Page(html(altered(run, {"collectors": [cpu, gone]})))
    assert "no zone below /sys/class/thermal; load the driver" in page.within("method")
    assert "no valuethermal: why, and what to do, stands under Method" in page.within("time")


def test_a_very_long_run_keeps_its_worst_frames_and_says_so(judged: Callable[..., Judged]) -> None:
    frames = frames_of(Subject.of(judged("mixed")))
    assert frames is not None
    fewer = thinned(frames, 200)
    assert len(fewer) <= 210
    assert fewer.latency_ms[~fewer.lost].max() == frames.latency_ms[~frames.lost].max()
    assert (fewer.t_s[1:] > fewer.t_s[:-1]).all()


def captions(text: str) -> str:
    """Return the computed sentences of a page, one a line."""
    found = CAPTIONS.findall(text)
    plain = [Page("".join(each)).text.strip() for each in found]
    return "\n".join(line for line in plain if line) + "\n"


@pytest.mark.parametrize("kind", ["live", "late", "dropping", "stalled", "blocky", "generator"])
def test_captions_are_the_golden_ones(kind: str, read: Read, accepts: bool) -> None:
    file = Path(__file__).parent / "golden" / f"{kind}.txt"
    found = captions(read(kind)[1])
    if accepts:
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == found


@pytest.mark.parametrize(("left_out", "said"), [(37, True), (0, False), (None, False)])
def test_what_the_encoder_beside_left_out_is_said(
    judged: Callable[..., Judged], left_out: int | None, said: bool
) -> None:
    run, verdict = judged("live")
    program = dict(run.manifest["program"], facts={"sink": {"left_out_beside": left_out}})
    text = Page(render((changed_run(run, program), verdict), None)).text
    assert ("37 frames went by unencoded" in text.replace("\u00a0", " ")) is said


def changed_run(run: Run, program: dict[str, Any]) -> Run:
    tables = {name: run.table(name) for name in ("frames", "outputs", "spans", "samples", "events")}
    return Run.of({**run.manifest, "program": program}, tables)


def of_series(pair: Judged, *others: str) -> tuple[Page, str]:
    """Return the page of a Run that is repeat 1 of a series; the others by their ids."""
    run, verdict = pair
    members = [
        {"run": name, "index": k, "outcome": "refuted", "regime": None, "sustained": "refuted"}
        for k, name in enumerate((str(verdict["run"]), *others), 1)
    ]
    told = {
        "id": "a", "index": 1, "of": 5, "agreeing": len(members), "certified": False,
        "missing": ["only some of the 5 repeats are here"], "problems": [], "members": members,
    }  # fmt: skip
    text = html((run, verdict | {"series": told}))
    return Page(text), text


def test_the_repeats_of_a_series_stand_in_the_method_with_the_way_to_each(read: Read) -> None:
    page, text = of_series(read("live")[2], "20260101T000000Z-live-x")
    said = page.within("method")
    assert "Repeats: repeat 1 of 5; 2 of 2 repeats here agree; not certified" in said
    assert "Not certified: only some of the 5 repeats are here." in said
    assert said.count("not sustained") == 2
    assert text.count("/report.html") == 1  # none to itself
    assert '<a href="../20260101T000000Z-live-x/report.html">' in text
    assert "Repeats" not in read("live")[0].within("method")


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", "javascript:alert(1)", "..", '"x'])
def test_what_is_no_name_of_a_folder_is_no_link(name: str, read: Read) -> None:
    _, text = of_series(read("live")[2], name)
    assert "report.html" not in text
