"""Which copy wrote what another one reads: known cases, and equal to a plain search on many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from probe.copies.lineage import NO_WRITER, STRETCH, Memory, Ranges, _visible, extent, source_copies
from probe.copies.records import Buffers, Copies
from probe.tape import NULL

Row = tuple[int, int, int]
"""Begin, end, time."""


def column(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def ranges(rows: list[Row]) -> tuple[Ranges, NDArray[np.int64]]:
    begin, end, at = (column([row[k] for row in rows]) for k in range(3))
    return Ranges(begin, end), at


def answers(
    writes: list[Row], reads: list[Row], whole: list[bool] | None = None, stretch: int = STRETCH
) -> list[int]:
    """Return the number of the write that each read reads; the writers count from 100."""
    written, written_ns = ranges(writes)
    wanted, read_ns = ranges(reads)
    writer = np.arange(len(writes)) + 100
    flags = np.array(whole if whole is not None else [True] * len(reads), dtype=bool)
    memory, found, taken = Memory(), np.full(len(reads), NO_WRITER), -1
    order = np.argsort(read_ns, kind="stable")
    for begin in range(0, len(order), stretch):
        now = order[begin : begin + stretch]
        until = int(read_ns[now[-1]])
        new = np.flatnonzero((written_ns > taken) & (written_ns <= until))
        found[now] = memory.sources(
            Ranges(written.start[new], written.end[new]), written_ns[new], writer[new],
            Ranges(wanted.start[now], wanted.end[now]), read_ns=read_ns[now], whole=flags[now],
        )  # fmt: skip
        memory.forget()
        taken = until
    return found.tolist()


def test_a_read_within_what_was_written_comes_from_it() -> None:
    reads = [(10, 20, 5), (12, 18, 5), (10, 20, 2), (9, 20, 5), (10, 21, 5), (20, 25, 5)]
    assert answers([(10, 20, 2)], reads) == [100, 100, 100, -1, -1, -1]


def test_a_write_that_is_not_over_when_the_read_begins_is_no_source() -> None:
    assert answers([(10, 20, 6)], [(10, 20, 5)]) == [NO_WRITER]


def test_the_last_write_counts_and_a_partial_one_spoils() -> None:
    writes = [(10, 20, 1), (10, 20, 2), (40, 60, 3), (50, 52, 4)]
    assert answers(writes, [(10, 20, 9), (40, 60, 9), (50, 52, 9), (40, 50, 9)]) == [
        101, -1, 103, 102,
    ]  # fmt: skip


def test_what_two_writes_made_together_has_no_source() -> None:
    assert answers([(10, 20, 1), (20, 30, 2)], [(10, 30, 9), (20, 30, 9)]) == [-1, 101]


def test_of_a_conversion_the_first_byte_counts() -> None:
    assert answers([(10, 20, 1), (20, 30, 2)], [(10, 99, 9), (25, 99, 9)], [False, False]) == [
        100, 101,
    ]  # fmt: skip


def test_a_new_allocation_hides_what_was_written_there() -> None:
    written, written_ns = ranges([(10, 20, 1), (0, 50, 2), (30, 40, 3)])
    wanted, read_ns = ranges([(10, 20, 9), (30, 40, 9)])
    found = Memory().sources(
        written, written_ns, column([7, NO_WRITER, 8]), wanted,
        read_ns=read_ns, whole=np.ones(2, dtype=bool),
    )  # fmt: skip
    assert found.tolist() == [NO_WRITER, 8]


def test_nothing_written_or_nothing_known_has_no_source() -> None:
    assert answers([], [(10, 20, 5)]) == [NO_WRITER]
    assert answers([(10, 20, 1)], []) == []
    assert answers([(10, 10, 1)], [(10, 20, 5), (7, 7, 5)]) == [NO_WRITER] * 2


def plainly(writes: list[Row], read: Row, whole: bool) -> int:
    begin, end, at = read
    until = end if whole else begin + 1
    order = sorted(range(len(writes)), key=lambda k: writes[k][2])
    last = NO_WRITER
    for k in order:
        start, stop, when = writes[k]
        if when <= at and start < stop and start < until and begin < stop:
            last = k
    if last == NO_WRITER or begin >= end:
        return NO_WRITER
    start, stop, _ = writes[last]
    return last + 100 if start <= begin and until <= stop else NO_WRITER


RANGE = st.tuples(st.integers(0, 40), st.integers(-1, 12), st.integers(0, 60)).map(
    lambda said: (said[0], said[0] + said[1], said[2])
)


@settings(max_examples=300)
@given(
    st.lists(RANGE, max_size=25),
    st.lists(st.tuples(RANGE, st.booleans()), max_size=25),
    st.sampled_from([1, 2, 5, STRETCH]),
)
def test_it_finds_what_a_plain_search_finds_in_stretches_of_any_length(
    writes: list[Row], reads: list[tuple[Row, bool]], stretch: int
) -> None:
    found = answers(writes, [row for row, _ in reads], [whole for _, whole in reads], stretch)
    assert found == [plainly(writes, row, whole) for row, whole in reads]


def test_of_what_is_written_over_again_and_again_only_the_last_is_kept() -> None:
    begin = column([0, 10, 0, 5, 40] * 200)
    assert _visible(Ranges(begin, begin + 10)).tolist() == [996, 997, 998, 999]


@pytest.mark.timeout(60)
def test_very_many_copies_that_overlap_in_every_way_are_searched() -> None:
    rng = np.random.default_rng(5)
    count = 100_000
    begin = rng.integers(0, 2**26, count)
    size = rng.integers(1, 2**20, count)
    at = np.arange(count) * 10
    source = np.roll(begin, 1)
    found = Memory().sources(
        Ranges(begin, begin + size), at + 5, np.arange(count), Ranges(source, source + size),
        read_ns=at, whole=np.ones(count, dtype=bool),
    )  # fmt: skip
    for row in range(1, count, 9_001):
        last = np.flatnonzero(
            (begin[:row] < source[row] + size[row]) & (source[row] < (begin + size)[:row])
        )[-1]
        holds = begin[last] <= source[row] and source[row] + size[row] <= begin[last] + size[last]
        assert found[row] == (last if holds else NO_WRITER)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((1_000, 64, NULL, NULL, NULL), (1_000, 1_064)),
        ((0, 64, NULL, NULL, NULL), None),
        ((1_000, 30, 3, 10, 16), (1_000, 1_042)),
        ((1_000, 30, 3, 10, -16), (968, 1_010)),
        ((1_000, 500, 3, 10, 16), (1_000, 1_500)),  # rows of the first of several planes
        ((1_000, 64, 3, 10, NULL), (1_000, 1_064)),
        ((1_000, 64, 2**60, 10, 2**60), (1_000, 1_064)),
        ((1_000, 64, 2**60, 10, -(2**60)), (1_000, 1_064)),
    ],
)
def test_a_copy_reaches_from_its_first_to_its_last_row(
    said: tuple[int, ...], expected: tuple[int, int] | None
) -> None:
    found = extent(*(column([value]) for value in said))
    if expected is None:
        assert found.start[0] >= found.end[0]
    else:
        assert (found.start[0], found.end[0]) == expected


def copied(count: int, rng: np.random.Generator) -> Copies:
    """Copies among few addresses, in order of their start, some of rows, some by numpy."""
    start = np.sort(rng.integers(0, 4 * count, count))
    none = np.full(count, NULL)
    rows = np.where(rng.random(count) < 0.3, 3, NULL)
    return Copies(
        tape=rng.integers(0, 2, count).astype(np.int32),
        method=rng.choice([1, 113], count).astype(np.uint16),
        nested=np.zeros(count, bool),
        site=np.zeros(count, np.int32),
        start=start,
        end=start + rng.integers(0, 9, count),
        bytes=rng.integers(1, 30, count),
        destination=rng.integers(0, 200, count),
        source=rng.integers(0, 200, count),
        faults=none,
        source_domain=np.ones(count, np.uint8),
        domain=np.ones(count, np.uint8),
        rows_moved=rows,
        row_bytes=np.where(rows == NULL, NULL, 5),
        destination_stride=np.where(rows == NULL, NULL, 8),
        source_stride=np.where(rows == NULL, NULL, -9),
        detail=none.astype(np.int32),
    )


def test_an_hour_is_searched_in_stretches_with_the_same_answers() -> None:
    rng = np.random.default_rng(11)
    count, blocks = 3_000, 500
    copies = copied(count, rng)
    born = rng.integers(0, 4 * count, blocks)
    allocated = Buffers(
        rng.integers(0, 2, blocks).astype(np.int32), np.zeros(blocks, np.int32), born, born + 50,
        rng.integers(1, 40, blocks), rng.integers(1, 200, blocks), np.full(blocks, NULL),
        np.zeros(blocks, bool),
    )  # fmt: skip
    process, keeps = np.array([7, 8, -1]), rng.random(count) < 0.7
    whole = source_copies(copies, allocated, process, keeps)
    assert np.count_nonzero(whole >= 0) > count / 10
    for stretch in (1, 17, 1_000):
        found = source_copies(copies, allocated, process, keeps, stretch)
        assert found.tolist() == whole.tolist()
    known = whole[whole >= 0]
    readers = np.flatnonzero(whole >= 0)
    assert (copies.end[known] <= copies.start[readers]).all()
    assert (copies.tape[known] == copies.tape[readers]).all()
