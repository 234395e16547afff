"""What is read of an interposer's tapes: every field, and nothing that cannot be."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from probe import tape
from probe.copies import records, sites
from probe.errors import TapeError
from probe.tape import NULL


def taken(maker: ModuleType, folder: Path, *threads: Any) -> tuple[records.Copies, int, Any]:
    tapes = maker.read(folder, *threads)
    texts = records.Texts()
    copies, refused = records.copies_of(tapes, sites.merged(tapes).lookups, texts)
    return copies, refused, list(texts.known)


def test_a_copy_with_rows_is_read_field_by_field(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    thread.copy(
        5_000, 3_120_000, method="sws_scale", took=700, to=1 << 40, source=1 << 41, nested=True,
        faults=762, domains=(3, 2), rows=(800, 3_900, 3_904, 5_760), detail="a > b",
    )  # fmt: skip
    copies, refused, details = taken(maker, tmp_path, thread)
    said = {name: getattr(copies, name).tolist() for name in copies.__dataclass_fields__}
    assert said == {
        "tape": [0], "method": [32], "nested": [True], "site": [0], "start": [5_000],
        "end": [5_700], "bytes": [3_120_000], "destination": [1 << 40], "source": [1 << 41],
        "faults": [762], "source_domain": [3], "domain": [2], "rows_moved": [800],
        "row_bytes": [3_900], "destination_stride": [3_904], "source_stride": [5_760],
        "detail": [details.index("a > b")],
    }  # fmt: skip
    assert refused == 0


def test_what_was_not_said_is_not_known(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    thread.copy(0, 20_000, to=-5, source=0)
    copies, _, _ = taken(maker, tmp_path, thread)
    unknown = [copies.faults, copies.rows_moved, copies.row_bytes, copies.destination_stride]
    assert [column.tolist() for column in unknown] == [[NULL]] * 4
    assert copies.destination.tolist() == copies.source.tolist() == [0]
    assert copies.detail.tolist() == [-1]


@pytest.mark.parametrize(
    "copy",
    [
        {"size": -1},
        {"size": 0},
        {"size": 2**62},
        {"took": -1},
        {"start": -1},
        {"start": 2**62},
        {"method": 9_999},
        {"method": "avcodec_receive_frame"},
    ],
)
def test_a_copy_that_cannot_be_is_counted_and_left_out(
    maker: ModuleType, tmp_path: Path, copy: dict[str, Any]
) -> None:
    thread = maker.ThreadTape()
    thread.copy(**{"start": 10, "size": 20_000, **copy})
    thread.copy(20, 30_000)
    copies, refused, _ = taken(maker, tmp_path, thread)
    assert copies.bytes.tolist() == [30_000]
    assert refused == 1


def test_a_shape_without_its_copy_is_nobodys(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    for of in (0, -1, 1, 7, 2**62):
        thread.add(tape.SHAPE, 0, 3, 3, 3, 3, 0, of)
    thread.copy(0, 20_000)
    copies, _, _ = taken(maker, tmp_path, thread)
    assert copies.rows_moved.tolist() == [NULL]


def test_shapes_without_any_copy_are_passed_over(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    thread.add(tape.SHAPE, 0, 3, 3, 3, 3, 0, 1)
    copies, refused, _ = taken(maker, tmp_path, thread)
    assert (len(copies), refused) == (0, 0)


def test_a_site_that_nobody_defined_is_none(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    thread.copy(0, 20_000, site=4_000_000_000)
    copies, _, _ = taken(maker, tmp_path, thread)
    assert copies.site.tolist() == [-1]


def test_a_huge_detail_is_cut(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    thread.copy(0, 20_000, detail="x" * 300_000)
    _, _, details = taken(maker, tmp_path, thread)
    assert max(details, key=len) == "x" * 200


def test_a_torn_record_is_not_read(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    thread.copy(0, 20_000)
    thread.copy(50, 30_000)
    thread.records[-1] = thread.records[-1][:56] + bytes(8)
    copies, _, _ = taken(maker, tmp_path, thread)
    assert copies.bytes.tolist() == [20_000]


def test_a_tape_of_a_newer_version_is_refused(maker: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="tape version 2, this reader knows up to 1"):
        maker.read(tmp_path, maker.ThreadTape(version=2))


def test_the_copies_of_a_long_tape_are_read_piece_by_piece(
    maker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "CHUNK", 7)
    thread = maker.ThreadTape()
    for k in range(40):
        thread.copy(k, 20_000 + k, rows=(k + 1, 9, 9, 9))
    copies, _, _ = taken(maker, tmp_path, thread)
    assert copies.start.tolist() == list(range(40))
    assert copies.rows_moved.tolist() == list(range(1, 41))


def test_an_allocation_belongs_to_the_thread_that_made_it(
    maker: ModuleType, tmp_path: Path
) -> None:
    early = maker.ThreadTape(tid=5, opened_ns=0)
    late = maker.ThreadTape(tid=5, opened_ns=1_000)  # the thread id was given again
    freeing = maker.ThreadTape(tid=6)
    first, second = early.site(offset=1), late.site(offset=2)
    freeing.buffer(500, 70_000, 1 << 40, end=900, tid=5, site=first)
    freeing.buffer(1_500, 80_000, 1 << 40, tid=5, site=second)
    freeing.buffer(2_000, 90_000, 1 << 40, tid=77, site=freeing.site(offset=3))
    tapes = maker.read(tmp_path, early, late, freeing)
    places = sites.merged(tapes)
    buffers = records.buffers_of(tapes, places.lookups)
    assert buffers.tape.tolist() == [0, 1, 2]
    offsets = [place.offset for place in places.callers]
    assert [offsets[site] for site in buffers.site] == [1, 2, 3]
    assert buffers.end.tolist() == [900, NULL, NULL]


@pytest.mark.parametrize("values", [(5, 0, 1), (5, -3, 1), (5, 70_000, 0), (5, 70_000, -1)])
def test_an_allocation_that_cannot_be_is_left_out(
    maker: ModuleType, tmp_path: Path, values: tuple[int, int, int]
) -> None:
    thread = maker.ThreadTape()
    thread.buffer(*values)
    thread.buffer(9, 70_000, 1 << 40, end=3)
    tapes = maker.read(tmp_path, thread)
    assert len(records.buffers_of(tapes, sites.merged(tapes).lookups)) == 0


def test_notes_are_json_objects_or_text(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    thread.note("process", {"exe": "/bin/x"})
    for said in ("{", "[1]", "NaN", "[" * 900, '{"\\ud800": 1}'):
        thread.note("odd", said)
    notes = records.notes_of(maker.read(tmp_path, thread))
    assert notes[0] == (maker.PID, "process", {"exe": "/bin/x"})
    assert [note.said["text"][:5] for note in notes[1:]] == ["{", "[1]", "NaN", "[[[[[", '{"\\ud']


def test_counters_come_from_the_header(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape()
    thread.counters = [1, 2, 3, 4, 5, 6, 7]
    (read,) = maker.read(tmp_path, thread)
    assert records.counters_of(read) == (1, 2, 3, 4, 5, 6, 7)
    read.path.unlink()
    assert set(records.counters_of(read)) == {0}
