from __future__ import annotations

from typing import Any

import pytest

from probe.console import doctor_text

DEVICE: dict[str, Any] = {
    "name": "board", "board": "Raspberry Pi 5", "soc": "brcm,bcm2712", "cpu": "4x Cortex-A76",
    "cores": 4, "clock_limit_hz": [2_400_000_000], "memory_bytes": 2**33, "os": "Debian",
    "kernel": "6.12", "governor": "ondemand", "virtualised": False, "accelerators": [],
    "cameras": [], "displays": ["HDMI-A-1"],
}  # fmt: skip


def source(device: str, place: str, needs: str = "") -> dict[str, str]:
    return {"device": device, "source": place, "seen": "format", "needs": needs}


def row(track: str, state: str = "measured", **known: Any) -> dict[str, Any]:
    return {
        "track": track, "title": "", "collector": track.partition(".")[0], "unit": "percent",
        "grade": "measured", "kind": None, "period_ns": 250_000_000, "state": state, "lines": 1,
        "reason": "1 line, percent", "remedy": None, "sources": [], **known,
    }  # fmt: skip


def document(*rows: dict[str, Any], **known: Any) -> dict[str, Any]:
    return {
        "tree": None, "leaving_tree": [], "program_pid": None, "device": DEVICE,
        "codecs": {"hardware": [], "pyav": None}, "tracks": list(rows), "environment": [], **known,
    }  # fmt: skip


def test_tracks_that_are_missing_alike_are_told_at_once() -> None:
    missing = {"reason": "no such file", "remedy": "load it"}
    rows = [row("a.x", "no data", **missing), row("a.y", "no data", **missing), row("b.x")]
    shown, hidden = doctor_text.told(rows)
    assert [each.names for each in shown] == [("a.x", "a.y"), ("b.x",)]
    assert hidden == ""
    text = doctor_text.text(document(*rows), None)
    assert "  - a.x, a.y                 no data: no such file\n      what to do: load it" in text


def test_a_collector_for_other_devices_is_one_word_and_a_track_of_one_is_named() -> None:
    rows = [
        row("a.x", "other device"), row("a.y", "other device"), row("b.x"),
        row("b.y", "other device"),
    ]  # fmt: skip
    shown, hidden = doctor_text.told(rows)
    assert ([each.names for each in shown], hidden) == ([("b.x",)], "a, b.y")
    shown, hidden = doctor_text.told(rows, everything=True)
    assert (len(shown), hidden) == (3, "")


def test_only_sources_of_this_device_are_told_where_there_are_some() -> None:
    pi, jetson = source("Raspberry Pi", "vcgencmd", "group video"), source("Jetson", "ina3221")
    anywhere = source("any Linux with a fan", "hwmon")
    found = doctor_text.concerning(row("a.x", sources=[pi, jetson, anywhere]), DEVICE)
    assert found["sources"] == [pi, anywhere]
    found = doctor_text.concerning(row("a.x", sources=[jetson]), DEVICE)
    assert found["sources"] == [jetson]


def test_what_a_missing_track_needs_is_told_and_what_a_measured_one_needs_is_not() -> None:
    needs = [source("any Linux", "/proc/x", "root")]
    measured, missing = row("a.x", sources=needs), row("b.x", "no data", sources=needs)
    text = doctor_text.text(document(measured, missing), None)
    assert text.count("needs, on any Linux: root") == 1


@pytest.mark.parametrize(
    ("period_ns", "said"),
    [(100_000_000, "100 ms"), (1_000_000_000, "1 s"), (None, "at start and end")],
)
def test_how_often_it_is_read_is_told(period_ns: int | None, said: str) -> None:
    text = doctor_text.text(document(row("a.x", period_ns=period_ns)), None)
    assert f"measured, {said}, from a" in text


def test_grade_and_kind_stand_side_by_side() -> None:
    found = row("a.x", kind="busy time", grade="vendor-stated")
    assert "vendor-stated (busy time), 250 ms" in doctor_text.text(document(found), None)
    table = doctor_text.text(document(found), 120)
    assert "vendor-stated" in table
    assert "(busy time)" in table


def test_links_that_lead_out_of_a_tree_are_told_in_its_head() -> None:
    found = document(tree="/captured", leaving_tree=["/etc/os-release", "/sys/x"])
    text = doctor_text.text(found, None)
    assert "a captured tree, not this machine: /captured; it has no program" in text
    assert "2 links lead out of the tree, to this machine: /etc/os-release ..." in text


def test_an_accelerator_without_a_driver_has_its_remedy() -> None:
    part = {"name": "Hailo-10H", "driver": None, "remedy": "install it"}
    assert doctor_text.accelerator(part) == "Hailo-10H: no driver; install it"


@pytest.mark.parametrize("width", [40, 60, 99])
def test_long_lines_are_wrapped_between_words(width: int) -> None:
    line = "      what to do: " + "many words and /a/long/path/that/stays/whole " * 5
    found = doctor_text.wrapped(line, width)
    assert " ".join(" ".join(found).split()) == " ".join(line.split())
    assert all(len(each) <= max(width, 40) for each in found)
    assert doctor_text.wrapped("short", width) == ["short"]


def test_markup_and_long_words_of_foreign_text_do_no_harm() -> None:
    hostile = row("a.x", "no data", reason="[bold]no[/bold] \\[x] " + "y" * 300, remedy="[link=z]")
    for width in (None, 60, 120):
        text = doctor_text.text(document(hostile), width)
        assert "[bold]no[/bold]" in text
        assert "[link=z]" in text
