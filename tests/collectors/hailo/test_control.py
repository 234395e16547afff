from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.hailo.chips import Chip
from collectors.hailo.control import FIRST_NS, LATER_NS, PERIOD_NS, Control, answers
from collectors.hailo.process import Process, Recorded, environment, python
from probe.errors import NoData
from probe.model import Device, Notice, Sample

BOARDS = Path(__file__).parents[2] / "devices"
RECORDED = BOARDS / "recordings/hailo_python_device.txt"
ADDRESS = "0001:01:00.0"
CHIP = Chip("Hailo-8 or 8L", "hailo-all", ADDRESS, "hailo", None, None, None, None)
SECOND = 10**9
LIBRARY = '''
"""Stands for the vendor's library, whose answers are the recorded ones of a real module."""
import os
print("HailoRT says something on stdout")
class Refused(Exception): pass
class Named:
    def __init__(self, **kept): self.__dict__.update(kept)
class Control:
    def identify(self):
        return Named(device_architecture="DeviceArchitecture.HAILO8L")
    def get_extended_device_information(self):
        features = Named(current_monitoring="{power}" != "Disabled")
        return Named(supported_features=features)
    def get_chip_temperature(self):
        return Named(ts0_temperature={ts0_temperature}, ts1_temperature={ts1_temperature})
    def power_measurement(self):
        self.times = getattr(self, "times", 0) + 1
        if "{power}" == "refused": raise Refused(f"HAILO_UNSUPPORTED_OPCODE {self.times}")
        return 2.5
class Device:
    def __init__(self, address):
        if address != "0001:01:00.0": raise Refused("HAILO_INVALID_ARGUMENT")
        assert os.environ["HAILORT_LOGGER_PATH"] == "NONE"
        self.control = Control()
    def release(self): pass
'''


def library(folder: Path, monkeypatch: pytest.MonkeyPatch, power: str | None = None) -> None:
    """Install the stand-in where a Python started from here finds it."""
    rows = RECORDED.read_text(encoding="utf-8").splitlines()
    recorded = dict(row.split(": ", 1) for row in rows if ": " in row and row[0] != "#")
    text = LIBRARY.replace("{power}", power or recorded["Current Monitoring"])
    for name in ("ts0_temperature", "ts1_temperature"):
        text = text.replace(f"{{{name}}}", recorded[name])
    package = folder / "site/hailo_platform"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.syspath_prepend(package.parent)


class Script:
    """Answers that a test puts in."""

    timed = True

    def __init__(self) -> None:
        self.asked = 0
        self.waiting: list[str] = []
        self.over = False
        self.closed = 0

    def ask(self) -> None:
        self.asked += 1

    def lines(self) -> Iterator[str]:
        if self.over:
            raise EOFError
        while self.waiting:
            yield self.waiting.pop(0)

    def wait(self, timeout_s: float) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def line(**said: object) -> str:
    return json.dumps({"t_ns": 5, "chips": {ADDRESS: said}})


def test_it_is_asked_once_a_second_and_never_waited_for() -> None:
    script = Script()
    control = Control(script, [CHIP])
    assert list(control.read(0)) == []
    assert list(control.read(SECOND)) == []  # no answer yet: no second question
    assert script.asked == 1
    script.waiting.append(line(architecture="HAILO8L", ts0=41.2, ts1=-256.0, watts=0.1))
    found = list(control.read(SECOND + 1))
    assert found == [Sample("hailo.temperature", "HAILO8L ts0", 41.2, 5)]
    assert script.asked == 2
    script.waiting.append(line(architecture="HAILO8L", ts0=None))
    assert list(control.read(SECOND + 2)) == [Sample("hailo.temperature", "HAILO8L ts0", None, 5)]
    assert script.asked == 2
    list(control.read(SECOND + 1 + PERIOD_NS))
    assert script.asked == 3


def test_a_refusal_is_told_once() -> None:
    script = Script()
    control = Control(script, [CHIP])
    script.waiting += [line(errors={"power": "the module has no power sensor"})] * 2
    notices = list(control.read(0))
    assert notices == [
        Notice("Hailo-8 or 8L gives no power", {"reason": "the module has no power sensor"}, 5)
    ]


