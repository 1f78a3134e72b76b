"""The verb `classify`."""

import json

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
    assert "short.csv holds no whole window of 2 s" in capsys.readouterr().err


def test_a_cell_that_is_no_number(given, tmp_path, capsys):
    text = given[1].read_text().splitlines()
    text[3] = text[3].rsplit(",", 1)[0] + ",oops"
    (tmp_path / "bad.csv").write_text("\n".join(text))
    assert run((given[0], tmp_path / "bad.csv")) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "row 3, column 'accel.z': 'oops' is not a number" in error
