"""When a row was measured: formats, zones, offsets, counters, and rows that come at a rate."""

import datetime
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sensor2llm.errors import DataError, SpecError
from tests.signals.tables.tables import RATE, columns, read, windows, write_csv

START = datetime.datetime(2023, 9, 6, 12, 59, 58, tzinfo=datetime.UTC)
START_S = START.timestamp()


def stamps(form: str, rows: int = 250, start: datetime.datetime = START) -> list[str]:
    steps = (start + datetime.timedelta(seconds=i / RATE) for i in range(rows))
    return [step.strftime(form) for step in steps]


def starts(folder: Path, cells: dict, **changes) -> list[float]:
    write_csv(folder / "walk.csv", cells)
    return [window.start_s for window in windows(folder, **changes)]


@pytest.mark.parametrize(
    ("form", "time"),
    [
        ("%Y-%m-%d %H:%M:%S.%f", {"unit": "iso"}),
        ("%Y-%m-%d %I:%M:%S.%f %p", {"unit": "iso"}),
        ("%d.%m.%Y %H:%M:%S.%f", {"unit": "dmy"}),
        ("%d/%m/%y %I:%M:%S.%f %p", {"unit": "dmy"}),
        ("%m/%d/%Y %I:%M:%S.%f%p", {"unit": "mdy"}),
        ("%d %b %Y %H:%M:%S.%f", {"format": "%d %b %Y %H:%M:%S"}),
        ("%A %B %d %Y; %I:%M:%S.%f %p", {"format": "%A %B %d %Y; %I:%M:%S.%f %p"}),
        ("%Y%m%d_%H%M%S.%f", {"format": "%Y%m%d_%H%M%S"}),
        ("%Y-%j %H:%M:%S.%f", {"format": "%Y-%j %H:%M:%S.%f"}),
        ("%Y-%m-%d %H:%M:%S.%f +0000", {"unit": "iso"}),
        ("%Y-%m-%dT%H:%M:%S.%fZ", {"unit": "iso"}),
    ],
)
def test_a_date_is_the_same_moment_however_it_is_written(tmp_path: Path, form, time):
    time = {"column": "t"} | time
    assert starts(tmp_path, columns() | {"t": stamps(form)}, time=time) == [START_S, START_S + 2]


def test_an_offset_behind_a_blank_is_subtracted(tmp_path: Path):
    cells = columns() | {"t": stamps("%Y-%m-%d %H:%M:%S.%f -0500")}
    found = starts(tmp_path, cells, time={"column": "t", "unit": "iso"})
    assert found == [START_S + 5 * 3600, START_S + 5 * 3600 + 2]


def test_a_zone_is_that_of_dates_that_say_no_offset(tmp_path: Path):
    cells = columns() | {"t": stamps("%d.%m.%Y %H:%M:%S.%f")}
    time = {"column": "t", "unit": "dmy", "zone": "Europe/Berlin"}
    assert starts(tmp_path, cells, time=time)[0] == START_S - 2 * 3600
    table = pa.table({n: [float(v) for v in c] for n, c in columns().items() if n[0] == "a"}
                     | {"t": pa.array([START.replace(tzinfo=None)
                                       + datetime.timedelta(seconds=i / RATE)
                                       for i in range(250)])})  # fmt: skip
    pq.write_table(table, tmp_path / "walk.parquet")
    options = {"files": "*.parquet", "label": None, "subject": {"value": "me"}, "time": time}
    assert windows(tmp_path, **options)[0].start_s == START_S - 2 * 3600


def test_the_hour_that_a_clock_shows_twice_is_told_by_where_it_goes_back(tmp_path: Path):
    # Berlin, 29 October 2023: from 01:00 UTC on, 02:00 to 03:00 is there a second time.
    first = datetime.datetime(2023, 10, 29, 2, 59, 57, tzinfo=datetime.UTC)
    again = datetime.datetime(2023, 10, 29, 2, 0, 0, tzinfo=datetime.UTC)
    form = "%Y-%m-%d %H:%M:%S.%f"
    cells = columns() | {"t": stamps(form, 150, first) + stamps(form, 100, again)}
    time = {"column": "t", "unit": "iso", "zone": "Europe/Berlin"}
    utc = first.timestamp() - 2 * 3600
    assert starts(tmp_path, cells, time=time) == [utc, utc + 2]


