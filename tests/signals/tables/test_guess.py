"""What `init` guesses of files: right where they say it, and marked where they do not."""

import datetime
import gzip
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import yaml

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.guess.draft import MARK, Draft, draft_description
from sensor2llm.signals.tables.windows import read_windows

RATE, START_S = 50.0, 1693987200.0
TIMES = np.arange(500) / RATE
WAVE = np.sin(2 * np.pi * TIMES)
GRAVITY = np.stack([0.1 * WAVE, 0.1 * WAVE, 1 + 0.1 * WAVE])


def rows(*columns, head: str = "", sep: str = ",") -> str:
    lines = [sep.join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([head, *lines] if head else lines) + "\n"


def texts(values, digits: int = 4) -> list[str]:
    return [f"{value:.{digits}f}" for value in values]


def guessed(folder: Path, text: str | bytes, name: str = "walk.csv") -> tuple[dict, Draft]:
    """Guess one file: the description as plain types, and the draft."""
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    draft = draft_description([folder / name], folder)
    return yaml.safe_load(draft.text), draft


def read_all(folder: Path, draft: Draft) -> list:
    (folder / "mine.yaml").write_text(draft.text)
    return list(read_windows(folder / "mine.yaml").windows)


def stamps(form: str, start: datetime.datetime) -> list[str]:
    return [(start + datetime.timedelta(seconds=t)).strftime(form) for t in TIMES]


MORNING = datetime.datetime(2023, 9, 26, 8, 0, 0)


@pytest.mark.parametrize(
    ("name", "cells", "time"),
    [
        ("t", texts(TIMES), {"column": "t", "unit": "s"}),
        ("t_ms", texts(TIMES * 1000, 0), {"column": "t_ms", "unit": "ms"}),
        ("time", texts(TIMES * 1000, 0), {"column": "time", "unit": "ms"}),
        ("time", texts(TIMES + START_S), {"column": "time", "unit": "s"}),
        ("time", texts((TIMES + START_S) * 1e3, 0), {"column": "time", "unit": "ms"}),
        ("time", [str(round(t * 1e9) + 1693987200 * 10**9) for t in TIMES],
         {"column": "time", "unit": "ns"}),
        ("time", texts(45175 + TIMES / 86400, 10), {"column": "time", "unit": "days"}),
        ("n", range(500), {"column": "n", "unit": "samples"}),
        ("when", stamps("%Y-%m-%d %H:%M:%S.%f", MORNING), {"column": "when", "unit": "iso"}),
        ("time", stamps("%d.%m.%Y %H:%M:%S.%f", MORNING), {"column": "time", "unit": "dmy"}),
        ("time", stamps("%m/%d/%Y %I:%M:%S.%f %p", MORNING), {"column": "time", "unit": "mdy"}),
        ("time", stamps("%d %b %Y %H:%M:%S.%f", MORNING),
         {"column": "time", "format": "%d %b %Y %H:%M:%S"}),
    ],
)  # fmt: skip
def test_the_clock_and_its_unit(tmp_path: Path, name, cells, time):
    plain, draft = guessed(tmp_path, rows(cells, *map(texts, GRAVITY), head=f"{name},x,y,z"))
    assert plain["time"] == time
    assert plain["modalities"] == {
        "accel": {"rate_hz": 50, "columns": {"x": "g", "y": "g", "z": "g"}}
    }
    assert len(read_all(tmp_path, draft)) == 2


def test_a_day_that_may_be_a_month_is_marked(tmp_path: Path):
    cells = stamps("%d/%m/%Y %H:%M:%S.%f", MORNING.replace(day=6))
    plain, draft = guessed(tmp_path, rows(cells, *map(texts, GRAVITY), head="time,x,y,z"))
    assert plain["time"] == {"column": "time", "unit": "dmy"}
    assert any(MARK in line for line in draft.lines if line.startswith("time"))


def test_a_date_and_a_time_in_two_columns(tmp_path: Path):
    day, clock = stamps("%Y-%m-%d", MORNING), stamps("%H:%M:%S.%f", MORNING)
    text = rows(day, clock, *map(texts, GRAVITY), head="Date,Time,x,y,z")
    assert guessed(tmp_path, text)[0]["time"] == {"column": ["Date", "Time"], "unit": "iso"}


CELLS = (texts(TIMES), *map(texts, GRAVITY))
HEAD = "t,x,y,z"


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        (rows(*CELLS, head=HEAD), {}),
        (rows(*CELLS, head=HEAD.replace(",", ";"), sep=";"), {"delimiter": "semicolon"}),
        (rows(*CELLS, head=HEAD.replace(",", "\t"), sep="\t"), {"delimiter": "tab"}),
        (rows(*CELLS, head=HEAD.replace(",", " "), sep=" "), {"delimiter": "space"}),
        (rows(*CELLS, head=HEAD.replace(",", ";"), sep=";").replace(".", ","),
         {"delimiter": "semicolon", "decimal": ","}),
        ("device: watch\nserial: 7,,,\n\n" + rows(*CELLS, head=HEAD), {"skip_rows": 3}),
        ("# device\n# rate\n" + rows(*CELLS, head=HEAD), {"comment": "#"}),
        (rows(*CELLS, head=HEAD + "\ns,g,g,g"), {"units_row": True}),
        (rows(*CELLS), {"header": False}),
        (rows(*CELLS, head="t,x,x,x"), {"names": ["t", "x", "x_3", "x_4"], "skip_rows": 1}),
        (rows(*CELLS, head=HEAD).encode("utf-16"), {}),
        (rows(*CELLS, head="Ü,x,y,z").encode("cp1252"), {"encoding": "cp1252"}),
        (gzip.compress(rows(*CELLS, head=HEAD).encode(), mtime=0), {}),
    ],
)  # fmt: skip
def test_the_way_that_a_text_file_is_written(tmp_path: Path, text, layout):
    plain, draft = guessed(tmp_path, text)
    keys = {"files", "time", "subject", "window_s", "modalities"}
    assert {key: value for key, value in plain.items() if key not in keys} == layout
    assert len(read_all(tmp_path, draft)) == 2


