"""Judged Runs from the maker of tests/runs, pages of them, and a real browser."""

from __future__ import annotations

import copy
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from probe import judge
from probe.store import TABLES, Run
from reports.run_report import render

HERE = Path(__file__).resolve().parent
Judged = tuple[Run, dict[str, Any]]


def load(name: str, file: Path) -> ModuleType:
    """Import a file that stands in no package."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def changed(
    run: Run, manifest: Mapping[str, Any] | None = None, tables: Mapping[str, Any] | None = None
) -> Judged:
    """Return a copy of a Run in memory with other tables or parts of its manifest, judged anew."""
    document = {**run.manifest, **(manifest or {})}
    held = {name: run.table(name) for name in TABLES if run.has(name)}
    copy = Run.of(document, {**held, **(tables or {})})
    return copy, judge.judge(copy)


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Judged]:
    """Return a maker of judged Runs of a kind; each is made once."""
    maker = load("make_runs_for_reports", HERE.parent / "runs" / "make_runs.py")
    folder = tmp_path_factory.mktemp("runs")
    made: dict[str, Judged] = {}

    def get(kind: str, **conditions: Any) -> Judged:
        key = "-".join([kind, *(f"{name}{value}" for name, value in conditions.items())])
        if key not in made:
            run = Run.open(maker.make_run(kind, folder / key, **conditions))
            made[key] = run, judge.judge(run)
        return made[key]

    return get


@pytest.fixture(scope="session")
def page(
    judged: Callable[..., Judged], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return a maker of report files: of one kind, or of a live and a generating one."""
    folder = tmp_path_factory.mktemp("pages")

    def get(
        live: str | Judged | None, generation: str | Judged | None = None, name: str = ""
    ) -> Path:
        label = name or f"{live}-{generation}"
        path = folder / f"{label}.html"
        if not path.exists():
            pairs = [judged(kind) if isinstance(kind, str) else kind for kind in (live, generation)]
            path.write_text(render(pairs[0], pairs[1]), encoding="utf-8")
        return path

    return get


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """Give the test a page; what it had the browser keep is forgotten after it."""
    yield chromium
    chromium.ask("try { localStorage.clear() } catch (refused) { /* nothing is kept */ }")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Start one headless Chromium for all tests; skip where there is none."""
    module = load("browser_for_reports", HERE / "browser.py")
    program = module.executable()
    if program is None:
        pytest.skip("chromium is absent: the page was not opened in a real browser")
    with module.Browser(program) as one:
        yield one


@pytest.fixture
def altered() -> Callable[..., Judged]:
    """Return `changed`."""
    return changed


@pytest.fixture(scope="session")
def copied_run() -> ModuleType:
    """Return the module that gives a made Run a copy ledger with known sums."""
    return load("copied_run_for_reports", HERE / "copied_run.py")


@pytest.fixture(scope="session")
def copied(judged: Callable[..., Judged], copied_run: ModuleType) -> Callable[..., Judged]:
    """Return a maker of judged Runs with a copy ledger; the arguments are those of `copied`."""

    def get(kind: str = "live", **how: Any) -> Judged:
        run, _ = judged(kind)
        plan = copied_run.GENERATE if run.manifest["mode"] == "generate" else copied_run.LIVE
        made = copied_run.copied(run, **{"plan": plan, **how})
        return made, judge.judge(made)

    return get


@pytest.fixture(scope="session")
def sampled_run() -> ModuleType:
    """Return the module that gives a made Run samples of many tracks."""
    return load("sampled_run_for_reports", HERE / "sampled_run.py")


@pytest.fixture(scope="session")
def sampled(judged: Callable[..., Judged], sampled_run: ModuleType) -> Callable[..., Judged]:
    """Return a maker of judged Runs with many tracks; the arguments are those of `sampled`."""
    run, _ = judged("live")
    made: dict[str, Judged] = {}

    def get(**how: Any) -> Judged:
        if str(how) not in made:
            one = sampled_run.sampled(run, **how)
            made[str(how)] = one, judge.judge(one)
        return made[str(how)]

    return get


HOSTILE = {
    "scenario": "x</script><img src=1 onerror=alert(1)>",
    "device": "\"><b onclick='x()'>{{ 7 * 7 }}{% raw %}",
    "stage": "in\u2028fer\u2029\"'<svg onload=alert(2)>${1}",
    "reason": "<script>document.title='pwned'</script>",
    "collector": "c'\"<i>&amp;",
}
"""Names that try to become markup, script, template, attribute or formula."""


@pytest.fixture(scope="session")
def hostile(judged: Callable[..., Judged]) -> tuple[dict[str, str], Judged]:
    """Return hostile names and a judged Run in which a stranger chose every name that he can."""
    run, _ = judged("dropping")
    frames, spans = run.table("frames").copy(), run.table("spans").copy()
    samples = run.table("samples").copy()
    lost = frames["fate_reason"].notna()
    frames.loc[lost, "fate_reason"] = HOSTILE["reason"]
    frames["fate_stage"] = frames["fate_stage"].replace("infer", HOSTILE["stage"])
    spans["stage"] = spans["stage"].replace("infer", HOSTILE["stage"])
    spans["thread"] = HOSTILE["stage"] + ":7"
    samples["label"] = samples["label"] + HOSTILE["collector"]
    manifest = dict(run.manifest)
    manifest["scenario"] = {**manifest["scenario"], "name": HOSTILE["scenario"]}
    manifest["device"] = {**manifest["device"], "name": HOSTILE["device"], HOSTILE["reason"]: "<u>"}
    gone = {"name": HOSTILE["collector"], "outcome": "no data", "reason": HOSTILE["reason"],
            "remedy": HOSTILE["device"], "samples": 0, "tracks": [], "period_ns": 1, "cpu_ns": 0,
            "slowest_ns": 0}  # fmt: skip
    manifest["collectors"] = [*manifest["collectors"], gone]
    manifest["program"] = {**manifest["program"], "stderr_tail": HOSTILE["reason"]}
    return HOSTILE, changed(run, manifest, {"frames": frames, "spans": spans, "samples": samples})


@pytest.fixture
def accepts() -> bool:
    """Say whether golden captions may change: with LIVEPROBE_ACCEPT=1, and a commit says why."""
    return os.environ.get("LIVEPROBE_ACCEPT") == "1"


@pytest.fixture(scope="session")
def judged_claims(judged: Callable[..., Judged]) -> Callable[..., dict[str, Any]]:
    """Return a maker of documents of judged claims: all that there are, or those of these ids."""
    maker = load("claimed_for_reports", HERE / "claimed.py")
    whole = maker.document(judged)

    def get(*ids: str) -> dict[str, Any]:
        document: dict[str, Any] = copy.deepcopy(whole)
        if ids:
            chosen = [each for each in document["claims"] if each["id"] in ids]
            assert len(chosen) == len(ids)
            document["claims"] = chosen
        return document

    return get


@pytest.fixture(scope="session")
def compared() -> ModuleType:
    """Return the module that makes sides of a comparison, and comparisons of every verdict."""
    return load("compared_for_reports", HERE / "compared.py")


@pytest.fixture(scope="session")
def comparison(judged: Callable[..., Judged], compared: ModuleType) -> Callable[[str], Any]:
    """Return a maker of (document, sides), each of `compared.CASES` made once."""
    made: dict[str, Any] = {}

    def get(case: str) -> Any:
        if case not in made:
            live, generator = (judged(kind, seconds=20.0)[0] for kind in ("live", "generator"))
            made[case] = compared.case(case, live, generator)
        return made[case]

    return get
