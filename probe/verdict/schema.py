"""What may scripts depend on in verdict.json? Its JSON Schema, as data.

Names are stable: a field that does not apply is null, never left out. `schema` grows when a field
changes its meaning.
"""

from __future__ import annotations

from typing import Final

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
from probe.preparation import Cooled, Soaked
from probe.schema_parts import (
    ANY,
    COUNT,
    FLAG,
    NUMBER,
    SHARE,
    TEXT,
    TIME_NS,
    Schema,
    either,
    list_of,
    one_of,
    or_null,
    said,
    with_fields,
)

LATENCY_MS: Final = or_null(
    said(
        either(NUMBER, {"const": "lost"}),
        "ms; lost where it falls on a lost frame, null where there are too few frames",
    )
)
LATENCIES: Final = with_fields(
    p50=LATENCY_MS,
    p95=LATENCY_MS,
    p99=LATENCY_MS,
    p99_upper=LATENCY_MS,
    max=LATENCY_MS,
    n=COUNT,
    n_eff=said(COUNT, "independent frames that tell as much about misses (METHOD: rule 4)"),
)
VALIDITY: Final = with_fields(status=one_of(ValidityStatus), reasons=list_of(TEXT))
REAL_TIME: Final = with_fields(
    outcome=one_of(Outcome),
    rule=or_null(said(COUNT, "the first rule that was broken")),
    reason=TEXT,
    remedy=or_null(said(TEXT, "what to do about it; null where it is supported")),
)
RULE: Final = with_fields(
    rule={"type": "integer", "minimum": 1, "maximum": 15},
    title=TEXT,
    outcome=one_of(Outcome),
    reason=TEXT,
    remedy=or_null(said(TEXT, "what to do where it does not hold, or limits validity")),
    applies=FLAG,
    decides={"enum": ["real_time", "tier", "validity"]},
)
CHANGE: Final = with_fields(
    at_ns=said(TIME_NS, "when the first frame of the new level was due"),
    before_ms=said(NUMBER, "median response latency of the stretch before"),
    after_ms=said(NUMBER, "median response latency of the stretch after"),
)
SEGMENT: Final = with_fields(from_ns=TIME_NS, to_ns=TIME_NS, regime=one_of(Regime))
STAGE: Final = with_fields(
    stage=TEXT,
    p50_ms=or_null(NUMBER),
    p99_ms=or_null(NUMBER),
    queue_p50_ms=or_null(NUMBER),
    queue_p99_ms=or_null(NUMBER),
    share=or_null(said(SHARE, "of the work of all stages")),
    n=said(COUNT, "executions"),
)
FINDING: Final = with_fields(
    audit=TEXT,
    title=TEXT,
    outcome=one_of(FindingOutcome),
    cost_ms_per_frame=or_null(NUMBER),
    cost_bytes_per_frame=or_null(NUMBER),
    stage=or_null(TEXT),
    from_ns=or_null(TIME_NS),
    to_ns=or_null(TIME_NS),
    evidence={"type": "object"},
    remedy=TEXT,
    grade=one_of(Grade),
    disturbed=or_null(said(TEXT, "what the pass itself did, which may be all that was found")),
)
PER_FRAME: Final = or_null(said(NUMBER, "null where no frame is known"))
COPIES: Final = with_fields(
    memcpy_bytes_per_frame=PER_FRAME,
    convert_bytes_per_frame=PER_FRAME,
    transfer_bytes_per_frame=PER_FRAME,
    materialize_bytes_per_frame=PER_FRAME,
    count_per_frame=PER_FRAME,
    ms_per_frame=or_null(said(NUMBER, "inside copying functions, over all threads")),
    avoidable_bytes_per_frame=or_null(
        said(NUMBER, "of bytes that a copy moved before, with no change of format between")
    ),
    unattributed_bytes_per_frame=or_null(said(NUMBER, "of copies that belong to no stage")),
    frame_equivalents=or_null(said(NUMBER, "bytes moved for each decoded byte")),
    explained_ratio=or_null(said(SHARE, "of written bytes: deep mode")),
    blind=said(COUNT, "processes whose copies were not seen: they are in no number here"),
)
PERCENT: Final = or_null(NUMBER)
ENDS: Final = or_null(list_of(NUMBER) | {"minItems": 2, "maxItems": 2})
COST: Final = with_fields(cpu_ms_per_s=NUMBER, wall_ms_per_s=NUMBER)
OVERHEAD: Final = with_fields(
    p50_shift_pct=said(PERCENT, "median over pairs of runs with collectors off and on"),
    p50_shift_interval_pct=said(ENDS, "95 %, over the pairs"),
    p99_shift_pct=PERCENT,
    p99_shift_interval_pct=ENDS,
    throughput_loss_pct=said(PERCENT, "of frames per second, free-running"),
    throughput_loss_interval_pct=ENDS,
    cpu_shift_pct=said(PERCENT, "of the program, per frame"),
    cpu_shift_interval_pct=ENDS,
    pairs=COUNT,
    outcome={"enum": ["held", "missed", "not resolved here", "stale"]},
    age_days=said(NUMBER, "of the calibration, when the run was made"),
    created=TEXT,
    scenario=said(TEXT, "that it was measured with"),
    costs={"type": "object", "additionalProperties": COST},
)
CHAIN: Final = with_fields(
    links=list_of(TEXT),
    lags_ms=list_of(NUMBER),
    strength=NUMBER,
    asserted={"enum": ["cause", "coincides"]},
)
LIMIT: Final = with_fields(
    metric=TEXT,
    op=TEXT,
    limit=or_null(said(NUMBER, "in `unit`; null where it cannot be read")),
    unit=said(TEXT, "of limit, value and margin"),
    value=or_null(either(NUMBER, {"const": "lost"})),
    margin=or_null(said(NUMBER, "by how much it holds; negative where it is missed")),
    outcome=said(one_of(FindingOutcome), "of the observed value"),
    n=or_null(said(COUNT, "values that it was taken from")),
    answer=or_null(said(one_of(Outcome), "METHOD's rules 3 and 4, for a percentile or share")),
    note=or_null(TEXT),
)
CLAIM: Final = with_fields(
    id=TEXT,
    outcome={"enum": ["supported", "partly", "refuted", "inconclusive", "not testable"]},
    statements=list_of(ANY),
)
DEPENDENCE: Final = with_fields(r=NUMBER, threshold=NUMBER, lag_ms=NUMBER, outcome=one_of(Outcome))
BLACK_BOX: Final = with_fields(
    identity={"enum": ["timecode", "stimulus", "none"]}, dependence=or_null(DEPENDENCE)
)
REQUEST: Final = with_fields(
    request=COUNT,
    from_ns=said(TIME_NS, "when it was made"),
    to_ns=or_null(said(TIME_NS, "its last output")),
    outputs=COUNT,
    media_s=or_null(NUMBER),
    speed=or_null(said(NUMBER, "from the first output to the last")),
    first_output_ms=or_null(NUMBER),
)
BLOCK: Final = with_fields(
    request=COUNT,
    from_ns=said(TIME_NS, "end of the block before it, or the request"),
    to_ns=said(TIME_NS, "its last output"),
    frames=COUNT,
)
GENERATION: Final = with_fields(
    requests=list_of(REQUEST), blocks=list_of(BLOCK), ms_per_frame_p50=or_null(NUMBER)
)
WINDOW: Final = with_fields(
    first_ns=TIME_NS, start_ns=TIME_NS, end_ns=TIME_NS, warmup_ns=COUNT, drain_ns=COUNT
)

