from __future__ import annotations

from typing import Any

import pytest

from probe.console import device_text, doctor_plan, doctor_text, reading_text

DEVICE: dict[str, Any] = {
    "name": "board", "board": "Raspberry Pi 5", "soc": "brcm,bcm2712", "cpu": "4x Cortex-A76",
    "cores": 4, "physical_cores": None, "cores_present": 4, "clock_limit_hz": [2_400_000_000],
    "memory_bytes": 2**33, "os": "Debian",
    "kernel": "6.12", "governor": "ondemand", "clocks_held": False, "power_mode": None,
    "virtualised": False, "accelerators": [], "gpus": [],
    "cameras": [], "displays": ["HDMI-A-1"],
}  # fmt: skip


def source(device: str, place: str, needs: str = "") -> dict[str, str]:
    return {"device": device, "source": place, "seen": "format", "needs": needs}


def row(track: str, state: str = "measured", *values: float, **known: Any) -> dict[str, Any]:
    return {
        "track": track, "title": "", "collector": track.partition(".")[0], "unit": "percent",
        "grade": "measured", "kind": None, "period_ns": 250_000_000, "state": state, "lines": 1,
        "values": list(values) or [1.5],
        "reason": "1 line, percent", "remedy": None, "source": None, "sources": [], **known,
    }  # fmt: skip


def document(*rows: dict[str, Any], **known: Any) -> dict[str, Any]:
    return {
        "tree": None, "leaving_tree": [], "program_pid": None, "device": DEVICE,
        "codecs": {"hardware": [], "pyav": None}, "tracks": list(rows), "environment": [], **known,
    }  # fmt: skip


def around(name: str, remedy: str) -> dict[str, Any]:
    return {"name": name, "state": "limited", "reason": "why", "remedy": remedy}


def test_tracks_that_are_missing_alike_are_told_at_once() -> None:
    missing = {"reason": "no such file", "remedy": "load it"}
    rows = [row("a.x", "no data", **missing), row("a.y", "no data", **missing), row("b.x")]
    (others,) = doctor_plan.grouped(rows).values()
    assert [(each.sign, each.names) for each in others] == [("+", ("b.x",)), ("-", ("a.x", "a.y"))]
    text = doctor_text.text(document(*rows), None)
    assert "  - a.x, a.y                 no data: no such file; to do: 1" in text


@pytest.mark.parametrize(
    "other", [{"source": "/b"}, {"grade": "derived"}, {"kind": "busy time"}, {"period_ns": None}]
)
def test_what_is_measured_shares_a_line_only_where_all_that_it_says_is_true(
    other: dict[str, Any],
) -> None:
    first = row("a.x", source="/a")
    together = doctor_plan.together([first, row("a.y", source="/a")])
    apart = doctor_plan.together([first, row("a.y", **{"source": "/a", **other})])
    assert [len(found) for found in (together, apart)] == [1, 2]


def test_a_thing_to_do_stands_once_with_all_that_it_brings() -> None:
    rows = [
        row("a.x", "no data", remedy="plug it in"), row("b.x", "no data", remedy="be root"),
        row("c.x", "no data", remedy="be root"), row("d.x", "no data", remedy="none: buy another"),
        row("e.x", "no data", remedy="`liveprobe ops`"), row("f.x", "off", remedy="--sample on"),
        row("g.x", "no value"), row("h.x", "other device"), row("i.x"),
    ]  # fmt: skip
    text = doctor_text.text(document(*rows, environment=[around("rights", "be root")]), None)
    assert (
        """
1 of 8 tracks can be measured here (1 not tried, 4 missing, 2 only when asked for); 2 things to do
  1.  be root
      brings b.x, c.x
      rights: why
  2.  plug it in
      brings a.x
"""
        in text
    )
    assert text.count("be root") == text.count("plug it in") == 1
    assert "what to do: none: buy another" in text
    assert "  o f.x                      when asked for: --sample on" in text
    assert "not for this device (--all lists them): h" in text


def test_a_device_that_gives_all_has_nothing_to_do() -> None:
    text = doctor_text.text(document(row("a.x"), row("b.x")), None)
    assert "2 of 2 tracks can be measured here; nothing to do" in text
    found = doctor_text.text(document(row("a.x"), tree="/captured"), None)
    assert "1 of 1 tracks can be read in this tree; nothing to do" in found


def test_tracks_stand_by_what_they_tell_of_and_new_collectors_below_the_last() -> None:
    rows = [row("disk.read"), row("a.x"), row("thermal.temperature"), row("hailo.power")]
    names = list(doctor_plan.grouped(rows))
    assert names == ["Accelerators", "Heat and throttling", "Disk and network", "Others"]


def test_a_collector_for_other_devices_is_one_word_and_a_track_of_one_is_named() -> None:
    rows = [
        row("a.x", "other device"), row("a.y", "other device"), row("b.x"),
        row("b.y", "other device"),
    ]  # fmt: skip
    assert doctor_plan.of_other_devices(rows) == "a, b.y"
    (shown,) = doctor_plan.grouped(rows).values()
    assert [each.names for each in shown] == [("b.x",)]
    (shown,) = doctor_plan.grouped(rows, everything=True).values()
    assert [each.sign for each in shown] == ["+", " "]


def test_only_sources_of_this_device_are_told_where_there_are_some() -> None:
    pi, jetson = source("Raspberry Pi", "vcgencmd", "group video"), source("Jetson", "ina3221")
    anywhere = source("any Linux with a fan", "hwmon")
    found = doctor_plan.concerning(row("a.x", sources=[pi, jetson, anywhere]), DEVICE)
    assert found["sources"] == [pi, anywhere]
    found = doctor_plan.concerning(row("a.x", sources=[jetson]), DEVICE)
    assert found["sources"] == [jetson]


