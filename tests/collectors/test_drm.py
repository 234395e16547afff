from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.drm import Drm, believable
from collectors.drm.clients import Client, client_of, clients, shares
from probe.errors import OtherDevice
from probe.model import Device

DEVICES = Path(__file__).parents[1] / "devices"
RECORDED = DEVICES / "recordings" / "rpi_v3d_fdinfo.txt"
V3D = "\n".join(
    line.partition("fdinfo/23:")[2]
    for line in RECORDED.read_text(encoding="utf-8").splitlines()
    if line[:1] != "#"
)
SECOND = 10**9
PID, CHILD = 500, 501


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    put(tmp_path, "sys/class/drm/renderD128/device/uevent", "DRIVER=v3d")
    for pid, parent in ((PID, 1), (CHILD, PID)):
        fields = f"{pid} (camera) S {parent} " + " ".join(["0"] * 17) + f" {pid} 0"
        put(tmp_path, f"proc/{pid}/stat", fields)
    return tmp_path


def put(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8")


def fdinfo(driver: str, number: int, slot: str = "", **said: str) -> str:
    lines = [f"drm-driver:\t{driver}", f"drm-client-id:\t{number}"]
    lines += [f"drm-pdev:\t{slot}"] if slot else []
    return "\n".join(
        lines + [f"drm-{key.replace('_', '-')}:\t{text}" for key, text in said.items()]
    )


def values(collector: Drm, t_ns: int) -> dict[tuple[str, str], float | None]:
    found = list(collector.sample(t_ns))
    assert len({(each.track, each.label) for each in found}) == len(found)
    return {(each.track, each.label): each.value for each in found}


def engines(collector: Drm, t_ns: int) -> dict[str, float | None]:
    return {label: value for (track, label), value in values(collector, t_ns).items()
            if track == "drm.engine"}  # fmt: skip


def started(tree: Path) -> Drm:
    collector = Drm()
    collector.start(Device("tree", tree, program_pid=PID))
    return collector


def test_the_recorded_client_of_a_raspberry_pi() -> None:
    client = client_of(V3D)
    assert client is not None
    assert client.key == ("v3d", "", 14)
    assert client.engines == {
        "bin": 25951428711, "render": 1400777565939, "tfu": 26324241848, "csd": 0,
        "cache_clean": 0, "cpu": 0,
    }  # fmt: skip
    assert client.memory == {"memory": 43264 * 1024}


def test_engines_of_the_program_between_two_readings(tree: Path) -> None:
    put(tree, f"proc/{PID}/fdinfo/23", V3D)
    collector = started(tree)
    assert values(collector, 0) == {("drm.memory", "v3d memory"): 43264.0 * 1024}
    put(tree, f"proc/{PID}/fdinfo/23", V3D.replace("1400777565939", "1400977565939"))
    assert engines(collector, SECOND) == {
        "v3d bin": 0.0, "v3d render": 20.0, "v3d tfu": 0.0, "v3d csd": 0.0,
        "v3d cache_clean": 0.0, "v3d cpu": 0.0,
    }  # fmt: skip
    collector.stop()
    collector.stop()
    assert values(collector, 2 * SECOND) == {}


def test_a_client_that_is_shared_counts_once_and_others_add_up(tree: Path) -> None:
    def write(first: int, second: int) -> None:
        for pid, number in ((PID, 3), (PID, 4), (CHILD, 3)):
            put(tree, f"proc/{pid}/fdinfo/{number}", fdinfo("v3d", 1, engine_render=f"{first} ns"))
        put(tree, f"proc/{CHILD}/fdinfo/9", fdinfo("v3d", 2, engine_render=f"{second} ns"))

    write(0, 0)
    collector = started(tree)
    assert engines(collector, 0) == {}
    write(300_000_000, 100_000_000)
    assert engines(collector, SECOND) == {"v3d render": 40.0}
    collector.stop()


def test_other_descriptors_are_not_read(tree: Path) -> None:
    put(tree, f"proc/{PID}/fdinfo/3", fdinfo("v3d", 1, engine_render="5 ns"))
    (tree / f"proc/{PID}/fd").mkdir()
    link = tree / f"proc/{PID}/fd/3"
    link.symlink_to(tree / "file")
    assert clients([tree / f"proc/{PID}"]) == {}
    link.unlink()
    link.symlink_to("/dev/dri/renderD128")
    assert len(clients([tree / f"proc/{PID}"])) == 1


def test_cards_of_one_driver_are_told_apart_and_engines_have_a_capacity(tree: Path) -> None:
    def write(busy: int) -> None:
        for number, slot in ((1, "0000:03:00.0"), (2, "0000:04:00.0")):
            said = {"engine_video": f"{busy * number} ns", "engine_capacity_video": "2"}
            put(tree, f"proc/{PID}/fdinfo/{number}", fdinfo("i915", 7, slot, **said))

    write(0)
    collector = started(tree)
    values(collector, 0)
    write(500_000_000)
    assert engines(collector, SECOND) == {
        "i915 0000:03:00.0 video": 25.0, "i915 0000:04:00.0 video": 50.0,
    }  # fmt: skip
    collector.stop()


def test_xe_counts_cycles(tree: Path) -> None:
    def write(cycles: int, total: int) -> None:
        said = {"cycles_rcs": str(cycles), "total_cycles_rcs": str(total), "cycles_orphan": "5",
                "resident_vram0": "2 MiB"}  # fmt: skip
        put(tree, f"proc/{PID}/fdinfo/1", fdinfo("xe", 1, "0000:00:02.0", **said))

    write(100, 1000)
    collector = started(tree)
    assert values(collector, 0) == {("drm.memory", "xe 0000:00:02.0 vram0"): 2.0 * 2**20}
    write(350, 2000)
    assert engines(collector, SECOND) == {"xe 0000:00:02.0 rcs": 25.0}
    write(350, 2000)  # its clock stood still
    assert engines(collector, 2 * SECOND) == {}
    collector.stop()


def test_a_counter_that_goes_back_stays_until_it_caught_up(tree: Path) -> None:
    collector = started(tree)
    told = []
    for second, busy in enumerate((500, 400, 700)):
        put(tree, f"proc/{PID}/fdinfo/1", fdinfo("msm", 1, engine_gpu=f"{busy * 1_000_000} ns"))
        told.append(engines(collector, second * SECOND))
    assert told == [{}, {"msm gpu": 0.0}, {"msm gpu": 20.0}]
    collector.stop()


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, 0.0), (99.9, 99.9), (130, 100.0), (20_000, None), (-1, None)],
)
def test_a_little_over_the_whole_is_the_whole(percent: float, expected: float | None) -> None:
    assert believable(percent) == expected


