"""What crosses into or out of the kernel is recorded by what was moved, not by what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probe.copies.methods import METHODS

if TYPE_CHECKING:
    from tests.collectors.copies.conftest import Compiled, Run

CPU, KERNEL = 1, 4
MOVED = [
    *[("write", size) for size in (17_000, 18_000, 19_000, 41_000, 41_000)],
    *[("read", size) for size in (17_000, 18_000, 19_000, 41_000, 41_000, 58_000)],
    ("send", 22_000),
    ("recv", 22_000),
    ("send", 23_000),
    ("recv", 23_000),
    ("send", 41_000),
    ("recv", 41_000),
    ("send", 24_000),
    ("recv", 24_000),
    ("send", 40_000),
    ("recv", 25_000),
    ("read", 17_000),
]


def test_what_is_moved_is_recorded_and_what_fails_is_not(
    run: Run, compiled: Compiled, tmp_path: Path
) -> None:
    outcome = run(compiled("moving.c"), str(tmp_path / "file"))
    assert (outcome.code, outcome.out) == (0, "")
    seen = [(METHODS[each.method].name, each.bytes) for each in outcome.copies]
    assert seen == MOVED
    assert outcome.counters["passed"] == 0


def test_one_side_is_the_kernel(run: Run, compiled: Compiled, tmp_path: Path) -> None:
    for each in run(compiled("moving.c"), str(tmp_path / "file")).copies:
        incoming = METHODS[each.method].name in {"read", "recv"}
        assert each.domains[0 if incoming else 1] == KERNEL
        assert each.domains[1 if incoming else 0] in {0, CPU}
        assert (each.destination == 0, each.source == 0) == (not incoming, incoming)


def test_a_program_that_is_not_traced_moves_the_same(
    run: Run, compiled: Compiled, tmp_path: Path
) -> None:
    outcome = run(compiled("moving.c"), str(tmp_path / "file"), LIVEPROBE_COPIES="off")
    assert (outcome.code, outcome.out, outcome.tapes) == (0, "", [])
