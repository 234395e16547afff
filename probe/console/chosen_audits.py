"""Which audits does a user mean? Their ids, with commas between; the nearest ones for a typo."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from probe.errors import UsageError

if TYPE_CHECKING:
    import click

    from probe.model import Audit

NEAR: Final = 3
LIKENESS: Final = 0.5


def chosen(text: str) -> list[Audit]:
    """Return the audits that `text` names, in its order; raises `UsageError` for any other id."""
    from probe import judge

    known = {audit.id: audit for audit in judge.audits()}
    wanted = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise UsageError(
            f"no such audit: {', '.join(unknown) or 'none was named'}",
            remedy=_remedy(unknown, list(known)),
        )
    return [known[name] for name in wanted]


def complete(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the lists that begin with what was typed and go on with an audit's id."""
    from probe import judge

    before, comma, begun = incomplete.rpartition(",")
    return [
        before + comma + audit.id for audit in judge.audits() if audit.id.startswith(begun.strip())
    ]


def _near(name: str, known: list[str]) -> list[str]:
    """Return the ids that hold the name or are spelt like it, at most three."""
    holding = [each for each in known if name in each]
    alike = difflib.get_close_matches(name, known, NEAR, LIKENESS)
    return list(dict.fromkeys([*holding, *alike]))[:NEAR]


def _remedy(unknown: list[str], known: list[str]) -> str:
    close = [near for name in unknown for near in _near(name.lower().replace("-", "_"), known)]
    if close:
        return f"did you mean {' or '.join(dict.fromkeys(close))}?"
    return f"there are {', '.join(known)}"
