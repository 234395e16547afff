"""How long until a model that has to be fetched can be used, and may it be that large at all?

The scenario states it, as no run can measure it: table `delivery` with `network_bps`,
`store_limit_bytes` and `device_limit_bytes`. The seconds are bytes over rate: without what the
protocol adds, without unpacking and loading, and the file as it is, so they are a lower bound.
Weights that a model keeps in other files are not in its bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe import cases_device, stated
from probe.model import Audit, Case, Finding, FindingOutcome, Grade

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probe.store import Run

ID: Final = "model_delivery"
TITLE: Final = "The model's way to the device"
REMEDY: Final = (
    "make the file smaller (int8 or 4-bit weights, a distilled model, data that is fetched later), "
    "ship it in the package, or begin with a small model while the large one comes"
)
PATIENCE_S: Final = 10.0
"""So long a user's attention stays with a task (Nielsen, Usability Engineering, 1993)."""
LIMITS: Final = {"store_limit_bytes": "the store", "device_limit_bytes": "the device"}
MB: Final = 1e6


def judge(run: Run) -> list[Finding]:
    """Compare the model's bytes with the scenario's network and limits."""
    asked = _asked(run.manifest)
    if not asked:
        return [_unknown(
            "the scenario states no network and no limit",
            "state them in the scenario: [delivery] network_bps = 20e6, store_limit_bytes = "
            "200_000_000, device_limit_bytes = ...",
        )]  # fmt: skip
    size = stated.model_bytes(run.manifest)
    if size is None:
        return [_unknown(
            "the program does not state its model's bytes",
            'state them: probe.mark("fact:model", text=\'{"bytes": n}\')',
        )]  # fmt: skip
    return [_found(size, asked)]


def _asked(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Return what the scenario states of delivery; older scenarios have no such table."""
    resolved = (manifest.get("scenario") or {}).get("resolved") or {}
    said = resolved.get("delivery") or {}
    return {name: value for name, value in said.items() if value is not None}


def _unknown(why: str, remedy: str) -> Finding:
    return Finding(ID, f"{TITLE}: {why}", FindingOutcome.NOT_MEASURED, {}, remedy)


def _found(size: int, asked: Mapping[str, float]) -> Finding:
    rate = asked.get("network_bps")
    seconds = None if rate is None else 8 * size / rate
    over = [who for name, who in LIMITS.items() if name in asked and size > asked[name]]
    slow = seconds is not None and seconds > PATIENCE_S
    proof = {
        "model_bytes": size,
        "first_use_s": seconds,
        "allowed_s": PATIENCE_S,
        **asked,
        **{name.replace("limit", "margin"): asked[name] - size for name in LIMITS if name in asked},
    }
    parts = [f"{size / MB:.1f} MB"]
    parts += [f"more than {who} takes" for who in over]
    if seconds is not None and rate is not None:
        parts.append(f"{seconds:.1f} s before first use at {rate / MB:g} Mbit/s")
    outcome = (
        FindingOutcome.FAILED if over else FindingOutcome.WARNING if slow else FindingOutcome.PASSED
    )
    return Finding(ID, f"{TITLE}: {', '.join(parts)}", outcome, proof, REMEDY, grade=Grade.DERIVED)


AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="On-device begins with a download: whoever opens the app for the first time waits for the "
    "model, and a store or a device may not take it at all.",
    source="Bytes over the stated rate. 10 s keep a user's attention (Nielsen, Usability "
    "Engineering, 1993); the limits are the scenario's",
    requires=(),
    related=("cold_start",),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "five megabytes over 20 Mbit/s: two seconds",
            lambda: cases_device.delivered_run(5_000_000, network_bps=20e6),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "fifty megabytes over the same network: twenty",
            lambda: cases_device.delivered_run(50_000_000, network_bps=20e6),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "more than the store takes",
            lambda: cases_device.delivered_run(
                300_000_000, network_bps=1e9, store_limit_bytes=200_000_000
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "exactly as much as the device takes",
            lambda: cases_device.delivered_run(64_000_000, device_limit_bytes=64_000_000),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a scenario that states nothing",
            lambda: cases_device.delivered_run(50_000_000),
            (FindingOutcome.NOT_MEASURED,),
        ),
        Case(
            "a program that does not state its model",
            lambda: cases_device.delivered_run(None, network_bps=20e6),
            (FindingOutcome.NOT_MEASURED,),
        ),
    ),
)
