"""Which rows of the support matrix are of this device?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMED: Final = re.compile(r"\b[A-Z][A-Za-z0-9-]*")
COMMON: Final = frozenset({"linux"})
"""Words with a capital that name no kind of device."""


def of_device(
    sources: Sequence[Mapping[str, str]], inventory: Mapping[str, Any]
) -> list[Mapping[str, str]]:
    """Return the rows for this device alone, all where none names it.

    A kind of device that is named (`Raspberry Pi 5`) has a word in the inventory; one that is not
    (`any Linux`) is for all.
    """
    chips = [each["name"] for each in inventory["accelerators"]]
    words = [inventory["board"], inventory["soc"], inventory["cpu"], *chips]
    text = " ".join(filter(None, words)).lower()
    return [each for each in sources if _is_named(each["device"], text)] or list(sources)


def _is_named(kind: str, words: str) -> bool:
    names = {each.lower() for each in NAMED.findall(kind)} - COMMON
    return not names or any(name in words for name in names)
