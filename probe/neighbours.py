"""Are `collectors`, `reports` and `scenarios` ours, or does a folder of the user's hide them?

Under `python -m` and `-c` the current directory comes first on the import path, so somebody's own
`collectors/` would be imported in place of ours, and fail far from the cause.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from probe.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType

_HOME: Final = Path(__file__).resolve().parent.parent


def ours(name: str) -> ModuleType:
    """Import the package `name` that stands beside `probe`.

    Raises `UsageError` where another folder of that name comes first on the import path.
    """
    module = importlib.import_module(name)
    places = [Path(place).resolve() for place in getattr(module, "__path__", [])]
    if places != [_HOME / name]:
        found = places[0] if places else getattr(module, "__file__", "another module")
        raise UsageError(
            f"{found} hides liveprobe's own package {name} ({_HOME / name})",
            remedy="rename that folder, or start `liveprobe` from another directory",
        )
    return module
