from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.motion import mhealth
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import SHORT

# Published columns, counted from 1, and units as the readme gives them.
PUBLISHED = {
    "chest_acc": ((1, 2, 3), "m/s^2"),
    "chest_ecg": ((4, 5), "mV"),
    "ankle_acc": ((6, 7, 8), "m/s^2"),
    "ankle_gyro": ((9, 10, 11), "deg/s"),
    "ankle_mag": ((12, 13, 14), "local"),
    "arm_acc": ((15, 16, 17), "m/s^2"),
    "arm_gyro": ((18, 19, 20), "deg/s"),
    "arm_mag": ((21, 22, 23), "local"),
}


def write(root: Path, subject: int, parts: list[tuple[int, float]]) -> Path:
    """Write bouts (activity, seconds): column c holds c plus a thousandth of its line's number."""
    path = root / "MHEALTHDATASET" / f"mHealth_subject{subject}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    codes = [code for code, seconds in parts for _ in range(round(seconds * 50))]
    path.write_text(
        "".join(
            "\t".join([*(f"{c + line / 1000:.5g}" for c in range(1, 24)), str(code)]) + "\n"
            for line, code in enumerate(codes)
        )
    )
    return path


def test_windows_are_256_samples_at_50_hz_with_readable_labels(tmp_path: Path):
    write(tmp_path, 10, [(12, 5.2)])
    write(tmp_path, 2, [(0, 1.0), (1, 8.0), (0, 2.0), (5, 5.2)])
    reading = mhealth.read(tmp_path, SourceOptions())
    windows = list(reading.windows)
    assert [(w.subject, w.label, round(w.start_s, 2)) for w in windows] == [
        ("2", "standing", 1.0),
        ("2", "standing", 3.56),
        ("2", "climbing stairs", 11.0),
        ("10", "jumping front and back", 0.0),
    ]
    assert {m.name: m.units[0] for m in reading.spec.modalities} == {
        name: unit for name, (_, unit) in PUBLISHED.items()
    }
    assert len(reading.label_names) == 12
    assert reading.ledger["samples"].dropped["without an activity"] == 150
    assert reading.ledger.unbalanced() == {}
    for window in windows:
        reading.spec.check(window)


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_modality_holds_its_published_columns(tmp_path: Path, name: str):
    write(tmp_path, 1, [(4, 5.2)])
    [window] = mhealth.read(tmp_path, SourceOptions()).windows
    expected = np.array(PUBLISHED[name][0])[:, None] + np.arange(256) / 1000
    np.testing.assert_allclose(window.signals[name], expected, atol=1e-3)


def test_no_window_holds_two_activities(tmp_path: Path):
    write(tmp_path, 1, [(9, 6.0), (10, 3.0), (11, 5.5)])
    reading = mhealth.read(tmp_path, SourceOptions())
    assert [(w.label, w.start_s) for w in reading.windows] == [("cycling", 0.0), ("running", 9.0)]
    assert reading.ledger["samples"].dropped[SHORT] == 150
    assert reading.ledger.unbalanced() == {}


def test_overlap_and_window_length_are_options(tmp_path: Path):
    write(tmp_path, 1, [(3, 10.0)])
    reading = mhealth.read(tmp_path, SourceOptions(overlap=0.0, window_s=2.0))
    windows = list(reading.windows)
    np.testing.assert_allclose([w.start_s for w in windows], [0, 2, 4, 6, 8])
    assert windows[0].signals["chest_ecg"].shape == (2, 100)


def test_spaces_between_the_cells_and_the_inner_folder_are_read_too(tmp_path: Path):
    path = write(tmp_path, 1, [(2, 5.2)])
    path.write_text(path.read_text().replace("\t", "   "))
    [window] = mhealth.read(path.parent, SourceOptions()).windows
    assert window.signals["arm_mag"][2, 0] == 23


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: " ", r"mHealth_subject1\.log: .*expected 24 columns; unpack the archive"),
        (lambda text: text + "1\t2\t3\n", "Row #261: Expected 24 columns, got 3"),
        (lambda text: text.replace("\t10.004", "\tx", 1), "invalid value 'x'"),
        (lambda text: text.replace("\t2\n", "\t13\n", 1), "unknown activity 13, expected 0 to 12"),
    ],
)
def test_a_file_that_is_not_as_published_is_an_error(tmp_path: Path, change, message: str):
    path = write(tmp_path, 1, [(2, 5.2)])
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        list(mhealth.read(tmp_path, SourceOptions()).windows)


def test_an_empty_folder_and_an_option_of_another_data_set_are_errors(tmp_path: Path):
    with pytest.raises(DataError, match=r"no 'MHEALTHDATASET/mHealth_subject\*\.log' in .*/319"):
        mhealth.read(tmp_path, SourceOptions())
    with pytest.raises(ConfigError, match="mhealth has no option --subjects"):
        mhealth.read(tmp_path, SourceOptions(subjects="all"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mHealth_subject01.log", "are of one person; keep one of them"),
        ("mHealth_subjectX.log", r"names no person; expected mHealth_subject1\.log"),
    ],
)
def test_a_file_that_names_nobody_or_somebody_twice_is_refused(tmp_path: Path, name, message):
    path = write(tmp_path, 1, [(9, 6.0)])
    path.with_name(name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=message):
        mhealth.read(tmp_path, SourceOptions())


def test_a_value_that_cannot_be_is_missing(tmp_path: Path):
    path = write(tmp_path, 1, [(9, 5.12)])
    lines = path.read_text().splitlines()
    cells = lines[100].split("\t")
    lines[100] = "\t".join(["1e30", *cells[1:3], "-1e39", *cells[4:]])
    path.write_text("\n".join(lines) + "\n")
    reading = mhealth.read(tmp_path, SourceOptions())
    [window] = reading.windows
    assert all(np.abs(values).max() < 1e3 for values in window.signals.values())
    assert reading.ledger["samples"].changed == {
        "with a value that cannot be in m/s^2 taken as missing": 1,
        "with a value that cannot be in mV taken as missing": 1,
    }
