"""What one rule of method says of a run, and what to do where it does not hold."""

from __future__ import annotations

from dataclasses import dataclass

from probe.model import Outcome


@dataclass(frozen=True)
class Ruling:
    """What one rule says of a run. A rule that does not apply is not testable, and says so.

    `remedy` says what to do: always where the rule applies and does not hold, and where it holds
    though validity is limited by it.
    """

    outcome: Outcome
    reason: str
    applies: bool = True
    remedy: str | None = None


def holds(reason: str, remedy: str | None = None) -> Ruling:
    """Return that the rule holds; `remedy` where it yet limits what the run may claim."""
    return Ruling(Outcome.SUPPORTED, reason, remedy=remedy)


def broken(reason: str, remedy: str) -> Ruling:
    """Return that the rule is broken."""
    return Ruling(Outcome.REFUTED, reason, remedy=remedy)


def unsettled(reason: str, remedy: str) -> Ruling:
    """Return that the run does not tell yet."""
    return Ruling(Outcome.INCONCLUSIVE, reason, remedy=remedy)


def unsaid(reason: str, remedy: str) -> Ruling:
    """Return that nobody says what the rule asks."""
    return Ruling(Outcome.NOT_TESTABLE, reason, remedy=remedy)


def not_here(reason: str) -> Ruling:
    """Return that the rule asks nothing of such a run."""
    return Ruling(Outcome.NOT_TESTABLE, f"does not apply: {reason}", applies=False)
