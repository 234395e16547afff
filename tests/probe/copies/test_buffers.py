"""What filled a block: exact on known ones, equal to a plain search on many, quick on very many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.copies.buffers import Blocks, filled, located
from probe.copies.kinds import KINDS, MEMCPY
from probe.copies.methods import Kind
from probe.copies.records import Buffers, Copies
from probe.tape import NULL

ONE_PROCESS = np.array([7, -1])
MB = 1_000_000


def blocks(*rows: dict[str, int]) -> Buffers:
    """Blocks of 6 MB at 1 GB, alive from 1,000 to 2,000 ns, where a row says no other."""
    plain = {
        "tape": 0, "site": 0, "start": 1_000, "end": 2_000, "bytes": 6 * MB, "address": 1_000 * MB,
        "resident": NULL, "fresh": 0,
    }  # fmt: skip
    columns: dict[str, Any] = {
        name: np.array([(plain | row)[name] for row in rows], dtype=np.int64) for name in plain
    }
    return Buffers(**columns | {"fresh": columns["fresh"].astype(bool)})


def copies(*rows: dict[str, int]) -> Copies:
    """Plain copies of 6 MB to 1 GB at 1,500 ns, where a row says no other."""
    plain = {
        "tape": 0, "method": 1, "nested": 0, "site": 0, "start": 1_500, "end": 1_600,
        "bytes": 6 * MB, "destination": 1_000 * MB, "source": 0, "faults": NULL, "source_domain": 1,
        "domain": 1, "rows_moved": NULL, "row_bytes": NULL, "destination_stride": NULL,
        "source_stride": NULL, "detail": -1,
    }  # fmt: skip
    columns: dict[str, Any] = {
        name: np.array([(plain | row)[name] for row in rows], dtype=np.int64) for name in plain
    }
    return Copies(**columns | {"nested": columns["nested"].astype(bool)})


def answers(
    allocated: Buffers, copied: Copies, *kinds: str, process: np.ndarray[Any, Any] = ONE_PROCESS
) -> list[tuple[str, int]]:
    numbers = [KINDS.index(Kind(kind)) for kind in kinds or ["memcpy"] * len(copied)]
    filler, covered = filled(allocated, copied, np.array(numbers, dtype=np.int8), process)
    return list(zip(filler, covered.tolist(), strict=True))


def test_each_kind_of_copy_fills_a_block_of_its_own() -> None:
    places = [1_000 * MB, 2_000 * MB, 3_000 * MB, 4_000 * MB, 5_000 * MB]
    allocated = blocks(*({"address": place} for place in places))
    row = {"rows_moved": 1_000, "row_bytes": 6_000, "destination_stride": 6_000}
    copied = copies(
        {}, {"destination": places[1]}, {"destination": places[2]} | row,
        {"destination": places[3]},
    )  # fmt: skip
    assert answers(allocated, copied, "memcpy", "convert", "memcpy", "transfer") == [
        ("memcpy", 6 * MB), ("convert", 6 * MB), ("rows", 6 * MB), ("transfer", 6 * MB),
        ("unknown", 0),
    ]  # fmt: skip


def test_a_block_whose_new_pages_are_not_there_is_untouched_and_one_with_pages_unknown() -> None:
    allocated = blocks(
        {"fresh": 1, "resident": 0},
        {"address": 2_000 * MB, "fresh": 1, "resident": 6 * MB},
        {"address": 3_000 * MB},
    )
    assert [name for name, _ in answers(allocated, copies())] == ["untouched", "unknown", "unknown"]


def test_the_kind_with_most_bytes_counts() -> None:
    copied = copies(
        {"bytes": 2 * MB}, {"bytes": 3 * MB, "destination": 1_002 * MB}, {"bytes": 1 * MB}
    )
    assert answers(blocks({}), copied, "memcpy", "convert", "memcpy") == [("memcpy", 5 * MB)]


def test_copies_of_less_than_half_leave_a_block_unknown_unless_the_rest_was_never_touched() -> None:
    small = copies({"bytes": 2 * MB}, {"bytes": 2 * MB, "destination": 2_000 * MB})
    allocated = blocks({}, {"address": 2_000 * MB, "fresh": 1, "resident": 2 * MB})
    assert answers(allocated, small) == [("unknown", 2 * MB), ("memcpy", 2 * MB)]


def test_bytes_that_are_written_again_count_once() -> None:
    again = copies(*[{"bytes": 1 * MB}] * 50, {"bytes": 1 * MB, "destination": 1_000 * MB + 5})
    assert answers(blocks({}), again) == [("unknown", 1 * MB + 5)]


def test_rows_with_gaps_count_what_they_wrote() -> None:
    copied = copies({
        "bytes": 3 * MB, "rows_moved": 1_000, "row_bytes": 3_000, "destination_stride": 6_000,
    })  # fmt: skip
    assert answers(blocks({}), copied) == [("rows", 3 * MB)]


def test_a_copy_before_or_after_the_life_of_a_block_does_not_fill_it() -> None:
    early, late = {"start": 800, "end": 900}, {"start": 2_500, "end": 2_600}
    assert answers(blocks({}), copies(early, late)) == [("unknown", 0)]
    assert answers(blocks({"end": NULL}), copies(late)) == [("memcpy", 6 * MB)]


def test_a_conversion_that_began_before_its_destination_was_allocated_fills_it() -> None:
    assert answers(blocks({}), copies({"start": 900, "end": 1_900}), "convert")[0][0] == "convert"


def test_rows_whose_end_is_estimated_beyond_the_life_of_the_block_fill_it() -> None:
    assert answers(blocks({}), copies({"start": 1_900, "end": 2_100}))[0][0] == "memcpy"


def test_reused_addresses_are_told_apart_by_time() -> None:
    allocated = blocks(
        {"start": 0, "end": 99}, {"start": 100, "end": 199, "address": 999 * MB}, {"start": 200}
    )
    copied = copies({"start": 120, "end": 130}, {"start": 1_000, "end": 1_100})
    assert answers(allocated, copied, "convert", "memcpy") == [
        ("unknown", 0), ("convert", 5 * MB), ("memcpy", 6 * MB),
    ]  # fmt: skip


def test_a_nested_copy_fills_nothing_beside_its_entry_point() -> None:
    copied = copies({"nested": 1}, {"bytes": 4 * MB})
    assert answers(blocks({}), copied, "memcpy", "convert") == [("convert", 4 * MB)]


def test_processes_have_addresses_of_their_own() -> None:
    process = np.array([7, 8, -1])
    allocated, copied = blocks({}, {"tape": 1}), copies({"tape": 1})
    assert answers(allocated, copied, process=process) == [("unknown", 0), ("memcpy", 6 * MB)]


def test_copies_that_nobody_saw_a_destination_of_fill_nothing() -> None:
    assert answers(blocks({}), copies({"destination": 0}, {"tape": -1})) == [("unknown", 0)]


def test_no_blocks_and_no_copies_are_no_trouble() -> None:
    assert answers(blocks(), copies({})) == []
    assert answers(blocks({}), copies()) == [("unknown", 0)]


def test_hostile_numbers_are_answered() -> None:
    huge = 2**47 - 1
    allocated = blocks(*[{"bytes": huge, "address": 1, "start": 0, "end": 2**62 - 1}] * 3)
    copied = copies({"bytes": huge, "destination": 1, "start": 0, "end": 2**62 - 1})
    assert len(answers(allocated, copied)) == 3


Rectangle = tuple[int, int, int, int]


@st.composite
def lives(draw: st.DrawFn) -> list[Rectangle]:
    """Blocks as an allocator gives them: what lives at one time does not overlap."""
    found: list[Rectangle] = []
    for _ in range(draw(st.integers(1, 30))):
        start, born = draw(st.integers(0, 40)), draw(st.integers(0, 40))
        end, gone = start + draw(st.integers(1, 12)), born + draw(st.integers(1, 12))
        if not any(start < b and a < end and born < d and c < gone for a, b, c, d in found):
            found.append((start, end, born, gone))
    return found


@settings(deadline=None)
@given(lives(), st.lists(st.tuples(st.integers(-2, 55), st.integers(-2, 55)), max_size=60))
def test_finds_the_block_that_a_plain_search_finds(
    rectangles: list[Rectangle], points: list[tuple[int, int]]
) -> None:
    known = Blocks(*(np.array(column, dtype=np.int64) for column in zip(*rectangles, strict=True)))
    address, t_ns = (np.array([point[k] for point in points], dtype=np.int64) for k in (0, 1))
    expected = [
        next((i for i, (a, b, c, d) in enumerate(rectangles) if a <= x < b and c <= t < d), -1)
        for x, t in points
    ]
    assert located(known, address, t_ns).tolist() == expected


@pytest.mark.timeout(60)
def test_a_hundred_thousand_blocks_and_a_million_copies_take_seconds() -> None:
    count, copied = 100_000, 1_000_000
    number = np.arange(count)
    born = number * 1_000
    allocated = Buffers(
        np.zeros(count, np.int32), np.zeros(count, np.int32), born, born + 199_500,
        np.full(count, 6 * MB), 2**40 + number % 200 * 10 * MB, np.full(count, NULL),
        np.zeros(count, bool),
    )  # fmt: skip
    rng = np.random.default_rng(3)
    into, part = rng.integers(0, count, copied), rng.integers(0, 60, copied)
    zero, none = np.zeros(copied, np.int64), np.full(copied, NULL)
    start = born[into] + rng.integers(0, 190_000, copied)
    made = Copies(
        zero.astype(np.int32), zero.astype(np.uint16) + np.uint16(1), zero.astype(bool),
        zero.astype(np.int32), start, start + 50, np.full(copied, MB // 10),
        allocated.address[into] + part * (MB // 10), zero, none, zero.astype(np.uint8),
        zero.astype(np.uint8), none, none, none, none, zero.astype(np.int32),
    )  # fmt: skip
    names, covered = filled(allocated, made, zero.astype(np.int8) + MEMCPY, ONE_PROCESS)
    distinct = len(np.unique(into * 60 + part))
    assert int(covered.sum()) == distinct * (MB // 10)
    assert set(names) <= {"memcpy", "unknown"}
