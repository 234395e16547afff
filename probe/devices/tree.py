"""A captured tree as a device: the files of `/proc`, `/sys` and `/etc` of another machine.

`LIVEPROBE_DEVICE_ROOT` names it. The files below it are all that is looked at; tools are answered
by what was recorded in it (`probe.tool`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from probe.errors import UsageError
from probe.kernel_file import read_integer
from probe.model import Device
from probe.tool import HERE, RECORDED

ROOT: Final = "LIVEPROBE_DEVICE_ROOT"
PROGRAM: Final = f"/{RECORDED}/program_pid.txt"
"""Which of the tree's processes is the program, in a tree that has one."""
PARTS: Final = ("proc", "sys")
MOST_ENTRIES: Final = 200_000
REMEDY: Final = (
    f"{ROOT} names the folder that holds proc/ and sys/ of a device (tests/devices/README.md); "
    "leave it unset for this machine"
)


def chosen() -> Device:
    """Return the device that `LIVEPROBE_DEVICE_ROOT` names, this machine where it is not set.

    Raises `UsageError` for what is no tree.
    """
    named = os.environ.get(ROOT, "")
    if not named:
        return Device("local")
    root = Path(os.path.realpath(named))
    if root == HERE:
        return Device("local")
    if not os.path.isdir(root):  # noqa: PTH112 - raises never
        what = "is no folder" if os.path.lexists(named) else "does not exist"
        raise UsageError(f"{ROOT}={named}: {what}", remedy=REMEDY)
    if not os.access(root, os.R_OK | os.X_OK):
        raise UsageError(f"{ROOT}={named}: may not be looked into", remedy=REMEDY)
    if not any(os.path.isdir(root / part) for part in PARTS):  # noqa: PTH112
        raise UsageError(f"{ROOT}={named}: holds neither proc/ nor sys/", remedy=REMEDY)
    return Device("tree", root, program(root))


def program(root: Path) -> int | None:
    """Return the pid of the tree's program, None in a tree without one."""
    pid = read_integer(root / PROGRAM.lstrip("/"))
    if pid is None or not os.path.isdir(root / "proc" / str(pid)):  # noqa: PTH112
        return None
    return pid


def leaving(root: Path) -> list[str]:
    """Return the links that lead out of a tree: what they point to is of this machine.

    Those of processes (`/proc/<pid>`) and those that lead nowhere do not count: nobody reads them.
    """
    found, entries, top = [], 0, os.path.realpath(root)
    for folder, folders, files in os.walk(top):
        if folder == f"{top}/proc":
            folders[:] = [each for each in folders if not each.isdigit()]
        for name in (*folders, *files):
            path = f"{folder}/{name}"
            if os.path.islink(path) and os.path.exists(path) and not _below(path, top):  # noqa: PTH110, PTH114
                found.append(path.removeprefix(top))
        entries += len(folders) + len(files)
        if entries > MOST_ENTRIES:
            break
    return sorted(found)


def _below(path: str, top: str) -> bool:
    return os.path.realpath(path).startswith(f"{top}/")
