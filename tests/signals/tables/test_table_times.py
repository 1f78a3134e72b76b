"""The time of a row: every way of writing it gives the same seconds, or one line."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.times import Place, seconds
from tests.signals.tables.tables import columns, csv_text, windows

# 2023-09-06 08:00:00 UTC
START = 1693987200.0
PLACE = Place("walk.csv", "t")


def column(*cells) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(cells))])


@pytest.mark.parametrize(
    ("unit", "cells"),
    [
        ("s", ["1693987200", "1693987200.02"]),
        ("s", [1693987200.0, 1693987200.02]),
        ("ms", ["1693987200000", "1693987200020"]),
        ("us", [1693987200000000, 1693987200020000]),
        ("ns", ["1693987200000000000", "1693987200020000000"]),
        ("days", ["45175.333333333333", "45175.333333564815"]),
        ("iso", ["2023-09-06 08:00:00.000", "2023-09-06 08:00:00.020"]),
        ("iso", ["2023-09-06T08:00:00Z", "2023-09-06T08:00:00.020Z"]),
        ("iso", ["2023-09-06T10:00:00+02:00", "2023-09-06T10:00:00.020+02:00"]),
        ("iso", ["2023/09/06 08:00:00", "2023/09/06 08:00:00.02"]),
        ("iso", ["2023/9/6 8:00:00.000", "2023/9/6 8:00:00.020"]),
        ("iso", ["2023.09.06 08:00:00,000", "2023.09.06 08:00:00,020"]),
        ("dmy", ["06/09/2023 08:00:00.000", "06/09/2023 08:00:00.020"]),
        ("dmy", ["6.9.2023 8:00:00,00", "6.9.2023 8:00:00,02"]),
        ("mdy", ["09/06/2023 08:00:00.000", "09/06/2023 08:00:00.020"]),
        ("mdy", ["9/6/2023 08:00:00.000", "9/6/2023 08:00:00.020"]),
    ],
)
def test_a_time_is_read_however_it_is_written(unit, cells):
    times = seconds(column(*cells), unit, PLACE)
    np.testing.assert_allclose(times, [START, START + 0.02], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "ticks"),
    [
        (pa.timestamp("ms"), [1693987200000, 1693987200020]),
        (pa.timestamp("ns", tz="Europe/Berlin"), [1693987200000000000, 1693987200020000000]),
        (pa.duration("us"), [1693987200000000, 1693987200020000]),
    ],
)
def test_a_parquets_own_times_need_no_unit(kind, ticks):
    times = seconds(pa.chunked_array([pa.array(ticks, kind)]), "s", PLACE)
    np.testing.assert_allclose(times, [START, START + 0.02], rtol=0, atol=1e-6)


def test_negative_seconds_are_seconds():
    times = seconds(column("-0.020", "0.000"), "s", PLACE)
    np.testing.assert_allclose(times, [-0.02, 0])


def test_date_and_time_may_stand_in_two_columns(tmp_path: Path):
    cells = columns()
    clock = [f"08:00:0{float(t):.3f}" for t in cells.pop("t")]
    dates = {"Date": ["2023-09-06"] * 250, "Time": clock}
    (tmp_path / "walk.csv").write_text(csv_text(dates | cells))
    found = windows(tmp_path, time={"column": ["Date", "Time"], "unit": "iso"})
    assert [w.start_s for w in found] == [START, START + 2]


@pytest.mark.parametrize(
    ("unit", "cells", "message"),
    [
        ("s", ["0", None], "walk.csv: row 2, column 't': the time is missing"),
        ("s", ["0", "noon"], "row 2, column 't': 'noon' is not a number"),
        ("s", ["2023/09/06 08:00"], "'2023/09/06 08:00' is not a number; write unit: iso"),
        ("s", ["06/09/2023 08:00"], "is not a number; write unit: dmy"),
        ("ms", ["1e300"], "row 1, column 't': 1e300 ms is no time; is its unit right"),
        ("s", [float("nan")], "row 1, column 't': nan s is no time"),
        ("s", [float("inf")], "inf s is no time"),
        ("iso", ["06/09/2023 08:00"], "is no ISO date time; write unit: dmy or unit: mdy"),
        ("iso", ["2023-09-06 08:00", "x" * 99], "row 2, column 't': 'x.*\\.\\.\\.' is no ISO date"),
        ("dmy", ["99.99.2023 08:00"], "is no date time in the order dmy"),
        ("mdy", ["31/12/2023 08:00"], "is no date time in the order mdy"),
    ],
)
def test_a_time_that_cannot_be_read_is_named_by_its_place(unit, cells, message):
    with pytest.raises(DataError, match=message):
        seconds(column(*cells), unit, PLACE)


@pytest.mark.parametrize("start", [1.7e9, 1e6])
def test_times_without_enough_digits_are_refused(start):
    times = np.asarray(start + np.arange(200) / 50, dtype=np.float32)
    with pytest.raises(DataError, match="stored as float, which cannot tell less than"):
        seconds(pa.chunked_array([pa.array(times)]), "s", PLACE)


def test_short_times_of_32_bits_have_enough():
    times = (np.arange(200) / 50).astype(np.float32)
    read = seconds(pa.chunked_array([pa.array(times)]), "s", PLACE)
    np.testing.assert_allclose(read, np.arange(200) / 50, atol=1e-6)


def test_serial_days_said_to_be_seconds_are_recognised(tmp_path: Path):
    days = [f"{45000 + i / 50 / 86400:.10f}" for i in range(250)]
    (tmp_path / "walk.csv").write_text(csv_text(columns() | {"t": days}))
    with pytest.raises(DataError, match=r"is the time in days, as Excel writes it.* unit: days"):
        windows(tmp_path)
    found = windows(tmp_path, time={"column": "t", "unit": "days"})
    assert len(found) == 2


def test_two_columns_need_a_date(tmp_path: Path):
    (tmp_path / "walk.csv").write_text(csv_text(columns()))
    with pytest.raises(ValueError, match="time in the columns t, ax needs a unit in iso, dmy, mdy"):
        windows(tmp_path, time={"column": ["t", "ax"], "unit": "s"})
