"""Files as recorders and spreadsheets leave them: `init` and the reader take them, or say why."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.plots.first_look import write_description
from sensor2llm.signals.tables.windows import read_windows

ROWS, RATE = 1000, 50
MIDDAY = datetime(2023, 9, 26, 12, tzinfo=UTC)
NAMES = ("time", "x", "y", "z", "activity")
COUNTS = np.arange(ROWS)
X, Y = np.round(0.1 * np.sin(COUNTS / 9), 4), np.round(0.05 * np.cos(COUNTS / 7), 4)
WORDS = ["walking" if i < ROWS // 2 else "resting" for i in range(ROWS)]
SECONDS = [f"{i / RATE:.2f}" for i in range(ROWS)]


def stamps(form: str, start: datetime = MIDDAY) -> list[str]:
    return [(start + timedelta(seconds=i / RATE)).strftime(form) for i in range(ROWS)]


def lines(times: Sequence[str] = SECONDS, names: Sequence[str] = NAMES, **more: Sequence) -> list:
    cells = (times, X.tolist(), Y.tolist(), [1.0] * ROWS, WORDS, *more.values())
    rows = (",".join(map(str, row)) for row in zip(*cells, strict=True))
    return [",".join([*names, *more]), *rows]


def described(folder: Path, **files: list[str] | str) -> tuple[str, list]:
    """Write files, let `init` describe them, and read them: the description, and the windows."""
    (folder / "files").mkdir()
    for name, content in files.items():
        text = content if isinstance(content, str) else "\n".join(content) + "\n"
        (folder / "files" / f"{name}.csv").write_bytes(text.encode())
    write_description([folder / "files"], folder / "mine.yaml")
    windows = list(read_windows(folder / "mine.yaml").windows)
    return (folder / "mine.yaml").read_text(), windows


def same(windows: list, sensor: str = "accel") -> None:
    """Check the windows of the plain file."""
    assert [w.label for w in windows] == ["walking"] * 2 + ["resting"] * 2
    values = np.concatenate([w.signals[sensor] for w in windows], axis=1)
    np.testing.assert_allclose(values, [X, Y, np.ones(ROWS)], atol=1e-6)
    assert all(list(w.signals) == [sensor] for w in windows)


def replaced(line: int, *changes: str) -> list[str]:
    rows = lines()
    rows[line : line + 1] = changes
    return rows


WHOLE = lines()
PLAIN = {
    "a byte-order mark and Windows' line ends": "\ufeff" + "\r\n".join(WHOLE) + "\r\n",
    "line ends of several kinds": "\n".join(WHOLE[:400]) + "\r\n" + "\r\n".join(WHOLE[400:]),
    "empty lines": "\n\n".join(WHOLE) + "\n\n\n",
    "a column of numbers without a name": [f",{WHOLE[0]}", *(f"{i},{line}" for i, line in
                                                            enumerate(WHOLE[1:]))],
    "a delimiter at the end of every line": [f"{line}," for line in WHOLE],
    "a delimiter at the end of rows alone": [WHOLE[0], *(f"{line}," for line in WHOLE[1:])],
    "a line of units with an empty one": [WHOLE[0], "s,g,g,g,", *WHOLE[1:]],
    "the header again": [*WHOLE[:500], WHOLE[0], *WHOLE[500:]],
    "a counter beside the time": lines(sample=range(ROWS)),
    "the number of a device": lines(device_id=[18446744073709551615] * ROWS),
    "a clock of its own beside the date": lines(stamps("%Y-%m-%dT%H:%M:%S.%fZ"),
                                                device_time=range(77123, 77123 + 20 * ROWS, 20)),
    "American dates": lines(stamps("%m/%d/%Y %I:%M:%S.%f %p")),
    "German dates": lines(stamps("%d.%m.%Y %H:%M:%S.%f", MIDDAY.replace(day=6))),
    "times of a day over midnight": lines(stamps("%H:%M:%S.%f", MIDDAY.replace(hour=23, minute=59,
                                                                              second=55))),
    "labels called otherwise": lines(names=("time", "x", "y", "z", "Tätigkeit")),
    "zeros behind the last line": "\n".join(WHOLE) + "\n" + "\0" * 300,
    "columns that are aligned": ["   ".join(f"{cell:>9}" for cell in line.split(","))
                                 for line in WHOLE],
    "a second copy of a line": replaced(500, WHOLE[500]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_it_is_read_as_the_plain_file(tmp_path: Path, name: str):
    _, windows = described(tmp_path, p1=PLAIN[name])
    same(windows)
    assert {w.subject for w in windows} == {"p1"}


def test_what_is_left_out_is_said(tmp_path: Path, caplog):
    caplog.set_level(logging.WARNING)
    described(tmp_path, p1=PLAIN["the header again"])
    assert "p1.csv: 1 lines are the header again, and left out" in caplog.text


def test_a_last_line_that_is_cut_short_is_left_out(tmp_path: Path, caplog):
    _, windows = described(tmp_path, p1="\n".join([*WHOLE, "20.00,0.01"]))
    same(windows)
    assert "p1.csv: its last line is cut short and left out: '20.00,0.01'" in caplog.text


@pytest.mark.parametrize("mark", ["--", "n/a", "?", "1.#QNAN"])
def test_cells_that_are_no_numbers_make_no_sensor_vanish(tmp_path: Path, mark: str):
    rows = [",".join([*row.split(",")[:1], mark, *row.split(",")[2:]]) if i % 97 == 50 else row
            for i, row in enumerate(WHOLE)]  # fmt: skip
    text, windows = described(tmp_path, p1=rows)
    assert "x: g, y: g, z: g" in text
    assert (f"missing: ['{mark}']" in text or f"missing: [{mark}]" in text) == (mark in ("--", "?"))
    assert [w.label for w in windows] == ["walking"] * 2 + ["resting"] * 2
    np.testing.assert_allclose(windows[3].signals["accel"][1], Y[750:], atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (replaced(700, WHOLE[700] + ",oops"),
         r"row 700 has 6 cells and there are 5 columns: '13\.98,.*oops'; mend the line"),
        ("\n".join([*replaced(700, "13.98,0.0"), WHOLE[-1]]),
         r"row 700 has 2 cells and there are 5 columns: '13\.98,0\.0'; mend the line"),
        ([*WHOLE, "# end of the recording"],
         r"row 1001 has 1 cells and there are 5 columns: .*; if such lines are remarks, write com"),
        ([*WHOLE, "Sum,1000,samples,,"], "row 1001, column 'y': 'samples' is not a number"),
        ([WHOLE[0], *WHOLE[500:], *WHOLE[1:500]],
         "row 502, column 'time': time goes back from 19.98 to 0 s; sort the rows, or split"),
        (lines(sensor=["accelerometer", "gyroscope"] * (ROWS // 2)),
         "p1.csv: each row is of the sensor that 'sensor' names; rows of several sensors are not"),
        ([WHOLE[0], *(f"{second} s,0.1 g,0.2 g,1.0 g,walking" for second in SECONDS)],
         r"no column of p1\.csv looks like a sensor's \('.*' is no number\); write a description"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, rows, message):
    with pytest.raises(DataError, match=message) as error:
        described(tmp_path, p1=rows)
    assert len(str(error.value)) < 300


def test_a_clock_that_goes_back_is_no_sensor(tmp_path: Path):
    with pytest.raises(DataError, match="time goes back"):
        described(tmp_path, p1=[WHOLE[0], *WHOLE[500:], *WHOLE[1:500]])
    text = (tmp_path / "mine.yaml").read_text()
    assert "CHECK: it goes back below row 501: sort the rows" in text
    assert "time: '1'" not in text


def test_a_clock_that_a_zone_sets_back_is_read_with_the_zone(tmp_path: Path):
    start = datetime(2023, 10, 29, 2, 59, 50)
    clock = [start + timedelta(seconds=i / RATE - 3600 * (i >= 500)) for i in range(ROWS)]
    rows = lines([f"{stamp:%Y-%m-%d %H:%M:%S.%f}" for stamp in clock])
    with pytest.raises(DataError, match="time goes back"):
        described(tmp_path, p1=rows)
    text = (tmp_path / "mine.yaml").read_text()
    assert (
        "it goes back by an hour: if a zone's clock was set back, write zone: Europe/Berl" in text
    )
    described_so = text.replace("unit: iso}", "unit: iso, zone: Europe/Berlin}")
    (tmp_path / "mine.yaml").write_text(described_so)
    same(list(read_windows(tmp_path / "mine.yaml").windows))


@pytest.mark.parametrize(
    "notes",
    [
        ["start,end,label", "0,10,walking", "10,20,resting"],
        ["time,event", "0,walking", "10,resting"],
    ],
)
def test_labels_beside_the_files_of_one_person_need_no_person(tmp_path: Path, notes: list[str]):
    rows = [line.rpartition(",")[0] for line in WHOLE]
    _, windows = described(tmp_path, p1=rows, labels=notes)
    same(windows)


def test_rows_of_people_that_alternate_have_one_persons_rate(tmp_path: Path):
    who = lines(who=["anna"] * ROWS)
    twice = [who[0], *(row.replace("anna", name) for row in who[1:] for name in ("anna", "bo"))]
    text, windows = described(tmp_path, walks=twice)
    assert "rate_hz: 50" in text
    same(windows[:4])
    assert [w.subject for w in windows] == ["anna"] * 4 + ["bo"] * 4


def test_a_slow_sensor_has_windows_of_some_steps(tmp_path: Path):
    start = datetime(2023, 9, 6)
    rows = ["Date,Time,HR"]
    for i in range(120):
        moment = start + timedelta(minutes=i)
        rows.append(f"{moment:%d.%m.%Y},{moment:%H:%M:%S},{60 + i * 7 % 30}")
    _, windows = described(tmp_path, p1=rows)
    assert windows[0].signals["heart_rate"].shape == (1, 20)
