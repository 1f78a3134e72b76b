"""Rows that share a time: spread over their interval, never dropped, and said."""

from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.resample import spread_stamps
from tests.signals.tables.tables import RATE, columns, csv_text, read

SHARED = "that share a time spread over their interval"


def spread(times, measured=None):
    times = np.asarray(times, dtype=np.float64)
    rows = np.ones((1, len(times)), dtype=bool) if measured is None else np.asarray(measured)
    return spread_stamps(times, rows, "walk.csv")


@pytest.mark.parametrize(
    ("stamps", "expected", "shared"),
    [
        ([0, 1, 2], [0, 1, 2], 0),
        # Whole seconds at 4 Hz.
        (np.floor(np.arange(12) / 4), np.arange(12) / 4, 12),
        # Packets of three.
        (np.arange(12) // 3 * 0.6, np.arange(12) * 0.2, 12),
        # One row twice among others.
        ([0, 1, 2, 2, 3, 4, 5, 6], [0, 1, 2, 2.5, 3, 4, 5, 6], 2),
        # Recording began within the first second: its rows lie at its end.
        ([0, 0, 1, 1, 1, 1, 2, 2, 2, 2], [0.5, 0.75, *np.arange(4, 12) / 4], 10),
        # A pause is not filled with the rows before it.
        ([0, 0, 1, 1, 60, 60, 61, 61], [0, 0.5, 1, 1.5, 60, 60.5, 61, 61.5], 8),
        # The last stamp has no interval of its own: rows go on as before.
        ([0, 1, 2, 3, 3], [0, 1, 2, 3, 4], 2),
    ],
)
def test_rows_are_spread_up_to_the_next_time(stamps, expected, shared):
    times, count = spread(stamps)
    np.testing.assert_allclose(times, expected)
    assert count == shared


def test_rows_of_different_sensors_are_one_moment():
    # Each sensor writes a row of its own, and one of them twice a second.
    measured = [[1, 0, 1, 1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0, 0, 1, 0]]
    times, shared = spread([0, 0, 0, 1, 1, 1, 2, 2, 2], np.array(measured, dtype=bool))
    np.testing.assert_allclose(times, [0, 0, 0.5, 1, 1, 1.5, 2, 2, 2.5])
    assert shared == 9
    one_each = [[1, 0, 1, 0], [0, 1, 0, 1]]
    times, shared = spread([0, 0, 1, 1], np.array(one_each, dtype=bool))
    assert (times.tolist(), shared) == ([0, 0, 1, 1], 0)


@pytest.mark.parametrize("seed", range(20))
def test_no_row_is_lost_and_order_is_kept(seed):
    rng = np.random.default_rng(seed)
    stamps = np.sort(rng.integers(0, 40, 200)) * 0.5
    times, _ = spread(stamps)
    assert len(times) == 200
    assert (np.diff(times) > 0).all()
    # Nobody is put before the stamp, except the first rows, nor into the next interval.
    following = np.r_[np.unique(stamps)[1:], np.inf][np.searchsorted(np.unique(stamps), stamps)]
    assert (times >= stamps).all()
    assert (times < following).all()


def test_a_clock_that_stands_still_is_refused():
    with pytest.raises(DataError, match=r"walk\.csv: all 3 rows have the time 5 s; a clock that"):
        spread([5, 5, 5])
    assert spread([5])[1] == 0


@pytest.mark.parametrize(
    ("stamp", "unit"),
    [
        (lambda t: f"{np.floor(t):.0f}", "s"),
        (lambda t: f"2024-01-01 00:00:{np.floor(t):02.0f}", "iso"),
        (lambda t: f"{round(t * RATE) // 5 * 100}", "ms"),
    ],
)
def test_a_coarse_clock_gives_the_windows_of_a_fine_one(tmp_path: Path, stamp, unit):
    cells = columns(6.0)
    cells["t"] = [stamp(float(t)) for t in cells["t"]]
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    reading, windows = read(tmp_path, time={"column": "t", "unit": unit})
    assert len(windows) == 3
    expected = np.sin(2 + np.arange(100) / RATE) * 0.1
    np.testing.assert_allclose(windows[1].signals["accel"][0], expected, atol=1e-4)
    assert reading.ledger["rows"].changed == {SHARED: 300}
    assert reading.ledger["rows"].kept == 300


def test_labels_go_with_their_rows(tmp_path: Path):
    cells = columns(8.0)
    cells["t"] = [f"{np.floor(float(t)):.0f}" for t in cells["t"]]
    cells["what"] = ["walking" if i < 225 else "resting" for i in range(400)]
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    reading, windows = read(tmp_path, window_s=0.5)
    assert [w.label for w in windows] == ["walking"] * 9 + ["resting"] * 7
    assert reading.ledger.unbalanced() == {}


def test_beats_that_share_a_time_are_all_there(tmp_path: Path):
    beats = {"t": [i // 2 * 2 for i in range(40)], "rr": [800 + i for i in range(40)]}
    (tmp_path / "beats.csv").write_text(csv_text(beats))
    heart = {"axis": "event", "steps": 10, "columns": {"rr": "ms"}}
    reading, windows = read(
        tmp_path, label=None, subject={"value": "me"}, window_s=None, modalities={"heart": heart}
    )
    values = np.concatenate([w.signals["heart"][0] for w in windows])
    np.testing.assert_allclose(values, 800 + np.arange(40))
    assert reading.ledger["rows"].changed == {SHARED: 40}


def test_a_missing_beat_keeps_its_place(tmp_path: Path):
    beats = {"rr": [800 + i if i != 5 else "" for i in range(40)]}
    (tmp_path / "beats.csv").write_text(csv_text(beats))
    heart = {"axis": "event", "steps": 20, "columns": {"rr": "ms"}}
    reading, windows = read(
        tmp_path, label=None, time=None, subject={"value": "me"}, modalities={"heart": heart}
    )
    values = np.concatenate([w.signals["heart"][0] for w in windows])
    np.testing.assert_allclose(values, 800 + np.arange(40))
    assert reading.ledger["windows"].changed == {"with up to 5% missing filled in": 1}
    assert reading.ledger["rows"].kept == 40


def test_rows_of_values_on_one_day_are_two_rows(tmp_path: Path):
    cells = {"t": [1, 1, 2], "steps": [10, 20, 30]}
    (tmp_path / "days.csv").write_text(csv_text(cells))
    daily = {"axis": "none", "columns": {"steps": "1"}}
    _, windows = read(
        tmp_path, label=None, subject={"value": "me"}, window_s=None, modalities={"daily": daily}
    )
    assert [w.signals["daily"].item() for w in windows] == [10, 20, 30]
