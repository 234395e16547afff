"""What do several audits compute from the same tables? It is computed once, and shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Views:
    """What was computed from the tables of a Run, with the names of those that it was read from.

    So a Run that shows only some tables gives nothing that was computed from another. What is kept
    is shared: nobody may change it.
    """

    def __init__(self) -> None:
        self._made: dict[object, tuple[Any, frozenset[str]]] = {}
        self._reading: list[set[str]] = []

    def read(self, names: Iterable[str]) -> None:
        """Note that these tables were asked for, by whatever is being computed."""
        for each in self._reading:
            each.update(names)

    def of(self, make: Callable[[], T], key: object, allow: Callable[[str], object]) -> T:
        """Return what `make` gave for `key` before, else gives now.

        `allow` is asked for each table that it was read from, and raises for one that it may not
        be.
        """
        if key not in self._made:
            self._reading.append(set())
            try:
                found = make()
            finally:
                names = self._reading.pop()
            self._made[key] = found, frozenset(names)
        found, read = self._made[key]
        for name in read:
            allow(name)
        self.read(read)
        known: T = found
        return known


class shared(Generic[T]):  # noqa: N801 - a decorator, as `property`
    """A property of what is made from a Run and holds it as `run`: computed once a Run.

    It may depend on nothing but the Run, whatever else its owner was given.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, owner: Any, kind: type[Any]) -> T:  # noqa: ANN401 - any such class
        found: T = owner.run.view(lambda run: self._compute(kind(run)), self)
        return found
