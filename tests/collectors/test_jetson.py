from __future__ import annotations

import math
import os
import select
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.jetson import Jetson
from collectors.jetson.sysfs import hertz, share
from collectors.jetson.tegrastats import Stream, parse
from probe.devices.power_mode import parsed
from probe.errors import NoData, OtherDevice
from probe.model import Device, Source

DEVICES = Path(__file__).parents[1] / "devices"
RECORDED = DEVICES / "recordings" / "jetson_tegrastats.txt"
LINES = [line for line in RECORDED.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
NANO = DEVICES / "jetson-orin-nano"
SECOND = 10**9
SHARES = {"jetson.gpu", "jetson.engine", "jetson.emc"}


def put(root: Path, path: str, text: object) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8")


def values(collector: Jetson, t_ns: int = 0) -> dict[tuple[str, str], float | None]:
    return {(each.track, each.label): each.value for each in collector.sample(t_ns)}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    put(tmp_path, "/proc/device-tree/compatible", "nvidia,p3737-0000\0nvidia,tegra234\0")
    return tmp_path


def test_an_orin_nano_is_read_from_its_files_as_root() -> None:
    collector = Jetson()
    collector.start(Device("nano", NANO))
    assert collector.lacking() == {}
    found = values(collector)
    assert found["jetson.emc", "emc"] == pytest.approx(61.0)
    del found["jetson.emc", "emc"]
    assert found == {
        ("jetson.gpu", "gpu"): 30.5,
        ("jetson.gpu_clock", "gpu"): 306_000_000.0,
        ("jetson.engine_clock", "nvdec"): 729_600_000.0,
        ("jetson.engine_clock", "nvjpg"): 0.0,  # nobody uses it: it is off, whatever its rate
        ("jetson.engine_clock", "ofa"): 0.0,
        ("jetson.engine_clock", "vic"): 115_200_000.0,
        ("jetson.emc_clock", "emc"): 2_133_000_000.0,
        ("jetson.engine", "nvdec"): 0.0,  # tegrastats, the only one that says it
        ("jetson.engine", "nvjpg"): 0.0,
        ("jetson.engine", "vic"): 0.0,
        ("jetson.engine", "ofa"): 0.0,
    }
    collector.stop()
    collector.stop()
    assert collector.facts()["power_mode"] == "15W"
    assert collector.facts()["power_mode_id"] == 0
    assert collector.facts()["clocks_hertz"] == {
        "policy0": [729_600_000, 1_728_000_000],
        "policy4": [729_600_000, 1_728_000_000],
        "gpu": [306_000_000, 1_020_000_000],
    }
    assert collector.facts()["emc_held"] is False
    assert collector.facts()["emc_cap_hertz"] == 3_199_000_000
    assert collector.facts()["release"].startswith("# R36 (release), REVISION: 4.4")


def test_debugfs_is_asked_once_a_second_and_the_gpu_at_every_call() -> None:
    collector = Jetson()
    collector.start(Device("nano", NANO))
    assert ("jetson.emc", "emc") in values(collector, 0)
    between = values(collector, SECOND // 4)
    assert ("jetson.gpu", "gpu") in between
    assert ("jetson.emc", "emc") not in between
    assert ("jetson.emc", "emc") in values(collector, SECOND)
    collector.stop()


def test_without_root_tegrastats_fills_in(board: Path) -> None:
    put(board, "/sys/class/devfreq/17000000.ga10b/device/of_node/name", "ga10b\0")
    put(board, "/sys/class/devfreq/17000000.ga10b/device/load", 412)
    put(board, "/recorded/tegrastats --interval 1000.txt", "\n".join(LINES[:2]))
    collector = Jetson()
    collector.start(Device("agx", board))
    found = values(collector)
    assert found["jetson.gpu", "gpu"] == 41.2  # the file's, not tegrastats' 0 %
    assert found["jetson.engine", "nvenc"] == 78.0
    assert found["jetson.engine_clock", "nvenc"] == 179e6
    assert found["jetson.engine_clock", "nvdec"] == 0.0
    assert (found["jetson.emc", "emc"], found["jetson.emc_clock", "emc"]) == (2.0, 2133e6)
    places = collector.sources()
    assert places["jetson.gpu"].place.endswith("/17000000.ga10b/device/load")
    assert places["jetson.emc"] == Source("tegrastats --interval 1000", SECOND)
    collector.stop()
    assert collector.facts()["power_mode"] is None
    assert "nvpmodel" in collector.facts()["power_mode_reason"]


def test_thor_has_clocks_by_cluster(board: Path) -> None:
    put(board, "/sys/class/devfreq/gpu-gpc-0/cur_freq", 1_575_000_000)
    put(board, "/sys/class/devfreq/bwmgr/cur_freq", 4_266_000_000)
    collector = Jetson()
    collector.start(Device("thor", board))
    assert values(collector) == {
        ("jetson.gpu_clock", "gpc0"): 1575e6,
        ("jetson.emc_clock", "emc"): 4266e6,
    }
    why = collector.lacking()["jetson.gpu"]
    assert "tegrastats: not recorded" in why.message
    assert "collector nvidia" in (why.remedy or "")
    assert "jetson.gpu_clock" not in collector.lacking()
    collector.stop()


def test_a_gpu_that_is_off_or_absurd_has_no_value(board: Path) -> None:
    load = "/sys/devices/gpu.0/load"
    put(board, load, 0)
    put(board, "/sys/kernel/debug/cactmon/mc_all", 2**64 - 1)
    put(board, "/sys/kernel/debug/bpmp/debug/clk/emc/rate", 0)
    put(board, "/sys/kernel/debug/clk/dla0_core/clk_rate", 2**64 - 1)
    collector = Jetson()
    collector.start(Device("xavier", board))
    first = values(collector)
    assert first["jetson.gpu", "gpu"] == 0.0
    assert first["jetson.emc", "emc"] is None  # no share of a clock of zero
    assert first["jetson.engine_clock", "dla0_core"] is None
    for text in ("", "-1", "1001", "200000", "nan", "4294967295", "41,2", "41.2"):
        put(board, load, text)
        assert values(collector)["jetson.gpu", "gpu"] is None, text
    (board / load.lstrip("/")).unlink()
    collector.stop()


def test_other_devices_are_not_asked_to_become_a_jetson(tmp_path: Path) -> None:
    put(tmp_path, "/proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0")
    with pytest.raises(OtherDevice, match="no Jetson") as caught:
        Jetson().start(Device("pi", tmp_path))
    assert caught.value.remedy


def test_a_jetson_that_tells_nothing_says_how_to_make_it(board: Path) -> None:
    with pytest.raises(NoData, match="tegrastats") as caught:
        Jetson().start(Device("container", board))
    assert not isinstance(caught.value, OtherDevice)
    assert "root" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (0, {("jetson.gpu", "gpu"): 0.0, ("jetson.gpu_clock", "gpc1"): 0.0,
             ("jetson.engine", "nvenc"): 79.0, ("jetson.engine_clock", "nvenc"): 166e6,
             ("jetson.engine", "vic"): 36.0, ("jetson.engine", "nvjpg1"): 0.0,
             ("jetson.engine_clock", "nvdla0"): 0.0, ("jetson.engine", "pva0"): 0.0,
             ("jetson.emc", "emc"): 3.0, ("jetson.emc_clock", "emc"): 2133e6}),
        (2, {("jetson.gpu_clock", "gpc2"): 0.0, ("jetson.engine_clock", "nvenc1"): 0.0,
             ("jetson.engine", "vic"): 0.0, ("jetson.emc", "emc"): 0.0}),
        (3, {("jetson.engine_clock", "vic"): 729e6, ("jetson.gpu", "gpu"): 0.0}),
        (4, {("jetson.gpu_clock", "gpu"): 305e6, ("jetson.emc_clock", "emc"): 204e6}),
        (5, {("jetson.gpu", "gpu"): 99.0, ("jetson.gpu_clock", "gpu"): 612e6,
             ("jetson.emc", "emc"): 61.0}),
        (6, {("jetson.gpu_clock", "gpu"): 114e6, ("jetson.engine_clock", "vic"): 115e6}),
        (7, {("jetson.gpu_clock", "gpu"): 140e6, ("jetson.emc_clock", "emc"): 665e6}),
        (8, {("jetson.gpu", "gpu"): 87.0, ("jetson.gpu_clock", "gpc0"): 1574e6,
             ("jetson.engine_clock", "nvenc0"): 1691e6}),
    ],
)  # fmt: skip
def test_recorded_lines(line: int, expected: dict[tuple[str, str], float]) -> None:
    found = parse(LINES[line])
    assert {key: found[key] for key in expected} == expected


