from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.formats import text_tables
from sensor2llm.datasets.motion import hhar
from sensor2llm.datasets.motion.motion_tables import SHARED, SLOW
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import SHORT

HEADER = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt\n"
FILES = {
    "phone_accel": "Phones_accelerometer.csv",
    "phone_gyro": "Phones_gyroscope.csv",
    "watch_accel": "Watch_accelerometer.csv",
    "watch_gyro": "Watch_gyroscope.csv",
}
EPOCH_MS, BOOT_NS = 1424696633908, 27920678471000


def ticks(start_s: float, seconds: float, rate_hz: float) -> np.ndarray:
    return start_s + np.arange(round(seconds * rate_hz)) / rate_hz


def rows(times, user="a", device="nexus4_1", gt="walk", arrive=None, create=None, value=None):
    """Write samples: x is the time in s, y a constant, z minus the time."""
    arrive = np.asarray(times if arrive is None else arrive)
    create = np.asarray(times if create is None else create)
    x = np.asarray(times if value is None else value)
    return "".join(
        f"{i},{EPOCH_MS + round(a * 1e3)},{BOOT_NS + round(c * 1e9)},{v:.6f},0.68806,{-v:.6f},"
        f"{user},{device.split('_')[0]},{device},{gt}\n"
        for i, (a, c, v) in enumerate(zip(arrive, create, x, strict=True))
    )


def write(root: Path, **texts: str) -> Path:
    folder = root / "Activity recognition exp"
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in FILES.items():
        (folder / file).write_text(HEADER + texts.get(name, ""))
    return folder


def read(root: Path, **options):
    reading = hhar.read(root, SourceOptions(**options))
    return reading, list(reading.windows)


def test_every_device_of_a_person_is_a_recording_with_its_own_sensors(tmp_path: Path):
    one, two = ticks(0, 4, 200), ticks(50, 4, 100)
    watch = {"device": "gear_2", "gt": "bike"}
    write(
        tmp_path,
        phone_accel=rows(one, "b", "s3_1") + rows(one, device="s3_1"),
        phone_gyro=rows(one, device="s3_1") + rows(one, "b", "s3_1"),
        watch_accel=rows(two, **watch),
        watch_gyro=rows(two, **watch),
    )
    reading, windows = read(tmp_path)
    found = [(w.subject, w.label, tuple(w.signals)) for w in windows]
    watches, phones = ("watch_accel", "watch_gyro"), ("phone_accel", "phone_gyro")
    assert found == [
        *[("a", "cycling", watches)] * 2,
        *[("a", "walking", phones)] * 2,
        *[("b", "walking", phones)] * 2,
    ]
    np.testing.assert_allclose([w.start_s for w in windows], [0, 1.28] * 3)
    assert {m.name: m.units[0] for m in reading.spec.modalities} == {
        "phone_accel": "m/s^2",
        "phone_gyro": "rad/s",
        "watch_accel": "m/s^2",
        "watch_gyro": "rad/s",
    }
    assert {m.shape for m in reading.spec.modalities} == {(3, 128)}
    for window in windows:
        reading.spec.check(window)
    assert reading.ledger.unbalanced() == {}


@pytest.mark.parametrize("rate_hz", [50, 67, 100, 200])
def test_devices_of_any_rate_are_brought_to_50_hz(tmp_path: Path, rate_hz: float):
    times = ticks(0, 3, rate_hz)
    write(tmp_path, phone_accel=rows(times, value=np.sin(2 * np.pi * times)))
    _, [window] = read(tmp_path)
    expected = np.sin(2 * np.pi * np.arange(128) / 50)
    np.testing.assert_allclose(window.signals["phone_accel"][0], expected, atol=0.02)
    np.testing.assert_allclose(window.signals["phone_accel"][1], 0.68806, atol=1e-4)


def test_labels_are_readable_and_null_samples_are_dropped_and_counted(tmp_path: Path):
    names = ("stand", "sit", "walk", "stairsup", "stairsdown", "bike")
    parts = [rows(ticks(10 * i, 2.56, 50), gt=name) for i, name in enumerate(names)]
    rest = rows(ticks(3, 2, 50), gt="null") + rows(ticks(13, 2, 50), gt="")
    write(tmp_path, phone_accel="".join(parts) + rest)
    reading, windows = read(tmp_path)
    labels = ["standing", "sitting", "walking", "walking upstairs", "walking downstairs", "cycling"]
    assert [w.label for w in windows] == labels
    assert sorted(reading.label_names) == sorted(labels)
    np.testing.assert_allclose([w.start_s for w in windows], np.arange(6) * 10)
    assert reading.ledger["samples"].dropped["without an activity"] == 200
    assert reading.ledger.unbalanced() == {}


