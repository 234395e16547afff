"""What may scripts depend on in verdict.json? Its JSON Schema, as data.

Names are stable: a field that does not apply is null, never left out. `schema` grows when a field
changes its meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe.model import (
    VERDICT_SCHEMA,
    Fate,
    FindingOutcome,
    Grade,
    Outcome,
    Regime,
    Tier,
    ValidityStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

Schema = dict[str, Any]

ANY: Final[Schema] = {}
TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TIME_NS: Final[Schema] = {"type": "integer", "description": "CLOCK_MONOTONIC, ns"}
NUMBER: Final[Schema] = {"type": "number"}
SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1 + 1e-9}
FLAG: Final[Schema] = {"type": "boolean"}


def _either(*schemas: Schema) -> Schema:
    return {"anyOf": [*schemas]}


def _or_null(schema: Schema) -> Schema:
    return _either(schema, {"type": "null"})


def _one_of(values: Iterable[StrEnum]) -> Schema:
    return {"enum": [each.value for each in values]}


def _object(**properties: Schema) -> Schema:
    """Return the schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _said(schema: Schema, description: str) -> Schema:
    return schema | {"description": description}


LATENCY_MS: Final = _or_null(
    _said(
        _either(NUMBER, {"const": "lost"}),
        "ms; lost where it falls on a lost frame, null where there are too few frames",
    )
)
LATENCIES: Final = _object(
    p50=LATENCY_MS,
    p95=LATENCY_MS,
    p99=LATENCY_MS,
    p99_upper=LATENCY_MS,
    max=LATENCY_MS,
    n=COUNT,
    n_eff=_said(COUNT, "independent frames that tell as much about misses (METHOD: rule 4)"),
)
VALIDITY: Final = _object(status=_one_of(ValidityStatus), reasons=_list(TEXT))
REAL_TIME: Final = _object(
    outcome=_one_of(Outcome),
    rule=_or_null(_said(COUNT, "the first rule that was broken")),
    reason=TEXT,
)
RULE: Final = _object(
    rule={"type": "integer", "minimum": 1, "maximum": 15},
    title=TEXT,
    outcome=_one_of(Outcome),
    reason=TEXT,
    applies=FLAG,
    decides={"enum": ["real_time", "tier", "validity"]},
)
SEGMENT: Final = _object(from_ns=TIME_NS, to_ns=TIME_NS, regime=_one_of(Regime))
STAGE: Final = _object(
    stage=TEXT,
    p50_ms=_or_null(NUMBER),
    p99_ms=_or_null(NUMBER),
    queue_p50_ms=_or_null(NUMBER),
    queue_p99_ms=_or_null(NUMBER),
    share=_or_null(_said(SHARE, "of the work of all stages")),
    n=_said(COUNT, "executions"),
)
FINDING: Final = _object(
    audit=TEXT,
    title=TEXT,
    outcome=_one_of(FindingOutcome),
    cost_ms_per_frame=_or_null(NUMBER),
    cost_bytes_per_frame=_or_null(NUMBER),
    stage=_or_null(TEXT),
    from_ns=_or_null(TIME_NS),
    to_ns=_or_null(TIME_NS),
    evidence={"type": "object"},
    remedy=TEXT,
    grade=_one_of(Grade),
)
PER_FRAME: Final = _or_null(_said(NUMBER, "null where no frame is known"))
COPIES: Final = _object(
    memcpy_bytes_per_frame=PER_FRAME,
    convert_bytes_per_frame=PER_FRAME,
    transfer_bytes_per_frame=PER_FRAME,
    materialize_bytes_per_frame=PER_FRAME,
    count_per_frame=PER_FRAME,
    ms_per_frame=_or_null(_said(NUMBER, "inside copying functions, over all threads")),
    avoidable_bytes_per_frame=_or_null(
        _said(NUMBER, "of bytes that a copy moved before, with no change of format between")
    ),
    unattributed_bytes_per_frame=_or_null(_said(NUMBER, "of copies that belong to no stage")),
    frame_equivalents=_or_null(_said(NUMBER, "bytes moved for each decoded byte")),
    explained_ratio=_or_null(_said(SHARE, "of written bytes: deep mode")),
    blind=_said(COUNT, "processes whose copies were not seen: they are in no number here"),
)
OVERHEAD: Final = _object(p50_shift_pct=NUMBER, p99_shift_pct=NUMBER, pairs=COUNT)
CHAIN: Final = _object(
    links=_list(TEXT),
    lags_ms=_list(NUMBER),
    strength=NUMBER,
    asserted={"enum": ["cause", "coincides"]},
)
LIMIT: Final = _object(
    metric=TEXT,
    op=TEXT,
    limit=_or_null(_said(NUMBER, "in `unit`; null where it cannot be read")),
    unit=_said(TEXT, "of limit, value and margin"),
    value=_or_null(_either(NUMBER, {"const": "lost"})),
    margin=_or_null(_said(NUMBER, "by how much it holds; negative where it is missed")),
    outcome=_said(_one_of(FindingOutcome), "of the observed value"),
    n=_or_null(_said(COUNT, "values that it was taken from")),
    answer=_or_null(_said(_one_of(Outcome), "METHOD's rules 3 and 4, for a percentile or share")),
    note=_or_null(TEXT),
)
CLAIM: Final = _object(
    id=TEXT,
    outcome={"enum": ["supported", "partly", "refuted", "inconclusive", "not testable"]},
    statements=_list(ANY),
)
DEPENDENCE: Final = _object(r=NUMBER, threshold=NUMBER, lag_ms=NUMBER, outcome=_one_of(Outcome))
BLACK_BOX: Final = _object(
    identity={"enum": ["timecode", "stimulus", "none"]}, dependence=_or_null(DEPENDENCE)
)
REQUEST: Final = _object(
    request=COUNT,
    from_ns=_said(TIME_NS, "when it was made"),
    to_ns=_or_null(_said(TIME_NS, "its last output")),
    outputs=COUNT,
    media_s=_or_null(NUMBER),
    speed=_or_null(_said(NUMBER, "from the first output to the last")),
    first_output_ms=_or_null(NUMBER),
)
BLOCK: Final = _object(
    request=COUNT,
    from_ns=_said(TIME_NS, "end of the block before it, or the request"),
    to_ns=_said(TIME_NS, "its last output"),
    frames=COUNT,
)
GENERATION: Final = _object(
    requests=_list(REQUEST), blocks=_list(BLOCK), ms_per_frame_p50=_or_null(NUMBER)
)
WINDOW: Final = _object(
    first_ns=TIME_NS, start_ns=TIME_NS, end_ns=TIME_NS, warmup_ns=COUNT, drain_ns=COUNT
)


