from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.network import Network, interfaces
from probe.errors import NoData
from probe.kernel_file import PAGE_BYTES, KernelFile
from probe.model import Device

SECOND = 10**9
HEAD = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop"
    " fifo colls carrier compressed\n"
)
LINE = "{:>6}: {} 5 {} 0 0 0 0 0 {} 5 0 {} 0 0 0 0\n"


def write(root: Path, *lines: str) -> None:
    path = root / "proc" / "7" / "net" / "dev"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + "".join(lines))


def values(collector: Network, t_ns: int) -> dict[tuple[str, str], float | None]:
    return {(each.track, each.label): each.value for each in collector.sample(t_ns)}


def test_rates_by_interface_come_from_two_readings(tmp_path: Path) -> None:
    write(tmp_path, LINE.format("eth0", 100, 0, 10, 0), LINE.format("wlan0", 0, 0, 0, 0))
    collector = Network()
    collector.start(Device("tree", root=tmp_path, program_pid=7))
    assert values(collector, 0) == {}
    write(tmp_path, LINE.format("eth0", 300, 2, 10, 2), LINE.format("wlan0", 0, 0, 0, 0))
    assert values(collector, 2 * SECOND) == {
        ("network.received", "eth0"): 100.0,
        ("network.sent", "eth0"): 0.0,
        ("network.lost", "eth0"): 2.0,
    }
    write(tmp_path, LINE.format("eth0", 1, 2, 10, 2), LINE.format("usb0", 9, 0, 0, 0))
    assert values(collector, 3 * SECOND)["network.received", "eth0"] is None
    collector.stop()
    collector.stop()


def test_real_traffic_is_seen_as_psutil_sees_it() -> None:
    collector = Network()
    collector.start(Device("here", program_pid=os.getpid()))
    values(collector, 0)
    before = psutil.net_io_counters(pernic=True)["lo"].bytes_recv
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        sent = 0
        for _ in range(200):
            sent += sender.sendto(bytes(1000), receiver.getsockname())
            receiver.recv(2000)
    found = values(collector, SECOND)["network.received", "lo"]
    after = psutil.net_io_counters(pernic=True)["lo"].bytes_recv
    collector.stop()
    assert found is not None
    assert sent <= found <= after - before + 10 * sent


def test_a_list_that_the_kernel_gives_by_pages_is_read_to_its_end() -> None:
    path = Path("/proc/self/maps")  # given as net/dev is, and long everywhere
    known = path.read_text().splitlines()
    file = KernelFile(path, 2**22)
    read = (file.read() or "").splitlines()
    file.close()
    assert len("".join(known)) > 2 * PAGE_BYTES
    assert read[-1] == known[-1]
    assert len(read) >= len(known) - 5  # reading may map or free something


def test_without_the_file_there_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="dev: No such file"):
        Network().start(Device("tree", root=tmp_path, program_pid=7))


@given(st.text())
def test_any_text_is_counted_or_is_not(text: str) -> None:
    for name, counters in interfaces(text).items():
        assert name in text
        assert str(counters.received) in text


@given(st.lists(st.integers(-5, 2**64), min_size=14, max_size=18))
def test_a_line_of_another_shape_is_left_out(numbers: list[int]) -> None:
    found = interfaces(HEAD + "eth0: " + " ".join(map(str, numbers)) + "\n")
    assert bool(found) == (len(numbers) == 16 and min(numbers) >= 0)