def test_the_first_answer_tells_what_is_refused_and_is_not_lost() -> None:
    script = Script()
    control = Control(script, [CHIP])
    script.waiting.append(line(ts0=40.0, errors={"power": "none"}))
    assert control.begin(1.0) == {"power": "none"}
    assert script.asked == 1
    temperature = Sample("hailo.temperature", "Hailo-8 or 8L ts0", 40.0, 5)
    assert list(control.read(0)) == [temperature]  # the refusal was told before the run
    assert script.asked == 1
    late = Control(Script(), [CHIP])
    assert late.begin(0.0) == {}
    assert list(late.read(7)) == []
    assert list(late.read(7 + FIRST_NS)) == []
    assert len(list(late.read(8 + FIRST_NS))) == 1


@pytest.mark.parametrize("answered", [False, True])
def test_one_that_does_not_answer_is_left(answered: bool) -> None:
    script = Script()
    control = Control(script, [CHIP])
    limit = FIRST_NS
    if answered:
        limit = LATER_NS
        script.waiting.append(line(ts0=40.0))
        assert len(list(control.read(0))) == 1
    else:
        assert list(control.read(0)) == []
    assert list(control.read(limit)) == []
    told = list(control.read(limit + 1))
    assert isinstance(told[0], Notice)
    assert "no answer" in told[0].text
    gone = [Sample("hailo.temperature", "Hailo-8 or 8L ts0", None)]
    assert told[1:] == (gone if answered else [])
    assert script.closed == 1
    assert list(control.read(limit + SECOND)) == []


def test_one_that_ended_is_told() -> None:
    script = Script()
    script.over = True
    told = list(Control(script, [CHIP]).read(0))
    assert [type(each) for each in told] == [Notice]


def asked(interpreter: Path, address: str = ADDRESS, times: int = 1) -> str:
    """Ask a real process so many times and return its last answer."""
    process = Process(interpreter, [address])
    found: list[str] = []
    try:
        for wanted in range(1, times + 1):
            process.ask()
            deadline = time.monotonic() + 60
            while len(found) < wanted and time.monotonic() < deadline:
                process.wait(1.0)
                found += process.lines()
        return found[times - 1]
    finally:
        process.close()
        process.close()


def test_the_process_answers_as_the_library_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(tmp_path, monkeypatch)
    before = time.monotonic_ns()
    t_ns, found = answers(asked(python("hailo-all")))
    assert t_ns is not None
    assert before < t_ns < time.monotonic_ns()
    (chip,) = found
    assert (chip.architecture, chip.watts) == ("HAILO8L", None)
    assert (chip.ts0, chip.ts1) == (41.21126937866211, 41.0089225769043)
    assert chip.errors == {"power": "the module has no power sensor"}


@pytest.mark.parametrize(("power", "watts"), [("there", 2.5), ("refused", None)])
def test_power_is_measured_where_the_module_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, power: str, watts: float | None
) -> None:
    library(tmp_path, monkeypatch, power)
    _, (chip,) = answers(asked(Path(sys.executable)))
    assert chip.watts == watts
    assert ("HAILO_UNSUPPORTED_OPCODE" in chip.errors.get("power", "")) == (power == "refused")
    _, (again,) = answers(asked(Path(sys.executable), times=3))
    assert again == chip  # what refused once is not asked any more


def test_a_chip_that_is_not_there_and_a_library_that_is_not_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (chip,) = answers(asked(Path(sys.executable)))
    assert "hailo_platform" in chip.errors["device"]
    library(tmp_path, monkeypatch)
    _, (chip,) = answers(asked(Path(sys.executable), "0000:02:00.0"))
    assert chip.errors == {"device": "Refused: HAILO_INVALID_ARGUMENT"}
    assert (chip.ts0, chip.ts1, chip.watts) == (None, None, None)


def test_an_answer_is_waited_for_beyond_a_thousand_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"no process may open more than {hard} files here")
    library(tmp_path, monkeypatch)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    taken: list[int] = []
    try:
        while not taken or taken[-1] < 1024:
            taken.append(os.dup(0))
        _, (chip,) = answers(asked(Path(sys.executable)))
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert chip.architecture == "HAILO8L"


