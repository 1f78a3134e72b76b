from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError

START = datetime(2008, 2, 8, 8, 50, 31, tzinfo=UTC)
HRM = "[Params]\nDate=20080208\nStartTime=08:50:31.0\nInterval=238\n\n[Note]\n\n[HRData]\n"


def hrm(path: Path, intervals, head: str = HRM) -> Path:
    path.write_text(head + "\n".join(map(str, intervals)) + "\n")
    return path


def test_an_hrm_has_its_start_and_its_intervals(tmp_path: Path, open_export):
    reading, windows = open_export("polar", hrm(tmp_path / "anna.hrm", [800] * 60 + [900] * 61))
    assert (reading.spec.names, reading.spec["rr"].units) == (("rr",), ("ms",))
    assert [(w.subject, round(w.start_s - START.timestamp(), 3)) for w in windows] == [
        ("anna", 0), ("anna", 48),
    ]  # fmt: skip
    np.testing.assert_allclose(windows[1].signals["rr"], 900)
    assert "times as the device's clock shows them" in reading.source


def test_the_recording_is_cut_where_an_interval_cannot_be(tmp_path: Path, open_export):
    reading, windows = open_export(
        "polar", hrm(tmp_path / "a.hrm", [800] * 30 + [2500] + [800] * 65)
    )
    assert [round(w.start_s - START.timestamp(), 3) for w in windows] == [26.5]
    assert reading.ledger["beats"].dropped["with an interval outside 0.3 to 2 s"] == 1


def test_a_genuine_hrm_is_read_exactly(device_files, open_export):
    path = device_files / "exercise_rri.hrm"
    reading, windows = open_export("polar", path)
    lines = path.read_text(encoding="latin-1").partition("[HRData]")[2].split()
    intervals = np.array([float(line) for line in lines])
    assert reading.ledger["beats"].read == len(intervals) == 4117
    assert windows[0].start_s == START.timestamp()
    np.testing.assert_allclose(windows[0].signals["rr"][0], intervals[:60])
    np.testing.assert_allclose(windows[1].signals["rr"][0], intervals[60:120])


def test_a_genuine_list_for_kubios_is_read_exactly(device_files, open_export):
    path = device_files / "rest_rri.txt"
    reading, windows = open_export("kubios", path)
    intervals = np.array(path.read_text().split(), dtype=float)
    assert reading.ledger["beats"].read == len(intervals) == 910
    assert windows[0].start_s == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(windows[3].signals["rr"][0], intervals[180:240])
    assert "times from the recording's start" in reading.source


def test_lists_have_names_or_none_and_labels_in_seconds(tmp_path: Path, open_export):
    (tmp_path / "b.csv").write_text(
        "time;RR\n" + "".join(f"{0.8 * i:.1f};800\n" for i in range(130))
    )
    labels = tmp_path / "labels.csv"
    labels.write_text("start,end,label\n-1,47.2,rest\n47.2,200,walk\n")
    _, windows = open_export("kubios", tmp_path / "b.csv", labels=labels)
    assert [w.label for w in windows] == ["rest", "walk"]
    labels.write_text("start,end,label\n2024-05-01T08:00:00Z,2024-05-01T09:00:00Z,rest\n")
    with pytest.raises(DataError, match="is a date, and the recording has none; give seconds from"):
        open_export("kubios", tmp_path / "b.csv", labels=labels)


def test_beats_of_polar_sensor_logger_follow_each_other(tmp_path: Path, open_export):
    rows, now = [], START
    for i in range(140):
        now += timedelta(milliseconds=800) if i != 70 else timedelta(seconds=60)
        packet = now + timedelta(milliseconds=400 * (i % 2))
        rows.append(f"{packet.replace(tzinfo=None).isoformat(timespec='milliseconds')};800")
    text = "Phone timestamp;RR-interval [ms]\n" + "\n".join(rows)
    (tmp_path / "anna_RR.txt").write_text(text)
    reading, windows = open_export("polar", tmp_path / "anna_RR.txt")
    assert [round(w.start_s - START.timestamp(), 3) for w in windows] == [0, 56 + 60 - 0.8]
    assert "device's clock" in reading.source


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.hrm", "[Params]\nInterval=238\n", r"a\.hrm has no \[HRData\]; expected a Polar \.hrm"),
        (
            "a.hrm",
            HRM.replace("238", "5") + "80\n",
            r"Interval='5', which is heart rate and not",
        ),
        (
            "a.hrm",
            HRM + "fast\n",
            r"a\.hrm: could not convert string to float: 'fast'; expected",
        ),
        (
            "a.hrm",
            HRM.replace("Date=", "Day=") + "800\n",
            r"a\.hrm: 'Date'; expected Date=2008",
        ),
        (
            "a.txt",
            "Phone timestamp;RR-interval [ms]\nnow;800\n",
            r"a\.txt: row 2: 'now;800'",
        ),
        ("a.txt", "Phone timestamp;RR-interval [ms]\n", r"a\.txt holds no beat; expected a line a"),
        ("a.txt", "RR\n800\nx\n", r"a\.txt: line 2: 'x'; expected an interval"),
        ("a.txt", "", r"a\.txt is empty"),
    ],
)
def test_what_is_no_list_of_beats_is_refused(tmp_path: Path, open_export, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        open_export("polar", tmp_path / name)


def test_windows_of_beats_have_no_length_in_seconds(tmp_path: Path, open_export):
    with pytest.raises(ConfigError, match="kubios has no option --window-s; its options: --over"):
        open_export("kubios", hrm(tmp_path / "a.hrm", [800] * 60), window_s=30.0)


def test_labels_may_lie_among_the_files(tmp_path: Path, open_export):
    hrm(tmp_path / "anna.hrm", [800] * 60)
    labels = tmp_path / "labels.csv"
    labels.write_text("start,end,label\n2008-02-08 08:50,2008-02-08 09:00,rest\n")
    reading, windows = open_export("polar", tmp_path, labels=labels)
    assert [(w.subject, w.label) for w in windows] == [("anna", "rest")]
    assert reading.ledger["files"].read == 1
