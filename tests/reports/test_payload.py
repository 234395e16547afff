from __future__ import annotations

import base64
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.page.payload import NULL, Payload


def unpacked(payload: Payload) -> list[np.ndarray]:
    """Read the columns back as templates/report.js does."""
    data = np.frombuffer(gzip.decompress(base64.b64decode(payload.text())), dtype=np.uint8)
    columns, at = [], 0
    for column in payload.description():
        n = column["n"]
        planes = data[at : at + 4 * n].reshape(4, n)
        integers = np.ascontiguousarray(planes.T).view("<i4").ravel()
        values = integers * column["step"]
        if column["rising"]:
            values = np.cumsum(integers.astype(np.int64)) * column["step"]
        columns.append(np.where(integers == NULL, np.nan, values))
        at += 4 * n
    assert at == len(data)
    return columns


def test_columns_come_back_to_their_step_and_nulls_as_nulls() -> None:
    payload = Payload()
    values = np.array([0.0, 1.2345, -7.25, np.nan, 2_000_000.0])
    payload.add(values, 1e-3)
    payload.add(np.array([-5.0, -4.96, 700.5]), 1e-6, rising=True)
    first, second = unpacked(payload)
    assert np.allclose(first[[0, 1, 2, 4]], values[[0, 1, 2, 4]], atol=5e-4)
    assert np.isnan(first[3])
    assert np.allclose(second, [-5.0, -4.96, 700.5], atol=5e-7)


@given(st.lists(st.floats(-1e5, 1e5), max_size=60))
def test_any_column_comes_back(values: list[float]) -> None:
    payload = Payload()
    payload.add(np.array(values, dtype=np.float64), 1e-3)
    (back,) = unpacked(payload)
    assert np.allclose(back, values, atol=5.1e-4)


def test_rising_columns_do_not_drift_over_an_hour() -> None:
    times = np.arange(3600 * 60) / 60
    payload = Payload()
    payload.add(times, 1e-6, rising=True)
    (back,) = unpacked(payload)
    assert np.abs(back - times).max() < 6e-7


def test_the_same_columns_give_the_same_text() -> None:
    texts = set()
    for _ in range(2):
        payload = Payload()
        payload.add(np.linspace(0, 1, 100), 1e-3)
        texts.add(payload.text())
    assert len(texts) == 1


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_no_number_is_null(value: float) -> None:
    payload = Payload()
    payload.add(np.array([value]), 1e-3)
    assert np.isnan(unpacked(payload)[0][0])


def test_a_column_that_is_there_is_not_carried_again() -> None:
    payload = Payload()
    times = np.arange(0, 9, 0.25)
    first = payload.add(times, 1e-3, rising=True)
    assert payload.add(times + 1e-6, 1e-3, rising=True) == first
    assert payload.add(times, 1e-3) != first
    assert len(payload.description()) == 2
