from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe import series, store
from probe.course import Phase, Progress
from probe.errors import EnvironmentUnmet
from probe.model import Device
from probe.preparation import Terms
from probe.scenario import Scenario

S = 10**9
SHORT = Terms(step_ns=S, steps=2, least_ns=S, longest_ns=60 * S, idle_ns=S)
"""A sensor is read four times in each of these, so that a slow machine misses none."""
PACED = """
import os, time, probe
with open({notes!r}, "a") as notes:
    notes.write(os.environ["LIVEPROBE_TAPE"] + "\\n")
begin = time.perf_counter_ns()
for k in range({count}):
    due = begin + k * 10_000_000
    time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
    probe.frame(k, scheduled_ns=due)
    probe.mark("delivered", frame=k)
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Return where the program notes the folder of its tapes, each time that it is started."""
    return tmp_path / "notes"


@pytest.fixture
def scenario(notes: Path) -> Callable[..., Scenario]:
    def make(count: int, **run: Any) -> Scenario:
        settings = {"warmup": "0s", "collectors": [], **run}
        command = [sys.executable, "-c", PACED.format(notes=str(notes), count=count)]
        return Scenario.model_validate(
            {"name": "t", "mode": "command", "run": settings, "program": {"command": command}}
        )

    return make


def test_each_repeat_is_cooled_soaked_and_measured(
    board: Callable[..., Any], scenario: Callable[..., Scenario], notes: Path, tmp_path: Path
) -> None:
    made, paths, told = board(soc=40.0), [], []
    made.drive("soc", lambda: itertools.cycle([40.0, 40.001]))

    def each(path: Path) -> bool:
        paths.append(path)
        return True

    asked = scenario(10**6, repeats=2, soak=True, duration="0.3s")
    series.measure(
        asked, tmp_path / "runs", each, device=made.device, progress=told.append, terms=SHORT
    )
    first, second = (store.read_manifest(path) for path in paths)
    assert paths[0].parent == paths[1].parent
    assert first["series"]["id"] == second["series"]["id"]
    assert first["cool_down"] is None
    assert second["cool_down"]["outcome"] == "cool"
    (soc,) = second["cool_down"]["sensors"]
    assert soc["sensor"] == "soc"
    assert soc["idle_celsius"] == pytest.approx(40.0, abs=0.01)
    assert soc["end_celsius"] == pytest.approx(40.0, abs=0.01)
    for manifest in (first, second):
        assert manifest["soak"]["outcome"] == "steady"
        assert manifest["state"] == "complete"
        assert manifest["window"]["end_ns"] - manifest["window"]["start_ns"] == 3 * S // 10
    phases = [each.phase for each in told if each.repeat == (2, 2)]
    order = list(dict.fromkeys(phases))
    assert order[:3] == [Phase.COOLING, Phase.SOAKING, Phase.LOADING]
    # two soaks, two measured runs; nothing of the four is left
    folders = notes.read_text().split()
    assert len(folders) == 4
    assert not any(Path(folder).exists() for folder in folders)


def test_a_single_run_is_soaked_too_and_is_no_series(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    terms = Terms(step_ns=S // 2, least_ns=S // 2)
    asked = scenario(10**6, soak=True, duration="0.3s")
    path = series.measure_once(asked, tmp_path, device=Device("bare", tmp_path), terms=terms)
    manifest = store.read_manifest(path)
    assert path.parent == tmp_path
    assert "series" not in manifest
    assert manifest["soak"]["outcome"] == "no temperature"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_the_first_soak_leaves_nothing(
    scenario: Callable[..., Scenario], notes: Path, tmp_path: Path, number: signal.Signals
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.phase is Phase.SOAKING and notes.exists() and notes.read_text():
            os.kill(os.getpid(), number)

    asked = scenario(10**6, soak=True, repeats=2, cool_down="0s")
    device = Device("bare", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        series.measure(
            asked, tmp_path / "runs", lambda _: True,
            device=device, progress=interrupt, terms=SHORT,
        )  # fmt: skip
    assert list((tmp_path / "runs").iterdir()) == []
    assert not any(Path(folder).exists() for folder in notes.read_text().split())


def test_a_folder_that_cannot_be_made_is_told_before_the_first_soak(
    scenario: Callable[..., Scenario], notes: Path
) -> None:
    asked = scenario(10, soak=True, repeats=2)
    with pytest.raises(EnvironmentUnmet):
        series.measure(asked, Path("/proc/nowhere"), lambda _: True, terms=SHORT)
    assert not notes.exists()


def test_what_says_stop_is_the_last(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    paths: list[Path] = []

    def each(path: Path) -> bool:
        paths.append(path)
        return len(paths) < 2

    series.measure(scenario(3, repeats=5, cool_down="0s"), tmp_path / "runs", each, terms=SHORT)
    assert len(paths) == 2
