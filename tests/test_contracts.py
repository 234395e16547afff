"""The rules that every plugin keeps, whoever adds it."""

from __future__ import annotations

import ast
import inspect
import math
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest

import collectors
from probe.errors import NoData, OtherDevice
from probe.model import Collector, Device, Grade, Sample, Sourced, Track, UtilisationKind

UNITS = {
    "1", "percent", "ratio", "celsius", "hertz", "watts", "joules", "volts", "amperes", "bytes",
    "bytes/s", "ns", "seconds", "count", "count/s", "frames", "rpm",
}  # fmt: skip
"""Base units only; formatting belongs to reports."""
DEVICES = sorted(path for path in (Path(__file__).parent / "devices").iterdir() if path.is_dir())
GRADED = {
    # the rate, the share or the sum of what the kernel counts
    Grade.MEASURED: [
        "cpu.process", "cpu.thread", "cpu.core", "cpu.stolen", "scheduler.wait",
        "scheduler.voluntary", "scheduler.involuntary", "pressure.stalled", "memory.minor_faults",
        "memory.major_faults", "disk.read", "disk.written", "network.received", "network.sent",
        "network.lost", "drm.engine", "intel_npu.occupancy", "throttle.over_current",
        "nvidia.energy",
    ],
    # two clocks; volts by amperes; counts that are filled up where counters took turns
    Grade.DERIVED: ["throttle.capped", "power.rail", "bandwidth.read", "bandwidth.written"],
    # what was asked for stands for what runs, what a cache fetched for what the cores read
    Grade.INFERRED: ["cpu.clock", "bandwidth.cpu_read"],
    # a finished share, flag or estimate of a driver's or a firmware's own
    Grade.VENDOR_STATED: [
        "nvidia.utilisation", "nvidia.memory_busy", "nvidia.engine", "nvidia.process",
        "nvidia.pcie", "nvidia.throttle", "jetson.gpu", "jetson.engine", "adreno.utilisation",
        "rknpu.load", "hailo.occupancy", "amd_xdna.column", "amd_xdna.power", "power.domain",
        "throttle.firmware", "throttle.voltage",
    ],
}  # fmt: skip
"""What CONTRIBUTING's rule gives, by its examples."""
LONGEST_PERIOD_NS = 10_000_000_000
CLASSES = collectors.discover()
each_collector = pytest.mark.parametrize("found", CLASSES, ids=[c.name for c in CLASSES])


def home(found: type[Collector]) -> Path:
    """Return what a collector stands in: its file, or its folder where it has one."""
    file = Path(inspect.getfile(found))
    return file.parent if file.stem == "__init__" else file


def files(found: type[Collector]) -> list[Path]:
    place = home(found)
    return sorted(place.glob("**/*.py")) if place.is_dir() else [place]


def source(found: type[Collector]) -> ast.Module:
    """Return all that a collector is made of, as one module.

    What it starts as a program of its own stands outside the engine, and may do what it likes.
    """
    texts = [file.read_text(encoding="utf-8") for file in files(found)]
    parts = [ast.parse(text) for text in texts if '__name__ == "__main__"' not in text]
    return ast.Module([node for part in parts for node in part.body], [])


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@each_collector
def test_the_name_is_the_files_and_everything_is_documented(found: type[Collector]) -> None:
    assert found.name == home(found).stem
    assert re.fullmatch(r"[a-z][a-z0-9_]*", found.name)
    module = inspect.getmodule(found)
    assert module is not None
    assert len((module.__doc__ or "").split()) >= 10, "say what it reads, and on which devices"
    for part in (found, found.start, found.sample, found.stop):
        assert part.__doc__, f"{part} has no docstring"


@each_collector
def test_tracks_are_named_after_their_collector_and_have_base_units(
    found: type[Collector],
) -> None:
    assert found.tracks
    names = [track.name for track in found.tracks]
    assert len(set(names)) == len(names)
    for track in found.tracks:
        assert isinstance(track, Track)
        assert re.fullmatch(rf"{found.name}\.[a-z][a-z0-9_]*", track.name)
        assert track.unit in UNITS
        assert track.title
        assert isinstance(track.grade, Grade)
        assert track.kind is None or isinstance(track.kind, UtilisationKind)


