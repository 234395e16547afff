from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.raspberry_pi import ASKED, RaspberryPi, hertz
from probe import tool
from probe.errors import NoData, OtherDevice
from probe.model import Device, Sample

DEVICES = Path(__file__).parents[1] / "devices"


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_the_firmwares_clock_is_read_and_an_answer_that_is_none_is_a_gap(tmp_path: Path) -> None:
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    put(tmp_path, f"recorded/{tool.recording(ASKED)}", "frequency(0)=2400023808\n")
    collector = RaspberryPi()
    assert list(collector.sample(0)) == []
    collector.start(Device("pi", tmp_path))
    assert list(collector.sample(0)) == [Sample("raspberry_pi.clock", "arm", 2_400_023_808.0)]
    put(tmp_path, f"recorded/{tool.recording(ASKED)}", "VCHI initialization failed")
    assert list(collector.sample(1)) == [Sample("raspberry_pi.clock", "arm", None)]
    (tmp_path / f"recorded/{tool.recording(ASKED)}").unlink()
    assert list(collector.sample(2)) == [Sample("raspberry_pi.clock", "arm", None)]
    collector.stop()
    collector.stop()


def test_a_firmware_that_hangs_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    put(
        tmp_path,
        "vcgencmd",
        f"""#!/bin/sh
        test -e {tmp_path}/asked && exec sleep 600
        touch {tmp_path}/asked; echo 'frequency(0)=2400023808'""",
    )
    (tmp_path / "vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(tool, "HERE", tmp_path)  # its tools are asked, as on this machine
    collector = RaspberryPi()
    collector.start(Device("pi", tmp_path))
    found = [list(collector.sample(k * 10**9)) for k in range(3)]
    collector.stop()
    assert [[each.value for each in told] for told in found] == [[2_400_023_808.0], [], []]
    assert found[0][0].t_ns is not None, "its own time"


@pytest.mark.parametrize(
    "board", ["raspberry-pi-5", "raspberry-pi-5-hailo10h", "raspberry-pi-coral"]
)
def test_every_pi_has_it(board: str) -> None:
    collector = RaspberryPi()
    collector.start(Device("pi", DEVICES / board))
    (sample,) = collector.sample(0)
    assert sample.value is not None


def test_a_firmware_without_it_says_so_and_others_are_other_devices(tmp_path: Path) -> None:
    with pytest.raises(OtherDevice):
        RaspberryPi().start(Device("tree", tmp_path))
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B")
    put(tmp_path, f"recorded/{tool.recording(ASKED)}", 'error=1 error_msg="Command not registered"')
    with pytest.raises(NoData, match="Command not registered"):
        RaspberryPi().start(Device("tree", tmp_path))


def test_the_recorded_answers_of_a_real_board_are_understood() -> None:
    text = (DEVICES / "recordings/rpi5_vcgencmd_misc.txt").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    assert [hertz(row) for row in rows] == [None, None, 2_400_023_808.0]
    others = re.findall(r"frequency\(0\)=\d+", text.partition("other published")[2])
    assert [hertz(each) for each in others] == [2_400_020_480.0, 2_400_004_352.0]


@given(st.one_of(st.text(), st.integers(-(2**70), 2**70).map(lambda n: f"frequency(48)={n}")))
def test_any_answer_is_a_clock_or_none(text: str) -> None:
    value = hertz(text)
    assert value is None or (text.strip().endswith(f"={value:.0f}") and value > 0)
