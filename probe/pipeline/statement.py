"""What the program says about itself on the tape, and how it settles before it is measured."""

from __future__ import annotations

import gc
import json
import sys
from typing import TYPE_CHECKING, Any

import probe

if TYPE_CHECKING:
    from collections.abc import Mapping


def state_all(facts: Mapping[str, Any]) -> None:
    """Write facts, JSON values by key, for run.json."""
    for key, value in facts.items():
        probe.mark(f"fact:{key}", text=json.dumps(value))


def settle() -> None:
    """Collect what loading left behind, and keep it out of the collections to come."""
    gc.collect()
    gc.freeze()
    state_all({"interpreter": {"switch_interval_s": sys.getswitchinterval(), "gc": "frozen"}})
