"""The verb `classify`."""

import json
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from sensor2llm.classify import main
from tests.models import LABELS, small_adapter, tiny_llm
from tests.signals.stores import ACCEL, SPEC
from tests.verbs import llm_folder, save_adapter, save_recording


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    base = tmp_path_factory.mktemp("verb")
    return save_adapter(base / "adapter"), save_recording(base / "walk.csv")


def run(given, *arguments):
    adapter, file = given
    return main([str(a) for a in (adapter, file, "--llm", llm_folder(), *arguments)])


def test_a_line_a_window(given, capsys):
    assert run(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["0.00", "2.00", "4.00"]


def test_json_is_one_object(given, capsys):
    assert run(given, "--json", "--overlap", "0.5") == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["start_s"] for row in found["windows"]] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert found["ledger"]["windows"] == {"read": 6, "kept": 6, "dropped": {}, "changed": {}}
    row = found["windows"][0]
    assert row["probability"] == max(row[f"p_{name}"] for name in LABELS)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_written_by_the_files_ending(given, tmp_path, capsys, suffix):
    out = tmp_path / f"labels.{suffix}"
    assert run(given, "--out", out) == 0
    readers = {
        "csv": lambda: csv.read_csv(out).to_pylist(),
        "parquet": lambda: pq.read_table(out).to_pylist(),
        "json": lambda: json.loads(out.read_text()),
    }
    rows = readers[suffix]()
    assert [row["start_s"] for row in rows] == [0, 2, 4]
    assert all(row["label"] in LABELS for row in rows)
    assert "3 windows ->" in capsys.readouterr().out


def test_an_ending_that_cannot_be_written(given, tmp_path, capsys):
    assert run(given, "--out", tmp_path / "labels.xls") == 2
    assert "end it in .csv, .parquet, .json" in capsys.readouterr().err


