"""A file of one's own becomes the adapter's windows."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.config import load
from sensor2llm.signals.tables.windows import read_windows
from sensor2llm.signals.window import Window

ACCEL = Modality(
    name="accel", channels=tuple(Channel(name=n, unit="g") for n in "xy"), steps=50, rate_hz=25.0
)
GYRO = Modality(
    name="gyro", channels=tuple(Channel(name=n, unit="deg/s") for n in "xz"), steps=50, rate_hz=25.0
)
HEART = Modality(name="heart", channels=(Channel(name="bpm", unit="1/min"),), steps=2, rate_hz=1.0)
SPEC = SignalSpec(modalities=(ACCEL, GYRO), window_s=2.0)
BOTH = SignalSpec(modalities=(ACCEL, HEART), window_s=2.0)


def columns(rate_hz=25.0, seconds=6.0):
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    return {"time_s": time, "accel.x": np.sin(time), "accel.y": np.cos(time), "note": time}


def write(path, table):
    if path.suffix == ".parquet":
        pa.parquet.write_table(pa.table(table), path)
    else:
        pa.csv.write_csv(pa.table(table), path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_that_bear_the_channels_names(tmp_path, suffix):
    windows = list(read_windows(write(tmp_path / f"walk.{suffix}", columns()), SPEC))
    assert [window.start_s for window in windows] == [0.0, 2.0, 4.0]
    assert set(windows[0].signals) == {"accel"}
    assert windows[1].signals["accel"][0] == pytest.approx(np.sin(2 + np.arange(50) / 25), abs=1e-5)


def test_overlap(tmp_path):
    windows = read_windows(write(tmp_path / "walk.csv", columns()), SPEC, overlap=0.5)
    assert [window.start_s for window in windows] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_bare_channel_names_are_enough_where_one_modality_has_them(tmp_path):
    spec = SPEC.subset(["accel"])
    given = {"x": np.arange(50.0), "y": np.arange(50.0)}
    (window,) = read_windows(write(tmp_path / "walk.csv", given), spec)
    assert window.signals["accel"][1] == pytest.approx(np.arange(50.0))


def test_labels_in_the_file_cut_nothing(tmp_path):
    given = columns() | {"label": ["walk" if i < 70 else "run" for i in range(150)]}
    windows = list(read_windows(write(tmp_path / "walk.csv", given), SPEC))
    assert [window.label for window in windows] == [None] * 3


def test_rows_without_time_come_at_the_specs_rate(tmp_path):
    given = columns()
    del given["time_s"]
    windows = list(read_windows(write(tmp_path / "walk.csv", given), SPEC))
    assert [window.start_s for window in windows] == [0.0, 2.0, 4.0]


def test_what_is_not_read_is_said(tmp_path, caplog):
    given = columns()
    given["clock"] = given.pop("time_s")
    with caplog.at_level("INFO"):
        list(read_windows(write(tmp_path / "walk.csv", given), SPEC))
    assert "walk.csv: the columns note, clock are not read" in caplog.text
    assert "no time column (time_s, time_ms" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        list(read_windows(write(tmp_path / "walk.csv", columns()), SPEC))
    assert caplog.messages == ["walk.csv: the columns note are not read"]


def test_rows_without_time_have_one_rate(tmp_path):
    given = {"accel.x": np.arange(99.0), "accel.y": np.arange(99.0), "heart.bpm": np.arange(99.0)}
    with pytest.raises(DataError, match="needs a time column"):
        list(read_windows(write(tmp_path / "walk.csv", given), BOTH))


def test_another_rate_is_brought_to_the_specs(tmp_path):
    windows = list(read_windows(write(tmp_path / "walk.csv", columns(rate_hz=100.0)), SPEC))
    assert len(windows) == 3
    middle = windows[1].signals["accel"][0][5:-5]
    assert middle == pytest.approx(np.sin(2 + np.arange(50) / 25)[5:-5], abs=0.05)


def test_a_slower_sensor_fills_fewer_cells(tmp_path):
    given = columns()
    bpm = [70.0 if i % 25 == 0 else None for i in range(150)]
    windows = list(read_windows(write(tmp_path / "walk.csv", {**given, "heart.bpm": bpm}), BOTH))
    assert windows[0].signals["heart"].tolist() == [[70.0, 70.0]]


def test_time_in_the_wrong_unit_is_recognised(tmp_path):
    given = columns()
    given["time_s"] = given["time_s"] * 1000
    with pytest.raises(DataError, match="thousand times off"):
        list(read_windows(write(tmp_path / "walk.csv", given), SPEC))


def test_one_missing_channel_is_named(tmp_path):
    given = columns()
    del given["accel.y"]
    with pytest.raises(DataError, match=r"no column 'accel\.y'"):
        list(read_windows(write(tmp_path / "walk.csv", given), SPEC))


def test_no_channel_at_all(tmp_path):
    with pytest.raises(DataError, match=r"expected the spec's channels, for example accel\.x"):
        list(read_windows(write(tmp_path / "walk.csv", {"x": [1.0]}), SPEC))


def test_ready_windows(tmp_path):
    values = np.random.default_rng(0).standard_normal((3, 2, 50)).astype(np.float32)
    np.savez(tmp_path / "windows.npz", accel=values, starts=np.array([0.0, 5.0, 9.0]))
    windows = list(read_windows(tmp_path / "windows.npz", SPEC))
    assert [window.start_s for window in windows] == [0.0, 5.0, 9.0]
    assert np.array_equal(windows[2].signals["accel"], values[2])


def test_ready_windows_that_say_what_they_are(tmp_path, caplog):
    time = np.arange(400) / 100 - 0.5
    both = np.stack([np.sin(time), np.cos(time)])[None] * 9.80665
    said = {"accel": both, "accel.rate_hz": 100.0, "accel.unit": ["m/s^2", "m/s^2"]}
    np.savez(tmp_path / "walk.npz", starts=[7.0], **said)
    with caplog.at_level("INFO"):
        (window,) = read_windows(tmp_path / "walk.npz", SPEC)
    # The centre 2 s of 4 s that began half a second early.
    assert window.start_s == 8.0
    expected = np.sin(0.5 + np.arange(50) / 25)
    assert window.signals["accel"][0] == pytest.approx(expected, abs=1e-3)
    (told,) = caplog.messages
    assert told == (
        "walk.npz is converted to what is expected: accel: m/s^2 to g, 100 Hz to 25 Hz, "
        "4 s to the 2 s at the centre"
    )


def test_ready_windows_of_a_slow_sensor_beside_a_fast_one(tmp_path):
    given = {"accel": np.ones((1, 2, 204)), "accel.rate_hz": 80.0, "heart": np.ones((1, 1, 3))}
    np.savez(tmp_path / "walk.npz", **given)
    (window,) = read_windows(tmp_path / "walk.npz", BOTH)
    assert {name: v.shape for name, v in window.signals.items()} == {
        "accel": (2, 50), "heart": (1, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"accel.rate_hz": 50.0}, "in windows of 1 s, the spec expects 2 s; prepare windows of 2"),
        ({"accel.rate_hz": "fast"}, r"walk.npz: 'accel.rate_hz' must be one number, got fast"),
        ({"accel.rate_hz": 0}, "'accel' needs a rate in Hz above 0, got 0"),
        ({"accel.unit": ["g"] * 3}, "holds 3 units; give one, or one for each of x, y"),
        ({"accel.unit": "rad/s"}, "in rad/s, the spec expects g; convert it or name the right"),
        ({"accel": np.ones((2, 50)), "accel.unit": "g"}, r"has shape \(2, 50\); expected \(window"),
    ],
)
def test_ready_windows_that_cannot_be_converted(tmp_path, said, message):
    np.savez(tmp_path / "walk.npz", **{"accel": np.ones((1, 2, 50)), **said})
    with pytest.raises(SpecError, match=message):
        list(read_windows(tmp_path / "walk.npz", SPEC))


def test_a_store_at_another_rate(tmp_path):
    fast = SignalSpec(modalities=(replace(ACCEL, rate_hz=50.0, steps=200),), window_s=4.0)
    time = np.arange(200) / 50
    windows = [Window({"accel": np.stack([np.sin(time), np.cos(time)])}, "me", start_s=3.0)]
    store = WindowStore.write(tmp_path / "store", fast, windows)
    (window,) = read_windows(store.path, SPEC)
    assert window.start_s == 4.0
    assert window.signals["accel"][1] == pytest.approx(np.cos(1 + np.arange(50) / 25), abs=1e-3)


def test_truncated_npz(tmp_path):
    np.savez(tmp_path / "windows.npz", accel=np.zeros((3, 2, 50), np.float32))
    whole = (tmp_path / "windows.npz").read_bytes()
    (tmp_path / "windows.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        list(read_windows(tmp_path / "windows.npz", SPEC))


DESCRIPTION = """
files: "walk*.csv"
time: {{column: ms, unit: ms}}
subject: {{value: me}}
window_s: 99
modalities:
  accel:
    rate_hz: 50
    columns: [{{column: a, name: x, unit: {unit}}}, {{column: b, name: y, unit: g}}]
