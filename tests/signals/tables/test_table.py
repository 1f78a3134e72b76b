import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sensor2llm.datasets.catalogue import open_source
from sensor2llm.errors import ConfigError, DataError, SpecError
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.tables.windows import read_windows
from tests.signals.tables.tables import DESCRIPTION, RATE, columns, describe, windows, write_csv


def edited(folder: Path, **changes) -> None:
    """Write a good file with some cells changed: column -> {row: cell} or a whole column."""
    cells = columns()
    for name, change in changes.items():
        if isinstance(change, dict):
            for row, cell in change.items():
                cells[name][row] = cell
        else:
            cells[name] = change
    write_csv(folder / "walk.csv", cells)


def test_a_csv_becomes_labelled_windows_on_its_own_clock(tmp_path: Path):
    write_csv(tmp_path / "walk.csv", columns(start_s=100.0))
    found = windows(tmp_path)
    assert [(w.subject, w.label, w.start_s) for w in found] == [
        ("anna", "walking", 100.0),
        ("anna", "walking", 102.0),
    ]
    expected = np.sin(102 + np.arange(100) / RATE) * 0.1
    np.testing.assert_allclose(found[1].signals["accel"][0], expected, atol=1e-5)


def test_overlap_and_window_can_be_given_on_the_command_line(tmp_path: Path):
    write_csv(tmp_path / "walk.csv", columns())
    found = windows(tmp_path, SourceOptions(overlap=0.5, window_s=1.0))
    assert [w.start_s for w in found] == [i * 0.5 for i in range(9)]
    with pytest.raises(ConfigError, match="no option --devices"):
        open_source(str(describe(tmp_path)), None, SourceOptions(devices="watch"))


@pytest.mark.parametrize(
    ("unit", "write"),
    [
        ("ms", lambda s: f"{s * 1e3:.0f}"),
        ("us", lambda s: f"{s * 1e6:.0f}"),
        ("ns", lambda s: f"{1_700_000_000 * 10**9 + round(s * 1e9)}"),
        ("iso", lambda s: f"2024-03-01 10:00:{s:09.6f}"),
        ("iso", lambda s: f"2024-03-01T10:00:{s:09.6f}Z"),
    ],
)
def test_time_units_are_read_alike(tmp_path: Path, unit, write):
    cells = columns()
    cells["t"] = [write(float(t)) for t in cells["t"]]
    write_csv(tmp_path / "walk.csv", cells)
    found = windows(tmp_path, time={"column": "t", "unit": unit})
    assert len(found) == 2
    assert found[1].start_s - found[0].start_s == pytest.approx(2.0)
    expected = np.sin(2 + np.arange(100) / RATE) * 0.1
    np.testing.assert_allclose(found[1].signals["accel"][0], expected, atol=1e-5)


def test_parquet_is_read_in_its_own_types(tmp_path: Path):
    cells = columns()
    stored = {name: [float(v) for v in cells[name]] for name in ("ax", "ay", "az")}
    times = pa.array([round(float(t) * 1e6) for t in cells["t"]], pa.timestamp("us"))
    whole = pa.table({"t": times, "who": [7] * 250, "what": cells["what"], **stored})
    pq.write_table(whole, tmp_path / "walk.parquet")
    found = windows(tmp_path, files="*.parquet", time={"column": "t", "unit": "iso"})
    assert [w.subject for w in found] == ["7", "7"]


def test_a_slower_sensor_may_leave_cells_empty_and_gets_its_own_rate(tmp_path: Path):
    beats = [f"{60 + i / 50}" if i % 50 == 0 else "" for i in range(250)]
    edited(tmp_path, hr=beats)
    modalities = {
        **DESCRIPTION["modalities"],
        "heart": {"rate_hz": 1, "columns": [{"column": "hr", "name": "rate", "unit": "bpm"}]},
    }
    found = windows(tmp_path, modalities=modalities)
    np.testing.assert_allclose(found[1].signals["heart"], [[62, 63]])
    assert found[1].signals["accel"].shape == (3, 100)


def test_a_pause_splits_the_recording(tmp_path: Path):
    first, second = columns(3.0), columns(3.0, start_s=60.0)
    write_csv(tmp_path / "walk.csv", {name: first[name] + second[name] for name in first})
    assert [w.start_s for w in windows(tmp_path)] == [0.0, 60.0]


def test_subjects_in_one_file_are_kept_apart(tmp_path: Path):
    first, second = columns(3.0), columns(3.0)
    second["who"] = ["ben"] * len(second["who"])
    write_csv(tmp_path / "walk.csv", {name: first[name] + second[name] for name in first})
    assert [(w.subject, w.start_s) for w in windows(tmp_path)] == [("anna", 0.0), ("ben", 0.0)]


