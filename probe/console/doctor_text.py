"""The doctor's answer as text: what is there to do, what is the device, what can be measured?"""

from __future__ import annotations

import re
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from probe.console import device_text, doctor_plan, reading_text
from probe.console.doctor_plan import ASKED, HERE, LEGEND, MISSING, UNTRIED, Told
from probe.devices.surroundings import OK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from probe.console.doctor_plan import Row, Task

WIDE: Final = 132
"""A table has room for the longest path of sysfs beside four columns of words."""
NAMES: Final = 24
LEAST: Final = 30
MOST_SOURCES: Final = 3
MOST_BELOW: Final = 3
"""More names than these stand side by side, where one reason is all that there is to say."""
COLUMNS: Final = ("", "now", "grade", "every", "read from, or why not")
GAP: Final = "  "
_NAMED: Final = re.compile(r" *\S.*? {2,}(?=\S)")
_PIECES: Final = re.compile(r"[^/,;]+[/,;]?|[/,;]")


def text(document: Mapping[str, Any], width: int | None, *, everything: bool = False) -> str:
    """Return the doctor's answer for a terminal of `width` characters, None for a file.

    Tracks for other kinds of device are named on one line, unless `everything` is asked for.
    """
    rows = [doctor_plan.concerning(row, document["device"]) for row in document["tracks"]]
    todo = doctor_plan.tasks(rows, document["environment"], document["device"]["accelerators"])
    numbers = {task.what: number for number, task in enumerate(todo, 1)}
    groups = doctor_plan.grouped(rows, everything=everything)
    lines = [*device_text.head(document), ""]
    lines += [doctor_plan.summary(rows, todo, tree=document["tree"] is not None), *_to_do(todo)]
    lines += ["", "Device", *device_text.inventory(document), "", "Tracks", legend(groups)]
    if width is not None and width >= WIDE:
        lines += table(groups, numbers, width)
    else:
        lines += plain(groups, numbers)
    others = doctor_plan.of_other_devices(rows)
    if others and not everything:
        lines += ["", f"  not for this device (--all lists them): {others}"]
    lines += ["", "Around the measurement", *around(document["environment"], numbers)]
    return "\n".join(lines if width is None else [each for line in lines for each in
                                                  wrapped(line, width)])  # fmt: skip


def legend(groups: Mapping[str, Sequence[Told]]) -> str:
    """Return what the signs mean that are used."""
    used = {each.sign for members in groups.values() for each in members}
    return f"  {'; '.join(f'{sign} {said}' for sign, said in LEGEND.items() if sign in used)}"


