"""`liveprobe copies`: the ledger of a Run whose copies are known, as text and as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from probe import cli, measured, store
from probe.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_USAGE

PICTURE = 1_382_400
PROCESS = {"pid": 7, "exe": "/opt/program", "small_copies": 5, "small_bytes": 500, "lost": 0}
BLIND = {"pid": 9, "exe": "java", "why": "HotSpot's copy stubs do not call libc"}


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def verb(*arguments: str) -> tuple[int, str, str]:
        code = cli.execute(("copies", *arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return verb


def rows_of(frames: list[int]) -> pd.DataFrame:
    """Return, for each frame, a conversion, a copy of what that wrote, and a copy of nobody's."""
    rows: list[dict[str, Any]] = []
    for frame in frames:
        common = {"frame": frame, "measured": True, "grade": "measured", "thread": "main:7"}
        at = len(rows)
        rows += [
            {**common, "t_ns": at, "site": 0, "stage": "decode", "kind": "convert",
             "method": "sws_scale", "bytes": 1000, "duration_ns": 1000},
            {**common, "t_ns": at + 1, "site": 1, "stage": "infer", "kind": "memcpy",
             "method": "memcpy", "bytes": PICTURE, "duration_ns": 500_000},
            {**common, "t_ns": at + 2, "site": 2, "stage": None, "kind": "memcpy",
             "method": "memmove", "bytes": PICTURE, "duration_ns": 500_000,
             "source_copy": at + 1},
        ]  # fmt: skip
    return pd.DataFrame(rows)


SITES = pd.DataFrame(
    [
        {"site": 0, "module": "/usr/lib/libswscale.so.9", "symbol": "scale"},
        {"site": 1, "file": "/home/me/app.py", "line": 12, "expression": "np.array(picture)",
         "module": "/lib/numpy.so"},
        {"site": 2, "file": "/home/me/app.py", "line": 13, "expression": "picture.copy()",
         "module": "/lib/numpy.so"},
    ]
)  # fmt: skip


@pytest.fixture
def traced(made_run: Callable[..., Path], tmp_path: Path) -> Path:
    path = tmp_path / "run"
    shutil.copytree(made_run("live", seconds=6), path)
    found = measured.frames_of(store.Run.open(path))
    frames = found.number[found.measured].tolist()
    store.write_table(path, "copies", rows_of(frames))
    store.write_table(path, "sites", SITES)
    manifest = store.read_manifest(path)
    manifest["copies"] = {"mode": "on", "threshold_bytes": 16384, "processes": [PROCESS]}
    facts = {"mode": "on", "processes": [], "blind": [BLIND]}
    manifest["collectors"] = [{"name": "copies", "outcome": "ok", "facts": facts}]
    store.write_json(path / store.MANIFEST, manifest)
    return path


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_ledger_is_a_table_of_lines(traced: Path, call: Any) -> None:
    code, out, err = call(str(traced))
    assert (code, err) == (EXIT_OK, "")
    head, *rest = out.splitlines()
    assert head.startswith("3.0 copies, 2.77 MB")
    assert "BLIND         java (9): HotSpot's copy stubs" in rest[0]
    assert any("not checked (--copies deep does)" in line for line in rest)
    assert any(line.endswith("unattributed  1,382,400 B per frame") for line in rest)
    rows = {tuple(row[:2]): row for row in cells(out)}
    assert rows["app.py:12", "np.array(picture)"][2:] == [
        "infer", "memcpy", "1,382,400", "1.00", "0.500", "0",
    ]  # fmt: skip
    assert rows["app.py:13", "picture.copy()"][2:] == [
        "(none)", "memcpy", "memmove", "1,382,400", "1.00", "0.500", "1,382,400",
    ]  # fmt: skip
    assert rows["libswscale.so.9", "scale"][-4] == "1,000"
    assert "5 shorter copies (below copies.bytes)" in rest[-1]
    assert rest[-1].endswith("500 B over the whole run")


@pytest.mark.parametrize("by", ["line", "stage", "kind", "module"])
def test_a_terminal_of_eighty_columns_holds_every_row(
    traced: Path, call: Any, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    sites = SITES.assign(expression="self._scaler.reformat(picture, width=1280, height=720) " * 2)
    store.write_table(traced, "sites", sites)
    copies = store.Run.open(traced).table("copies").assign(method="av_image_copy_to_buffer")
    store.write_table(traced, "copies", copies.assign(stage="postprocess"))
    wide = call(str(traced), "--by", by)[1].splitlines()
    monkeypatch.setenv("COLUMNS", "80")
    narrow = call(str(traced), "--by", by)[1].splitlines()
    begin = next(k for k, line in enumerate(narrow) if line.startswith(("SITE", by.upper())))
    table = narrow[begin : narrow.index("", begin)] if "" in narrow[begin:] else narrow[begin:]
    assert max(map(len, table)) <= 80
    if by == "line":
        assert max(map(len, wide)) > 80
        assert table[2].startswith("app.py:12 self._scaler.reformat(")
        assert table[3].split() == [
            "postprocess", "memcpy", "av_image_copy_to...", "1,382,400", "1.00", "0.500", "0",
        ]  # fmt: skip


def test_two_files_of_one_name_are_two_rows(traced: Path, call: Any) -> None:
    sites = SITES.assign(expression="picture.copy()", line=12)
    sites["file"] = [None, "/home/me/a/app.py", "/home/me/b/app.py"]
    store.write_table(traced, "sites", sites)
    copies = store.Run.open(traced).table("copies").assign(stage="infer", method="memcpy")
    store.write_table(traced, "copies", copies)
    rows = [row for row in cells(call(str(traced))[1]) if row[:1] == ["app.py:12"]]
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("by", "first"),
    [("stage", "infer"), ("kind", "memcpy"), ("module", "numpy.so")],
)
def test_it_is_added_up_by_what_is_asked_for(traced: Path, call: Any, by: str, first: str) -> None:
    out = cells(call(str(traced), "--by", by)[1])
    titles = next(k for k, row in enumerate(out) if row and row[0] == by.upper())
    assert out[titles + 1][0] == first
    moved = {row[0]: row[1] for row in out[titles + 1 : titles + 3]}
    expected = {"stage": "1,382,400", "kind": "2,764,800", "module": "2,764,800"}
    assert moved[first] == expected[by]


