"""The file under a tape that is being written: its header, its chunks, and who prepares them.

A thread takes slots from *stretches*, sixteen to a chunk. Taking the second asks the keeper, a
thread of ours, for the next chunk. The keeper allocates, maps and touches it, so that the program's
threads neither wait for the disk nor fault pages in. When a chunk is late, records are counted as
lost; recording resumes when it comes.

Only the first chunk of a tape is made on the program's thread, at that thread's first record.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import signal
import threading
import time
from _thread import start_new_thread
from collections import deque
from mmap import ALLOCATIONGRANULARITY, mmap
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple

from probe import tape
from probe.recorder.fields import unsaid
from probe.recorder.notice import say_once

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 4 << 20
"""The first chunk; each later one doubles, up to `LARGEST_CHUNK_BYTES`."""
LARGEST_CHUNK_BYTES = 16 << 20
LIMIT_BYTES = 1 << 30
LIMIT_ENVIRONMENT: Final = "LIVEPROBE_TAPE_LIMIT"
"""Names the environment variable that replaces `LIMIT_BYTES`, in bytes for each tape."""
MAX_INTERNED: Final = 4_096
"""So many names, and so many texts, a tape remembers; then it forgets all and defines anew."""

_STRETCHES: Final = 16
_UNBORN: Final = ".new"
_PAUSE_S: Final = 50e-6
_BLOCK_BYTES: Final = 1 << 20
_SLOT_SHIFT: Final = tape.HEADER_BYTES - tape.RECORD_BYTES


class Stretch(NamedTuple):
    """Slots for a thread to fill: record s lies at byte s * 64 + `shift` of `memory`.

    `first` and `last` are sequence numbers, both inclusive. `asks`: taking this one asks for the
    next chunk.
    """

    memory: mmap
    shift: int
    first: int
    last: int
    asks: bool

    def numbers(self) -> range:
        """Return the sequence numbers of its slots."""
        return range(self.first, self.last + 1)


class TapeFile:
    """One tape being written by one thread.

    `names` and `texts` map what was interned to its id. Raises `OSError` when it cannot be made.
    """

    def __init__(self, folder: Path, writer: int, keeper: Keeper) -> None:
        self.pid = os.getpid()
        self.tid = threading.get_native_id()
        self.path, descriptor = _create(folder, self.pid, self.tid)
        unborn = self.path.with_suffix(_UNBORN)
        try:
            os.pwrite(descriptor, _header(self.pid, self.tid, writer), 0)
            self._header = mmap(descriptor, tape.HEADER_BYTES)
            unborn.rename(self.path)
        except OSError:
            unborn.unlink()
            raise
        finally:
            os.close(descriptor)
        self.names: dict[str, int] = {}
        self.texts: dict[str, int] = {}
        self.closed = False
        self._ids = itertools.count(1)
        self._lost = itertools.count(1)
        self._keeper = keeper
        self._stretches: deque[Stretch] = deque()
        # The last two, so that it is the keeper who unmaps what the thread has left.
        self._chunks: deque[mmap] = deque(maxlen=2)
        self._stopped = False
        self._starving = False
        self._pending = False
        self._end_bytes = 0
        self._used_bytes = 0
        self._limit_bytes = _limit()
        self.extend()

    def advance(self) -> Stretch | None:
        """Return the next stretch, or None when there is none yet; never waits for the disk.

        Taking from a deque is one step, so that a signal handler that records in between gets a
        stretch of its own; the worst is a hole in the tape.

        A program that records thousands of times without once letting go of the interpreter lock
        would keep the keeper from its work; it is made to let go for 50 µs a stretch.
        """
        try:
            stretch = self._stretches.popleft()
        except IndexError:
            self._starving = True
            return None
        if self._pending:
            time.sleep(_PAUSE_S)
        if stretch.asks:
            self._pending = True
            self._keeper.ask(self)
        return stretch

    def lose(self) -> None:
        """Count one record that found no room."""
        tape.SEQUENCE.pack_into(self._header, tape.LOST_OFFSET, next(self._lost))

    def name(self, text: object, put: Callable[[bytes], bool]) -> int:
        """Return the id of a name, defining it by `put`; 0 for "", -1 when there is no room."""
        return self._intern(text, put, self.names, tape.MAX_NAME_BYTES)

    def text(self, text: object, put: Callable[[bytes], bool]) -> int:
        """Return the id of a text, as `name` does."""
        return self._intern(text, put, self.texts, tape.MAX_TEXT_BYTES)

    def _intern(
        self, text: object, put: Callable[[bytes], bool], known: dict[str, int], most: int
    ) -> int:
        if not isinstance(text, str):
            if text is not None:
                unsaid(text, "a str")
            return 0
        if text in known:
            return known[text]
        encoded = _cut(text, most)
        if not encoded:
            return 0
        identity = next(self._ids)
        if not all(map(put, _definition(identity, encoded))):
            return -1
        if len(encoded) <= tape.MAX_NAME_BYTES:
            if len(known) >= MAX_INTERNED:
                known.clear()
            known[text] = identity
        return identity

    def extend(self) -> None:
        """Allocate, map and touch the next chunk; when that cannot be done, stop the tape."""
        if self.closed or self._stopped:
            return
        room = (self._limit_bytes - self._end_bytes) // ALLOCATIONGRANULARITY
        size = min(max(self._end_bytes, CHUNK_BYTES), LARGEST_CHUNK_BYTES)
        size = min(size, room * ALLOCATIONGRANULARITY)
        if size <= 0:
            self._stop(f"a tape reached its limit ({LIMIT_ENVIRONMENT})")
            return
        try:
            memory = self._chunk(self._end_bytes, size)
        except (OSError, ValueError) as error:  # ValueError: somebody cut the file
            self._stop(str(error))
            return
        if self.closed:
            self._give_back()
            return
        self._offer(memory, self._end_bytes, size)
        self._starving = False
        self._pending = False
        self._end_bytes += size

    def _chunk(self, start: int, size: int) -> mmap:
        """Allocate, map and touch `size` bytes of the file from `start`.

        The file is opened by its path each time: a descriptor that we kept could be closed, and its
        number reused, by a program that turns itself into a daemon. It is touched by reading its
        zeros into its own map, which faults each page in for writing outside the interpreter lock.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _reserve(descriptor, start, size)
            memory = mmap(descriptor, size, offset=start)
            if start and not self._starving:
                os.preadv(descriptor, [memory], start)
        finally:
            os.close(descriptor)
        return memory

    def _offer(self, memory: mmap, start: int, size: int) -> None:
        self._chunks.append(memory)
        shift = _SLOT_SHIFT - start
        begin = max(start, tape.HEADER_BYTES)
        first = (begin - _SLOT_SHIFT) // tape.RECORD_BYTES
        last = (start + size - _SLOT_SHIFT) // tape.RECORD_BYTES - 1
        step = -(-(last - first + 1) // _STRETCHES)
        begins = range(first, last + 1, step)
        self._stretches.extend(
            Stretch(memory, shift, begin, min(begin + step - 1, last), asks=begin == asking)
            for asking in begins[:2][-1:]
            for begin in begins
        )

    def _stop(self, why: str) -> None:
        self._stopped = True
        self._pending = False
        self._set_state(tape.STOPPED)
        say_once("stopped", f"recording stopped, the program goes on: {why}")

    def close(self, unused: int | None = None, last: int = 0) -> None:
        """Mark the tape closed; `unused` to `last` are the free slots of the stretch in use.

        Cuts what was not used off the file, where `unused` is given and this is the thread that
        wrote it: a daemon thread may still be writing. After a fork the child's copy does nothing
        to its parent's tape.
        """
        if self.closed or os.getpid() != self.pid:
            return
        if unused is not None and threading.get_native_id() == self.tid:
            taken = self._taken()
            # A signal handler may have got ahead of its thread by a stretch; it stays.
            end = unused if last == taken else taken + 1
            self._used_bytes = end * tape.RECORD_BYTES + _SLOT_SHIFT
        self.closed = True
        if not self._stopped:
            self._set_state(tape.CLOSED)
        self._give_back()

    def _taken(self) -> int:
        """Return the last slot of the last stretch that was taken."""
        if self._stretches:
            return self._stretches[0].first - 1
        end = max(self._end_bytes, tape.HEADER_BYTES)
        return (end - _SLOT_SHIFT) // tape.RECORD_BYTES - 1

    def _give_back(self) -> None:
        if self._used_bytes:
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._used_bytes)

    def _set_state(self, state: int) -> None:
        self._header[tape.STATE_OFFSET] = state


