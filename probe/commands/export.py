"""`liveprobe export`: a Run in the format of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from probe.console.terminal import Terminal, speaking
from probe.errors import UsageError


def complete_format(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the formats that begin with what was typed."""
    from probe import export

    return [name for name in export.discover() if name.startswith(incomplete)]


@click.command(short_help="Write a Run for another tool.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    required=True,
    metavar="FORMAT",
    shell_complete=complete_format,
    help="perfetto (for ui.perfetto.dev), csv, parquet.",
)
@click.option("-o", "output", type=click.Path(path_type=Path), help="Where it goes.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@speaking
def command(*, terminal: Terminal, run: Path, target: str, output: Path | None, force: bool) -> int:
    """Write the Run in directory RUN in another format: in the Run itself unless -o says where."""
    from probe import export
    from probe.console import judged

    formats = export.discover()
    if target not in formats:
        raise UsageError(f"--to {target}: no such format", remedy=f"one of {', '.join(formats)}")
    chosen = formats[target]
    opened = judged.recovered(run)
    path = output or run / _own_name(chosen.suffix)
    _refuse_existing(path, own=output is None, force=force)
    chosen.export(opened, path)
    terminal.result(str(path), {"format": target, "path": str(path)})
    return 0


def _own_name(suffix: str) -> str:
    """Return what an export is called inside its Run: a file ``trace.x``, a folder ``tables-x``."""
    return f"trace{suffix}" if suffix.startswith(".") else f"tables{suffix}"


def _refuse_existing(path: Path, *, own: bool, force: bool) -> None:
    """Raise `UsageError` for what stands in the way.

    A folder is replaced only under the name that we gave it: ``-o . --force`` deletes nothing.
    """
    if not path.exists() or (force and (own or path.is_file())):
        return
    if path.is_dir() and not own:
        raise UsageError(f"{path}: a folder that exists", remedy="give a new name with -o")
    raise UsageError(f"{path}: exists", remedy="add --force to replace it, or give another -o")
