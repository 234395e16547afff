"""QNN's CSV gives cycles, LiteRT's printout averages, and neither gives a time of day."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.errors import InputError
from probe.operators import litert, qnn
from probe.operators.account import account_of

RECORDINGS = Path(__file__).parents[2] / "devices" / "recordings"
HEAD = "Msg Timestamp,Message,Time,Unit of Measurement,Timing Source,Event Level,Event Identifier"
BEGIN = '0,ROOT,4,COUNT,HW,ROOT,"Number of HVX threads used"'
TABLE = "============================== Run Order ==============================\n"


def recorded(name: str) -> str:
    lines = (RECORDINGS / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def test_qnns_cycles_are_shares_and_no_times(tmp_path: Path) -> None:
    file = tmp_path / "qnn.csv"
    file.write_text(recorded("qnn_profiling_csv.txt").partition("=====\n")[0], encoding="utf-8")
    assert qnn.is_profile(file.read_bytes())
    found = qnn.read(file)
    assert (found.inferences, found.damaged) == (1, 0)
    ops = found.ops
    assert list(ops["node"]) == ["Conv2d:OpId_1", "Add:OpId_2"]
    assert list(ops["cycles"]) == [500, 300]
    assert ops[["start_ns", "end_ns", "self_ns"]].isna().all(axis=None)
    (account,) = account_of(ops.assign(source="qnn.csv"))
    assert account.unit == "cycles"
    assert account.total_ms is None
    assert [(row.name, row.share, row.ms) for row in account.by_op] == [
        ("Conv2d", 0.625, None), ("Add", 0.375, None),
    ]  # fmt: skip


def test_a_basic_profile_of_qnn_lists_no_operator_and_says_what_does(tmp_path: Path) -> None:
    file = tmp_path / "qnn.csv"
    file.write_text(recorded("qnn_profiling_csv.txt").partition("=====\n")[2], encoding="utf-8")
    with pytest.raises(InputError, match="lists no operator") as caught:
        qnn.read(file)
    assert "detailed" in str(caught.value.remedy)


def test_qnn_appends_so_that_a_file_has_heads_inside_and_a_column_more(tmp_path: Path) -> None:
    row = '3,NODE,{},CYCLES,HW,SUB-EVENT,"Conv:OpId_1 (cycles)","conv_1, conv_2"'
    newer = HEAD + ",ONNX Source Ops"
    lines = [newer, BEGIN, row.format(10), newer, BEGIN, row.format(30), "4,NODE,5", "9,NODE"]
    file = tmp_path / "qnn.csv"
    file.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    assert qnn.is_profile(file.read_bytes())
    found = qnn.read(file)
    assert (found.inferences, found.damaged) == (2, 2)
    assert list(found.ops["run"]) == [0, 1]


@pytest.mark.parametrize("cycles", ["-1", "nan", "4,5", "", "1e9", "99999999999999999999"])
def test_absurd_cycles_are_no_rows(cycles: str, tmp_path: Path) -> None:
    file = tmp_path / "qnn.csv"
    rows = [f'1,NODE,{each},CYCLES,HW,SUB-EVENT,"A:1 (cycles)"' for each in (f'"{cycles}"', 7)]
    file.write_text("\n".join([HEAD, BEGIN, *rows]), encoding="utf-8")
    assert list(qnn.read(file).ops["cycles"]) == [7]


def test_litert_lists_what_a_delegate_took_and_what_it_left(tmp_path: Path) -> None:
    file = tmp_path / "ops.txt"
    file.write_text(recorded("tflite_benchmark_op_profile.txt"), encoding="utf-8")
    assert litert.is_table(file.read_bytes())
    ops = litert.read(file)
    assert list(ops["op"]) == [
        "TfLiteNnapiDelegate", "AVERAGE_POOL_2D", "TfLiteNnapiDelegate", "RESIZE_BILINEAR",
    ]  # fmt: skip
    assert list(ops["self_ns"]) == [11_422_000, 80_000, 654_000, 731_000]
    assert list(ops["provider"]) == ["TfLiteNnapiDelegate", litert.PROCESSOR] * 2
    assert ops["start_ns"].isna().all()
    assert ops["node"][2] == "[image_pooling/Relu]:72"


def test_newer_builds_of_litert_have_a_prefix_and_a_column_less(tmp_path: Path) -> None:
    head = "\t[node type]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]\n"
    row = "INFO: \tCONV_2D\t1.0\t{}\t10%\t10%\t0.0\t1\t[a, b]:0\n"
    warm_up = "INFO: " + TABLE + "INFO: " + head + row.format("9.0") + "\n"
    file = tmp_path / "ops.txt"
    file.write_text(warm_up + "INFO: " + TABLE + "INFO: " + head + row.format("2.5") + "INFO: \n")
    assert list(litert.read(file)["self_ns"]) == [2_500_000], "the regular runs come last"


@pytest.mark.parametrize("average", ["nan", "inf", "-1", "1e12", "2,5", ""])
def test_an_absurd_average_is_no_row(average: str, tmp_path: Path) -> None:
    file = tmp_path / "ops.txt"
    file.write_text(f"{TABLE}\t[node type]\t[avg ms]\t[Name]\n\tCONV\t{average}\t[a]:0\n")
    with pytest.raises(InputError, match="no table"):
        litert.read(file)


@pytest.mark.parametrize("text", ["", "x", TABLE, TABLE + "\t[node type]\t[Name]\n", "\0" * 9])
def test_what_is_no_table_is_an_input_error(text: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(text, encoding="utf-8")
    for read in (qnn.read, litert.read):
        with pytest.raises(InputError) as caught:
            read(file)
        assert caught.value.remedy


@given(
    lines=st.lists(
        st.lists(
            st.sampled_from(["NODE", "ROOT", "CYCLES", "SUB-EVENT", "A:1 (cycles)", "7", '"', "-3"])
            | st.text(max_size=6),
            max_size=9,
        ),
        max_size=12,
    )
)
def test_any_csv_gives_cycles_that_it_holds(lines: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "qnn.csv"
        text = "\n".join([HEAD, *(",".join(line) for line in lines)])
        file.write_text(text, encoding="utf-8", errors="replace", newline="")
        try:
            ops = qnn.read(file).ops
        except InputError:
            return
    assert all(str(int(each)) in text for each in ops["cycles"])
    assert all(name in text for name in ops["node"])


@given(
    rows=st.lists(
        st.lists(st.sampled_from(["CONV", "1.5", "0", "%"]) | st.text(max_size=5), max_size=5),
        max_size=8,
    )
)
def test_any_table_gives_rows_that_it_holds(rows: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "ops.txt"
        head = TABLE + "\t[node type]\t[avg ms]\t[Name]\n"
        text = head + "\n".join("\t" + "\t".join(row) for row in rows)
        file.write_text(text, encoding="utf-8", errors="replace")
        try:
            ops = litert.read(file)
        except InputError:
            return
    assert len(ops) <= len(text.splitlines())
    assert all(op in text for op in ops["op"])
    assert ops["self_ns"].between(0, 10**15).all()
