"""What the report of a comparison says: every number is the document's, and nothing can escape."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from probe import comparison_schema, judge
from probe.comparison import Side, Word, compare
from probe.store import TABLES, Run
from reports.charts import intervals
from reports.charts.intervals import Axis
from reports.comparison_report import render
from reports.page import numbers, privacy
from reports.page.document import source_hash
from reports.page.measure import Measure

Comparison = Callable[[str], tuple[dict[str, Any], list[Side]]]
CASES = ("three", "worse", "better", "same", "few", "blocked", "generation", "crossed", "partly")
NOT_NUMBERS = re.compile(r"\b(?:nan|NaN|None|inf|Infinity|undefined|null|True|False|NaT)\b|<NA>")
APART = ("td", "th", "dt", "dd", "p", "span", "div", "h2", "li")
VOID = {"meta", "img", "br", "link", "input", "hr", "col"}


class Page(HTMLParser):
    """The elements of a page, what runs in it, and what a reader sees, by the ids around it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.running: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._seen: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.elements.append((tag, said))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag in APART:
            self.handle_data(" ")
        if tag not in VOID:
            self._open.append((tag, said))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, said = self._open[-1] if self._open else ("", {})
        if tag in ("script", "style"):
            self.running += [] if "type" in said else [data]
            return
        around = " ".join(each["id"] for _, each in self._open if "id" in each)
        self._seen.append((around, data))
        cell = any(name in ("td", "th") for name, _ in self._open)
        if cell and "title" not in [name for name, _ in self._open] and self.rows[-1:] != [[]]:
            self.rows[-1][-1] += data

    def within(self, identity: str) -> str:
        """Return the text inside an element, blanks evened; all of it for an empty name."""
        parts = [data for ids, data in self._seen if not identity or identity in ids.split()]
        return re.sub(r"\s+", " ", "".join(parts)).replace(numbers.NBSP, " ")


@pytest.fixture(scope="session")
def read(comparison: Comparison) -> Callable[[str], tuple[Page, str, dict[str, Any]]]:
    made: dict[str, tuple[Page, str, dict[str, Any]]] = {}

    def get(case: str) -> tuple[Page, str, dict[str, Any]]:
        if case not in made:
            document, sides = comparison(case)
            text = render(document, sides)
            made[case] = Page(text), text, document
        return made[case]

    return get


Read = Callable[[str], tuple[Page, str, dict[str, Any]]]


@pytest.mark.parametrize("case", CASES)
def test_every_comparison_makes_a_sound_page(case: str, read: Read) -> None:
    page, text, _ = read(case)
    assert text.startswith("<!doctype html>")
    assert not NOT_NUMBERS.search(page.within("")), NOT_NUMBERS.findall(page.within(""))
    assert sum(tag == "h1" for tag, _ in page.elements) == 1
    ids = [said["id"] for _, said in page.elements if "id" in said]
    assert len(ids) == len(set(ids))
    assert {said["href"][1:] for tag, said in page.elements if tag == "a"} <= set(ids)
    assert len(text) < 600_000


@pytest.mark.parametrize("case", ["three", "blocked"])
def test_the_policy_names_all_that_runs_and_nothing_is_loaded_or_inline(
    case: str, read: Read
) -> None:
    page, _, _ = read(case)
    policy = next(said for _, said in page.elements if "http-equiv" in said)["content"]
    assert policy.startswith("default-src 'none'; ")
    assert len(page.running) == policy.count("sha256-") == 3
    assert all(source_hash(each) in policy for each in page.running)
    for tag, said in page.elements:
        assert "style" not in said, tag
        assert not [name for name in said if name.startswith("on")], tag
        assert "src" not in said, tag
        assert said.get("href", "#").startswith("#"), said
        assert tag not in ("iframe", "object", "embed", "base", "form", "link")


Lines = list[tuple[Mapping[str, Any], int, list[str]]]


def lines(page: Page, document: Mapping[str, Any]) -> Lines:
    """Return (metric, side, cells) of the tables of metrics, in the order of the page."""
    order = iter(sorted_as_shown(page, document))
    found: Lines = []
    for cells in page.rows:
        if cells and re.search("direction is better|(lower|higher) is better", cells[0]):
            found.append((next(order), 0, cells[1:]))
        elif found and found[-1][1] < len(document["sides"]) - 1:
            found.append((found[-1][0], found[-1][1] + 1, cells))
    return found


