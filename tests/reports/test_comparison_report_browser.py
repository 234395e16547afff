"""The report of a comparison in a real browser, opened from file://: obedient, and it fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.comparison_report import render

Comparison = Callable[[str], Any]
CASES = ("three", "same", "few", "blocked", "crossed")
HIDDEN = """
[...document.querySelectorAll('.cmp td, .cmp th, .sides dd, .differs td, .stop p')].filter(e => {
  const r = e.getBoundingClientRect();
  return r.width && (r.right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 8);
}).map(e => e.className + ': ' + e.textContent.trim().slice(0, 40))
"""
TEXT_OUTSIDE = """
[...document.querySelectorAll('.cmp svg text')].filter(e => {
  const r = e.getBoundingClientRect();
  return r.right > innerWidth || r.left < 0;
}).length
"""


@pytest.fixture(scope="module")
def report(
    comparison: Comparison, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("comparisons")

    def get(case: str) -> Path:
        path = folder / f"{case}.html"
        if not path.exists():
            document, sides = comparison(case)
            path.write_text(render(document, sides), encoding="utf-8")
        return path

    return get


def opened(browser: Any, path: Path, **how: Any) -> None:
    browser.open(path, **how)
    assert [url for url in browser.requests if not url.startswith(("file:///", "data:"))] == []
    assert browser.complaints == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1600, 1400, 1240, 1024, 768, 390])
@pytest.mark.parametrize("case", CASES)
def test_nothing_overflows_at_any_width_and_nothing_complains(
    browser: Any, report: Callable[[str], Path], case: str, width: int, dark: bool
) -> None:
    opened(browser, report(case), width=width, dark=dark)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(HIDDEN) == []
    assert browser.ask(TEXT_OUTSIDE) == 0
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 22, 25)" if dark else "rgb(253, 253, 251)")


def test_the_first_screen_of_a_laptop_holds_the_answers_of_three_devices(
    browser: Any, report: Callable[[str], Path]
) -> None:
    opened(browser, report("three"), width=1400, height=900)
    lowest = browser.ask(
        "Math.max(...[...document.querySelectorAll('.side-view dd .v')]"
        ".map(e => e.getBoundingClientRect().bottom))"
    )
    assert lowest < 900


def test_zero_stands_at_one_place_for_all_sides_of_a_metric(
    browser: Any, report: Callable[[str], Path]
) -> None:
    opened(browser, report("three"), width=1400)
    spread = browser.ask(
        "Math.max(...[...document.querySelectorAll('.cmp tbody')].map(b => {"
        "const x = [...b.querySelectorAll('.zero')].map(e => e.getBoundingClientRect().x);"
        "return x.length ? Math.max(...x) - Math.min(...x) : 0; }))"
    )
    assert spread < 0.5


def test_an_interval_is_drawn_where_its_numbers_say(
    browser: Any, report: Callable[[str], Path], comparison: Comparison
) -> None:
    opened(browser, report("three"), width=1400)
    document, _ = comparison("three")
    power = next(each for each in document["metrics"] if each["metric"] == "power.mean")
    low, high = power["against"][1]["interval"]
    ends = browser.ask(
        "(() => { const b = [...document.querySelectorAll('.cmp tbody')]"
        ".find(e => e.textContent.includes('power mean'));"
        "const row = b.querySelectorAll('tr')[2], svg = row.querySelector('.e svg');"
        "const line = row.querySelector('.iv line').getBoundingClientRect();"
        "const zero = svg.querySelector('.zero').getBoundingClientRect();"
        "return [line.left - zero.left, line.right - zero.left]; })()"
    )
    assert ends[0] / ends[1] == pytest.approx(low / high, abs=0.02)


def test_the_page_can_be_walked_with_the_keyboard_and_the_theme_changed(
    browser: Any, report: Callable[[str], Path]
) -> None:
    opened(browser, report("three"))
    browser.key("Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.ask("document.activeElement.className") == "skip"
    browser.ask("document.getElementById('theme').click()")
    assert browser.ask("document.documentElement.dataset.theme") == "light"
    browser.ask("document.querySelector('details.fold summary').focus()")
    browser.key("Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    browser.wait("document.querySelector('details.fold').open")


def test_it_reads_without_scripts_and_prints_light(
    browser: Any, report: Callable[[str], Path]
) -> None:
    browser.open(report("three"), dark=True, scripts=False)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    opened(browser, report("three"), dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask("getComputedStyle(document.querySelector('.sd-1')).color") == (
        "rgb(10, 124, 134)"
    )
    assert browser.pdf().startswith(b"%PDF")