def test_a_process_that_cannot_run_ends_its_answers() -> None:
    process = Process(Path("/bin/true"), [ADDRESS])
    deadline = time.monotonic() + 60
    told: list[Sample | Notice] = []
    control = Control(process, [CHIP])
    while not told and time.monotonic() < deadline:
        told = list(control.read(0))
    assert told == [Notice("hailo_platform ended, and is not asked again")]


def test_a_process_that_ended_at_once_is_told_at_the_next_reading() -> None:
    control = Control(Process(Path("/bin/true"), [ADDRESS]), [CHIP])
    assert control.begin(60.0) == {}
    assert list(control.read(0)) == [Notice("hailo_platform ended, and is not asked again")]


def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    process = Process(Path(sys.executable), [ADDRESS])
    process.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not Path(f"/proc/{process._child.pid}").exists()


def test_one_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = tmp_path / "python"
    stubborn.write_text("#!/bin/sh\nexec sleep 600\n")
    stubborn.chmod(0o755)
    monkeypatch.setattr("collectors.hailo.process.END_S", 0.01)
    process = Process(stubborn, [ADDRESS])
    process.close()
    process.close()
    assert process._child.returncode == -signal.SIGKILL


def test_without_the_library_the_package_is_named() -> None:
    with pytest.raises(NoData, match="hailo_platform: neither") as caught:
        python("hailo-h10-all")
    assert caught.value.remedy == "install it: sudo apt install hailo-h10-all"


def test_another_python_is_not_misled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("HAILO_MONITOR", "1")
    assert "PYTHONPATH" not in environment(Path("/usr/bin/python3.9"))
    ours = environment(Path(sys.executable))
    assert ours["PYTHONPATH"] == "/mine"
    assert "HAILO_MONITOR" not in ours
    assert ours.keys() - os.environ.keys() <= {"HAILORT_LOGGER_PATH"}


def test_a_captured_tree_answers_without_a_process() -> None:
    control = Control.found(Device("pi", BOARDS / "raspberry-pi-5"), [CHIP])
    assert isinstance(control._asked, Recorded)
    assert list(control.read(0)) == []
    told = list(control.read(1))
    assert [each for each in told if isinstance(each, Sample)] == [
        Sample("hailo.temperature", "HAILO8L ts0", 41.21126937866211),
        Sample("hailo.temperature", "HAILO8L ts1", 41.0089225769043),
    ]
    with pytest.raises(NoData, match="without an answer of hailo_platform"):
        Control.found(Device("vm", BOARDS / "bare-vm"), [CHIP])


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "{", "[" * 100_000, '{"chips": 3}', '{"chips": {"a": 3}}',
     '{"chips": {"a": {"ts0": NaN, "ts1": "41", "watts": 4294967295, "errors": 7}}}',
     '{"chips": {"a": {"ts0": true, "ts1": -256, "watts": 0.1, "architecture": "\\u001b[1m"}}}',
     '{"t_ns": true, "chips": {}}', '{"t_ns": -1, "chips": {}}'],
)  # fmt: skip
def test_what_means_nothing_is_missing(text: str) -> None:
    t_ns, found = answers(text)
    assert t_ns is None
    for each in found:
        assert (each.architecture, each.ts0, each.ts1, each.watts) == (None, None, None, None)


numbers = st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text())


@given(numbers, numbers)
def test_no_answer_makes_up_a_value(celsius: object, watts: object) -> None:
    text = json.dumps({"t_ns": celsius, "chips": {"a": {"ts0": celsius, "watts": watts}}})
    _, (chip,) = answers(text)
    assert chip.ts0 is None or (chip.ts0 == celsius and -55 <= chip.ts0 <= 150)
    assert chip.watts is None or (chip.watts == watts and math.isfinite(chip.watts))


@given(st.text())
def test_any_line_is_an_answer_or_is_not(text: str) -> None:
    t_ns, chips = answers(text)
    assert t_ns is None or str(t_ns) in text
    assert not chips or '"chips"' in text