def sorted_as_shown(page: Page, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the metrics in the order of the page's definitions."""
    names = [each[0].strip() for each in page.rows if len(each) == 2]
    known = {each["metric"]: each for each in document["metrics"]}
    return [known[name] for name in names if name in known]


@pytest.mark.parametrize("case", ["three", "worse", "better", "same", "few", "partly"])
def test_every_number_and_verdict_is_the_documents(case: str, read: Read) -> None:
    page, _, document = read(case)
    found = lines(page, document)
    assert len(found) == len(document["metrics"]) * len(document["sides"])
    for row, at, cells in found:
        values = [v for side in row["values"] for v in side if isinstance(v, float)]
        measure = Measure.of(row["unit"], values)
        letter, _, mean, _, difference, ends, _, verdict = [each.strip() for each in cells]
        assert letter == "ABC"[at]
        if row["means"][at] is not None:
            assert mean == measure.bare(row["means"][at])
        if at == 0:
            assert difference == "base"
            continue
        said = row["against"][at - 1]
        assert verdict.startswith(said["verdict"])
        if said["difference"] is not None:
            assert difference == measure.signed(said["difference"])
        if said["interval"] and said["interval"][0] != said["interval"][1]:
            assert ends == " to ".join(measure.signed(each) for each in said["interval"])


def test_every_run_is_a_dot_and_every_difference_an_interval_on_the_axis_of_its_metric(
    read: Read,
) -> None:
    page, text, document = read("three")
    values = [v for row in document["metrics"] for side in row["values"] for v in side]
    shown = [v for v in values if isinstance(v, float)]
    keys = 2
    assert text.count('<circle class="run ') == len(shown) + keys
    against = [said for row in document["metrics"] for said in row["against"]]
    drawn = [said for said in against if said["difference"] is not None]
    assert text.count('<g class="iv ') == len(drawn) + 1
    assert text.count('<rect class="band"') > len(document["metrics"])
    places = [float(said["cx"][:-1]) for tag, said in page.elements
              if tag == "circle" and said.get("cx", "").endswith("%")]  # fmt: skip
    assert places
    assert 0 <= min(places) <= max(places) <= 100


def test_a_blocked_comparison_says_so_first_and_draws_nothing_together(read: Read) -> None:
    page, text, document = read("blocked")
    everything = page.within("")
    assert not document["comparable"]
    assert "Not comparable input: another input." in everything
    assert everything.index("Not comparable") < everything.index("What differs besides")
    assert "--vary input" in everything
    assert '<circle class="run' not in text
    assert 'class="iv' not in text
    assert page.within("metrics").count("not comparable") >= len(document["metrics"])


def test_too_few_runs_are_told_with_how_many_more(read: Read) -> None:
    page, _, document = read("few")
    everything = page.within("")
    assert document["metrics"][0]["against"][0]["verdict"] == Word.TOO_FEW
    assert "A has 2 runs, B has 3: measure 2 more runs of A and 1 more run of B" in everything
    assert everything.index("Insufficient runs") < everything.index("What differs besides")
    assert page.within("metrics").count("insufficient runs") >= len(document["metrics"])


def test_what_differs_stands_before_any_verdict_with_its_bearing(read: Read) -> None:
    page, _, document = read("three")
    found = page.within("differs")
    assert "device A Board 5, HAT A B Board 5, HAT B C Board 5, HAT C as intended" in found
    everything = page.within("")
    assert everything.index("What differs besides") < everything.index("Live.")
    assert document["environment"][0]["condition"] == "device"


def test_the_first_screen_answers_rate_latency_watts_degrees_and_for_how_long(read: Read) -> None:
    page, _, document = read("three")
    found = page.within("verdict")
    means = {each["metric"]: each["means"] for each in document["metrics"]}
    watts = {each["metric"]: each["against"][1] for each in document["metrics"]}["power.mean"]
    for at in range(3):
        assert f"{means['power.mean'][at]:.1f} W" in found
        assert f"{means['temperature.max'][at]:.1f} °C" in found
        assert f"{means['rate'][at]:.2f} fps" in found
    assert f"{means['latency.p99'][0]:.1f} ms deadline 50 ms" in found
    assert found.count("to the end in 5 of 5") == 3
    assert f"+{watts['difference']:.1f} W: worse" in found
    assert "Real-time inference supported in 5 of 5 runs" in found


def test_metrics_of_the_wrong_regime_read_na_and_share_no_axis(read: Read) -> None:
    page, text, document = read("crossed")
    assert document["comparable"]
    found = {(row["metric"], at): cells for row, at, cells in lines(page, document)}
    assert found["latency.p50", 1][2].strip() == "n/a"
    assert found["latency.p50", 1][7].strip().startswith("not comparable")
    assert "n/a: one side is live" in found["latency.p50", 1][7]
    temperature = found["temperature.max", 1]
    assert temperature[2].strip() != "n/a"
    assert '<g class="iv ' not in text.partition('id="metrics"')[2].partition("</p>")[2]
    only, _, _ = read("generation")
    assert "rate of unique frames n/a" in only.within("metrics")
    assert "response latency p50" not in only.within("metrics")


def test_a_metric_that_some_runs_lack_says_how_many_and_why(read: Read) -> None:
    page, _, document = read("partly")
    power = next(each for each in document["metrics"] if each["metric"] == "power.mean")
    assert power["missing"][1].count(None) == 4
    metrics, method = page.within("metrics"), page.within("method")
    assert "Not measured in 1 of 10 runs: no collector of this Run read power" in metrics
    assert "power.mean, B: no collector of this Run read power" in method


def test_how_it_was_computed_is_said_and_how_to_do_it_again(read: Read) -> None:
    page, _, document = read("three")
    method = page.within("method")
    assert "B against A, 5 and 5 runs: ways to exchange the runs: all 252 counted" in method
    assert "smallest p that can come out 0.0079" in method
    assert "95 %" in method
    assert "--vary device" in method
    assert "--min-effect 2" in method
    for side in document["sides"]:
        for run in side["runs"]:
            assert page.within("runs").count(run) == 1
            assert run in method


def test_chosen_metrics_leave_the_first_screen_whole(comparison: Comparison) -> None:
    _, sides = comparison("three")
    document = compare(sides[0], sides[1:], names=["latency.p50"], vary=["device"])
    page = Page(render(document, sides))
    assert "11.2 W" in page.within("verdict")
    assert "power mean" not in page.within("metrics")


def test_a_run_is_linked_where_it_has_a_report_and_the_address_tells_nothing(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, sides = comparison("worse")
    monkeypatch.setattr(privacy.getpass, "getuser", lambda: "magdalena")
    links = [["a%20b/report.html", "magdalena/x/report.html", None, None, None], [None] * 5]
    page = Page(render(document, sides, links))
    found = [said["href"] for tag, said in page.elements if tag == "a"]
    assert [each for each in found if not each.startswith("#")] == ["a%20b/report.html"]


def renamed(pair: tuple[Run, Mapping[str, Any]], **manifest: Any) -> tuple[Run, dict[str, Any]]:
    run, _ = pair
    held = {name: run.table(name) for name in TABLES if run.has(name)}
    made = Run.of({**copy.deepcopy(dict(run.manifest)), **manifest}, held)
    return made, judge.judge(made)


def test_names_of_a_stranger_stay_text_and_private_words_stay_out(
    comparison: Comparison, hostile: tuple[dict[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, _ = hostile
    monkeypatch.setenv("HOME", "/data/people/eve")
    _, (base, other) = comparison("worse")
    usual = base.runs[0][0].manifest["device"]
    called = {"board": names["device"], "name": names["reason"]}
    device = {**usual, **called, "kernel": "/data/people/eve/vmlinuz"}
    environment = {"variables": {"PYTHONPATH": "/srv/Secret Corp/mary/lib"}}
    runs = [
        renamed(pair, id=f"{names['scenario']}-{k}", device=device, environment=environment)
        for k, pair in enumerate(other.runs)
    ]
    side = Side("/home/eve/secret/runs", tuple(runs))
    document = compare(base, [side])
    text = render(document, [base, side])
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert "img" not in tags
    assert tags.count("script") == 4
    assert "{{ 7 * 7 }}" in page.within("")
    assert names["scenario"] in page.within("runs")
    for private in ("/eve", "people", "Secret Corp", "mary", "/srv", "/home"):
        assert private not in page.within(""), private


@pytest.mark.parametrize("case", CASES)
def test_the_document_is_as_its_schema_says(case: str, comparison: Comparison) -> None:
    document, _ = comparison(case)
    schema = comparison_schema.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), schema)


def test_the_schema_refuses_what_it_does_not_know(comparison: Comparison) -> None:
    document, _ = comparison("worse")
    for wrong in ({"extra": 1}, {"comparable": None}, {"sides": []}, {"schema": 2}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, **wrong}, comparison_schema.schema())


def captions(page: Page, document: Mapping[str, Any]) -> str:
    """Return what the page says of each side, and each metric's line."""
    rows = [
        " | ".join(" ".join(each.split()) for each in cells).replace(numbers.NBSP, " ")
        for _, at, cells in lines(page, document)
        if at
    ]
    return "\n".join([page.within("verdict").strip(), *rows, ""])


@pytest.mark.parametrize("case", ["worse", "better", "same", "few"])
def test_what_is_said_is_the_golden_text(case: str, read: Read, accepts: bool) -> None:
    page, _, document = read(case)
    file = Path(__file__).parent / "golden" / f"comparison-{case}.txt"
    found = captions(page, document)
    if accepts:
        file.write_text(found, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == found


def test_a_blocked_comparison_is_the_golden_text(read: Read, accepts: bool) -> None:
    page, _, _ = read("blocked")
    file = Path(__file__).parent / "golden" / "comparison-blocked.txt"
    whole = page.within("main")
    found = whole[: whole.index("Metric by metric")].strip() + "\n"
    if accepts:
        file.write_text(found, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == found


@pytest.mark.parametrize(
    ("unit", "values", "value", "written"),
    [
        ("bytes", [51.3e6, 51.3e6], 51.3e6, "51.3"),
        ("fps", [29.98, 29.97], 29.98, "29.980"),
        ("fps", [30.0, 30.0], 30.0, "30.00"),
        ("ms", [34.2, 39.7], 34.24, "34.2"),
        ("frames", [1.0, 12.0], 12.0, "12"),
        ("ms", [], "lost", "lost"),
    ],
)
def test_values_have_the_digits_that_tell_them_apart(
    unit: str, values: list[float], value: float | str, written: str
) -> None:
    assert Measure.of(unit, values).bare(value) == written


def test_a_difference_that_is_not_nothing_never_reads_as_nothing() -> None:
    measure = Measure.of("ms", [10.0, 50.0])
    assert measure.signed(0.04) == "+0.04"
    assert measure.signed(-0.00001) == f"{numbers.MINUS}under{numbers.NBSP}0.0001"
    assert measure.signed(0.0) == "0.0"


@pytest.mark.parametrize(
    ("found", "least"),
    [
        ([(8.8, [7.8, 10.6]), (-1.2, [-2.4, 0.6])], 0.5),
        ([(1e-9, [-1e-9, 3e-9])], 0.0),
        ([(0.0, [0.0, 0.0])], 0.0),
        ([(5e9, None)], 1e8),
    ],
)
def test_zero_and_the_band_are_always_on_the_axis_of_differences(
    found: list[tuple[float, list[float] | None]], least: float
) -> None:
    drawn = intervals.effects(found, least)
    assert drawn is not None
    places = [drawn.zero, *(tick.x for tick in drawn.ticks)]
    for difference, ends in found:
        one = intervals.interval(drawn, difference, ends, "")
        places += [each for each in (one.low, one.x, one.high) if each is not None]
        assert (one.x > drawn.zero) == (difference > 0)
    if least:
        assert drawn.band is not None
        assert drawn.band.x < drawn.zero < drawn.band.x + drawn.band.width
    assert 0 <= min(places) <= max(places) <= 100
    assert 1 <= len(drawn.ticks) <= intervals.MOST_TICKS + 1
    assert intervals.effects([], 0.0) is None


def test_the_cases_are_those_of_the_maker(compared: ModuleType) -> None:
    assert compared.CASES == CASES


def test_a_nanosecond_is_neither_written_nor_drawn() -> None:
    values = [22.099679, 22.09968]
    assert Measure.of("ms", values).bare(values[0]) == Measure.of("ms", [22.1]).bare(22.1)
    axis = Axis.over(values)
    assert axis is not None
    assert axis.at(values[0]) == axis.at(values[1]) == 50.0
