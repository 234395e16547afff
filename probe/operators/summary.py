"""What a Run says of its operators besides the rows: asked and given, what fell back, the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe import stated
from probe.operators import log, statement
from probe.operators.account import account_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from probe.operators.statement import Node, Statement

MOST_NAMED: Final = 50


def summary_of(
    ops: pd.DataFrame,
    sources: Sequence[Mapping[str, Any]],
    statements: Sequence[Statement],
    manifest: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what goes into run.json as `operators`.

    `sources` describes each profile of `ops`; `facts` are the program's; the log is also looked for
    in what the program last wrote on stderr.
    """
    asked, got = _providers(statements, facts)
    nodes = [node for said in statements for node in said.assigned or ()]
    told = any(said.assigned is not None for said in statements)
    tail = str((manifest.get("program") or {}).get("stderr_tail") or "")
    logged = [line for said in statements for line in said.log]
    return {
        "asked": list(asked),
        "got": list(got),
        "seen_by": "assignment" if told else "profile",
        "assigned": _counts(nodes) if told else None,
        "fallback": _fallback(nodes, asked) if told else None,
        "sources": list(sources),
        "accounts": [account.document() for account in account_of(ops)],
        "cost": next((statement.cost(said.pairs) for said in statements if said.pairs), None),
        "log": list(dict.fromkeys([*logged, *log.reasons(tail)]))[: log.MOST],
        "failed": [said.failed for said in statements if said.failed],
    }


def _providers(
    statements: Sequence[Statement], facts: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    for said in statements:
        if said.asked and said.got:
            return said.asked, said.got
    return stated.providers({"program": {"facts": dict(facts)}}) or ((), ())


def _counts(nodes: Sequence[Node]) -> dict[str, int]:
    names = [node.provider for node in nodes]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _fallback(nodes: Sequence[Node], asked: Sequence[str]) -> dict[str, Any] | None:
    """Return the model's own nodes that the provider asked for first did not take."""
    if not asked:
        return None
    left = [node for node in nodes if node.provider != asked[0]]
    return {
        "nodes": len(left),
        "of": len(nodes),
        "named": [[node.name, node.op, node.provider] for node in left[:MOST_NAMED]],
    }