def test_an_hour_that_may_be_either_is_the_first_and_is_told(tmp_path: Path, caplog):
    first = datetime.datetime(2023, 10, 29, 2, 30, tzinfo=datetime.UTC)
    cells = columns() | {"t": stamps("%Y-%m-%d %H:%M:%S.%f", 250, first)}
    time = {"column": "t", "unit": "iso", "zone": "Europe/Berlin"}
    with caplog.at_level(logging.WARNING):
        assert starts(tmp_path, cells, time=time)[0] == first.timestamp() - 2 * 3600
    assert "250 rows of column 't' are in the hour that Europe/Berlin has twice" in caplog.text


def test_an_offset_in_seconds_is_added(tmp_path: Path):
    time = {"column": "t", "unit": "s", "offset_s": -1.5}
    assert starts(tmp_path, columns(), time=time) == [-1.5, 0.5]


def test_rows_alone_come_at_their_rate(tmp_path: Path):
    assert starts(tmp_path, columns(), time={"rate_hz": RATE}) == [0, 2]


def test_a_counter_shows_samples_that_were_lost(tmp_path: Path):
    counts = [str(i if i < 120 else i + 500) for i in range(250)]
    time = {"column": "n", "unit": "samples"}
    reading, found = read_counter(tmp_path, columns() | {"n": counts}, time)
    assert [window.start_s for window in found] == [0, 12.4]
    assert reading.ledger.unbalanced() == {}


def read_counter(folder: Path, cells: dict, time: dict):
    write_csv(folder / "walk.csv", cells)
    return read(folder, time=time)


@pytest.mark.parametrize(
    ("name", "head", "time"),
    [
        ("walk.csv", "", {"start": "2023-09-06 12:59:58", "unit": "iso"}),
        ("walk.csv", "", {"start": START_S, "unit": "s"}),
        ("walk.csv", "", {"start": int(START_S), "unit": "s"}),
        ("walk.csv", f"{START_S}\n50\n", {"start": {"head": r"^([\d.]+)"}, "unit": "s"}),
        ("walk.csv", "Start Time 12:59:58\nStart Date 9/6/2023\n",
         {"start": {"head": r"Time (\S+)\nStart Date (\S+)"}, "format": "%H:%M:%S %m/%d/%Y"}),
        ("w_20230906-125958.csv", "",
         {"start": {"file": r"(\d{8}-\d{6})"}, "format": "%Y%m%d-%H%M%S"}),
    ],
)  # fmt: skip
def test_the_first_row_is_of_the_time_that_the_file_says(tmp_path: Path, name, head, time):
    write_csv(tmp_path / name, columns())
    (tmp_path / name).write_text(head + (tmp_path / name).read_text())
    rows = {"skip_rows": head.count("\n")} if head else {}
    found = windows(tmp_path, time={"rate_hz": RATE} | time, **rows)
    assert [window.start_s for window in found] == [START_S, START_S + 2]


@pytest.mark.parametrize("cell", ["20230906", "1694005198", "1694005198.5", "45175", "2023"])
@pytest.mark.parametrize("unit", ["iso", "dmy", "mdy"])
def test_a_number_is_never_a_date(tmp_path: Path, cell, unit):
    write_csv(tmp_path / "walk.csv", columns() | {"t": [cell] * 250})
    with pytest.raises(DataError, match=rf"row 1, column 't': '{cell}' is no"):
        windows(tmp_path, time={"column": "t", "unit": unit})


