from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.motion import motionsense
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import SHORT

HEADER = (
    ",attitude.roll,attitude.pitch,attitude.yaw,gravity.x,gravity.y,gravity.z,"
    "rotationRate.x,rotationRate.y,rotationRate.z,"
    "userAcceleration.x,userAcceleration.y,userAcceleration.z\n"
)


def write(root: Path, trial: str, subject: int, seconds: float) -> Path:
    """Write a trial: column c (roll is 1) holds c plus a thousandth of its line's number."""
    path = root / "A_DeviceMotion_data" / trial / f"sub_{subject}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        ",".join([str(line), *(f"{c + line / 1000:.6f}" for c in range(1, 13))]) + "\n"
        for line in range(round(seconds * 50))
    ]
    path.write_text(HEADER + "".join(lines))
    return path


def test_windows_are_128_samples_at_50_hz_with_readable_labels(tmp_path: Path):
    for trial in ("dws_1", "ups_3", "sit_5", "std_6", "wlk_7", "jog_9"):
        write(tmp_path, trial, 1, 2.6)
    reading = motionsense.read(tmp_path, SourceOptions())
    windows = list(reading.windows)
    assert [w.label for w in windows] == [
        "walking downstairs",
        "walking upstairs",
        "sitting",
        "standing",
        "walking",
        "jogging",
    ]
    assert list(reading.label_names) == [w.label for w in windows]
    assert reading.published is None
    units = {m.name: m.units for m in reading.spec.modalities}
    assert units == {"user_acc": ("g",) * 3, "gravity": ("g",) * 3, "gyro": ("rad/s",) * 3}
    for window in windows:
        reading.spec.check(window)


@pytest.mark.parametrize(("name", "first"), [("gravity", 4), ("gyro", 7), ("user_acc", 10)])
def test_each_modality_holds_its_published_columns(tmp_path: Path, name: str, first: int):
    write(tmp_path, "wlk_7", 3, 2.6)
    [window] = motionsense.read(tmp_path, SourceOptions()).windows
    expected = first + np.arange(3)[:, None] + np.arange(128) / 1000
    np.testing.assert_allclose(window.signals[name], expected, atol=1e-5)


def test_trials_of_a_person_follow_each_other_in_the_order_of_their_numbers(tmp_path: Path):
    write(tmp_path, "jog_16", 2, 3.0)
    write(tmp_path, "jog_9", 2, 4.0)
    write(tmp_path, "dws_11", 2, 2.0)
    write(tmp_path, "sit_5", 10, 2.6)
    write(tmp_path, "sit_5", 2, 5.2)
    reading = motionsense.read(tmp_path, SourceOptions())
    found = [(w.subject, w.label, round(w.start_s, 2)) for w in reading.windows]
    sitting = [("2", "sitting", start) for start in (0.0, 1.28, 2.56)]
    jogging = [("2", "jogging", start) for start in (5.2, 6.48, 11.2)]
    assert found == [*sitting, *jogging[:2], jogging[2], ("10", "sitting", 0.0)]
    assert SHORT in reading.ledger["samples"].dropped
    assert reading.ledger.unbalanced() == {}


def test_overlap_and_window_length_are_options(tmp_path: Path):
    write(tmp_path, "wlk_7", 3, 10.0)
    reading = motionsense.read(tmp_path, SourceOptions(overlap=0.0, window_s=5.0))
    assert [(w.start_s, w.signals["gyro"].shape) for w in reading.windows] == [
        (0.0, (3, 250)),
        (5.0, (3, 250)),
    ]


def test_the_places_of_the_unpacked_archive_are_found(tmp_path: Path):
    write(tmp_path / "data", "wlk_7", 3, 2.6)
    for folder in (tmp_path, tmp_path / "data", tmp_path / "data" / "A_DeviceMotion_data"):
        assert len(list(motionsense.read(folder, SourceOptions()).windows)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"sub_3\.csv: Empty CSV file; expected columns userAcceleration\.x"),
        (HEADER, r"wlk_7/sub_3\.csv has no samples; unpack it again"),
        (
            HEADER.replace("gravity.y", "g"),
            r"Column 'gravity\.y' in include_columns does not exist",
        ),
        (HEADER + "0,1,2\n", "Row #2: Expected 13 columns, got 3"),
        (HEADER + "0,1,2,3,?,5,6,7,8,9,10,11,12\n", r"Row #2: .*invalid value '\?'"),
    ],
)
def test_a_file_that_is_not_as_published_is_an_error(tmp_path: Path, text: str, message: str):
    write(tmp_path, "wlk_7", 3, 2.6).write_text(text)
    with pytest.raises(DataError, match=message):
        list(motionsense.read(tmp_path, SourceOptions()).windows)


def test_unknown_trials_empty_folders_and_other_options_are_errors(tmp_path: Path):
    with pytest.raises(DataError, match=r"no 'A_DeviceMotion_data/.*motion-sense there"):
        motionsense.read(tmp_path, SourceOptions())
    write(tmp_path, "run_7", 3, 2.6)
    with pytest.raises(DataError, match=r"run_7/sub_3\.csv is no trial; expected .* dws, ups, sit"):
        motionsense.read(tmp_path, SourceOptions())
    with pytest.raises(ConfigError, match="motionsense has no option --classes"):
        motionsense.read(tmp_path, SourceOptions(classes="all"))


def test_two_files_of_one_trial_are_refused(tmp_path: Path):
    path = write(tmp_path, "wlk_7", 3, 3.0)
    path.with_name("sub_03.csv").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"are one trial of one person; keep one of them"):
        motionsense.read(tmp_path, SourceOptions())


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path):
    path = write(tmp_path, "wlk_7", 3, 3.0)
    path.write_text(path.read_text().replace("gravity.y", "gravity.x", 1))
    with pytest.raises(DataError, match=r"sub_3\.csv has the column 'gravity.x' twice"):
        list(motionsense.read(tmp_path, SourceOptions()).windows)


def test_files_without_gravity_lack_it_and_trials_are_recordings(tmp_path: Path):
    for trial in ("wlk_7", "wlk_8"):
        path = write(tmp_path, trial, 1, 2.6)
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("".join(",".join(line[:4] + line[7:]) + "\n" for line in lines))
    reading = motionsense.read(tmp_path, SourceOptions())
    whole, without = reading.windows
    assert set(whole.signals) == {"user_acc", "gravity", "gyro"}
    assert set(without.signals) == {"user_acc", "gyro"}
    assert (whole.recording, without.recording) == ("walking, trial 7", "walking, trial 8")
    assert "130 without gravity, which their file lacks" in " ".join(reading.ledger.lines())


def test_a_file_with_a_part_of_gravity_is_refused(tmp_path: Path):
    path = write(tmp_path, "wlk_7", 1, 2.6)
    path.write_text(path.read_text().replace("gravity.z", "other"))
    with pytest.raises(DataError, match=r"gravity\.z"):
        list(motionsense.read(tmp_path, SourceOptions()).windows)
