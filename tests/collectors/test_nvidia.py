"""The real pynvml and our collector, over a library that answers from a file (nvml_stand_in.c)."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.nvidia import Nvidia
from collectors.nvidia.library import _has_gpu
from collectors.nvidia.processes import busy_by_process, memory_by_process
from collectors.nvidia.readings import HELD, SET, Energy, bytes_per_second, held, percent
from probe.celsius import believed
from probe.errors import NoData, OtherDevice
from probe.model import Device, Notice, Sample
from probe.verdict.sustained import THROTTLE

pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")

SECOND = 10**9
HERE = Path(__file__).parent
DEVICES = HERE.parent / "devices"
RECORDED = sorted((DEVICES / "recordings").glob("nvml_*_answers.txt"))
GPU = "NVIDIA GeForce RTX 4070"
LOST, NO_PERMISSION, NOT_FOUND, NOT_LOADED = 15, 4, 6, 9
ME = os.getpid()

Answers = dict[str, str | list[str]]

BASE: Answers = {
    "nvmlInit -1 0": "0",
    "nvmlSystemGetDriverVersion -1 0": "0 570.133.07",
    "nvmlDeviceGetCount -1 0": "0 1",
    "nvmlDeviceGetHandleByIndex 0 0": "0",
    "nvmlDeviceGetName 0 0": f"0 {GPU}",
    "nvmlDeviceGetPciInfo 0 0": "0 00000000:01:00.0",
    "nvmlDeviceGetMigMode 0 0": "3",
    "nvmlDeviceGetUtilizationRates 0 0": "0 87 34",
    "nvmlDeviceGetEncoderUtilization 0 0": "0 12 167000",
    "nvmlDeviceGetDecoderUtilization 0 0": "0 5 167000",
    "nvmlDeviceGetMemoryInfo_v2 0 0": "0 12878610432 425000000 8000000000 4453610432",
    "nvmlDeviceGetMemoryInfo 0 0": "0 12878610432 8000000000 4878610432",
    "nvmlDeviceGetClockInfo 0 0": "0 2475",
    "nvmlDeviceGetClockInfo 0 1": "0 2475",
    "nvmlDeviceGetClockInfo 0 2": "0 10501",
    "nvmlDeviceGetClockInfo 0 3": "0 1950",
    "nvmlDeviceGetMaxClockInfo 0 1": "0 3105",
    "nvmlDeviceGetTemperature 0 0": "0 61",
    "nvmlDeviceGetPowerUsage 0 0": "0 152340",
    "nvmlDeviceGetFieldValues 0 186": "0 160120",
    "nvmlDeviceGetEnforcedPowerLimit 0 0": "0 200000",
    "nvmlDeviceGetTotalEnergyConsumption 0 0": "0 8812345678",
    "nvmlDeviceGetCurrentClocksEventReasons 0 0": "0 0x4",
    "nvmlDeviceGetPcieThroughput 0 0": "0 1200",
    "nvmlDeviceGetPcieThroughput 0 1": "0 2500",
    "nvmlDeviceGetCurrPcieLinkGeneration 0 0": "0 4",
    "nvmlDeviceGetCurrPcieLinkWidth 0 0": "0 16",
    "nvmlDeviceGetComputeRunningProcesses 0 0": [f"0 {ME} 500000000", "0 1 70000000"],
    "nvmlDeviceGetProcessUtilization 0 0": "6",
}
"""In the documented format, not a recording: a card whose driver tells nearly everything."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The stand-in, loaded under NVML's own name so that pynvml finds it; gone afterwards."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    built = tmp_path_factory.mktemp("nvml") / "stand_in.so"
    named = "-Wl,-soname,libnvidia-ml.so.1"
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", named]
    subprocess.run([compiler, *options, "-o", built, HERE / "nvml_stand_in.c"], check=True,
                   timeout=60)  # fmt: skip
    ctypes.CDLL(str(built))
    yield built
    pynvml.nvmlLib = None
    pynvml._nvmlGetFunctionPointer_cache.clear()
    unload("libnvidia-ml.so.1")


def unload(name: str) -> None:
    """Close a library as often as it was opened, so that others find the real one."""
    while True:
        try:
            handle = ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_NOW)._handle
        except OSError:
            return
        _ctypes.dlclose(handle)  # what this look opened
        _ctypes.dlclose(handle)


