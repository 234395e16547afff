"""To which processes is the interposer blind, why, and what can be done?

Blind is never "no copies": a process into which nothing could be loaded is told, and so is one
whose copies are partly its own loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from collectors.copies.processes import Seen
    from collectors.copies.programs import Elf

STATIC: Final = (
    "it is linked statically, so nothing can be loaded into it; link it dynamically to see its"
    " copies"
)
GO: Final = (
    "it is a Go program, which loads nothing and copies with code of its own; Go's pprof is the"
    " tool for it"
)
GO_WITH_C: Final = (
    "Go's runtime copies with code of its own: only what its C parts copy is seen; Go's pprof is"
    " the tool for the rest"
)
JVM: Final = (
    "HotSpot's copy stubs do not call libc: only what its native libraries copy is seen; a profiler"
    " of the JVM (JFR, async-profiler) is the tool for the rest"
)
SECURE: Final = (
    "it gained rights when it started (setuid, setgid, file capabilities), so the loader ignores"
    " LD_PRELOAD; run it directly as the user that it becomes"
)
CLOSED: Final = (
    "it may not be looked into: it runs as another user or gained rights, where the loader ignores"
    " LD_PRELOAD; run liveprobe as that user"
)
FOREIGN: Final = (
    "it runs as another user, who may not write among the tapes; run liveprobe as that user"
)
UNTAPED: Final = (
    "no tape of it could be written (no room, or a limit of the size of files); make room where the"
    " tapes are, or raise the limit"
)
CLEARED: Final = (
    "what started it cleared LD_PRELOAD from its environment; let the launcher pass LD_PRELOAD and"
    " LIVEPROBE_* on"
)
REFUSED: Final = (
    "the loader did not take the interposer into it, though LD_PRELOAD names it; what it wrote to"
    " stderr says why"
)


def account(
    seen: Iterable[Seen],
    tapes: set[int],
    ours: Elf | None,
    names: Collection[tuple[int, str]] = (),
    untaped: Collection[int] = (),
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the processes, {pid, exe, traced}, and the blind ones among them, {pid, exe, why}.

    `tapes` are the processes that left a tape, `names` what they were called when it was made,
    `untaped` those that could make none. A process may be in both lists: partly seen.
    """
    seen = list(seen)
    inside = {each.pid for each in seen if each.mapped}
    processes, blind = [], []
    for each in seen:
        # A tape may be of what the process was before it ran another program.
        taped = each.pid in tapes and (bool(each.mapped) or each.pid not in inside)
        if each.foreign:  # it made none if it changed its user before it ran this program
            taped = taped and (each.pid, each.name) in names
        why = UNTAPED if each.pid in untaped else why_blind(each, ours, traced=taped)
        entry = {"pid": each.pid, "exe": each.shown}
        inside_it = bool(each.mapped) and why not in {FOREIGN, UNTAPED}
        processes.append({**entry, "traced": inside_it or (taped and why is None)})
        if why is not None:
            blind.append({**entry, "why": why})
    known = {each.pid for each in seen}
    processes += [{"pid": pid, "exe": None, "traced": True} for pid in sorted(tapes - known)]
    gone = sorted(set(untaped) - known)
    processes += [{"pid": pid, "exe": None, "traced": False} for pid in gone]
    blind += [{"pid": pid, "exe": None, "why": UNTAPED} for pid in gone]
    return processes, blind


def why_blind(seen: Seen, ours: Elf | None, *, traced: bool) -> str | None:
    """Return why copies of a process are not seen, or not all; None where they are.

    `ours` says what the interposer was built for; `traced`: there is a tape of the process.
    """
    if not seen.mapped:
        why = _kept_out(seen, ours, traced=traced)
        if why is not None:
            return why
    if seen.foreign and not traced:
        return FOREIGN
    if seen.jvm:
        return JVM
    if seen.elf is not None and seen.elf.go:
        return GO_WITH_C
    looked_twice = seen.sights > 1 and seen.mapped is not None
    return REFUSED if looked_twice and not (seen.mapped or traced) else None


def _kept_out(seen: Seen, ours: Elf | None, *, traced: bool) -> str | None:
    """Return what of the program, or of how it was started, keeps every library out."""
    if seen.exe is None:
        return None if traced else CLOSED
    elf = seen.elf
    if elf is not None and elf.loader is None:
        return GO if elf.go else STATIC
    if elf is not None and ours is not None:
        if elf.platform != ours.platform:
            return _other_platform(elf, ours)
        # musl takes what glibc built, if it takes it (then it is mapped); bionic was not seen.
        if elf.library != ours.library and None not in (elf.library, ours.library):
            return (
                f"it runs on {elf.library}, and the interposer is built for {ours.library};"
                f" install liveprobe where {elf.library} is the system's own"
            )
    if seen.secure:
        return SECURE
    return CLEARED if seen.preloaded is False else None


def _other_platform(elf: Elf, ours: Elf) -> str:
    if elf.bits != ours.bits:
        what = f"it is a {elf.bits}-bit program, and the interposer has {ours.bits} bits"
    else:
        what = "it is a program of another architecture than the interposer's"
    return f"{what}; build it, and liveprobe, for one architecture to see its copies"
