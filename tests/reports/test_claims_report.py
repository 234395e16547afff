"""The report of judged claims: content, privacy, and what a stranger's words can do to it."""

from __future__ import annotations

import copy
import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest

from probe.claims import schema
from probe.metrics import PER_FRAME
from reports.claims_report import render
from reports.page import numbers
from reports.page.foreign import MOST, plain, plain_document

Documents = Callable[..., dict[str, Any]]
WORDS = {
    "supported": "supported", "partly": "partly", "refuted": "refuted",
    "inconclusive": "inconclusive", "not testable": "not testable here",
}  # fmt: skip


class Text(HTMLParser):
    """Collects what can be read, a line a block, and which elements and attributes there are."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("script", "style", "sup")
        if tag in ("td", "th", "p", "dd", "dt", "tr", "div", "section", "br", "article"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style", "sup")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)

    @property
    def text(self) -> str:
        joined = "".join(self.parts).replace(numbers.NBSP, " ")
        return "\n".join(line.strip() for line in joined.splitlines() if line.strip())


def read(page: str) -> Text:
    found = Text()
    found.feed(page)
    return found


def test_the_answer_stands_with_why_the_claim_and_whether_it_can_be_run_again(
    judged_claims: Documents,
) -> None:
    document = judged_claims()
    outcomes = {each["outcome"] for each in document["claims"]}
    assert outcomes == set(WORDS)
    text = read(render(document)).text
    first = text[: text.index("The claim")]
    for each in document["claims"]:
        assert f"\N{LEFT DOUBLE QUOTATION MARK}{each['text']}" in text or each["text"] in first
        assert WORDS[each["outcome"]] in first
        assert (each["again"] or "With a program of yours") in text
    assert first.count("Yes, on any device") == sum(bool(c["again"]) for c in document["claims"])
    assert "With a program of yours, on Raspberry Pi 5 with Hailo" in first


@pytest.mark.parametrize("outcome", list(WORDS))
def test_a_lone_claim_is_answered_before_anything_else(
    judged_claims: Documents, outcome: str
) -> None:
    document = judged_claims()
    document["claims"] = [each for each in document["claims"] if each["outcome"] == outcome][:1]
    (claim,) = document["claims"]
    text = read(render(document)).text
    where = text.index("The claim")
    assert claim["text"] in text[where : where + 400].replace("\n", "")
    assert WORDS[outcome] in text[where:]
    assert claim["source"] in text
    assert claim["date"] in text


def test_each_statement_has_metric_limit_value_margin_and_sample(judged_claims: Documents) -> None:
    document = judged_claims("holds")
    text = read(render(document)).text
    rate, latency, _ = document["claims"][0]["statements"]
    for statement, unit, places in ((rate, "fps", 2), (latency, "ms", 1)):
        (test,) = statement["tests"]
        assert test["test"] in text
        low, high = min(test["values"]), max(test["values"])
        shown = [f"{low:,.{places}f} {unit}", f"{high:,.{places}f} {unit}"]
        assert " to ".join(dict.fromkeys(shown)) in text
        assert f"holds by at least {min(test['margins']):,.{places}f} {unit}" in text
        assert f"5 runs, n = {test['n'][0]} each" in text
    low, high = rate["tests"][0]["intervals"][0]
    assert f"{low:.2f} fps to {high:.2f} fps" in text
    assert latency["reading"] in text


def test_time_per_frame_is_told_apart_from_latency_where_the_words_leave_it_open(
    judged_claims: Documents,
) -> None:
    document = judged_claims("holds")
    statement = document["claims"][0]["statements"][1]
    assert "ms per frame" in statement["text"]
    assert statement["meanings"] == [PER_FRAME]
    text = read(render(document)).text
    assert text.count("a pipeline of depth 8 at 30 fps") == 3  # this, "30 fps", and the method
    run = document["claims"][0]["cited"][0]
    assert f"1 / rate = {1000 / run['rate_fps']:.1f} ms between frames, which is no latency" in text
    assert re.search(r"response latency, p50\n[\d.]+ ms", text)


def test_what_would_tell_is_said(judged_claims: Documents) -> None:
    document = judged_claims("open")
    needs = [each["needs"] for each in document["claims"][0]["statements"]]
    assert re.fullmatch(r"run \d+ s longer at this rate: .*without a further miss", needs[0])
    assert re.fullmatch(r"run \d+ s longer at this rate: .*if none is beyond the limit", needs[1])
    text = read(render(document)).text
    assert all(text.count(each) == 1 for each in needs)


def test_conditions_stand_beside_what_was_here_and_what_follows(judged_claims: Documents) -> None:
    text = read(render(judged_claims("easier"))).text
    assert "resolution\n1920x1080\n1280x720\neasier here, so nothing is supported by it" in text
    assert "rate\n60 fps\n30 fps\neasier here" in text
    assert "Nobody stated: device, accelerator and model." in text
    assert "a Run under the stated conditions: resolution 1920x1080" in text


def test_a_percentile_on_a_lost_frame_reads_lost_and_has_no_margin(
    judged_claims: Documents,
) -> None:
    document = judged_claims("lost")
    (test,) = document["claims"][0]["statements"][0]["tests"]
    assert test["values"] == ["lost"]
    text = read(render(document)).text
    assert "lost; limit ≤ 50 ms: falls on a lost frame" in text


def test_a_claim_without_a_run_says_so_and_shows_no_number(judged_claims: Documents) -> None:
    text = read(render(judged_claims("elsewhere"))).text
    assert "No Run" in text
    assert "it is about" not in text
    assert "Is it live at all?" not in text
    assert "latency.p50<=550ms" in text
    assert "not measured" in text


def test_hashes_of_file_scenario_and_model_stand_once(judged_claims: Documents) -> None:
    document = judged_claims("holds")
    run = document["claims"][0]["cited"][0]
    text = read(render(document)).text
    assert text.count(document["file"]["sha256"]) == 1
    for name in ("scenario", "model", "input"):
        assert run["hashes"][name] in text
    assert text.count("of\nfile of claims") == 1


def test_every_run_that_answers_is_listed_once(judged_claims: Documents) -> None:
    document = judged_claims("holds", "open")
    text = read(render(document)).text
    rows = text[text.index("every measurement that answers") :]
    assert len(re.findall(r"\n\d+\n\d{8}T\d{6}Z-", rows)) == 6


def test_one_word_of_a_status_never_stands_for_two() -> None:
    from reports.page import status
    from reports.sections.claim_tests import of_outcome

    found = [of_outcome(each) for each in WORDS]
    assert [each.word for each in found] == list(WORDS.values())
    assert len({(each.shape, each.tone) for each in found}) == len(WORDS)
    assert status.PARTLY.word == "partly"


def hostile(document: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the document with `text` wherever a stranger chooses the words."""
    found = copy.deepcopy(document)
    found["file"].update(name=text, title=text)
    for claim in found["claims"]:
        claim.update(text=f"{text} {claim['text']}", source=text, reason=text, again=text)
        for statement in claim["statements"]:
            statement.update(reading=text, needs=text, reason=text)
        for each in claim["deviations"]:
            each["here"] = each["stated"] = text
        for run in claim["cited"]:
            run.update(device=text, scenario=text, id=text, overrides=[text], custom=True)
            run["hashes"][text] = text
            run["real_time"]["reason"] = text
            run["validity"]["reasons"] = [text]
    return found


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>document.title='pwned'</script>",
        "\"><img src=x onerror='alert(1)'>",
        "{{ 7 * 7 }}{% raw %}",
        "javascript:alert(1)",
        "<!-- ]]> <svg onload=alert(2)>",
        "\u2028\u2029&lt;b&gt;",
    ],
)
def test_hostile_words_stay_words(judged_claims: Documents, text: str) -> None:
    calm, page = judged_claims(), render(hostile(judged_claims(), text))
    found = read(page)
    assert text in html.unescape(page)
    allowed = {tag for tag, _ in read(render(calm)).tags}
    assert {tag for tag, _ in found.tags} <= allowed
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert str(attributes.get("href") or "#").startswith("#")
        assert "src" not in attributes
    assert "<b>49</b>" not in page


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\x1b", "\x00", "\u200f"])
def test_marks_that_reverse_or_hide_words_are_written_out(
    judged_claims: Documents, mark: str
) -> None:
    page = render(hostile(judged_claims("holds"), f"fast{mark}slow"))
    natural = mark == "\u200f"  # a mark of right-to-left writing, which reverses nothing
    assert (mark in page) == natural
    assert (f"fast[U+{ord(mark):04X}]slow" in page) != natural