class Gpus:
    """What the stand-in says, changed by a test in mid-run."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.answers: Answers = dict(BASE)
        self.write()

    def write(self, **_: object) -> None:
        lines = []
        for key, said in self.answers.items():
            lines += [f"{key} {each}" for each in ([said] if isinstance(said, str) else said)]
        self.file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def say(self, changes: Answers) -> None:
        self.answers |= changes
        self.write()

    def forget(self, *functions: str) -> None:
        """NVML says NOT_SUPPORTED from now on."""
        self.answers = {
            key: said for key, said in self.answers.items() if key.split()[0] not in functions
        }
        self.write()


@pytest.fixture
def gpus(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gpus:
    file = tmp_path / "answers.txt"
    monkeypatch.setenv("NVML_ANSWERS", str(file))
    return Gpus(file)


@pytest.fixture
def started(gpus: Gpus) -> Iterator[Nvidia]:
    collector = Nvidia()
    collector.start(Device("here", program_pid=ME))
    yield collector
    collector.stop()


def lines(found: list[Sample | Notice]) -> dict[tuple[str, str], float | None]:
    samples = [each for each in found if isinstance(each, Sample)]
    values = {(each.track, each.label): each.value for each in samples}
    assert len(values) == len(samples)
    return values


def values(collector: Nvidia, t_ns: int = 0) -> dict[tuple[str, str], float | None]:
    return lines(list(collector.sample(t_ns)))


def test_everything_that_a_card_tells(started: Nvidia) -> None:
    found = values(started)
    mine = [key for key in found if key[0] == "nvidia.process_memory"]
    assert [found.pop(key) for key in mine] == [500_000_000.0]  # process 1 is not the program's
    assert mine[0][1].endswith(f":{ME} on {GPU}")
    throttled = {name: found.pop(("nvidia.throttle", f"{GPU} {name}")) for name in HELD.values()}
    assert {name for name, value in throttled.items() if value} == {"power cap"}
    settings = {name: found.pop(("nvidia.clock_setting", f"{GPU} {name}")) for name in SET.values()}
    assert set(settings.values()) == {0.0}
    assert found == {
        ("nvidia.utilisation", GPU): 87.0,
        ("nvidia.memory_busy", GPU): 34.0,
        ("nvidia.engine", f"{GPU} encoder"): 12.0,
        ("nvidia.engine", f"{GPU} decoder"): 5.0,
        ("nvidia.memory", GPU): 4_453_610_432.0,
        ("nvidia.clock", f"{GPU} graphics"): 2.475e9,
        ("nvidia.clock", f"{GPU} sm"): 2.475e9,
        ("nvidia.clock", f"{GPU} memory"): 10.501e9,
        ("nvidia.clock", f"{GPU} video"): 1.95e9,
        ("nvidia.temperature", GPU): 61.0,
        ("nvidia.power", GPU): 160.12,  # at this moment, not the driver's mean of a second
        ("nvidia.energy", GPU): 0.0,
        ("nvidia.pcie", f"{GPU} sent"): 1_200_000.0,
        ("nvidia.pcie", f"{GPU} received"): 2_500_000.0,
    }
    assert started.lacking() == {}
    facts = started.facts()
    assert facts["driver"] == "570.133.07"
    assert facts["gpus"][0] == {
        "label": GPU,
        "memory_bytes": 12_878_610_432,
        "power_limit_watts": 200.0,
        "max_sm_clock_hertz": 3_105_000_000,
        "pcie_generation": 4,
        "pcie_lanes": 16,
        "refused": {
            "nvidia.engine jpeg": "Not Supported",
            "nvidia.engine optical flow": "Not Supported",
            "nvidia.temperature memory": "Not Supported",
        },
    }


def test_each_question_has_its_period(started: Nvidia) -> None:
    def asked(t_ns: int) -> set[str]:
        return {track for track, _ in values(started, t_ns)}

    always = {"nvidia.memory", "nvidia.clock", "nvidia.temperature", "nvidia.power",
              "nvidia.energy", "nvidia.throttle", "nvidia.clock_setting"}  # fmt: skip
    windowed = {"nvidia.utilisation", "nvidia.memory_busy", "nvidia.engine",
                "nvidia.process_memory"}  # fmt: skip
    assert asked(0) == always | windowed | {"nvidia.pcie"}
    assert asked(SECOND // 4) == always
    assert asked(SECOND * 999 // 1000) == always | windowed  # a call may come a little early
    assert asked(2 * SECOND) == always | windowed | {"nvidia.pcie"}


def test_a_card_that_tells_little_says_what_it_refuses(gpus: Gpus) -> None:
    gpus.forget("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetTotalEnergyConsumption",
                "nvmlDeviceGetFieldValues", "nvmlDeviceGetMemoryInfo_v2")  # fmt: skip
    gpus.say({"nvmlDeviceGetProcessUtilization 0 0": str(NO_PERMISSION)})
    collector = Nvidia()
    collector.start(Device("here", program_pid=ME))
    found = values(collector)
    assert found["nvidia.power", GPU] == 152.34  # the older question
    assert found["nvidia.memory", GPU] == 4_878_610_432.0
    assert not {track for track, _ in found} & set(collector.lacking())
    assert set(collector.lacking()) == {
        "nvidia.utilisation", "nvidia.memory_busy", "nvidia.energy", "nvidia.process",
    }  # fmt: skip
    assert "Not Supported" in collector.lacking()["nvidia.energy"].message
    assert "root" in (collector.lacking()["nvidia.process"].remedy or "")
    collector.stop()


def test_older_drivers_know_reasons_by_their_older_name(gpus: Gpus) -> None:
    gpus.say({"nvmlDeviceGetCurrentClocksEventReasons 0 0": "13"})  # FUNCTION_NOT_FOUND
    gpus.say({"nvmlDeviceGetCurrentClocksThrottleReasons 0 0": "0 0x61"})
    collector = Nvidia()
    collector.start(Device("here"))
    held_now = {label for (track, label), value in values(collector).items()
                if track == "nvidia.throttle" and value}  # fmt: skip
    assert held_now == {
        f"{GPU} thermal slowdown by software", f"{GPU} thermal slowdown by hardware",
    }  # fmt: skip
    collector.stop()


def test_a_clock_that_somebody_set_is_no_throttling(gpus: Gpus) -> None:
    gpus.say({"nvmlDeviceGetCurrentClocksEventReasons 0 0": "0 0x112"})
    collector = Nvidia()
    collector.start(Device("here"))
    held_now = {key for key, value in values(collector).items()
                if value and re.fullmatch(THROTTLE, key[0])}  # fmt: skip
    settings = {label for (track, label), value in values(collector, SECOND).items()
                if value and track == "nvidia.clock_setting"}  # fmt: skip
    collector.stop()
    assert held_now == set()
    assert settings == {f"{GPU} {name}" for name in SET.values()}


def test_a_function_that_the_library_does_not_have_is_a_refusal(gpus: Gpus) -> None:
    collector = Nvidia()
    collector.start(Device("here"))
    assert collector._nvml is not None
    refused = collector._nvml.ask(lambda nvml: nvml._nvmlGetFunctionPointer("nvmlNoSuch"))
    assert refused.for_good
    assert "update" in refused.remedy
    collector.stop()


def test_a_package_that_is_older_than_a_question_is_updated_not_the_driver(
    gpus: Gpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption")
    collector = Nvidia()
    collector.start(Device("here"))
    why = collector.lacking()["nvidia.energy"]
    assert "nvidia-ml-py has no nvmlDeviceGetTotalEnergyConsumption" in why.message
    assert "pip install --upgrade nvidia-ml-py" in (why.remedy or "")
    assert ("nvidia.energy", GPU) not in values(collector)
    assert collector._nvml is not None
    with pytest.raises(AttributeError, match="watts"):  # a fault of ours is no refusal
        collector._nvml.ask(lambda nvml: nvml.nvmlDeviceGetName.watts)
    collector.stop()


def test_sentinels_and_absurd_values_are_missing(gpus: Gpus, started: Nvidia) -> None:
    gpus.say({
        "nvmlDeviceGetUtilizationRates 0 0": "0 20000 4294967295",
        "nvmlDeviceGetFieldValues 0 186": "0 4294967295",
        "nvmlDeviceGetTemperature 0 0": "0 4294967040",
        "nvmlDeviceGetClockInfo 0 0": "0 4294967295",
        "nvmlDeviceGetPcieThroughput 0 0": "0 4294967295",
        "nvmlDeviceGetMemoryInfo_v2 0 0": "0 100 0 0 18446744073709551615",
        "nvmlDeviceGetEncoderUtilization 0 0": "0 101 0",
        "nvmlDeviceGetComputeRunningProcesses 0 0": f"0 {ME} 18446744073709551615",
        "nvmlDeviceGetTotalEnergyConsumption 0 0": "0 8812345677",
    })  # fmt: skip
    found = values(started)
    missing = {key for key, value in found.items() if value is None}
    assert {label for track, label in missing if track == "nvidia.clock"} == {f"{GPU} graphics"}
    assert {track for track, _ in missing} == {
        "nvidia.utilisation", "nvidia.memory_busy", "nvidia.power", "nvidia.temperature",
        "nvidia.clock", "nvidia.pcie", "nvidia.memory", "nvidia.engine", "nvidia.process_memory",
    }  # fmt: skip


def test_energy_counts_from_the_first_reading(gpus: Gpus, started: Nvidia) -> None:
    assert values(started)["nvidia.energy", GPU] == 0.0
    gpus.say({"nvmlDeviceGetTotalEnergyConsumption 0 0": "0 8812385678"})
    assert values(started, SECOND)["nvidia.energy", GPU] == 40.0
    gpus.say({"nvmlDeviceGetTotalEnergyConsumption 0 0": "0 12"})
    assert values(started, 2 * SECOND)["nvidia.energy", GPU] is None


def test_a_question_that_fails_once_is_a_gap(gpus: Gpus, started: Nvidia) -> None:
    gpus.say({"nvmlDeviceGetTemperature 0 0": "999"})
    assert values(started)["nvidia.temperature", GPU] is None
    gpus.say({"nvmlDeviceGetTemperature 0 0": "0 62"})
    assert values(started, SECOND)["nvidia.temperature", GPU] == 62.0


def test_a_gpu_that_falls_off_the_bus_leaves_gaps_and_says_so(gpus: Gpus, started: Nvidia) -> None:
    before = values(started)
    gpus.answers = {key: str(LOST) if " 0 " in key else said for key, said in gpus.answers.items()}
    gpus.write()
    found = list(started.sample(2 * SECOND))
    notices = [each for each in found if isinstance(each, Notice)]
    assert [each.text for each in notices] == [f"{GPU}: GPU is lost"]
    gone = lines(found)
    own = {key for key in before if key[0] != "nvidia.process_memory"}
    assert set(gone) == own
    assert set(gone.values()) == {None}
    gpus.say(dict(BASE))  # a handle of a GPU that was lost is not asked again
    again = list(started.sample(4 * SECOND))
    assert not [each for each in again if isinstance(each, Notice)]
    assert set(lines(again).values()) == {None}


def test_the_programs_share_is_the_mean_of_new_samples(gpus: Gpus, started: Nvidia) -> None:
    def share(t_ns: int) -> list[float | None]:
        return [each for (track, _), each in values(started, t_ns).items()
                if track == "nvidia.process"]  # fmt: skip

    asked = "nvmlDeviceGetProcessUtilization 0 0"
    assert share(0) == []  # it found none: that is no refusal
    gpus.say({asked: [f"0 {ME} 1000 40 0 0 0", f"0 {ME} 1100 60 0 0 0", "0 1 1100 99 0 0 0"]})
    assert share(SECOND) == [50.0]
    assert share(2 * SECOND) == []  # the same samples are not told twice
    gpus.say({asked: [f"0 {ME} 1100 60 0 0 0", f"0 {ME} 1200 4294967295 0 0 0"]})
    assert share(3 * SECOND) == [None]
    gpus.say({asked: f"0 {ME} 1300 7 0 0 0"})
    assert share(4 * SECOND) == [7.0]


def test_two_cards_of_one_name_are_told_apart(gpus: Gpus) -> None:
    second = {key.replace(" 0 ", " 1 ", 1): said for key, said in BASE.items() if " 0 " in key}
    gpus.say(second)
    gpus.say({
        "nvmlDeviceGetCount -1 0": "0 2",
        "nvmlDeviceGetPciInfo 1 0": "0 00000000:02:00.0",
        "nvmlDeviceGetTemperature 1 0": "0 45",
    })  # fmt: skip
    collector = Nvidia()
    collector.start(Device("here"))
    found = values(collector)
    assert found["nvidia.temperature", f"{GPU} 00000000:01:00.0"] == 61.0
    assert found["nvidia.temperature", f"{GPU} 00000000:02:00.0"] == 45.0
    gpus.say({"nvmlDeviceGetTemperature 1 0": str(LOST)})
    later = values(collector, SECOND)
    assert later["nvidia.temperature", f"{GPU} 00000000:01:00.0"] == 61.0
    assert later["nvidia.temperature", f"{GPU} 00000000:02:00.0"] is None
    collector.stop()


def test_the_instances_of_a_partitioned_gpu_are_lines_of_their_own(gpus: Gpus) -> None:
    gpus.forget("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetEncoderUtilization")
    gpus.say({
        "nvmlDeviceGetMigMode 0 0": "0 1 1",
        "nvmlDeviceGetMaxMigDeviceCount 0 0": "0 7",
        "nvmlDeviceGetMigDeviceHandleByIndex 0 0": "0",
        "nvmlDeviceGetMigDeviceHandleByIndex 0 1": str(NOT_FOUND),
        "nvmlDeviceGetMigDeviceHandleByIndex 0 2": "0",
        "nvmlDeviceGetName 100 0": "0 NVIDIA A100 MIG 1g.5gb",
        "nvmlDeviceGetName 102 0": "0 NVIDIA A100 MIG 1g.5gb",
        "nvmlDeviceGetMemoryInfo_v2 100 0": "0 5000 10 990 4000",
        "nvmlDeviceGetMemoryInfo_v2 102 0": "0 5000 10 3990 1000",
    })  # fmt: skip
    collector = Nvidia()
    collector.start(Device("here"))
    found = values(collector)
    assert found["nvidia.memory", "NVIDIA A100 MIG 1g.5gb"] == 4000.0
    assert found["nvidia.memory", "NVIDIA A100 MIG 1g.5gb #2"] == 1000.0
    assert found["nvidia.power", GPU] == 160.12
    assert "nvidia.utilisation" in collector.lacking()
    collector.stop()


@pytest.mark.parametrize(
    ("said", "message", "remedy"),
    [
        ({"nvmlInit -1 0": "18"}, "version mismatch", "reboot"),
        ({"nvmlInit -1 0": str(NO_PERMISSION)}, "Permissions", "root"),
        ({"nvmlDeviceGetCount -1 0": "0 0"}, "0 GPUs", "nvidia-smi"),
        ({"nvmlDeviceGetHandleByIndex 0 0": str(LOST)}, "1 GPUs: GPU is lost", "nvidia-smi"),
        ({"nvmlDeviceGetCount -1 0": "999"}, "Unknown Error", "nvidia-smi"),
    ],
)
def test_an_nvml_that_cannot_be_asked(gpus: Gpus, said: Answers, message: str, remedy: str) -> None:
    gpus.say(said)
    collector = Nvidia()
    with pytest.raises(NoData, match=message) as caught:
        collector.start(Device("here"))
    assert remedy in (caught.value.remedy or "")
    collector.stop()
    collector.stop()


def test_a_library_without_a_gpu_or_a_driver_is_another_device(gpus: Gpus) -> None:
    """A container made for CUDA on a machine without any."""
    if _has_gpu(Device("here")):
        pytest.skip("this machine has an NVIDIA GPU")
    gpus.say({"nvmlInit -1 0": str(NOT_LOADED)})
    with pytest.raises(OtherDevice, match="no NVIDIA GPU"):
        Nvidia().start(Device("here"))


def test_a_gpu_that_tells_nothing_says_so(gpus: Gpus) -> None:
    functions = {key.split()[0] for key in BASE} - {
        "nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetName",
    }  # fmt: skip
    gpus.forget(*functions)
    collector = Nvidia()
    with pytest.raises(NoData, match="tells nothing of any GPU: Not Supported") as caught:
        collector.start(Device("here"))
    assert not isinstance(caught.value, OtherDevice)
    collector.stop()


@pytest.mark.skipif(not RECORDED, reason="no answers of a real NVML were recorded")
@pytest.mark.parametrize("file", RECORDED, ids=[file.stem for file in RECORDED])
def test_recorded_answers_of_real_gpus_are_understood(
    library: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVML_ANSWERS", str(file))
    collector = Nvidia()
    collector.start(Device("here"))
    found = values(collector)
    for track in ("nvidia.utilisation", "nvidia.memory", "nvidia.power", "nvidia.temperature"):
        assert [value for (name, _), value in found.items() if name == track and value is not None]
    collector.stop()


def test_without_a_gpu_nothing_is_loaded_and_nothing_is_missing() -> None:
    code = (
        "import sys\n"
        "from collectors.nvidia import Nvidia\n"
        "from probe.errors import NoData, OtherDevice\n"
        "from probe.model import Device\n"
        "try:\n"
        "    Nvidia().start(Device('here'))\n"
        "except OtherDevice as other:\n"
        "    print(bool(other.remedy), 'pynvml' in sys.modules)\n"
        "    raise SystemExit\n"
        "except NoData:\n"
        "    pass\n"
        "print('a GPU')\n"
    )
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **path},
    )
    if done.stdout == "a GPU\n":
        pytest.skip("this machine has NVML")
    assert done.stdout.split() == ["True", "False"]


@pytest.mark.parametrize("board", ["laptop-hwmon", "pc-nvidia"])
def test_a_captured_tree_with_a_gpu_says_where_nvml_is(board: str) -> None:
    if not (DEVICES / board).exists():
        pytest.skip("no such tree")
    with pytest.raises(NoData, match=f"{board} is a captured tree.* NVML") as caught:
        Nvidia().start(Device(board, DEVICES / board))
    assert not isinstance(caught.value, OtherDevice)
    assert caught.value.remedy == "run liveprobe on the device itself"


def test_a_captured_tree_without_one_is_another_device(tmp_path: Path) -> None:
    with pytest.raises(OtherDevice, match=str(tmp_path)):
        Nvidia().start(Device("pi", tmp_path))


def test_every_reason_that_nvml_names_is_told_but_idling() -> None:
    text = (DEVICES / "recordings" / "nvml_clock_event_reasons.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if line[:1] != "#"]
    named = {int(row[0], 16): row[1] for row in rows}
    assert {*HELD, *SET} == {bit for bit, name in named.items() if name not in {"None", "GpuIdle"}}


@given(st.integers(0, 2**64 - 1))
def test_reasons_are_the_bits_and_idling_is_none(bits: int) -> None:
    for bit, value in zip((*HELD, *SET), held(bits), strict=True):
        assert value == (bits & bit != 0)
    assert held(0x1) == held(0)


@given(st.integers(-(2**64), 2**64))
def test_no_answer_makes_up_a_value(value: int) -> None:
    assert percent(value) in (None, value)
    assert (percent(value) is None) == (not 0 <= value <= 100)
    assert believed(value) in (None, value)
    if value >= 0:
        assert bytes_per_second(value)[0] in (None, value * 1000)


@given(st.lists(st.integers(0, 2**64), min_size=1))
def test_energy_never_goes_back(counter: list[int]) -> None:
    energy = Energy()
    told = [energy(value)[0] for value in counter]
    known = [value for value in told if value is not None]
    assert told[0] == 0
    assert known == sorted(known)


ENTRIES = st.lists(
    st.builds(
        SimpleNamespace,
        pid=st.integers(0, 5),
        smUtil=st.integers(0, 2**32 - 1) | st.integers(0, 100),
        usedGpuMemory=st.none() | st.integers(0, 2**64 - 1),
    )
)


@given(ENTRIES)
def test_processes_are_told_once_each(entries: list[SimpleNamespace]) -> None:
    for pid, busy in busy_by_process(entries).items():
        known = [each.smUtil for each in entries if each.pid == pid and each.smUtil <= 100]
        assert busy == (pytest.approx(sum(known) / len(known)) if known else None)
    for pid, taken in memory_by_process(entries).items():
        said = [each.usedGpuMemory for each in entries if each.pid == pid]
        assert taken is None or taken in said
