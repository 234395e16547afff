"""The tables as a folder of CSV files, for spreadsheets and for eyes.

UTF-8 with a header row, texts in quotes (RFC 4180, with plain line feeds). Units stand in the names
of the columns; a missing value is an empty field, while an empty text is `""`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe import store
from probe.export import whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from probe.store import Run

SUFFIX: Final = "-csv"
DESCRIPTION: Final = "a folder of CSV files, one a table, for spreadsheets"


def export(run: Run, path: Path) -> None:
    """Write `run.json` and one CSV file for each table that the Run has into folder `path`.

    `samples.csv` says the unit of each value in a column of its own. Raises `EnvironmentUnmet`
    when the disk does not take it.
    """
    import pyarrow as pa
    from pyarrow import csv

    with whole(path) as folder:
        folder.mkdir()
        store.write_json(folder / store.MANIFEST, run.manifest)
        for name in store.TABLES:
            if run.has(name):
                table = _with_units(run.manifest, name, run.table(name)).rename(
                    columns=_UNITS[name]
                )
                arrow = pa.Table.from_pandas(table, preserve_index=False)
                csv.write_csv(arrow, folder / f"{name}.csv")


_UNITS: Final[dict[str, dict[str, str]]] = {name: {} for name in store.TABLES} | {
    "spans": {"bytes_in": "in_bytes", "bytes_out": "out_bytes"},
    "copies": {
        "destination_stride": "destination_stride_bytes",
        "source_stride": "source_stride_bytes",
    },
}
"""Columns whose unit is not at the end of their name already."""


def _with_units(manifest: Mapping[str, Any], name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Add to samples the unit that their track's collector declared."""
    if name != "samples":
        return table
    units = {
        track["name"]: track["unit"]
        for collector in manifest.get("collectors") or []
        for track in collector.get("tracks") or []
    }
    return table.assign(unit=table["track"].map(units).astype("string"))
