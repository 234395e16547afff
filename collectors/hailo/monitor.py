"""Which monitor files of HailoRT are being written now, and what do they say?

A file counts from the moment when it is seen to change until it was left alone for 1.5 s, and while
its process lives: files of dead processes stay behind. They are never locked, for HailoRT
would fail to; one that is just being rewritten is read again.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.hailo.messages import BEYOND_PERCENT, Document, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.model import Device

FOLDER: Final = "/tmp/hmon_files"  # noqa: S108 - HailoRT's choice
SHARED: Final = "/tmp/nnc_utilization/nnc_utilization"  # noqa: S108 - likewise
STALE_NS: Final = 1_500_000_000
"""What hailortcli takes for the age of a file that nobody writes any more."""
MOST_BYTES: Final = 1 << 20
MOST_FILES: Final = 4096
TRIES: Final = 3
PID: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
NUMBER: Final = re.compile(r"[0-9]{1,6}\.[0-9]{1,9}", re.ASCII)
FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
"""Anybody may put a pipe or a link into /tmp."""

Stamp = tuple[int, int, int]


class _Seen(NamedTuple):
    """A file as it was last read, and when it was seen to have changed; None: not in this run."""

    stamp: Stamp
    changed_ns: int | None


class Monitor:
    """The monitor files of all processes of the device, and the one number that they share."""

    def __init__(self, device: Device) -> None:
        self._folder = device.path(FOLDER)
        self._shared_file = device.path(SHARED)
        self._proc = device.path("/proc")
        self._seen = {
            name: _Seen(stamp, None)
            for name, path in self._files()
            if (stamp := _stamp(path)) is not None
        }
        self._live: set[str] = set()
        found = _stamp(self._shared_file)
        self._shared = None if found is None else _Seen(found, None)
        self._shared_live = False

    def read(self, t_ns: int) -> Iterator[tuple[str, Document | None]]:
        """Yield (pid, report) of each file that changed since, (pid, None) of each that ended."""
        files = dict(self._files())
        living = {name: path for name, path in files.items() if (self._proc / name).exists()}
        for name, path in living.items():
            stamp, known = _stamp(path), self._seen.get(name)
            if stamp is None or (known is not None and known.stamp == stamp):
                continue
            document = _report(path)
            if document is not None:
                self._seen[name] = _Seen(stamp, t_ns)
                self._live.add(name)
                yield name, document
        for name in sorted(self._live):
            changed = self._seen[name].changed_ns
            if name not in living or changed is None or t_ns - changed > STALE_NS:
                self._live.discard(name)
                yield name, None

    def shared(self, t_ns: int) -> Iterator[float | None]:
        """Yield the number that the last writer left, where no file of a process tells more."""
        stamp = _stamp(self._shared_file)
        changed = self._shared is None or stamp != self._shared.stamp
        if stamp is not None and changed and not self._live:
            value = percent(_content(self._shared_file) or b"")
            if value is not None:
                self._shared, self._shared_live = _Seen(stamp, t_ns), True
                yield value
                return
        since = self._shared.changed_ns if self._shared is not None else None
        if self._shared_live and (self._live or since is None or t_ns - since > STALE_NS):
            self._shared_live = False
            yield None

    def _files(self) -> list[tuple[str, Path]]:
        try:
            found = [path.name for path in self._folder.iterdir()]
        except OSError:
            return []
        names = sorted(filter(PID.fullmatch, found))
        return [(name, self._folder / name) for name in names[:MOST_FILES]]


def percent(data: bytes) -> float | None:
    """Parse `43.100000` and a line end; None for anything else and for what is no share."""
    text = data.decode("ascii", "replace").removesuffix("\n")
    value = float(text) if NUMBER.fullmatch(text) else None
    return value if value is not None and value <= BEYOND_PERCENT else None


def _report(path: Path) -> Document | None:
    """Read a file, again where it was caught half written: its devices come last."""
    for _ in range(TRIES):
        data = _content(path)
        document = parse(data) if data else None
        if document is not None and document.devices:
            return document
    return None


def _stamp(path: Path) -> Stamp | None:
    """Return what changes when a file is rewritten, in place or by another's taking its name."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None


def _content(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, FLAGS)
    except OSError:
        return None
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, MOST_BYTES) if regular else None
    except OSError:
        return None
    finally:
        os.close(descriptor)
