from __future__ import annotations

import os
from pathlib import Path

import pytest

from probe import opening, store

GONE = 2**22 + 1
"""No process: more than the kernel gives."""


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the memory that programs share."""
    monkeypatch.setattr(store, "SHARED_MEMORY", tmp_path)
    return tmp_path


def left(memory: Path, namespace: int, pid: int, ticks: str | None) -> Path:
    folder = memory / f"{opening.LOAD_PREFIX}{namespace}-{pid}-{ticks}-abc_def1"
    folder.mkdir()
    (folder / "1-1-1.tape").write_bytes(b"")
    return folder


def test_a_load_leaves_nothing(memory: Path) -> None:
    with opening.load_folder() as folder:
        assert folder.parent == memory
        (folder / "1-1-1.tape").write_bytes(b"")
    assert not list(memory.iterdir())


def test_what_a_killed_harness_left_of_a_load_is_removed_by_the_next(memory: Path) -> None:
    here = Path("/proc/self/ns/pid").stat().st_ino
    pid = os.getpid()
    gone = left(memory, here, GONE, "77")
    reused = left(memory, here, pid, "1")  # the pid is that of a later process
    at_work = left(memory, here, pid, store.start_ticks(pid))
    elsewhere = left(memory, here + 1, GONE, "77")
    run = memory / f"{store.tapes_prefix('20260101T000000Z-x-y')}abc"
    run.mkdir()
    with opening.load_folder():
        assert not gone.exists()
        assert not reused.exists()
    assert at_work.exists()
    assert elsewhere.exists()
    assert run.exists()  # a Run is recovered from it
