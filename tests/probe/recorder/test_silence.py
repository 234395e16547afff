from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import probe
from probe.recorder import silence

HEAVY = (
    "numpy",
    "pandas",
    "pydantic",
    "av",
    "onnxruntime",
    "probe.tape",
    "probe.recorder.listening",
)


def python(code: str, **more: str) -> str:
    home = {"PYTHONPATH": str(Path(probe.__file__).parents[1])}
    known = {key: value for key, value in os.environ.items() if not key.startswith("LIVEPROBE_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=known | home | more,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def test_importing_probe_is_light() -> None:
    code = """
import sys, time
began = time.process_time()
import probe
spent = time.process_time() - began
print(spent, *sys.modules)
"""
    spent, *modules = python(code).split()
    assert "probe.recorder.silence" in modules
    assert not set(HEAVY) & set(modules)
    # The best of several: what others do on this machine counts as CPU time of ours, at times.
    best = min(float(spent), *(float(python(code).split()[0]) for _ in range(4)))
    assert best < 0.030


def test_importing_probe_to_record_is_light_too(tmp_path: Path) -> None:
    modules = python("import probe, sys; print(*sys.modules)", LIVEPROBE_TAPE=str(tmp_path))
    assert "probe.recorder.listening" in modules.split()
    assert not {"numpy", "pandas", "pydantic", "asyncio"} & set(modules.split())


@pytest.fixture(params=["python", "c"])
def silent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the silent module, afresh, with or without the C extension."""
    if request.param == "c":
        pytest.importorskip("probe.recorder._pen", reason="the C recorder is not built")
    monkeypatch.setenv("LIVEPROBE_RECORDER", request.param)
    module = importlib.util.module_from_spec(silence.__spec__)
    silence.__spec__.loader.exec_module(module)
    assert isinstance(module.stage, FunctionType) == (request.param == "python")
    return module


def test_silence_changes_nothing(silent: ModuleType) -> None:
    assert silent.frame(7, scheduled_ns=1, pts_ns=2) == 7
    assert silent.mark("delivered", 7, output=1) is None
    with pytest.raises(KeyError), silent.stage("infer", frame=3):
        raise KeyError


def test_a_silent_stage_keeps_what_it_is_told(silent: ModuleType) -> None:
    with silent.stage("infer", 3, bytes_in=5) as outer, silent.stage("infer") as inner:
        inner.frame = 9
        inner.bytes_out = 0
        inner.bytes_out += 4
        outer.queue_ns = 1
        assert (outer.frame, outer.bytes_in, outer.queue_ns, outer.bytes_out) == (3, 5, 1, None)
        assert (inner.frame, inner.bytes_in, inner.queue_ns, inner.bytes_out) == (9, None, None, 4)


def test_nothing_is_written_without_the_variable(tmp_path: Path) -> None:
    code = f"import os, probe; os.chdir({str(tmp_path)!r}); probe.mark('x'); probe.frame(1)"
    python(code)
    python(code, LIVEPROBE_TAPE="")
    assert list(tmp_path.iterdir()) == []
