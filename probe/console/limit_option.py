"""The option ``--limit``, of every verb that judges one Run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probe.limits import Limit


def complete_limit(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the metrics that begin with what was typed."""
    return metric_names(incomplete)


def metric_names(beginning: str) -> list[str]:
    """Return the metrics that begin so; of the stages, those of infer."""
    from probe.metrics import METRICS

    names = (each.name.replace("STAGE", "infer") for each in METRICS)
    return [name for name in names if name.startswith(beginning)]


limit_option = click.option(
    "--limit",
    "limits",
    metavar="LIMIT",
    multiple=True,
    shell_complete=complete_limit,
    help="Require METRIC<NUMBER, as in latency.p99<50ms. Repeatable.",
)


def parsed(texts: Sequence[str]) -> list[Limit]:
    """Read the limits that were given; raises `UsageError` for the first that is none."""
    from probe import limits

    return [limits.parse(text) for text in texts]


def check_tracks(limits: Iterable[Limit]) -> None:
    """Raise `UsageError` for a limit on a track that no collector has."""
    from probe import limits as grammar

    asked = [each for each in limits if each.metric.series == "track"]
    if asked:
        import collectors

        tracks = [track.name for found in collectors.discover() for track in found.tracks]
        grammar.check_names(asked, stages=None, tracks=tracks)