"""


def describe(tmp_path, unit="g"):
    time = np.arange(300) * 20
    write(tmp_path / "walk1.csv", {"ms": time, "a": np.sin(time / 1000), "b": time / 1000})
    (tmp_path / "table.yaml").write_text(DESCRIPTION.format(unit=unit))
    return tmp_path / "table.yaml"


def test_a_description_of_other_columns_at_another_rate(tmp_path):
    windows = list(read_windows(describe(tmp_path), SPEC))
    assert [window.signals["accel"].shape for window in windows] == [(2, 50)] * 3


def test_a_description_in_another_unit_is_converted(tmp_path):
    windows = list(read_windows(describe(tmp_path, unit="m/s^2"), SPEC))
    stated = list(read_windows(describe(tmp_path), SPEC))
    for window, g in zip(windows, stated, strict=True):
        factors = np.array([[1 / 9.80665], [1.0]])
        np.testing.assert_allclose(
            window.signals["accel"], g.signals["accel"] * factors, rtol=1e-5, atol=1e-7
        )
        assert window.start_s == g.start_s


def test_a_description_with_the_wrong_unit(tmp_path):
    with pytest.raises(SpecError, match=r"in mV, the spec expects g"):
        list(read_windows(describe(tmp_path, unit="mV"), SPEC))


@pytest.mark.parametrize(
    ("name", "message"), [("walk.doc", "cannot read walk.doc"), ("none.csv", "does not exist")]
)
def test_files_that_cannot_be(tmp_path, name, message):
    (tmp_path / "walk.doc").write_text("1 2 3")
    with pytest.raises(DataError, match=message):
        read_windows(tmp_path / name, SPEC)


def test_an_empty_file(tmp_path):
    (tmp_path / "walk.csv").touch()
    with pytest.raises(DataError, match="is empty"):
        read_windows(tmp_path / "walk.csv", SPEC)


def test_without_a_spec_a_description_and_a_store_have_their_own(tmp_path):
    reading = read_windows(describe(tmp_path), window_s=2.0)
    windows = list(reading)
    assert (reading.spec.names, len(windows)) == (("accel",), 3)
    store = WindowStore.write(tmp_path / "store", reading.spec, windows)
    again = list(read_windows(store.path))
    assert [w.start_s for w in again] == [w.start_s for w in windows]


def test_a_description_made_in_python_is_read_like_one_in_yaml(tmp_path):
    table = replace(load(describe(tmp_path), window_s=2.0), root=tmp_path)
    for spec in (None, SPEC):
        made, written = (
            read_windows(table, spec),
            read_windows(describe(tmp_path), spec, window_s=2.0),
        )
        pairs = list(zip(made, written, strict=True))
        assert len(pairs) == 3
        for one, other in pairs:
            np.testing.assert_array_equal(one.signals["accel"], other.signals["accel"])


def test_a_recording_without_a_spec_needs_a_description(tmp_path):
    with pytest.raises(DataError, match=r"walk.csv does not say what its columns are; describe it"):
        read_windows(write(tmp_path / "walk.csv", columns()))
