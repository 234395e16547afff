"""What may scripts depend on in `liveprobe verify --json`? Its JSON Schema, as data."""

from __future__ import annotations

from typing import Final

from probe.claims.deviations import Pull
from probe.claims.judging import PARTLY, SCHEMA
from probe.model import Outcome, Regime, Tier
from probe.schema_parts import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    Schema,
    either,
    list_of,
    one_of,
    or_null,
    said,
    with_fields,
)
from probe.verdict.schema import LATENCY_MS, REAL_TIME, VALIDITY

ANSWER: Final = one_of(Outcome)
VALUE: Final = or_null(either(NUMBER, {"const": "lost"}))
TEST: Final = with_fields(
    test=said(TEXT, "a limit, or real-time"),
    definition=or_null(said(TEXT, "of the metric")),
    unit=said(TEXT, "of limit, values, intervals and margins"),
    limit=or_null(NUMBER),
    outcome=said(ANSWER, "of all Runs together: they answer only where they agree"),
    reason=TEXT,
    needs=or_null(said(TEXT, "what would tell")),
    n=list_of(or_null(said(COUNT, "values that a Run's value was taken from"))),
    values=said(list_of(VALUE), "one a Run"),
    intervals=said(
        list_of(or_null({"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2})),
        "of a mean, one a Run: each side is sure at 99 %",
    ),
    margins=said(list_of(or_null(NUMBER)), "by how much it holds; negative where it is missed"),
    answers=said(list_of(ANSWER), "one a Run"),
)
STATEMENT: Final = with_fields(
    text=said(TEXT, "the quoted words"),
    essential=said(FLAG, "the claim stands on it"),
    holds=list_of(TEXT),
    reading=or_null(said(TEXT, "how the author of the file reads the words")),
    meanings=said(list_of(TEXT), "of words that are often taken for something else"),
    outcome=ANSWER,
    reason=TEXT,
    needs=or_null(said(TEXT, "what would tell")),
    tests=list_of(TEST),
)
DEVIATION: Final = with_fields(
    condition=TEXT,
    stated=TEXT,
    here=TEXT,
    pull=said(one_of(Pull), "easier: nothing is supported; harder: nothing is refuted"),
)
CONDITIONS: Final = with_fields(
    device=or_null(TEXT),
    accelerator=or_null(TEXT),
    model=or_null(TEXT),
    resolution=or_null(list_of(COUNT)),
    rate=or_null(NUMBER),
    load=or_null(TEXT),
    scenario=or_null(TEXT),
    overrides=list_of(TEXT),
    duration_s=or_null(NUMBER),
)
CITED: Final = with_fields(
    id=TEXT,
    created=or_null(TEXT),
    liveprobe=or_null(TEXT),
    mode=or_null(TEXT),
    device=or_null(TEXT),
    scenario=or_null(TEXT),
    custom=said(FLAG, "the scenario was changed"),
    overrides=list_of(TEXT),
    hashes={"type": "object", "additionalProperties": or_null(TEXT)},
    length_s=or_null(said(NUMBER, "of the measured window")),
    tier=one_of(Tier),
    validity=VALIDITY,
    regime=or_null(one_of(Regime)),
    real_time=REAL_TIME,
    released=or_null(said(COUNT, "source frames scheduled in the window")),
    requests=or_null(said(COUNT, "requests, where there is no live input")),
    rate_fps=or_null(NUMBER),
    latency_ms=or_null(with_fields(p50=LATENCY_MS, p99=LATENCY_MS, n=COUNT)),
    block_size=or_null(COUNT),
    speed=or_null(NUMBER),
)
CLAIM: Final = with_fields(
    id=TEXT,
    outcome={"enum": [*(each.value for each in Outcome), PARTLY]},
    reason=TEXT,
    text=said(TEXT, "the quoted words"),
    source=TEXT,
    date=TEXT,
    conditions=CONDITIONS,
    runs=said(list_of(TEXT), "ids of the Runs that answer, in order"),
    cited=said(list_of(CITED), "what a reader must know of each of them"),
    deviations=list_of(DEVIATION),
    again=or_null(said(TEXT, "the command that measures it")),
    statements=list_of(STATEMENT),
)


def schema() -> Schema:
    """Return the JSON Schema of judged claims."""
    document = with_fields(
        schema={"const": SCHEMA},
        liveprobe=said(TEXT, "the version that judged"),
        file=or_null(with_fields(name=TEXT, title=TEXT, sha256=or_null(TEXT))),
        claims=list_of(CLAIM),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "liveprobe verify",
        **document,
    }
