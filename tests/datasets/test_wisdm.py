import tarfile
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.motion import wisdm
from sensor2llm.datasets.motion.motion_tables import COPY, EARLIER, SHARED, SLOW
from sensor2llm.datasets.motion.wisdm_file import average_bursts, read_segments
from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.extents import REST
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import SHORT

CODES = frozenset(wisdm.LABELS)
ALL = ("watch_accel", "watch_gyro", "phone_accel", "phone_gyro")


def write(root: Path, name: str, subject: int, parts: list, value: float = 0.0) -> Path:
    """Write segments (code, times in s) in the published format; z holds the time itself."""
    device, sensor = name.split("_")
    folder = root / "wisdm-dataset" / "raw" / device / sensor
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"data_{subject}_{sensor}_{device}.txt"
    path.write_text(
        "".join(
            f"{subject},{code},{round(t * 1e9)},{value},-1.5e-2,{t - times[0]:.5f};\n"
            for code, times in parts
            for t in times
        )
    )
    return path


def ticks(start_s: float, seconds: float, rate_hz: float = 20.0) -> np.ndarray:
    return start_s + np.arange(round(seconds * rate_hz)) / rate_hz


@pytest.fixture
def two_people(tmp_path: Path) -> Path:
    for name in ALL:
        clock = 5000.0 if name.startswith("watch") else 90000.0
        write(tmp_path, name, 1600, [("D", ticks(clock + 500, 25)), ("A", ticks(clock, 25))])
    write(tmp_path, "watch_accel", 1601, [("S", ticks(10, 12))])
    return tmp_path


def test_windows_are_ten_seconds_at_20_hz_with_readable_labels(two_people: Path):
    reading = wisdm.read(two_people, SourceOptions())
    windows = list(reading.windows)
    assert reading.spec.names == ALL
    assert [m.units[0] for m in reading.spec.modalities] == ["m/s^2", "rad/s"] * 2
    assert [(w.subject, w.label) for w in windows] == [
        *[("1600", "walking")] * 2,
        *[("1600", "sitting")] * 2,
        ("1601", "folding clothes"),
    ]
    for window in windows:
        reading.spec.check(window)
    assert windows[0].signals["watch_accel"].shape == (3, 200)


def test_devices_are_paired_at_the_same_time_after_the_start_of_the_activity(two_people: Path):
    second = list(wisdm.read(two_people, SourceOptions()).windows)[1]
    for name in ALL:
        np.testing.assert_allclose(second.signals[name][2], 10 + np.arange(200) / 20, atol=2e-5)


def test_starts_count_on_the_watch_from_the_first_sample(two_people: Path):
    starts = [w.start_s for w in wisdm.read(two_people, SourceOptions()).windows]
    np.testing.assert_allclose(starts, [0, 10, 500, 510, 0])


def test_a_sensor_without_a_file_is_absent(two_people: Path):
    last = list(wisdm.read(two_people, SourceOptions()).windows)[-1]
    assert set(last.signals) == {"watch_accel"}


def test_only_complete_people_are_kept_when_asked_for(two_people: Path):
    options = SourceOptions(subjects="complete")
    assert {w.subject for w in wisdm.read(two_people, options).windows} == {"1600"}


@pytest.mark.parametrize(("devices", "names"), [("watch", ALL[:2]), ("phone", ALL[2:])])
def test_one_device_can_be_read_alone(two_people: Path, devices, names):
    reading = wisdm.read(two_people, SourceOptions(devices=devices))
    assert reading.spec.names == names
    assert all(set(w.signals) <= set(names) for w in reading.windows)


def test_overlap_and_window_length_are_options(two_people: Path):
    reading = wisdm.read(two_people, SourceOptions(overlap=0.5, window_s=5.0))
    starts = [w.start_s for w in reading.windows if w.label == "walking"]
    np.testing.assert_allclose(starts, np.arange(9) * 2.5)


def test_sensors_of_one_device_keep_their_common_clock(tmp_path: Path):
    write(tmp_path, "phone_accel", 1600, [("A", ticks(100, 21))])
    write(tmp_path, "phone_gyro", 1600, [("A", ticks(100.2, 21))])
    window = next(wisdm.read(tmp_path, SourceOptions()).windows)
    difference = window.signals["phone_accel"][2] - window.signals["phone_gyro"][2]
    np.testing.assert_allclose(difference, 0.2, atol=2e-5)


def test_a_moment_that_one_sensor_stopped_earlier_costs_a_window_not_a_sensor(tmp_path: Path):
    write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 20))])
    write(tmp_path, "watch_gyro", 1600, [("A", ticks(0, 19.4))])
    windows = list(wisdm.read(tmp_path, SourceOptions()).windows)
    assert [set(w.signals) for w in windows] == [{"watch_accel", "watch_gyro"}]


