"""The doctor's answer as text: a table where the terminal is wide, lines where it is not."""

from __future__ import annotations

import re
import textwrap
from io import StringIO
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe.devices.doctor import MEASURED, OFF, OTHER_DEVICE
from probe.devices.surroundings import OK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Document = dict[str, Any]

WIDE: Final = 100
"""Six columns, of which two hold sentences, need as many characters as this."""
NAMES: Final = 24
MOST_SOURCES: Final = 3
COLUMNS: Final = ("track", "read from", "grade", "every", "state", "found, or why not")
SHARES: Final = (None, 4, None, None, None, 6)
"""What sentences share of the width that words leave."""
NAMED: Final = re.compile(r"\b[A-Z][A-Za-z0-9-]*")
COMMON: Final = frozenset({"linux"})
"""Words with a capital that name no kind of device."""
TITLES: Final = ("Can be measured", "Around the measurement")


class Told(NamedTuple):
    """What is said at once: the tracks of a collector that stand alike."""

    names: tuple[str, ...]
    row: Mapping[str, Any]
    needs: str


def text(document: Mapping[str, Any], width: int | None, *, everything: bool = False) -> str:
    """Return the doctor's answer for a terminal of `width` characters, None for a file.

    Tracks for other kinds of device are named on one line, unless `everything` is asked for.
    """
    wide = width is not None and width >= WIDE
    rows = [concerning(row, document["device"]) for row in document["tracks"]]
    shown, hidden = told(rows, everything=everything)
    lines = [*head(document), "", TITLES[0]]
    lines += table(shown, width or WIDE) if wide else plain(shown)
    if hidden:
        lines += [f"  not for this device (--all lists them): {hidden}"]
    lines += ["", TITLES[1], *around(document["environment"])]
    return "\n".join(lines if width is None else [each for line in lines for each in
                                                  wrapped(line, width)])  # fmt: skip


def told(rows: Sequence[Mapping[str, Any]], *, everything: bool = False) -> tuple[list[Told], str]:
    """Return what is said of the tracks, and those of other devices in a few words."""
    shown: list[Told] = []
    hidden: list[str] = []
    for collector, each in groupby(rows, key=lambda row: row["collector"]):
        of_it = list(each)
        others = [row for row in of_it if row["state"] == OTHER_DEVICE]
        if others and not everything:
            hidden += [collector] if len(others) == len(of_it) else [r["track"] for r in others]
        kept = [row for row in of_it if everything or row["state"] != OTHER_DEVICE]
        shown += _alike(kept)
    return shown, ", ".join(hidden)