def test_what_a_missing_track_needs_is_told_where_no_remedy_says_it() -> None:
    needs = [source("any Linux", "/proc/x", "root")]
    measured, missing = row("a.x", sources=needs), row("b.x", "no data", sources=needs)
    helped = row("c.x", "no data", remedy="load it", sources=needs)
    text = doctor_text.text(document(measured, missing, helped), None)
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
    table = doctor_text.text(document(found), 140)
    assert "vendor-stated" in table
    assert "(busy time)" in table


def test_a_path_is_broken_behind_a_slash_and_only_where_no_line_holds_it() -> None:
    path = "/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq"
    for width in (132, 140, 200):
        assert path in doctor_text.text(document(row("cpu.clock", source=path)), width)
    longer = "/sys/devices/platform" + "/a-folder-of-some-name" * 6
    table = doctor_text.text(document(row("cpu.clock", source=longer)), 140)
    pieces = [line.split()[-1] for line in table.splitlines() if "folder" in line]
    assert "".join(pieces) == longer
    assert all(piece.endswith("/") for piece in pieces[:-1])
    assert max(map(len, table.splitlines())) <= 140


@pytest.mark.parametrize(
    ("found", "unit", "said"),
    [
        ([48.2, 51.0], "celsius", "48.2, 51.0 °C"),
        ([0.02, 3.4, 1.0, 2.0], "watts", "4 lines, 0.02 to 3.40 W"),
        ([0.0] * 24, "percent", "24 lines, all 0 %"),
        ([2.4e9], "hertz", "2.40 GHz"),
        ([0.0, 5.1e9], "hertz", "0, 5.10 GHz"),
        ([1.25e-5, 0.02], "seconds", "12.5 µs, 20.0 ms"),
        ([85_241_856.0], "bytes", "85.2 MB"),
        ([0.0004], "percent", "0.0004 %"),
        ([3.0], "count", "3"),
        ([2890.0], "rpm", "2890 rpm"),
        ([], "percent", ""),
    ],
)
def test_values_are_told_in_a_few_words(found: list[float], unit: str, said: str) -> None:
    assert reading_text.values(found, unit) == said


@pytest.mark.parametrize(
    ("online", "physical", "present", "said"),
    [
        (16, 8, 16, "8 cores, 16 threads"), (4, None, 4, "4 cores"), (4, 4, None, "4 cores"),
        (7, None, 8, "7 of 8 cores online"), (15, 8, 16, "8 cores, 15 of 16 threads online"),
        (1, 1, 1, "1 core"), (2, 1, 2, "1 core, 2 threads"), (None, None, None, None),
    ],
)  # fmt: skip
def test_cores_and_their_threads_are_told_apart(
    online: int | None, physical: int | None, present: int | None, said: str | None
) -> None:
    device = {"cores": online, "physical_cores": physical, "cores_present": present}
    assert device_text.cores(device) == said


def test_a_pi_without_an_accelerator_says_what_to_look_at_where_a_hat_is_fitted() -> None:
    text = doctor_text.text(document(), None)
    assert "  accelerators       none seen; a HAT that is fitted" in text
    pc = document(device={**DEVICE, "board": "ASRock X670E"})
    assert "  accelerators       none seen\n" in doctor_text.text(pc, None)


def test_links_that_lead_out_of_a_tree_are_told_in_its_head() -> None:
    found = document(tree="/captured", leaving_tree=["/etc/os-release", "/sys/x"])
    text = doctor_text.text(found, None)
    assert "a captured tree, not this machine: /captured; it has no program" in text
    assert "2 links lead out of the tree, to this machine: /etc/os-release ..." in text


def test_an_accelerator_without_a_driver_has_its_remedy() -> None:
    part = {"name": "Hailo-10H", "driver": None, "remedy": "install it"}
    assert device_text.accelerator(part) == "Hailo-10H: no driver; install it"
    rows = [row("a.x", "no data", remedy="be root"), row("a.y", "no data", remedy="be root")]
    first, second = doctor_plan.tasks(rows, [], [part, {**part, "driver": "hailo"}])
    assert (first.what, [each["name"] for each in first.betters]) == ("install it", ["Hailo-10H"])
    assert (second.what, len(second.tracks)) == ("be root", 2)


@pytest.mark.parametrize("width", [40, 60, 99])
def test_long_lines_are_wrapped_between_words(width: int) -> None:
    line = "      what to do: " + "many words and /a/long/path/that/stays/whole " * 5
    found = doctor_text.wrapped(line, width)
    assert " ".join(" ".join(found).split()) == " ".join(line.split())
    assert all(len(each) <= max(width, 40) for each in found)
    assert doctor_text.wrapped("short", width) == ["short"]


def test_a_path_that_has_no_room_in_the_second_column_gets_a_line() -> None:
    path = "/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq"
    (first, second, third) = doctor_text.wrapped(
        f"  - cpu.clock                no data: no {path}; looked for", 66
    )
    assert first == "  - cpu.clock                no data: no"
    assert second == f"      {path};"
    assert third == "      looked for"


def test_markup_and_long_words_of_foreign_text_do_no_harm() -> None:
    hostile = row("a.x", "no data", reason="[bold]no[/bold] \\[x] " + "y" * 300, remedy="[link=z]")
    for width in (None, 60, 140):
        text = doctor_text.text(document(hostile), width)
        assert "[bold]no[/bold]" in text
        assert "[link=z]" in text
