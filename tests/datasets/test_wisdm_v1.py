from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.motion import wisdm_v1
from sensor2llm.datasets.motion.motion_tables import COPY, EARLIER
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.ledger.extents import REST
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import SHORT


def bout(user: int, activity: str, start_s: float, seconds: float, rate_hz: float = 20.0) -> str:
    """Write samples as published; y is the time since the start, in s."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return "".join(
        f"{user},{activity},{round((start_s + t) * 1e9)},-0.6946377,{t:.5f},5.0E-4;\n"
        for t in times
    )


def write(root: Path, text: str) -> Path:
    path = root / "WISDM_ar_v1.1" / "WISDM_ar_v1.1_raw.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(root: Path, **options) -> list:
    return list(wisdm_v1.read(root, SourceOptions(**options)).windows)


def test_windows_are_ten_seconds_at_20_hz_with_readable_labels(tmp_path: Path):
    names = ("Walking", "Jogging", "Upstairs", "Downstairs", "Sitting", "Standing")
    parts = [bout(33, name, 49105 + 30 * i, 12) for i, name in enumerate(names)]
    write(tmp_path, "".join([*parts, bout(7, "Walking", 9, 12)]))
    reading = wisdm_v1.read(tmp_path, SourceOptions())
    windows = list(reading.windows)
    assert [(w.subject, w.label, round(w.start_s, 6)) for w in windows] == [
        ("33", "walking", 0.0),
        ("33", "jogging", 30.0),
        ("33", "walking upstairs", 60.0),
        ("33", "walking downstairs", 90.0),
        ("33", "sitting", 120.0),
        ("33", "standing", 150.0),
        ("7", "walking", 0.0),
    ]
    assert list(reading.label_names) == [w.label for w in windows[:6]]
    [modality] = reading.spec.modalities
    assert (modality.name, modality.rate_hz, modality.units[0]) == ("phone_accel", 20, "m/s^2")
    values = windows[0].signals["phone_accel"]
    expected = [np.full(200, -0.6946377), np.arange(200) / 20, np.full(200, 5e-4)]
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert reading.ledger["samples"].kept == 200 * len(windows)
    assert set(reading.ledger["samples"].dropped) == {REST}
    assert reading.ledger.unbalanced() == {}


def test_overlap_and_window_length_are_options(tmp_path: Path):
    write(tmp_path, bout(1, "Walking", 5, 10))
    starts = [w.start_s for w in read(tmp_path, overlap=0.5, window_s=5.0)]
    np.testing.assert_allclose(starts, [0, 2.5, 5])


def test_two_samples_on_a_line_and_a_comma_before_the_semicolon_are_read(tmp_path: Path):
    text = bout(33, "Jogging", 10, 10)
    write(tmp_path, text)
    [plain] = read(tmp_path)
    lines = text.splitlines()
    joined = [lines[0] + lines[1], lines[2].replace(";", ",;"), lines[3].replace(";", ",")]
    write(tmp_path, "\r\n".join([*joined, *lines[4:]]))
    reading = wisdm_v1.read(tmp_path, SourceOptions())
    [mended] = reading.windows
    np.testing.assert_array_equal(plain.signals["phone_accel"], mended.signals["phone_accel"])
    assert reading.ledger["samples"].dropped == {}


def test_samples_without_a_time_stamp_are_dropped_and_counted(tmp_path: Path):
    lines = bout(33, "Jogging", 10, 10).splitlines()
    zeros = ["33,Jogging,0,0,0,0;"] * 20
    write(tmp_path, "\n".join([*lines[:100], *zeros, *lines[100:]]))
    reading = wisdm_v1.read(tmp_path, SourceOptions())
    [window] = reading.windows
    np.testing.assert_allclose(window.signals["phone_accel"][1], np.arange(200) / 20, atol=1e-6)
    assert reading.ledger["samples"].dropped == {"with time stamp 0": 20}
    assert (reading.ledger["samples"].read, reading.ledger["samples"].kept) == (220, 200)


def test_repeated_and_earlier_stamps_are_dropped_and_counted(tmp_path: Path):
    lines = bout(33, "Jogging", 10, 10).splitlines()
    write(tmp_path, "\n".join([*lines[:100], lines[99], lines[97], *lines[100:]]))
    reading = wisdm_v1.read(tmp_path, SourceOptions())
    [window] = reading.windows
    np.testing.assert_allclose(window.signals["phone_accel"][1], np.arange(200) / 20, atol=1e-6)
    assert reading.ledger["samples"].dropped == {COPY: 1, EARLIER: 1}
    assert reading.ledger.unbalanced() == {}


def test_a_clock_that_restarts_begins_another_bout_after_the_one_before(tmp_path: Path):
    write(tmp_path, bout(3, "Walking", 100, 12) + bout(3, "Walking", 40, 10))
    windows = read(tmp_path)
    np.testing.assert_allclose([w.start_s for w in windows], [0, 12.95])
    for window in windows:
        np.testing.assert_allclose(window.signals["phone_accel"][1], np.arange(200) / 20, atol=1e-5)


def test_a_pause_is_not_bridged(tmp_path: Path):
    write(tmp_path, bout(3, "Walking", 100, 12) + bout(3, "Walking", 113, 11))
    np.testing.assert_allclose([w.start_s for w in read(tmp_path)], [0, 13])


def test_a_clock_that_leaps_ahead_costs_no_memory(tmp_path: Path):
    write(tmp_path, bout(3, "Walking", 1, 10) + bout(3, "Walking", 1e8, 10))
    np.testing.assert_allclose([w.start_s for w in read(tmp_path)], [0, 1e8 - 1])


def test_bursts_are_averaged(tmp_path: Path):
    write(tmp_path, bout(3, "Walking", 100, 10.2, rate_hz=100))
    [window] = read(tmp_path)
    # The mean of five samples lies 20 ms after the first of them.
    expected = np.arange(200) / 20
    np.testing.assert_allclose(window.signals["phone_accel"][1, 1:], expected[1:], atol=1e-3)


def test_bouts_that_are_too_short_are_counted(tmp_path: Path):
    write(tmp_path, bout(3, "Walking", 100, 5) + bout(3, "Sitting", 106, 10))
    reading = wisdm_v1.read(tmp_path, SourceOptions())
    assert [w.label for w in reading.windows] == ["sitting"]
    assert reading.ledger["samples"].dropped == {SHORT: 100}
    assert reading.ledger.unbalanced() == {}


MALFORMED = (
    "33,Jogging,49106062271000,5.01,11.2,;",
    "33,Jogging,,5.01,11.2,0.9;",
    "33,Flying,49106062271000,5.01,11.2,0.9;",
    "x,Jogging,49106062271000,5.01,11.2,0.9;",
    "33,Jogging,49106062271000,5.01,11.2,0.9,1;",
    "33,Jogging,49106062271000,5.01,1.1.2,0.9;",
)


@pytest.mark.parametrize("line", MALFORMED)
def test_few_malformed_samples_are_skipped_and_counted(tmp_path: Path, line: str):
    lines = bout(33, "Jogging", 10, 10).splitlines()
    write(tmp_path, "\n".join([*lines[:50], line, *lines[50:]]))
    ledger = Ledger()
    spec = wisdm_v1.make_spec()
    [bout_] = wisdm_v1.read_bouts(next(tmp_path.rglob("*_raw.txt")), spec, ledger)
    assert bout_.values["phone_accel"].shape == (3, 200)
    assert ledger["samples"].dropped == {"malformed": 1}


@pytest.mark.parametrize("line", MALFORMED)
def test_more_than_one_percent_is_an_error_that_shows_the_first(tmp_path: Path, line: str):
    lines = bout(33, "Jogging", 10, 5).splitlines()
    write(tmp_path, "\n".join([lines[0] + lines[1], *lines[2:50], line, line, *lines[50:]]))
    message = r"2 of 102 samples \(2.0%\) are malformed.*the first is in line 50: "
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path)
    assert line in str(error.value)


def test_empty_files_folders_and_other_options_are_errors(tmp_path: Path):
    with pytest.raises(DataError, match=r"no 'WISDM_ar_v1\.1/WISDM_ar_v1\.1_raw\.txt' in .*wisdm"):
        read(tmp_path)
    path = write(tmp_path, "\n")
    with pytest.raises(DataError, match=r"WISDM_ar_v1\.1_raw\.txt is empty"):
        read(tmp_path)
    path.write_text("33,Jogging,0,0,0,0;\n" * 3)
    with pytest.raises(DataError, match="holds no sample with a time stamp"):
        read(path.parent)
    with pytest.raises(ConfigError, match="wisdm_v1 has no option --devices"):
        read(tmp_path, devices="phone")


def test_genuine_rows_are_read(shared: Path):
    path = shared / "data" / "wisdm_v1.1_format" / "WISDM_ar_v1.1_raw_first5.txt"
    ledger = Ledger()
    [found] = wisdm_v1.read_bouts(path, wisdm_v1.make_spec(0.2), ledger)
    assert (found.subject, found.label) == ("33", "jogging")
    first = [-0.6946377, 12.680544, 0.50395286]
    np.testing.assert_allclose(found.values["phone_accel"][:, 0], first, rtol=1e-6)
    # The rows are a tenth of a second apart, not a twentieth.
    assert found.values["phone_accel"].shape == (3, 8)
    assert ledger["samples"].dropped == {}
