"""Copies of known number and size are recorded exactly, rows are joined, known misses missed."""

from __future__ import annotations

import platform
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from probe.copies.methods import METHODS

if TYPE_CHECKING:
    from tests.collectors.copies.conftest import Compiled, Run, Seen

MIB = 1 << 20


def by_method(seen: list[Seen]) -> Counter[tuple[str, int]]:
    return Counter((METHODS[each.method].name, each.bytes) for each in seen)


def test_each_copy_of_a_program_is_recorded_once_with_its_bytes(
    run: Run, compiled: Compiled, tmp_path: Path
) -> None:
    (tmp_path / "data").write_bytes(bytes(3 * MIB))
    outcome = run(compiled("oracle.c"), str(tmp_path / "data"))
    assert (outcome.code, outcome.out, outcome.err) == (3, "0\n", "")
    assert by_method(outcome.copies) == {
        ("memcpy", MIB): 7,
        ("memmove", 2 * MIB): 5,
        ("memcpy", 400_000): 3,
        ("memcpy", 100_000): 1,
        ("mempcpy", 200_000): 1,
        ("wmemcpy", 400_000): 1,
        ("read", MIB // 2): 4,
    }, "own loops, rep movsb and the read inside fread are not seen, and nothing stands for them"
    assert outcome.counters == {
        "small": 0,
        "small_bytes": 0,
        "copies": 22,
        "bytes": 7 * MIB + 10 * MIB + 1_200_000 + 700_000 + 2 * MIB,
        "passed": 0,
        "untracked": 0,
        "rows": 300,
        "lost": 0,
    }


METHOD_OF_SIZE = {
    20: "memcpy",
    24: "memmove",
    28: "mempcpy",
    32: "mempcpy",
    36: "wmemcpy",
    40: "wmemmove",
    44: "wmempcpy",
    48: "bcopy",
    52: "memcpy",
    56: "memmove",
    60: "mempcpy",
    64: "wmemcpy",
    68: "wmemmove",
    72: "wmempcpy",
}


def test_every_relative_of_memcpy_is_seen_and_does_its_work(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("methods.c"))
    assert outcome.out == "0\n"
    expected = [(name, 1000 * size) for size, name in METHOD_OF_SIZE.items()]
    assert [(METHODS[each.method].name, each.bytes) for each in outcome.copies] == [
        *expected,
        ("memmove", 30_000),
        ("memmove", 30_000),
    ]


def test_small_copies_are_counted_by_every_relative(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("methods.c"), "small")
    assert outcome.out == "0\n"
    counted = outcome.counters
    assert (counted["small"], counted["small_bytes"]) == (14, sum(METHOD_OF_SIZE))


@pytest.mark.parametrize("which", range(6))
def test_an_overflow_that_is_checked_for_ends_the_program_as_it_did(
    run: Run, compiled: Compiled, which: int
) -> None:
    outcome = run(compiled("overflow.c"), str(which))
    assert outcome.code == -signal.SIGABRT
    assert outcome.err == "*** buffer overflow detected ***: terminated\n"
    assert outcome.copies == []


ROWS = {
    "crop": [(800, 3900, 3900, 5760)],
    "padded": [(800, 3900, 4096, 3900)],
    "flipped": [(800, 3900, -3900, 3900)],
    "repeated row": [(800, 3900, 3900, 0)],
    "narrow": [(400, 300, 15360, 300)],
    "two rows": [(2, 9000, 9000, 12000)],
    "four pictures": [(200, 1000, 1000, 1000)] * 4,
    "planes after another": [(360, 640, 640, 704), (180, 320, 320, 352), (180, 320, 320, 352)],
    "planes in turn": [(180, 640, 640, 704)] * 3,
    "two places": [(100, 1000, 2000, 3000), (100, 500, 500, 500)],
}


@pytest.mark.parametrize(("way", "shapes"), ROWS.items(), ids=ROWS)
def test_rows_are_one_copy_with_both_strides(
    run: Run, compiled: Compiled, way: str, shapes: list[tuple[int, int, int, int]]
) -> None:
    outcome = run(compiled("rows.c"), way)
    assert outcome.code == 0
    seen = outcome.copies
    assert [each.shape for each in seen] == shapes
    assert [each.bytes for each in seen] == [rows * size for rows, size, _, _ in shapes]
    assert outcome.counters["small"] == 0
    assert outcome.counters["rows"] == sum(rows for rows, _, _, _ in shapes)
    assert all(each.flags == 2 | 4 and each.faults is None for each in seen)
    assert all(0 < each.start_ns < each.end_ns for each in seen)


def rows_of(copy: Seen) -> list[tuple[int, int, int]]:
    """Return (destination, source, bytes) of each copy of the program that it stands for."""
    rows, size, down, across = copy.shape or (1, copy.bytes, 0, 0)
    return [(copy.destination + y * down, copy.source + y * across, size) for y in range(rows)]


@pytest.mark.parametrize("seed", range(6))
def test_every_row_of_a_joined_copy_was_copied_and_stands_in_one_copy_only(
    run: Run, compiled: Compiled, tmp_path: Path, seed: int
) -> None:
    outcome = run(compiled("random_rows.c", "-O2"), str(seed), str(tmp_path / "made"))
    made = np.fromfile(tmp_path / "made", dtype=np.uint64).reshape(-1, 3)
    seen = [each for each in outcome.copies if METHODS[each.method].name == "memmove"]
    recorded = Counter(row for each in seen for row in rows_of(each))
    assert recorded <= Counter((int(to), int(source), int(size)) for to, source, size in made)
    counted = outcome.counters
    assert recorded.total() + counted["small"] == len(made)
    assert sum(each.bytes for each in seen) + counted["small_bytes"] == made[:, 2].sum()
    assert sum(each.bytes for each in seen) > counted["small_bytes"]


def test_a_joined_copy_begins_at_its_first_row(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("rows.c"), "flipped")
    to, source = (int(each, 16) for each in outcome.out.split())
    (copy,) = outcome.copies
    assert (copy.destination, copy.source) == (to + 799 * 3900, source)


def test_a_joined_copys_time_lies_within_its_programs(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("rows.c"), "crop")
    (copy,) = outcome.copies
    assert outcome.tapes[0].header.monotonic_ns < copy.start_ns < copy.end_ns


@pytest.mark.parametrize(
    ("way", "number", "moved"),
    [("short", 10, 10_000), ("same place", 1000, 2_000_000), ("scattered", 4000, None)],
)
def test_rows_that_make_no_picture_are_counted_as_small(
    run: Run, compiled: Compiled, way: str, number: int, moved: int | None
) -> None:
    outcome = run(compiled("rows.c"), way)
    counted = outcome.counters
    assert outcome.copies == []
    assert (counted["small"], counted["rows"], counted["lost"]) == (number, 0, 0)
    assert moved is None or counted["small_bytes"] == moved


def test_rows_as_long_as_the_threshold_are_copies_of_their_own(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("rows.c"), "crop", LIVEPROBE_COPIES_BYTES="3900")
    assert [each.bytes for each in outcome.copies] == [3900] * 800


def test_a_site_is_where_the_copy_was_called(run: Run, compiled: Compiled) -> None:
    program = compiled("oracle.c")
    outcome = run(program, program)
    seen = outcome.copies
    assert {each.module for each in seen} == {program}
    assert len({each.site for each in seen}) == len({each.address for each in seen})
    assert 5 <= len({each.site for each in seen}) <= 8


def test_page_faults_of_large_copies_are_counted(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("oracle.c"), "/dev/zero")
    first, second = outcome.copies[:2]
    assert first.faults is not None
    assert second.faults is not None
    assert first.faults > second.faults, "the destination's pages are new at the first copy only"


def test_a_handler_that_copies_while_its_thread_does_is_recorded_or_counted(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("signals.c"))
    counted = outcome.counters
    assert outcome.code == 0
    assert counted["copies"] == len(outcome.copies)
    assert counted["copies"] + counted["passed"] + counted["lost"] == int(outcome.out)
    assert all(one.torn == 0 for one in outcome.tapes)


def test_a_handler_that_copies_rows_among_rows_loses_none(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("signals.c"), "rows")
    counted = outcome.counters
    assert counted["rows"] + counted["small"] + counted["passed"] == int(outcome.out)
    assert counted["bytes"] + counted["small_bytes"] == 1000 * (counted["rows"] + counted["small"])
    assert all(each.shape is not None and each.shape[0] <= 300 for each in outcome.copies)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="it takes more than one instruction")
