"""Deep mode's records, as rows of `writes`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probe import store
from probe.copies.deep import writes_of
from probe.tape import NULL, WRITER_INTERPOSER, WRITES, WRITTEN, Tape, TapeHeader, record_dtype

PAGE = 4_096
NAMES = {0: "", 1: "decode", 2: "infer", 3: "infer\nrender"}


def of(*rows: dict[str, int]) -> Tape:
    records = np.zeros(len(rows), dtype=record_dtype())
    for record, row in zip(records, rows, strict=True):
        for name, value in row.items():
            record[name] = value
    header = TapeHeader(7, 70, 0, 0, 0, 2, WRITER_INTERPOSER, "main")
    return Tape(Path("7-70-0.tape"), header, records, NAMES, 0)


def writes(**said: int) -> dict[str, int]:
    plain = {"kind": WRITES, "name": 1, "t0": 100, "t1": 200, "frame": 60}
    return plain | {"a": 10 * PAGE, "b": 4 * PAGE, "c": 500} | said


def written(pages: int, flags: int = 0) -> dict[str, int]:
    return {"kind": WRITTEN, "t0": 2**40, "t1": pages * PAGE, "flags": flags}


def rows(*tapes: Tape) -> list[dict[str, Any]]:
    table = store.as_table("writes", writes_of(tapes, [f"thread {k}" for k in range(len(tapes))]))
    found: list[dict[str, Any]] = table.drop(columns="measured").astype(object).to_dict("records")
    return [
        {name: None if value is pd.NA else value for name, value in row.items()} for row in found
    ]


def test_a_stage_and_a_frame_is_a_row() -> None:
    assert rows(of(writes(), written(6))) == [{
        "frame": 60, "stage": "decode", "thread": "thread 0", "start_ns": 100, "end_ns": 200,
        "written_bytes": 10 * PAGE, "explained_bytes": 4 * PAGE, "uncertain_bytes": 0,
        "beside": None,
    }]  # fmt: skip


def test_what_a_stage_beside_may_have_written_is_said_with_its_name() -> None:
    first, second = rows(of(
        writes(c=500 | 3 << 32), written(1), written(2, flags=1), written(3, flags=1),
        writes(t0=300, t1=400, name=2), written(6),
    ))  # fmt: skip
    assert (first["beside"], first["uncertain_bytes"]) == ("infer, render", 5 * PAGE)
    assert (second["beside"], second["uncertain_bytes"]) == (None, 0)


def test_rows_of_all_threads_stand_in_order_of_time() -> None:
    found = rows(of(writes(t0=300, t1=400)), of(writes(t0=100)), of(writes(t0=200)))
    assert [(row["start_ns"], row["thread"]) for row in found] == [
        (100, "thread 1"), (200, "thread 2"), (300, "thread 0"),
    ]  # fmt: skip


def test_records_that_cannot_be_are_left_out() -> None:
    impossible = (
        writes(b=11 * PAGE), writes(a=-1, b=-1), writes(t1=99), writes(t0=-5), writes(a=2**60),
    )  # fmt: skip
    assert rows(of(*impossible, written(4, flags=1))) == []
    kept = rows(of(written(1, flags=1), writes(), written(-4, flags=1), written(9_000, flags=1)))
    assert kept[0]["uncertain_bytes"] == 6 * PAGE, "at most what is unexplained"


def test_a_frame_that_was_not_said_is_null_and_an_unknown_name_is_shown() -> None:
    row = rows(of(writes(frame=NULL, name=99)))[0]
    assert (row["frame"], row["stage"]) == (None, "?99")


def test_a_tape_without_such_records_gives_an_empty_table_of_the_right_columns() -> None:
    table = writes_of([of(writes())], ["main:70"]).iloc[:0]
    assert list(writes_of([of()], ["main:70"]).columns) == list(table.columns)
    assert set(store.TABLES["writes"]) - set(table.columns) == {"measured"}