@pytest.mark.parametrize(
    ("head", "values", "modalities"),
    [
        ("t,ax,ay,az", GRAVITY * 9.81, {"accel": {"m/s^2"}}),
        ("t,Acc X (g),Acc Y (g),Acc Z (g)", GRAVITY, {"acc": {"g"}}),
        ("t,gyro_x,gyro_y,gyro_z", GRAVITY * 90, {"gyro": {"deg/s"}}),
        ("t,HR,Temp,EDA", GRAVITY + 60, {"heart_rate": {"bpm"}, "temp": {"degC"}, "eda": {"uS"}}),
        ("t,wrist_ax,wrist_ay,wrist_az", GRAVITY, {"wrist_a": {"g"}}),
    ],
)
def test_sensors_and_their_units(tmp_path: Path, head, values, modalities):
    plain, _ = guessed(tmp_path, rows(texts(TIMES), *map(texts, values), head=head))
    found = {name: set(entry["columns"].values()) for name, entry in plain["modalities"].items()}
    assert found == modalities


def test_a_slower_sensor_of_the_same_rows_is_a_modality_of_its_own(tmp_path: Path):
    heart = [f"{60 + t:.0f}" if i % 50 == 0 else "" for i, t in enumerate(TIMES)]
    text = rows(texts(TIMES), *map(texts, GRAVITY), heart, head="t,x,y,z,bpm")
    plain, _ = guessed(tmp_path, text)
    rates = {name: entry["rate_hz"] for name, entry in plain["modalities"].items()}
    assert rates == {"accel": 50, "bpm": 1}


def test_beats_are_events_and_a_marker_is_missing(tmp_path: Path):
    beats = texts(800 + 50 * np.sin(np.arange(200)), 0)
    plain, draft = guessed(tmp_path, rows(["rr", *beats]))
    assert plain["modalities"]["ibi"] == {"axis": "event", "steps": 60, "columns": {"rr": "ms"}}
    assert len(read_all(tmp_path, draft)) == 3
    cells = texts(GRAVITY[0])
    cells[7] = "-999"
    text = rows(texts(TIMES), cells, *map(texts, GRAVITY[1:]), head=HEAD)
    assert guessed(tmp_path, text)[0]["missing"] == [-999]