def test_no_track_has_two_owners() -> None:
    names = [track.name for found in CLASSES for track in found.tracks]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("grade", GRADED)
def test_one_rule_gives_the_grade_whoever_reads_it(grade: Grade) -> None:
    known = {track.name: track.grade for found in CLASSES for track in found.tracks}
    assert {name for name in GRADED[grade] if known[name] is not grade} == set()


def test_every_recording_is_read_by_a_test() -> None:
    here = Path(__file__).parent
    texts = [file.read_text(encoding="utf-8") for file in here.glob("**/test_*.py")]
    for recording in (here / "devices/recordings").iterdir():
        assert any(recording.name in text for text in texts), recording.name


@each_collector
def test_the_period_is_sane_and_the_protocol_complete(found: type[Collector]) -> None:
    assert found.period_ns is None or 10_000_000 <= found.period_ns <= LONGEST_PERIOD_NS
    assert isinstance(found.sensitive, bool)
    assert list(inspect.signature(found.start).parameters) == ["self", "device"]
    assert list(inspect.signature(found.sample).parameters) == ["self", "t_ns"]


@each_collector
def test_an_empty_device_gives_no_data_with_a_remedy(
    found: type[Collector], tmp_path: Path
) -> None:
    collector = found()
    with pytest.raises(NoData) as caught:
        collector.start(Device("empty", tmp_path))
    assert caught.value.message
    if isinstance(caught.value, OtherDevice):  # nothing is missing, so nothing is to be done
        return
    assert caught.value.remedy
    assert str(tmp_path) in caught.value.message, "say where it was looked for"
    collector.stop()


@each_collector
def test_stop_is_safe_before_start_and_twice(found: type[Collector]) -> None:
    collector = found()
    collector.stop()
    collector.stop()


def opened() -> set[tuple[str, str]]:
    """Return the descriptors of this process, with what they lead to."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them
            found.add((entry.name, str(entry.readlink())))
    return found


@each_collector
@pytest.mark.parametrize("root", DEVICES, ids=[path.name for path in DEVICES])
def test_a_device_is_read_and_left_as_it_was(found: type[Collector], root: Path) -> None:
    before = opened()
    collector = found()
    own = {track.name for track in found.tracks}
    try:
        collector.start(Device(root.name, root, program_pid=4242))
        assert set(collector.sources() if isinstance(collector, Sourced) else ()) <= own
        for t_ns in (0, 1_000_000_000, 2_000_000_000):
            samples = list(collector.sample(t_ns))
            lines = [(sample.track, sample.label) for sample in samples]
            assert len(set(lines)) == len(lines), "one value a line and a reading"
            for sample in samples:
                assert isinstance(sample, Sample)
                assert sample.track in own
                assert sample.value is None or math.isfinite(sample.value)
    except NoData:
        samples = []  # this device has no such source
    finally:
        collector.stop()
    collector.stop()
    deadline = time.monotonic() + 20  # a thread that asks a tool ends by itself
    while opened() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert opened() <= before


@each_collector
def test_it_knows_neither_the_engine_nor_another_collector(found: type[Collector]) -> None:
    names = imported(source(found))
    own = found.__module__
    others = {each.__module__ for each in CLASSES} - {own}
    banned = {"probe.engine", "probe.sampling", "probe.commands", "probe.cli", "reports", "logging"}
    assert not names & (others | banned)
    ours = {name for name in names if name == own or name.startswith(f"{own}.")}
    assert not any(name.startswith("collectors") for name in names - ours)


@each_collector
def test_it_takes_time_only_from_the_engine_and_prints_nothing(found: type[Collector]) -> None:
    tree = source(found)
    assert not {"time", "datetime"} & imported(tree)
    calls = {node.func.id for node in ast.walk(tree)
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
    assert "print" not in calls


@each_collector
def test_it_catches_only_what_it_can_explain(found: type[Collector]) -> None:
    for node in ast.walk(source(found)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None
            assert ast.unparse(node.type) not in {"Exception", "BaseException"}
