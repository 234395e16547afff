"""Copies of known sizes, each from a place of its own: test_python.py has the places."""

# Odd code on purpose: its columns, names and layout are what is tested.
# ruff: noqa: ANN001, ANN201, ANN202, ANN204, B018, E501, E702, N802, PLC2401, PLC3002, S102, TRY301
# fmt: off

import asyncio
import os
import threading

BASE = bytearray(1 << 20)
FIRST = 100_000


def view(case):
    return memoryview(BASE)[: FIRST + case]


def two_in_a_line():
    return len(bytes(view(1))) + len(bytes(view(2)))


def generating():
    yield bytes(view(3))


def calling_a_lambda():
    return (lambda: bytes(view(4)))()


def with_a_class():
    class Body:
        held = bytes(view(5))

    return Body


def deep(left):
    return deep(left - 1) if left else bytes(view(6))


def comprehending():
    return [bytes(view(7)) for _ in range(1)]


async def awaited():
    return bytes(view(8))


async def awaiting():
    return await awaited()


def threaded():
    bytes(view(9))


def größe_漢字_𐍈():
    return bytes(view(10))


def behind_wide_text():
    text = "äöü 漢字 😀"; copy = bytes(view(11))
    return text, copy


def over_three_lines():
    return bytes(
        view(12),
    )


def extended():
    held = bytearray(b"-")
    held += view(13)
    return held


class Thing:
    @property
    def whole(self):
        return bytes(view(17))

    def __del__(self):
        bytes(view(22))


def factory():
    def inner():
        return bytes(view(18))

    return inner


def mapping():
    return list(map(bytes, [view(19)]))


def far_to_the_right():
    return "                                                                                                                                                                                                                                                                                                            ", bytes(view(15))


def without_the_lock():
    zeros = os.open("/dev/zero", os.O_RDONLY)
    os.read(zeros, FIRST + 21)
    os.close(zeros)


def raising():
    try:
        raise KeyError
    except KeyError:
        return bytes(view(23))


def generating_in_turn():
    yield from generating_behind()


def generating_behind():
    yield 1
    yield bytes(view(24))


two_in_a_line()
for _each in generating():
    pass
calling_a_lambda()
with_a_class()
deep(40)
comprehending()
asyncio.run(awaiting())
thread = threading.Thread(target=threaded)
thread.start()
thread.join()
größe_漢字_𐍈()
behind_wide_text()
over_three_lines()
extended()
names = {"view": view}
exec(compile("def made():\n    return bytes(view(14))\n", "<made>", "exec"), names)
names["made"]()
far_to_the_right()
exec(compile("def odd():\n    return bytes(view(16))\n", "an\todd\nname", "exec"), names)
names["odd"]()
Thing().whole
factory()()
mapping()
without_the_lock()
raising()
list(generating_in_turn())
bytes(view(25))