def concerning(row: Mapping[str, Any], device: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row with the sources for this device alone, with all where none names it.

    A kind of device that is named (`Raspberry Pi 5`) has a word in the inventory; one that is not
    (`any Linux`) is for all.
    """
    chips = [each["name"] for each in device["accelerators"]]
    words = " ".join(filter(None, [device["board"], device["soc"], device["cpu"], *chips])).lower()
    near = [each for each in row["sources"] if _is_named(each["device"], words)]
    return {**row, "sources": near or row["sources"]}


def _is_named(kind: str, words: str) -> bool:
    names = {each.lower() for each in NAMED.findall(kind)} - COMMON
    return not names or any(name in words for name in names)


def head(document: Mapping[str, Any]) -> list[str]:
    """Return what the device is, one thing a line."""
    device, codecs = document["device"], document["codecs"]
    lines = [f"{device['name']}: {_list(device['board'], device['soc']) or 'board not stated'}"]
    if document["tree"] is not None:
        has = f"its program is process {document['program_pid']}" if document["program_pid"] else (
            "it has no program")  # fmt: skip
        lines += [f"  a captured tree, not this machine: {document['tree']}; {has}"]
    leaving = document["leaving_tree"]
    if leaving:
        many = "1 link leads" if len(leaving) == 1 else f"{len(leaving)} links lead"
        lines += [f"  {many} out of the tree, to this machine: {leaving[0]} ..."]
    lines += list(_facts(device))
    lines += [_line("accelerator", accelerator(each)) for each in device["accelerators"]]
    for name in ("cameras", "displays"):
        lines += [_line(name, ", ".join(device[name]) or "none seen")]
    hardware = [f"{each['name']}: {each['does']}" for each in codecs["hardware"]]
    lines += [_line("codecs (inferred)", "; ".join(hardware) or "no hardware codec seen")]
    if codecs["pyav"]:
        lines += [_line("codecs of PyAV", pyav(codecs["pyav"]))]
    return lines


def accelerator(part: Mapping[str, Any]) -> str:
    """Return an accelerator in words, with what its driver needs where it has none."""
    if part["driver"] is None:
        return f"{part['name']}: no driver; {part['remedy'] or 'none is known here'}"
    driver = _list(part["driver"], part["version"], between=" ")
    firmware = f"firmware {part['firmware']}" if part["firmware"] else None
    memory = None
    if part["sram_bytes"] is not None:
        memory = f"{part['sram_bytes'] / 1e6:.1f} MB on the chip ({part['sram_source']})"
    return f"{part['name']}: {_list(f'driver {driver}', firmware, part['node'], memory)}"


def pyav(found: Mapping[str, Any]) -> str:
    """Return what PyAV brings, in words."""
    ways = sorted({name.rpartition("_")[2] for name in found["hardware"]})
    compiled = ", ".join(ways) or "none"
    kinds = ", ".join(found["hwaccel"]) or "none"
    return (
        f"{found['version']}: {', '.join(found['software'])}; compiled in, be the hardware here or "
        f"not: {compiled}; kinds of device: {kinds}"
    )


def plain(shown: Sequence[Told]) -> list[str]:
    """Return a line for each, with what to do below what is missing."""
    lines = []
    for each in shown:
        row = each.row
        sign = "+" if row["state"] == MEASURED else "-"
        lines += [f"  {sign} {', '.join(each.names):<{NAMES}} {_state(row)}: {row['reason'] or ''}"]
        if sign == "+":
            lines += [f"      {_graded(row)}, {_every(row)}, from {_from(row)}"]
        lines += [f"      {line}" for line in _to_do(each)]
    return lines


def table(shown: Sequence[Told], width: int) -> list[str]:
    """Return a table of so many characters."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, expand=True)
    for name, share in zip(COLUMNS, SHARES, strict=True):
        columns.add_column(name, ratio=share, no_wrap=share is None, overflow="fold")
    for each in shown:
        row = each.row
        why = [row["reason"] or "", *_to_do(each)]
        cells = ("\n".join(each.names), _from(row), _graded(row, "\n"), _every(row, "\n"),
                 _state(row), "\n".join(why))  # fmt: skip
        columns.add_row(*(Text(cell) for cell in cells))
    out = StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(columns)
    return [line.rstrip().replace("─", "-") for line in out.getvalue().splitlines() if line.strip()]


def around(environment: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what stands around a measurement, with what would better it."""
    lines = []
    for each in environment:
        good = each["state"] == OK
        lines += [f"  {'+' if good else '-'} {each['name']:<{NAMES}} {each['reason']}"]
        lines += [f"      what to do: {each['remedy']}"] if each["remedy"] and not good else []
    return lines


def wrapped(line: str, width: int) -> list[str]:
    """Return a line in lines of at most `width` characters, where words allow it."""
    if len(line) <= width:
        return [line]
    indent = len(line) - len(line.lstrip())
    below = " " * min(indent + 4, 10)
    return textwrap.wrap(line, max(width, 30), subsequent_indent=below, break_long_words=False,
                         break_on_hyphens=False, drop_whitespace=True,
                         initial_indent="") or [line]  # fmt: skip


def _alike(rows: Sequence[Mapping[str, Any]]) -> Iterator[Told]:
    """Yield the tracks that are measured one by one, the others together where they are alike."""
    together: dict[object, list[Mapping[str, Any]]] = {}
    for row in rows:
        alone = row["track"] if row["state"] == MEASURED else None
        key = (alone, row["state"], row["reason"], row["remedy"], _needs(row))
        together.setdefault(key, []).append(row)
    for group in together.values():
        row = group[0]
        told = row["state"] in (MEASURED, OFF) or " the tree" in f" {row['reason']}"
        needs = "" if told else _needs(row)
        yield Told(tuple(each["track"] for each in group), row, needs)


def _needs(row: Mapping[str, Any]) -> str:
    """Return what the rows of the support matrix ask for, each with its kind of device."""
    asked = dict.fromkeys((each["device"], each["needs"]) for each in row["sources"])
    return "; ".join(f"{device}: {needs}" for device, needs in asked if needs)


def _to_do(each: Told) -> list[str]:
    lines = [f"what to do: {each.row['remedy']}"] if each.row["remedy"] else []
    return [*lines, f"needs, on {each.needs}"] if each.needs else lines


def _state(row: Mapping[str, Any]) -> str:
    return str(row["state"])


def _graded(row: Mapping[str, Any], between: str = " ") -> str:
    return f"{row['grade']}{between}({row['kind']})" if row["kind"] else str(row["grade"])


def _every(row: Mapping[str, Any], between: str = " ") -> str:
    period_ns = row["period_ns"]
    if period_ns is None:
        return f"at start{between}and end"
    return f"{period_ns / 1e9:g} s" if period_ns >= 10**9 else f"{period_ns / 1e6:g} ms"


def _from(row: Mapping[str, Any]) -> str:
    sources = list(dict.fromkeys(each["source"] for each in row["sources"]))
    if not 0 < len(sources) <= MOST_SOURCES:
        return f"{row['collector']} ({len(sources)} sources)" if sources else row["collector"]
    return "; ".join(sources)


def _facts(device: Mapping[str, Any]) -> Iterator[str]:
    clocks = sorted({f"{hertz / 1e9:.2f} GHz" for hertz in device["clock_limit_hz"]})
    cores = f"{device['cores']} cores" if device["cores"] else None
    yield _line("processor", _list(device["cpu"], cores, ", ".join(clocks)) or "not stated")
    memory = device["memory_bytes"]
    yield _line("memory", f"{memory / 2**30:.1f} GiB" if memory else "not stated")
    kernel = f"Linux {device['kernel']}" if device["kernel"] else None
    virtual = "a virtual machine" if device["virtualised"] else None
    yield _line("system", _list(device["os"], kernel, virtual) or "not stated")
    yield _line("governor", device["governor"] or "no cpufreq")


def _line(name: str, value: str) -> str:
    return f"  {name:<18} {value}"


def _list(*words: str | None, between: str = ", ") -> str:
    return between.join(word for word in words if word)