def plain(groups: Mapping[str, Sequence[Told]], numbers: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each track that is measured, and below how; the others with the reason."""
    for name, members in groups.items():
        yield from ("", f" {name}")
        for each in members:
            if each.sign == HERE:
                yield from (f"  + {row['track']:<{NAMES}} {_now(row)}" for row in each.rows)
                row = each.rows[0]
                yield f"      {graded(row)}, {paced(row['period_ns'])}, from {_from(row)}"
                continue
            names, said = ", ".join(each.names), why(each, numbers)
            if len(names) <= NAMES:
                yield f"  {each.sign} {names:<{NAMES}} {said}"
            else:
                yield from (f"  {each.sign} {names}", f"      {said}")


def table(
    groups: Mapping[str, Sequence[Told]], numbers: Mapping[str, int], width: int
) -> Iterator[str]:
    """Yield a table of so many characters; what is missing has its reason across the columns."""
    told = [each for members in groups.values() for each in members]
    cells = [_cells(each) for each in told if each.sign == HERE]
    widths = [max(NAMES, *(len(name) + 4 for each in told for name in each.names))]
    for k, title in enumerate(COLUMNS[1:4], 1):
        widths.append(max(len(title), *(len(line) for each in cells for line in each[k]), 0))
    left = sum(widths) + len(GAP) * len(widths)
    yield from ("", _row([[title] for title in COLUMNS], widths)[0])
    for name, members in groups.items():
        yield f" {name}"
        for each in members:
            if each.sign == HERE:
                source = _folded(_from(each.rows[0]), width - left)
                yield from _row([*_cells(each), source], widths)
            else:
                said = _folded(why(each, numbers), width - widths[0] - len(GAP))
                many = len(each.names) > MOST_BELOW
                if many:
                    yield f"  {each.sign} {', '.join(each.names)}"
                yield from _row([[] if many else _names(each), said], widths[:1])


def why(each: Told, numbers: Mapping[str, int]) -> str:
    """Return why tracks have no value, and what is to do: its number, where it has one."""
    row = each.rows[0]
    if each.sign == ASKED:
        return f"when asked for: {row['remedy']}"
    if each.sign == UNTRIED:
        told = doctor_plan.OF_TREE in str(row["reason"]) or not row["remedy"]
        return f"{row['state']}: {row['reason']}" + ("" if told else f"; {row['remedy']}")
    words = [f"{row['state']}: {row['reason'] or ''}"]
    needs = doctor_plan.needed(row)
    if row["remedy"] in numbers and each.sign == MISSING:
        words += [f"to do: {numbers[row['remedy']]}"]
    elif row["remedy"]:
        words += [f"what to do: {row['remedy']}"]
    elif needs and each.sign == MISSING:
        words += [f"needs, on {needs}"]
    return "; ".join(words)


def around(environment: Sequence[Mapping[str, Any]], numbers: Mapping[str, int]) -> Iterator[str]:
    """Yield what stands around a measurement, with the number of what would better it."""
    for each in environment:
        good = each["state"] == OK
        number = None if good else numbers.get(each["remedy"])
        task = f"; to do: {number}" if number else ""
        yield f"  {HERE if good else MISSING} {each['name']:<{NAMES}} {each['reason']}{task}"


def wrapped(line: str, width: int) -> list[str]:
    """Return a line in lines of at most `width` characters, where words allow it.

    What goes on stands below the second column, where the line has one and its words have room.
    """
    if len(line) <= width:
        return [line]
    found = _NAMED.match(line)
    indent = len(line) - len(line.lstrip()) + 4
    longest = max(LEAST, *map(len, line[len(found[0]) :].split())) if found else width
    below = len(found[0]) if found and len(found[0]) + longest <= width else min(indent, 10)
    return textwrap.wrap(line, max(width, LEAST), subsequent_indent=" " * below,
                         break_long_words=False, break_on_hyphens=False) or [line]  # fmt: skip


def graded(row: Row, between: str = " ") -> str:
    """Return the grade, with the kind of a utilisation."""
    return f"{row['grade']}{between}({row['kind']})" if row["kind"] else str(row["grade"])


def paced(period_ns: int | None, between: str = " ") -> str:
    """Return how often something is read, in words."""
    if period_ns is None:
        return f"at start{between}and end"
    return f"{period_ns / 1e9:g} s" if period_ns >= 10**9 else f"{period_ns / 1e6:g} ms"


def _to_do(todo: Sequence[Task]) -> Iterator[str]:
    for number, task in enumerate(todo, 1):
        yield f"  {number}.  {task.what}"
        if task.tracks:
            yield f"      brings {doctor_plan.brought(task)}"
        yield from (f"      {each['name']}: {each['reason']}" for each in task.betters)


def _now(row: Row) -> str:
    return reading_text.values(row["values"], row["unit"])


def _names(each: Told) -> list[str]:
    return [f"  {each.sign} {name}" for name in each.names]


def _cells(each: Told) -> list[list[str]]:
    """Return the lines of four columns: tracks, what they read now, grade, period."""
    row = each.rows[0]
    grade, every = graded(row, "\n"), paced(row["period_ns"], "\n")
    return [_names(each), [_now(row) for row in each.rows], grade.split("\n"), every.split("\n")]


def _row(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """Return the lines of a row; the last cell has no width of its own."""
    lines = zip_longest(*cells, fillvalue="")
    padded = ((f"{part:<{wide}}" for part, wide in zip(line, widths, strict=False))
              for line in lines)  # fmt: skip
    last = [*cells[-1], *[""] * max(len(cell) for cell in cells)]
    return [GAP.join((*first, end)).rstrip() for first, end in zip(padded, last, strict=False)]


def _folded(sentence: str, width: int) -> list[str]:
    """Return a sentence in lines; a path that is longer is broken behind a slash."""
    words: list[str] = []
    for word in sentence.split():
        words += [word] if len(word) <= width else _broken(word, width)
    return textwrap.wrap(" ".join(words), max(width, LEAST), break_on_hyphens=False) or [""]


def _broken(word: str, width: int) -> list[str]:
    parts = [""]
    for piece in _PIECES.findall(word):
        full = len(parts[-1] + piece) > width
        parts = [*parts, piece] if full else [*parts[:-1], parts[-1] + piece]
    return parts


def _from(row: Row) -> str:
    if row["source"] is not None:
        return str(row["source"])
    sources = list(dict.fromkeys(each["source"] for each in row["sources"]))
    if not 0 < len(sources) <= MOST_SOURCES:
        return f"{row['collector']} ({len(sources)} sources)" if sources else row["collector"]
    return "; ".join(sources)
