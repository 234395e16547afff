from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe import family as family_module
from probe.family import Family, family, status
from probe.model import Device

SECOND = 10**9
BOARD = Path(__file__).parents[1] / "devices" / "raspberry-pi-5"
TWO_BELOW = """
import subprocess, sys
below = subprocess.Popen(
    [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
below.stdout.readline()
print(below.pid, flush=True)
sys.stdin.readline()
import os
print("going", flush=True)
os._exit(0)
"""


@pytest.fixture
def program() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A shell-like process with a child that outlives it while this fixture does."""
    with subprocess.Popen(
        [sys.executable, "-c", TWO_BELOW], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        if process.stdin is not None:
            process.stdin.close()
        process.kill()


def pids(found: Family, t_ns: int) -> list[int]:
    return sorted(member.pid for member in found.members(t_ns))


def test_a_program_and_what_it_started_are_its_processes(
    program: tuple[subprocess.Popen[str], int],
) -> None:
    process, child = program
    found = family(Device("here", program_pid=process.pid))
    assert found is not None
    assert pids(found, 0) == sorted([process.pid, child])
    assert {member.label for member in found.members(0)} == {
        f"{member.name}:{member.pid}" for member in found.members(0)
    }


def test_they_are_found_alike_where_the_kernel_lists_no_children(
    program: tuple[subprocess.Popen[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, child = program
    monkeypatch.setattr(family_module, "_listed", lambda folder: None)
    assert pids(Family(Path("/proc"), process.pid), 0) == sorted([process.pid, child])


def test_a_child_stays_after_its_parent_ended(
    program: tuple[subprocess.Popen[str], int],
) -> None:
    process, child = program
    found = Family(Path("/proc"), process.pid)
    assert child in pids(found, 0)
    with subprocess.Popen(["/bin/true"]):  # a number that is taken meanwhile is nobody's child
        process.kill()
        process.wait(30)
    assert pids(found, 2 * SECOND) == [child] or status(Path(f"/proc/{child}")) is None


def test_one_search_a_second_serves_all_who_ask() -> None:
    device = Device("pi", root=BOARD, program_pid=4242)
    first, second = family(device), family(device)
    assert first is not None
    assert first is second
    assert first.members(5) is first.members(SECOND)
    assert first.members(5) is not first.members(2 * SECOND)
    assert family(Device("pi", root=BOARD, program_pid=4300)) is not first
    assert family(Device("pi", root=BOARD)) is None


def test_a_captured_tree_has_processes_too() -> None:
    assert pids(Family(BOARD / "proc", 4242), 0) == [4242, 4300]


def test_a_program_that_is_over_has_none(tmp_path: Path) -> None:
    assert Family(tmp_path, 99).members(0) == ()


def test_a_number_that_was_given_again_is_another_process(tmp_path: Path) -> None:
    def write(pid: int, parent: int, started: int) -> None:
        folder = tmp_path / str(pid)
        folder.mkdir(exist_ok=True)
        rest = " ".join(["0"] * 17)
        (folder / "stat").write_text(f"{pid} (a b) S {parent} {rest} {started} 0 0\n")

    write(10, 1, 100)
    write(11, 10, 110)
    found = Family(tmp_path, 10)
    assert pids(found, 0) == [10, 11]
    write(11, 1, 999)
    assert pids(found, 2 * SECOND) == [10]


@settings(deadline=None)
@given(st.text(max_size=40), st.integers(0, 2**31), st.integers(0, 2**63))
def test_any_name_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, parent: int, started: int
) -> None:
    folder = tmp_path_factory.mktemp("p")
    rest = " ".join(["0"] * 17)
    text = f"7 ({name}) S {parent} {rest} {started} 0"
    (folder / "stat").write_bytes(text.encode("utf-8", "replace"))
    read = status(folder)
    assert read is not None
    assert (read.parent, read.started) == (parent, started)
    assert read.name == name.encode("utf-8", "replace").decode()


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_stat_or_are_not(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("p")
    (folder / "stat").write_bytes(data)
    read = status(folder)
    assert read is None or read.started >= 0 or b"-" in data
