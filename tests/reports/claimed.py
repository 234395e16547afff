"""Claims of every outcome, judged by seeded Runs, for the tests of their report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from probe.claims import judging
from probe.claims.file import Claim
from probe.scenario import NANOSECONDS
from probe.store import Run

Judged = tuple[Run, Mapping[str, Any]]
SECOND_NS = 10**9
HOLDS = "Live background blur at 30 fps, 40 ms per frame, each picture answered within 50 ms"


def claim(name: str, text: str, *statements: dict[str, Any], **conditions: Any) -> Claim:
    return Claim.model_validate(
        {
            "id": name, "text": text, "source": f"a page of {name}, https://example.org/live",
            "date": dt.date(2026, 3, 18), "conditions": conditions, "statement": list(statements),
        },
        context=NANOSECONDS,
    )  # fmt: skip


def holds(text: str, *tests: str, essential: bool = False, **more: Any) -> dict[str, Any]:
    return {"text": text, "holds": list(tests), "essential": essential, **more}


def apart(one: Judged, number: int) -> Judged:
    """Return the Run with an id of its own; those of the maker are all made in the same second."""
    run, verdict = one
    manifest = {**run.manifest, "id": f"{run.manifest['id']}-{number}"}
    return Run(manifest, lambda name: run.table(name) if run.has(name) else None), verdict


def document(judged: Callable[..., Judged]) -> dict[str, Any]:
    """Return a document with claims that are supported, partly, refuted, open and elsewhere."""
    live = judged("live")
    five = [apart(judged("live", seed=k), k) for k in range(1, 6)]
    found = [
        judging.judge(
            claim(
                "holds", HOLDS,
                holds("30 fps", "rate>=29.7fps", reading="unique frames, 1 % less at most"),
                holds("40 ms per frame", "latency.p50<=40ms", reading="until it is answered"),
                holds("each picture answered within 50 ms", "latency.p99<=50ms", essential=True),
                resolution=[1280, 720], rate=30.0, duration=30 * SECOND_NS,
                scenario="live-background-blur",
            ),
            five,
        ),
        judging.judge(
            claim(
                "partly", "30 fps in real time, under 5 W, first picture within 3 s",
                holds("30 fps", "rate>=29.7fps"), holds("real time", "real-time"),
                holds("under 5 W", "power.mean<=5W", needs="a meter on the module's own rail"),
                holds("first picture within 3 s", "time_to_first_frame<=3s"), rate=30.0,
            ),
            [live],
        ),
        judging.judge(
            claim(
                "refuted", "Answers in real time, within 50 ms",
                holds("within 50 ms", "latency.p99<=50ms", essential=True),
                holds("real time", "real-time"), rate=30.0,
            ),
            [judged("late")],
        ),
        judging.judge(
            claim("lost", "Within 50 ms", holds("Within 50 ms", "latency.p99<=50ms")),
            [judged("dropping")],
        ),
        judging.judge(
            claim(
                "open", "One frame in a thousand is late",
                holds("One frame in a thousand", "frames.missed<=0.1%"),
                holds("late", "latency.p99.9<=50ms"),
            ),
            [live],
        ),
        judging.judge(
            claim(
                "easier", "1080p at 60 fps within 50 ms, sustained",
                holds("within 50 ms", "latency.p99<=50ms", essential=True),
                resolution=[1920, 1080], rate=60.0, load="sustained",
            ),
            [live],
        ),
        judging.judge(
            claim("made", "Clips at 1.5x real time", holds("1.5x real time", "speed>=1.5x")),
            [judged("generator")],
        ),
        judging.judge(
            claim(
                "elsewhere", "Single-frame stylisation: about 500 ms",
                holds("about 500 ms", "latency.p50<=550ms", essential=True),
                device="Raspberry Pi 5", accelerator="Hailo",
            ),
            (),
            missing="give Runs of a program that does this",
        ),
    ]  # fmt: skip
    origin = {"name": "vendor.toml", "title": "What a vendor says", "sha256": "ab" * 32}
    return judging.document(found, origin)
