"""A status is a shape, a word and a tone, always together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from probe.model import FindingOutcome, Outcome, ValidityStatus


@dataclass(frozen=True)
class Status:
    """`shape` and `tone` are names of the style sheet, `word` is what is read."""

    shape: str
    tone: str
    word: str

    def saying(self, word: str) -> Status:
        """Return the same status with another word."""
        return Status(self.shape, self.tone, word)


HOLDS: Final = Status("circle", "ok", "holds")
MISSED: Final = Status("square", "bad", "missed")
PARTLY: Final = Status("half", "warn", "partly")
OPEN: Final = Status("open", "warn", "inconclusive")
LIMITED: Final = Status("triangle", "warn", "limited")
ABSENT: Final = Status("ring", "na", "n/a")
GENERATES: Final = Status("blocks", "gen", "fast generation")

VALIDITY: Final[dict[str, Status]] = {
    ValidityStatus.VALID: HOLDS.saying("Valid"),
    ValidityStatus.LIMITED: LIMITED.saying("Limited"),
    ValidityStatus.INVALID: MISSED.saying("Invalid"),
}
OUTCOMES: Final[dict[str, Status]] = {
    Outcome.SUPPORTED: HOLDS.saying("supported"),
    Outcome.REFUTED: MISSED.saying("refuted"),
    Outcome.INCONCLUSIVE: OPEN,
    Outcome.NOT_TESTABLE: ABSENT.saying("not testable"),
    "holds": HOLDS,
    "ok": HOLDS.saying("ok"),
    "partly": PARTLY,
    FindingOutcome.FAILED: MISSED.saying("failed"),
    FindingOutcome.WARNING: LIMITED.saying("warning"),
    FindingOutcome.PASSED: HOLDS.saying("found nothing"),
    FindingOutcome.NOT_MEASURED: ABSENT.saying("not measured"),
}


def of_outcome(outcome: object) -> Status:
    """Return the status of any outcome that a verdict uses; an unknown word stays that word."""
    text = str(outcome) if outcome is not None else "not measured"
    return OUTCOMES.get(text, ABSENT.saying(text))


def of_validity(status: object) -> Status:
    """Return the status of a validity."""
    return VALIDITY.get(str(status), ABSENT.saying("Not judged"))
