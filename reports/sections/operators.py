"""Which operators does an inference spend its time in, and who ran them?

Every number is of `probe.operators`; it never judges what fell back: an audit does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.operators.account import account_of
from reports.page import numbers
from reports.page.privacy import redacted

if TYPE_CHECKING:
    from probe.operators.account import Account, Row
    from reports.page.subject import Subject

MOST_OPS: Final = 10
MOST_NODES: Final = 20
MOST_LOG: Final = 3
SUFFIX: Final = "ExecutionProvider"
BLANK: Final = "\N{EN DASH}"


@dataclass(frozen=True)
class Unseen:
    """Why no operator was seen."""

    reason: str
    remedy: str


@dataclass(frozen=True)
class Line:
    """A row of a table, ready to be read; `width` is its bar in percent of the largest."""

    name: str
    op: str
    provider: str
    spent: str
    share: str
    nodes: str
    width: float


@dataclass(frozen=True)
class Source:
    """One profile: what it is of, and its tables. `unit` stands in the heads of columns."""

    lead: str
    basis: str
    unit: str
    by_op: tuple[Line, ...]
    more_ops: int
    by_node: tuple[Line, ...]
    more_nodes: int


@dataclass(frozen=True)
class Operators:
    """The section: its sources, and what is known beside them as (what, said)."""

    sources: tuple[Source, ...]
    known: tuple[tuple[str, str], ...]


def operators(subject: Subject) -> Operators | Unseen:
    """Return the operators of a Run, or why none was seen."""
    said = subject.part("operators")
    accounts = account_of(subject.run.table("ops"))
    if not accounts:
        return _unseen(subject, said)
    described = {
        str(each.get("file")): each for each in said.get("sources") or [] if isinstance(each, dict)
    }
    sources = [_source(each, described.get(each.source, {})) for each in accounts]
    return Operators(tuple(sources), tuple(_known(said, accounts, list(described.values()))))


def _unseen(subject: Subject, said: dict[str, Any]) -> Unseen:
    for each in subject.manifest.get("collectors") or []:
        if each.get("name") == "onnxruntime" and each.get("outcome") != "ok":
            return Unseen(
                str(each.get("reason") or "no reason given"), str(each.get("remedy") or "")
            )
    failed = said.get("failed") or []
    if failed:
        return Unseen(f"the pass before the run failed: {failed[0]}", "")
    return Unseen("the operators of the model were not looked at", "measure it again")


def _source(account: Account, said: dict[str, Any]) -> Source:
    ops, nodes = account.by_op, account.by_node
    return Source(
        lead=_lead(account),
        basis=_basis(account, said),
        unit="cycles" if account.unit == "cycles" else "ms",
        by_op=tuple(_lines(ops[:MOST_OPS])),
        more_ops=max(0, len(ops) - MOST_OPS),
        by_node=tuple(_lines(nodes[:MOST_NODES])),
        more_nodes=max(0, len(nodes) - MOST_NODES),
    )


def _lead(account: Account) -> str:
    top = account.by_op[0]
    what = f"{top.name} takes {numbers.percent(top.share, 0)}"
    if account.total_ms is None:
        return f"{what} of the cycles of an inference's operators."
    nodes = sum(row.nodes for row in account.by_provider)
    shares = [f"{short(row.name)} {numbers.percent(row.share, 0)}" for row in account.by_provider]
    ran = (
        f"{shares[0].rpartition(' ')[0]} ran all of them"
        if len(shares) == 1
        else (f"by provider {', '.join(shares)}")
    )
    return (
        f"An inference spends a mean of {numbers.fine(account.total_ms)}{numbers.NBSP}ms in"
        f" {numbers.plural(nodes, 'node')}; {what}. "
        f"{numbers.sentence(ran)}."
    )


def _basis(account: Account, said: dict[str, Any]) -> str:
    count = numbers.plural(account.inferences, "inference")
    if said.get("runtime") == "litert":
        return f"{account.source}: averages of LiteRT's benchmark, which is no part of this run"
    if account.unit == "cycles":
        return f"{account.source}: mean of {count}; cycles are shares of an inference, no times"
    where = "in a pass of its own before the run"
    if not said.get("before_the_run"):
        where = (
            f"of {account.source}, {numbers.plural(account.frames, 'of them', 'of them')} placed"
        )
        where += " in a frame of this run"
    return f"mean of {count} {where}"


def _lines(rows: tuple[Row, ...]) -> list[Line]:
    largest = max((row.share or 0 for row in rows), default=0) or 1
    return [
        Line(
            name=redacted(row.name).lstrip("/"),  # a path it is not
            op=row.op or "",
            provider=BLANK if row.provider is None else short(row.provider),
            spent=BLANK if row.ms is None else numbers.fine(row.ms),
            share=BLANK if row.share is None else numbers.percent(row.share),
            nodes=f"{row.calls:,.0f}"
            if round(row.calls, 1) == round(row.calls)
            else f"{row.calls:,.1f}",
            width=round(100 * (row.share or 0) / largest, 2),
        )
        for row in rows
    ]


def _known(
    said: dict[str, Any], accounts: tuple[Account, ...], sources: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    """Return what stands beside the tables: asked and got, fallback, moves, cost, gaps, log."""
    rows: list[tuple[str, str]] = []
    asked, got = (said.get(name) or [] for name in ("asked", "got"))
    if asked:
        rows.append(("asked for", ", ".join(short(name) for name in asked)))
        rows.append(("given", ", ".join(short(name) for name in got) or "not told"))
    rows += _assigned(said)
    for account in accounts:
        moves = [row for row in account.moves if row.share is not None]
        if moves:
            share = numbers.percent(sum(row.share or 0 for row in moves))
            names = sorted({row.op or "?" for row in moves})
            rows.append(("only move or reformat", f"{share} of it: {', '.join(names)}"))
    rows += _cost(said.get("cost"))
    rows += [("gaps", text) for source in sources for text in _gaps(source)]
    rows += [
        ("the runtime logged", redacted(str(text))) for text in (said.get("log") or [])[:MOST_LOG]
    ]
    rows += [("not read", f"{name}: {why}") for name, why in said.get("not_read") or []]
    return rows


def _assigned(said: dict[str, Any]) -> list[tuple[str, str]]:
    assigned, fallback = said.get("assigned"), said.get("fallback")
    if not isinstance(assigned, dict) or not assigned:
        return []
    each = ", ".join(f"{short(name)} {numbers.count(count)}" for name, count in assigned.items())
    rows = [("the model's own nodes", f"{each} (before they were fused)")]
    if isinstance(fallback, dict) and fallback.get("nodes"):
        ops = sorted({str(op) for _, op, _ in fallback.get("named") or []})
        text = f"{numbers.count(fallback['nodes'])} of {numbers.count(fallback['of'])}"
        rows.append(("not on the first choice", f"{text}: {', '.join(ops[:MOST_OPS])}"))
    return rows


def _cost(cost: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - JSON
    if not isinstance(cost, dict) or cost.get("excess_pct") is None:
        return []
    excess = float(cost["excess_pct"])
    profiled, plain = (numbers.ms(cost[name]) for name in ("profiled_ms", "plain_ms"))
    text = (
        f"a median of {profiled} an inference, without it {plain}:"
        f" {numbers.fixed(abs(excess), 0)}{numbers.NBSP}% {'more' if excess >= 0 else 'less'}"
    )
    low, high = cost.get("excess_low_pct"), cost.get("excess_high_pct")
    if low is not None and high is not None:
        text += f" (half of the pairs: {numbers.fixed(low, 0)} to {numbers.fixed(high, 0)})"
    pairs = numbers.plural(cost["pairs"], "pair")
    return [("what profiling costs", f"{text}; {pairs}, in turns; not in the run")]


def _gaps(source: dict[str, Any]) -> list[str]:
    """Return what a profile lacks, in words."""
    found = []
    if source.get("dropped_events"):
        found.append(f"{numbers.count(source['dropped_events'])} events the runtime left out")
    if source.get("damaged"):
        found.append(f"{numbers.count(source['damaged'])} lines could not be read")
    if source.get("whole") is False:
        found.append("the profile has no end: the program died before it")
    clock = source.get("clock")
    if isinstance(clock, dict) and clock.get("began_ns") is None:
        found.append("nobody says when the profile began, so its operators are of no frame")
    return found


def short(provider: str) -> str:
    """Return a provider's name without what all of them end with."""
    return provider.removesuffix(SUFFIX) or provider
