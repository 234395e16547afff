from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from probe.asking import Answer, Asking
from probe.errors import NoData
from probe.model import Device
from probe.spent import Bill, paid_by
from probe.tool import ask

HERE = Device("here")


def awaited(asking: Asking[str], seconds: float = 60) -> Answer[str]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = asking.newest()
        if answer is not None:
            return answer
        time.sleep(0.001)
    raise AssertionError("no answer came")


def test_nobody_waits_for_an_answer_and_it_bears_the_time_of_its_own_question() -> None:
    told, asked = threading.Event(), threading.Event()

    def question(_: threading.Event) -> str:
        asked.set()
        assert told.wait(60)
        return threading.current_thread().name

    asking = Asking(HERE, question)
    before = time.monotonic_ns()
    assert asking.newest() is None
    assert asked.wait(60)
    assert asking.newest() is None, "it is asked, and not put twice"
    told.set()
    answer = awaited(asking)
    assert answer.value is not None
    assert answer.value.startswith("asking")
    assert answer.t_ns is not None
    assert before < answer.t_ns < time.monotonic_ns()
    asking.close()
    asking.close()


def test_the_first_answer_is_waited_for_and_is_the_newest_once() -> None:
    count = iter(range(9))
    asking = Asking(HERE, lambda _: next(count))
    assert asking.first() == 0
    answer = asking.newest()
    assert answer is not None
    assert (answer.value, asking.newest(due=False)) == (0, None)
    asking.close()
    assert next(count) == 1, "nothing was due"


def test_no_answer_is_none_and_what_cannot_be_explained_reaches_the_collector() -> None:
    def silent(_: threading.Event) -> str:
        raise NoData("no answer within 2 s")

    def broken(_: threading.Event) -> str:
        raise ValueError("what is that?")

    asking = Asking(HERE, silent)
    with pytest.raises(NoData):
        asking.first()
    assert awaited(asking).value is None
    asking.close()
    asking = Asking(HERE, broken)
    with pytest.raises(ValueError, match="what is that"):
        awaited(asking)
    asking.close()


def test_a_tool_that_hangs_is_ended_when_nobody_asks_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    burn = "import time\nwhile time.process_time() < 0.05: pass\n"
    code = f"{burn}open({str(tmp_path / 'burnt')!r}, 'w').close()\ntime.sleep(600)"
    words = [sys.executable, "-S", "-c", code]
    asking, bill = Asking(HERE, lambda over: ask(HERE, words, timeout_s=600, over=over)), Bill()
    with paid_by(bill):
        asking.newest()
    until = time.monotonic() + 60
    while not (tmp_path / "burnt").exists() and time.monotonic() < until:
        time.sleep(0.01)
    asking.close()
    assert time.monotonic() < until
    assert bill.cpu_ns >= 50_000_000, "what it used until then belongs to the one who asked"


def test_a_captured_tree_answers_at_once(tmp_path: Path) -> None:
    root = tmp_path / "recorded"
    root.mkdir()
    tree = Device("tree", tmp_path)
    asking = Asking(tree, lambda _: ask(tree, ["vcgencmd"]))
    assert asking.newest() == (None, None)
    (root / "vcgencmd.txt").write_text("throttled=0x0\n", encoding="utf-8")
    assert asking.newest(due=False) is None
    assert asking.newest() == ("throttled=0x0", None)
    asking.close()
