"""Every name once: texts of a trace, interned, so that a packet carries a small number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind: TypeAlias = Literal["categories", "names", "annotations", "texts"]
_FIELDS: Final[dict[Kind, str]] = {
    "categories": "event_categories",
    "names": "event_names",
    "annotations": "debug_annotation_names",
    "texts": "debug_annotation_string_values",
}
"""Where `InternedData` keeps each kind."""


class Words:
    """Gives each text of each kind a number from 1; 0 stands for a missing one."""

    def __init__(self) -> None:
        self._known: dict[Kind, dict[str, int]] = {kind: {} for kind in _FIELDS}

    def one(self, kind: Kind, text: str) -> int:
        """Return the number of a text."""
        known = self._known[kind]
        return known.setdefault(text, len(known) + 1)

    def many(self, kind: Kind, texts: pd.Series[str]) -> NDArray[np.int64]:
        """Return the numbers of a column of texts, 0 where it is null."""
        codes, distinct = pd.factorize(texts)
        numbers = np.array([*(self.one(kind, str(text)) for text in distinct), 0], dtype=np.int64)
        return numbers[codes]  # factorize gives -1 for null: the last

    def data(self) -> pb.InternedData:
        """Return all texts so far as the schema has them; a lone surrogate becomes `?`."""
        data = pb.InternedData()
        for kind, known in self._known.items():
            for text, number in known.items():
                entry = getattr(data, _FIELDS[kind]).add(iid=number)
                clean = text.encode("utf-8", "replace")
                if kind == "texts":
                    entry.str = clean
                else:
                    entry.name = clean.decode("utf-8")
        return data