def test_a_recording_shorter_than_a_window(given, tmp_path, capsys):
    short = save_recording(tmp_path / "short.csv", seconds=1.5)
    assert run((given[0], short)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "short.csv holds no whole window of 2 s without gaps; rows: 12 read, 0 in" in line
    assert line.endswith("12 dropped: 12 in a piece shorter than a window")


def test_rows_and_windows_without_an_answer_are_said(given, tmp_path, capsys, caplog):
    lines = given[1].read_text().splitlines()
    lines[20:24] = [line.split(",")[0] + ",,," for line in lines[20:24]]
    (tmp_path / "gap.csv").write_text("\n".join(lines))
    with caplog.at_level("INFO"):
        assert run((given[0], tmp_path / "gap.csv")) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert caplog.messages == [
        "gap.csv: windows: 3, 3 kept",
        "gap.csv: rows: 56 read, 48 in windows, 8 dropped: 4 after the last whole window, "
        "4 in a pause",
    ]


def test_a_cell_that_is_no_number(given, tmp_path, capsys):
    text = given[1].read_text().splitlines()
    text[3] = text[3].rsplit(",", 1)[0] + ",oops"
    (tmp_path / "bad.csv").write_text("\n".join(text))
    assert run((given[0], tmp_path / "bad.csv")) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "row 3, column 'accel.z': 'oops' is not a number" in error


@pytest.fixture
def archive(tmp_path):
    """Give a folder of two recordings, of three windows and of one."""
    (tmp_path / "archive" / "ann").mkdir(parents=True)
    save_recording(tmp_path / "archive" / "ann" / "walk.csv")
    save_recording(tmp_path / "archive" / "run.csv", seconds=2.0)
    return tmp_path / "archive"


def test_a_folder_goes_into_a_folder(given, archive, tmp_path, capsys):
    out = tmp_path / "labels"
    assert run((given[0], archive), "--out", out) == 0
    assert capsys.readouterr().out == f"2 recordings, 4 windows -> {out}\n"
    rows = pq.read_table(out / "parts").to_pylist()
    found = {(row["file"], row["window"], row["start_s"]) for row in rows}
    walk = [("archive/ann/walk.csv", i, 2.0 * i) for i in range(3)]
    assert found == {*walk, ("archive/run.csv", 0, 0.0)}
    assert all(row["label"] in LABELS for row in rows)

    assert run((given[0], archive), "--out", out) == 2
    assert "labels' holds results; go on with --resume" in capsys.readouterr().err
    assert run((given[0], archive), "--out", out, "--resume", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    ledger = said.pop("ledger")
    assert said == {"out": str(out), "recordings": 2, "windows": 4, "failed": {}}
    assert (ledger["windows"]["kept"], ledger["rows"]["dropped"]) == (
        4,
        {"after the last whole window": 8},
    )


def test_several_files_need_a_folder(given, archive, capsys):
    adapter, file = map(str, given)
    assert main([adapter, file, str(archive / "run.csv"), "--llm", llm_folder()]) == 2
    assert "the results of several recordings need a folder: --out" in capsys.readouterr().err


def test_a_recording_that_cannot_be_read_does_not_stop_the_others(given, archive, tmp_path, capsys):
    (archive / "bad.csv").write_text("time_s,accel.x\n0,oops\n")
    assert run((given[0], archive), "--out", tmp_path / "labels") == 2
    said = capsys.readouterr()
    assert said.out == f"2 recordings, 4 windows -> {tmp_path / 'labels'}\n"
    (error,) = [line for line in said.err.splitlines() if line.startswith("error")]
    assert error.startswith("error: 1 of 3 recordings could not be read, the others are done;")
    assert "archive/bad.csv: bad.csv" in error


def test_without_ray_there_is_one_line(given, archive, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run((given[0], archive), "--out", tmp_path / "labels", "--engine", "ray") == 2
    error = capsys.readouterr().err.splitlines()
    assert error == ['error: engine ray needs ray: pip install "sensor2llm[ray]"']


@pytest.fixture
def dated(given, tmp_path):
    """Give a recording whose time is written as date times, over midnight."""
    lines = given[1].read_text().splitlines()
    rows = [line.split(",", 1) for line in lines[1:]]
    stamp = np.datetime64("2024-02-29T23:59:58") + (
        1e9 * np.array([float(time) for time, _ in rows])
    ).astype("timedelta64[ns]")
    text = [f"time,{lines[0].split(',', 1)[1]}"]
    text += [f"{time},{rest}" for time, (_, rest) in zip(stamp, rows, strict=True)]
    (tmp_path / "dated.csv").write_text("\n".join(text))
    return given[0], tmp_path / "dated.csv"


def labels_of(given, capsys, *options) -> list[dict]:
    assert run(given, "--json", *options) == 0
    return json.loads(capsys.readouterr().out)


def test_the_summary_tells_minutes_a_label(given, capsys):
    said = labels_of(given, capsys, "--summary", "--bouts")
    names = [row["label"] for row in said["windows"]]
    assert {row["label"]: row["windows"] for row in said["summary"]} == Counter(names)
    assert sum(row["minutes"] for row in said["summary"]) == pytest.approx(6 / 60)
    assert sum(bout["duration_s"] for bout in said["bouts"]) == pytest.approx(6)
    assert run(given, "--summary") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [f"{row['minutes']:>10.2f} min  {row['label']}" for row in said["summary"]]
    assert lines == rows


def test_the_summary_is_a_day_where_times_are_dates(dated, capsys):
    said = labels_of(dated, capsys, "--summary")
    minutes = Counter()
    for row in said["summary"]:
        minutes[row["day"]] += row["minutes"]
    assert minutes == pytest.approx({"2024-02-29": 2 / 60, "2024-03-01": 4 / 60})
    assert run(dated, "--bouts") == 0
    assert capsys.readouterr().out.startswith("2024-02-29 23:59:58 to 2024-03-01 00:00:0")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_bouts_are_written_by_the_files_ending(given, tmp_path, capsys, suffix):
    out = tmp_path / f"bouts.{suffix}"
    wanted = labels_of(given, capsys, "--bouts")["bouts"]
    assert run(given, "--bouts", "--out", out) == 0
    assert f"3 windows, bouts of {len(wanted)} rows -> {out}" in capsys.readouterr().out
    readers = {
        "csv": lambda: csv.read_csv(out).to_pylist(),
        "parquet": lambda: pq.read_table(out).to_pylist(),
        "json": lambda: json.loads(out.read_text()),
    }
    rows = readers[suffix]()
    assert [row["label"] for row in rows] == [bout["label"] for bout in wanted]
    assert [row["end_s"] for row in rows] == [bout["end_s"] for bout in wanted]


def test_one_file_holds_one_table(given, tmp_path, capsys):
    assert run(given, "--bouts", "--summary", "--out", tmp_path / "both.csv") == 2
    error = capsys.readouterr().err.strip()
    assert error == "error: one file holds one table; write --summary and --bouts one by one"
    assert not list(tmp_path.iterdir())


def test_an_archive_is_summed_up_by_file(given, archive, tmp_path, capsys):
    out = tmp_path / "labels"
    assert run((given[0], archive), "--out", out, "--summary", "--bouts") == 0
    said = capsys.readouterr().out
    assert said == f"2 recordings, 4 windows -> {out} (summary.csv, bouts.csv)\n"
    bouts = csv.read_csv(out / "bouts.csv").to_pylist()
    assert sum(bout["duration_s"] for bout in bouts if bout["file"] == "archive/run.csv") == 2
    assert sum(bout["windows"] for bout in bouts) == 4
    save_recording(archive / "more.csv", seconds=2.0)
    # What lies there is made anew: it would not tell of the new recording.
    assert run((given[0], archive), "--out", out, "--resume", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["summary"] == str(out / "summary.csv")
    rows = csv.read_csv(said["summary"]).to_pylist()
    assert {row["file"] for row in rows} == {
        "archive/ann/walk.csv", "archive/more.csv", "archive/run.csv",
    }  # fmt: skip
    assert sum(row["minutes"] for row in rows) == pytest.approx(10 / 60)


def test_a_recording_without_times_has_no_bouts_and_is_named(given, archive, tmp_path, caplog):
    ready = {"accel": np.zeros((2, 3, 16), "f4") + np.arange(16)}
    np.savez(archive / "ready.npz", **ready)
    out = tmp_path / "labels"
    assert run((given[0], archive), "--out", out, "--bouts") == 0
    files = {row["file"] for row in csv.read_csv(out / "bouts.csv").to_pylist()}
    assert files == {"archive/ann/walk.csv", "archive/run.csv"}
    (line,) = [line for line in caplog.messages if "has no bouts" in line]
    assert line.startswith("archive/ready.npz has no bouts: windows 1 and 2 both start at 0 s")


@pytest.mark.parametrize(
    ("names", "length"), [(["rr"], "events or rows"), (["accel", "wrist"], "2 to 4 s")]
)
def test_windows_without_one_length_have_no_minutes(tmp_path, capsys, names, length):
    longer = replace(ACCEL, name="wrist", steps=32, window_s=4.0)
    whole = replace(SPEC, modalities=(*SPEC.modalities, longer))
    small_adapter(tiny_llm(), spec=whole.subset(names)).save(tmp_path / "other")
    file = tmp_path / "recording.csv"
    file.write_text("rr\n" + "\n".join(["800"] * 12))
    for archive in ([], ["--out", tmp_path / "labels"]):
        assert run((tmp_path / "other", file), "--bouts", *archive) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert f"need windows of one length in seconds; this adapter's are of {length}:" in error
