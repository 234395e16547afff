"""What exactly was run? Hashes of input, model, scenario and code, and the software around them."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probe.scenario import Scenario

PACKAGES: Final = ("liveprobe", "numpy", "pandas", "pyarrow", "av", "onnxruntime", "psutil")
VARIABLES: Final = ("OMP_NUM_THREADS", "ORT_DISABLE_TELEMETRY", "LD_PRELOAD", "PYTHONMALLOC")
"""Variables of the environment that change what is measured; no other is recorded."""


def hashes(scenario: Scenario, text: str) -> dict[str, str | None]:
    """Return sha256 of the scenario (resolved), its file, the input, the model and the code.

    None stands for what is not a file (a camera, a stream), or not part of this mode.
    """
    document = json.dumps(scenario.document(), sort_keys=True).encode()
    live, generates = scenario.mode == "live", scenario.mode == "generate"
    clip = Path(scenario.source.clip) if live and scenario.source.kind == "clip" else None
    model = Path(scenario.stage.infer.model) if live or generates else None
    return {
        "scenario": hashlib.sha256(document).hexdigest(),
        "scenario_file": hashlib.sha256(text.encode()).hexdigest() if text else None,
        "input": file_hash(clip),
        "model": file_hash(model),
        "code": _code_hash(scenario),
    }


def file_hash(path: Path | None) -> str | None:
    """Return the sha256 of a file's bytes; None when there is no such readable file."""
    try:  # a word of a command can be too long for a name, or be where nobody may look
        if path is None or not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def environment() -> dict[str, Any]:
    """Return the interpreter, the packages that matter, the load before the run."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "packages": {name: _version(name) for name in PACKAGES},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "load_average": list(os.getloadavg()),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _code_hash(scenario: Scenario) -> str:
    """Hash what runs: our package, or the files that the command names."""
    if scenario.program.command is not None:
        return _hash_of(Path(word) for word in scenario.program.command)
    own = Path(__file__).parent
    return _hash_of(sorted(own.rglob("*.py")))


def _hash_of(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode())
        total.update((file_hash(path) or "").encode())
    return total.hexdigest()
