"""What do the ledger's numbers leave out, and what was checked? Said beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.page import numbers, status
from reports.page.privacy import file_name, without_folders
from reports.sections.copy_lines import mb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probe.ledger import Blind, Ledger
    from reports.page.status import Status
    from reports.page.subject import Subject

OFF: Final = ("off", "failed", "full")
"""States of a hook that misses copies; one that is "missing" has nothing to hook."""
MOST_HOOKS: Final = 6


@dataclass(frozen=True)
class Limit:
    """Something to know of what the ledger sees; `status` where it is missing something."""

    what: str
    said: str
    status: Status | None = None


def threshold(subject: Subject) -> int | None:
    """Return from how many bytes on a copy is recorded."""
    found = subject.part("copies").get("threshold_bytes")
    return int(found) if isinstance(found, int) else None


def limits(subject: Subject, ledger: Ledger, unit: str) -> Iterable[Limit]:
    """Yield what the numbers leave out, the gravest first."""
    said = subject.part("copies")
    processes = [each for each in said.get("processes") or [] if isinstance(each, dict)]
    if ledger.whole_run:
        said_so = "the program ended in its warm-up: all that it did is counted, its start included"
        yield Limit("window", said_so, status.LIMITED.saying("empty"))
    if ledger.lost or ledger.stopped:
        yield Limit("complete", _lost(ledger, processes), status.LIMITED.saying("lower bound"))
    if ledger.blind:
        yield Limit("blind", blindness(ledger.blind), status.LIMITED.saying("blind"))
    yield _attributed(ledger, unit)
    yield _checked(ledger)
    yield from _hooks(processes)
    yield from _passed(processes)
    threads = sum(int(each.get("threads") or 0) for each in processes)
    traced = numbers.plural(len(processes), "process", "processes")
    yield Limit("traced", f"{traced}, {numbers.plural(threads, 'thread')}")
    yield Limit("from", _smallest(subject, ledger))
    if ledger.inferred:
        yield Limit("inferred", "stages and frames were told by the entry points of libraries, for"
                    " the program says none")  # fmt: skip


def _lost(ledger: Ledger, processes: list[dict[str, Any]]) -> str:
    parts = []
    if ledger.lost:
        parts.append(f"{numbers.plural(ledger.lost, 'copy', 'copies')} found no room on a tape")
    if ledger.stopped:
        stopped = numbers.plural(ledger.stopped, "process", "processes")
        notes = [note for process in processes for note in process.get("notes") or []]
        why = {str(note.get("why")) for note in notes if note.get("key") == "stopped"}
        parts.append(
            f"{stopped} stopped recording ({without_folders('; '.join(sorted(why)))})"
            if why
            else f"the tapes of {stopped} came to their limit"
        )
    return f"{numbers.listed(parts)}: every number is at least this"


def blindness(blind: Iterable[Blind]) -> str:
    """Return the processes that nobody could look into, each with its reason."""
    said = []
    for each in blind:
        name = file_name(each.exe) if each.exe else "a process"
        pid = "" if each.pid is None else f" (pid {each.pid})"
        said.append(f"{name}{pid}: {without_folders(each.why)}")
    return "; ".join(said)


def _attributed(ledger: Ledger, unit: str) -> Limit:
    size = ledger.unattributed_bytes_per_frame
    if not size:
        return Limit("attributed", "every byte belongs to a stage" if ledger.lines else "nothing")
    share = numbers.percent(size / ledger.total.bytes_per_frame)
    return Limit("attributed", f"all but {mb(size)} {unit} ({share}), which belong to no stage")


def _checked(ledger: Ledger) -> Limit:
    ratio = ledger.explained_ratio
    if ratio is not None:
        looks = numbers.plural(sum(each.looks for each in ledger.explained or ()), "look")
        said = f"{numbers.percent(ratio)} of the bytes in written pages, in {looks} at a stage"
        return Limit("explained", said)
    asked = without_folders(ledger.unchecked or "run with --copies deep")
    return Limit("explained", f"not checked: {asked}", status.ABSENT.saying(""))


def _hooks(processes: list[dict[str, Any]]) -> Iterable[Limit]:
    """Yield the hooks that were switched off, and the interpreters whose lines are not known."""
    off: dict[str, str] = {}
    lines: dict[str, str] = {}
    for process in processes:
        for hook in process.get("hooks") or []:
            if hook.get("state") in OFF:
                off[str(hook.get("hook"))] = without_folders(str(hook.get("why") or "not said"))
        python = process.get("python")
        if isinstance(python, dict) and python.get("frames") in ("off", "none"):
            lines[str(python.get("version"))] = without_folders(str(python.get("why") or ""))
    if off:
        some = [f"{name}: {why}" for name, why in list(off.items())[:MOST_HOOKS]]
        rest = [f"{len(off) - MOST_HOOKS} more"] if len(off) > MOST_HOOKS else []
        said = "; ".join([*some, *rest])
        yield Limit("hooks off", said, status.LIMITED.saying("off"))
    for version, why in lines.items():
        said = f"none of Python {version}: {why}"
        yield Limit("lines", said, status.LIMITED.saying("no lines"))


def _passed(processes: list[dict[str, Any]]) -> Iterable[Limit]:
    """Yield what the interposer let pass: a signal handler's calls, more buffers than it holds."""
    for key, what, one, many in (
        ("passed_unseen", "passed", "call was", "calls were"),
        ("untracked_buffers", "buffers", "large allocation was", "large allocations were"),
    ):
        number = sum(int(each.get(key) or 0) for each in processes)
        if number:
            said = f"{numbers.plural(number, one, many)} passed on unseen"
            yield Limit(what, said, status.LIMITED.saying("unseen"))


def _smallest(subject: Subject, ledger: Ledger) -> str:
    least = threshold(subject)
    text = "copies of any size" if least is None else f"{numbers.count(least)} bytes"
    if not ledger.small_copies:
        return text
    small = numbers.plural(ledger.small_copies, "smaller copy", "smaller copies")
    return f"{text}; {small}, {numbers.byte_size(ledger.small_bytes)} in the whole run, in no sum"