def test_a_handlers_small_copies_are_all_counted(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("signals.c"), "small")
    assert outcome.counters["small"] == int(outcome.out)
    assert outcome.counters["small_bytes"] == 64 * int(outcome.out)


def test_copies_made_before_the_interposers_start_come_out_right(
    run: Run, compiled: Compiled, tmp_path: Path
) -> None:
    library = compiled("early.c", "-shared", "-fPIC", target="libearly.so")
    program = compiled("uses_early.c", f"-L{tmp_path}", f"-Wl,-rpath,{tmp_path}", "-learly")
    outcome = run(program)
    assert outcome.code == 0
    assert [each.bytes for each in outcome.copies][-1] == 100_000
    counted = outcome.counters
    assert counted["copies"] + counted["passed"] == 3
    assert Path(library).exists()
    assert outcome.notes("process") != []


def test_another_preloaded_library_may_copy_early(
    run: Run, compiled: Compiled, interposer: Path
) -> None:
    library = compiled("early.c", "-shared", "-fPIC", target="libearly.so")
    program = compiled("rows.c")
    for order in (f"{interposer}:{library}", f"{library}:{interposer}"):
        outcome = run(program, "crop", LD_PRELOAD=order)
        assert outcome.code == 0
        assert [each.shape for each in outcome.copies][-1] == (800, 3900, 3900, 5760)
