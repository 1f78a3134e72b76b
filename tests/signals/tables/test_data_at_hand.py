"""What a person has at hand becomes the windows that a file of the same would."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sensor2llm.errors import ConfigError, DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.data import data_windows
from sensor2llm.signals.tables.windows import read_windows
from sensor2llm.signals.window import Window

ACCEL = Modality(
    name="accel", channels=tuple(Channel(name=n, unit="g") for n in "xy"), steps=50, rate_hz=25.0
)
GYRO = Modality(
    name="gyro", channels=tuple(Channel(name=n, unit="deg/s") for n in "xz"), steps=50, rate_hz=25.0
)
SPEC = SignalSpec(modalities=(ACCEL, GYRO), window_s=2.0)
NAMES = ("accel.x", "accel.y", "gyro.x", "gyro.z")
ROW = SignalSpec(
    modalities=(
        Modality(
            name="person", channels=(Channel(name="age", unit="years"),), steps=1, axis="none"
        ),
    )
)


def recording(rate_hz=25.0, seconds=6.5) -> dict[str, np.ndarray]:
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    values = {name: np.sin(time * (i + 1)) for i, name in enumerate(NAMES)}
    return {"time_s": time} | values


def cut(data, spec=SPEC, **options) -> list[Window]:
    return list(data_windows(data, spec, **options).windows)


def assert_same(first: list[Window], second: list[Window]) -> None:
    assert [(w.start_s, w.subject) for w in first] == [(w.start_s, w.subject) for w in second]
    assert first
    for one, other in zip(first, second, strict=True):
        assert one.signals.keys() == other.signals.keys()
        for name in one.signals:
            np.testing.assert_allclose(one.signals[name], other.signals[name], atol=1e-6)


def with_gap(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(index=range(60, 90)).reset_index(drop=True)


CHANGES = {
    "as it is": lambda table: table,
    "a sensor missing": lambda table: table.drop(columns=["gyro.x", "gyro.z"]),
    "a pause": with_gap,
    "date times": lambda table: table.rename(columns={"time_s": "time"}).assign(
        time=lambda t: pd.Timestamp("2024-03-01 12:00") + pd.to_timedelta(t["time"], unit="s")
    ),
    "two people": lambda table: pd.concat(
        [table.assign(subject="ann"), table.assign(subject="bo")], ignore_index=True
    ),
    "empty cells": lambda table: table.assign(**{"gyro.x": table["gyro.x"].where(table.index > 4)}),
    "other columns": lambda table: table.assign(note="walk", label="run"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["pandas", "pyarrow"])
def test_a_table_is_cut_as_its_file_is(tmp_path, change, kind):
    frame = CHANGES[change](pd.DataFrame(recording()))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, tmp_path / "walk.parquet")
    counts, of_file = Ledger(), Ledger()
    found = cut(frame if kind == "pandas" else table, overlap=0.5, ledger=counts)
    assert_same(found, list(read_windows(tmp_path / "walk.parquet", SPEC, 0.5, of_file)))
    assert counts == of_file
    assert counts["rows"].read == len(frame)


def test_a_mapping_of_columns_is_a_table():
    assert_same(cut(recording()), cut(pd.DataFrame(recording())))


def test_a_path_is_read_as_the_verb_reads_it(tmp_path):
    pd.DataFrame(recording()).to_csv(tmp_path / "walk.csv", index=False)
    found = data_windows(str(tmp_path / "walk.csv"), SPEC)
    assert found.name == "walk.csv"
    assert_same(list(found.windows), cut(recording()))


@pytest.mark.parametrize("rate_hz", [25.0, 100.0])
def test_a_rate_stands_for_a_time_column(tmp_path, rate_hz):
    timed = recording(rate_hz)
    untimed = {name: timed[name] for name in NAMES}
    expected = cut(timed)
    assert len(expected) == 3
    assert_same(cut(untimed, rate_hz=rate_hz), expected)
    assert_same(cut(np.stack(list(untimed.values()), axis=1), rate_hz=rate_hz), expected)
    pd.DataFrame(untimed).to_csv(tmp_path / "walk.csv", index=False)
    assert_same(cut(tmp_path / "walk.csv", rate_hz=rate_hz), expected)


def test_a_rate_that_the_time_column_denies_is_refused():
    with pytest.raises(DataError, match=r"'accel' comes at 25 Hz, the description says 50 Hz"):
        cut(recording(), rate_hz=50)


@pytest.mark.parametrize("name", [None, "when", "timestamp"])
def test_dates_in_the_index_are_the_time(name):
    frame = pd.DataFrame(recording())
    stamps = pd.Timestamp("2024-03-01") + pd.to_timedelta(frame.pop("time_s"), unit="s")
    found = cut(frame.set_index(pd.DatetimeIndex(stamps, name=name)))
    assert [w.start_s for w in found] == [1709251200.0, 1709251202.0, 1709251204.0]


def test_columns_of_other_names_are_named(tmp_path):
    renamed = dict(zip(NAMES, ("AX", "AY", "gx", "gz"), strict=True))
    table = pd.DataFrame(recording()).rename(columns=renamed)
    assert_same(cut(table, columns=renamed), cut(recording()))
    table.to_csv(tmp_path / "phone.csv", index=False)
    assert_same(cut(tmp_path / "phone.csv", columns=renamed), cut(recording()))


@pytest.mark.parametrize("rate_hz", [25.0, 50.0])
def test_ready_windows_of_an_array_are_brought_to_the_spec(rate_hz):
    whole = cut(recording(rate_hz))
    flat = np.stack([recording(rate_hz)[name] for name in NAMES])
    steps = round(2 * rate_hz)
    ready = np.stack([flat[:, i * steps : (i + 1) * steps] for i in range(3)])
    found = cut(ready, rate_hz=rate_hz)
    assert [w.start_s for w in found] == [0.0, 0.0, 0.0]
    for one, other in zip(found, whole, strict=True):
        for name, shape in (("accel", (2, 50)), ("gyro", (2, 50))):
            assert one.signals[name].shape == shape
            # Resampling a window alone differs at its edges.
            inside = np.s_[:, 8:-8]
            np.testing.assert_allclose(
                one.signals[name][inside], other.signals[name][inside], atol=0.05
            )


def test_of_longer_ready_windows_the_centre_is_taken():
    ready = np.broadcast_to(np.arange(100.0), (1, 4, 100))
    (window,) = cut(ready, rate_hz=25)
    assert window.signals["accel"][0].tolist() == list(range(25, 75))


def test_a_ready_window_lacks_a_sensor_that_is_nan_and_the_ledger_says_so():
    ready, ledger = np.ones((3, 4, 50)), Ledger()
    ready[1, 2, 7] = np.nan
    ready[2] = np.nan
    found = cut(ready, rate_hz=25, ledger=ledger)
    assert [list(w.signals) for w in found] == [["accel", "gyro"], ["accel"]]
    assert ledger["windows"].dropped == {"with NaN in every sensor": 1}
    assert ledger["windows"].changed == {"without gyro, which holds NaN": 1}


def test_windows_and_stores_are_taken_as_they_are(tmp_path):
    windows = cut(recording())
    assert_same(cut(windows), windows)
    assert_same(cut(windows[0]), windows[:1])
    other = replace(ACCEL, channels=tuple(Channel(name=n, unit="m/s^2") for n in "xy"))
    spec, ledger = SignalSpec(modalities=(other,), window_s=2.0), Ledger()
    heavy = [Window({"accel": 9.80665 * w.signals["accel"]}, "ann") for w in windows]
    WindowStore.write(tmp_path / "store", spec, heavy)
    found = cut(WindowStore.open(tmp_path / "store"), ledger=ledger)
    np.testing.assert_allclose(
        found[0].signals["accel"], windows[0].signals["accel"], rtol=1e-4, atol=1e-6
    )
    assert ledger["windows"].kept == 3


def test_rows_of_values_need_no_rate():
    found = cut(np.array([[40.0], [50.0]]), ROW)
    assert [w.signals["person"].tolist() for w in found] == [[[40.0]], [[50.0]]]


WITHOUT_TIME = {name: values for name, values in recording().items() if name != "time_s"}
REFUSED = {
    "wrong columns": (
        {"time_s": [0.0, 1.0], "ax": [0, 1]},
        {},
        r"the table has the columns time_s, ax; expected the spec's channels, for example accel.x, "
        r"accel.y; rename them, or say columns=\{'accel.x': 'ITS COLUMN'\}",
    ),
    "half a sensor": (
        {name: v for name, v in recording().items() if name != "accel.y"},
        {},
        r"the table: no column 'accel.y' of modality 'accel'; it has time_s, accel.x, gyro.x",
    ),
    "no rate": (
        WITHOUT_TIME,
        {},
        r"the table has no time column \(time_s, .*\) and no rate; say rate_hz=..., its samples a",
    ),
    "no rate of an array": (
        np.zeros((100, 4)),
        {},
        r"the array says no rate; say rate_hz=..., its samples a second \(the adapter hears 25 Hz",
    ),
    "a cell": (
        {**recording(), "accel.x": ["oops"] + ["1"] * 161},
        {},
        r"the table: row 1, column 'accel.x': 'oops' is not a number",
    ),
    "no rows": (pd.DataFrame({name: [] for name in NAMES}), {}, "the table has no rows; give some"),
    "columns twice": (
        pa.table([[0.0], [0.0]], names=["accel.x", "accel.x"]),
        {},
        "the table has several columns called 'accel.x'; give each its own name",
    ),
    "columns of different lengths": ({"accel.x": [1], "accel.y": [1, 2]}, {}, "cannot be read"),
    "a turned array": (
        np.zeros((4, 100)),
        {"rate_hz": 25},
        r"shape \(4, 100\); expected numbers \(sample, channel\) or .*with 4 channels: accel.x, "
        r"accel.y, gyro.x, gyro.z; it is turned: pass its .T",
    ),
    "too few channels": (np.zeros((9, 3, 50)), {"rate_hz": 25}, "with 4 channels: accel.x"),
    "one dimension": (np.zeros(50), {"rate_hz": 25}, r"of shape \(50,\); expected numbers"),
    "texts": (np.full((9, 4), "a"), {"rate_hz": 25}, r"is <U1 of shape \(9, 4\); expected numbers"),
    "no windows": (np.zeros((0, 4, 50)), {"rate_hz": 25}, "holds no window; give some"),
    "another kind": (3.5, {}, "cannot read float; expected a table"),
    "nothing": ([], {}, "there is no window; give some"),
    "a list": ([[1, 2]], {}, "cannot read list; expected a table"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_one_line(case):
    data, options, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        cut(data, **options)


def test_shorter_ready_windows_are_refused():
    with pytest.raises(SpecError, match=r"the array has 'accel' in windows of 1.6 s, the spec exp"):
        cut(np.zeros((3, 4, 40)), rate_hz=25)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (recording(), {"overlap": 1.0}, "overlap must be from 0 to below 1, got 1"),
        (recording(), {"rate_hz": -1}, "rate_hz must be samples a second, above 0, got -1"),
        (np.zeros((9, 4)), {"rate_hz": 0}, "rate_hz must be samples a second, above 0, got 0"),
        (np.zeros((9, 4)), {"columns": {"accel.x": "a"}}, "an array has no columns to name"),
        (np.zeros((9, 4, 50)), {"rate_hz": 25, "overlap": 0.5}, "holds ready windows"),
        ([], {"rate_hz": 25}, "rate_hz, columns and overlap are for tables, arrays and files"),
    ],
)
def test_an_option_that_cannot_be(data, options, message):
    with pytest.raises(ConfigError, match=message):
        cut(data, **options)


@pytest.mark.parametrize("kind", ["store", "npz"])
def test_a_file_that_says_its_own_rate_takes_no_other(tmp_path, kind):
    path = tmp_path / f"ready.{kind}"
    if kind == "npz":
        np.savez(path, accel=np.zeros((1, 2, 50)))
    else:
        WindowStore.write(path, SPEC, cut(recording()))
    with pytest.raises(ConfigError, match=f"ready.{kind} says its own rates and names"):
        cut(path, rate_hz=25)


def test_a_renamed_channel_must_be_one_and_its_column_there():
    with pytest.raises(SpecError, match=r"unknown channel 'accel.q'; the spec has accel.x, accel"):
        cut(recording(), columns={"accel.q": "time_s"})
    with pytest.raises(DataError, match=r"the table: no column 'AX'; it has time_s, accel.x"):
        cut(recording(), columns={"accel.x": "AX"})
