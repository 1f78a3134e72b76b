"""Values that stand for none or cannot be: declared, counted, or refused; never a silent number."""

from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import MARKERS, measured_values
from sensor2llm.signals.spec import Channel, Modality
from tests.signals.tables.tables import columns, csv_text, read


def checked(values, unit="m/s^2", missing=None, axis="time"):
    """Give the values of one channel that count as measured, and what was counted."""
    modality = Modality(
        name="s", channels=(Channel(name="x", unit=unit),), steps=1, axis=axis,
        rate_hz=1.0 if axis == "time" else None,
    )  # fmt: skip
    ledger = Ledger()
    rows = np.asarray(values, dtype=np.float64)[None]
    return measured_values(rows, modality, ("x",), missing, ledger)[0], ledger["rows"].changed


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_that_is_not_declared_is_refused_with_what_to_write(marker):
    values = [*np.linspace(-9, 9, 50), marker, marker]
    with pytest.raises(DataError, match=rf"2 values of 'x' are {marker:g}.* missing: \[{marker:g}"):
        checked(values)
    read, changed = checked(values, missing=(f"{marker:g}", marker))
    assert np.isnan(read[-2:]).all()
    assert not np.isnan(read[:-2]).any()
    assert changed == {f"with a mark of a missing value ({marker:g})": 2}


def test_a_measured_value_is_no_marker():
    # Declared as measured; among values of its size; negative ones beside it.
    read, _ = checked([1.0, 2.0, -999.0], missing=(), unit="1")
    assert read.tolist() == [1.0, 2.0, -999.0]
    read, _ = checked([900.0, 950.0, 999.0], unit="1")
    assert read.tolist() == [900.0, 950.0, 999.0]
    read, _ = checked([-200.0, 50.0, -99.0], unit="1")
    assert read.tolist() == [-200.0, 50.0, -99.0]
    with pytest.raises(DataError, match="1 values of 'x' are -999"):
        checked([9000.0, 12000.0, -999.0], unit="1")


@pytest.mark.parametrize(
    ("unit", "axis", "good", "bad"),
    [
        ("m/s^2", "time", 9.8, 5000.0),
        ("m/s²", "time", 9.8, -5000.0),
        ("g", "time", 1.0, 300.0),
        ("mg", "time", 1000.0, -3e5),
        ("rad/s", "time", 3.0, 300.0),
        ("deg/s", "time", 100.0, 9000.0),
        ("bpm", "time", 70.0, -1.0),
        ("bpm", "time", 70.0, 500.0),
        ("degC", "time", 33.0, 400.0),
        ("uS", "time", 2.0, 4000.0),
        ("ms", "event", 800.0, 0.0),
        ("ms", "event", 800.0, -5.0),
        ("s", "event", 0.8, 1000.0),
        ("V", "time", 0.1, 1e30),
    ],
)
def test_a_value_that_cannot_be_is_taken_as_missing_and_counted(unit, axis, good, bad):
    read, changed = checked([good] * 30 + [bad], unit=unit, axis=axis)
    assert np.isnan(read[-1])
    np.testing.assert_array_equal(read[:-1], good)
    assert changed == {f"with a value that cannot be in {unit} taken as missing": 1}
    with pytest.raises(SpecError, match=r"50% of the values of 'x' are not within .* raw counts"):
        checked([good, bad] * 15, unit=unit, axis=axis)


def test_markers_of_a_table_are_declared_in_its_description(tmp_path: Path):
    cells = columns(6.0)
    cells["ax"][120:125] = ["-999"] * 5
    cells["ay"][122] = "?"
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    cells["what"][:200] = ["-999"] * 200
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    reading, windows = read(tmp_path, missing=[-999, "?"])
    assert [w.label for w in windows] == [None, None, "walking"]
    expected = np.sin(2 + np.arange(100) / 50) * 0.1
    np.testing.assert_allclose(windows[1].signals["accel"][0], expected, atol=1e-3)
    assert reading.ledger["rows"].changed["with a mark of a missing value (-999)"] == 5


@pytest.mark.parametrize(
    ("unit", "scale", "message"),
    [
        (
            "g",
            64,
            "said to be in g, .* a median norm of 64.2 it looks like raw counts of the sensor",
        ),
        ("m/s^2", 208, r"said to be in m/s\^2, .* it looks like raw counts"),
        ("m/s^2", 1, r"said to be in m/s\^2, .* it looks like g; convert it or write unit g"),
        ("g", 9.81, r"said to be in g, .* it looks like m/s\^2"),
    ],
)
def test_a_steady_pull_that_is_no_gravity_is_another_unit(tmp_path: Path, unit, scale, message):
    cells = columns()
    for name in ("ax", "ay", "az"):
        cells[name] = [f"{float(v) * scale:.4f}" for v in cells[name]]
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    accel = {"rate_hz": 50, "columns": dict.fromkeys(("ax", "ay", "az"), unit)}
    with pytest.raises(SpecError, match=message):
        read(tmp_path, modalities={"accel": accel})
