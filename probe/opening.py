"""What is there before a program starts? The directory of a Run, its manifest, a place for tapes.

A harness that is killed leaves them: those of a Run are what it is recovered from (`liveprobe
audit`); those of a program that was only load are nothing, and the next load removes them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import probe
from probe import provenance, spent, store
from probe.devices import local
from probe.devices.surroundings import TMPFS_ROOM_BYTES
from probe.errors import EnvironmentUnmet, UsageError
from probe.scenario import drain_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from probe.model import Device
    from probe.scenario import Scenario

LOAD_PREFIX: Final = f"{store.TAPES_PREFIX}load-"
"""How the folder of a program that is load begins; then the harness: namespace, pid, start."""


@dataclass(frozen=True)
class Origin:
    """Where a scenario came from: its text, and what was changed from what ships."""

    text: str = ""
    custom: bool = True
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A Run in state `running`: its directory, where its tapes go, and its manifest."""

    path: Path
    tapes: Path
    manifest: dict[str, Any]


def opened(
    scenario: Scenario,
    folder: Path,
    origin: Origin,
    device: Device,
    prepared: Mapping[str, Any],
) -> Opened:
    """Make the Run's directory below `folder` and write its manifest, in state `running`.

    Raises as `make_directory`, and `EnvironmentUnmet` where the manifest cannot be written: then
    nothing is left, nor after an interrupt.
    """
    inventory = local.inventory(device)
    created = time.gmtime()
    slug = re.sub(r"[^a-z0-9]+", "-", str(inventory["name"]).lower()).strip("-") or "device"
    identity = f"{time.strftime('%Y%m%dT%H%M%SZ', created)}-{scenario.name}-{slug}"
    path = make_directory(folder, identity)
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, path, ignore_errors=True)
        tapes = _tape_folder(path)
        undo.callback(shutil.rmtree, tapes, ignore_errors=True)
        manifest: dict[str, Any] = {
            "schema": store.SCHEMA,
            "liveprobe": probe.__version__,
            "id": path.name,
            "state": "running",
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", created),
            "mode": scenario.mode,
            "scenario": {
                "name": scenario.name,
                "title": scenario.title,
                "custom": origin.custom,
                "overrides": list(origin.overrides),
                "resolved": scenario.document(),
                "hashes": provenance.hashes(scenario, origin.text),
            },
            "bounds": bounds(scenario),
            **prepared,
            "device": inventory,
            "clocks": {"clock": "CLOCK_MONOTONIC", **clock_pair("start")},
            "window": None,
            "deadline_ns": scenario.run.deadline,
            "collectors": [],
            "perturbations": [],
            "environment": provenance.environment(),
            "program": {"command": [], "pid": None, "outcome": None, "facts": {}},
            "tapes": {"folder": str(tapes), "in_memory": tapes.parent == store.SHARED_MEMORY},
            "harness": {
                "pid": os.getpid(),
                "start_ticks": store.start_ticks(os.getpid()),
                "cpu_ns": spent.of_everything_ns(),
            },
        }
        store.write_json(path / store.MANIFEST, manifest)
        undo.pop_all()
    return Opened(path, tapes, manifest)


def bounds(scenario: Scenario) -> dict[str, int | None]:
    """Return the lengths of a run; a command goes on until it ends, unless it is told how long."""
    open_ended = scenario.mode == "command" and "duration" not in scenario.run.model_fields_set
    return {
        "warmup_ns": scenario.run.warmup,
        "duration_ns": None if open_ended else scenario.run.duration,
        "drain_ns": drain_ns(scenario),
    }


def clock_pair(when: str) -> dict[str, int]:
    """Return the monotonic and the wall clock of now, named after `when`."""
    return {f"{when}_monotonic_ns": time.monotonic_ns(), f"{when}_wall_ns": time.time_ns()}


def make_directory(folder: Path, identity: str) -> Path:
    """Make a new directory below `folder`, numbered where there is one of that name.

    Raises `UsageError` where `folder` is no folder, `EnvironmentUnmet` where it cannot be made.
    """
    hint = "give another folder, one that you may write to"
    for attempt in range(1, 100):
        path = folder / (identity if attempt == 1 else f"{identity}-{attempt}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if folder.is_dir():
                continue
            raise UsageError(f"{folder}: not a folder", remedy=hint) from None
        except NotADirectoryError:
            raise UsageError(f"{folder}: not a folder", remedy=hint) from None
        except OSError as error:
            raise EnvironmentUnmet(
                f"{path}: cannot be made: {error.strerror}", remedy=hint
            ) from error
        return path
    raise EnvironmentUnmet(f"{folder / identity}: exists a hundred times", remedy=hint)


@contextlib.contextmanager
def load_folder() -> Iterator[Path]:
    """Give a folder for a program that is only load; it is removed with all that is in it.

    Those that killed harnesses left are removed first.
    """
    _discard_left()
    pid = os.getpid()
    prefix = f"{LOAD_PREFIX}{_pid_namespace()}-{pid}-{store.start_ticks(pid)}-"
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir=_room(), ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _discard_left() -> None:
    """Remove the folders of loads whose harness is gone; of another namespace nobody can tell."""
    here = _pid_namespace()
    places = {store.SHARED_MEMORY, Path(tempfile.gettempdir())}
    for folder in (each for place in places for each in place.glob(f"{LOAD_PREFIX}*")):
        found = re.fullmatch(r"(\d+)-(\d+)-(\d+)-\w+", folder.name.removeprefix(LOAD_PREFIX))
        if found is None or int(found[1]) != here:
            continue
        if store.start_ticks(int(found[2])) != found[3]:
            shutil.rmtree(folder, ignore_errors=True)


def _pid_namespace() -> int:
    """Return which processes this one sees: a pid means nothing elsewhere."""
    return Path("/proc/self/ns/pid").stat().st_ino


def _tape_folder(path: Path) -> Path:
    """Return a folder for tapes: on tmpfs where there is room, so writeback disturbs nobody."""
    shared = _room()
    with contextlib.suppress(OSError):
        if shared is not None:
            return Path(tempfile.mkdtemp(prefix=store.tapes_prefix(path.name), dir=shared))
    inside = path / store.TAPES
    inside.mkdir()
    return inside


def _room() -> Path | None:
    """Return the tmpfs if there is room for tapes on it."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(store.SHARED_MEMORY).free >= TMPFS_ROOM_BYTES:
            return store.SHARED_MEMORY
    return None