SENSORS: Final = list_of({"type": "object", "required": ["sensor"]})
PREPARED: Final = {"why": TEXT, "length_ns": COUNT, "sensors": SENSORS}
SOAK: Final = with_fields(outcome=one_of(Soaked), **PREPARED)
COOL_DOWN: Final = with_fields(outcome=one_of(Cooled), **PREPARED)
SUSTAINED: Final = with_fields(
    outcome=said(one_of(Outcome), "inconclusive where it cannot be told"),
    reason=TEXT,
    first_p50_ms=LATENCY_MS,
    last_p50_ms=LATENCY_MS,
    throttled=said(list_of(TEXT), "flags that were up in the window"),
)
MEMBER: Final = with_fields(
    run=TEXT,
    index=COUNT,
    outcome=said(one_of(Outcome), "of real_time, by the rules of this version"),
    regime=or_null(one_of(Regime)),
    complete=FLAG,
    standard=said(FLAG, "of the standard tier at least"),
    soak=or_null(one_of(Soaked)),
    sustained=one_of(Outcome),
    cooled=FLAG,
)
SERIES: Final = with_fields(
    id=TEXT,
    index=COUNT,
    of=COUNT,
    agreeing=said(COUNT, "repeats with the most frequent verdict"),
    certified=FLAG,
    missing=said(list_of(TEXT), "what keeps it from being certified"),
    problems=said(list_of(TEXT), "of these, repeats that are there and cannot be counted"),
    members=said(list_of(MEMBER), "the repeats that stand in the same folder"),
)


def schema() -> Schema:
    """Return the JSON Schema of verdict.json."""
    fates = {fate.value.replace(" ", "_"): COUNT for fate in Fate}
    regime_shares = {regime.value: SHARE for regime in Regime}
    document = with_fields(
        schema={"const": VERDICT_SCHEMA},
        run=or_null(TEXT),
        validity=VALIDITY,
        tier=one_of(Tier),
        regime=or_null(said(one_of(Regime), "what the run did most")),
        regime_share=or_null(with_fields(**regime_shares)),
        real_time=REAL_TIME,
        regimes=list_of(SEGMENT),
        latency_changes=said(
            list_of(CHANGE), "when the latency of rendered frames took another level"
        ),
        course=or_null(said(TEXT, "regimes and levels of latency in words")),
        series=or_null(said(SERIES, "of a run that is one of several repeats")),
        soak=or_null(said(SOAK, "the load before the run")),
        cool_down=or_null(said(COOL_DOWN, "the rest before the soak")),
        sustained=SUSTAINED,
        real_time_held_s=or_null(NUMBER),
        rules={"type": "array", "items": RULE, "minItems": 15, "maxItems": 15},
        released=or_null(said(COUNT, "source frames scheduled in the window")),
        fates=or_null(with_fields(**fates)),
        latency_ms=or_null(said(LATENCIES, "over all measured frames")),
        rendered_latency_ms=or_null(said(LATENCIES, "over those that were rendered")),
        deadline_ms=NUMBER,
        slack_p99_ms=or_null(NUMBER),
        rate_fps=or_null(said(NUMBER, "unique rendered frames a second of the window; live only")),
        block_size=or_null(COUNT),
        speed=or_null(said(NUMBER, "seconds of media made per second")),
        time_to_first_frame_ms=or_null(NUMBER),
        drift_ms_per_min=or_null(NUMBER),
        in_flight_mean=or_null(NUMBER),
        stages=list_of(STAGE),
        copies=or_null(COPIES),
        overhead=or_null(OVERHEAD),
        findings=list_of(FINDING),
        chains=list_of(CHAIN),
        limits=list_of(LIMIT),
        claims=or_null(list_of(CLAIM)),
        black_box=or_null(BLACK_BOX),
        generation=or_null(GENERATION),
        window=or_null(WINDOW),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "liveprobe verdict",
        **document,
    }
