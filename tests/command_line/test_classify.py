"""The verb `classify`."""

import json
import sys

import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from sensor2llm.classify import main
from tests.models import LABELS
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
