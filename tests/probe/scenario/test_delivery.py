from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.scenario import DeliveryPart, Scenario


def test_nothing_is_stated_unless_the_scenario_does() -> None:
    stated = Scenario(name="t").document()["delivery"]
    assert set(stated.values()) == {None}


def test_what_is_stated_is_kept_as_it_is() -> None:
    said = {"network_bps": 20e6, "store_limit_bytes": 200_000_000}
    made = Scenario.model_validate({"name": "t", "delivery": said})
    assert made.delivery == DeliveryPart(network_bps=20e6, store_limit_bytes=200_000_000)
    assert Scenario.of_document(made.document()) == made


@pytest.mark.parametrize(
    "said",
    [{"network_bps": 0}, {"network_bps": "fast"}, {"store_limit_bytes": 0},
     {"device_limit_bytes": 1.5}, {"seconds": 3}],
)  # fmt: skip
def test_what_is_no_rate_and_no_limit_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Scenario.model_validate({"name": "t", "delivery": said})
