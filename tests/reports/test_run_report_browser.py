"""The page in a real browser, opened from file://: it draws, obeys its policy, and fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.store import Run

Judged = tuple[Run, dict[str, Any]]
MakePage = Callable[..., Path]

BLANK = """
(() => [...document.querySelectorAll('[data-chart]')].filter(el => {
  const c = el.querySelector('canvas');
  if (!c) return true;
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();
  for (let i = 0; i < d.length; i += 4)
    if (d[i + 3]) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
  return seen.size < 3;
}).map(el => el.dataset.chart))()
"""
PIXELS = "document.querySelector('[data-chart=\"%s\"] canvas').toDataURL()"
SHOWN = "getComputedStyle(document.querySelector('%s')).display"


@pytest.fixture
def both(page: MakePage) -> Path:
    return page("mixed", "generator")


def opened(browser: Any, path: Path, **how: Any) -> None:
    browser.open(path, **how)
    outside = [
        url for url in browser.requests if not url.startswith(("file:///", "data:", "blob:"))
    ]
    assert outside == []
    assert browser.complaints == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1440, 768, 390])
def test_every_chart_is_drawn_and_nothing_overflows(
    browser: Any, both: Path, width: int, dark: bool
) -> None:
    opened(browser, both, width=width, dark=dark)
    charts = browser.ask("document.querySelectorAll('[data-chart]').length")
    assert charts >= 7
    assert browser.ask("document.documentElement.dataset.drawn") == str(charts)
    assert browser.ask(BLANK) == []
    assert browser.ask("document.documentElement.scrollWidth") <= width
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 22, 25)" if dark else "rgb(253, 253, 251)")


@pytest.mark.parametrize(
    "kind", ["live", "blocky", "dropping", "interrupted", "crashed", "silent", "offline"]
)
def test_a_lone_run_opens_without_a_complaint(
    browser: Any, page: MakePage, judged: Callable[..., Judged], kind: str
) -> None:
    generating = judged(kind)[0].manifest["mode"] == "generate"
    opened(browser, page(None if generating else kind, kind if generating else None))
    assert browser.ask(BLANK) == []
    assert browser.ask("document.querySelectorAll('.u-wrap').length") >= 1


def test_hostile_names_do_nothing(
    browser: Any, page: MakePage, hostile: tuple[dict[str, str], Judged]
) -> None:
    names, pair = hostile
    opened(browser, page(pair, name="hostile"))
    assert browser.ask("document.title").endswith(": run report")
    assert browser.ask("document.querySelector('h1').textContent").startswith(names["scenario"])
    assert (
        browser.ask("document.querySelectorAll('img[onerror], svg[onload], u, script[src]').length")
        == 0
    )
    assert browser.ask(BLANK) == []


def test_the_keyboard_moves_the_cursor_and_says_what_is_there(browser: Any, both: Path) -> None:
    opened(browser, both)
    readout = "document.querySelector('#f-latency .readout').textContent"
    browser.ask("document.querySelector('[data-chart=latency]').focus()")
    browser.key("ArrowRight")
    browser.wait(f"{readout} !== ''")
    first = browser.ask(readout)
    assert re.search(r"frame \d+ · .*(on time|late|dropped)", first), first
    browser.key("ArrowRight")
    browser.wait(f"{readout} !== {first!r}")
    assert (
        browser.ask("document.querySelector('#f-latency .readout').getAttribute('aria-live')")
        == "polite"
    )


def test_time_charts_share_their_zoom_and_zero_goes_back(browser: Any, both: Path) -> None:
    opened(browser, both)
    before = {
        name: browser.ask(PIXELS % name)
        for name in ("latency", "stack", "track-cpu-core", "delivery")
    }
    box = browser.ask(
        "(() => { const e = document.querySelector('[data-chart=latency]');"
        "e.scrollIntoView({block: 'center', behavior: 'instant'});"
        "const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()"
    )
    x, y, width, height = box
    browser.drag(x + width * 0.4, x + width * 0.5, y + height / 2)
    browser.wait(f"{PIXELS % 'stack'} !== {before['stack']!r}")
    assert browser.ask(PIXELS % "latency") != before["latency"]
    assert browser.ask(PIXELS % "track-cpu-core") != before["track-cpu-core"]
    assert browser.ask(PIXELS % "delivery") == before["delivery"], "its axis is not time"
    browser.key("0")
    browser.wait(f"{PIXELS % 'stack'} === {before['stack']!r}")


def test_more_than_two_frames_a_pixel_are_bucketed_and_it_says_so(browser: Any, both: Path) -> None:
    note = "document.querySelector('#f-latency .bucket').textContent"
    opened(browser, both)
    assert browser.ask(note) == "One dot a frame."
    opened(browser, both, width=390)
    assert re.fullmatch(r"Bucketed: \d+ frames a bar.*", browser.ask(note))


def test_the_theme_is_chosen_and_the_charts_follow(browser: Any, both: Path) -> None:
    opened(browser, both)
    light = browser.ask(PIXELS % "latency")
    for theme in ("light", "dark"):
        browser.ask("document.getElementById('theme').click()")
        assert browser.ask("document.documentElement.dataset.theme") == theme
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 25)"
    assert browser.ask(PIXELS % "latency") != light
    browser.ask("document.getElementById('theme').click()")
    assert browser.ask("document.documentElement.hasAttribute('data-theme')") is False


def test_without_scripts_the_static_figures_stand(browser: Any, both: Path) -> None:
    browser.open(both, scripts=False)
    assert browser.ask("document.documentElement.className") == ""
    assert browser.ask(SHOWN % "#f-latency .static") == "block"
    assert browser.ask(SHOWN % "#f-latency .chart") == "none"
    widths = browser.ask("[...document.querySelectorAll('.static')].map(each => each.naturalWidth)")
    assert len(widths) >= 6
    assert min(widths) > 100


def test_spoilt_data_fall_back_to_the_static_figures(
    browser: Any, both: Path, tmp_path: Path
) -> None:
    text = both.read_text(encoding="utf-8")
    spoilt = re.sub(r'(id="columns">)[^<]{40}', r"\1" + "A" * 40, text)
    assert spoilt != text
    path = tmp_path / "spoilt.html"
    path.write_text(spoilt, encoding="utf-8")
    browser.open(path)
    assert browser.ask("document.documentElement.dataset.drawn").startswith("static: ")
    assert browser.ask(SHOWN % "#f-latency .static") == "block"
    assert browser.ask(SHOWN % "#f-latency .chart") == "none"


def test_the_policy_forbids_scripts_and_sending(browser: Any, both: Path) -> None:
    opened(browser, both)
    sent = "fetch('data:text/plain,x').then(() => 'sent', () => 'refused')"
    assert browser.ask(sent) == "refused"
    browser.ask(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.body.append(s); const d = document.createElement('div');"
        "d.innerHTML = '<img src=x onerror=\"window.ran = 2\">'; document.body.append(d); })()"
    )
    assert browser.ask("window.ran === undefined") is True
    assert any("Content Security Policy" in each for each in browser.complaints)


def test_paper_shows_the_static_figures_light(browser: Any, both: Path) -> None:
    opened(browser, both, dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask(SHOWN % "#f-latency .static") == "block"
    assert browser.ask(SHOWN % "#f-latency .chart") == "none"
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.pdf().startswith(b"%PDF")


def test_the_frames_can_be_kept_as_csv(
    browser: Any, both: Path, judged: Callable[..., Judged]
) -> None:
    opened(browser, both)
    rows = browser.ask(
        "(() => { let kept; const make = URL.createObjectURL;"
        "URL.createObjectURL = b => { kept = b; return make(b); };"
        "HTMLAnchorElement.prototype.click = () => {};"
        "document.getElementById('save').click(); return kept.text(); })()"
    ).splitlines()
    run, _ = judged("mixed")
    frames = run.table("frames")
    last = run.manifest["window"]["end_ns"]
    shown = frames[frames["scheduled_ns"] <= last]
    assert len(rows) == len(shown) + 1
    assert rows[0].startswith("frame,scheduled_s,fate,latency_ms,")
    first = shown.iloc[0]
    cells = rows[1].split(",")
    assert int(cells[0]) == first["frame"]
    assert cells[2] == first["fate"]
    latency = (first["rendered_ns"] - first["scheduled_ns"]) / 1e6
    assert float(cells[3]) == pytest.approx(latency, abs=6e-4)