def test_a_pause_is_not_bridged(tmp_path: Path):
    times = np.r_[ticks(0, 12), ticks(70, 12)]
    write(tmp_path, "watch_accel", 1600, [("A", times)])
    starts = [w.start_s for w in wisdm.read(tmp_path, SourceOptions()).windows]
    np.testing.assert_allclose(starts, [0, 70])


def test_an_activity_done_twice_is_two_segments(tmp_path: Path):
    parts = [("A", ticks(0, 12)), ("B", ticks(100, 12)), ("A", ticks(200, 12))]
    for name in ALL[:2]:
        write(tmp_path, name, 1600, parts)
    found = [
        (w.label, w.start_s, len(w.signals)) for w in wisdm.read(tmp_path, SourceOptions()).windows
    ]
    assert found == [("walking", 0, 2), ("jogging", 100, 2), ("walking", 200, 2)]


def test_bursts_are_averaged_and_samples_at_the_rate_stay():
    times = np.r_[0.0, 0.05, 0.10, 0.11, 0.12, 0.13, 0.14, 0.2]
    thin, values = average_bursts(times, times[None] * 10, 20.0)
    np.testing.assert_allclose(thin, [0, 0.05, 0.12, 0.2], atol=1e-12)
    np.testing.assert_allclose(values[0], thin * 10)


def test_repeated_and_earlier_stamps_are_dropped_and_counted(tmp_path: Path):
    times = ticks(0, 12)
    muddled = np.r_[times[:100], times[99], times[97], times[100:]]
    path = write(tmp_path, "watch_accel", 1600, [("A", muddled)])
    ledger = Ledger()
    [part] = read_segments(path, "1600", CODES, ledger)
    np.testing.assert_allclose(part.times_s, times)
    assert ledger["samples"].dropped == {COPY: 1, EARLIER: 1}


def test_a_clock_that_restarts_begins_another_segment(tmp_path: Path):
    path = write(tmp_path, "watch_accel", 1600, [("A", ticks(100, 12)), ("A", ticks(0, 15))])
    durations = [len(s.times_s) for s in read_segments(path, "1600", CODES, Ledger())]
    assert durations == [240, 300]


def test_nanoseconds_since_1970_keep_their_spacing(tmp_path: Path):
    path = write(tmp_path, "watch_accel", 1600, [("A", ticks(1.5e9, 12))])
    [part] = read_segments(path, "1600", CODES, Ledger())
    np.testing.assert_allclose(np.diff(part.times_s), 0.05, atol=1e-6)


MALFORMED = (
    "1600,A,,1,2,3;",
    "1600,A,5,1,2",
    "1600,A,5,1,2,3,4;",
    "1600,N,5,1,2,3;",
    "1601,A,5,1,2,3;",
    "1600,A,5,1,x,3;",
    "1600,A,5,1,nan,3;",
)


@pytest.mark.parametrize("line", MALFORMED)
def test_few_malformed_lines_are_skipped_and_counted(tmp_path: Path, line):
    path = write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 12))])
    text = path.read_text().splitlines()
    path.write_text("\n".join([*text[:50], line, *text[50:]]))
    ledger = Ledger()
    [part] = read_segments(path, "1600", CODES, ledger)
    assert len(part.times_s) == 240
    assert ledger["samples"].dropped == {"malformed": 1}


@pytest.mark.parametrize("line", MALFORMED)
def test_more_than_one_percent_malformed_lines_are_an_error_that_shows_the_first(tmp_path, line):
    path = write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 5))])
    text = path.read_text().splitlines()
    path.write_text("\n".join([*text[:50], line, line, *text[50:]]))
    with pytest.raises(
        DataError, match=r"2 of 102 samples \(2.0%\).*the first is in line 51"
    ) as error:
        list(read_segments(path, "1600", CODES, Ledger()))
    assert line in str(error.value)


def test_an_empty_file_and_an_empty_folder_are_errors(tmp_path: Path):
    with pytest.raises(DataError, match=r"archive\.ics\.uci\.edu/dataset/507"):
        wisdm.read(tmp_path, SourceOptions())
    write(tmp_path, "watch_accel", 1600, [])
    with pytest.raises(DataError, match=r"data_1600_accel_watch\.txt is empty"):
        list(wisdm.read(tmp_path, SourceOptions()).windows)
    with pytest.raises(DataError, match="no data of phone"):
        wisdm.read(tmp_path, SourceOptions(devices="phone"))


