"""In which formats of other tools can a Run be written? One module each, found by walking."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import shutil
from typing import TYPE_CHECKING, NamedTuple

from probe.errors import EnvironmentUnmet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from probe.store import Run


class Exporter(NamedTuple):
    """A format: its name, how its files end, what it is for, and the function that writes it."""

    name: str
    suffix: str
    description: str
    export: Callable[[Run, Path], None]


def discover() -> dict[str, Exporter]:
    """Return every format by name; each module has SUFFIX, DESCRIPTION and `export(run, path)`."""
    found = {}
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        found[entry.name] = Exporter(entry.name, module.SUFFIX, module.DESCRIPTION, module.export)
    return found


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write a file or a folder at; it appears there whole or never.

    What stood at `path` is replaced. Raises `EnvironmentUnmet` when the disk does not take it.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        _remove(partial)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _remove(path)
        partial.rename(path)
    except OSError as error:
        raise EnvironmentUnmet(
            f"{path}: cannot be written: {error.strerror or error}",
            remedy="give a place with room that you may write to, with -o",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