@pytest.mark.parametrize(
    ("cell", "time", "message"),
    [
        ("31/02/2023", {"unit": "dmy"}, "'31/02/2023' is no date time in the order dmy"),
        ("13/02/2023", {"unit": "mdy"}, "in the order mdy; write unit: dmy"),
        ("06.09.2023", {"unit": "iso"}, "is no ISO date time; write unit: dmy or unit: mdy"),
        ("2023-09-06", {"unit": "s"}, "is not a number; write unit: iso"),
        ("2023-09-06 13:00 PM", {"unit": "iso"}, "is no ISO date time"),
        ("6 Sept", {"format": "%d.%m.%Y"}, r"is no date time of the format '%d\.%m\.%Y'"),
        ("", {"unit": "iso"}, "row 2, column 't': the time is missing"),
    ],
)
def test_a_cell_that_is_no_such_date_is_named(tmp_path: Path, cell, time, message):
    good = {"dmy": "01/02/2023", "mdy": "02/01/2023", "s": "0", None: "06.09.2023"}
    first = good.get(time.get("unit"), "2023-09-06")
    write_csv(tmp_path / "walk.csv", columns() | {"t": [first, cell] + [first] * 248})
    with pytest.raises(DataError, match=message):
        windows(tmp_path, time={"column": "t"} | time)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ({"column": "t", "format": "%Q"}, "format '%Q': '%Q' is none of %Y %y"),
        ({"column": "t", "format": "%Y %Y %d"}, "'%Y' is none of .* each once"),
        ({"column": "t", "format": "%Y"}, "format '%Y' has neither a day nor an hour"),
        ({"column": "t", "format": "%d", "unit": "iso"}, "has a format and the unit 'iso'"),
        ({"column": "t", "unit": "iso", "zone": "Berlin"}, "unknown zone 'Berlin'; write it as"),
        ({"column": "t", "unit": "iso", "start": "1"}, "start of time is for rows that come at a"),
        ({"rate_hz": 0}, "rate_hz of time must be above 0, got 0"),
        ({"rate_hz": 50, "unit": "ms"}, "rows are counted, and the unit 'ms'; leave one"),
        ({"rate_hz": 50, "start": {"name": "x"}}, r"start of time must be a time, \{head: REGEX\}"),
        ({"rate_hz": 50, "start": {"head": "("}}, r"start \{head: \(\} is no pattern"),
        ({"unit": "s"}, "the key 'column' is missing; or write rate_hz: 50"),
        ({"column": "t"}, "the key 'unit' is missing"),
    ],
)
def test_a_clock_that_cannot_be(tmp_path: Path, time, message):
    with pytest.raises(SpecError, match=message):
        windows(tmp_path, time=time)


def test_a_start_that_is_not_there_and_a_counter_without_a_rate(tmp_path: Path):
    write_csv(tmp_path / "walk.csv", columns() | {"n": ["1", ""] * 125})
    start = {"file": r"(\d{8})"}
    with pytest.raises(
        DataError, match=r"start \{file: .*\} does not fit its name or its folders'"
    ):
        windows(tmp_path, time={"rate_hz": 50, "start": start, "format": "%Y%m%d"})
    with pytest.raises(DataError, match="row 2, column 'n': the number of the sample is missing"):
        windows(tmp_path, time={"column": "n", "unit": "samples"})
    write_csv(tmp_path / "walk.csv", columns() | {"n": list(map(str, range(250)))})
    accel = {"rate_hz": RATE, "columns": {"ax": "g", "ay": "g", "az": "g"}}
    other = {"rate_hz": 25, "columns": {"n": "1"}}
    with pytest.raises(DataError, match="which rate does 'n' count at\\? write rate_hz into time"):
        windows(tmp_path, time={"column": "n", "unit": "samples"},
                modalities={"accel": accel, "other": other})  # fmt: skip


def test_a_year_of_two_digits_and_times_of_day(tmp_path: Path):
    cells = columns() | {"t": stamps("%d.%m.%y %H:%M:%S.%f")}
    assert starts(tmp_path, cells, time={"column": "t", "unit": "dmy"})[0] == START_S
    cells = columns() | {"t": stamps("%H:%M:%S.%f")}
    found = starts(tmp_path, cells, time={"column": "t", "format": "%H:%M:%S"})
    np.testing.assert_allclose(found, [START_S % 86400, START_S % 86400 + 2])
