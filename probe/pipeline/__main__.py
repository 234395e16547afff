"""Run the reference program: ``python -m probe.pipeline --scenario FILE.json --out DIR``.

Exit code 0: it ran to its end, or ended because SIGTERM asked for it. 2: an input cannot be used;
4: the machine lacks something (a full disk); both with one line of JSON on stderr, ``error`` and
``remedy``. 1: a stage failed, with its traceback.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from pydantic import ValidationError

from probe.errors import InputError, ProbeError
from probe.scenario import Scenario


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m probe.pipeline", description=__doc__)
    parser.add_argument("--scenario", type=Path, required=True, help="a resolved scenario, JSON")
    parser.add_argument("--out", type=Path, required=True, help="folder for what it makes")
    parser.add_argument(
        "--free", action="store_true", help="take a clip's frames as fast as they are worked on"
    )
    options = parser.parse_args(arguments)
    stop = _listen()
    try:
        scenario = _read(options.scenario)
        sys.setswitchinterval(scenario.program.switch_interval / 1e9)
        if scenario.mode == "generate":
            from probe.pipeline import generate

            return 0 if generate.run(scenario, options.out, stop) else 1
        from probe.pipeline import live

        return 0 if live.run(scenario, options.out, stop, free=options.free) else 1
    except ProbeError as error:
        said = {"error": error.message, "remedy": error.remedy}
        sys.stderr.write(json.dumps(said) + "\n")
        return error.exit_code


def _listen() -> threading.Event:
    """Return an event that SIGTERM sets; Ctrl-C is the engine's to answer."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return stop


def _read(path: Path) -> Scenario:
    try:
        return Scenario.of_document(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", remedy="check the path") from error
    except (ValueError, ValidationError) as error:
        raise InputError(
            f"{path}: not a resolved scenario: {error}", remedy="see --help"
        ) from error


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if any(thread.daemon and thread.is_alive() for thread in threading.enumerate()):
        # A stage that hangs in a library must not hold up the end; what is on tape is safe.
        os._exit(code)
    sys.exit(code)
