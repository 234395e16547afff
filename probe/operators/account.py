"""What does an inference spend where? A table `ops` added up by operator, node and provider.

Sources are not mixed: a pass of its own and a profile of the run, or two models, stand apart. Times
are those of nodes without the graphs inside them, so they add up; where a source tells cycles only,
there are shares and no times.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

MOVES: Final = frozenset(
    {"Cast", "CastLike", "MemcpyFromHost", "MemcpyToHost", "ReorderInput", "ReorderOutput",
     "Transpose"}
)  # fmt: skip
"""Operators that move or reformat a tensor and compute nothing: whole names, for ONNX Runtime has a
`TransposeMatMul` as well."""
MOST_MOVES: Final = 20
MS_NS: Final = 1e6
GROUPS: Final = ("op", "node", "provider")


class Row(NamedTuple):
    """A node, an operator or a provider: what an inference spends in it.

    `ms` is None where only cycles are known, `share` (of the inference's operators, 0 to 1) where
    nothing is. `nodes` counts different nodes, `calls` executions in an inference, `n` all that
    were seen; `output_bytes` are those that an inference writes.
    """

    name: str
    op: str | None
    provider: str | None
    nodes: int
    calls: float
    ms: float | None
    share: float | None
    output_bytes: float | None
    n: int


@dataclass(frozen=True)
class Account:
    """One source of `ops`: its `inferences`, what they spend on average, by what they spend it.

    `unit` is "ms" or "cycles"; `frames` of the inferences are of frames of the run.
    """

    source: str
    unit: str
    inferences: int
    frames: int
    total_ms: float | None
    by_op: tuple[Row, ...]
    by_node: tuple[Row, ...]
    by_provider: tuple[Row, ...]

    @property
    def moves(self) -> tuple[Row, ...]:
        """Nodes that only move or reformat a tensor."""
        return tuple(row for row in self.by_node if row.op in MOVES)

    def rows(self, by: str) -> tuple[Row, ...]:
        """Return the rows by "op", "node" or "provider"."""
        return {"op": self.by_op, "node": self.by_node, "provider": self.by_provider}[by]

    def document(self) -> dict[str, Any]:
        """Return what run.json says: totals, providers and moves."""
        own = asdict(self)
        moves = [row._asdict() for row in self.moves]
        shares = [row["share"] for row in moves if row["share"] is not None]
        return {
            **{key: own[key] for key in ("source", "unit", "inferences", "frames", "total_ms")},
            "providers": [row._asdict() for row in self.by_provider],
            "moves": moves[:MOST_MOVES],
            "moves_share": sum(shares) if moves and len(shares) == len(moves) else None,
        }


def moves(ops: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `ops` whose operators only move or reformat a tensor."""
    return ops[ops["op"].isin(MOVES)]


def inferences(ops: pd.DataFrame) -> int:
    """Return how many inferences `ops` are of; 1 at least.

    In a table of before there were numbers of inferences: as many as its most frequent node ran.
    """
    if not len(ops):
        return 1
    known = ops[ops["run"].notna()]
    if len(known):
        return len(known[["source", "run"]].drop_duplicates())
    return int(ops.groupby("node", dropna=False).size().max())


def own_ns(ops: pd.DataFrame) -> pd.Series[Any]:
    """Return the time of each row without that of what it encloses; null where not known."""
    return ops["self_ns"].fillna(ops["end_ns"] - ops["start_ns"])


def complete(ops: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of inferences that were seen whole; all, where no row says its inference."""
    known = ops["run"].notna()
    return ops[known] if known.any() else ops


def account_of(ops: pd.DataFrame) -> tuple[Account, ...]:
    """Return an account of each source in `ops`, in their order."""
    return tuple(_accounts(ops))


def _accounts(ops: pd.DataFrame) -> Iterator[Account]:
    for source, part in ops.groupby("source", sort=False, dropna=False):
        rows = complete(part)
        count = inferences(rows)
        in_cycles = bool(rows["cycles"].notna().any())
        weight = rows["cycles"] if in_cycles else own_ns(rows)
        rows = rows.assign(weight=weight.astype("Float64"), runs=count)
        total = float(rows["weight"].fillna(0).sum())
        framed = rows[rows["frame"].notna()][["run", "frame"]].drop_duplicates()
        yield Account(
            source=source if isinstance(source, str) else "",
            unit="cycles" if in_cycles else "ms",
            inferences=count,
            frames=len(framed),
            total_ms=None if in_cycles else total / count / MS_NS,
            by_op=_grouped(rows, ["op"], total, in_cycles=in_cycles),
            by_node=_grouped(rows, ["node", "op", "provider"], total, in_cycles=in_cycles),
            by_provider=_grouped(rows, ["provider"], total, in_cycles=in_cycles),
        )


def _grouped(
    rows: pd.DataFrame, keys: Sequence[str], total: float, *, in_cycles: bool
) -> tuple[Row, ...]:
    found = []
    for key, part in rows.groupby(list(keys), sort=False, dropna=False):
        names = dict(zip(keys, key, strict=True))
        spent = float(part["weight"].fillna(0).sum())
        known = bool(part["weight"].notna().any())
        runs = int(part["runs"].iloc[0])
        given = part["output_bytes"].dropna()
        found.append(
            Row(
                name=_name(key[0]),
                op=_name(names["op"]) if "op" in names else _only(part["op"]),
                provider=_only(part["provider"]),
                nodes=int(part["node"].nunique(dropna=False)),
                calls=len(part) / runs,
                ms=None if in_cycles or not known else spent / runs / MS_NS,
                share=spent / total if known and total else None,
                output_bytes=float(given.sum()) / runs if len(given) else None,
                n=len(part),
            )
        )
    return tuple(sorted(found, key=lambda row: (-(row.share or 0), row.name)))


def _only(column: pd.Series[Any]) -> str | None:
    """Return what all rows say; None where they differ."""
    values = column.dropna().unique()
    return str(values[0]) if len(values) == 1 else None


def _name(value: Any) -> str:  # noqa: ANN401 - a text or pandas' NA
    return value if isinstance(value, str) else "?"


__all__ = [
    "GROUPS", "Account", "Row", "account_of", "complete", "inferences", "moves", "own_ns",
]  # fmt: skip
