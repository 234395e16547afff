from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe import tape
from probe.errors import TapeError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import TapeMaker

FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def test_every_kind_comes_back_as_it_was_written(
    tmp_path: Path, tape_maker: type[TapeMaker]
) -> None:
    maker = tape_maker(tmp_path / "1-1-0.tape", thread="Wörker", tid=7, lost=5)
    maker.frame(3, scheduled=100, captured=110)
    maker.span("infer", 120, 180, frame=3, queue=9)
    maker.mark("delivered", 190, frame=3, output=2)
    maker.mark("dropped", 200, frame=4, stage="infer", text="die Warteschlange ist voll: ✗" * 9)
    found = tape.read(maker.save())
    assert (found.header.thread, found.header.tid, found.header.lost) == ("Wörker", 7, 5)
    assert found.torn == 0
    frame, span, delivered, dropped = (r for r in found.records if r["kind"] != tape.DEFINE)
    assert (frame["kind"], frame["t0"], frame["t1"], frame["frame"]) == (tape.FRAME, 100, 110, 3)
    assert (span["kind"], span["t0"], span["t1"], span["a"]) == (tape.SPAN, 120, 180, 9)
    assert span["b"] == span["c"] == tape.NULL
    assert found.names[span["name"]] == "infer"
    assert (delivered["t0"], delivered["c"], delivered["t1"]) == (190, 2, tape.NULL)
    assert found.names[dropped["a"]] == "infer"
    assert found.names[dropped["b"]] == "die Warteschlange ist voll: ✗" * 9


def test_the_records_are_the_mapped_file_itself(
    tmp_path: Path, tape_maker: type[TapeMaker]
) -> None:
    maker = tape_maker(tmp_path / "1-1-0.tape")
    maker.frame(0, None, 1)
    found = tape.read(maker.save())
    assert isinstance(found.records, np.memmap)
    assert not found.records.flags.writeable


def test_a_torn_record_is_counted_and_not_read(tmp_path: Path, tape_maker: type[TapeMaker]) -> None:
    maker = tape_maker(tmp_path / "1-1-0.tape")
    for k in range(4):
        maker.frame(k, None, k)
    maker.records[1] = maker.records[1][:56] + bytes(8)
    path = maker.save()
    path.write_bytes(path.read_bytes() + bytes(64 * 100) + b"\2rest")
    found = tape.read(path)
    assert found.records["frame"].tolist() == [0, 2, 3]
    assert found.torn == 1


def test_a_wrong_sequence_number_does_not_count(
    tmp_path: Path, tape_maker: type[TapeMaker]
) -> None:
    maker = tape_maker(tmp_path / "1-1-0.tape")
    maker.frame(0, None, 1)
    maker.frame(1, None, 2)
    maker.records[1] = maker.records[1][:56] + tape.SEQUENCE.pack(9)
    found = tape.read(maker.save())
    assert found.records["frame"].tolist() == [0]
    assert found.torn == 1


def test_unknown_kinds_do_not_disturb(tmp_path: Path, tape_maker: type[TapeMaker]) -> None:
    maker = tape_maker(tmp_path / "1-1-0.tape")
    maker.name("infer")
    maker._add(tape.BODY.pack(200, 255, 65_535, 1, *[-1] * 6))
    maker.span("infer", 1, 2, frame=0)
    found = tape.read(maker.save())
    assert [int(kind) for kind in found.records["kind"]] == [tape.DEFINE, 200, tape.SPAN]
    assert found.names == {0: "", 1: "infer"}


def header(**changed: object) -> bytes:
    values = {
        "magic": tape.MAGIC,
        "version": tape.VERSION,
        "header_bytes": tape.HEADER_BYTES,
        "record_bytes": tape.RECORD_BYTES,
    } | changed
    packed = tape.HEADER.pack(*values.values(), 1, 1, 0, 0, 0, tape.CLOSED, 1, b"main")
    return packed.ljust(tape.HEADER_BYTES, b"\0")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes are too few"),
        (header()[:100], "100 bytes are too few"),
        (header(magic=b"RIFFxxxx"), "not a tape"),
        (header(version=2), "tape version 2"),
        (header(version=0), "damaged header"),
        (header(record_bytes=63), "damaged header"),
        (header(header_bytes=1 << 30), "damaged header"),
    ],
)
def test_what_is_no_tape_is_refused_with_its_reason(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "1-1-0.tape"
    path.write_bytes(data)
    with pytest.raises(TapeError, match=why):
        tape.read(path)
    assert tape.read_all(tmp_path)[0] == []


def test_a_folder_is_read_in_order_and_the_unreadable_named(
    tmp_path: Path, tape_maker: type[TapeMaker]
) -> None:
    for name in ("2-1-0", "1-1-1", "1-1-0"):
        maker = tape_maker(tmp_path / f"{name}.tape")
        maker.frame(0, None, 1)
        maker.save()
    (tmp_path / "3-1-0.tape").write_text("rubbish")
    (tmp_path / "4-1-0.tape").mkdir()
    os.mkfifo(tmp_path / "5-1-0.tape")
    (tmp_path / "notes.txt").write_text("no tape, not meant to be one")
    found, refused = tape.read_all(tmp_path)
    assert [one.path.stem for one in found] == ["1-1-0", "1-1-1", "2-1-0"]
    assert [path.stem for path, _ in refused] == ["3-1-0", "4-1-0", "5-1-0"]


def test_a_tape_that_is_only_a_header_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "1-1-0.tape"
    path.write_bytes(header()[:128])
    found = tape.read(path)
    assert (len(found.records), found.torn, found.names) == (0, 0, {0: ""})


@FUZZ
@given(data=st.binary(max_size=1_000))
def test_rubbish_never_breaks_the_reader(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "1-1-0.tape"
    path.write_bytes(data)
    with pytest.raises(TapeError):
        tape.read(path)


@FUZZ
@given(data=st.binary(max_size=1_000))
def test_a_rubbish_header_never_breaks_the_reader(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "1-1-0.tape"
    path.write_bytes(tape.MAGIC + data)
    try:
        found = tape.read(path)
    except TapeError:
        return
    assert found.header.thread is not None


@FUZZ
@given(bodies=st.lists(st.binary(min_size=56, max_size=56), max_size=20), tail=st.binary())
def test_rubbish_records_never_break_the_reader(
    tmp_path: Path, bodies: list[bytes], tail: bytes
) -> None:
    path = tmp_path / "1-1-0.tape"
    records = (body + tape.SEQUENCE.pack(n) for n, body in enumerate(bodies, 1))
    path.write_bytes(header() + b"".join(records) + tail)
    found = tape.read(path)
    assert len(found.records) >= len(bodies)
    assert all(isinstance(name, str) for name in found.names.values())


@FUZZ
@given(text=st.text(max_size=1_500))
def test_any_text_survives(tmp_path: Path, tape_maker: type[TapeMaker], text: str) -> None:
    maker = tape_maker(tmp_path / "1-1-0.tape")
    maker.mark("note", 1, text=text)
    found = tape.read(maker.save())
    assert found.names[found.records[-1]["b"]] == text