def test_labels_and_people_by_the_names_of_their_columns(tmp_path: Path):
    what = ["walking"] * 250 + ["resting"] * 250
    text = rows(
        texts(TIMES), *map(texts, GRAVITY), what, ["anna"] * 500, head=HEAD + ",activity,user"
    )
    plain, draft = guessed(tmp_path, text)
    assert (plain["label"], plain["subject"]) == ("activity", {"column": "user"})
    assert [(w.label, w.subject) for w in read_all(tmp_path, draft)] == [
        ("walking", "anna"), ("resting", "anna"),
    ]  # fmt: skip


WALK = rows(*CELLS, head=HEAD)


@pytest.mark.parametrize(
    ("names", "people", "sure"),
    [
        (["p01_walk.csv", "p02_walk.csv"], ["p01", "p02"], True),
        (["S1.csv", "S2.csv"], ["S1", "S2"], True),
        (["sub-anna/acc.csv", "sub-bo/acc.csv"], ["sub-anna", "sub-bo"], True),
        (["participant 7/day1.csv", "participant 8/day1.csv"], ["participant 7", "participant 8"],
         True),
        (["anna/acc.csv", "bo/acc.csv"], ["anna", "bo"], True),
        (["anna_1.csv", "anna_2.csv", "bo_1.csv"], ["anna", "anna", "bo"], False),
        (["anna.csv", "bo.csv"], ["anna", "bo"], False),
        (["walk.csv"], ["me"], False),
    ],
)  # fmt: skip
def test_people_by_the_names_of_files_and_folders(tmp_path: Path, names, people, sure):
    for name in names:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(WALK)
    draft = draft_description([tmp_path / "data"], tmp_path)
    assert [w.subject for w in read_all(tmp_path, draft)][::2] == people
    line = next(line for line in draft.lines if line.startswith("subject"))
    assert (MARK not in line) == sure


def test_names_with_the_marks_of_patterns_and_folders_elsewhere(tmp_path: Path, monkeypatch):
    (tmp_path / "user7" / "here").mkdir(parents=True)
    (tmp_path / "user7" / "walk [1].csv").write_text(WALK)
    monkeypatch.chdir(tmp_path / "user7")
    for path in (Path("walk [1].csv"), Path("walk [1].csv").resolve()):
        draft = draft_description([path], Path())
        Path("mine.yaml").write_text(draft.text)
        people = [w.subject for w in read_windows(Path("mine.yaml")).windows]
        assert people == ["me", "me"]
    draft = draft_description([Path("walk [1].csv")], Path("here"))
    Path("here/mine.yaml").write_text(draft.text)
    assert len(list(read_windows(Path("here/mine.yaml")).windows)) == 2


def devices(folder: Path, labels: str) -> Draft:
    for person in ("p1", "p2"):
        clock = texts((TIMES + START_S) * 1000, 0)
        accel = rows(clock, *map(texts, GRAVITY), head="time,x,y,z")
        (folder / f"{person}_acc.csv").write_text(accel)
        gyro = rows(
            clock[::2], *(texts(row[::2] * 90) for row in GRAVITY), head="time;x;y;z", sep=";"
        )
        (folder / f"{person}_gyro.csv").write_text(gyro)
    (folder / "labels.csv").write_text(labels)
    return draft_description([folder], folder)


def test_a_file_a_device_and_a_file_of_labels(tmp_path: Path):
    start = START_S * 1000
    notes = [f"{p},{start + a},{start + b},{what}" for p in ("p1", "p2")
             for a, b, what in ((0, 5000, "walking"), (5000, 10000, "resting"))]  # fmt: skip
    draft = devices(tmp_path, "\n".join(["person,start,stop,label", *notes]) + "\n")
    plain = yaml.safe_load(draft.text)
    assert plain["annotations"] == {
        "file": "labels.csv", "start": "start", "stop": "stop", "label": "label", "unit": "ms",
        "subject": {"column": "person"},
    }  # fmt: skip
    assert {name: entry["files"] for name, entry in plain["modalities"].items()} == {
        "accel": "*_acc.csv",
        "gyro": "*_gyro.csv",
    }
    found = read_all(tmp_path, draft)
    assert [(w.subject, w.label) for w in found] == [
        ("p1", "walking"), ("p1", "resting"), ("p2", "walking"), ("p2", "resting"),
    ]  # fmt: skip
    assert all(set(w.signals) == {"accel", "gyro"} for w in found)
    assert MARK not in "".join(draft.lines[1:])