def test_even_creation_times_are_the_clock_where_arrivals_jitter(tmp_path: Path):
    times = ticks(0, 3, 100)
    late = times + np.random.default_rng(0).uniform(0, 0.2, len(times))
    write(tmp_path, phone_accel=rows(times, arrive=late))
    reading, [window] = read(tmp_path)
    steps = np.diff(window.signals["phone_accel"][0])
    np.testing.assert_allclose(steps, 0.02, atol=1e-4)
    assert reading.ledger["samples"].changed == {}


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda t: np.where(t < 1.5, t, t + 1e6), id="jumps to another epoch"),
        pytest.param(lambda t: t * 1000, id="runs at another speed"),
        pytest.param(lambda t: np.zeros_like(t), id="stands still"),
    ],
)
def test_arrivals_are_the_clock_where_creation_times_are_broken(tmp_path: Path, broken):
    times = ticks(0, 3, 100)
    write(tmp_path, phone_accel=rows(times, create=broken(times)))
    reading, [window] = read(tmp_path)
    # Two samples a step are averaged: 5 ms after the first of them.
    expected = np.arange(128) / 50 + 0.005
    np.testing.assert_allclose(window.signals["phone_accel"][0], expected, atol=6e-3)
    assert reading.ledger["samples"].changed == {"timed by arrival, bursts averaged": len(times)}
    assert reading.ledger.unbalanced() == {}


def test_single_wrong_creation_times_are_dropped_and_counted(tmp_path: Path):
    times = ticks(0, 3, 100)
    create = times.copy()
    create[[50, 150]] += 500.0
    create[200] = create[199]
    write(tmp_path, phone_accel=rows(times, create=create))
    reading, [window] = read(tmp_path)
    np.testing.assert_allclose(window.signals["phone_accel"][0], np.arange(128) / 50, atol=0.01)
    assert reading.ledger["samples"].dropped["created at another time than they arrived"] == 2
    assert reading.ledger["samples"].changed == {SHARED: 2}
    assert reading.ledger.unbalanced() == {}


def test_sensors_of_a_device_are_paired_by_time_and_cut_to_what_both_measured(tmp_path: Path):
    write(
        tmp_path,
        phone_accel=rows(ticks(0, 6, 100)),
        phone_gyro=rows(ticks(0.5, 4.8, 200), create=ticks(900, 4.8, 200)),
    )
    _, windows = read(tmp_path, overlap=0.0)
    [window] = windows
    assert window.start_s == pytest.approx(0.5, abs=0.01)
    for name in ("phone_accel", "phone_gyro"):
        expected = 0.5 + np.arange(128) / 50
        np.testing.assert_allclose(window.signals[name][0], expected, atol=0.011)


def test_samples_are_sorted_by_arrival_and_pauses_are_not_bridged(tmp_path: Path):
    text = rows(ticks(20, 3, 100)) + rows(ticks(0, 3, 100)) + rows(ticks(4, 3, 100))
    write(tmp_path, phone_accel=text)
    _, windows = read(tmp_path, overlap=0.0)
    np.testing.assert_allclose([w.start_s for w in windows], [0, 4, 20], atol=0.01)


def test_short_bouts_are_counted(tmp_path: Path):
    write(tmp_path, phone_accel=rows(ticks(0, 2, 50)) + rows(ticks(2, 3, 50), gt="sit"))
    reading, windows = read(tmp_path)
    assert [w.label for w in windows] == ["sitting"]
    assert reading.ledger["samples"].dropped[SHORT] == 100
    assert reading.ledger.unbalanced() == {}


@pytest.mark.parametrize(("devices", "start"), [("watch", 2), ("phone", 0)])
def test_one_device_kind_can_be_read_alone(tmp_path: Path, devices: str, start: int):
    times = ticks(0, 3, 50)
    folder = write(tmp_path, phone_accel=rows(times), watch_gyro=rows(times, device="lgwatch_1"))
    for name, file in FILES.items():
        if not name.startswith(devices):
            (folder / file).unlink()
    reading, windows = read(folder, devices=devices)
    assert reading.spec.names == tuple(FILES)[start : start + 2]
    assert len(windows) == 1


