"""Which rows of the support matrix are of this device?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BETWEEN: Final = re.compile(r"[,()]|\b(?:and|or|up to|with)\b")
"""What parts a kind into alternatives: `Arm cores (Raspberry Pi 5, RK3588)` are three."""
NAMED: Final = re.compile(r"\b[A-Z][\w-]*(?: [A-Z][\w-]*| \d+(?![\w.]))*")
COMMON: Final = frozenset({"Linux"})
"""Words with a capital that name no kind of device."""


def of_device(
    sources: Sequence[Mapping[str, str]], inventory: Mapping[str, Any]
) -> list[Mapping[str, str]]:
    """Return the rows for this device alone, all where none names it.

    A kind of device that is named (`Raspberry Pi 5`) stands in the inventory, with all names of
    one of its alternatives; one that is not (`any Linux`) is for all.
    """
    chips = [each["name"] for each in inventory["accelerators"]]
    said = filter(None, [inventory["board"], inventory["soc"], inventory["cpu"], *chips])
    text = " | ".join(" ".join(re.findall(r"[\w.-]+", each)) for each in said)
    return [each for each in sources if _is_named(each["device"], text)] or list(sources)


def _is_named(kind: str, text: str) -> bool:
    alternatives = [set(NAMED.findall(each)) - COMMON for each in BETWEEN.split(kind)]
    named = list(filter(None, alternatives))
    return not named or any(all(_stands(name, text) for name in names) for names in named)


def _stands(name: str, text: str) -> bool:
    """Look for whole words; a letter after a number is a variant of it (RK3588S)."""
    whole = rf"(?<![\w.-]){re.escape(name)}(?:(?<=\d)[a-z])?(?![\w.-])"
    return re.search(whole, text, re.IGNORECASE) is not None
