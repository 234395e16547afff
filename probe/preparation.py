"""What must come before a measured window, and how often? METHOD's rules 7 to 9, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SECOND_NS: Final = 10**9
MINUTE_NS: Final = 60 * SECOND_NS
REPEATS: Final = 5
"""Runs of one verdict that make it certified (METHOD: rule 7)."""
STEADY_CELSIUS_PER_MIN: Final = 1.0
STEADY_STEPS: Final = 3
SOAK_LEAST_NS: Final = 5 * MINUTE_NS
"""Every temperature moves less than 1 C a minute for 3 minutes, after 5 at least (rule 8)."""
SOAK_LONGEST_NS: Final = 30 * MINUTE_NS
"""A device that still warms up after this is measured as it is, and the Run says so: our own
number, some four time constants of a heavy passive heat sink."""
COOL_CELSIUS: Final = 2.0
COOL_LONGEST_NS: Final = 5 * MINUTE_NS
"""Cooled down: within 2 C of idle, or after 5 minutes (rule 9)."""
IDLE_NS: Final = 5 * SECOND_NS
"""A temperature of now is the median over this, so that one stray reading decides nothing."""
SUSTAINED_RISE: Final = 0.10
SUSTAINED_LEAST_NS: Final = 2 * MINUTE_NS
"""A last-minute p50 over 10 % above the first minute's is not sustained (rule 8); a window needs
two minutes to have both."""


class Soaked(StrEnum):
    """How a soak ended."""

    STEADY = "steady"
    STILL_MOVING = "still moving"
    NO_TEMPERATURE = "no temperature"
    PROGRAM_FAILED = "program failed"


class Cooled(StrEnum):
    """How a cool-down ended."""

    COOL = "cool"
    TIME_UP = "time up"
    NO_TEMPERATURE = "no temperature"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Terms:
    """By what a soak and a cool-down are over; a step is the time over which a mean is taken."""

    step_ns: int = MINUTE_NS
    steps: int = STEADY_STEPS
    steady_celsius_per_min: float = STEADY_CELSIUS_PER_MIN
    least_ns: int = SOAK_LEAST_NS
    longest_ns: int = SOAK_LONGEST_NS
    idle_ns: int = IDLE_NS
    cool_celsius: float = COOL_CELSIUS


METHODS_TERMS: Final = Terms()
