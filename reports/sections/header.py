"""What ran, where and when, and can the measurement be trusted?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.page import numbers, status
from reports.page.privacy import file_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.page.status import Status
    from reports.page.subject import Subject

_UTC: Final = 16
TIERS: Final = {
    "quick": "quick tier: indicative",
    "standard": "standard tier",
    "certified": "certified tier",
}


@dataclass(frozen=True)
class Validity:
    """Which run, its status, and the reasons."""

    run: str
    status: Status
    reasons: tuple[str, ...]


def stamp(subject: Subject) -> str:
    """Return when and how long: ``Run 2026-11-21 02:15 UTC · 30.0 s · quick tier: indicative``."""
    created = str(subject.manifest.get("created") or "")[:_UTC].replace("T", " ")
    tier = TIERS.get(str(subject.verdict.get("tier")), "no tier")
    length = "no measured window" if subject.window_s is None else numbers.clock(subject.window_s)
    return " · ".join([f"{created} UTC" if created else "no date", length, tier])


def facts(subject: Subject) -> list[tuple[str, str]]:
    """Return the short line below the title."""
    device = subject.part("device")
    found = [
        ("SoC", device.get("soc")),
        ("CPU", device.get("cpu")),
        ("cores", _cores(device)),
        (
            "memory",
            numbers.byte_size(device["memory_bytes"]) if device.get("memory_bytes") else None,
        ),
        ("OS", device.get("os")),
        ("governor", device.get("governor")),
        ("accelerators", [_accelerator(each) for each in device.get("accelerators") or ()]),
    ]
    return [(name, numbers.scalar(value)) for name, value in found if value not in (None, "", [])]


def conditions(subject: Subject) -> list[tuple[str, str]]:
    """Return what this run was: source, model, providers, seed, changes."""
    hashes = subject.part("scenario", "hashes")
    model = subject.model if subject.mode != "command" else None
    digest = str(hashes.get("model") or "")
    seed = subject.part("scenario", "resolved", "run").get("seed")
    custom = subject.part("scenario").get("custom")
    return [
        (name, value)
        for name, value in (
            ("source", _source(subject)),
            ("model", f"{_stem(model)} {digest[:8]}" if model else None),
            ("providers", _providers(subject)),
            ("encode", _encode(subject)),
            ("seed", None if seed is None else str(seed)),
            ("scenario", "custom" if custom else "as shipped"),
        )
        if value
    ]


def _stem(name: str) -> str:
    """Return a file name without the endings that say nothing here."""
    return name.removesuffix(".onnx").removesuffix(".mp4")


def _cores(device: Mapping[str, Any]) -> str | None:
    """Return ``8 (16 threads)``: what the kernel counts are threads where a core has two."""
    online, physical = device.get("cores"), device.get("physical_cores")
    if online and physical and physical < online:
        return f"{physical} ({online} threads)"
    return str(online) if online else None


def _accelerator(part: Mapping[str, Any]) -> str:
    """Return ``Hailo-10H (hailo1x 5.1.1)``: the driver's version is what changes the numbers."""
    driver = " ".join(str(part[key]) for key in ("driver", "version") if part.get(key))
    return f"{part.get('name')} ({driver or 'no driver'})"


def _source(subject: Subject) -> str | None:
    if subject.mode != "live":
        return None
    source = subject.part("scenario", "resolved", "source")
    kind = subject.fact("source", "kind") or source.get("kind")
    clip = _stem(file_name(str(source.get("clip") or "")).removeprefix("builtin:"))
    name = clip if kind == "clip" else str(kind or "")
    codec = subject.fact("source", "codec")
    return " ".join(str(part) for part in (name, subject.picture, codec) if part) or None


def _providers(subject: Subject) -> str | None:
    got, asked = subject.fact("providers", "got"), subject.fact("providers", "asked")
    if not isinstance(got, list):
        return None
    text = ", ".join(map(str, got))
    missing = [str(name) for name in asked or [] if name not in got]
    return f"{text} (asked for {', '.join(missing)} and not got)" if missing else text


def _encode(subject: Subject) -> str | None:
    place, codec = subject.fact("encode", "place"), subject.fact("encode", "codec")
    if place in (None, "off") or subject.mode != "live":
        return None
    return f"{codec or 'codec not stated'}, {str(place).replace('-', ' ')}"


def environment(subject: Subject) -> list[tuple[str, str]]:
    """Return every fact of device and environment for the fold-out table."""
    rows = [(f"device {key}", value) for key, value in subject.part("device").items()]
    for key, value in subject.part("environment").items():
        if isinstance(value, dict):
            rows += [(f"{key} {name}", item) for name, item in value.items()]
        else:
            rows.append((key, value))
    hashes = subject.part("scenario", "hashes")
    rows += [(f"hash of {key}", value) for key, value in hashes.items()]
    rows += [("changed", ", ".join(_changes(subject)) or "nothing")]
    return [(name.replace("_", " "), _fact(name, value)) for name, value in rows]


def _fact(name: str, value: object) -> str:
    if name.endswith("bytes") and isinstance(value, (int, float)):
        return numbers.byte_size(value)
    return (
        str(value)
        if isinstance(value, int) and not isinstance(value, bool)
        else numbers.scalar(value)
    )


def _changes(subject: Subject) -> list[str]:
    return [change_shown(str(each)) for each in subject.part("scenario").get("overrides") or []]


def change_shown(override: str) -> str:
    """Return ``key=value`` with a path cut to its file name."""
    key, sign, value = override.partition("=")
    return f"{key}{sign}{file_name(value) if '/' in value else value}"


def validity(subject: Subject) -> Validity:
    """Return the validity line of one run."""
    found = subject.verdict.get("validity") or {}
    reasons = [str(reason) for reason in found.get("reasons") or []]
    shown = tuple(numbers.sentence(reason) for reason in reasons)
    return Validity(subject.name, status.of_validity(found.get("status")), shown)


def ending(subject: Subject) -> str | None:
    """Return how the run ended, where it did not end as planned."""
    state = str(subject.manifest.get("state") or "")
    program = subject.part("program")
    if state == "running":
        return "The harness died before it finished; what was on tape is shown"
    if state == "interrupted":
        return "Interrupted; what was measured until then is shown"
    if state == "program failed":
        how = str(program.get("outcome") or "failed")
        code, signal = program.get("exit_code"), program.get("signal")
        detail = f" by signal {signal}" if signal else f" with exit code {code}" if code else ""
        return f"The program {how}{detail}; what was measured until then is shown"
    return None
