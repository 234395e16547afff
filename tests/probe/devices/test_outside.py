"""What does the doctor open? None of this machine's files for a tree, and no more than it may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEVICES = Path(__file__).parents[2] / "devices"
TIMEOUT_S = 120
WATCHED = """
import json, os, sys
from pathlib import Path
import collectors
from probe.devices import tree
from probe.devices.doctor import examine
from probe.model import Device

MACHINE = ("/proc", "/sys", "/etc", "/dev", "/boot", "/run", "/var", "/lib/firmware")
EVENTS = {"open", "os.listdir", "os.scandir", "subprocess.Popen", "os.posix_spawn", "os.mkdir",
          "os.remove", "os.rename"}
NOBODYS = {"/dev/null", "/dev/urandom"}
seen = []

def watch(event, arguments):
    if watching and event in EVENTS:
        place = arguments[0]
        place = os.fsdecode(place) if isinstance(place, (str, bytes, os.PathLike)) else ""
        if event in ("subprocess.Popen", "os.posix_spawn"):
            seen.append([event, str(arguments[:2])])
        elif place.startswith(MACHINE) and place not in NOBODYS:
            seen.append([event, place])

watching = False
boards = [Path(each) for each in sys.argv[1:]]
examine(Device("tree", boards[0]), wait_s=0)  # whatever is imported on the way is imported
sys.addaudithook(watch)
watching = True
for root in boards:
    examine(Device("tree", root, tree.program(root)), wait_s=0)
open("/proc/version").close()
watching = False
print(json.dumps(seen))
"""


def test_no_file_of_this_machine_is_opened_and_no_tool_is_run() -> None:
    boards = sorted(str(each) for each in DEVICES.iterdir() if (each / "proc").is_dir())
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *boards],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == [["open", "/proc/version"]], "the last shows that the watch works"


ORDINARY = """
import json, os, sys
from probe.devices.doctor import check
from probe.devices.local import inventory
from probe.model import Device

device = Device("local", program_pid=os.getpid())
check(device, wait_s=0)  # whatever is imported on the way is imported
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
inventory(device)
print(json.dumps([row for row in check(device) if row.state == "failed"]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_to_a_user_without_rights_no_collector_fails() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORDINARY],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_tree_that_may_not_be_looked_into_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/class").mkdir(parents=True)
    tmp_path.chmod(0o755)
    (tmp_path / "sys").chmod(0)
    script = ORDINARY.partition("inventory(device)")[0] + (
        "from pathlib import Path\n"
        "from probe.devices.doctor import examine\n"
        "print(len(examine(Device('tree', Path(sys.argv[1])), wait_s=0)['tracks']))\n"
    )
    script = script.replace("os.setgroups", "os.chdir(sys.argv[1])\nos.setgroups")
    # The folders above belong to the test alone: enter first, then give the rights up.
    done = subprocess.run(
        [sys.executable, "-c", script.replace("Path(sys.argv[1])", "Path.cwd()"), str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) > 20
