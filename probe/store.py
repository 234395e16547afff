"""Run directories: how they are written, read and recognised."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probe.errors import EnvironmentUnmet, RunError, RunVersionError
from probe.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    import pandas as pd

    T = TypeVar("T")

SCHEMA: Final = 1
MANIFEST: Final = "run.json"
VERDICT: Final = "verdict.json"
TAPES: Final = "tapes"
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
"""Where tapes are written if there is room: on tmpfs, so that writeback disturbs no program."""
TAPES_PREFIX: Final = "liveprobe-"
SPILL: Final = "samples.jsonl"
"""Beside the tapes: what the collectors read so far."""

INT, FLOAT, TEXT, FLAG, NAME = "Int64", "Float64", "string", "boolean", "category"
"""Kinds of columns. A NAME is a text of which a long table has few different ones: on disk it is a
text as any other, in memory it costs a byte a row."""

TABLES: Final[dict[str, dict[str, str]]] = {
    "frames": {
        "frame": INT,
        "source_index": INT,
        "pts_ns": INT,
        "scheduled_ns": INT,
        "captured_ns": INT,
        "delivered_ns": INT,
        "rendered_ns": INT,
        "fate": TEXT,
        "fate_stage": TEXT,
        "fate_reason": TEXT,
        "fate_ns": INT,
        "block": INT,
        "measured": FLAG,
    },
    "outputs": {
        "output": INT,
        "frame": INT,
        "request": INT,
        "delivered_ns": INT,
        "presented_ns": INT,
        "repeat": INT,
        "block": INT,
        "measured": FLAG,
        "result": TEXT,
    },
    "spans": {
        "frame": INT,
        "stage": TEXT,
        "thread": TEXT,
        "start_ns": INT,
        "end_ns": INT,
        "queue_ns": INT,
        "bytes_in": INT,
        "bytes_out": INT,
        "raised": FLAG,
    },
    "samples": {"track": TEXT, "label": TEXT, "t_ns": INT, "value": FLOAT},
    "events": {"t_ns": INT, "kind": TEXT, "text": TEXT, "attributes": TEXT},
    "copies": {
        "t_ns": INT,
        "frame": INT,
        "stage": NAME,
        "thread": NAME,
        "kind": NAME,
        "bytes": INT,
        "duration_ns": INT,
        "site": INT,
        "method": NAME,
        "detail": NAME,
        "rows": INT,
        "row_bytes": INT,
        "destination_stride": INT,
        "source_stride": INT,
        "domains": NAME,
        "faults": INT,
        "source_copy": INT,
        "grade": NAME,
        "measured": FLAG,
    },
    "sites": {
        "site": INT,
        "file": TEXT,
        "line": INT,
        "function": TEXT,
        "module": TEXT,
        "symbol": TEXT,
        "stack": TEXT,
        "end_line": INT,
        "column": INT,
        "end_column": INT,
        "expression": TEXT,
    },
    "buffers": {
        "t_ns": INT,
        "freed_ns": INT,
        "frame": INT,
        "stage": TEXT,
        "thread": TEXT,
        "bytes": INT,
        "site": INT,
        "filled": TEXT,
        "filled_bytes": INT,
        "measured": FLAG,
    },
    "writes": {
        "frame": INT,
        "stage": TEXT,
        "thread": TEXT,
        "start_ns": INT,
        "end_ns": INT,
        "written_bytes": INT,
        "explained_bytes": INT,
        "uncertain_bytes": INT,
        "beside": TEXT,
        "measured": FLAG,
    },
    "stack_samples": {
        "t_ns": INT,
        "held_ns": INT,
        "pid": INT,
        "tid": INT,
        "thread": NAME,
        "stage": NAME,
        "frame": INT,
        "stack": INT,
        "measured": FLAG,
    },
    "stacks": {"stack": INT, "frames": TEXT},
    "ops": {
        "frame": INT,
        "node": TEXT,
        "op": TEXT,
        "provider": TEXT,
        "start_ns": INT,
        "end_ns": INT,
        "output_bytes": INT,
        "self_ns": INT,
        "run": INT,
        "index": INT,
        "parent": TEXT,
        "cycles": INT,
        "source": TEXT,
    },
}
"""The tables of a Run: column to pandas dtype. Times are CLOCK_MONOTONIC ns; null is missing.

