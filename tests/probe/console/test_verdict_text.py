from __future__ import annotations

from typing import Any

from probe.console.verdict_text import lines, number

COMPLETE: dict[str, Any] = {"state": "complete", "program": {}}


def verdict(**fields: Any) -> dict[str, Any]:
    return {
        "regime": "real-time",
        "real_time": {"outcome": "supported", "rule": None, "reason": None},
        "validity": {"status": "limited", "reasons": ["a short warm-up"]},
        "tier": "quick",
        "released": 720,
        "fates": {"on_time": 700, "late": 0, "in_flight": 20},
        "latency_ms": {"p50": 12.04, "p99": 28.8, "n": 720},
        "deadline_ms": 50.0,
        "slack_p99_ms": 21.2,
        "rate_fps": 29.9,
        "block_size": None,
        "speed": None,
        "time_to_first_frame_ms": None,
        "generation": None,
        "findings": [],
        **fields,
    }


def test_the_answer_comes_first_and_numbers_have_units_limits_and_counts() -> None:
    assert lines(COMPLETE, verdict()) == [
        "real-time; real-time inference is supported",
        "  rate      29.9 fps; of 720 frames 700 on time, 20 in flight",
        "  latency   p50 12.0 ms, p99 28.8 ms (deadline 50.0 ms, margin +21.2 ms), n = 720 frames",
        "  validity  limited, quick tier",
        "            - a short warm-up",
    ]


def test_what_to_do_and_when_it_changed_stand_below_the_answer() -> None:
    answer = {"outcome": "inconclusive", "rule": 2, "reason": "insufficient: 180 frames measured",
              "remedy": "run 10 s longer"}  # fmt: skip
    changed = {"latency_changes": [{}], "course": "real-time for 6 s; latency rose"}
    told = lines(COMPLETE, verdict(real_time=answer, **changed))
    assert told[0].endswith("is inconclusive by rule 2: insufficient: 180 frames measured")
    assert told[1:3] == [
        "  remedy    run 10 s longer",
        "  course    real-time for 6 s; latency rose",
    ]
    steady = lines(COMPLETE, verdict(regimes=[{}], latency_changes=[], course="real-time for 6 s"))
    assert not any("course" in line or "remedy" in line for line in steady)


def test_lost_and_unstated_percentiles_are_words() -> None:
    latency = {"p50": "lost", "p99": None, "n": 9}
    text = lines(COMPLETE, verdict(latency_ms=latency, slack_p99_ms=None))[2]
    assert text == "  latency   p50 lost, p99 not stated (deadline 50.0 ms), n = 9 frames"


def test_generation_is_never_told_in_frames_a_second() -> None:
    text = "\n".join(
        lines(
            COMPLETE,
            verdict(
                regime="fast generation",
                released=None,
                fates=None,
                latency_ms=None,
                generation={"requests": [{}, {}]},
                speed=2.361,
                time_to_first_frame_ms=259.0,
                block_size=16,
            ),
        )
    )
    assert "2.36 x playback, n = 2 requests" in text
    assert "first frame after 259.0 ms, in blocks of 16 frames" in text
    assert "fps" not in text


def test_how_a_program_ended_stands_below_the_answer() -> None:
    program = {"outcome": "crashed", "exit_code": 1, "stderr_tail": "Traceback\nValueError: no\n"}
    manifest = {"state": "program failed", "program": program}
    told = lines(manifest, verdict(regime=None, released=None, fates=None, latency_ms=None))
    assert told[1:3] == [
        "  ended     program failed: the program crashed (exit status 1)",
        "  it said   ValueError: no",
    ]
    stopped = {"outcome": "interrupted", "exit_code": 0}
    assert lines({"state": "interrupted", "program": stopped}, verdict())[1] == (
        "  ended     interrupted: somebody stopped the run, and with it the program (exit status 0)"
    )


def test_findings_that_fail_or_warn_are_named() -> None:
    findings = [
        {"outcome": outcome, "title": f"a {outcome} one"}
        for outcome in ("failed", "warning", "passed", "not measured")
    ]
    text = "\n".join(lines(COMPLETE, verdict(findings=findings)))
    assert "  failed    a failed one" in text
    assert "  warning   a warning one" in text
    assert "passed" not in text