def test_pieces_of_a_file_and_mixed_devices_change_nothing(tmp_path: Path, monkeypatch):
    one, two = (rows(ticks(0, 3, 100), user).splitlines() for user in "ab")
    write(tmp_path, phone_accel="\n".join([*one, *two]) + "\n")
    _, whole = read(tmp_path)
    mixed = [line for pair in zip(one, two, strict=True) for line in pair]
    write(tmp_path, phone_accel="\n".join(mixed) + "\n")
    monkeypatch.setattr(text_tables, "BLOCK_BYTES", 1000)
    _, pieces = read(tmp_path)
    assert [w.subject for w in whole] == [w.subject for w in pieces] == ["a", "b"]
    for first, second in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(first.signals["phone_accel"], second.signals["phone_accel"])


def test_overlap_and_window_length_are_options(tmp_path: Path):
    write(tmp_path, watch_accel=rows(ticks(0, 10, 50), device="gear_1"))
    _, windows = read(tmp_path, overlap=0.0, window_s=5.0)
    np.testing.assert_allclose([w.start_s for w in windows], [0, 5])
    assert windows[0].signals["watch_accel"].shape == (3, 250)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1,2,3\n", r"Phones_gyroscope\.csv: .*Row #2: Expected 10 columns, got 4"),
        ("0,late,2,1,1,1,a,s3,s3_1,sit\n", "column 2: Row #2: .*invalid value 'late'"),
        ("0,1,,1,1,1,a,s3,s3_1,sit\n", "1 cells of 'Creation_Time' are empty"),
        ("0,1,2,1,1,1,a,s3,s3_1,swim\n", "unknown activity 'swim', expected bike, .* or null"),
    ],
)
def test_a_file_that_is_not_as_published_is_an_error(tmp_path: Path, text: str, message: str):
    write(tmp_path, phone_gyro=text)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_missing_files_folders_and_other_options_are_errors(tmp_path: Path):
    with pytest.raises(DataError, match=r"no 'Activity recognition exp/\*_acc.*dataset/344 there"):
        read(tmp_path)
    (write(tmp_path) / "Watch_gyroscope.csv").unlink()
    with pytest.raises(DataError, match=r"Watch_gyroscope\.csv is missing; unpack the whole"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="hhar has devices watch, phone and both, got 'chest'"):
        read(tmp_path, devices="chest")
    with pytest.raises(ConfigError, match="hhar has no option --classes"):
        read(tmp_path, classes="all")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",a,", ",,", "has a sample without a User or a Device"),
        ("walk", "walk\u2026" * 50, "unknown activity 'walk…walk…"),
    ],
)
def test_samples_of_nobody_are_refused(tmp_path: Path, old, new, message):
    folder = write(tmp_path, phone_accel=rows(ticks(0, 3, 50)))
    path = next(folder.rglob("Phones_accelerometer.csv"))
    path.write_text(path.read_text().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path)
    assert len(str(caught.value)) < 300


def test_times_that_cannot_be_and_too_many_devices_are_refused(tmp_path: Path):
    folder = write(tmp_path, phone_accel=rows(ticks(0, 3, 50)))
    path = next(folder.rglob("Phones_accelerometer.csv"))
    head, line, *_ = path.read_text().splitlines()
    cells = line.split(",")
    path.write_text("\n".join([head, ",".join([cells[0], "9" * 18, *cells[2:]])]))
    with pytest.raises(DataError, match=r"Arrival_Time 9{18} is no time in ms"):
        read(tmp_path)
    people = [",".join([*cells[:6], f"p{i}", *cells[7:]]) for i in range(201)]
    path.write_text("\n".join([head, *people]))
    with pytest.raises(DataError, match="names over 200 pairs of a user and a device"):
        read(tmp_path)


def test_a_sensor_slower_than_the_longest_pause_gives_no_window(tmp_path: Path):
    write(tmp_path, phone_accel=rows(ticks(0, 60, 1)))
    reading, windows = read(tmp_path)
    assert windows == []
    assert reading.ledger["samples"].dropped == {SLOW: 60}