`frames`: one row a source frame; `measured` marks those scheduled in the window; `block` numbers
the burst in which it was delivered. `outputs`: one row an output picture; `frame` or `request` is
what it depends on; `result` is what the program says that it found, as JSON. `spans`: one row an
execution of a stage; `frame` holds the request in a program without a live input; `thread` is
``name:tid``. `events.attributes` is JSON.

`copies`: one row a copy that the interposer saw, in order of `t_ns`; `kind` is a
`probe.copies.methods.Kind`, `method` the function that moved the bytes, `bytes` what it wrote;
`frame` and `stage` are null where it could not be attributed; `rows` with strides where many short
copies are one; `domains` is as ``cpu>gpu``; `faults` are minor page faults meanwhile; `source_copy`
is the row, from 0, of the copy that wrote what this one read. `sites`: where copies come from:
`file` to `expression` the innermost line of the program's own Python, `module` and `symbol` the
native caller, `stack` JSON [[file, line, function], ...], innermost first. `buffers`: allocations
of a frame's size and how each was filled: by the kind of copy that wrote most of it, "rows" for
plain copies of rows, "unknown" (a loop that nobody sees) or "untouched". `writes` (deep mode):
bytes of pages, each counted whole, that were written while a stage worked on a frame, and those
that copies explain; of the others, `uncertain_bytes` may have been written by the stages of other
threads that `beside` names.

`stack_samples`: one row each time that a sample of a thread's stack differs from the one before;
`held_ns` until the next such row, `stage` and `frame` of the span that its thread was in. `stacks`:
`frames` is JSON [[file, line, function], ...], innermost first.

`ops`: executions of a model's operators, from the profile `source`;
`run` numbers its inferences; those without a frame were seen in a pass of their own; `parent` is
the node whose graph it is in, `self_ns` its time without that of such nodes, `cycles` what a device
counts that tells no times. `start_ns` is null where nobody says when a profile began.
"""


class Run:
    """A measured run: its manifest and its tables, from a directory or from memory.

    Tables are read on first use and kept. `path` is None for a Run made in memory. `names` are the
    tables that it shows, all where it is None.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        load: Callable[[str], pd.DataFrame | None],
        path: Path | None = None,
        names: tuple[str, ...] | None = None,
    ) -> None:
        self.manifest = manifest
        self.path = path
        self._load = load
        self._names = names
        self._tables: dict[str, pd.DataFrame | None] = {}
        self._views = Views()

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open a Run directory.

        Raises `RunError` when there is no readable run.json, `RunVersionError` when it is newer.
        """
        manifest = read_manifest(path)
        return cls(manifest, lambda name: _read_table(path, name), path)

    @classmethod
    def of(cls, manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Run:
        """Make a Run in memory; each table is brought to its columns and dtypes."""
        typed = {name: as_table(name, frame) for name, frame in tables.items()}
        return cls(manifest, typed.get)

    def has(self, name: str) -> bool:
        """Say whether the Run holds this table (it may have no rows)."""
        self._allow(name)
        on_disk = self.path is not None and (self.path / f"{name}.parquet").exists()
        return (on_disk and name not in self._tables) or self._get(name) is not None

    def table(self, name: str) -> pd.DataFrame:
        """Return a table with the columns and dtypes of `TABLES`; empty where the Run has none."""
        found = self._get(name)
        return empty_table(name) if found is None else found

    def column(self, name: str, column: str) -> pd.Series[Any]:
        """Return one column of a table, as `table` has it, but texts may come as a `NAME`.

        Of a table that was not read yet, it is read by itself, and not kept.
        """
        self._allow(name)
        alone = None
        if self.path is not None and name not in self._tables:
            alone = _read_table(self.path, name, (column,))
        return self.table(name)[column] if alone is None else alone[column]

    def view(self, make: Callable[[Run], T], key: object = None) -> T:
        """Return what `make` computes from the tables of this Run; the same Run computes it once.

        It is shared with every Run that `only` gives, where that shows the tables that it was read
        from, and is not to be changed. `key` names it where `make` has no identity of its own.
        """
        return self._views.of(lambda: make(self), make if key is None else key, self._allow)

    def only(self, names: tuple[str, ...]) -> Run:
        """Return the Run as seen by an audit that declared `names`; others raise `KeyError`."""
        shown = Run(self.manifest, self._get, self.path, names)
        shown._tables, shown._views = self._tables, self._views
        return shown

    def _allow(self, name: str) -> None:
        self._views.read((name,))
        if self._names is not None and name not in self._names:
            raise KeyError(f"table {name!r} was not declared; declared: {', '.join(self._names)}")

    def _get(self, name: str) -> pd.DataFrame | None:
        self._allow(name)
        if name not in self._tables:
            self._tables[name] = self._load(name)
        return self._tables[name]


def empty_table(name: str) -> pd.DataFrame:
    """Return the table with its columns and no rows."""
    import pandas as pd

    return as_table(name, pd.DataFrame())


def as_table(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with exactly the columns of the table, nulls where it has none.

    Raises `ValueError` for a column that the table does not have.
    """
    columns = TABLES[name]
    unknown = sorted(set(frame.columns) - set(columns))
    if unknown:
        raise ValueError(f"table {name!r} has no column {', '.join(unknown)}")
    return _as_typed(frame, columns)


