from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.motion import pamap2
from sensor2llm.datasets.motion.motion_tables import COPY, EARLIER, SHARED
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import SHORT

MOTION = ("hand_acc", "hand_gyro", "chest_acc", "chest_gyro", "ankle_acc", "ankle_gyro")
# The published columns that a modality is read from, counted from 1 as the readme does.
COLUMNS = {
    "hand_acc": (5, 6, 7),
    "hand_gyro": (11, 12, 13),
    "chest_acc": (22, 23, 24),
    "chest_gyro": (28, 29, 30),
    "ankle_acc": (39, 40, 41),
    "ankle_gyro": (45, 46, 47),
}


def rows(activity: int, start_s: float, seconds: float) -> np.ndarray:
    """Make samples: column c holds c plus a thousandth of its row; a heart rate each 11 rows."""
    count = round(seconds * 100)
    table = np.arange(1, 55) + np.arange(count)[:, None] / 1000
    table[:, 0] = np.round(start_s + np.arange(count) / 100, 2)
    table[:, 1] = activity
    table[:, 2] = np.where(np.arange(count) % 11 == 0, np.floor(60 + 10 * table[:, 0]), np.nan)
    return table


def write(root: Path, subject: int, *parts: np.ndarray) -> Path:
    path = root / "PAMAP2_Dataset" / "Protocol" / f"subject{subject}.dat"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in np.concatenate(parts):
        cells = [f"{row[0]:.2f}", f"{row[1]:.0f}"]
        cells += ["NaN" if np.isnan(cell) else f"{cell:g}" for cell in row[2:]]
        lines.append(" ".join(cells) + "\n")
    path.write_text("".join(lines))
    return path


def read(root: Path, **options) -> list:
    return list(pamap2.read(root, SourceOptions(**options)).windows)


def test_windows_are_512_samples_and_overlap_by_half(tmp_path: Path):
    write(tmp_path, 102, rows(24, 5.64, 8.0))
    write(tmp_path, 101, rows(4, 8.38, 10.24))
    reading = pamap2.read(tmp_path, SourceOptions())
    windows = list(reading.windows)
    found = [(w.subject, w.label, round(w.start_s, 2)) for w in windows]
    walking = [("101", "walking", start) for start in (0.0, 2.56, 5.12)]
    assert found == [*walking, ("102", "jumping rope", 0.0), ("102", "jumping rope", 2.56)]
    assert reading.spec.names == (*MOTION, "heart_rate")
    assert [m.units[0] for m in reading.spec.modalities] == ["m/s^2", "rad/s"] * 3 + ["bpm"]
    assert [m.shape for m in reading.spec.modalities] == [(3, 512)] * 6 + [(1, 5)]
    assert len(reading.label_names) == 12
    for window in windows:
        reading.spec.check(window)


@pytest.mark.parametrize("name", MOTION)
def test_each_modality_holds_its_published_columns(tmp_path: Path, name: str):
    write(tmp_path, 101, rows(1, 0.0, 6.0))
    [window] = read(tmp_path)
    expected = np.array(COLUMNS[name])[:, None] + np.arange(512) / 1000
    np.testing.assert_allclose(window.signals[name], expected, atol=1e-3)


def test_heart_rate_is_interpolated_at_the_seconds_of_the_window(tmp_path: Path):
    write(tmp_path, 101, rows(1, 20.0, 8.0))
    heart_rate = read(tmp_path)[1].signals["heart_rate"][0]
    # Readings are 60 plus ten times the file's clock, rounded down; the window starts at 22.56 s.
    np.testing.assert_allclose(heart_rate, 260 + 10 * (2.56 + np.arange(5)), atol=1.0)


def test_readings_from_before_the_activity_count_and_long_gaps_stay_missing(tmp_path: Path):
    known, gap = rows(0, 0.0, 0.12), rows(2, 0.12, 12.0)
    gap[:190, 2] = np.nan
    gap[520:840, 2] = np.nan
    write(tmp_path, 101, known, gap)
    windows = read(tmp_path, overlap=0.0)
    assert ["heart_rate" in w.signals for w in windows] == [True, False]
    assert set(MOTION) <= set(windows[1].signals)


def test_a_file_without_any_heart_rate_has_none(tmp_path: Path):
    part = rows(2, 0.0, 6.0)
    part[:, 2] = np.nan
    write(tmp_path, 101, part)
    [window] = read(tmp_path)
    assert tuple(window.signals) == MOTION


def test_changes_and_optional_activities_are_dropped_and_counted(tmp_path: Path):
    parts = [(0, 2.0), (3, 5.5), (0, 1.0), (9, 7.0), (13, 5.2), (12, 5.5), (5, 3.0)]
    starts = np.cumsum([0.0, *(seconds for _, seconds in parts)])
    write(tmp_path, 105, *(rows(code, t, s) for (code, s), t in zip(parts, starts, strict=False)))
    reading = pamap2.read(tmp_path, SourceOptions())
    found = [(w.label, round(w.start_s, 2)) for w in reading.windows]
    assert found == [
        ("standing", 2.0),
        ("walking downstairs", 15.5),
        ("walking upstairs", 20.7),
    ]
    dropped = reading.ledger["samples"].dropped
    assert dropped["between two activities"] == 300
    assert dropped["of optional activities"] == 700
    assert SHORT in dropped
    assert reading.ledger.unbalanced() == {}