def test_the_subject_can_be_fixed_or_stand_in_the_files_name(tmp_path: Path):
    write_csv(tmp_path / "p07_walk.csv", columns(2.0))
    assert windows(tmp_path, subject={"file": r"(p\d+)_"})[0].subject == "p07"
    assert windows(tmp_path, subject={"value": "me"})[0].subject == "me"
    with pytest.raises(DataError, match="does not fit the file's name"):
        windows(tmp_path, subject={"file": r"(q\d+)_"})


def test_cells_of_the_label_column_get_readable_texts(tmp_path: Path):
    edited(tmp_path, what=["1"] * 250)
    assert {w.label for w in windows(tmp_path, labels={1: "walking", 2: "sitting"})} == {"walking"}


def test_an_empty_label_leaves_windows_unlabelled(tmp_path: Path):
    edited(tmp_path, what=[""] * 250)
    assert {w.label for w in windows(tmp_path)} == {None}


def test_another_rate_can_be_asked_for(tmp_path: Path):
    write_csv(tmp_path / "walk.csv", columns())
    accel = {**DESCRIPTION["modalities"]["accel"], "resample_hz": 25}
    found = windows(tmp_path, modalities={"accel": accel})
    assert found[0].signals["accel"].shape == (3, 50)
    # A filter rings at the very edge of a recording: the middle is compared.
    expected = np.sin(2 + np.arange(50) / 25) * 0.1
    np.testing.assert_allclose(found[1].signals["accel"][0], expected, atol=2e-3)


def test_a_modality_whose_cells_are_all_empty_is_absent(tmp_path: Path):
    edited(tmp_path, hr=[""] * 250)
    heart = {"rate_hz": 1, "columns": {"hr": "bpm"}}
    found = windows(tmp_path, modalities={**DESCRIPTION["modalities"], "heart": heart})
    assert [set(w.signals) for w in found] == [{"accel"}] * 2


def test_a_file_may_lack_the_columns_of_an_optional_modality(tmp_path: Path):
    write_csv(tmp_path / "walk.csv", columns())
    heart = {"rate_hz": 1, "columns": {"hr": "bpm"}, "optional": True}
    found = windows(tmp_path, modalities={**DESCRIPTION["modalities"], "heart": heart})
    assert [set(w.signals) for w in found] == [{"accel"}] * 2


def test_beats_are_windows_of_as_many_steps(tmp_path: Path):
    cells = {"rr": [800 + i for i in range(25)], "who": ["a"] * 25, "what": ["rest"] * 25}
    write_csv(tmp_path / "beats.csv", cells)
    heart = {"axis": "event", "steps": 10, "columns": {"rr": "ms"}}
    found = windows(tmp_path, time=None, window_s=None, modalities={"heart": heart})
    assert [w.label for w in found] == ["rest", "rest"]
    np.testing.assert_allclose(found[1].signals["heart"][0], 810 + np.arange(10))
    assert found[1].start_s == pytest.approx(sum(range(800, 810)) / 1000)


def test_rows_of_values_are_a_window_each(tmp_path: Path):
    cells = {"day": [1, 2, 3], "steps": [9000, "", 12000], "who": ["a"] * 3, "what": list("xyz")}
    write_csv(tmp_path / "days.csv", cells)
    daily = {"axis": "none", "columns": {"steps": "1"}}
    found = windows(tmp_path, time=None, window_s=None, modalities={"daily": daily})
    assert [(w.label, w.signals["daily"].tolist()) for w in found] == [
        ("x", [[9000]]),
        ("z", [[12000]]),
    ]