def test_a_program_that_ended_or_never_was_gives_nothing(tree: Path) -> None:
    collector = Drm()
    collector.start(Device("tree", tree, program_pid=999))
    assert values(collector, 0) == {}
    collector.stop()
    collector.start(Device("tree", tree))
    assert values(collector, 0) == {}
    collector.stop()


def test_a_machine_without_a_driver_is_another_device(tmp_path: Path) -> None:
    with pytest.raises(OtherDevice, match=str(tmp_path)) as caught:
        Drm().start(Device("vm", tmp_path))
    assert caught.value.remedy


def test_the_tree_of_the_raspberry_pi_is_read() -> None:
    collector = Drm()
    collector.start(Device("pi", DEVICES / "raspberry-pi-5", program_pid=4242))
    assert ("drm.memory", "v3d memory") in values(collector, 0)
    assert engines(collector, SECOND)["v3d render"] == 0.0
    collector.stop()


@pytest.mark.parametrize(
    "text",
    ["", "pos: 0\nflags: 02", "drm-driver:\tv3d", "drm-client-id:\t1",
     "drm-driver:\t\ndrm-client-id: 1", "drm-driver: v3d\ndrm-client-id: nan",
     "drm-driver: v3d\ndrm-client-id: -1",
     "drm-driver: v3d\ndrm-client-id: 1 ns", "drm-driver: v3d\ndrm-client-id: ٣"],
)  # fmt: skip
def test_what_is_no_client(text: str) -> None:
    assert client_of(text) is None


@pytest.mark.parametrize(
    "line",
    ["drm-engine-render: 5", "drm-engine-render: 5 us", "drm-engine-render: -5 ns",
     "drm-engine-render: nan ns", "drm-engine-render: 1.5 ns", "drm-engine-render: 1,5 ns",
     "drm-engine-render:", "drm-engine-render", "engine-render: 5 ns",
     f"drm-engine-render: {10**30} ns", f"drm-resident-memory: {2**64 - 1} KiB",
     "drm-engine-capacity-render: 0"],
)  # fmt: skip
def test_hostile_lines_are_left_out(line: str) -> None:
    client = client_of(f"drm-driver: v3d\ndrm-client-id: 1\n{line}")
    assert client == Client("v3d", "", 1)


@given(st.integers(0, len(V3D)))
def test_a_cut_text_says_no_more_than_the_whole(length: int) -> None:
    whole, cut = client_of(V3D), client_of(V3D[:length])
    assert whole is not None
    if cut is not None:
        assert set(cut.engines) <= set(whole.engines)
        assert set(cut.memory) <= set(whole.memory)


WORDS = st.sampled_from(
    ["drm-driver: v3d", "drm-client-id: 3", "drm-engine-render: 7 ns", "drm-cycles-rcs: 5",
     "drm-total-cycles-rcs: 9", "drm-engine-capacity-render: 2", "drm-resident-memory: 3 KiB"]
)  # fmt: skip


@given(st.lists(WORDS | st.text(max_size=30)).map("\n".join))
def test_no_text_makes_up_a_client(text: str) -> None:
    client = client_of(text)
    if client is not None:
        assert str(client.number) in text
        assert all(str(value) in text for value in client.engines.values())
        assert client.caught_up(client) == client


COUNTERS = st.dictionaries(st.sampled_from("ab"), st.integers(0, 2**64 - 1))


@given(COUNTERS, COUNTERS, st.integers(1, 10**12))
def test_shares_are_never_below_nothing(
    before: dict[str, int], now: dict[str, int], elapsed_ns: int
) -> None:
    first = Client("v3d", "", 1, engines=before)
    second = Client("v3d", "", 1, engines=now).caught_up(first)
    found = shares(first, second, elapsed_ns)
    assert set(found) == set(before) & set(now)
    assert all(value >= 0 for value in found.values())


def test_a_real_process_without_a_gpu_has_no_client() -> None:
    assert all(isinstance(key, tuple) for key in clients([Path(f"/proc/{os.getpid()}")]))
