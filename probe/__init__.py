"""What a program under test imports: `stage`, `frame` and `mark`.

    import probe

    for k, picture in enumerate(camera):
        probe.frame(k, scheduled_ns=picture.time_ns)
        with probe.stage("infer", frame=k):
            ...
        probe.mark("delivered", frame=k)

Under ``liveprobe run -- python program.py`` each call leaves a record of 64 bytes on the thread's
tape (`probe.tape` has the layout). Without liveprobe each call does nothing, cheaply enough to stay
in production code. Importing this module imports neither numpy nor pandas.
"""

from __future__ import annotations

import os

__all__ = ["frame", "mark", "stage"]
__version__ = "0.1.0"

if os.environ.get("LIVEPROBE_TAPE"):
    from probe.recorder.listening import frame, mark, stage
else:
    from probe.recorder.silence import frame, mark, stage  # type: ignore[assignment]
