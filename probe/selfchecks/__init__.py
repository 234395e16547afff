"""Does liveprobe see what it must see, on this machine? One check a file, found by walking here.

A check measures something whose truth is known, and compares. Adding one creates one file, with one
value: ``CHECK = SelfCheck(...)``.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


class Step(NamedTuple):
    """One comparison: of what, what must be found, what was found."""

    case: str
    expected: str
    found: str
    passed: bool


@dataclass(frozen=True)
class SelfCheck:
    """A check: `run` gets a folder to make Runs in and a way to say what it does, and compares.

    It raises `EnvironmentUnmet` where the machine lacks what is to be checked.
    """

    name: str
    title: str
    run: Callable[[Path, Callable[[str], None]], Iterable[Step]]


def discover() -> dict[str, SelfCheck]:
    """Return the checks by name."""
    modules = sorted(entry.name for entry in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{module}").CHECK for module in modules]
    return {check.name: check for check in found}
