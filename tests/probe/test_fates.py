from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from probe import store
from probe.fates import bursts, period_ns, with_fates

MS = 10**6


def frames(*scheduled: int | None) -> pd.DataFrame:
    table = pd.DataFrame({"frame": range(len(scheduled)), "scheduled_ns": scheduled})
    return store.as_table("frames", table.assign(captured_ns=table["scheduled_ns"]))


def outputs(*rows: tuple[int, int, int | None]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["frame", "delivered_ns", "presented_ns"])
    return store.as_table("outputs", table.assign(output=range(len(rows)), block=range(len(rows))))


def losses(*rows: tuple[int, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["frame", "fate", "stage", "reason"])


def test_bursts_end_where_the_gap_reaches_a_quarter_of_the_period() -> None:
    times = np.array([0, 9, 18, 100, 110, 300], dtype=np.int64)
    assert bursts(times, 40).tolist() == [0, 0, 0, 1, 2, 3]
    assert bursts(times[::-1], 40).tolist() == [3, 2, 1, 0, 0, 0]
    assert bursts(np.array([], dtype=np.int64), 40).tolist() == []


def test_period_is_the_median_distance() -> None:
    assert period_ns(np.array([0, 33, 67, 100, 900])) == 33.5
    assert period_ns(np.array([5, 5])) is None


def test_each_frame_gets_the_fate_that_fits() -> None:
    shown = outputs(
        (0, 10 * MS, 50 * MS),  # exactly at the deadline: on time
        (1, 10 * MS, 83 * MS + 1),  # a nanosecond over
        (3, 120 * MS, 130 * MS),
        (2, 140 * MS, 140 * MS),  # shown after frame 3
        (6, 210 * MS, 215 * MS),
    )
    said = losses((4, "dropped", "infer", "queue full"), (6, "invalid", "decode", "broken"))
    table = with_fates(
        frames(0, 33 * MS, 66 * MS, 100 * MS, 133 * MS, 166 * MS, 200 * MS), shown, said, 50 * MS
    )
    assert table["fate"].tolist() == [
        "on time", "late", "stale", "on time", "dropped", "in flight", "invalid",
    ]  # fmt: skip
    assert table["fate_stage"].fillna("").tolist()[4:] == ["infer", "", "decode"]


def test_a_frame_said_dropped_but_shown_was_shown() -> None:
    table = with_fates(
        frames(0), outputs((0, 1, 1)), losses((0, "dropped", "render", "superseded")), 50 * MS
    )
    assert table["fate"].tolist() == ["on time"]
    assert table["fate_stage"].isna().all()


def test_delivered_and_never_shown_is_not_rendered() -> None:
    table = with_fates(frames(0), outputs((0, 5, None)), losses(), 50 * MS)
    assert table["fate"].tolist() == ["in flight"]
    assert table["delivered_ns"].tolist() == [5]
    assert table["rendered_ns"].isna().all()


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 200), st.integers(0, 200)), max_size=40),
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["dropped", "invalid", "duplicate"]))),
)
def test_fates_add_up_whatever_a_program_says(
    shown: list[tuple[int, int, int]], said: list[tuple[int, str]]
) -> None:
    rows = [(frame, at * MS, (at + more) * MS) for frame, at, more in shown]
    table = with_fates(
        frames(*(k * 33 * MS for k in range(15))),
        outputs(*rows),
        losses(*((frame, fate, "infer", "") for frame, fate in said)),
        50 * MS,
    )
    assert table["frame"].tolist() == list(range(15))
    assert table["fate"].notna().all()
    late = table["rendered_ns"] - table["scheduled_ns"] > 50 * MS
    assert not (table["fate"] == "on time")[late.fillna(value=False)].any()
