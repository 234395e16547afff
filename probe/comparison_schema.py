"""What may scripts depend on in `liveprobe compare --json`? Its JSON Schema, as data."""

from __future__ import annotations

from typing import Final

from probe import metrics
from probe.comparison import SCHEMA, Word
from probe.differences import Bearing
from probe.schema_parts import (
    COUNT,
    FLAG,
    NUMBER,
    SHARE,
    TEXT,
    Schema,
    either,
    list_of,
    one_of,
    or_null,
    said,
    with_fields,
)
from probe.verdict.summary import LOST

READ: Final = or_null(
    said(either(NUMBER, {"const": LOST}), "in `unit`; lost where it falls on a lost frame")
)
SIDE: Final = with_fields(name=TEXT, runs=said(list_of(TEXT), "the ids of its Runs"))
DIFFERENCE: Final = with_fields(
    condition=TEXT,
    values=said(list_of(list_of(TEXT)), "the distinct values, by side"),
    bearing=one_of(Bearing),
    why=TEXT,
)
AGAINST: Final = with_fields(
    side=TEXT,
    difference=or_null(said(NUMBER, "its mean minus the base's, in `unit`")),
    interval=or_null(
        said(
            {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
            "of the difference, at `confidence` over all metrics together",
        )
    ),
    p_value=or_null(SHARE),
    verdict=one_of(Word),
    reason=or_null(TEXT),
)
METRIC: Final = with_fields(
    metric=TEXT,
    unit=TEXT,
    better=or_null({"enum": [metrics.LOWER, metrics.HIGHER]}),
    definition=TEXT,
    values=said(list_of(list_of(READ)), "by side, by run"),
    missing=said(list_of(list_of(or_null(TEXT))), "by side, by run: why there is no value"),
    means=said(list_of(READ), "over the runs, by side; null where a run has no value"),
    against=said(list_of(AGAINST), "an entry for each side but the base"),
)


def schema() -> Schema:
    """Return the JSON Schema of the document that `probe.comparison.compare` gives."""
    counts = {word.value: COUNT for word in Word}
    document = with_fields(
        schema={"const": SCHEMA},
        confidence=SHARE,
        least_percent=said({"type": "number", "minimum": 0}, "of the base's mean"),
        sides={"type": "array", "items": SIDE, "minItems": 2},
        environment=said(list_of(DIFFERENCE), "what differs, the worst first"),
        comparable=FLAG,
        reason=or_null(said(TEXT, "why nothing is comparable")),
        metrics=list_of(METRIC),
        summary=said(list_of(with_fields(side=TEXT, **counts)), "how often each verdict was given"),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "liveprobe comparison",
        **document,
    }
