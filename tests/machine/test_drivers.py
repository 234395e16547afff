"""liveprobe on the kernel's own drivers, with chips and a camera that are simulated; and Yama."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from collectors.thermal import Thermal
from probe.errors import InputError
from probe.model import Device, Sample
from probe.pipeline.arrivals import Arrivals
from probe.pipeline.pacing import SECOND_NS, now_ns
from probe.scenario import SourcePart

pytestmark = pytest.mark.skipif(
    "LIVEPROBE_MACHINE" not in os.environ, reason="`make test-machine` boots a kernel for this"
)
HERE = Path(__file__).parents[2]
SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
NOBODY = 65534

# ---- Yama ----

HARNESS = """
import os, subprocess, sys, time
from pathlib import Path
from collectors.pyspy import Pyspy
from probe.errors import NoData
from probe.model import Device, Launch
folder, code = Path(sys.argv[1]), sys.argv[2]
collector = Pyspy()
added = collector.attach(Launch((), {}, folder, {"pyspy": {"mode": "nonblocking"}}))
environment = {**os.environ, **added, "LIVEPROBE_TAPE": str(folder)}
program = subprocess.Popen([sys.executable, "-c", code + "; sum(iter(int, 1))"], env=environment)
collector.start(Device("local", program_pid=program.pid))
try:
    for second in range(10):
        time.sleep(1)
        list(collector.sample(second + 1))
    collector.stop()
    print("recordings:", collector.facts()["recordings"])
except NoData as why:
    print(why.message, "|", why.remedy)
finally:
    program.kill()
"""


@pytest.mark.parametrize(
    ("scope", "code", "said"),
    [
        (1, "import probe", "recordings: 1\n"),
        (1, "pass", f"{SCOPE} is 1, and the program did not let the sampler in"),
        (2, "import probe", f"{SCOPE} is 2: only CAP_SYS_PTRACE"),
    ],
)
def test_yama_lets_the_sampler_in_where_the_program_does(
    tmp_path: Path, scope: int, code: str, said: str
) -> None:
    for folder in (*tmp_path.parents, *Path(sys.executable).resolve().parents):
        folder.chmod(folder.stat().st_mode | 0o055)  # in memory alone: the files are not ours
    tmp_path.chmod(0o777)
    SCOPE.write_text(f"{scope}\n")
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    done = subprocess.run(
        [*words, sys.executable, "-B", "-c", HARNESS, str(tmp_path), code],
        capture_output=True, text=True, check=True, timeout=120, cwd=HERE,
    )  # fmt: skip
    assert done.stdout.startswith(said)


# ---- sensors: i2c-stub, lm75, tmp102 ----

ADAPTERS = Path("/sys/bus/i2c/devices")
SLAVE, SMBUS, WRITE, WORD = 0x0703, 0x0720, 0, 3


def bus() -> Path:
    names = {each: (each / "name").read_text() for each in ADAPTERS.glob("i2c-*")}
    return next(each for each, name in names.items() if "stub" in name)


def put(address: int, register: int, value: int) -> None:
    """Set a register of a simulated chip, the higher byte first (i2c-dev: I2C_SMBUS)."""
    data = bytearray(struct.pack(">H", value).ljust(34, b"\0"))
    held = (len(data) * ctypes.c_char).from_buffer(data)
    descriptor = os.open(f"/dev/{bus().name}", os.O_RDWR)
    try:
        fcntl.ioctl(descriptor, SLAVE, address)
        at = ctypes.addressof(held)
        fcntl.ioctl(descriptor, SMBUS, struct.pack("BBIP", WRITE, register, WORD, at))
    finally:
        os.close(descriptor)


def readings(collector: Thermal) -> dict[str, float | None]:
    return {each.label: each.value for each in collector.sample(0) if isinstance(each, Sample)}


def test_a_sensor_whose_driver_goes_and_comes_back_is_a_gap() -> None:
    put(0x48, 0, 0x2D80)
    put(0x49, 1, 0x60A0)
    put(0x49, 0, 0x19A0)
    for name, address in (("lm75", 0x48), ("tmp102", 0x49)):
        (bus() / "new_device").write_text(f"{name} {address:#x}")
    time.sleep(0.1)  # tmp102 says EAGAIN for 35 ms
    collector = Thermal()
    collector.start(Device("local"))
    assert readings(collector) == {"lm75 temp1": 45.5, "tmp102 temp1": 51.25}
    driver, chips = Path("/sys/bus/i2c/drivers"), (("lm75", "48"), ("tmp102", "49"))
    for name, address in chips:
        (driver / name / "unbind").write_text(f"{bus().name[4:]}-00{address}")
    assert readings(collector) == {"lm75 temp1": None, "tmp102 temp1": None}
    for name, address in reversed(chips):  # each gets the other's number
        (driver / name / "bind").write_text(f"{bus().name[4:]}-00{address}")
    time.sleep(0.1)
    readings(collector)
    assert readings(collector) == {"lm75 temp1": 45.5, "tmp102 temp1": 51.25}
    collector.stop()


# ---- a camera: vivid ----

CAMERA, SET_CONTROL, DROPPED_PERCENT, STAMP_AT_START = "/dev/video0", 0xC008561C, 0xF0F040, 0xF0F018


def control(number: int, value: int) -> None:
    with Path(CAMERA).open("rb", buffering=0) as camera:
        fcntl.ioctl(camera, SET_CONTROL, struct.pack("Ii", number, value))


def test_a_camera_s_pictures_are_of_after_the_start_and_at_its_own_rate() -> None:
    control(STAMP_AT_START, 1)
    part = SourcePart(kind="camera", device=CAMERA, size=(640, 360), fps=10, timeout=20)
    arrivals = Arrivals(part, 1)
    time.sleep(2)  # a model is loaded
    begun_ns, stop = now_ns(), threading.Event()
    due = []
    for arrival in arrivals.packets(stop, lambda: False):
        due.append(arrival.scheduled_ns)
        if len(due) == 20:
            stop.set()
    assert arrivals.driver_clock
    assert due[0] > begun_ns - SECOND_NS // 5
    assert (due[-1] - due[0]) / SECOND_NS == pytest.approx(1.9, abs=0.3)
    arrivals.container.close()


def test_a_camera_that_gives_no_picture_is_told() -> None:
    control(DROPPED_PERCENT, 100)
    try:
        with pytest.raises(InputError, match="no picture within 3 s"):
            Arrivals(SourcePart(kind="camera", device=CAMERA, timeout=3), 1)
    finally:
        control(DROPPED_PERCENT, 0)