def test_labels_that_count_from_the_start_are_relative_and_marked(tmp_path: Path):
    draft = devices(tmp_path, "start,stop,label\n0,5,walking\n5,10,resting\n")
    notes = next(line for line in draft.lines if line.startswith("annotations"))
    assert "relative: true" in notes
    assert MARK in notes


def test_empaticas_files_begin_with_a_start_and_a_rate(tmp_path: Path):
    counts = rows(*([f"{v * 64:.0f}" for v in row] for row in GRAVITY))
    (tmp_path / "ACC.csv").write_text(f"{START_S},{START_S},{START_S}\n50.0,50.0,50.0\n{counts}")
    eda = "\n".join(["0.5"] * 40)
    (tmp_path / "EDA.csv").write_text(f"{START_S}\n4.0\n{eda}\n")
    draft = draft_description([tmp_path], tmp_path)
    found = read_all(tmp_path, draft)
    assert [w.start_s for w in found] == [START_S, START_S + 5]
    assert set(found[0].signals) == {"acc", "eda"}
    assert found[0].signals["acc"][2].mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", ["walk.parquet", "walk.feather", "walk.xlsx"])
def test_columns_of_other_formats(tmp_path: Path, name):
    when = [MORNING + datetime.timedelta(seconds=float(t)) for t in TIMES]
    cells = {"when": when, **dict(zip("xyz", GRAVITY.tolist(), strict=True)), "task": ["sit"] * 500}
    if name.endswith("xlsx"):
        book = openpyxl.Workbook()
        for row in [list(cells), *zip(*cells.values(), strict=True)]:
            book.active.append(row)
        book.save(tmp_path / name)
    elif name.endswith("feather"):
        pyarrow.feather.write_feather(pa.table(cells), str(tmp_path / name))
    else:
        pq.write_table(pa.table(cells), tmp_path / name)
    draft = draft_description([tmp_path], tmp_path)
    plain = yaml.safe_load(draft.text)
    assert (plain["time"], plain["label"]) == ({"column": "when", "unit": "iso"}, "task")
    assert [w.label for w in read_all(tmp_path, draft)] == ["sit", "sit"]


def test_windows_in_arrays(tmp_path: Path):
    ready = np.stack([GRAVITY[:, :250], GRAVITY[:, 250:]])
    np.savez(tmp_path / "d.npz", X=ready.transpose(0, 2, 1), y=["a", "b"], groups=["p1", "p2"])
    draft = draft_description([tmp_path / "d.npz"], tmp_path)
    plain = yaml.safe_load(draft.text)
    assert plain["axes"] == ["window", "step", "channel"]
    assert (plain["label"], plain["subject"]) == ("y", {"column": "groups"})
    found = read_all(tmp_path, draft)
    assert [(w.label, w.subject) for w in found] == [("a", "p1"), ("b", "p2")]
    np.testing.assert_allclose(found[1].signals["accel"], ready[1], atol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"walk\.csv has no rows; leave it out"),
        (b"t,x\n", r"walk\.csv has a header and no rows; leave it out"),
        (b"a,\0\0\x01\n", r"walk\.csv holds bytes that are no text"),
        (b"name,town\nanna,Rom\nbo,Oslo\n", "no column of walk.csv looks like a sensor's; write a"),
        (
            gzip.compress(WALK.encode(), mtime=0)[:50],
            r"walk\.csv cannot be unpacked, is it truncated",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_refused(tmp_path: Path, content, message):
    with pytest.raises(DataError, match=message):
        guessed(tmp_path, content)


def test_files_that_are_not_there(tmp_path: Path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        draft_description([tmp_path / "nowhere"], tmp_path)
    with pytest.raises(DataError, match=r"0 tables in .*; give 1 to 10000 files, or their folder"):
        draft_description([tmp_path], tmp_path)
