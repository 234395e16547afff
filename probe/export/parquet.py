"""The tables and the manifest as a folder of Parquet files, for DuckDB, pandas, polars and Spark.

What is written is itself a Run: `liveprobe audit` and `liveprobe report` take the folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe import store
from probe.export import whole

if TYPE_CHECKING:
    from pathlib import Path

    from probe.store import Run

SUFFIX: Final = "-parquet"
DESCRIPTION: Final = "a folder of Parquet files, one a table, for DuckDB, pandas or polars"


def export(run: Run, path: Path) -> None:
    """Write `run.json` and one Parquet file for each table that the Run has into folder `path`.

    Raises `EnvironmentUnmet` when the disk does not take it.
    """
    with whole(path) as folder:
        folder.mkdir()
        store.write_json(folder / store.MANIFEST, run.manifest)
        for name in store.TABLES:
            if run.has(name):
                store.write_table(folder, name, run.table(name))
