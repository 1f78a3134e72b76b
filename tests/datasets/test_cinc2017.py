import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from sensor2llm.datasets.heart import cinc2017
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions

OPTIONS = SourceOptions()


def write_record(folder: Path, name: str, seconds: float, rate_hz: int = 300) -> None:
    """Write a record as published; its value is the time in ms, modulo 30 s."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = round(seconds * rate_hz)
    digital = np.rint(np.arange(steps) / rate_hz % 30 * 1000).astype(np.int16)
    scipy.io.savemat(folder / f"{name}.mat", {"val": digital[None]}, format="4")
    (folder / f"{name}.hea").write_text(
        f"{name} 1 {rate_hz} {steps} 05:05:15 1/05/2000 \n"
        f"{name}.mat 16+24 1000/mV 16 0 {digital[0]} 0 0 ECG \n"
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    root = tmp_path / "training2017"
    for name, seconds in {"A00001": 30, "A00002": 9.2, "A00003": 25, "A00004": 12}.items():
        write_record(root, name, seconds)
    labels = "A00001,N\nA00002,A\nA00003,O\nA00004,~\nA00005,A\n"
    (tmp_path / "REFERENCE-v3.csv").write_text(labels)
    return tmp_path


def test_every_record_is_a_subject_and_every_window_bears_its_label(small: Path):
    reading = cinc2017.read(small, OPTIONS)
    windows = list(reading.windows)
    assert [(w.subject, w.label, w.start_s) for w in windows] == [
        ("A00001", "normal rhythm", 0),
        ("A00001", "normal rhythm", 10),
        ("A00001", "normal rhythm", 20),
        ("A00003", "other rhythm", 0),
        ("A00003", "other rhythm", 10),
        ("A00004", "noisy", 0),
    ]
    for window in windows:
        reading.spec.check(window)
    assert reading.label_names == ("normal rhythm", "atrial fibrillation", "other rhythm", "noisy")
    assert reading.published is None


def test_values_are_in_mv_at_300_hz(small: Path):
    reading = cinc2017.read(small / "training2017", OPTIONS)
    second = list(reading.windows)[1]
    assert reading.spec["ecg"].units == ("mV",)
    np.testing.assert_allclose(second.signals["ecg"][0], 10 + np.arange(3000) / 300, atol=6e-4)


def test_what_is_dropped_is_counted(small: Path):
    reading = cinc2017.read(small, OPTIONS)
    list(reading.windows)
    assert reading.ledger["recordings"].dropped == {
        "of REFERENCE-v3.csv without a file": 1,
        "without a whole window": 1,
    }
    assert reading.ledger.unbalanced() == {}


def test_length_and_overlap_are_options(small: Path):
    reading = cinc2017.read(small, SourceOptions(window_s=5, overlap=0.5))
    starts = [w.start_s for w in reading.windows if w.subject == "A00002"]
    np.testing.assert_allclose(starts, [0, 2.5])
    assert reading.spec["ecg"].steps == 1500


def test_real_records_are_read_exactly(shared: Path):
    root = shared / "data" / "cinc2017" / "raw"
    reading = cinc2017.read(root, OPTIONS)
    windows = list(reading.windows)
    labels = dict(
        line.split(",") for line in (root / "REFERENCE-v3.csv").read_text().split() if line
    )
    expected: Counter[str] = Counter()
    for path in sorted((root / "training2017").glob("*.mat")):
        values = scipy.io.loadmat(path)["val"][0]
        expected[cinc2017.LABELS[labels[path.stem]]] += len(values) // 3000
        ours = [w.signals["ecg"][0] for w in windows if w.subject == path.stem]
        whole = values[: len(values) // 3000 * 3000].reshape(-1, 3000) / 1000
        np.testing.assert_allclose(np.stack(ours), whole, atol=1e-6)
    assert Counter(w.label for w in windows) == expected
    assert reading.ledger["recordings"].dropped["of REFERENCE-v3.csv without a file"] == 8528 - 40
    assert reading.ledger.unbalanced() == {}


def test_devices_are_no_option(small: Path):
    with pytest.raises(ConfigError, match="cinc2017 has no option --devices"):
        cinc2017.read(small, SourceOptions(devices="watch"))


def test_without_wfdb_the_extra_is_named(small: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(DataError, match=r"pip install 'sensor2llm\[ecg\]'"):
        next(cinc2017.read(small, OPTIONS).windows)


def test_a_folder_without_records_says_where_to_download_them(tmp_path: Path):
    with pytest.raises(DataError, match=r"unpack the archive of https://physionet"):
        cinc2017.read(tmp_path, OPTIONS)


def test_the_list_of_labels_is_needed(small: Path):
    (small / "REFERENCE-v3.csv").unlink()
    with pytest.raises(DataError, match=r"no REFERENCE-v3\.csv in"):
        cinc2017.read(small, OPTIONS)


@pytest.mark.parametrize("line", ["A00002 A", "A00002,X"])
def test_a_line_that_is_no_label_is_named(small: Path, line):
    path = small / "REFERENCE-v3.csv"
    path.write_text(path.read_text().replace("A00002,A", line))
    with pytest.raises(DataError, match=f"line 2: '{line}' is no 'A00001,N'"):
        cinc2017.read(small, OPTIONS)


def test_a_record_without_a_label_is_refused(small: Path):
    write_record(small / "training2017", "A00009", 12)
    with pytest.raises(DataError, match="no label for A00009"):
        cinc2017.read(small, OPTIONS)


def test_another_rate_is_refused(small: Path):
    write_record(small / "training2017", "A00001", 12, rate_hz=250)
    with pytest.raises(DataError, match="A00001 is at 250 Hz, expected 300 Hz"):
        next(cinc2017.read(small, OPTIONS).windows)


def test_a_missing_signal_file_is_named(small: Path):
    shutil.move(small / "training2017" / "A00001.mat", small / "elsewhere")
    with pytest.raises(DataError, match=r"A00001\.mat is missing"):
        next(cinc2017.read(small, OPTIONS).windows)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("A00001.mat", "../../../etc/passwd", r"'\.\./\.\./\.\./etc/passwd .*'; expected such as"),
        ("A00001.mat", "/etc/passwd", "'/etc/passwd .*'; expected such as"),
        ("1000/mV", "0/mV", "0/mV .*; expected such as"),
        ("1000/mV", "1000", "; expected such as 'A00001.mat 16"),
        ("1000/mV", "1e400/mV", "; expected such as 'A00001.mat 16"),
        (" 0 ECG", " -999 ECG", "; expected such as 'A00001.mat 16"),
        (" 16+24", " 212", "; expected such as 'A00001.mat 16"),
        ("A00001 1 300", "A00001/5 1 300", "expected a first line such as 'A00001 1 300 9000'"),
        ("A00001 1 300", "A00002 1 300", "expected a first line such as 'A00001 1 300 9000'"),
        ("A00001 1 300", "A00001 99 300", "and 1 signals; expected a first line"),
        ("A00001 1 300", "A00001 1 0", "names a signal twice, or no rate"),
        ("A00001 1 300 3600", "A00001 1 300 999999999", r"A00001\.mat has 7224 bytes where"),
        ("A00001 1 300 3600", "A00001 1 300 0", r"A00001\.mat has 7224 bytes where"),
    ],
)
def test_a_header_that_cannot_be_is_refused(small: Path, old, new, message):
    write_record(small / "training2017", "A00001", 12)
    path = small / "training2017" / "A00001.hea"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        list(cinc2017.read(small, OPTIONS).windows)
