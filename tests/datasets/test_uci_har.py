import shutil
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.motion import uci_har
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions

OPTIONS = SourceOptions()


@pytest.fixture
def mini(shared: Path, tmp_path: Path) -> Path:
    shutil.copytree(shared / "data" / "uci_har" / "mini", tmp_path / "mini", copy_function=_copy)
    return tmp_path / "mini"


def _copy(source: str, target: str) -> None:
    Path(target).write_bytes(Path(source).read_bytes())


def write_small(folder: Path, split: str, windows: np.ndarray, people: list, labels: list) -> None:
    """Write windows (window, channel, step) of total_acc in the published format."""
    inertial = folder / "UCI HAR Dataset" / split / "Inertial Signals"
    inertial.mkdir(parents=True)
    for name in uci_har.UNITS:
        for axis, letter in enumerate("xyz"):
            lines = [
                "".join(f"{v:16.7e}".replace("e-", "e-0").replace("e+", "e+0") for v in row)
                for row in windows[:, axis]
            ]
            (inertial / f"{name}_{letter}_{split}.txt").write_bytes(
                "".join(line + "\r\n" for line in lines).encode()
            )
    (inertial.parent / f"subject_{split}.txt").write_text("".join(f"{p}\n" for p in people))
    (inertial.parent / f"y_{split}.txt").write_text("".join(f"{y}\n" for y in labels))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    track = np.random.default_rng(0).normal(size=(3, 128 + 64)).astype(np.float32)
    other = np.random.default_rng(1).normal(size=(3, 128)).astype(np.float32)
    train = np.stack([track[:, :128], track[:, 64:], other, other])
    write_small(tmp_path, "train", train, [1, 1, 1, 3], [5, 5, 6, 2])
    write_small(tmp_path, "test", other[None], [2], [1])
    return tmp_path


def test_the_published_layout_becomes_windows_with_subjects_and_readable_labels(small: Path):
    reading = uci_har.read(small, OPTIONS)
    windows = list(reading.windows)
    labels = ["standing", "standing", "lying", "walking upstairs", "walking"]
    assert [w.label for w in windows] == labels
    assert [w.subject for w in windows] == ["1", "1", "1", "3", "2"]
    assert reading.published == {"train": ["1", "3"], "test": ["2"]}
    assert reading.total == len(windows)
    for window in windows:
        reading.spec.check(window)


def test_windows_that_share_samples_start_half_a_window_apart(small: Path):
    starts = [w.start_s for w in uci_har.read(small, OPTIONS).windows]
    np.testing.assert_allclose(starts, [0, 1.28, 1.28 + 2.56, 0, 0])


def test_units_and_rate_are_the_published_ones():
    units = {m.name: set(m.units) for m in uci_har.SPEC.modalities}
    assert units == {"body_acc": {"g"}, "body_gyro": {"rad/s"}, "total_acc": {"g"}}
    assert {m.rate_hz for m in uci_har.SPEC.modalities} == {50.0}
    assert uci_har.SPEC.window_s == 2.56


def test_real_rows_are_read_exactly(mini: Path):
    windows = list(uci_har.read(mini, OPTIONS).windows)
    assert len(windows) == 90
    root = mini / "UCI HAR Dataset"
    line = (
        (root / "train" / "Inertial Signals" / "body_gyro_y_train.txt").read_text().split("\n")[7]
    )
    expected = np.array([float(v) for v in line.split()], dtype=np.float32)
    np.testing.assert_array_equal(windows[7].signals["body_gyro"][1], expected)
    # Gravity is in total_acc and not in body_acc.
    norms = [np.linalg.norm(w.signals["total_acc"].mean(axis=1)) for w in windows]
    assert 0.9 < np.median(norms) < 1.1
    assert np.median([np.abs(w.signals["body_acc"].mean()) for w in windows]) < 0.05


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("train/subject_train.txt", b"3\n", b"I1\n", "subject_train.txt: row 4: 'I1'"),
        ("train/y_train.txt", b"6\n", b"7\n", "y_train.txt: row 3: unknown label 7"),
        ("train/y_train.txt", b"6\n", b"", r"3\s+lines; they must be equal"),
        ("train/y_train.txt", None, b"", "is empty"),
        ("test/Inertial Signals/body_acc_y_test.txt", None, None, "is missing"),
        ("test/Inertial Signals/total_acc_x_test.txt", b"\r\n", b" 1\r\n", "row 1 has 129 values"),
        ("test/Inertial Signals/total_acc_x_test.txt", b"e-001", b"x-001", "row 1, column .*not a"),
        ("test/Inertial Signals/total_acc_x_test.txt", None, b" 1.0" * 100, "row 1 has 100 values"),
    ],
)
def test_broken_files_are_named_with_their_row(small: Path, file, old, new, message):
    path = small / "UCI HAR Dataset" / file
    if new is None:
        path.unlink()
    else:
        path.write_bytes(new if old is None else path.read_bytes().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        list(uci_har.read(small, OPTIONS).windows)


def test_files_of_different_length_are_refused(small: Path):
    path = small / "UCI HAR Dataset" / "train" / "Inertial Signals" / "body_acc_z_train.txt"
    path.write_bytes(path.read_bytes().split(b"\r\n", 1)[1])
    with pytest.raises(DataError, match="x, y, z files of body_acc have 4, 4, 3 lines"):
        list(uci_har.read(small, OPTIONS).windows)


def test_a_folder_without_the_data_set_says_where_to_download_it(tmp_path: Path):
    with pytest.raises(DataError, match=r"archive\.ics\.uci\.edu/dataset/240"):
        uci_har.read(tmp_path, OPTIONS)


def test_published_windows_cannot_be_cut_anew(small: Path):
    with pytest.raises(ConfigError, match="uci_har has no option --overlap"):
        uci_har.read(small, SourceOptions(overlap=0.5))


def test_every_window_is_in_the_ledger(small: Path):
    reading = uci_har.read(small, OPTIONS)
    assert len(list(reading.windows)) == reading.ledger["windows"].read == 5
    assert reading.ledger.unbalanced() == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("train/subject_train.txt", "3", "2", "person 2 is in subject_train.txt and in subject_te"),
        ("train/y_train.txt", "5", "9" * 20, r"y_train\.txt: row 1: '9{20}' is no whole number"),
    ],
)
def test_people_and_labels_that_cannot_be_are_refused(small: Path, file, old, new, message):
    path = small / "UCI HAR Dataset" / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        list(uci_har.read(small, OPTIONS).windows)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1e30", r"total_acc_y_train\.txt: row 2, column 1: 1e\+30 g cannot be, expected -200 to"),
        ("1e39", r"total_acc_y_train\.txt: row 2, column 1: '1e39' is not a number"),
        ("x" * 5000, r"row 2, column 1: 'x{40}' is not a number"),
    ],
)
def test_a_value_that_cannot_be_is_named(small: Path, value, message):
    folder = small / "UCI HAR Dataset" / "train" / "Inertial Signals"
    path = folder / "total_acc_y_train.txt"
    rows = [line.split() for line in path.read_text().splitlines()]
    rows[1][0] = value
    path.write_text("".join(" ".join(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=message):
        list(uci_har.read(small, OPTIONS).windows)