NAN = [""] * 250
HALF = [v if i % 2 else "" for i, v in enumerate(["1.0"] * 250)]
TWICE = [f"{t:.3f}" for t in np.r_[np.arange(125) / 50, 2.5 + np.arange(125) / 100]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ay": {16: "1;5"}}, "walk.csv: row 17, column 'ay': '1;5' is not a number"),
        ({"ay": {16: "inf"}}, "walk.csv: row 17, column 'ay': inf is not finite"),
        ({"ay": NAN}, "walk.csv: column 'ay' of 'accel' has no number at all"),
        ({"ax": NAN, "ay": NAN, "az": NAN}, "walk.csv has no number in any column"),
        ({"az": HALF}, "two rates in modality 'accel': column 'az' comes at 25 Hz, column 'ax' at"),
        ({"t": TWICE}, "two rates in modality 'accel': the first half comes at 50 Hz"),
        ({"t": {30: "0.2"}}, "row 31, column 't': time goes back from 0.58 to 0.2 s"),
        ({"t": {30: ""}}, "row 31, column 't': the time is missing"),
        ({"t": {30: "noon"}}, "row 31, column 't': 'noon' is not a number"),
        ({"who": {3: ""}}, "walk.csv: row 4 has no subject"),
        ({"az": ["9.81"] * 250}, "walk.csv: 'accel' is said to be in g, but .* looks like m/s"),
    ],
)
def test_bad_cells_are_named_by_file_row_and_column(tmp_path: Path, changes, message):
    edited(tmp_path, **changes)
    with pytest.raises((DataError, SpecError), match=message) as error:
        windows(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": {"column": "time", "unit": "s"}}, "no column 'time'; it has t, ax, ay, az"),
        ({"time": {"column": "t", "unit": "ms"}}, "a thousand times off: is the time's unit right"),
        ({"time": {"column": "t", "unit": "min"}}, "unknown time unit 'min'; choose from s, ms"),
        ({"time": {"column": "t", "unit": "iso"}}, "row 1, column 't': '0.000' is no ISO date"),
        ({"time": None}, "a time axis needs time: {column"),
        (
            {"labels": ["sitting"]},
            "row 1, column 'what': unknown label 'walking'; labels has",
        ),
        ({"subject": None}, "subject must be one of"),
        ({"window_s": None}, "window_s must be positive, got None"),
        ({"window_s": "two"}, "window_s must be a number, got 'two'"),
        ({"overlap": 1}, "overlap must be from 0 to below 1, got 1"),
        ({"files": "*.txt"}, "no file fits '\\*.txt' in"),
        ({"files": 3}, "files must be a file name"),
        ({"modalities": None}, "the key 'modalities' is missing"),
        ({"colour": "red"}, "unknown key 'colour'; choose from files, time"),
    ],
)
def test_a_description_that_does_not_fit_says_what_is_expected(tmp_path: Path, changes, message):
    write_csv(tmp_path / "walk.csv", columns())
    with pytest.raises((DataError, SpecError), match=message) as error:
        windows(tmp_path, **changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"rate_hz": 100},
            "'accel' comes at 50 Hz, the description says 100 Hz; write",
        ),
        ({"rate_hz": [50, 100]}, "two rates \\[50, 100\\]; a modality has one"),
        ({"rate_hz": None}, "needs rate_hz above 0, got None"),
        ({"columns": {"ax": "g", "gone": "g"}}, "walk.csv: no column 'gone'; it has t, ax"),
        ({"columns": {"ax": None}}, "columns of modality 'accel': the key 'unit' is missing"),
        ({"columns": {"ax": 3}}, "column 'ax' of modality 'accel' needs a unit"),
        ({"columns": "ax"}, "must be a mapping of column to unit, got 'ax'"),
        ({"axis": "times"}, "unknown axis 'times'"),
        ({"rate": 50}, "modality 'accel': unknown key 'rate'; choose from columns, rate_hz"),
    ],
)
def test_a_modality_that_does_not_fit_says_what_is_expected(tmp_path: Path, change, message):
    write_csv(tmp_path / "walk.csv", columns())
    accel = {**DESCRIPTION["modalities"]["accel"], **change}
    with pytest.raises((DataError, SpecError), match=message):
        windows(tmp_path, modalities={"accel": accel})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "walk.csv is empty"),
        ("t,ax,ay,az,who,what\n", "has a header and no rows"),
        ("t,ax,ay,az,who,what\n0,1,2,3,a,b\n0,1,2\n", "row 2 has 3 cells and there are 6 col"),
    ],
)
def test_an_empty_or_ragged_file_is_an_error(tmp_path: Path, content, message):
    (tmp_path / "walk.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        windows(tmp_path)


@pytest.mark.parametrize("rows", [1, 30_000])
def test_mixed_encodings_are_an_error_that_names_the_place(tmp_path: Path, rows):
    lines = ["t,ax,ay,az,who,what", *(f"{i},1,2,3,a,b" for i in range(rows)), f"{rows},1,2,3,é,b"]
    (tmp_path / "walk.csv").write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(DataError, match=rf"walk.csv: line {rows + 2} is not UTF-8 \(byte 0xE9\)"):
        windows(tmp_path)


def test_a_truncated_parquet_is_an_error(tmp_path: Path):
    pq.write_table(pa.table(columns()), tmp_path / "walk.parquet")
    whole = (tmp_path / "walk.parquet").read_bytes()
    (tmp_path / "walk.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as Parquet, is it truncated"):
        windows(tmp_path, files="*.parquet")


def test_a_description_that_is_missing_or_no_yaml_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match="does not exist"):
        read_windows(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("files: [")
    with pytest.raises(DataError, match=r"bad\.yaml is no YAML"):
        read_windows(tmp_path / "bad.yaml")


def test_a_repeated_time_is_spread_and_counted(tmp_path: Path):
    cells = columns()
    write_csv(tmp_path / "walk.csv", {n: [*c[:9], c[8], *c[9:]] for n, c in cells.items()})
    reading = read_windows(describe(tmp_path))
    found = list(reading.windows)
    expected = np.sin(np.arange(100) / RATE) * 0.1
    np.testing.assert_allclose(found[0].signals["accel"][0], expected, atol=2e-3)
    assert reading.ledger["rows"].changed == {"that share a time spread over their interval": 2}
    assert (reading.ledger["rows"].read, reading.ledger.unbalanced()) == (251, {})


def save_npz(folder: Path, **arrays) -> Path:
    np.savez(folder / "ready.npz", **arrays)
    return folder / "ready.npz"


def test_npz_windows_are_taken_as_they_are(tmp_path: Path):
    values = np.ones((3, 3, 100), dtype=np.float32)
    values[2, 0, 5] = np.nan
    gyro = np.zeros((3, 1, 100))
    save_npz(tmp_path, accel=values, gyro=gyro, labels=["a", "b", "a"], subjects=[1, 1, 2])
    modalities = {**DESCRIPTION["modalities"], "gyro": {"rate_hz": 50, "columns": {"g": "rad/s"}}}
    found = windows(tmp_path, files="ready.npz", modalities=modalities)
    assert [(w.subject, w.label, sorted(w.signals)) for w in found] == [
        ("1", "a", ["accel", "gyro"]),
        ("1", "b", ["accel", "gyro"]),
        ("2", "a", ["gyro"]),
    ]


def test_broken_npz_files_are_errors(tmp_path: Path):
    one = np.ones((2, 3, 100), np.float32)
    subject = {"value": "me"}
    path = save_npz(tmp_path, accel=one)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"cannot be read as \.npz, is it truncated"):
        windows(tmp_path, files="ready.npz", subject=subject)
    save_npz(tmp_path, acc=one)
    with pytest.raises(DataError, match="has the arrays acc; expected one a modality: accel"):
        windows(tmp_path, files="ready.npz", subject=subject)
    save_npz(tmp_path, accel=one, starts=[0.0])
    with pytest.raises(DataError, match="different numbers of windows: accel 2, starts 1"):
        windows(tmp_path, files="ready.npz", subject=subject)
    save_npz(tmp_path, accel=one.transpose(0, 2, 1))
    with pytest.raises(SpecError, match="transposed"):
        windows(tmp_path, files="ready.npz", subject=subject)