def test_the_real_files_of_one_person_give_all_activities(shared: Path, tmp_path: Path):
    with tarfile.open(shared / "data" / "wisdm2019" / "raw_1600.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    reading = wisdm.read(tmp_path, SourceOptions())
    windows = list(islice(reading.windows, 400))
    counts = Counter(w.label for w in windows)
    assert set(counts) == set(wisdm.LABELS.values())
    assert set(counts.values()) == {17}
    assert all(set(w.signals) == set(ALL) for w in windows)
    assert reading.ledger.unbalanced() == {}
    assert reading.ledger["samples"].kept > 0.9 * reading.ledger["samples"].read
    norms = [np.linalg.norm(w.signals["watch_accel"], axis=0).mean() for w in windows]
    assert 9 < np.median(norms) < 11


def test_every_sample_is_accounted_for(tmp_path: Path):
    # 25 s and 5 s at 20 Hz: two windows of 10 s, 5 s left over, and a bout that is too short.
    write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 25)), ("B", ticks(30, 5))])
    reading = wisdm.read(tmp_path, SourceOptions(devices="watch"))
    assert len(list(reading.windows)) == 2
    samples = reading.ledger["samples"]
    assert (samples.read, samples.kept) == (600, 400)
    assert samples.dropped == {REST: 100, SHORT: 100}
    assert reading.ledger.unbalanced() == {}


def test_samples_of_whole_second_stamps_are_spread_and_none_is_lost(tmp_path: Path):
    path = write(tmp_path, "watch_accel", 1600, [("A", np.repeat(np.arange(20.0), 20))])
    lines = [line.split(",") for line in path.read_text().splitlines()]
    text = "".join(",".join([*cells[:5], f"{i / 20};\n"]) for i, cells in enumerate(lines))
    path.write_text(text)
    reading = wisdm.read(tmp_path, SourceOptions(devices="watch"))
    windows = list(reading.windows)
    assert [w.start_s for w in windows] == [0, 10]
    expected = 10 + np.arange(200) / 20
    np.testing.assert_allclose(windows[1].signals["watch_accel"][2], expected, atol=0.06)
    assert reading.ledger["samples"].kept == reading.ledger["samples"].read == 400
    assert reading.ledger["samples"].changed == {SHARED: 400}


@pytest.mark.parametrize("value", ["1e30", "-1e308", "4000"])
def test_values_that_cannot_be_are_missing_and_counted(tmp_path: Path, value):
    path = write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 12))])
    path.write_text(path.read_text().replace(",2.00000;", f",{value};"))
    reading = wisdm.read(tmp_path, SourceOptions(devices="watch"))
    [window] = reading.windows
    z = window.signals["watch_accel"][2]
    np.testing.assert_allclose(z, np.arange(200) / 20, atol=1e-4)
    assert reading.ledger["samples"].changed == {
        "with a value that cannot be in m/s^2 taken as missing": 1
    }


def test_values_that_mostly_cannot_be_are_refused(tmp_path: Path):
    write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 12))], value=9e4)
    with pytest.raises(SpecError, match=r"person 1600: 'watch_accel' is said to be in m/s\^2"):
        list(wisdm.read(tmp_path, SourceOptions(devices="watch")).windows)


def test_a_sensor_slower_than_the_longest_pause_gives_no_window(tmp_path: Path):
    write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 60, 1.0))])
    reading = wisdm.read(tmp_path, SourceOptions(devices="watch"))
    assert list(reading.windows) == []
    assert reading.ledger["samples"].dropped == {SLOW: 60}


def test_a_clock_that_jumps_for_years_is_refused(tmp_path: Path):
    write(tmp_path, "watch_accel", 1600, [("A", np.r_[ticks(0, 12), 1e9 + ticks(0, 12)])])
    with pytest.raises(DataError, match=r"its clock jumps on by 1e\+09 s within an activity"):
        list(wisdm.read(tmp_path, SourceOptions()).windows)


def test_a_file_without_a_sample_is_refused(tmp_path: Path):
    path = write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 12))])
    path.write_text("\n \n\n")
    with pytest.raises(DataError, match=r"data_1600_accel_watch\.txt is empty"):
        list(wisdm.read(tmp_path, SourceOptions()).windows)


def test_two_files_of_one_person_are_refused(tmp_path: Path):
    path = write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 12))])
    path.with_name("data_1600_again_accel_watch.txt").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="has two files of one person"):
        wisdm.read(tmp_path, SourceOptions())


def test_bytes_that_are_no_text_are_malformed(tmp_path: Path):
    path = write(tmp_path, "watch_accel", 1600, [("A", ticks(0, 12))])
    path.write_bytes(path.read_bytes() + b"\xff\xfe\xff,1\n")
    reading = wisdm.read(tmp_path, SourceOptions(devices="watch"))
    assert len(list(reading.windows)) == 1
    assert reading.ledger["samples"].dropped["malformed"] == 1