def test_what_a_line_does_not_say_is_not_made_up() -> None:
    thor = parse(LINES[2])
    assert ("jetson.gpu", "gpu") not in thor  # `GR3D_FREQ @[0,0,0]` states no share
    assert ("jetson.engine", "nvenc0") not in thor
    assert ("jetson.engine", "vic") not in parse(LINES[3])  # `VIC_FREQ 729`
    assert {name for name, _ in parse(LINES[7])} == {
        "jetson.gpu", "jetson.gpu_clock", "jetson.emc", "jetson.emc_clock",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {}),
        ("GR3D_FREQ", {}),
        ("GR3D_FREQ 9", {}),
        ("GR3D_FREQ 99%", {("jetson.gpu", "gpu"): 99.0}),
        ("GR3D_FREQ 20000%@305", {("jetson.gpu", "gpu"): None,
                                  ("jetson.gpu_clock", "gpu"): 305e6}),
        ("GR3D_FREQ 9%@[305", {}),
        ("GR3D_FREQ 4294967295%", {}),
        ("GR3D_FREQ nan%", {}),
        ("GR3D_FREQ 12,5%@305", {}),
        ("GR3D_FREQ ٣%", {}),
        ("EMC_FREQ 3%@999999", {("jetson.emc", "emc"): 3.0, ("jetson.emc_clock", "emc"): None}),
        ("NVENC NVDEC off", {("jetson.engine", "nvdec"): 0.0,
                             ("jetson.engine_clock", "nvdec"): 0.0}),
    ],
)  # fmt: skip
def test_hostile_lines(line: str, expected: dict[tuple[str, str], float | None]) -> None:
    assert parse(line) == expected