def _as_typed(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    def column(key: str) -> pd.Series[Any]:
        if key in frame:
            return frame[key]
        return pd.Series(pd.NA, index=frame.index, dtype=TEXT)

    return pd.DataFrame({key: _typed(column(key), dtype) for key, dtype in columns.items()})


def _typed(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:  # noqa: ANN401 - a pandas dtype
    """Return a column as one of `dtype`; one that is so already is not copied."""
    import pandas as pd

    if dtype == NAME:
        return _named(column)
    return column if column.dtype == pd.api.types.pandas_dtype(dtype) else column.astype(dtype)


def _named(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of names: they are texts, also where there is none."""
    if column.dtype != NAME:
        return _typed(column, TEXT).astype("category")
    names: Any = column.cat.categories.astype("string")
    return column.cat.rename_categories(names)


def _write(file: Path, name: str, table: pd.DataFrame | Iterable[pd.DataFrame]) -> int:
    """Write a table, or its parts one below the other; return how many rows that are."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    rows = 0
    with contextlib.ExitStack() as stack:
        writer: parquet.ParquetWriter | None = None
        for part in (table,) if isinstance(table, pd.DataFrame) else table:
            columns = pa.Table.from_pandas(as_table(name, part), preserve_index=False)
            columns = columns.cast(pa.schema([_plain(each) for each in columns.schema]))
            if writer is None:
                opened = parquet.ParquetWriter(file, columns.schema, compression="zstd")
                writer = stack.enter_context(opened)
            writer.write_table(columns)
            rows += len(part)
    return rows


def _plain(field: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return a field of texts for one of names: the parts of a table number theirs differently."""
    import pyarrow as pa

    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field


def _verify(file: Path, rows: int) -> None:
    """Read back how many rows a file has; raises `OSError` when it is not what was written."""
    from pyarrow import ArrowInvalid, parquet

    try:
        found = parquet.read_metadata(file).num_rows
    except ArrowInvalid as error:
        raise OSError(f"not what was written: {error}") from error
    if found != rows:
        raise OSError(f"holds {found} rows of {rows}")


def write_table(path: Path, name: str, table: pd.DataFrame | Iterable[pd.DataFrame]) -> None:
    """Write one table of the Run at `path` as Parquet (zstd), whole or not at all.

    A long one may come in parts, of which there is one at least. Raises `EnvironmentUnmet` when the
    disk does not take it.
    """
    target = path / f"{name}.parquet"
    partial = target.with_suffix(".partial")
    try:
        _verify(partial, _write(partial, name, table))
        _settle(partial)
        partial.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise EnvironmentUnmet(
            f"{target}: cannot be written: {error.strerror or error}",
            remedy="make room, then `liveprobe audit` the Run: its tapes are kept",
        ) from error


def tapes_prefix(identity: str) -> str:
    """Return how the folder in shared memory begins that holds the tapes of the Run `identity`."""
    return f"{TAPES_PREFIX}{identity}-"


def discard_tapes(path: Path, identity: str, folder: Path) -> None:
    """Remove the tapes of the Run `identity` at `path` from `folder`: their tables are written.

    A folder that is neither in that Run nor its own in shared memory stays, whatever a manifest
    says of it: it may hold the tapes of another Run.
    """
    shared = folder.parent == SHARED_MEMORY and folder.name.startswith(tapes_prefix(identity))
    if shared or folder.resolve() == (path / TAPES).resolve():
        shutil.rmtree(folder, ignore_errors=True)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read run.json of the Run at `path`; raises as `Run.open` does."""
    file = path / MANIFEST
    hint = "`liveprobe ls` lists the Runs below ./runs"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(f"{path}: not a Run (it has no {MANIFEST})", remedy=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{file}: cannot be read: {error}", remedy=hint) from error
    try:
        manifest = json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(f"{file}: not JSON: {error}", remedy=hint) from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if not isinstance(schema, int):
        raise RunError(f"{file}: says no schema version, so it is not a Run", remedy=hint)
    if schema > SCHEMA:
        raise RunVersionError(
            f"{file}: Run of schema {schema}; this liveprobe reads up to {SCHEMA}",
            remedy="read it with a newer liveprobe",
        )
    return dict(manifest)


def being_measured(manifest: Mapping[str, Any]) -> bool:
    """Say whether the harness that began this Run is still at work on it."""
    harness = manifest.get("harness") or {}
    if manifest.get("state") != "running" or not isinstance(harness.get("pid"), int):
        return False
    ticks = start_ticks(harness["pid"])
    return ticks is not None and ticks == harness.get("start_ticks")


def start_ticks(pid: int) -> str | None:
    """Return when a process began: with its pid that names it. None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def write_json(file: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document whole or not at all; raises `EnvironmentUnmet` where that fails."""
    partial = file.with_suffix(file.suffix + ".partial")
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        _settle(partial)
        partial.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise EnvironmentUnmet(
            f"{file}: cannot be written: {error.strerror or error}",
            remedy="give a folder with room that you may write to, with -o DIR",
        ) from error


def _settle(file: Path) -> None:
    """Wait until a file is on its disk: what it was made from may be removed afterwards."""
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _read_table(
    path: Path, name: str, chosen: tuple[str, ...] | None = None
) -> pd.DataFrame | None:
    """Read a table column by column: of a long one no two lie in memory twice.

    Of some `chosen` columns, texts come as a `NAME`.
    """
    import pandas as pd
    from pyarrow import parquet

    file = path / f"{name}.parquet"
    if not file.exists():
        return None
    dtypes = TABLES[name] if chosen is None else {key: TABLES[name][key] for key in chosen}
    if chosen is not None:
        dtypes = {key: NAME if dtype == TEXT else dtype for key, dtype in dtypes.items()}
    try:
        schema = parquet.read_schema(file)
        known = {key: dtype for key, dtype in dtypes.items() if key in schema.names}
        names = [key for key in known if known[key] == NAME and _is_text(schema.field(key).type)]
        with parquet.ParquetFile(file, read_dictionary=names) as opened:
            columns = {key: _read_column(opened, key) for key in known}
            rows = pd.RangeIndex(opened.metadata.num_rows)
        return _as_typed(pd.DataFrame(columns, index=rows), dtypes)
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{file}: damaged: {error}", remedy="delete it and audit again: tapes are kept"
        ) from error


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _read_column(file: Any, name: str) -> pd.Series[Any]:  # noqa: ANN401 - pyarrow has no types
    import pandas as pd
    import pyarrow as pa

    dtypes = {
        pa.int64(): pd.Int64Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(),
        pa.large_string(): pd.StringDtype(),
    }
    found: pd.Series[Any] = file.read(columns=[name]).column(0).to_pandas(types_mapper=dtypes.get)
    return found
