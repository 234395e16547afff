from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from contextvars import copy_context

import pytest

from probe import spent

BURN = "import time\nwhile time.process_time() < 0.05: pass"
BURNING = [sys.executable, "-S", "-c", BURN]


def test_the_payer_is_charged_for_a_tool_and_what_it_waited_for_and_nobody_else_is() -> None:
    ours, others = spent.Bill(), spent.Bill()
    before = spent.of_everything_ns()
    inner = f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {BURN!r}])"
    with spent.paid_by(others), spent.paid_by(ours):
        child = subprocess.Popen([sys.executable, "-S", "-c", inner], stdin=subprocess.DEVNULL)
        assert not spent.wait(child, 0.0)
        assert ours.cpu_ns == 0, "it runs"
        assert spent.wait(child, 60)
        assert spent.ended(child)
    assert ours.cpu_ns >= 50_000_000
    assert others.cpu_ns == 0
    assert spent.of_everything_ns() - before >= ours.cpu_ns
    assert child.returncode == 0


def test_who_works_on_another_thread_takes_the_payer_along() -> None:
    bill = spent.Bill()

    def work() -> None:
        spent.charge(7)
        assert spent.wait(subprocess.Popen(BURNING), 60)

    with spent.paid_by(bill):
        thread = threading.Thread(target=copy_context().run, args=(work,))
    thread.start()
    thread.join(60)
    spent.charge(9)  # nobody is named
    assert bill.cpu_ns >= 50_000_007


def test_where_no_child_is_waited_for_an_end_is_seen_all_the_same() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert spent.wait(subprocess.Popen(["true"]), 60)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_the_end_itself_wakes_whoever_waits() -> None:
    child, looks = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(0.3)"]), 0

    def over() -> bool:
        nonlocal looks
        looks += 1
        return child.poll() is not None

    assert spent.wait_until(over, 60, child.pid)
    assert looks <= 3
    assert not spent.wait_until(lambda: False, -1.0, os.getpid())


def test_where_the_kernel_does_not_wake_us_up_it_is_looked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(pid: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refused)
    assert spent.wait(subprocess.Popen(BURNING), 60)
