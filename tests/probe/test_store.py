from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from probe import store
from probe.errors import RunError


@pytest.mark.parametrize(
    ("folder", "gone"),
    [
        ("memory/liveprobe-mine-abc", True),
        ("run/tapes", True),
        ("memory/liveprobe-another-abc", False),
        ("memory/something", False),
        ("other/tapes", False),
        ("elsewhere", False),
    ],
)
def test_only_a_runs_own_tapes_are_removed(
    folder: str, gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SHARED_MEMORY", tmp_path / "memory")
    tapes = tmp_path / folder
    tapes.mkdir(parents=True)
    (tapes.parent / store.MANIFEST).write_text("{}")
    store.discard_tapes(tmp_path / "run", "mine", tapes)
    assert tapes.exists() is not gone


def read(folder: Path, columns: pa.Table) -> pd.DataFrame:
    store.write_json(folder / store.MANIFEST, {"schema": store.SCHEMA})
    parquet.write_table(columns, folder / "copies.parquet")
    return store.Run.open(folder).table("copies")


def test_a_table_of_an_older_version_lacks_columns_and_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, pa.table({"t_ns": [1, 2], "kind": ["memcpy", None]}))
    assert list(found.columns) == list(store.TABLES["copies"])
    assert found["t_ns"].tolist() == [1, 2]
    assert found["kind"].tolist()[0] == "memcpy"
    assert found["kind"].isna().tolist() == [False, True]
    assert found["stage"].isna().all()
    assert found["bytes"].isna().all()


@pytest.mark.parametrize(
    "columns",
    [
        pa.table({"bytes": [[1, 2]]}),
        pa.table({"kind": [{"a": 1}], "t_ns": ["soon"]}),
    ],
    ids=["list", "text"],
)
def test_a_table_of_other_types_is_damaged_and_says_so(columns: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="damaged"):
        read(tmp_path, columns)


def test_names_are_texts_on_disk_and_equal_ones_are_found_in_memory(tmp_path: Path) -> None:
    store.write_json(tmp_path / store.MANIFEST, {"schema": store.SCHEMA})
    parts = [pd.DataFrame({"t_ns": [k, k], "kind": [None, f"kind {k % 2}"]}) for k in range(4)]
    store.write_table(tmp_path, "copies", iter(parts))
    on_disk = parquet.read_schema(tmp_path / "copies.parquet").field("kind").type
    assert pa.types.is_string(on_disk) or pa.types.is_large_string(on_disk)
    found = store.Run.open(tmp_path).table("copies")
    assert found["t_ns"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (found["kind"] == "kind 1").tolist() == [False] * 3 + [True] + [False] * 3 + [True]
