"""The program under test as a process: started, watched through its tapes, stopped."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import struct
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING, Final

from probe.errors import EnvironmentUnmet, TapeError, UsageError
from probe.spent import reap, wait_until
from probe.tape import (
    BODY,
    DEFINE,
    DEFINITION,
    ENVIRONMENT,
    FRAME,
    HEADER_BYTES,
    MARK,
    NULL,
    RECORD_BYTES,
    SEQUENCE,
    SUFFIX,
    WRITER_INTERPOSER,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOG_BYTES: Final = 16 * 2**20
"""What a program prints beyond this goes nowhere: a chatty program must not fill the disk."""
TAIL_BYTES: Final = 8 * 2**10
PR_SET_PDEATHSIG: Final = 1
GONE_WAIT_S: Final = 5.0
WRITER: Final = struct.Struct("<I")
WRITER_OFFSET: Final = 60
"""Where a tape's header says who writes it."""


class Child:
    """A started program, in a session of its own, whose output is drained into files.

    It dies with the harness (PR_SET_PDEATHSIG), so that a killed harness leaves no load behind.
    """

    def __init__(
        self,
        command: Sequence[str],
        tapes: Path,
        logs: Path,
        added: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command` with its tape folder set, and `added` in its environment.

        Raises `UsageError` when there is no such program, `EnvironmentUnmet` when the system does
        not let it start.
        """
        environment = {**os.environ, ENVIRONMENT: str(tapes), **(added or {})}
        self._cpu_ns: int | None = None
        self.started_ns = time.monotonic_ns()
        self._process = _start(command, environment)
        self.pid = self._process.pid
        self.ended_ns: int | None = None
        pipes = {"program.out": self._process.stdout, "program.err": self._process.stderr}
        self._drain = _Drain({pipe: logs / name for name, pipe in pipes.items() if pipe})
        self._drain.start()

    def running(self) -> bool:
        """Say whether the program still runs, and note when it was first seen to have ended."""
        if self._process.returncode is None:
            self._cpu_ns = reap(self._process)
            if self._process.returncode is None:
                return True
        self.ended_ns = self.ended_ns or time.monotonic_ns()
        return False

    def wait(self, seconds: float) -> bool:
        """Wait for the end; say whether it came."""
        return wait_until(lambda: not self.running(), seconds, self.pid)

    def stop(self, patience_s: float) -> None:
        """End the program and its session: SIGTERM, then SIGKILL after `patience_s`."""
        self._signal(signal.SIGTERM)
        if not self.wait(patience_s):
            self._signal(signal.SIGKILL)
            self.wait(GONE_WAIT_S)

    def close(self) -> None:
        """Kill what is left of the session and close the logs; safe twice."""
        self._signal(signal.SIGKILL)
        self.wait(GONE_WAIT_S)
        self._drain.join(GONE_WAIT_S)

    @property
    def cpu_ns(self) -> int | None:
        """Return CPU time of the program and of what it waited for; None while it runs."""
        return self._cpu_ns

    @property
    def exit_code(self) -> int | None:
        """Return the exit status; None while it runs or when a signal ended it."""
        code = self._process.returncode
        return code if code is not None and code >= 0 else None

    @property
    def signal_name(self) -> str | None:
        """Return the name of the signal that ended it, as in SIGKILL."""
        code = self._process.returncode
        if code is None or code >= 0:
            return None
        known = {int(number) for number in signal.Signals}
        return signal.Signals(-code).name if -code in known else f"signal {-code}"

    @property
    def error_tail(self) -> str:
        """Return the end of what the program wrote to stderr, at most `TAIL_BYTES`."""
        return self._drain.tail.decode("utf-8", "replace")

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:  # the group's leader is gone and a setuid child is left
            pass


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    hint = "give the program after `--`, as in: liveprobe run -- python3 program.py"
    try:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - calls one C function, found before
        )
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{command[0]}: no such program", remedy=hint) from None
    except PermissionError:
        raise UsageError(f"{command[0]}: not executable", remedy=hint) from None
    except ValueError as error:
        raise UsageError(f"{command[0]!r}: {error}", remedy=hint) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentUnmet(
            f"{command[0]}: the system does not start it: {error}",
            remedy="check its format (`file`), free memory and `ulimit -u`",
        ) from error


def _die_with_parent() -> Callable[[], None]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    return arm


class _Drain(threading.Thread):
    """Empties the program's pipes, so that it never waits for us."""

    def __init__(self, pipes: Mapping[IO[bytes], Path]) -> None:
        super().__init__(name="drain", daemon=True)
        self._pipes = pipes
        self.tail = b""

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for pipe, path in self._pipes.items():
                selector.register(pipe, selectors.EVENT_READ, _Log(pipe, path))
            while selector.get_map():
                for key, _ in selector.select():
                    self._take(selector, key)

    def _take(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        data = os.read(key.fd, 2**16)
        log: _Log = key.data
        if not data:
            selector.unregister(key.fileobj)
            log.pipe.close()
            log.close()
            return
        log.write(data)
        if log.path.suffix == ".err":
            self.tail = (self.tail + data)[-TAIL_BYTES:]


class _Log:
    """A pipe's file: at most `LOG_BYTES`, made with the first byte, given up on a full disk."""

    def __init__(self, pipe: IO[bytes], path: Path) -> None:
        self.pipe = pipe
        self.path = path
        self._left = LOG_BYTES
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        data = data[: self._left]
        self._left -= len(data)
        if not data:
            return
        try:
            self._file = self._file or self.path.open("wb", buffering=0)
            self._file.write(data)
        except OSError:
            self._left = 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Watch:
    """How far the program's own tapes have come, at a few reads a look.

    What an interposer writes is not the program's word: a program that hangs may go on copying.
    """

    def __init__(self, tapes: Path) -> None:
        self._folder = tapes
        self._written: dict[Path, int] = {}
        self._others: set[str] = set()
        self._scanned: dict[Path, int] = {}
        self._request_ids: dict[Path, int] = {}
        self.first_ns: int | None = None

    def records(self) -> int:
        """Return how many records there are by now."""
        names = {name for name in _listed(self._folder) if name.endswith(SUFFIX)}
        for name in sorted(names - self._others):
            path = self._folder / name
            try:
                with path.open("rb", buffering=0) as file:
                    if _written_by_interposer(file.fileno()):
                        self._others.add(name)
                        self._written.pop(path, None)
                        continue
                    self._written[path] = self._count(file.fileno(), self._written.get(path, 0))
                    if self.first_ns is None:
                        self._look_for_first(file.fileno(), path)
            except (OSError, TapeError):
                continue  # written while we look; the finished tape is what counts
        return sum(self._written.values())

    @staticmethod
    def _count(descriptor: int, known: int) -> int:
        """Gallop from `known` to the last finished record, over slots that stay unwritten."""
        room = os.fstat(descriptor).st_size // RECORD_BYTES
        step = 1
        while known + step <= room and _sequence(descriptor, known + step) != known + step:
            step *= 2
        while step:
            if _sequence(descriptor, known + step) == known + step:
                known += step
                step *= 2
            else:
                step //= 2
        return known

    def _look_for_first(self, descriptor: int, path: Path) -> None:
        """Find when the first frame was scheduled, or the first request made."""
        begin = self._scanned.get(path, 0)
        count = min(self._written[path] - begin, 4096)
        data = os.pread(descriptor, count * RECORD_BYTES, HEADER_BYTES + begin * RECORD_BYTES)
        for offset in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
            kind, _, part, name, t0, t1, *_ = BODY.unpack_from(data, offset)
            if kind == DEFINE and part == 0:
                if DEFINITION.unpack_from(data, offset)[4].rstrip(b"\0") == b"request":
                    self._request_ids[path] = name
            elif kind == FRAME or (kind == MARK and name == self._request_ids.get(path)):
                self.first_ns = t1 if kind == FRAME and t0 == NULL else t0
                return
        self._scanned[path] = begin + count


def _listed(folder: Path) -> list[str]:
    """Return the names in a folder; a program of many processes leaves thousands of tapes."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - a Path for each would cost ten times that
    except OSError:
        return []


def _written_by_interposer(descriptor: int) -> bool:
    writer = os.pread(descriptor, WRITER.size, WRITER_OFFSET)
    return len(writer) == WRITER.size and WRITER.unpack(writer) == (WRITER_INTERPOSER,)


def _sequence(descriptor: int, number: int) -> int:
    offset = HEADER_BYTES + number * RECORD_BYTES - SEQUENCE.size
    data = os.pread(descriptor, SEQUENCE.size, offset)
    return int(SEQUENCE.unpack(data)[0]) if len(data) == SEQUENCE.size else 0
