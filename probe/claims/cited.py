"""What must a reader know of a Run before he believes what it says of a claim?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probe.measured import window_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def cited(manifest: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was run, where, when and how long, how far it is valid, and whether it was live.

    Rate, latency and block size stand beside each other, for one says nothing of the other.
    """
    window = window_of(manifest)
    scenario = manifest.get("scenario") or {}
    latency, generation = verdict["latency_ms"], verdict["generation"]
    return {
        "id": str(manifest.get("id")),
        "created": manifest.get("created"),
        "liveprobe": manifest.get("liveprobe"),
        "mode": manifest.get("mode"),
        "device": (manifest.get("device") or {}).get("name"),
        "scenario": scenario.get("name"),
        "custom": bool(scenario.get("custom")),
        "overrides": [str(each) for each in scenario.get("overrides") or ()],
        "hashes": dict(scenario.get("hashes") or {}),
        "length_s": None if window is None else window.length_ns / 1e9,
        "tier": verdict["tier"],
        "validity": verdict["validity"],
        "regime": verdict["regime"],
        "real_time": verdict["real_time"],
        "released": verdict["released"],
        "requests": None if generation is None else len(generation["requests"]),
        "rate_fps": verdict["rate_fps"],
        "latency_ms": None if latency is None else {k: latency[k] for k in ("p50", "p99", "n")},
        "block_size": verdict["block_size"],
        "speed": verdict["speed"],
    }
