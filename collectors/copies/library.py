"""Where is the interposer, does it load here, and where can the loader take it from?

Reasons go into reports, so they say no folder of the user's.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

from probe.errors import NoData
from probe.tool import tried

HOME: Final = Path(__file__).resolve().parent
STEM: Final = "_interposer"
SHOWN: Final = "collectors/copies"
SEPARATORS: Final = frozenset(" :$")
"""LD_PRELOAD is split at the first two, and a dollar begins a name that the loader replaces."""
TRIAL_S: Final = 10.0
BUILD: Final = "install a C compiler, then reinstall liveprobe"
BUILD_AGAIN: Final = "reinstall liveprobe: `pip install -v` says why it was not built"
COMPILERS: Final = ("cc", "gcc", "clang")


def built() -> Path:
    """Return the interposer's file; raises `NoData` where it was not built.

    One build serves every program, so that of another Python in the same folder does as well.
    """
    own = [HOME / f"{STEM}{suffix}" for suffix in EXTENSION_SUFFIXES]
    found = [path for path in (*own, *sorted(HOME.glob(f"{STEM}*.so"))) if path.is_file()]
    if not found:
        remedy = BUILD_AGAIN if any(map(shutil.which, COMPILERS)) else BUILD
        raise NoData(f"{SHOWN}/{STEM}*.so: the copy interposer was not built", remedy=remedy)
    return found[0]


def placed(library: Path, tapes: Path) -> tuple[Path, Path | None]:
    """Return a path of the library that LD_PRELOAD can hold, and the folder made for it, if any.

    Raises `NoData` where there is none.
    """
    if not SEPARATORS & set(str(library)):
        return library, None
    made = None
    try:
        folder = tapes
        if SEPARATORS & set(str(tapes)):
            folder = made = Path(tempfile.mkdtemp(prefix="liveprobe-"))
        link = folder / library.name
        link.symlink_to(library)
    except OSError as error:
        withdraw(made)
        raise NoData(
            f"{library.name}: cannot be linked to: {error.strerror}", remedy=_REMEDY
        ) from error
    if SEPARATORS & set(str(link)):
        withdraw(made)
        raise NoData(f"{library.name}: LD_PRELOAD cannot hold its path", remedy=_REMEDY)
    return link, made


_REMEDY: Final = "install liveprobe, or set TMPDIR, to a folder without spaces, colons and dollars"


def withdraw(folder: Path | None) -> None:
    """Remove the folder that `placed` made."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def try_out(library: Path) -> None:
    """Start a small program under the library; raises `NoData` where it cannot be loaded."""
    command = ["/bin/true"] if Path("/bin/true").exists() else [sys.executable, "-S", "-c", ""]
    remedy = "reinstall liveprobe on this machine, with a C compiler"
    try:
        code, complaint = tried(command, TRIAL_S, {"LD_PRELOAD": str(library)})
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or f"no end within {TRIAL_S:g} s"
        raise NoData(f"{library.name}: could not be tried: {why}", remedy=remedy) from error
    said = complaint.strip()
    if code != 0 or library.name in said:
        why = said.splitlines()[-1] if said else f"a program under it ended with {code}"
        why = why.replace(str(library.parent), SHOWN)
        raise NoData(f"{library.name}: cannot be loaded: {why}", remedy=remedy)


def fingerprint(library: Path) -> dict[str, str | None]:
    """Return name and SHA-256 of the library."""
    digest = None
    with contextlib.suppress(OSError):
        digest = hashlib.sha256(library.read_bytes()).hexdigest()
    return {"file": library.name, "sha256": digest}