def test_json_has_the_numbers_whole(traced: Path, call: Any) -> None:
    document = json.loads(call(str(traced), "--json")[1])
    ledger = document["ledger"]
    assert ledger["total"]["bytes_per_frame"] == 2 * PICTURE + 1000
    assert ledger["unattributed_bytes_per_frame"] == PICTURE
    assert [row["name"] for row in ledger["rows"][:2]] == [
        "app.py:12 np.array(picture)", "app.py:13 picture.copy()",
    ]  # fmt: skip
    assert document["blind"] == [BLIND]
    stages = json.loads(call(str(traced), "--json", "--by", "stage")[1])["ledger"]["rows"]
    assert {row["stage"] for row in stages} == {"infer", "decode", None}


def test_few_rows_are_shown_and_the_rest_counted(traced: Path, call: Any) -> None:
    out = call(str(traced), "--top", "1")[1]
    assert "... and 2 more rows: --top 0 shows all" in out
    assert "picture.copy()" not in out
    assert "picture.copy()" in call(str(traced), "--top", "0")[1]


def test_nothing_seen_is_no_row_of_noughts(traced: Path, call: Any) -> None:
    store.write_table(traced, "copies", rows_of([]))
    code, out, _ = call(str(traced))
    assert code == EXIT_OK
    head = out.splitlines()[0]
    assert "no copy large enough for a record was seen, which need not mean that there was" in head
    assert "BLIND         java (9)" in out
    assert "SITE" not in out


def test_a_table_that_is_gone_is_said_to_be(traced: Path, call: Any) -> None:
    (traced / "copies.parquet").unlink()
    code, out, _ = call(str(traced))
    assert code == EXIT_ENVIRONMENT
    assert "copies.parquet is not in the Run any more" in out


def changed(path: Path, collectors: list[dict[str, Any]]) -> str:
    manifest = store.read_manifest(path)
    manifest["copies"] = None
    manifest["collectors"] = collectors
    store.write_json(path / store.MANIFEST, manifest)
    return str(path)


@pytest.mark.parametrize(
    ("entry", "code", "said"),
    [
        ({"outcome": "off", "reason": "copies.mode is off"}, EXIT_OK, "copies.mode is off"),
        ({"outcome": "no data", "reason": "not built", "remedy": "install a C compiler"},
         EXIT_ENVIRONMENT, "install a C compiler"),
        ({"outcome": "failed", "reason": "ValueError: x"}, EXIT_ENVIRONMENT, "ValueError: x"),
        ({"outcome": "ok", "facts": {"blind": [BLIND]}}, EXIT_ENVIRONMENT, "blind to java (9)"),
    ],
)  # fmt: skip
def test_copies_that_were_not_traced_say_why(
    traced: Path, call: Any, entry: dict[str, Any], code: int, said: str
) -> None:
    run = changed(traced, [{"name": "copies", **entry}])
    got, out, _ = call(run)
    assert got == code
    assert out.startswith("copies were not traced: ")
    assert said in out
    document = json.loads(call(run, "--json")[1])
    assert document["ledger"] is None
    assert document["remedy"]


def test_a_run_without_the_collector_says_how_to_have_it(traced: Path, call: Any) -> None:
    code, out, _ = call(changed(traced, [{"name": "cpu", "outcome": "ok"}]))
    assert code == EXIT_OK
    assert "measure it again with --copies on" in out


def test_what_is_no_run_is_refused(tmp_path: Path, call: Any) -> None:
    code, _, err = call(str(tmp_path))
    assert code == EXIT_USAGE
    assert "not a Run" in err


def test_a_run_can_be_asked_to_trace_or_not(liveprobe: Any) -> None:
    for mode in ("off", "on", "deep"):
        done = liveprobe("run", "--dry-run", "--copies", mode, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["scenario"]["copies"]["mode"] == mode
    done = liveprobe("run", "--dry-run", "--copies", "never")
    assert done.returncode == EXIT_USAGE
    assert "'off', 'on', 'deep'" in done.stderr


def test_a_run_that_is_switched_off_has_nothing_preloaded(liveprobe: Any, tmp_path: Path) -> None:
    code = "import os; print(os.environ.get('LD_PRELOAD'), os.environ.get('LIVEPROBE_COPIES'))"
    done = liveprobe(
        "run", "--copies", "off", "--no-report", "-o", "runs", "--", sys.executable, "-c", code
    )
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "program.out").read_text() == "None None\n", done.stderr
    entry = next(e for e in store.read_manifest(run)["collectors"] if e["name"] == "copies")
    assert (entry["outcome"], entry["remedy"]) == ("off", "run it with --copies on")
    assert "not traced" not in done.stdout