def test_every_foreign_text_is_isolated_from_what_stands_around_it(
    judged_claims: Documents,
) -> None:
    text = "\N{HEBREW LETTER ALEF} 50 ms"
    page = render(hostile(judged_claims("holds"), text))
    body = page[page.index('<main id="main">') : page.index("</footer>")]
    for found in re.finditer(re.escape(text), body):
        before = body[: found.start()]
        isolated = before.rfind("<bdi>") > before.rfind("</bdi>")
        assert isolated, body[found.start() - 60 : found.end()]


def test_an_endless_text_is_cut_and_says_so(judged_claims: Documents) -> None:
    document = judged_claims("holds")
    document["claims"][0]["text"] = "long " * 20_000
    page = render(document)
    assert "(100,000 letters)" in page
    assert len(page) < len(render(judged_claims("holds"))) + 5 * MOST
    assert plain("x" * MOST) == "x" * MOST
    assert plain_document({"a\x07": ["\u202e", None, 3]}) == {"a[U+0007]": ["[U+202E]", None, 3]}


def test_no_home_path_user_or_folder_enters(
    judged_claims: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reports.page import privacy

    monkeypatch.setattr(privacy.getpass, "getuser", lambda: "magdalena")
    monkeypatch.setenv("HOME", "/data/people/magdalena")
    document = judged_claims("holds", "easier")
    for claim in document["claims"]:
        claim["again"] = "liveprobe run /srv/clients/secret/mine.toml --set 'a=/home/eve/b.onnx'"
        claim["source"] = "/data/people/magdalena/claims.pdf, said magdalena"
        for each in claim["deviations"]:
            each["here"] = "/srv/clients/secret/model.onnx"
        for run in claim["cited"]:
            run.update(custom=True, overrides=["stage.infer.model=/home/eve/models/b.onnx"])
    page = render(document)
    for word in ("magdalena", "/home/", "/srv/", "secret", "/data/people", "/models/"):
        assert word not in page, word
    assert "liveprobe run mine.toml" in page


def test_the_page_loads_nothing_and_allows_only_its_own_scripts(judged_claims: Documents) -> None:
    page = render(judged_claims())
    assert "default-src 'none'" in html.unescape(page)
    assert "unsafe" not in page[: page.index("<style>")]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert render(judged_claims()) == page


def test_the_document_is_as_its_schema_says_and_as_it_is_printed(judged_claims: Documents) -> None:
    document = json.loads(json.dumps(judged_claims(), allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(schema.schema())
    jsonschema.validate(document, schema.schema())
    document["claims"][0]["outcome"] = "true"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema.schema())


def test_quotes_are_marked_where_they_stand_and_never_twice() -> None:
    from reports.page import status
    from reports.sections.claims import StatementView, quoted

    def view(number: int, text: str) -> StatementView:
        return StatementView(
            number, f"s{number}", text, False, status.HOLDS, "", "", "", (), ()
        )  # fmt: skip

    found = quoted("fast at 30 fps, 30 fps", [view(1, "30 fps"), view(2, "fps, 30"), view(3, "no")])
    assert [(each.text, each.number) for each in found] == [
        ("fast at ", None), ("30 fps", 1), (", 30 fps", None),
    ]  # fmt: skip
    assert "".join(each.text for each in found) == "fast at 30 fps, 30 fps"