def test_a_sensor_that_lost_its_link_is_absent_and_short_losses_are_filled(tmp_path: Path):
    part = rows(7, 0.0, 5.2)
    part[100:160, 3:20] = np.nan
    part[200:210, 20:37] = np.nan
    write(tmp_path, 101, part)
    [window] = read(tmp_path)
    assert not {"hand_acc", "hand_gyro"} & set(window.signals)
    np.testing.assert_allclose(
        window.signals["chest_acc"][0], 22 + np.arange(512) / 1000, atol=1e-3
    )


def test_windows_start_afresh_after_a_pause_of_the_clock(tmp_path: Path):
    write(tmp_path, 101, rows(1, 0.0, 6.0), rows(1, 10.0, 6.0))
    starts = [w.start_s for w in read(tmp_path)]
    np.testing.assert_allclose(starts, [0.0, 10.0])


def test_repeated_and_earlier_samples_are_dropped_and_counted(tmp_path: Path):
    part = rows(1, 0.0, 5.12)
    write(tmp_path, 101, part[:300], part[290:])
    reading = pamap2.read(tmp_path, SourceOptions())
    [window] = list(reading.windows)
    assert reading.ledger["samples"].dropped == {EARLIER: 9, COPY: 1}
    assert reading.ledger.unbalanced() == {}
    np.testing.assert_allclose(window.signals["hand_acc"][0], 5 + np.arange(512) / 1000, atol=1e-3)


def test_overlap_and_window_length_are_options(tmp_path: Path):
    write(tmp_path, 101, rows(1, 0.0, 10.0))
    windows = read(tmp_path, overlap=0.0, window_s=2.0)
    np.testing.assert_allclose([w.start_s for w in windows], [0, 2, 4, 6, 8])
    assert windows[0].signals["heart_rate"].shape == (1, 2)


def test_the_folder_of_the_files_can_be_given_too(tmp_path: Path):
    path = write(tmp_path, 101, rows(1, 0.0, 6.0))
    assert len(read(path.parent)) == len(read(path.parent.parent)) == len(read(tmp_path)) == 1


def test_other_blanks_between_the_cells_are_read(tmp_path: Path):
    path = write(tmp_path, 101, rows(1, 0.0, 6.0))
    [plain] = read(tmp_path)
    path.write_text(path.read_text().replace(" ", "  \t").replace("\n", " \n"))
    [blank] = read(tmp_path)
    for name, values in plain.signals.items():
        np.testing.assert_array_equal(values, blank.signals[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", r"subject101\.dat: Empty CSV file; expected 54 columns"),
        (lambda text: text + "1.00 1 NaN\n", "Row #601: Expected 54 columns, got 3"),
        (
            lambda text: text.replace("11.003", "eleven"),
            "column 11: Row #4: .*invalid value 'eleven'",
        ),
        (lambda text: text.replace("0.05 1 ", "0.05 8 "), "unknown activity 8, expected one of 0,"),
        (lambda text: text.replace("0.05 1 ", "NaN 1 "), r"subject101\.dat: row 6 has no time"),
        (lambda text: text.replace("0.05 1 ", "1e308 1 "), r"subject101\.dat: row 6 has no time"),
        (lambda text: text.replace("0.05 1 ", "0.05 NaN "), "1 cells of 'activity' are empty"),
    ],
)
def test_a_file_that_is_not_as_published_is_an_error(tmp_path: Path, change, message: str):
    path = write(tmp_path, 101, rows(1, 0.0, 6.0))
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_missing_folder_or_file_and_an_option_of_another_data_set_are_errors(tmp_path: Path):
    with pytest.raises(DataError, match=r"no 'PAMAP2_Dataset/Protocol/subject\*\.dat' in .*/231"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"subject104\.dat is missing; unpack the whole archive"):
        pamap2.read_samples(tmp_path / "subject104.dat")
    with pytest.raises(ConfigError, match="pamap2 has no option --devices"):
        read(tmp_path, devices="watch")


def test_genuine_rows_have_gravity_and_the_first_heart_rate(shared: Path):
    folder = shared / "data" / "pamap2_format"
    first = pamap2.read_samples(folder / "subject101_first_rows.dat").to_pylist()
    assert (first[0]["time"], first[0]["activity"], first[0]["heart_rate"]) == (8.38, 0, 104)
    assert first[1]["heart_rate"] is None
    assert first[0]["ankle_gyro_z"] == pytest.approx(-0.0175803)
    for path in sorted(folder.glob("*_first_rows.dat")):
        for row in pamap2.read_samples(path).to_pylist():
            for place in ("hand", "chest", "ankle"):
                norm = np.linalg.norm([row[f"{place}_acc_{axis}"] for axis in "xyz"])
                assert 8.5 < norm < 11.5


def test_a_first_column_that_is_no_clock_is_refused(tmp_path: Path):
    part = rows(1, 0.0, 6.0)
    part[:, 0] *= 1e6
    write(tmp_path, 101, part)
    with pytest.raises(DataError, match=r"600 samples over 5\.99e\+06 s, expected 100 a second"):
        read(tmp_path)


def test_samples_that_share_a_stamp_are_spread(tmp_path: Path):
    part = rows(1, 0.0, 6.0)
    part[:, 0] = np.floor(part[:, 0])
    write(tmp_path, 101, part)
    reading = pamap2.read(tmp_path, SourceOptions())
    [window] = reading.windows
    expected = COLUMNS["hand_acc"][0] + np.arange(512) / 1000
    np.testing.assert_allclose(window.signals["hand_acc"][0], expected, atol=1e-3)
    assert reading.ledger["samples"].changed == {SHARED: 600}
    assert reading.ledger.unbalanced() == {}
