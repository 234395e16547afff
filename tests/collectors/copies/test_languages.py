"""Programs in other languages: exact counts where libc copies, and "blind" where it does not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from probe import tape
from probe.copies.methods import METHODS

LANGUAGES = Path(__file__).parent / "languages"
MIB = 1 << 20
REALLOC = 8


def needs(tool: str) -> str:
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed")
    return found


def built(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr


def whole(tapes: list[tape.Tape], size: int = MIB) -> int:
    """Return how many copies of exactly `size` bytes libc made."""
    libc = [number for number in METHODS if number < REALLOC]
    count = 0
    for each in tapes:
        rows = each.records[each.records["kind"] == tape.COPY]
        count += int(np.count_nonzero((rows["frame"] == size) & np.isin(rows["part"], libc)))
    return count


Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]


def test_nine_copies_of_a_cpp_program_and_not_its_converting_loop(
    traced: Traced, tmp_path: Path
) -> None:
    compiler = needs("g++")
    built([compiler, "-O2", "-o", "program", str(LANGUAGES / "copies.cpp")], tmp_path)
    done, tapes = traced([str(tmp_path / "program")])
    assert done.stdout == "70\n"
    assert whole(tapes) == 9


def test_fifteen_copies_of_a_rust_program(traced: Traced, tmp_path: Path) -> None:
    compiler = needs("rustc")
    built([compiler, "-O", "-o", "program", str(LANGUAGES / "copies.rs")], tmp_path)
    done, tapes = traced([str(tmp_path / "program")])
    assert done.stdout == "105\n"
    assert whole(tapes) == 15


def test_twenty_four_copies_of_a_node_program(traced: Traced) -> None:
    done, tapes = traced([needs("node"), str(LANGUAGES / "copies.js")])
    assert done.stdout == "168\n"
    assert whole(tapes) == 24


def test_java_runs_the_same_and_says_that_hotspot_is_not_seen(
    traced: Traced, tmp_path: Path
) -> None:
    java, compiler = needs("java"), needs("javac")
    built([compiler, "-d", ".", str(LANGUAGES / "Copies.java")], tmp_path)
    done, tapes = traced([java, "-cp", str(tmp_path), "Copies"])
    assert done.stdout == "490\n"
    assert whole(tapes) == 0
    notes = [
        (each.names[int(row["name"])], each.names[int(row["a"])])
        for each in tapes
        for row in each.records[each.records["kind"] == tape.NOTE]
    ]
    assert any(key == "blind" and "HotSpot" in text for key, text in notes), notes


def test_a_static_program_and_go_leave_no_tape_or_no_copy(traced: Traced, tmp_path: Path) -> None:
    compiler = needs("gcc")
    source = str(LANGUAGES / "static_copies.c")
    built([compiler, "-O2", "-fno-builtin", "-static", "-o", "program", source], tmp_path)
    done, tapes = traced([str(tmp_path / "program")])
    assert done.stdout == "63\n"
    assert tapes == [], "what cannot be seen leaves no tape that could read as 0 copies"