def test_what_the_pass_itself_may_have_caused_accuses_nobody() -> None:
    why = "the program was paused to be sampled"
    findings = [
        {"audit": "jitter", "outcome": "failed", "title": "Uneven output", "disturbed": why},
        {"audit": "late_frames", "outcome": "failed", "title": "Late", "disturbed": why},
        {"audit": "redundant_copies", "outcome": "warning", "title": "Copied", "disturbed": None},
    ]
    text = lines(COMPLETE, verdict(findings=findings))
    assert text[3:5] == [
        "  warning   Copied",
        f"  disturbed {why}, which may be all that these found: jitter, late_frames",
    ]
    assert not any("Uneven" in line or "failed" in line for line in text)


def test_numbers() -> None:
    assert number(None, "ms") == "not measured"
    assert number("lost", "ms") == "lost"
    assert number(3, "x", 0) == "3 x"


COPIES: dict[str, Any] = {
    "memcpy_bytes_per_frame": 1_000_000.0,
    "convert_bytes_per_frame": 2_000_000.0,
    "transfer_bytes_per_frame": 0.0,
    "materialize_bytes_per_frame": 1_147_200.0,
    "count_per_frame": 3.2,
    "frame_equivalents": 3.0,
    "blind": 0,
}


def copies_line(found: dict[str, Any] | None, manifest: Any = COMPLETE, **fields: Any) -> list[str]:
    text = lines(manifest, verdict(copies=found, **fields))
    return [line.removeprefix("  copies    ") for line in text if line.startswith("  copies ")]


def test_what_copying_costs_is_one_line() -> None:
    ask = "; ask: liveprobe copies RUN"
    assert copies_line(COPIES) == [f"3.2 per frame, 4.15 MB (3.0 pictures){ask}"]
    unknown = {**COPIES, "frame_equivalents": None, "blind": 2}
    made = {"requests": [{}]}
    assert copies_line(unknown, generation=made) == [
        f"3.2 per picture, 4.15 MB; blind to 2 of its processes{ask}"
    ]
    none = {**dict.fromkeys(COPIES), "blind": 1}
    assert copies_line(none) == [
        f"traced, but no measured frame is known; blind to 1 of its processes{ask}"
    ]


def test_copies_that_were_wanted_and_not_traced_say_why() -> None:
    def manifest(**entry: Any) -> dict[str, Any]:
        return {**COMPLETE, "collectors": [{"name": "cpu"}, {"name": "copies", **entry}]}

    assert copies_line(None) == []
    assert copies_line(None, manifest(outcome="off", reason="copies.mode is off")) == []
    missing = manifest(outcome="no data", reason="it was not built")
    assert copies_line(None, missing) == ["not traced: it was not built"]
    seen_nothing = manifest(outcome="ok", reason=None)
    assert copies_line(None, seen_nothing) == [
        "not traced: no process of the program could be seen"
    ]
    static = manifest(outcome="ok", facts={"blind": [{"exe": "app", "why": "it is static"}]})
    assert copies_line(None, static) == ["not traced: blind to app: it is static"]


def test_what_was_asked_for_by_name_and_is_missing_says_why() -> None:
    def told(
        name: str, outcome: str, recordings: int = 1, reason: str = "no file", **resolved: Any
    ) -> list[str]:
        entry = {"name": name, "outcome": outcome, "reason": reason, "remedy": "make one",
                 "facts": {"recordings": recordings}}  # fmt: skip
        manifest = {**COMPLETE, "collectors": [entry], "scenario": {"resolved": resolved}}
        return [line for line in lines(manifest, verdict()) if line.startswith("  missing")]

    for name in ("power_meter", "pyspy"):
        assert told(name, "no data") == [f"  missing   {name}: no file; make one"]
        assert told(name, "off") == []
    assert told("pyspy", "ok") == []
    assert "liveprobe hot RUN" in told("pyspy", "ok", recordings=0)[0]
    assert told("thermal", "no data") == []
    assert told("onnxruntime", "no data") == []
    assert told("onnxruntime", "no data", operators={"read": ["a.csv"]}) != []
    once = told("power_meter", "no data", reason="power_meter: no column time")
    assert once == ["  missing   power_meter: no column time; make one"]
    unread = {**COMPLETE, "operators": {"not_read": [["a.csv", "No such file"]]}}
    assert "  missing   operators of a.csv: No such file" in lines(unread, verdict())
