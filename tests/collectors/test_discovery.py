from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import collectors
from collectors.cpu import Cpu
from probe.errors import UsageError
from probe.model import Supported
from probe.neighbours import ours

HOME = Path(collectors.__file__).parent

FOREIGN = '''
class Wattmeter:
    """Power of a bench supply."""
    name = {name!r}
    tracks = ()
    period_ns = 10**9
    sensitive = False
    def start(self, device): ...
    def sample(self, t_ns): return ()
    def stop(self): ...
'''


def install(folder: Path, name: str, target: str = "bench_supply:Wattmeter") -> None:
    """Put a distribution with one entry point into `folder`, as pip would."""
    (folder / "bench_supply.py").write_text(FOREIGN.format(name=name))
    info = folder / "bench_supply-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-supply\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{collectors.GROUP}]\nwatt = {target}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bench_supply", raising=False)
    return tmp_path


def test_every_module_of_the_folder_is_found_once() -> None:
    modules = {path.stem for path in HOME.glob("[!_]*.py")}
    packages = {path.parent.name for path in HOME.glob("[!_]*/__init__.py")}
    assert {each.name for each in collectors.discover()} == modules | packages
    assert {"copies", "cpu", "thermal"} <= modules | packages


def test_another_distribution_adds_a_collector(site: Path) -> None:
    install(site, "wattmeter")
    assert "wattmeter" in [each.name for each in collectors.discover()]


def test_a_name_that_is_taken_raises_and_says_by_whom(site: Path) -> None:
    install(site, "cpu")
    with pytest.raises(UsageError, match="two collectors have the name cpu") as caught:
        collectors.discover()
    assert "collectors.cpu.Cpu" in caught.value.message
    assert "bench_supply.Wattmeter" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("bench_supply:Missing", "cannot be loaded"),
        ("no_such_module:Thing", "cannot be loaded"),
        ("bench_supply:Wattmeter.name", "is no collector"),
    ],
)
def test_a_broken_entry_point_names_its_distribution(site: Path, target: str, said: str) -> None:
    install(site, "wattmeter", target)
    with pytest.raises(UsageError, match=said) as caught:
        collectors.discover()
    assert "bench-supply" in f"{caught.value.message} {caught.value.remedy}"


def test_a_module_needs_exactly_one_collector() -> None:
    with pytest.raises(TypeError, match=r"probe\.errors must define one collector class, not 0"):
        collectors._collector_of(sys.modules["probe.errors"])


def test_a_module_from_elsewhere_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "intruder.py").write_text("")
    monkeypatch.setattr(collectors, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "collectors.intruder", raising=False)
    with pytest.raises(UsageError, match="hides liveprobe's own collector intruder"):
        collectors._own_module("intruder")
    sys.modules.pop("collectors.intruder", None)


@pytest.mark.parametrize("file", ["__init__.py", "notes.txt"])
def test_a_users_folder_that_hides_ours_is_named(tmp_path: Path, file: str) -> None:
    mine = tmp_path / "collectors"
    mine.mkdir()
    (mine / file).write_text("")
    code = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "from probe.neighbours import ours\n"
        "from probe.errors import UsageError\n"
        "try: print(len(ours('collectors').discover()))\n"
        "except UsageError as error: print(error.message, '|', error.remedy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(HOME.parent)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    if file == "__init__.py":  # a package of the user's comes first
        assert f"{mine} hides liveprobe's own package collectors" in done.stdout
        assert "rename that folder" in done.stdout
    else:  # a plain folder is no rival to a package
        assert int(done.stdout) >= 2


def test_ours_are_ours() -> None:
    assert ours("collectors") is collectors


def test_discovery_gives_classes_not_instances() -> None:
    assert Cpu in collectors.discover()


def of_ours() -> list[type]:
    return [each for each in collectors.discover() if each.__module__.startswith("collectors.")]


@pytest.mark.parametrize("collector", of_ours(), ids=lambda each: each.name)
def test_each_of_ours_says_on_which_devices_it_reads_each_of_its_tracks(collector: type) -> None:
    assert isinstance(collector, Supported)
    tracks = {track.name for track in collector.tracks}
    assert {name for each in collector.support for name in each.tracks} == tracks


@pytest.mark.parametrize("collector", of_ours(), ids=lambda each: each.name)
def test_the_tracks_of_ours_bear_the_name_of_their_collector(collector: type) -> None:
    assert all(track.name.startswith(f"{collector.name}.") for track in collector.tracks)
    assert len({track.name for track in collector.tracks}) == len(collector.tracks)
