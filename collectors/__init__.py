"""Which collectors are there? One module each, found by walking this folder."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from probe.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from probe.model import Collector

GROUP: Final = "liveprobe.collectors"
"""Other distributions name their collector classes in this group of entry points."""
_HOME: Final = Path(__file__).resolve().parent
_PROTOCOL: Final = ("name", "tracks", "period_ns", "sensitive", "start", "sample", "stop")


def discover() -> list[type[Collector]]:
    """Return the classes of all collectors: one of each module here, then those of entry points.

    Raises `UsageError` for two collectors of one name, for an entry point that cannot be loaded,
    and where a folder of the user's hides this one.
    """
    return _unique([*_of_this_package(), *_of_entry_points()])


def shipped() -> list[type[Collector]]:
    """Return the classes of the collectors that ship here, without those of entry points."""
    return _unique(_of_this_package())


def _of_this_package() -> list[type[Collector]]:
    names = sorted(entry.name for entry in pkgutil.iter_modules([str(_HOME)]))
    return [_collector_of(_own_module(name)) for name in names if not name.startswith("_")]


def _own_module(name: str) -> ModuleType:
    """Import a module of this folder; under `python -m` or `-c` the user's may come first."""
    module = importlib.import_module(f"{__name__}.{name}")
    found = Path(inspect.getfile(module)).resolve()
    if _HOME not in found.parents:
        raise UsageError(
            f"{found} hides liveprobe's own collector {name} ({_HOME})",
            remedy="rename that folder, or start `liveprobe` from another directory",
        )
    return module


def _collector_of(module: ModuleType) -> type[Collector]:
    found = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and each.__module__ == module.__name__ and _is_collector(each)
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} must define one collector class, not {len(found)}")
    return cast("type[Collector]", found[0])


def _is_collector(found: Any) -> bool:  # noqa: ANN401 - whatever a module or an entry point gives
    return inspect.isclass(found) and all(hasattr(found, part) for part in _PROTOCOL)


def _of_entry_points() -> list[type[Collector]]:
    return [_loaded(point) for point in sorted(metadata.entry_points(group=GROUP))]


def _loaded(point: metadata.EntryPoint) -> type[Collector]:
    owner = point.dist.name if point.dist is not None else "an unknown distribution"
    remedy = f"upgrade or uninstall {owner}"
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        what = f"collector {point.name} of {owner} cannot be loaded: {error}"
        raise UsageError(what, remedy=remedy) from error
    if not _is_collector(found):
        missing = ", ".join(part for part in _PROTOCOL if not hasattr(found, part)) or "a class"
        what = f"{point.value} of {owner} is no collector: it lacks {missing}"
        raise UsageError(what, remedy=remedy)
    return cast("type[Collector]", found)


def _unique(classes: list[type[Collector]]) -> list[type[Collector]]:
    taken: dict[str, type[Collector]] = {}
    for each in classes:
        other = taken.setdefault(each.name, each)
        if other is not each:
            places = " and ".join(f"{k.__module__}.{k.__qualname__}" for k in (other, each))
            raise UsageError(
                f"two collectors have the name {each.name}: {places}",
                remedy="uninstall the distribution that brings the second one",
            )
    return classes
