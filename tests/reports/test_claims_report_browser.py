"""The report of claims in a real browser, opened from file://: it obeys its policy, and fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.claims_report import render

Documents = Callable[..., dict[str, Any]]

OUTSIDE = """
[...document.querySelectorAll('main *')].filter(e => {
  const r = e.getBoundingClientRect();
  return r.width && !e.closest('svg, .scroll, .vh') && r.right > innerWidth + 1;
}).map(e => e.tagName + '.' + e.className)
"""
SVG_OUTSIDE = """
[...document.querySelectorAll('figure svg')].filter(svg => {
  const own = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].some(text => {
    const r = text.getBoundingClientRect();
    return r.right > innerWidth || r.left < 0 || r.top < own.top - 2 || r.bottom > own.bottom + 2;
  });
}).length
"""


@pytest.fixture(scope="module")
def pages(
    judged_claims: Documents, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("claims")

    def get(*ids: str) -> Path:
        path = folder / f"{'-'.join(ids) or 'all'}.html"
        path.write_text(render(judged_claims(*ids)), encoding="utf-8")
        return path

    return get


def opened(browser: Any, path: Path, **how: Any) -> None:
    browser.open(path, **how)
    outside = [url for url in browser.requests if not url.startswith(("file:///", "data:"))]
    assert outside == []
    assert browser.complaints == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1600, 1024, 768, 390])
@pytest.mark.parametrize("ids", [(), ("holds",), ("elsewhere",)])
def test_nothing_overflows_at_any_width(
    browser: Any, pages: Callable[..., Path], ids: tuple[str, ...], width: int, dark: bool
) -> None:
    opened(browser, pages(*ids), width=width, dark=dark)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(OUTSIDE) == []
    assert browser.ask(SVG_OUTSIDE) == 0
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 22, 25)" if dark else "rgb(253, 253, 251)")


def test_all_verdicts_stand_on_the_first_screen(browser: Any, pages: Callable[..., Path]) -> None:
    opened(browser, pages(), width=1400, height=900)
    bottoms = browser.ask(
        "[...document.querySelectorAll('.answers td.v')].map(e => e.getBoundingClientRect().bottom)"
    )
    assert len(bottoms) >= 5
    assert max(bottoms) < 900
    opened(browser, pages("holds"), width=1400, height=900)
    bottom = browser.ask("document.querySelector('.states').getBoundingClientRect().bottom")
    assert bottom < 900


def test_an_endless_word_and_a_hostile_one_neither_run_nor_overflow(
    browser: Any, judged_claims: Documents, tmp_path: Path
) -> None:
    document = judged_claims()
    for claim in document["claims"]:
        claim["text"] = "w" * 100_000
        claim["source"] = "<img src=x onerror=\"document.title='pwned'\">" * 40
        for statement in claim["statements"]:
            statement.update(text="\u202e" + "x" * 3000, reading="y" * 3000, reason="z" * 3000)
        for each in claim["deviations"]:
            each["here"] = "v" * 3000
        for run in claim["cited"]:
            run.update(id="i" * 3000, device="d" * 3000, scenario="s" * 3000)
    path = tmp_path / "hostile.html"
    path.write_text(render(document), encoding="utf-8")
    for width in (1400, 390):
        opened(browser, path, width=width)
        assert browser.ask("document.title").endswith("claim report")
        assert browser.ask("document.querySelectorAll('img, main script').length") == 0
        assert browser.ask("document.documentElement.scrollWidth") <= width


def test_statements_are_reached_by_keyboard(browser: Any, pages: Callable[..., Path]) -> None:
    opened(browser, pages("holds"))
    seen = []
    for _ in range(12):
        browser.key("Tab", code="Tab", windowsVirtualKeyCode=9)
        seen.append(browser.ask("document.activeElement.getAttribute('href') || ''"))
    assert seen[0] == "#main"
    assert {"#c1s1", "#c1s2", "#c1s3"} <= set(seen)
    targets = browser.ask(
        "[...document.querySelectorAll('a[href^=\"#\"]')]"
        ".filter(a => !document.getElementById(a.hash.slice(1))).map(a => a.hash)"
    )
    assert targets == []
    assert browser.ask("document.querySelectorAll('h1').length") == 1


def test_the_policy_forbids_scripts_and_sending(browser: Any, pages: Callable[..., Path]) -> None:
    opened(browser, pages("holds"))
    sent = "fetch('data:text/plain,x').then(() => 'sent', () => 'refused')"
    assert browser.ask(sent) == "refused"


def test_paper_is_light_and_whole(browser: Any, pages: Callable[..., Path]) -> None:
    opened(browser, pages(), dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.pdf().startswith(b"%PDF")


def test_without_scripts_everything_is_there(browser: Any, pages: Callable[..., Path]) -> None:
    browser.open(pages("holds"), scripts=False)
    assert browser.ask("document.querySelector('figure svg').getBoundingClientRect().height") > 40
