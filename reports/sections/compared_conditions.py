"""What differs besides what is compared, what is the same, and can the runs be trusted?"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe import effects
from probe.comparison import NOMINAL_LEVEL, Word
from probe.differences import Bearing
from probe.model import ValidityStatus
from reports.page import numbers, status
from reports.sections.compared import BEARINGS, distinct
from reports.sections.header import TIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reports.page.status import Status
    from reports.page.subject import Subject
    from reports.sections.compared import Compared

SHOWN: Final = 3
"""Values of a condition a side that are written out; more are counted."""
_HASH: Final = 12
_LONGEST: Final = 72
_TIMES: Final = ("duration", "warmup", "deadline")
"""Keys of a scenario that are times in ns."""
_UNUSABLE: Final = ("validity", "state")


@dataclass(frozen=True)
class Condition:
    """A row of what differs: its value a side, what that means, and why."""

    name: str
    values: tuple[str, ...]
    status: Status
    why: str


def conditions(compared: Compared) -> list[Condition]:
    """Return what differs, the worst first, as the document lists it."""
    return [
        Condition(
            str(each["condition"]),
            tuple(_values(str(each["condition"]), side) for side in each["values"]),
            BEARINGS[str(each["bearing"])],
            str(each["why"]),
        )
        for each in compared.document["environment"]
    ]


def blocking(compared: Compared) -> list[Condition]:
    """Return what forbids the comparison."""
    word = BEARINGS[Bearing.BLOCKS]
    return [each for each in conditions(compared) if each.status == word]


def ways_out(compared: Compared) -> list[str]:
    """Return what to do where the comparison is blocked."""
    names = [each.name for each in blocking(compared)]
    found = []
    if any(name in _UNUSABLE for name in names):
        found.append("Leave out the runs that are invalid or were not measured to their end.")
    if [name for name in names if name not in _UNUSABLE]:
        asked = " ".join(f"--vary {name}" for name in names if name not in _UNUSABLE)
        found.append(
            "Measure all sides under the same conditions; or, where one of them is what is "
            f"compared, say so: {asked}"
        )
    return found


def _values(condition: str, side: list[str]) -> str:
    shown = [_value(condition, each) for each in side[:SHOWN]]
    more = [f"{len(side) - SHOWN} more"] if len(side) > SHOWN else []
    return ", ".join([*shown, *more]) or "none"


def _value(condition: str, text: str) -> str:
    """Return a value as the document has it, with the unit of what is kept in ns or bytes."""
    if len(text) >= 2 * _HASH and set(text) <= set("0123456789abcdef"):
        return f"{text[:_HASH]}…"
    if text.isdecimal() and condition.rpartition(".")[2] in _TIMES:
        return numbers.ms(int(text) / 1e6)
    if text.isdecimal() and condition == "device.memory":
        return numbers.byte_size(int(text))
    if text[:1] in ("[", "{"):
        text = _plain(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _plain(text: str) -> str:
    try:
        return numbers.scalar(json.loads(text))
    except ValueError:
        return text


def stamp(compared: Compared) -> str:
    """Return how many runs, when and how long: ``8 runs, 2026-11-21 · 20.0 s each``."""
    runs = compared.subjects
    days = sorted({str(run.manifest.get("created") or "no date")[:10] for run in runs})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    lengths = sorted(run.window_s for run in runs if run.window_s is not None)
    length = "no measured window"
    if lengths:
        length = f"{numbers.clock(lengths[0])} each"
        if round(lengths[-1] - lengths[0], 1):
            length = f"{numbers.clock(lengths[0])} to {numbers.clock(lengths[-1])} each"
    tiers = distinct(str(run.verdict.get("tier")) for run in runs)
    tier = TIERS.get(tiers[0], "no tier") if len(tiers) == 1 else f"tiers {numbers.listed(tiers)}"
    parts = [f"{numbers.plural(len(runs), 'run')}, {when}", length, tier]
    return " · ".join([*parts, f"liveprobe {versions(compared)}"])


def versions(compared: Compared) -> str:
    """Return the versions of liveprobe that measured."""
    said = (str(run.manifest.get("liveprobe") or "not stated") for run in compared.subjects)
    return ", ".join(distinct(said))


def same(compared: Compared) -> list[tuple[str, str]]:
    """Return the conditions that all runs share."""
    runs = compared.subjects
    found = [(name, {read(run) for run in runs}) for name, read in _SHARED]
    return [(name, value) for name, (value, *more) in found if value and not more]


def _hash(name: str) -> Callable[[Subject], str]:
    return lambda run: str(run.part("scenario", "hashes").get(name) or "")[:_HASH]


def _device(name: str) -> Callable[[Subject], str]:
    return lambda run: str(run.part("device").get(name) or "")


_SHARED: Final[tuple[tuple[str, Callable[[Subject], str]], ...]] = (
    ("scenario", lambda run: run.name),
    ("source", lambda run: run.picture or ""),
    ("input", _hash("input")),
    ("model", lambda run: run.model or ""),
    ("model hash", _hash("model")),
    ("device", _device("name")),
    ("OS", _device("os")),
    ("kernel", _device("kernel")),
    ("governor", _device("governor")),
)


def title(compared: Compared) -> tuple[str, str]:
    """Return what was run, and on what: the words of the heading."""
    runs = compared.subjects
    names = distinct(run.name for run in runs)
    devices = distinct(run.device for run in runs)
    where = devices[0] if len(devices) == 1 else numbers.plural(len(devices), "device")
    letters = numbers.listed([each.letter for each in compared.others])
    return numbers.listed(names), f"{letters} against A, on {where}"


@dataclass(frozen=True)
class Trust:
    """The worst validity of all runs, and the reasons with how many runs gave them."""

    status: Status
    reasons: tuple[str, ...]


def trust(compared: Compared) -> Trust:
    """Return the validity line of the whole comparison."""
    runs = compared.subjects
    found = [str((run.verdict.get("validity") or {}).get("status")) for run in runs]
    order = [ValidityStatus.INVALID, ValidityStatus.LIMITED, ValidityStatus.VALID]
    worst = next((each.value for each in order if each.value in found), "not judged")
    counts = Counter(
        numbers.sentence(str(reason))
        for run in runs
        for reason in (run.verdict.get("validity") or {}).get("reasons") or []
    )
    reasons = [f"{worst} in {found.count(worst)} of {numbers.plural(len(runs), 'run')}"]
    reasons += [
        text if number == len(runs) else f"{text} ({number} of {len(runs)} runs)"
        for text, number in counts.most_common()
    ]
    return Trust(status.of_validity(worst), tuple(numbers.sentence(each) for each in reasons))


def shortage(compared: Compared) -> list[str]:
    """Return, for each pair with too few runs, how many more each side needs."""
    need = effects.runs_needed(NOMINAL_LEVEL)
    found = []
    for at, other in enumerate(compared.others):
        if not _too_few(compared.document, at):
            continue
        pair = (compared.base, other)
        missing = [(each.letter, need - each.count) for each in pair if each.count < need]
        more = numbers.listed([f"{numbers.plural(n, 'more run')} of {who}" for who, n in missing])
        has = f"A has {numbers.plural(pair[0].count, 'run')}, {other.letter} has {other.count}"
        found.append(f"{has}: measure {more or 'more runs of both'}, interleaved (A B B A).")
    return found


def _too_few(document: Mapping[str, Any], at: int) -> bool:
    return any(each["against"][at]["verdict"] == Word.TOO_FEW for each in document["metrics"])
