from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from probe import export
from probe.errors import EnvironmentUnmet
from probe.export import Exporter
from probe.store import TABLES, Run

MANIFEST = {
    "schema": 1,
    "liveprobe": "0.1.0",
    "collectors": [
        {"name": "thermal", "tracks": [{"name": "thermal.temperature", "unit": "celsius"}]}
    ],
}
HOSTILE = 'a,"b"\nc\u202e=1+1'
EXPORTERS = export.discover()


@pytest.fixture
def run() -> Run:
    return Run.of(
        MANIFEST,
        {
            "frames": pd.DataFrame(
                {"frame": [0, 1], "scheduled_ns": [2**62, None], "fate": ["on time", None],
                 "fate_reason": [HOSTILE, ""], "measured": [True, None]}
            ),
            "spans": pd.DataFrame(
                {"frame": [0], "stage": [HOSTILE], "bytes_in": [7], "start_ns": [5]}
            ),
            "samples": pd.DataFrame(
                {"track": ["thermal.temperature", "x.y"], "label": ["cpu", ""],
                 "t_ns": [1, 2], "value": [0.1 + 0.2, None]}
            ),
        },
    )  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_formats_are_the_modules_of_the_folder() -> None:
    home = Path(export.__file__).parent
    names = {p.stem for p in home.iterdir() if not p.name.startswith("_")}
    assert set(EXPORTERS) == names
    assert {"csv", "parquet", "perfetto"} <= names


@pytest.mark.parametrize("exporter", EXPORTERS.values(), ids=EXPORTERS)
def test_each_writes_whole_replaces_and_leaves_nothing_beside(
    exporter: Exporter, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / f"trace{exporter.suffix}"
    exporter.export(run, path)
    exporter.export(run, path)
    assert list(tmp_path.iterdir()) == [path]
    assert exporter.description


@pytest.mark.parametrize("exporter", EXPORTERS.values(), ids=EXPORTERS)
def test_each_says_where_it_cannot_write(exporter: Exporter, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(EnvironmentUnmet, match="file/out") as caught:
        exporter.export(run, tmp_path / "file" / "out")
    assert caught.value.remedy
    assert (tmp_path / "file").read_text() == "kept"


def test_csv_has_a_file_for_each_table_that_is_there(run: Run, tmp_path: Path) -> None:
    EXPORTERS["csv"].export(run, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"run.json", "frames.csv", "spans.csv", "samples.csv"}
    assert json.loads((tmp_path / "out/run.json").read_text()) == MANIFEST


def test_csv_keeps_numbers_exact_texts_whole_and_missing_values_empty(
    run: Run, tmp_path: Path
) -> None:
    EXPORTERS["csv"].export(run, tmp_path / "out")
    first, second = rows(tmp_path / "out/frames.csv")
    assert list(first) == list(TABLES["frames"])
    assert first["scheduled_ns"] == str(2**62)
    assert first["fate_reason"] == HOSTILE
    assert (first["measured"], second["measured"]) == ("true", "")
    assert (second["scheduled_ns"], second["fate"]) == ("", "")
    lines = (tmp_path / "out/frames.csv").read_text(encoding="utf-8")
    assert ',""' in lines  # the empty text is quoted, the missing one is not


def test_csv_says_every_unit(run: Run, tmp_path: Path) -> None:
    EXPORTERS["csv"].export(run, tmp_path / "out")
    samples = rows(tmp_path / "out/samples.csv")
    assert [(s["value"], s["unit"]) for s in samples] == [
        ("0.30000000000000004", "celsius"),
        ("", ""),
    ]
    assert rows(tmp_path / "out/spans.csv")[0]["in_bytes"] == "7"


@pytest.fixture
def copied() -> Run:
    columns = {
        "copies": {"t_ns": [5], "kind": ["memcpy"], "bytes": [3_120_000], "site": [3],
                   "rows": [800], "row_bytes": [3900], "source_stride": [3904],
                   "detail": [HOSTILE], "source_copy": [None], "measured": [True]},
        "sites": {"site": [3], "file": ["/a/b.py"], "line": [4], "expression": [HOSTILE],
                  "stack": ['[["b.py", 4, "f"]]']},
        "buffers": {"t_ns": [4], "bytes": [3_120_000], "filled": ["unknown"]},
        "writes": {"frame": [60], "written_bytes": [8192], "explained_bytes": [4096]},
        "ops": {"node": ["r"], "op": ["ReorderOutput"], "output_bytes": [64]},
    }  # fmt: skip
    return Run.of(MANIFEST, {name: pd.DataFrame(each) for name, each in columns.items()})


def test_csv_has_the_tables_of_the_copy_ledger(copied: Run, tmp_path: Path) -> None:
    EXPORTERS["csv"].export(copied, tmp_path / "out")
    names = {path.stem for path in (tmp_path / "out").glob("*.csv")}
    assert names == {"copies", "sites", "buffers", "writes", "ops"}
    (copy,) = rows(tmp_path / "out/copies.csv")
    assert (copy["bytes"], copy["row_bytes"], copy["rows"]) == ("3120000", "3900", "800")
    assert (copy["source_stride_bytes"], copy["destination_stride_bytes"]) == ("3904", "")
    assert (copy["detail"], copy["source_copy"]) == (HOSTILE, "")
    assert rows(tmp_path / "out/sites.csv")[0]["expression"] == HOSTILE
    assert rows(tmp_path / "out/writes.csv")[0]["explained_bytes"] == "4096"
    assert rows(tmp_path / "out/ops.csv")[0]["output_bytes"] == "64"


def test_parquet_keeps_the_copy_ledger(copied: Run, tmp_path: Path) -> None:
    EXPORTERS["parquet"].export(copied, tmp_path / "out")
    again = Run.open(tmp_path / "out")
    for name in ("copies", "sites", "buffers", "writes", "ops"):
        pd.testing.assert_frame_equal(again.table(name), copied.table(name))


def test_parquet_is_a_run_again(run: Run, tmp_path: Path) -> None:
    EXPORTERS["parquet"].export(run, tmp_path / "out")
    again = Run.open(tmp_path / "out")
    assert again.manifest == MANIFEST
    for name in TABLES:
        assert again.has(name) == run.has(name)
        pd.testing.assert_frame_equal(again.table(name), run.table(name))
