"""The copy ledger in a real browser: one drawing at each width, no text on text, no script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from probe.store import Run

Judged = tuple[Run, dict[str, Any]]
MakePage = Callable[..., Path]
Make = Callable[..., Judged]

LOOKS = {1440: "wide", 1240: "wide", 1023: "middle", 768: "middle", 390: "narrow", 320: "narrow"}
DRAWN = """
[...document.querySelectorAll('#copies svg.cg')]
  .filter(e => getComputedStyle(e).display !== 'none').map(e => e.classList[1])
"""
CLASHES = """
(() => {
  const svg = [...document.querySelectorAll('#copies svg.cg')]
    .find(e => getComputedStyle(e).display !== 'none');
  const all = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBBox()]);
  const view = svg.viewBox.baseVal, found = [];
  all.forEach(([text, a], i) => {
    if (a.x < -0.5 || a.y < -0.5 || a.x + a.width > view.width + 1
        || a.y + a.height > view.height + 2) found.push('outside: ' + text);
    all.slice(i + 1).forEach(([other, b]) => {
      const x = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
      const y = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
      if (x > 1 && y > 3) found.push(text + ' | ' + other);
    });
  });
  return found;
})()
"""
CONTRAST = """
(() => {
  const light = c => {
    const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2];
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const ratio = c => {
    const own = light(c);
    return (Math.max(own, paper) + 0.05) / (Math.min(own, paper) + 0.05);
  };
  const text = [...document.querySelectorAll('#copies svg.cg text')]
    .map(e => ratio(getComputedStyle(e).fill));
  const lines = ['.kp', '.kpw']
    .map(c => ratio(getComputedStyle(document.querySelector(c)).stroke));
  return [Math.min(...text), Math.min(...lines)];
})()
"""


@pytest.fixture(scope="module")
def ledgers(page: MakePage, copied: Make) -> Path:
    return page(copied("live", deep=True), copied("generator"), name="ledgers")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", LOOKS)
def test_one_drawing_is_shown_at_each_width_and_no_text_meets_another(
    browser: Any, ledgers: Path, width: int, dark: bool
) -> None:
    browser.open(ledgers, width=width, dark=dark)
    assert browser.complaints == []
    assert browser.ask(DRAWN) == [LOOKS[width]]
    assert browser.ask(CLASHES) == []
    assert browser.ask("document.documentElement.scrollWidth") <= width
    text, lines = browser.ask(CONTRAST)
    assert text >= 4.5
    assert lines >= 3


def test_the_text_of_a_drawing_is_not_made_smaller_than_it_is(browser: Any, ledgers: Path) -> None:
    for width, look in LOOKS.items():
        browser.open(ledgers, width=width)
        scale = browser.ask(
            f"(e => e.getBoundingClientRect().width / e.viewBox.baseVal.width)"
            f"(document.querySelector('#copies svg.{look}'))"
        )
        assert scale >= 0.8, width


def test_long_names_and_many_stages_do_not_meet_either(
    browser: Any, page: MakePage, judged: Make, copied: Make, copied_run: ModuleType
) -> None:
    plan = tuple(
        copied_run.Copy(f"a stage called {k} at length", 1 + k % 8, "materialize", "ndarray.copy",
                        10 ** (5 + k % 3), 10_000, None if k < 2 else k - 1 - k % 2)
        for k in range(9)
    )  # fmt: skip
    path = page(copied("live", plan=plan), name="many-stages")
    for width in (1440, 768, 390):
        browser.open(path, width=width)
        assert browser.ask(CLASHES) == []
        assert browser.ask("document.documentElement.scrollWidth") <= width


def test_without_scripts_and_on_paper_the_graph_stands(browser: Any, ledgers: Path) -> None:
    browser.open(ledgers, scripts=False)
    assert browser.ask(DRAWN) == ["wide"]
    browser.open(ledgers, width=760, dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask(DRAWN) == ["middle"]
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask(CONTRAST)[0] >= 4.5


def test_a_narrow_table_says_the_unit_of_each_number(browser: Any, ledgers: Path) -> None:
    row = "document.querySelector('#copies-lines tbody tr').innerText.replace(/\\s+/g, ' ')"
    browser.open(ledgers, width=390)
    said = browser.ask(row)
    for words in ("2.76 MB", "1.00 copies", "1.62 ms", "1.7 GB/s"):
        assert words in said
    assert "avoidable" not in said
    browser.open(ledgers, width=1440)
    assert "copies" not in browser.ask(row)
    assert browser.ask(
        "getComputedStyle(document.querySelector('#copies-lines thead')).display"
    ) == ("table-header-group")


def test_hostile_names_do_nothing(browser: Any, page: MakePage, copied: Make) -> None:
    hostile = "</title></svg><script>document.title='pwned'</script><img src=x onerror=alert(1)>"
    run, verdict = copied("live")
    names = ("frames", "outputs", "spans", "samples", "events", "copies", "sites", "buffers")
    tables = {name: run.table(name).copy() for name in names}
    tables["sites"][["expression", "function", "symbol"]] = hostile
    tables["copies"]["detail"] = hostile
    tables["copies"]["stage"] = (
        tables["copies"]["stage"].astype("string").replace("decode", hostile)
    )
    browser.open(page((Run.of(run.manifest, tables), verdict), name="hostile-copies"))
    assert browser.complaints == []
    assert browser.ask("document.title").endswith(": run report")
    assert browser.ask("document.querySelectorAll('#copies script, #copies img').length") == 0
    assert browser.ask(DRAWN) == ["wide"]
    assert browser.ask(CLASHES) == []
