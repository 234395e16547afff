"""The table of copies as audits see it: frames, lineage, places."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probe import copy_cases, ledger, moves
from probe.copy_cases import FRAME_BYTES, Copied
from probe.moves import Moves
from probe.store import Run

PLAIN = Copied("decode", FRAME_BYTES)
AGAIN = Copied("preprocess", FRAME_BYTES, line=2, reads=0)


def with_copies(run: Run, **columns: object) -> Run:
    """Return the Run with some columns of its copies replaced."""
    tables = {name: run.table(name) for name in moves.TABLES}
    return Run.of(run.manifest, tables | {"copies": tables["copies"].assign(**columns)})


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("uint8 > float32", ("uint8", "float32", None, None)),
        ("yuv420p 1280x720 > rgb24 320x180", ("yuv420p", "rgb24", None, None)),
        ("(3, 4, 5) from (4, 5, 3)", (None, None, (4, 5, 3), (3, 4, 5))),
        ("uint8 > float32, (3, 4) from (4, 3)", ("uint8", "float32", (4, 3), (3, 4))),
        ("(7,) from (9,)", (None, None, (9,), (7,))),
        ("list > float32 (big-endian)", ("list", "float32", None, None)),
        ("copy plane 0", (None, None, None, None)),
        ("", (None, None, None, None)),
    ],
)
def test_a_detail_says_formats_and_shapes(detail: str, expected: tuple[object, ...]) -> None:
    assert tuple(moves.change_of(detail)) == expected


@pytest.mark.parametrize(
    "run",
    [
        copy_cases.copying_run(PLAIN),
        copy_cases.copying_run(PLAIN, mode="generate"),
        copy_cases.copying_run(PLAIN, mode="command"),
        copy_cases.copying_run(PLAIN, attributed=False),
        copy_cases.copying_run(PLAIN, mode="command", attributed=False),
    ],
    ids=["live", "generate", "black box", "unattributed", "nobody says frames"],
)
def test_frames_and_bytes_are_those_of_the_ledger(run: Run) -> None:
    found, said = Moves(run), ledger.ledger_of(run)
    assert said is not None
    assert (found.frames, found.per) == (said.frames, said.per)
    assert found.moved_bytes / (found.frames or 1) == said.total.bytes_per_frame
    assert found.decoded_bytes == said.decoded_bytes


def test_a_run_without_measured_copies_has_none() -> None:
    run = copy_cases.copying_run(PLAIN, AGAIN)
    found = Moves(with_copies(run, measured=False))
    assert found.moved_bytes == 0
    assert not found.counted.any()


def test_lineage_stays_within_a_frame_and_goes_back_in_time() -> None:
    run = copy_cases.copying_run(PLAIN, AGAIN, frames=3)
    assert Moves(run).source.tolist() == [-1, 0, -1, 2, -1, 4]
    odd = pd.array([0, 0, 1, 9, -5, 4], dtype="Int64")  # itself, fine, frame before, beyond, no row
    assert Moves(with_copies(run, source_copy=odd)).source.tolist() == [-1, 0, -1, -1, -1, 4]


def test_without_frames_what_is_read_again_and_again_is_a_background() -> None:
    run = copy_cases.copying_run(PLAIN, AGAIN, frames=3, attributed=False)
    assert Moves(run).source.tolist() == [-1, 0, -1, 2, -1, 4]
    always = pd.array([None, 0, 0, 0, 0, 0], dtype="Int64")
    assert Moves(with_copies(run, source_copy=always)).source.tolist() == [-1, 0, -1, -1, -1, -1]


def test_a_conversion_is_found_behind_a_chain_of_a_hundred_thousand_copies() -> None:
    count = 100_000
    run = copy_cases.copying_run(PLAIN, frames=1)
    first = run.table("copies").astype({"kind": "string"})
    rows = pd.concat([first] * count, ignore_index=True)
    rows["source_copy"] = pd.array(np.arange(count) - 1, dtype="Int64").astype("Int64")
    rows.loc[0, "source_copy"] = pd.NA
    rows.loc[0, "kind"] = "convert"
    tables = {name: run.table(name) for name in moves.TABLES} | {"copies": rows}
    assert Moves(Run.of(run.manifest, tables)).converted_by.tolist() == [-1] + [0] * (count - 1)


def test_sites_of_one_line_are_one_place_and_others_are_not() -> None:
    same = PLAIN._replace(method="memmove")
    run = copy_cases.copying_run(PLAIN, same, PLAIN._replace(line=None), frames=1)
    place = Moves(run).place
    assert place[0] == place[1] != place[2]


def test_a_place_is_named_by_its_line_else_its_symbol_else_its_method() -> None:
    native = PLAIN._replace(line=None)
    run = copy_cases.copying_run(PLAIN, native, frames=1)
    found = Moves(with_copies(run, site=pd.array([0, 1], dtype="Int64")))
    assert found.place_of(0).name == "program.py:1 picture.copy()"
    assert found.place_of(1).name == "libc.so.6 memcpy"
    lost = Moves(with_copies(run, site=pd.array([None, 77], dtype="Int64")))
    assert [lost.place_of(row).name for row in (0, 1)] == ["memcpy", "memcpy"]


@pytest.mark.parametrize("stack", ["", "[", "[1]", '[["a.py", 1]]', "null", '{"a": 1}'])
def test_a_stack_that_is_none_is_empty(stack: str) -> None:
    run = copy_cases.copying_run(PLAIN, frames=1)
    tables = {name: run.table(name) for name in moves.TABLES}
    tables["sites"] = tables["sites"].assign(stack=stack)
    assert Moves(Run.of(run.manifest, tables)).stack_of(0) == []


def test_what_a_codec_copies_for_itself_is_no_lineage_but_what_it_converts_is() -> None:
    inside = PLAIN._replace(module="/lib/libavcodec.so.59")
    scaled = inside._replace(kind="convert", method="sws_scale_frame")
    numpys = inside._replace(method="PyArray_NewCopy")
    run = copy_cases.copying_run(inside, AGAIN, scaled, AGAIN._replace(reads=2), numpys, frames=1)
    found = Moves(run)
    assert found.internal.tolist() == [True, False, False, False, False]
    assert found.source.tolist() == [-1, -1, -1, 2, -1]
    assert found.converted_by.tolist() == [-1, -1, -1, 2, -1]
