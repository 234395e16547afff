"""Where copies come from: sites of all tapes as one, the program's own line, its source text."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from probe.copies import sites
from probe.copies.sites import Frame, own_line

NUMPY = "/venv/lib/python3.11/site-packages/numpy/_core/shape_base.py"
PACKAGE = "/venv/lib/python3.12/site-packages/seer/loop.py"
PACKAGE_MAIN = "/venv/lib/python3.12/site-packages/seer/__main__.py"
DEBIAN = "/usr/lib/python3/dist-packages/gi/overrides/Gst.py"
THREADING = "/usr/lib/python3.11/threading.py"
RUNPY = "<frozen runpy>"


def table(
    maker: ModuleType, folder: Path, *stacks: Any, command: tuple[str, ...] = ()
) -> pd.DataFrame:
    thread = maker.ThreadTape()
    for offset, stack in enumerate(stacks):
        thread.site("/lib/x.so", offset + 1, stack)
    return sites.table_of(sites.merged(maker.read(folder, thread)), command)


def frame(file: str, line: int = 1, function: str = "f") -> tuple[Any, ...]:
    return (file, line, line, 0, 0, function)


def test_the_same_place_on_two_tapes_is_one_site(maker: ModuleType, tmp_path: Path) -> None:
    first, second = maker.ThreadTape(1), maker.ThreadTape(2)
    stack = [frame("/app/a.py", 3)]
    numbers = [
        (first.site("/lib/x.so", 1, stack), first.site("/lib/x.so", 2, stack)),
        (second.site("/lib/x.so", 2, stack), second.site("/lib/x.so", 1, [])),
    ]
    assert numbers == [(1, 2), (1, 2)]
    merged = sites.merged(maker.read(tmp_path, first, second))
    assert len(merged.callers) == 3
    keys, values = merged.lookups[1]
    assert (keys.tolist(), values.tolist()) == ([1, 2], [1, 2])
    assert sites.table_of(merged)["site"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ([NUMPY, "/app/ops.py", "/app/main.py"], "/app/ops.py"),
        ([THREADING, NUMPY, "/app/main.py"], "/app/main.py"),
        (["<frozen importlib._bootstrap>", DEBIAN, "/app/main.py"], "/app/main.py"),
        (["<string>", NUMPY], "<string>"),
        ([NUMPY, PACKAGE, THREADING], PACKAGE),
        ([NUMPY, "/venv/lib/python3.11/site-packages/scipy/a.py"],
         "/venv/lib/python3.11/site-packages/scipy/a.py"),
        ([NUMPY], NUMPY),
        ([THREADING], THREADING),
    ],
)  # fmt: skip
def test_the_programs_own_line_is_chosen(stack: list[str], expected: str) -> None:
    frames = [Frame(file, 1, 1, 0, 0, "f") for file in stack]
    found = own_line(frames, {"seer"})
    assert found is not None
    assert found.file == expected


def test_no_stack_has_no_line() -> None:
    assert own_line([], set()) is None


def test_an_installed_program_is_known_by_how_it_was_started(
    maker: ModuleType, tmp_path: Path
) -> None:
    helper = "/venv/lib/python3.12/site-packages/helper/a.py"
    stack = [frame(helper), frame(PACKAGE, 7), frame(THREADING)]
    main = [frame(PACKAGE_MAIN, 3, "<module>"), frame(RUNPY), frame(RUNPY)]
    launched = [frame(PACKAGE, 9), frame("/venv/bin/seer", 8, "<module>")]
    assert table(maker, tmp_path / "a", stack)["file"].tolist() == [helper]
    assert table(maker, tmp_path / "b", stack, main)["file"].tolist()[0] == PACKAGE
    assert table(maker, tmp_path / "c", stack, launched)["file"].tolist() == [PACKAGE] * 2
    for k, command in enumerate((["python", "-P", "-m", "seer.cli"], ["python", "-Pmseer"])):
        found = table(maker, tmp_path / f"d{k}", stack, command=tuple(command))
        assert found["file"].tolist() == [PACKAGE]


SOURCE = (
    "import numpy as np\n\ndef öffne(x):\n    é = np.stack([x, x]); return (é\n        .copy())\n"
)


def test_the_expression_is_read_from_the_source(maker: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "ops.py"
    file.write_text(SOURCE, encoding="utf-8")
    line = SOURCE.split("\n")[3].encode()
    begin, end = line.index(b"np.stack"), line.index(b";")
    whole = line.index(b"(\xc3\xa9")
    found = table(
        maker, tmp_path / "run",
        [(file, 4, 4, begin, end, "öffne")],
        [(file, 4, 5, whole, 16, "öffne")],
        [(file, 3, 3, 0, 0, "öffne")],
        [(file, 99, 99, 0, 4, "öffne")],
        [(tmp_path / "gone.py", 1, 1, 0, 4, "f")],
    )  # fmt: skip
    assert found["expression"].fillna("").tolist() == [
        "np.stack([x, x])", "(é", "def öffne(x):", "", "",
    ]  # fmt: skip
    columns = [found[name].fillna(-1).tolist() for name in ("column", "end_column", "end_line")]
    assert columns == [[begin, whole, -1, 0, 0], [end, 16, -1, 4, 4], [4, 5, -1, 99, 1]]
    assert json.loads(found["stack"][0]) == [[str(file), 4, "öffne"]]


@pytest.mark.parametrize(
    ("head", "encoding"),
    [("", "utf-8"), ("\ufeff", "utf-8"), ("# coding: latin-1\n", "latin-1"),
     ("# coding: nonsense\n", "utf-8")],
)  # fmt: skip
def test_columns_count_bytes_of_utf_8_whatever_the_source_is_written_in(
    maker: ModuleType, tmp_path: Path, head: str, encoding: str
) -> None:
    file = tmp_path / "ops.py"
    text = "größe = öffne('ß') + np.stack([x, x])"
    file.write_bytes((head + text + "\n").encode(encoding))
    line, begin = head.count("\n") + 1, len("größe = öffne('ß') + ".encode())
    assert begin == len("größe = öffne('ß') + ") + 4
    found = table(maker, tmp_path / "run", [(file, line, line, begin, begin + 16, "f")])
    assert found["expression"].tolist() == ["np.stack([x, x])"]
    assert found["column"].tolist() == [begin]


def test_only_python_is_read_and_never_more_than_a_little(
    maker: ModuleType, tmp_path: Path
) -> None:
    secret, script, large = tmp_path / "shadow", tmp_path / "tool", tmp_path / "large.py"
    secret.write_text("root:secret\n")
    script.write_text("#!/usr/bin/env python3\nx = 1\n")
    large.write_bytes(b"x = 1\n" + b"#" * (4 * 2**20))
    pipe, folder, long = tmp_path / "pipe.py", tmp_path / "folder.py", tmp_path / "long.py"
    os.mkfifo(pipe)
    folder.mkdir()
    long.write_text("y = " + "1 + " * 400 + "1\n")
    files = [secret, script, large, pipe, folder, Path("/dev/zero"), long]
    stacks = [[(file, 1 if file != script else 2, 1, 0, 0, "f")] for file in files]
    found = table(maker, tmp_path / "run", *stacks)["expression"].fillna("").tolist()
    assert found[:6] == ["", "x = 1", "", "", "", ""]
    assert found[6] == ("y = " + "1 + " * 400)[:160].strip()


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "a\tb\tc\n", "f.py\tx\t1\t0\t0\tg\n", "f.py\t-1\t1\t0\t0\tg\n",
     "f.py\t99999999999999\t1\t0\t0\tg\n", "no tabs at all", "\t\t\t\t\t\n"],
)  # fmt: skip
def test_what_is_no_frame_is_passed_over(text: str) -> None:
    assert sites.frames_of(text) == []


def test_a_file_name_may_hold_tabs_and_a_stack_no_end_of_frames() -> None:
    frames = sites.frames_of("a\tb.py\t3\t3\t0\t4\tf\n" * 1_000)
    assert frames[0] == Frame("a\tb.py", 3, 3, 0, 4, "f")
    assert len(frames) == 12