@given(st.sampled_from(LINES), st.integers(0, 900))
def test_a_cut_line_says_no_more_than_the_whole(line: str, length: int) -> None:
    whole, cut = parse(line), parse(line[:length])
    assert set(cut) <= set(whole)
    # all but the last that stands in it, whose number may be cut
    assert len([key for key in cut if cut[key] != whole[key]]) <= 1


WORDS = st.sampled_from(
    ["GR3D_FREQ", "EMC_FREQ", "NVENC", "VIC_FREQ", "off", "@0", "@[0,0]", "99%", "3%@12", "12", "%"]
)


@given(st.lists(st.one_of(WORDS, st.text(max_size=8))).map(" ".join))
def test_no_line_makes_up_a_value(line: str) -> None:
    for (track, _), value in parse(line).items():
        limit = 100 if track in SHARES else math.inf
        assert value is None or 0 <= value <= limit
        if value and track in SHARES:
            assert f"{value:.0f}%" in line


@given(st.one_of(st.none(), st.integers(-(2**70), 2**70)))
def test_a_share_is_a_share_and_a_clock_a_clock(value: int | None) -> None:
    assert share(value, 1000) is None or share(value, 1000) == (value or 0) / 10
    assert hertz(value) is None or hertz(value) == value


@pytest.mark.parametrize(
    ("text", "mode", "number"),
    [
        ("NV Power Mode: MAXN\n0", "MAXN", 0),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: 15W\n0\n", "15W", 0),
        ("NV Fan Mode:quiet\nNV Power Mode: MODE_30W_ALL\n3", "MODE_30W_ALL", 3),
        ("NV Power Mode: MAXN", "MAXN", None),
        ("NV Power Mode:", None, None),
        ("", None, None),
        ("NVPM ERROR: failed to read PARAM", None, None),
    ],
)
def test_power_modes(text: str, mode: str | None, number: int | None) -> None:
    assert parsed(text) == {"power_mode": mode, "power_mode_id": number}


@given(st.text())
def test_any_answer_is_a_mode_or_none(text: str) -> None:
    mode = parsed(text)["power_mode"]
    assert mode is None or mode in text


def script(folder: Path, body: str) -> None:
    file = folder / "tegrastats"
    file.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    file.chmod(0o755)


def readable(stream: Stream) -> None:
    """Wait until there is something to read."""
    assert stream._child is not None
    assert stream._child.stdout is not None
    assert select.select([stream._child.stdout], [], [], 60)[0]


def test_a_running_tool_is_read_by_whole_lines_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script(tmp_path, f'while IFS= read -r part; do printf "%b" "$part"; done < "{fifo}"')
    monkeypatch.setenv("PATH", str(tmp_path))
    stream = Stream.of(Device("here"))
    with fifo.open("w", encoding="utf-8", buffering=1) as into:
        into.write("one\\nEMC_FREQ 61%@21\n")
        readable(stream)
        assert stream.newest() == "one"
        assert stream.newest() is None
        assert not stream.over
        into.write("33\\n\n")
        readable(stream)
        assert stream.newest() == "EMC_FREQ 61%@2133"
    readable(stream)
    assert stream.newest() is None
    assert stream.over
    stream.close()
    stream.close()


def test_a_tool_that_ends_leaves_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lines").write_text(LINES[1] + "\n", encoding="utf-8")
    script(tmp_path, f'while IFS= read -r line; do echo "$line"; done < "{tmp_path}/lines"')
    monkeypatch.setenv("PATH", str(tmp_path))
    collector = Jetson()
    stream = collector._stream = Stream.of(Device("here"))
    readable(stream)
    while not (found := values(collector)):
        readable(stream)
    assert found["jetson.engine", "nvenc"] == 78.0
    readable(stream)
    assert set(values(collector)) == set(found)
    assert set(values(collector).values()) == {None}
    collector.stop()


def test_a_tool_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, f"exec {shutil.which('sleep')} 1000")
    monkeypatch.setenv("PATH", str(tmp_path))
    stream = Stream.of(Device("here"))
    assert stream._child is not None
    pid = stream._child.pid
    assert stream.newest() is None
    stream.close()
    assert not Path(f"/proc/{pid}").exists()
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(NoData, match="no such tool"):
        Stream.of(Device("here"))
