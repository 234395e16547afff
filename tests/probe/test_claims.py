"""Claims: what a file may say, and what Runs with known numbers say of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import scenarios
from probe import judge as judging_runs
from probe.claims import file
from probe.claims.deviations import Pull, deviations
from probe.claims.file import Claim, Conditions, Statement
from probe.claims.judging import document, judge, refuted, undecided
from probe.console import claims_text
from probe.errors import ClaimsError
from probe.scenario import NANOSECONDS
from probe.store import Run

Make = Callable[..., Path]
Judged = tuple[Run, Mapping[str, Any]]
HEAD = 'version = 1\n[[claim]]\nid = "x"\ntext = "t"\nsource = "s"\ndate = 2026-03-18\n'


@pytest.fixture
def judged(made_run: Make) -> Callable[..., Judged]:
    def get(kind: str, **conditions: Any) -> Judged:
        run = Run.open(made_run(kind, **conditions))
        return run, judging_runs.judge(run)

    return get


def changed(one: Judged, **parts: Any) -> Judged:
    """Return the Run with other parts of its manifest, and the verdict that it had."""
    run, verdict = one
    manifest = {**run.manifest, **parts}
    return Run(manifest, lambda name: run.table(name) if run.has(name) else None), verdict


def claim(*statements: dict[str, Any], **conditions: Any) -> Claim:
    return Claim.model_validate(
        {
            "id": "x", "text": "quoted words", "source": "a page", "date": "not stated",
            "conditions": conditions, "statement": list(statements),
        },
        context=NANOSECONDS,
    )  # fmt: skip


def holds(*tests: str, essential: bool = False) -> dict[str, Any]:
    return {"text": "words", "holds": list(tests), "essential": essential}


def outcomes(found: dict[str, Any]) -> list[str]:
    return [each["outcome"] for each in found["statements"]]


def load(tmp_path: Path, text: str) -> file.Claims:
    path = tmp_path / "claims.toml"
    path.write_text(text)
    return file.load(str(path), scenarios.claims())


@pytest.mark.parametrize("name", file.names(scenarios.claims()))
def test_every_shipped_file_can_be_read_and_quotes_its_source(name: str) -> None:
    found = file.load(name, scenarios.claims())
    assert found.title
    for each in found.claim:
        assert each.source
        assert any(statement.essential for statement in each.statement)


def test_the_published_expectations_of_the_pi_are_there_word_by_word() -> None:
    found = file.load("pi5-ai-hat", scenarios.claims())
    assert [each.text for each in found.claim] == [
        "50M-parameter quantised text model: 50 to 300 ms",
        "small text-to-speech: 200 to 800 ms for 6 to 12 s of audio",
        "overlay and hardware encode of a 10 s clip: 200 to 600 ms",
        "single-frame stylisation: about 500 ms",
        "a 6 to 12 s personalised clip in 1 to 3 s",
    ]
    assert {each.conditions.device for each in found.claim} == {"Raspberry Pi 5"}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ('text = "40 ms per frame"\nneeds = "x"', "time per frame is two things"),
        ('text = "40 ms per frame"\nholds = ["frame_time<=40ms"]', "time per frame is two things"),
        (
            'text = "40ms/frame"\nholds = ["speed>=1x"]',
            "33 ms between frames and answers 267 ms late",
        ),
        ('text = "real-time"\nholds = ["rate>=30fps"]', '"real-time" is a regime with rules'),
        ('text = "real time"\nholds = ["speed>=1x"]', '"real-time" is a regime with rules'),
        ('text = "2x real time"\nholds = ["real-time"]', "is another statement"),
        ('text = "2 times faster than real-time"\nholds = ["rate>=30fps"]', "judge it by speed"),
        ('text = "30 fps"\nholds = ["latency.p99<=33ms"]', "fps is a rate"),
        ('text = "real-time at 30 fps"\nholds = ["real-time"]', "judged apart"),
        ('text = "fast"', "give holds"),
        ('text = "x"\nholds = ["latncy.p99<=33ms"]', "did you mean latency.p99"),
        ('text = "x"\nholds = ["rate>=30"]', "measured in fps"),
        ('text = "x"\nhold = ["rate>=30fps"]', "unknown key; did you mean holds?"),
        ('text = "x"\nlimits = ["rate>=30fps"]', "did you mean holds?"),
        ('text = "40 milliseconds for each frame"\nneeds = "x"\nholds = 5', "must be a list"),
        ('text = "40 milliseconds per frame"\nholds = ["speed>=1x"]', "two things"),
        ('text = "frame time 40 ms"\nholds = ["speed>=1x"]', "two things"),
        ('text = "2 s each picture"\nholds = ["speed>=1x"]', "two things"),
        ('text = "faster than real time"\nholds = ["rate>=30fps"]', "judge it by speed"),
        ('text = "twice real-time"\nholds = ["rate>=30fps"]', "judge it by speed"),
        ('text = "real-time factor 0.5"\nholds = ["rate>=30fps"]', "judge it by speed"),
        ('text = "real\\u2011time"\nholds = ["rate>=30fps"]', "a regime with rules"),
        ('text = "30 frames/s"\nholds = ["latency.p99<=33ms"]', "fps is a rate"),
        ('text = "60 fps"\nholds = ["rate>=6fps"]', "the words say 60, and rate>=6fps asks"),
        ('text = "x"\nholds = ["latency.p50<5ms", "latency.p50>=5ms"]', "no value keeps to both"),
    ],
)
def test_words_that_mean_two_things_are_refused_until_the_author_says_which(
    tmp_path: Path, statement: str, said: str
) -> None:
    with pytest.raises(ClaimsError) as caught:
        load(tmp_path, f"{HEAD}[[claim.statement]]\n{statement}\n")
    text = " ".join(what for _, what in caught.value.problems)
    assert said in text
    assert "(line " in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "statement",
    [
        'text = "40 ms per frame"\nholds = ["latency.p50<=40ms"]',
        'text = "40 ms per frame"\nholds = ["rate.period<=40ms"]',
        'text = "40 ms per frame"\nholds = ["stage.infer.p50<=40ms"]',
        'text = "real-time"\nholds = ["real-time"]',
        'text = "real-time for ten minutes"\nholds = ["real_time.held>=10min"]',
        'text = "1.5x real-time"\nholds = ["speed>=1.5x"]',
        'text = "30 fps"\nholds = ["rate>=29.7fps"]',
        'text = "17 frames per second"\nholds = ["generation.rate>=17fps"]',
        'text = "50 to 300 ms"\nholds = ["latency.p50>=50ms", "latency.p50<=300ms"]',
        'text = "on under 5 W"\nneeds = "a meter"',
        'text = "twice as fast as real time"\nholds = ["speed>=2x"]',
        'text = "60 fps"\nholds = ["rate>=50fps"]\nreading = "of a source of 50 fps"',
        'text = "on a 60 Hz display"\nholds = ["latency.p99<=50ms"]',
    ],
)
def test_resolved_words_are_read(tmp_path: Path, statement: str) -> None:
    assert load(tmp_path, f"{HEAD}[[claim.statement]]\n{statement}\n").claim


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 1\n", "claim: is required"),
        ("version = 2\n", "version"),
        ("nonsense", "not TOML"),
        (HEAD, "statement: is required"),
        (HEAD.replace("2026-03-18", '"soon"'), "date"),
        ('version = 1\n[[claim]]\nid = "Not A Slug"\n', "id"),
        (2 * HEAD.replace("version = 1\n", "", 1), "version"),
        (HEAD.replace("text =", "texts ="), "did you mean text?"),
        (HEAD + "[claim.conditions]\nfps = 30\n", "did you mean rate?"),
        (HEAD.replace("[[claim]]", "[claim]"), "write [[claim]]"),
        (HEAD.replace('"t"', '"\\u202et"'), "U+202E"),
        (HEAD.replace('"t"', '"\\u001b[31mt"'), "U+001B"),
        ("x = " + 9000 * "[" + 9000 * "]", "nested too deeply"),
        ("#" + 300_000 * " ", "so it is no file of claims"),
    ],
)
def test_a_wrong_file_is_told_with_every_problem(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ClaimsError) as caught:
        load(tmp_path, text)
    told = [caught.value.message, *(f"{key}: {what}" for key, what in caught.value.problems)]
    assert said in " ".join(told)
    assert caught.value.remedy


def test_the_file_in_the_documentation_can_be_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "claims.md").read_text(encoding="utf-8")
    found = load(tmp_path, text.partition("```toml\n")[2].partition("```")[0])
    assert len(found.claim[0].statement) == 4


def test_two_claims_of_one_id_are_refused(tmp_path: Path) -> None:
    one = HEAD.partition("\n")[2] + '[[claim.statement]]\ntext = "x"\nholds = ["rate>=1fps"]\n'
    with pytest.raises(ClaimsError) as caught:
        load(tmp_path, f"version = 1\n{one}{one}")
    assert caught.value.problems == (("claim", "several claims have the id x (line 2)"),)


def test_a_date_is_one_problem_and_may_stand_in_quotes(tmp_path: Path) -> None:
    statement = '[[claim.statement]]\ntext = "x"\nholds = ["rate>=1fps"]\n'
    quoted = load(tmp_path, HEAD.replace("2026-03-18", '"2026-03-18"') + statement)
    assert str(quoted.claim[0].date) == "2026-03-18"
    with pytest.raises(ClaimsError) as caught:
        load(tmp_path, HEAD.replace("2026-03-18", '"March"') + statement)
    ((key, said),) = caught.value.problems
    assert key == "claim[0].date"
    assert "as in 2026-03-18" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [("pi5-ai-hatt", "did you mean pi5-ai-hat?"), (".", "a directory"), ("pipe", "not a regular")],
)
def test_what_is_no_file_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(ClaimsError, match=said.replace("?", "[?]")):
        file.load(name, scenarios.claims())


def test_a_file_that_is_not_there_names_those_that_ship() -> None:
    with pytest.raises(ClaimsError) as caught:
        file.load("nowhere", scenarios.claims())
    assert "pi5-ai-hat" in str(caught.value.remedy)


def test_a_percentile_is_answered_by_the_bound_and_not_by_the_point(
    judged: Callable[..., Judged],
) -> None:
    live = judged("live")
    found = judge(claim(holds("latency.p99<=50ms"), holds("latency.p99<=20ms")), [live])
    assert outcomes(found) == ["supported", "refuted"]
    test = found["statements"][0]["tests"][0]
    assert test["values"] == [live[1]["latency_ms"]["p99"]]
    assert test["margins"][0] == pytest.approx(50 - test["values"][0])
    few = judge(claim(holds("latency.p99<=50ms")), [judged("live", seconds=5.0)])
    assert outcomes(few) == ["inconclusive"]
    assert "p99 needs 459" in few["statements"][0]["reason"]
    tight = judge(claim(holds("frames.missed<=0.1%")), [live])
    assert outcomes(tight) == ["inconclusive"]
    assert "s at this rate" in tight["statements"][0]["reason"]


def test_real_time_speed_and_rate_are_answered_apart(judged: Callable[..., Judged]) -> None:
    asked = claim(holds("real-time"), holds("speed>=1.5x"), holds("rate>=12fps"))
    assert outcomes(judge(asked, [judged("generator")])) == [
        "refuted", "supported", "not testable",
    ]  # fmt: skip
    live = judge(asked, [judged("live")])
    assert outcomes(live)[0] == judged("live")[1]["real_time"]["outcome"]
    assert outcomes(live)[2] == "supported"


def test_a_mean_needs_its_whole_interval_on_one_side(judged: Callable[..., Judged]) -> None:
    run = judged("dropping")
    rate = run[1]["rate_fps"]
    below, above = f"rate>={rate - 5:.3f}fps", f"rate>={rate + 5:.3f}fps"
    assert outcomes(judge(claim(holds(below), holds(above)), [run])) == ["supported", "refuted"]
    found = judge(claim(holds(f"rate>={rate + 1e-4:.5f}fps")), [run])
    assert outcomes(found) == ["inconclusive"]
    assert "times as long" in found["statements"][0]["reason"]


def test_one_number_a_run_needs_five_runs_that_agree(judged: Callable[..., Judged]) -> None:
    live = judged("live")
    asked = claim(holds("latency.max<=1s"))
    found = judge(asked, [live] * 4)
    assert outcomes(found) == ["inconclusive"]
    assert "needs 1 more runs that agree" in found["statements"][0]["reason"]
    assert outcomes(judge(asked, [live] * 5)) == ["supported"]
    assert outcomes(judge(claim(holds("block_size<=1")), [live])) == ["supported"]


def test_runs_that_do_not_agree_answer_nothing(judged: Callable[..., Judged]) -> None:
    found = judge(claim(holds("latency.p95<=50ms")), [judged("live"), judged("late")])
    assert outcomes(found) == ["inconclusive"]
    assert "1 supported, 1 refuted" in found["statements"][0]["reason"]


def test_an_invalid_measurement_answers_nothing(judged: Callable[..., Judged]) -> None:
    run, verdict = judged("live")
    invalid = {**verdict, "validity": {"status": "invalid", "reasons": ["time ran backwards"]}}
    found = judge(claim(holds("latency.p99<=50ms")), [(run, invalid)])
    assert outcomes(found) == ["inconclusive"]
    assert "time ran backwards" in found["statements"][0]["reason"]


def test_what_cannot_be_measured_here_says_what_it_needs(judged: Callable[..., Judged]) -> None:
    asked = claim(holds("power.mean<=5W"), {"text": "all day", "needs": "a day"})
    found = judge(asked, [judged("live")])
    assert outcomes(found) == ["not testable", "not testable"]
    assert "no collector of this Run read power" in found["statements"][0]["reason"]
    assert found["statements"][1]["reason"] == "needs a day"
    nothing = judge(claim(holds("rate>=1fps")), [], missing="none of the Runs is one of x")
    assert "none of the Runs" in nothing["statements"][0]["reason"]


@pytest.mark.parametrize(
    ("statements", "outcome"),
    [
        (["latency.p50<=1s", "rate>=1fps"], "supported"),
        (["latency.p50<=1s", "rate>=100fps"], "partly"),
        (["latency.p50<=1s", "power.mean<=5W"], "partly"),
        (["latency.p50<=1s", "!rate>=100fps"], "refuted"),
        (["!latency.p50<=1s", "rate>=100fps"], "partly"),
        (["latency.p50<=1ms", "rate>=100fps"], "refuted"),
        (["latency.p50<=1ms", "power.mean<=5W"], "inconclusive"),
        (["power.mean<=5W", "power.max<=5W"], "not testable"),
    ],
)
def test_a_claim_is_partly_supported_where_its_statements_differ(
    judged: Callable[..., Judged], statements: list[str], outcome: str
) -> None:
    parts = [holds(each.lstrip("!"), essential=each.startswith("!")) for each in statements]
    found = judge(claim(*parts), [judged("live")])
    assert found["outcome"] == outcome
    whole = document([found])
    assert refuted(whole) == (outcome == "refuted")
    assert undecided(whole) == (outcome in ("inconclusive", "not testable"))
    json.dumps(whole, allow_nan=False)


def test_on_another_device_or_model_nothing_is_testable(judged: Callable[..., Judged]) -> None:
    live = judged("live")
    pi = {"name": "raspberry-pi-5", "board": "Raspberry Pi 5 Model B Rev 1.0", "accelerators": []}
    asked = claim(holds("latency.p50<=1s"), device="Raspberry Pi 5")
    assert judge(asked, [live])["outcome"] == "not testable"
    assert judge(asked, [changed(live, device=pi)])["outcome"] == "supported"
    hat = claim(holds("latency.p50<=1s"), device="Raspberry Pi 5", accelerator="Hailo")
    assert judge(hat, [changed(live, device=pi)])["outcome"] == "not testable"
    pi["accelerators"] = [{"name": "Hailo-8 or 8L", "driver": None, "node": None}]
    assert judge(hat, [changed(live, device=pi)])["outcome"] == "supported"
    found = judge(claim(holds("latency.p50<=1s"), model="other.onnx"), [live])
    assert found["outcome"] == "not testable"
    assert found["deviations"][0]["condition"] == "model"
    same = claim(holds("latency.p50<=1s"), model="sha256:0000")
    assert judge(same, [live])["outcome"] == "supported"


@pytest.mark.parametrize(
    ("conditions", "held", "missed"),
    [
        ({"resolution": [1280, 720], "rate": 30.0}, "supported", "refuted"),
        ({"rate": 29.97}, "supported", "refuted"),
        ({"resolution": [1920, 1080]}, "inconclusive", "refuted"),
        ({"rate": 60.0}, "inconclusive", "refuted"),
        ({"resolution": [640, 360]}, "supported", "inconclusive"),
        ({"duration": 60 * 10**9}, "inconclusive", "refuted"),
        ({"duration": 30 * 10**9}, "supported", "refuted"),
        ({"load": "sustained"}, "inconclusive", "refuted"),
        ({"load": "burst"}, "supported", "refuted"),
    ],
)
def test_easier_conditions_support_nothing_and_harder_ones_refute_nothing(
    judged: Callable[..., Judged], conditions: dict[str, Any], held: str, missed: str
) -> None:
    asked = claim(holds("latency.p50<=1s"), holds("latency.p50<=1ms"), **conditions)
    found = judge(asked, [judged("live")])
    assert outcomes(found) == [held, missed]
    pulls = {each["pull"] for each in found["deviations"]}
    assert pulls <= {Pull.EASIER, Pull.HARDER}
    assert bool(pulls) == ((held, missed) != ("supported", "refuted"))


def test_a_condition_that_the_run_does_not_tell_is_listed(judged: Callable[..., Judged]) -> None:
    run, _ = changed(judged("live"), program={"facts": {}})
    (found,) = deviations(Conditions(rate=30), run.manifest)
    assert (found.pull, found.here) == (Pull.UNKNOWN, "not known")


@pytest.mark.parametrize(
    ("kind", "said"),
    [("interrupted", "it was interrupted"), ("crashed", "the program crashed (SIGSEGV)")],
)
def test_a_run_that_was_cut_short_supports_nothing(
    judged: Callable[..., Judged], kind: str, said: str
) -> None:
    asked = claim(holds("latency.p50<=1s"), holds("latency.p50<=1ms"))
    found = judge(asked, [judged(kind)])
    assert outcomes(found) == ["inconclusive", "refuted"]
    (deviation,) = found["deviations"]
    assert deviation["condition"] == "ending"
    assert deviation["here"].startswith(said)


def test_changes_of_the_scenario_that_the_claim_does_not_name_are_listed(
    judged: Callable[..., Judged],
) -> None:
    live = judged("live")
    made = {**live[0].manifest["scenario"], "overrides": ["stage.infer.threads=4", "run.seed=2"]}
    asked = claim(
        holds("latency.p50<=1s"), scenario="live", overrides=["copies.mode=off"]
    )  # fmt: skip
    found = judge(asked, [changed(live, scenario=made)])
    listed = [(d["condition"], d["stated"], d["here"], d["pull"]) for d in found["deviations"]]
    assert listed == [
        ("copies.mode", "off", "as it ships", "not known"),
        ("stage.infer.threads", "as it ships", "4", "not known"),
    ]


def test_quoted_words_stay_on_one_line(judged: Callable[..., Judged]) -> None:
    asked = claim({**holds("latency.p50<=1s"), "text": 'a\n  - "b": supported'})
    lines = claims_text.lines(document([judge(asked, [judged("live")])]))
    assert not any(line.startswith('  - "b"') for line in lines)


def test_the_command_that_measures_it_stands_with_the_claim(judged: Callable[..., Judged]) -> None:
    asked = claim(
        holds("latency.p50<=1s"),
        scenario="live-background-blur", duration=10 * 10**9, overrides=["stage.infer.threads=2"],
    )  # fmt: skip
    found = judge(asked, [judged("live")])
    assert found["again"] == (
        "liveprobe run live-background-blur --set 'stage.infer.threads=2' --set 'run.duration=10s'"
    )


def test_the_text_names_words_source_answer_and_margin(judged: Callable[..., Judged]) -> None:
    asked = claim(holds("latency.p99<=50ms", essential=True), resolution=[1920, 1080])
    text = "\n".join(claims_text.lines(document([judge(asked, [judged("live")])])))
    assert text.startswith("x: inconclusive: held under easier conditions")
    assert '"quoted words"' in text
    assert "source    a page, not stated" in text
    assert "holds by" in text
    assert "deviates  resolution: stated 1920x1080, here 1280x720 (easier)" in text


def test_a_statement_reads_only_what_its_type_allows() -> None:
    assert Statement(text="x", holds=["rate >= 30 fps"]).holds == ["rate >= 30 fps"]
