"""The interposer on aarch64, emulated: the same programs, the same copies."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probe import tape

if TYPE_CHECKING:
    from tests.collectors.copies.conftest import Seen

COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64"
ROOT = "/usr/aarch64-linux-gnu"
PROGRAMS = Path(__file__).parent / "programs"
SOURCES = Path(__file__).parents[3] / "collectors" / "copies"

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"{COMPILER} or {EMULATOR} is not installed",
)

Emulated = Callable[..., tuple[int, str, list[tape.Tape]]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, flags: list[str]) -> Path:
    target = tmp_path_factory.mktemp("aarch64") / "interposer.so"
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    command = [COMPILER, *flags, "-Werror", "-o", str(target), *sources, "-ldl", "-lpthread"]
    subprocess.run(command, check=True, timeout=120)
    return target


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., str]:
    def compile_one(name: str, *options: str, target: str = "program") -> str:
        path = tmp_path / target
        path.parent.mkdir(exist_ok=True)
        flags = ["-O1", "-fno-builtin", "-pthread", *options]
        command = [COMPILER, *flags, "-o", str(path), str(PROGRAMS / name), "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        return str(path)

    return compile_one


@pytest.fixture
def emulated(library: Path, tmp_path: Path) -> Emulated:
    def run(*command: str) -> tuple[int, str, list[tape.Tape]]:
        tapes = tmp_path / "tapes"
        tapes.mkdir()
        settings = {"LIVEPROBE_TAPE": tapes, "LIVEPROBE_COPIES": "on", "LD_PRELOAD": library}
        environment = [
            part for name, value in settings.items() for part in ("-E", f"{name}={value}")
        ]
        done = subprocess.run(
            [EMULATOR, "-L", ROOT, *environment, *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout, tape.read_all(tapes)[0]

    return run


@pytest.fixture
def seen(copies_of: Callable[[tape.Tape], list[Seen]]) -> Callable[..., list[Seen]]:
    return lambda tapes: [each for one in tapes for each in copies_of(one)]


def test_every_relative_of_memcpy_is_seen(
    emulated: Emulated, build: Callable[..., str], seen: Callable[..., list[Seen]]
) -> None:
    code, out, tapes = emulated(build("methods.c"))
    assert (code, out) == (0, "0\n")
    expected = [1000 * size for size in range(20, 76, 4)] + [30_000, 30_000]
    assert [each.bytes for each in seen(tapes)] == expected


def test_rows_are_joined(
    emulated: Emulated, build: Callable[..., str], seen: Callable[..., list[Seen]]
) -> None:
    _, _, tapes = emulated(build("rows.c"), "crop")
    assert [each.shape for each in seen(tapes)] == [(800, 3900, 3900, 5760)]


def test_a_forked_child_writes_tapes_of_its_own(
    emulated: Emulated, build: Callable[..., str], seen: Callable[..., list[Seen]]
) -> None:
    code, out, tapes = emulated(build("forks.c"), "fork")
    assert code == 0
    child = int(out.split()[0])
    theirs = [one for one in tapes if one.header.pid == child]
    assert [each.bytes for each in seen(theirs)] == [200_000] * 4
    assert len(seen(tapes)) == 9


def test_each_thread_has_a_tape(
    emulated: Emulated, build: Callable[..., str], seen: Callable[..., list[Seen]]
) -> None:
    code, _, tapes = emulated(build("threads.c"), "tiny", "4")
    assert code == 0
    assert [each.bytes for each in seen(tapes)] == [20_000] * 12
    assert {one.header.state for one in tapes} == {tape.CLOSED}


def test_a_library_is_found_by_the_search_path_of_who_asks_for_it(
    emulated: Emulated, build: Callable[..., str]
) -> None:
    build("loaded.c", "-shared", "-fPIC", target="hidden/libinner.so")
    path = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/hidden"
    outer = build("loaded.c", "-shared", "-fPIC", path, target="libouter.so")
    code, out, _ = emulated(build("loading.c"), "path", outer, "libinner.so")
    assert (code, out) == (0, "1 1\n")
