from __future__ import annotations

from typing import Any

import pandas as pd

from probe import cases, judge
from probe.console import power_text
from probe.store import Run
from reports.page.subject import Subject
from reports.sections import energy, figures, generation

SECOND = 10**9


def subject(run: Run, label: str | None = "VDD_IN") -> Subject:
    """Return the Run with 6 W read every quarter of a second, or without a sensor."""
    if label is None:
        return Subject.of((run, judge.judge(run)))
    window = run.manifest["window"]
    times = range(window["start_ns"], window["end_ns"], SECOND // 4)
    samples = pd.DataFrame(
        {"track": "power.total", "label": label, "t_ns": list(times), "value": 6.0}
    )
    track = {"name": "power.total", "unit": "watts", "title": "", "grade": "derived"}
    told: dict[str, Any] = {
        "name": "power", "outcome": "ok", "tracks": [track],
        "facts": {"total": {"leaves_out": "fan and /home/eve/usb"}},
    }  # fmt: skip
    tables = {name: run.table(name) for name in ("frames", "outputs", "spans")}
    powered = Run.of({**run.manifest, "collectors": [told]}, {**tables, "samples": samples})
    return Subject.of((powered, judge.judge(powered)))


def test_power_and_energy_stand_with_their_line_its_grade_and_what_it_leaves_out() -> None:
    mean, frame = energy.rows(subject(cases.live_run([20.0] * 300)))
    assert mean[:2] == ("power, mean", "6\N{NO-BREAK SPACE}W")
    assert mean[2] == "power.total[VDD_IN], derived; leaves out fan and ~/usb"
    assert frame[:2] == ("energy of a frame", "0.24\N{NO-BREAK SPACE}J")
    assert frame[2].startswith("derived: power.total[VDD_IN]")


def test_a_live_run_shows_them_where_power_was_read() -> None:
    run = cases.live_run([20.0] * 300)
    shown = {figure.name: figure.value for figure in figures.figures(subject(run))}
    assert shown["energy of a frame"] == "0.24\N{NO-BREAK SPACE}J"
    assert "power, mean" not in {each.name for each in figures.figures(subject(run, None))}


def test_the_first_screen_and_the_console_say_both_where_power_was_read() -> None:
    read, without = (subject(cases.live_run([20.0] * 300), label) for label in ("VDD_IN", None))
    found = energy.line(read)
    assert found is not None
    assert found[0].replace("\N{NO-BREAK SPACE}", " ") == "power: mean 6 W, 0.24 J a frame"
    assert energy.line(without) is None
    (told,) = power_text.lines(read.run, read.verdict)
    assert told.startswith("  power     mean 6 W, 0.24 J a frame (power.total[VDD_IN], derived; ")
    assert power_text.lines(without.run, without.verdict) == []


def test_a_generating_run_shows_them_or_says_why_not() -> None:
    run = cases.generating_run()
    shown = {name: (value, basis) for name, value, basis in generation.table(subject(run))}
    assert shown["energy of a frame"][0].endswith("J")
    absent = {name: (value, basis) for name, value, basis in generation.table(subject(run, None))}
    assert absent["energy of a frame"] == ("not measured", "no collector of power was there")
