"""The collector on a real NVIDIA GPU; skipped where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from collectors.nvidia import Nvidia
from probe.errors import NoData
from probe.model import Device, Sample

pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")

LOAD = """
import torch
a = torch.rand(4096, 4096, device="cuda", dtype=torch.bfloat16)
print("ready", flush=True)
while True:
    for _ in range(200):
        a @ a
    torch.cuda.synchronize()
"""
PYTHON = os.environ.get("LIVEPROBE_TORCH_PYTHON") or shutil.which("python3") or "python3"
"""A Python that has PyTorch; the load needs it, the rest does not."""


@pytest.fixture
def collector() -> Nvidia:
    collector = Nvidia()
    try:
        collector.start(Device("here", program_pid=os.getpid()))
    except NoData as absent:
        collector.stop()
        pytest.skip(absent.message)
    return collector


def values(collector: Nvidia, t_ns: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for each in collector.sample(t_ns):
        if isinstance(each, Sample) and each.value is not None:
            found.setdefault(each.track, []).append(each.value)
    return found


def test_what_nvml_and_nvidia_smi_say_agree(collector: Nvidia) -> None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        pytest.skip("no nvidia-smi")
    fields = "name,memory.total,temperature.gpu,power.draw"
    asked = [tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    text = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=30).stdout
    rows = [[word.strip() for word in line.split(",")] for line in text.splitlines()]
    found = values(collector, 0)
    gpus = [gpu for gpu in collector.facts()["gpus"] if "MIG" not in gpu["label"]]
    assert len(gpus) == len(rows)
    for gpu, (name, total, celsius, watts) in zip(gpus, rows, strict=True):
        assert gpu["label"].startswith(name)
        assert gpu["memory_bytes"] == pytest.approx(float(total) * 2**20, rel=0.02)
        assert any(abs(each - float(celsius)) < 10 for each in found["nvidia.temperature"])
        assert any(each == pytest.approx(float(watts), rel=0.5) for each in found["nvidia.power"])
    collector.stop()
    collector.stop()


def test_a_loaded_gpu_is_busy_and_takes_energy() -> None:
    with subprocess.Popen([PYTHON, "-c", LOAD], stdout=subprocess.PIPE, text=True) as load:
        collector = Nvidia()
        try:
            if load.stdout is None or load.stdout.readline() != "ready\n":
                pytest.skip("no PyTorch that sees a GPU")
            try:
                collector.start(Device("here", program_pid=load.pid))
            except NoData as absent:
                pytest.skip(absent.message)
            found: dict[str, list[float]] = {}
            began = time.monotonic()
            while time.monotonic() - began < 30 and max(found.get("nvidia.utilisation", [0])) < 50:
                time.sleep(0.25)
                for track, several in values(collector, time.monotonic_ns()).items():
                    found.setdefault(track, []).extend(several)
            assert max(found["nvidia.utilisation"]) >= 50
            assert max(found["nvidia.memory"]) > 4096 * 4096 * 2
            assert max(found["nvidia.energy"]) > 0
            told = set(found) | set(collector.lacking())
            # the driver knows processes by their numbers outside of containers
            assert {track.name for track in collector.tracks} - told <= {
                "nvidia.process", "nvidia.process_memory",
            }  # fmt: skip
        finally:
            load.kill()
            collector.stop()


def test_nothing_stays_open() -> None:
    if not Path("/dev/nvidiactl").exists():
        pytest.skip("no NVIDIA driver")
    descriptors = []
    for _ in range(3):
        collector = Nvidia()
        try:
            collector.start(Device("here"))
        except NoData as absent:
            pytest.skip(absent.message)
        finally:
            collector.stop()
        descriptors.append(len(list(Path("/proc/self/fd").iterdir())))
    assert descriptors[1] == descriptors[2]
