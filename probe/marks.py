"""What do the marks of a program mean? Outputs, losses, samples, requests, facts and events."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from probe import store
from probe.model import Fate
from probe.rows import mark_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probe.tape import Tape

LOSSES: Final = {fate.value: fate.value for fate in (Fate.INVALID, Fate.DUPLICATE, Fate.DROPPED)}
"""Marks that say what became of a frame, worst first."""
OUTPUTS: Final = ("delivered", "presented")
FACT: Final = "fact:"
FACT_DEPTH: Final = 32
"""A fact that is nested deeper is refused: what writes and shows it later is recursive."""


@dataclass
class Marks:
    """The marks of all tapes, sorted by their meaning."""

    outputs: pd.DataFrame
    losses: pd.DataFrame
    samples: pd.DataFrame
    events: pd.DataFrame
    requests: pd.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


def marks_of(tapes: Iterable[Tape]) -> Marks:
    """Sort the marks of all tapes, in order of time, by their meaning (`probe.tape` lists them)."""
    parts = [mark_rows(tape) for tape in tapes]
    rows = pd.concat(parts, ignore_index=True) if parts else mark_rows(None)
    rows = rows.sort_values("t_ns", kind="stable", ignore_index=True)
    name = rows["name"]
    is_output, is_loss = name.isin(OUTPUTS), name.isin(list(LOSSES))
    is_request, is_fact = name == "request", name.str.startswith(FACT).astype(bool)
    plain = ~(is_output | is_loss | is_request | is_fact)
    valued = plain & rows["value"].notna()
    samples = rows[valued]
    facts, spoilt = _facts(rows[is_fact])
    events = pd.concat([_events(rows[is_request | (plain & ~valued)]), spoilt], ignore_index=True)
    return Marks(
        outputs=rows[is_output],
        losses=_losses(rows[is_loss]),
        samples=pd.DataFrame(
            {
                "track": "program." + samples["name"],
                "label": samples["stage"],
                "t_ns": samples["t_ns"],
                "value": samples["value"],
            }
        ),
        events=events,
        requests=rows[is_request][["frame", "t_ns"]],
        facts=facts,
    )


def _losses(rows: pd.DataFrame) -> pd.DataFrame:
    ranked = rows.assign(rank=rows["name"].map({name: k for k, name in enumerate(LOSSES)}))
    ranked = ranked.dropna(subset=["frame"]).sort_values("rank", kind="stable")
    return pd.DataFrame(
        {
            "frame": ranked["frame"],
            "fate": ranked["name"],
            "stage": ranked["stage"],
            "reason": ranked["text"],
            "t_ns": ranked["t_ns"],
        }
    )


def _facts(rows: pd.DataFrame) -> tuple[dict[str, Any], pd.DataFrame]:
    facts: dict[str, Any] = {}
    spoilt = []
    for name, t_ns, text in zip(rows["name"], rows["t_ns"], rows["text"], strict=True):
        try:
            facts[name.removeprefix(FACT)] = json_value(text)
        except (ValueError, RecursionError) as error:
            why = f"{name} is no JSON that can be kept: {error}"
            spoilt.append({"t_ns": t_ns, "kind": "tape", "text": why, "attributes": "{}"})
    return facts, pd.DataFrame(spoilt, columns=list(store.TABLES["events"]))


def json_value(text: str) -> Any:  # noqa: ANN401 - JSON
    """Parse what run.json can hold; raises `ValueError` or `RecursionError` for all else.

    Python reads more than JSON has: NaN, numbers beyond a float64, halves of a character.
    """
    value = json.loads(text)
    _check_depth(value, FACT_DEPTH)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


def _check_depth(value: object, room: int) -> None:
    if room == 0:
        raise ValueError(f"nested more than {FACT_DEPTH} deep")
    inside = value.values() if isinstance(value, dict) else value
    for each in inside if isinstance(value, (dict, list)) else ():  # type: ignore[attr-defined]
        _check_depth(each, room - 1)


def _events(rows: pd.DataFrame) -> pd.DataFrame:
    attributes = [
        json.dumps({key: value for key, value in said.items() if value not in (None, "")})
        for said in (
            {
                "request" if name == "request" else "frame": None if pd.isna(frame) else int(frame),
                "stage": stage,
            }
            for name, frame, stage in zip(rows["name"], rows["frame"], rows["stage"], strict=True)
        )
    ]
    return pd.DataFrame(
        {
            "t_ns": rows["t_ns"],
            "kind": rows["name"],
            "text": rows["text"],
            "attributes": pd.Series(attributes, index=rows.index, dtype="string"),
        }
    )
