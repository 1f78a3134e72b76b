import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.exports.empatica import SENSORS
from sensor2llm.datasets.stress.wesad_wrist import read_e4
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.segment import BORDER

START = 1544027337
RATES = {"ACC": 32, "BVP": 64, "EDA": 4, "TEMP": 4, "HR": 1}


def write_session(folder: Path, seconds: int = 90, start: float = START) -> Path:
    """Write a session in which every value tells its time in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rate in RATES.items():
        columns, scale = (3, 64) if name == "ACC" else (1, 1)
        times = np.arange(seconds * rate) / rate
        values = times / 60 * scale + (30 if name == "TEMP" else 0) + (60 if name == "HR" else 0)
        rows = [", ".join([f"{head:.6f}"] * columns) for head in (start, rate)]
        rows += [",".join([f"{value:.5f}"] * columns) for value in values]
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    beats = 0.5 + 0.75 * np.arange(int(seconds / 0.75))
    lines = "".join(f"{beat:.6f},0.750000\n" for beat in beats)
    (folder / "IBI.csv").write_text(f"{start:.6f}, IBI\n{lines}")
    (folder / "tags.csv").write_text(f"{start + 3:.2f}\n")
    return folder


def labels_csv(tmp_path: Path, *rows: str, header: str = "start,end,label") -> Path:
    path = tmp_path / "intervals.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def iso(second: float, hours: int = 0) -> str:
    """Write a moment of the session with its zone."""
    text = datetime.fromtimestamp(START + second + 3600 * hours, UTC).isoformat()
    return text.replace("+00:00", f"+{hours:02d}:00")


def test_a_session_becomes_windows_with_every_sensor_in_its_unit(tmp_path: Path, open_export):
    reading, windows = open_export("empatica", write_session(tmp_path / "anna"))
    assert reading.spec.names == tuple(SENSORS)
    assert [reading.spec[name].rate_hz for name in SENSORS] == [64, 32, 4, 4, 1, None]
    assert [(w.subject, w.start_s - START, w.label) for w in windows] == [
        ("anna", 0, None), ("anna", 30, None), ("anna", 60, None),
    ]  # fmt: skip
    signals = windows[1].signals
    for name, rate in (("wrist_acc", 32), ("wrist_bvp", 64), ("wrist_eda", 4)):
        expected = (30 + np.arange(30 * rate) / rate) / 60
        np.testing.assert_allclose(signals[name][0], expected, atol=1e-4)
    np.testing.assert_allclose(signals["wrist_temp"][0, 0], 30.5, atol=1e-4)
    np.testing.assert_allclose(windows[2].signals["rr"], 750)
    assert reading.source.startswith("empatica: 6 files of anna; times in UTC")
    assert reading.ledger["files"].dropped == {"of kinds that are not read": 1}


def test_a_window_has_beats_only_where_there_are_sixty_without_a_pause(tmp_path: Path, open_export):
    folder = write_session(tmp_path / "anna")
    _, windows = open_export("empatica", folder)
    assert ["rr" in w.signals for w in windows] == [False, True, True]
    lines = (folder / "IBI.csv").read_text().splitlines()
    (folder / "IBI.csv").write_text("\n".join(lines[:70] + lines[80:]) + "\n")
    _, windows = open_export("empatica", folder)
    assert ["rr" in w.signals for w in windows] == [False, False, False]


def test_people_are_named_by_folders_and_zips(tmp_path: Path, open_export):
    session = write_session(tmp_path / "all" / "ben" / "1544027337_A00123", seconds=40)
    with zipfile.ZipFile(tmp_path / "all" / "anna.zip", "w") as archive:
        for path in session.iterdir():
            archive.write(path, path.name)
    _, windows = open_export("empatica", tmp_path / "all")
    assert [w.subject for w in windows] == ["anna", "ben"]
    _, windows = open_export("empatica", tmp_path / "all" / "anna.zip")
    assert [w.subject for w in windows] == ["anna"]


def test_a_pause_of_all_sensors_starts_windows_afresh_and_is_counted(tmp_path: Path, open_export):
    write_session(tmp_path / "anna" / "1", seconds=40)
    write_session(tmp_path / "anna" / "2", seconds=40, start=START + 100.5)
    reading, windows = open_export("empatica", tmp_path)
    assert [w.start_s - START for w in windows] == [0, 100.5]
    changed = reading.ledger["samples"].changed
    assert changed["after a pause of all sensors, where windows start afresh"] == 1


def test_files_of_a_person_follow_each_other_in_time_and_not_by_name(tmp_path: Path, open_export):
    write_session(tmp_path / "anna" / "run", seconds=40, start=START + 500)
    write_session(tmp_path / "anna" / "walk", seconds=40)
    reading, windows = open_export("empatica", tmp_path)
    assert [w.start_s - START for w in windows] == [0, 500]
    assert "with an earlier time stamp than one before" not in reading.ledger["samples"].dropped
    write_session(tmp_path / "anna" / "stand", seconds=40, start=START + 20)
    message = r"anna: anna/walk/BVP\.csv and anna/stand/BVP\.csv have 'wrist_bvp' at one time; give"
    with pytest.raises(DataError, match=message):
        open_export("empatica", tmp_path)


def test_a_person_may_have_several_zips(tmp_path: Path, open_export):
    (tmp_path / "all" / "anna").mkdir(parents=True)
    for name, start in (("a", START + 500), ("b", START)):
        session = write_session(tmp_path / name, seconds=40, start=start)
        with zipfile.ZipFile(tmp_path / "all" / "anna" / f"{name}.zip", "w") as archive:
            archive.write(session / "EDA.csv", "EDA.csv")
    _, windows = open_export("empatica", tmp_path / "all")
    assert [(w.subject, w.start_s - START) for w in windows] == [("anna", 0), ("anna", 500)]


def test_overlap_and_length_are_options(tmp_path: Path, open_export):
    folder = write_session(tmp_path / "anna")
    _, windows = open_export("empatica", folder, window_s=10.0, overlap=0.5)
    assert [w.start_s - START for w in windows] == list(range(0, 81, 5))
    with pytest.raises(ConfigError, match="empatica has no option --devices; its options: --over"):
        open_export("empatica", folder, devices="wrist")


def test_long_recordings_are_cut_in_pieces_to_the_same_windows(
    tmp_path: Path, open_export, monkeypatch
):
    folder = write_session(tmp_path / "anna")
    _, whole = open_export("empatica", folder, window_s=5.0, overlap=0.2)
    for name, samples in (("PIECE", 64 * 12), ("MAPPED", 2000)):
        cutting = f"sensor2llm.datasets.exports.samples.cutting.{name}_SAMPLES"
        monkeypatch.setattr(cutting, samples)
    _, cut = open_export("empatica", folder, window_s=5.0, overlap=0.2)
    assert [w.start_s for w in cut] == [w.start_s for w in whole]
    for one, other in zip(cut, whole, strict=True):
        assert one.signals.keys() == other.signals.keys()
        for name in one.signals:
            np.testing.assert_allclose(one.signals[name], other.signals[name], atol=1e-5)


def test_intervals_give_labels_and_what_has_none_is_counted(tmp_path: Path, open_export):
    folder = write_session(tmp_path / "anna")
    labels = labels_csv(
        tmp_path,
        f"{iso(0)},{iso(22, 2)},rest",
        f"{START + 22},{START + 41},walk",
        f"{(START + 5000) * 1000},{(START + 6000) * 1000},late",
    )
    reading, windows = open_export("empatica", folder, window_s=10.0, labels=labels)
    assert [(w.start_s - START, w.label) for w in windows] == [
        (0, "rest"), (10, "rest"), (30, "walk"), (40, None), (50, None), (60, None),
        (70, None), (80, None),
    ]  # fmt: skip
    counts = reading.ledger["windows"]
    assert counts.dropped == {BORDER: 1}
    assert counts.changed["outside the labels of intervals.csv, without a label"] == 5
    assert reading.ledger["intervals"].dropped == {"that no window lies in": 1}


def test_intervals_of_a_person_are_theirs_alone(tmp_path: Path, open_export):
    for name in ("anna", "ben"):
        write_session(tmp_path / "all" / name, seconds=40)
    labels = labels_csv(
        tmp_path, f"{START},{START + 40},rest,anna", header="start,stop,label,subject"
    )
    _, windows = open_export("empatica", tmp_path / "all", labels=labels)
    assert [(w.subject, w.label) for w in windows] == [("anna", "rest"), ("ben", None)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"intervals\.csv has a header and no rows"),
        (["1,2", "3,4,rest"], r"intervals\.csv: row 1 has 2 cells and there are 3 columns: '1,2'"),
        (["1,2,"], r"row 1 has no label; expected start,end,label"),
        (["yesterday,2,rest"], r"row 1: 'yesterday' is no time; write it like 2024-05-01T08:00:00"),
        (["2018-12-05T16:28:57,2018-12-05T16:29:57,rest"], r"row 1: '2018-.*' has no zone; write"),
        ([f"{START + 5},{START + 5},rest"], r"row 1: it ends at '\d+', not after its start"),
        ([f"{START},{START + 20},a", f"{START + 10},{START + 30},b"],
         r"rows 1 \('a'\) and 2 \('b'\) overlap; a moment has one label"),
        ([f"{START + 9000},{START + 9900},rest"],
         r"no window lies in an interval of intervals\.csv: anna was recorded from 2018-12-05T16"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_are_refused(tmp_path: Path, open_export, rows, message):
    folder = write_session(tmp_path / "anna", seconds=40)
    with pytest.raises(DataError, match=message):
        open_export("empatica", folder, labels=labels_csv(tmp_path, *rows))


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "utf-8"), ("\t", "utf-16")]
)
def test_labels_are_read_as_spreadsheets_write_them(tmp_path, open_export, delimiter, encoding):
    folder = write_session(tmp_path / "anna", seconds=40)
    rows = ["start,end,label", f"{START},{START + 40},rest"]
    path = tmp_path / "intervals.csv"
    path.write_bytes("\r\n".join(rows).replace(",", delimiter).encode(encoding))
    _, windows = open_export("empatica", folder, labels=path)
    assert [w.label for w in windows] == ["rest"]


def test_labels_of_strangers_and_without_a_header_are_refused(tmp_path: Path, open_export):
    folder = write_session(tmp_path / "anna", seconds=40)
    cases = {
        "labels of eve; the recordings are of anna": labels_csv(
            tmp_path, "1,2,rest,eve", header="start,end,label,person"
        ),
        r"none\.csv does not exist; expected a CSV": tmp_path / "none.csv",
    }
    for message, path in cases.items():
        with pytest.raises(DataError, match=message):
            open_export("empatica", folder, labels=path)
    headless = labels_csv(tmp_path, header="begin,label")
    with pytest.raises(DataError, match="first line is 'begin,label', expected 'start,end,label'"):
        open_export("empatica", folder, labels=headless)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("EDA.csv", "0.1\n", r"EDA\.csv begins with '0\.1'; expected a start in Unix seconds"),
        ("ACC.csv", "1544027337,1544027337\n32,32\n", r"ACC\.csv begins with .* in 3 column"),
        ("EDA.csv", "1544027337\n4\n0.1\nx\n", r"EDA\.csv: .*invalid value 'x'.*expected columns"),
        ("IBI.csv", "start, IBI\n", r"IBI\.csv begins with 'start'; expected a start"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, open_export, name, text, message):
    folder = write_session(tmp_path / "anna", seconds=40)
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=message):
        open_export("empatica", folder)


def test_an_export_that_is_none_is_refused(tmp_path: Path, open_export):
    with pytest.raises(ConfigError, match="empatica: no --from was given; download a session as"):
        open_export("empatica", None)
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        open_export("empatica", tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"has no ACC\.csv, .* of an E4; it holds notes\.txt"):
        open_export("empatica", tmp_path)
    (tmp_path / "notes.txt").rename(tmp_path / "session.zip")
    with pytest.raises(DataError, match=r"session\.zip is no zip that can be read"):
        open_export("empatica", tmp_path)


def test_a_truncated_zip_is_refused(tmp_path: Path, open_export):
    folder = write_session(tmp_path / "anna", seconds=40)
    path = tmp_path / "anna.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "BVP.csv", "BVP.csv")
    raw = bytearray(path.read_bytes())
    raw[200:260] = bytes(60)
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"anna\.zip is damaged \(.*\); export it again"):
        open_export("empatica", path)


def test_an_encrypted_zip_is_refused(tmp_path: Path, open_export):
    path = tmp_path / "anna.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("EDA.csv", f"{START}\n4\n0.1\n")
    raw = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + place] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"anna\.zip is encrypted; unpack it"):
        open_export("empatica", path)


def test_a_skin_of_382_degrees_is_missing(tmp_path: Path, open_export):
    folder = write_session(tmp_path / "anna", seconds=40)
    values = [f"{START}", "4", *(["30"] * 160)]
    values[10:14] = ["382.1"] * 4
    (folder / "TEMP.csv").write_text("\n".join(values) + "\n")
    reading, windows = open_export("empatica", folder)
    assert reading.ledger["samples"].dropped["without a value or a time"] == 4
    np.testing.assert_allclose(windows[0].signals["wrist_temp"], 30)


def test_genuine_files_give_the_values_that_stand_in_them(shared, tmp_path, open_export):
    with tarfile.open(shared / "data" / "wesad_wrist" / "raw.tar.xz") as archive:
        members = [m for m in archive.getmembers() if "S2_E4_Data" in m.name]
        archive.extractall(tmp_path, members, filter="data")
    [folder] = tmp_path.rglob("S2_E4_Data")
    reading, windows = open_export("empatica", folder, window_s=10.0)
    start_s, rate_hz, counts = read_e4(folder / "ACC.csv", 3)
    assert reading.spec["wrist_acc"].rate_hz == rate_hz == 32
    assert len(windows) > 700
    for i, window in enumerate(windows[:700]):
        assert window.start_s == start_s + 10 * i
        np.testing.assert_allclose(
            window.signals["wrist_acc"], counts[:, 320 * i : 320 * (i + 1)] / 64, atol=1e-5
        )
    skin = read_e4(folder / "TEMP.csv", 1)[2][0]
    hot = int((skin > 50).sum())
    assert reading.ledger["samples"].dropped["without a value or a time"] == hot > 0