def schema() -> Schema:
    """Return the JSON Schema of verdict.json."""
    fates = {fate.value.replace(" ", "_"): COUNT for fate in Fate}
    regime_shares = {regime.value: SHARE for regime in Regime}
    document = _object(
        schema={"const": VERDICT_SCHEMA},
        run=_or_null(TEXT),
        validity=VALIDITY,
        tier=_one_of(Tier),
        regime=_or_null(_said(_one_of(Regime), "what the run did most")),
        regime_share=_or_null(_object(**regime_shares)),
        real_time=REAL_TIME,
        regimes=_list(SEGMENT),
        real_time_held_s=_or_null(NUMBER),
        rules={"type": "array", "items": RULE, "minItems": 15, "maxItems": 15},
        released=_or_null(_said(COUNT, "source frames scheduled in the window")),
        fates=_or_null(_object(**fates)),
        latency_ms=_or_null(_said(LATENCIES, "over all measured frames")),
        rendered_latency_ms=_or_null(_said(LATENCIES, "over those that were rendered")),
        deadline_ms=NUMBER,
        slack_p99_ms=_or_null(NUMBER),
        rate_fps=_or_null(_said(NUMBER, "unique rendered frames per second of the window")),
        block_size=_or_null(COUNT),
        speed=_or_null(_said(NUMBER, "seconds of media made per second")),
        time_to_first_frame_ms=_or_null(NUMBER),
        drift_ms_per_min=_or_null(NUMBER),
        in_flight_mean=_or_null(NUMBER),
        stages=_list(STAGE),
        copies=_or_null(COPIES),
        overhead=_or_null(OVERHEAD),
        findings=_list(FINDING),
        chains=_list(CHAIN),
        limits=_list(LIMIT),
        claims=_or_null(_list(CLAIM)),
        black_box=_or_null(BLACK_BOX),
        generation=_or_null(GENERATION),
        window=_or_null(WINDOW),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "liveprobe verdict",
        **document,
    }