SPEC = SignalSpec(
    window_s=2.0,
    modalities=tuple(
        Modality(
            name=name,
            channels=tuple(Channel(name=f"{name}_{axis}", unit="1") for axis in "xy"),
            steps=100,
            rate_hz=RATE,
        )
        for name in ("wrist", "ankle")
    ),
)


@pytest.mark.parametrize("clock", ["time_s", "time_ms", "time", "timestamp", None])
def test_a_file_with_the_specs_channels_needs_no_description(tmp_path: Path, clock):
    t = np.arange(250) / RATE
    cells = {"wrist_x": t, "wrist_y": -t, "label": ["a"] * 250}
    if clock:
        text = [f"2024-01-01 00:00:{v:06.3f}" for v in t] if clock == "timestamp" else t
        cells[clock] = np.round(t * 1000) if clock == "time_ms" else text
    write_csv(tmp_path / "f.csv", cells)
    found = list(read_windows(tmp_path / "f.csv", SPEC, overlap=0.5))
    assert [sorted(w.signals) for w in found] == [["wrist"]] * 4
    assert [w.start_s - found[0].start_s for w in found] == pytest.approx([0, 1, 2, 3])
    np.testing.assert_allclose(found[2].signals["wrist"][1], -2 - t[:100], atol=1e-5)


def test_columns_may_name_their_modality(tmp_path: Path):
    write_csv(tmp_path / "f.csv", {"ankle.ankle_x": [0.5] * 100, "ankle.ankle_y": [0.5] * 100})
    [window] = read_windows(tmp_path / "f.csv", SPEC)
    assert set(window.signals) == {"ankle"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("a", "b"),
            "f.csv has the columns a, b; expected the spec's channels, for example",
        ),
        (("wrist_x", "b"), "no column 'wrist_y' of modality 'wrist'; it has wrist_x, b"),
    ],
)
def test_a_file_without_the_specs_channels_names_both(tmp_path: Path, names, message):
    write_csv(tmp_path / "f.csv", {name: [0.0] * 100 for name in names})
    with pytest.raises(DataError, match=re.escape(message)):
        list(read_windows(tmp_path / "f.csv", SPEC))