class Keeper:
    """The thread that prepares chunks; it lives while there are requests."""

    def __init__(self) -> None:
        # SimpleQueue may be used from a signal handler or a destructor.
        self._asked: SimpleQueue[TapeFile] = SimpleQueue()
        self._at_work = threading.Lock()

    def ask(self, file: TapeFile) -> None:
        """Have `file` extended soon; returns at once."""
        self._asked.put(file)
        if self._at_work.acquire(blocking=False):
            try:
                # threading.Thread would take a lock that an interrupted program may hold.
                start_new_thread(self._keep, ())
            except RuntimeError:  # no more threads, or the interpreter is ending
                self._at_work.release()

    def _keep(self) -> None:
        # The program's signals are the program's: one that waits for them must get them.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        working = True
        while working:
            with contextlib.suppress(Empty):
                while True:
                    self._asked.get(block=False).extend()
            self._at_work.release()
            # Who asked before the release did not start a thread.
            working = not self._asked.empty() and self._at_work.acquire(blocking=False)


def _create(folder: Path, pid: int, tid: int) -> tuple[Path, int]:
    """Return the path of a new tape, and the descriptor of the file that will get that name.

    It gets it with its header, so that no reader meets a tape without one.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for number in itertools.count():
        path = folder / f"{pid}-{tid}-{number}{tape.SUFFIX}"
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                return path, os.open(path.with_suffix(_UNBORN), flags, 0o644)
    raise AssertionError  # the count has no end


def _header(pid: int, tid: int, writer: int) -> bytes:
    packed = tape.HEADER.pack(
        tape.MAGIC,
        tape.VERSION,
        tape.HEADER_BYTES,
        tape.RECORD_BYTES,
        pid,
        tid,
        time.perf_counter_ns(),
        time.time_ns(),
        0,
        tape.RECORDING,
        writer,
        _cut(_thread_name(tid), 64),
    )
    return packed.ljust(tape.HEADER_BYTES, b"\0")


def _limit() -> int:
    said = os.environ.get(LIMIT_ENVIRONMENT, "")
    if said and not said.isdecimal():
        say_once("limit", f"{LIMIT_ENVIRONMENT}={said!r} is no number of bytes; ignored")
    return int(said) if said.isdecimal() else LIMIT_BYTES


def is_foreign() -> bool:
    """Say whether the calling thread was started by native code, and not by `threading`."""
    return type(threading.current_thread()).__name__ == "_DummyThread"


def _thread_name(tid: int) -> str:
    if is_foreign():
        with contextlib.suppress(OSError):
            return Path(f"/proc/self/task/{tid}/comm").read_text(errors="replace").strip()
    return threading.current_thread().name


def _cut(text: str, most: int) -> bytes:
    """Encode `text`, cut to `most` bytes without splitting a character."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= most:
        return encoded
    return encoded[:most].decode(errors="ignore").encode()


def _definition(identity: int, encoded: bytes) -> list[bytes]:
    return [
        tape.DEFINITION.pack(
            tape.DEFINE,
            0,
            part,
            identity,
            encoded[start : start + tape.TEXT_PART_BYTES],
            len(encoded),
        )
        for part, start in enumerate(range(0, len(encoded), tape.TEXT_PART_BYTES))
    ]


def _reserve(descriptor: int, start: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, start, size)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
            raise
        for offset in range(max(start, tape.HEADER_BYTES), start + size, _BLOCK_BYTES):
            os.pwrite(descriptor, bytes(min(_BLOCK_BYTES, start + size - offset)), offset)
