"""The tracks in a real browser: in front at once, in the fold when it is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from probe.store import Run

Judged = tuple[Run, dict[str, Any]]
OPEN = "document.querySelector('details.rest').open = true"
DRAWN = "+document.documentElement.dataset.drawn"
ALL = "document.querySelectorAll('[data-chart]').length"
INSIDE = "document.querySelectorAll('details.rest [data-chart]').length"
WIDTHS = "[...document.querySelectorAll('.rest canvas')].map(c => c.clientWidth)"
SHOWN = "getComputedStyle(document.querySelector('%s')).display"
INKED = """
(() => [...document.querySelectorAll('[data-chart] canvas')].map(c => {
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();
  for (let i = 0; i < d.length; i += 4)
    if (d[i + 3]) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
  return seen.size;
}))()
"""


@pytest.fixture(scope="session")
def file(page: Callable[..., Path], sampled: Callable[..., Judged]) -> Path:
    return page(sampled(), name="sampled")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_fold_is_drawn_when_it_is_opened(
    browser: Any, file: Path, width: int, dark: bool
) -> None:
    browser.open(file, width=width, dark=dark)
    assert browser.complaints == []
    folded = browser.ask(INSIDE)
    assert folded == 12
    assert browser.ask(DRAWN) == browser.ask(ALL) - folded
    assert browser.ask("document.querySelectorAll('.rest canvas').length") == 0
    browser.ask(OPEN)
    browser.wait(f"{DRAWN} === {ALL}")
    assert min(browser.ask(INKED)) >= 3
    assert min(browser.ask(WIDTHS)) > 250
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(SHOWN % ".rest .plain") == "none"
    assert browser.complaints == []


def test_a_zoom_before_and_a_resize_after_the_opening_reach_the_fold(
    browser: Any, file: Path
) -> None:
    browser.open(file, width=1440)
    box = browser.ask(
        "(() => { const e = document.querySelector('[data-chart=latency]');"
        "e.scrollIntoView({block: 'center', behavior: 'instant'});"
        "const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()"
    )
    x, y, width, height = box
    browser.drag(x + width * 0.4, x + width * 0.5, y + height / 2)
    browser.ask(OPEN)
    browser.wait(f"{DRAWN} === {ALL}")
    zoomed = "document.querySelector('.rest canvas').toDataURL()"
    before = browser.ask(zoomed)
    browser.key("0")
    browser.wait(f"{zoomed} !== {before!r}")
    browser.size(390, 900)
    browser.wait("document.querySelector('.rest canvas').clientWidth < 390")


def test_a_spike_that_a_median_hides_is_in_the_span(
    browser: Any, page: Callable[..., Path], sampled: Callable[..., Judged]
) -> None:
    run, verdict = sampled()
    table = run.table("samples").copy()
    start = run.manifest["window"]["start_ns"]
    rows = [
        {"track": "throttle.capped", "label": "cpu0-3", "t_ns": start + k * 10_000_000,
         "value": 100.0 if k == 1777 else 0.0}
        for k in range(3000)
    ]  # fmt: skip
    table = pd.concat([table[table["track"] != "throttle.capped"], pd.DataFrame(rows)])
    spiky = Run.of(run.manifest, {"samples": table, "frames": run.table("frames")})
    browser.open(page((spiky, verdict), name="spiky"), width=1000)
    note = browser.ask("document.querySelector('#f-track-throttle-capped .bucket').textContent")
    assert note.startswith("Bucketed: line median of ")
    inked = browser.ask(
        "(() => { const c = document.querySelector('[data-chart=track-throttle-capped] canvas');"
        "const x = c.getContext('2d'), r = devicePixelRatio, y = Math.round(c.height / 2);"
        "const d = x.getImageData(60 * r, y, c.width - 190 * r, 1).data;"
        "let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 50 && d[i] < 200) n++;"
        "return n; })()"
    )
    assert 1 <= inked <= 4, "one stroke crosses the middle of the chart"


def test_without_scripts_a_table_stands_for_the_fold(browser: Any, file: Path) -> None:
    browser.open(file, scripts=False)
    browser.ask(OPEN)
    assert browser.ask(SHOWN % ".rest .plain") == "block"
    assert browser.ask(SHOWN % ".rest figure") == "none"
    assert browser.ask("document.querySelectorAll('.rest tbody tr').length") == 12
    assert browser.ask(SHOWN % "#f-track-scheduler-trace-wait .static") == "block"


def test_paper_has_the_table_and_not_the_fold(browser: Any, file: Path) -> None:
    browser.open(file)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask(SHOWN % ".rest .plain") == "block"
    assert browser.ask(SHOWN % ".rest figure") == "none"


def test_a_point_says_which_thread_waited_and_how_long(browser: Any, file: Path) -> None:
    browser.open(file)
    readout = "document.querySelector('#f-track-scheduler-trace-wait .readout').textContent"
    browser.ask("document.querySelector('[data-chart=track-scheduler-trace-wait]').focus()")
    browser.key("ArrowRight")
    browser.wait(f"{readout} !== ''")
    assert "infer python 900.0 ms" in browser.ask(readout)
