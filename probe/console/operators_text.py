"""The operators of a model as text: what an inference spends in each, and who ran it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from probe.operators.account import Account, Row

SUFFIX: Final = "ExecutionProvider"
NOTHING: Final = "-"
LONGEST_NAME: Final = 48
MOST_FALLEN: Final = 5


def lines(accounts: Sequence[Account], summary: Mapping[str, Any], by: str, top: int) -> list[str]:
    """Return a table for each source, and what else the run knows; `top` 0 shows every row."""
    text = list(_head(summary))
    for account in accounts:
        rows = account.rows(by)
        shown = rows if top == 0 else rows[:top]
        text += ["", _of(account), ""] if text else [_of(account), ""]
        text += _aligned([_titles(by, account), *(_row(row, by, account) for row in shown)])
        if len(rows) > len(shown):
            text.append(f"... and {len(rows) - len(shown)} more rows: --top 0 shows all")
    return [*text, *_below(summary)]


def _head(summary: Mapping[str, Any]) -> Iterator[str]:
    asked, got = (summary.get(name) or [] for name in ("asked", "got"))
    if asked:
        yield f"  asked for     {', '.join(map(_short, asked))}"
        yield f"  given         {', '.join(map(_short, got)) or 'not told'}"
    fallback = summary.get("fallback") or {}
    if fallback.get("nodes"):
        named = [f"{op} {name}" for name, op, _ in fallback.get("named") or []]
        more = ", ..." if len(named) > MOST_FALLEN else ""
        yield (
            f"  left by it    {fallback['nodes']} of {fallback['of']} nodes of the model: "
            f"{', '.join(named[:MOST_FALLEN])}{more}"
        )


def _of(account: Account) -> str:
    count = f"n = {account.inferences} inference{'' if account.inferences == 1 else 's'}"
    if account.total_ms is None:
        return f"shares of an inference's cycles, which are no times; {count}, {account.source}"
    placed = f", {account.frames} in a frame" if account.frames else ""
    return f"mean {account.total_ms:.3f} ms in the operators of an inference; {count}{placed}"


def _titles(by: str, account: Account) -> list[str]:
    own = {"op": ["OP", "PROVIDER"], "node": ["NODE", "OP", "PROVIDER"], "provider": ["PROVIDER"]}
    time = [] if account.unit == "cycles" else ["MS/INFERENCE"]
    return [*own[by], *time, "SHARE %", "RUNS/INFERENCE"]


def _row(row: Row, by: str, account: Account) -> list[str]:
    provider = NOTHING if row.provider is None else _short(row.provider)
    names = {
        "op": [row.name, provider],
        "node": [row.name, row.op or NOTHING, provider],
        "provider": [_short(row.name)],
    }[by]
    time = NOTHING if row.ms is None else f"{row.ms:.3f}"
    share = NOTHING if row.share is None else f"{100 * row.share:.1f}"
    times = [] if account.unit == "cycles" else [time]
    return [*(_cut(name) for name in names), *times, share, f"{row.calls:,.1f}"]


def _below(summary: Mapping[str, Any]) -> Iterator[str]:
    cost = summary.get("cost") or {}
    if cost.get("excess_pct") is not None:
        yield ""
        yield (
            f"Profiled: median {cost['profiled_ms']:.3f} ms an inference, without the profiler"
            f" {cost['plain_ms']:.3f} ms ({cost['excess_pct']:+.0f} %, {cost['pairs']} pairs in"
            " turns), in a pass before the run"
        )
    for line in summary.get("log") or []:
        yield f"  the runtime logged: {line}"
    for name, why in summary.get("not_read") or []:
        yield f"  not read: {name}: {why}"


def _short(provider: str) -> str:
    return provider.removesuffix(SUFFIX) or provider


def _cut(text: str) -> str:
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text if len(text) <= LONGEST_NAME else f"...{text[3 - LONGEST_NAME :]}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows as columns, the numbers to the right: those whose title is of a measure."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    right = ["/" in title or "%" in title for title in rows[0]]
    for row in rows:
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        yield "  ".join(cells).rstrip()
