"""`stage`, `frame` and `mark` when somebody listens: which recorder, and the life of its tapes.

The C extension `probe.recorder._pen` records where it was built, and `probe.recorder.pen` where it
was not; the tapes are the same, byte for byte. `LIVEPROBE_RECORDER=python` or `=c` chooses.

Recording never raises, blocks or ends the program: a folder that cannot be written, a full disk or
a value that no field can hold is said once on stderr. A missing name or an unknown keyword is a
`TypeError`, as it is without liveprobe. Calls from signal handlers and destructors are safe.
"""

from __future__ import annotations

import atexit
import os
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from probe import tape
from probe.recorder import pen
from probe.recorder.tapes import Tapes, Writer

if TYPE_CHECKING:
    from probe.recorder.pen import frame, mark, stage

__all__ = ["frame", "mark", "stage"]

CHOICE_ENVIRONMENT: Final = "LIVEPROBE_RECORDER"
_CHOICES: Final = ("", "c", "python")


def _choose(choice: str) -> tuple[Writer, int]:
    if choice not in _CHOICES:
        raise ImportError(f"{CHOICE_ENVIRONMENT}={choice!r}: say 'c', 'python' or nothing")
    if choice != "python":
        try:
            return cast("Writer", import_module("probe.recorder._pen")), tape.WRITER_C
        except ImportError as error:
            if choice == "c":
                raise ImportError(
                    f"{CHOICE_ENVIRONMENT}=c, but the C recorder cannot be loaded ({error}); "
                    "install liveprobe where a C compiler is, or say 'python'"
                ) from error
    return cast("Writer", pen), tape.WRITER_PYTHON


_writer, _code = _choose(os.environ.get(CHOICE_ENVIRONMENT, ""))
_tapes = Tapes(os.environ[tape.ENVIRONMENT], _writer, _code)
_writer.connect(_tapes.attach)
atexit.register(_tapes.close)
os.register_at_fork(after_in_child=_tapes.let_go)

if os.environ.get("LIVEPROBE_PTRACER"):
    from probe.recorder.sampler import let_in

    let_in()
    os.register_at_fork(after_in_child=let_in)

if not TYPE_CHECKING:
    stage, frame, mark = _writer.stage, _writer.frame, _writer.mark
