"""Memory copies in an SQLite export of Nsight Systems, on databases of the documented schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from probe.copies.readers import cupti
from probe.errors import InputError

PID, TID = 4321, 4325
WALL_NS = 1_700_000_000 * 10**9


@pytest.fixture
def export(tmp_path: Path) -> Path:
    file = tmp_path / "report.sqlite"
    database = sqlite3.connect(file)
    database.executescript(
        """
        CREATE TABLE TARGET_INFO_SESSION_START_TIME (utcEpochNs INTEGER, utcTime TEXT);
        CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME
            (start INTEGER, end INTEGER, globalTid INTEGER, correlationId INTEGER, nameId INTEGER);
        CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY
            (start INTEGER, end INTEGER, deviceId INTEGER, contextId INTEGER, streamId INTEGER,
             correlationId INTEGER, globalPid INTEGER, bytes INTEGER, copyKind INTEGER,
             srcKind INTEGER, dstKind INTEGER);
        """
    )
    database.execute("INSERT INTO TARGET_INFO_SESSION_START_TIME VALUES (?, '')", (WALL_NS,))
    process = (1 << 48) | (PID << 24)
    for number, (kind, source, destination, size) in enumerate(
        [(1, 1, 3, 6_220_800), (2, 3, 2, 691_200), (8, 3, 3, 4096), (99, 0, 0, 7)]
    ):
        database.execute(
            "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (0, 0, ?, ?, 0)",
            (process | TID, number),
        )
        database.execute(
            "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (?, ?, 0, 1, 7, ?, ?, ?, ?, ?, ?)",
            (1000 * number, 1000 * number + 500, number, process, size, kind, source, destination),
        )
    database.commit()
    database.close()
    return file


def test_every_copy_has_its_bytes_domains_thread_and_host_memory(export: Path) -> None:
    copies = cupti.read(export)
    assert list(copies["bytes"]) == [6_220_800, 691_200, 4096, 7]
    assert list(copies["source"]) == ["cpu", "gpu", "gpu", "unknown"]
    assert list(copies["destination"]) == ["gpu", "cpu", "gpu", "unknown"]
    assert list(copies["detail"]) == [
        "CUPTI, pageable host memory", "CUPTI, pinned host memory", "CUPTI", "CUPTI",
    ]  # fmt: skip
    assert set(copies["pid"]) == {PID}
    assert set(copies["tid"]) == {TID}


def test_times_are_brought_to_the_clock_that_is_asked_for(export: Path) -> None:
    copies = cupti.read(export, wall_to_monotonic_ns=-WALL_NS + 77)
    assert list(copies["t_ns"]) == [77, 1077, 2077, 3077]
    assert list(copies["end_ns"] - copies["t_ns"]) == [500] * 4


def test_an_export_without_runtime_records_knows_no_thread(export: Path) -> None:
    with closing(sqlite3.connect(export)) as database, database:
        database.execute("DROP TABLE CUPTI_ACTIVITY_KIND_RUNTIME")
        database.execute("ALTER TABLE CUPTI_ACTIVITY_KIND_MEMCPY DROP COLUMN globalPid")
    copies = cupti.read(export)
    assert copies["tid"].isna().all()
    assert copies["pid"].isna().all()
    assert len(copies) == 4


def test_rows_that_cannot_be_are_left_out(export: Path) -> None:
    with closing(sqlite3.connect(export)) as database, database:
        database.execute("UPDATE CUPTI_ACTIVITY_KIND_MEMCPY SET bytes = -1 WHERE copyKind = 1")
        database.execute("UPDATE CUPTI_ACTIVITY_KIND_MEMCPY SET end = 'x' WHERE copyKind = 2")
        database.execute("UPDATE CUPTI_ACTIVITY_KIND_MEMCPY SET end = 0 WHERE copyKind = 8")
    assert list(cupti.read(export)["bytes"]) == [7]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 200])
def test_what_is_no_export_is_an_input_error(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "report.sqlite"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        cupti.read(file)
    assert str(file) in caught.value.message
    assert "nsys export" in (caught.value.remedy or "")


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        cupti.read(tmp_path / "nothing.sqlite")
