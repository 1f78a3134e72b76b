"""Files of any size: rows come block by block, recordings part by part; the windows stay."""

import gzip
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.tables import columns as table_columns
from sensor2llm.signals.tables import layout, recordings
from sensor2llm.signals.tables.rows import file_rows, spill, stream
from tests.signals.tables.tables import RATE, columns, csv_text, read, write_csv

ACCEL = {"rate_hz": RATE, "columns": {"ax": "g", "ay": "g", "az": "g"}}


@pytest.fixture
def small(monkeypatch):
    """Let a block be some lines, a part some seconds, and the rest wait on the disk."""

    def shrink(rows: int = 64, budget: int = 4000) -> None:
        chunks = partial(table_columns.column_chunks, rows=rows)
        monkeypatch.setattr(layout, "_PIECE_BYTES", 3999)
        monkeypatch.setattr(file_rows, "column_chunks", chunks)
        monkeypatch.setattr(recordings, "BUDGET_CELLS", budget)
        monkeypatch.setattr(spill, "_HELD_VALUES", 100)

    return shrink


def walk(seconds: float = 120.0, **more) -> dict[str, list]:
    cells = columns(seconds)
    random, rows = np.random.default_rng(1), len(cells["t"])
    cells["ay"] = [f"{v:.4f}" for v in random.normal(0, 0.3, rows)]
    cells["what"] = [("walking", "sitting")[i // 950 % 2] for i in range(rows)]
    return cells | more


def with_pause(cells):
    rows = [i for i in range(len(cells["t"])) if not 1000 <= i < 1400]
    return {name: [values[i] for i in rows] for name, values in cells.items()}


def with_gaps(cells):
    rows = [i for i in range(len(cells["t"])) if i % 97 not in (3, 4)]
    return {name: [values[i] for i in rows] for name, values in cells.items()}


def in_packets(cells):
    return cells | {"t": [f"{i // 10 * 0.2:.1f}" for i in range(len(cells["t"]))]}


def with_beats(cells):
    rows = len(cells["t"])
    return cells | {"rr": [f"{800 + i % 90}" if i % 41 == 0 else "" for i in range(rows)],
                    "age": ["31" if i == 5 else "" for i in range(rows)]}  # fmt: skip


BEATS = {"rr": {"axis": "event", "steps": 3, "columns": {"rr": "ms"}}}
AGE = {"age": {"axis": "none", "columns": {"age": "1"}}}
LAYOUTS = {
    "one recording": (walk(), {}),
    "overlapping windows": (walk(), {"overlap": 0.7}),
    "a pause": (with_pause(walk()), {}),
    "short gaps": (with_gaps(walk()), {}),
    "packets": (in_packets(walk()), {}),
    "no clock": (walk(), {"time": {"rate_hz": RATE}}),
    "people after each other": (
        {name: walk()[name] + with_gaps(walk())[name] for name in walk()}
        | {"who": ["anna"] * 6000 + ["ben"] * len(with_gaps(walk())["t"])}, {},
    ),
    "another rate": (walk(), {"modalities": {"accel": ACCEL | {"resample_hz": 20}}}),
    "a rate that does not divide": (walk(), {"modalities": {"accel": ACCEL | {"resample_hz": 31}}}),
    "beats and a fact": (with_beats(walk()), {"modalities": {"accel": ACCEL} | BEATS | AGE}),
    "beats alone": (
        walk(rr=[f"{800 + i % 90}" for i in range(6000)]), {"modalities": BEATS, "window_s": None},
    ),
    "facts alone": (walk(), {"window_s": None, "modalities": {
        "x": {"axis": "none", "columns": {"ax": "g", "ay": "g"}}}}),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_recording_in_parts_gives_the_windows_of_the_whole(tmp_path: Path, small, name: str):
    cells, changes = LAYOUTS[name]
    write_csv(tmp_path / "walk.csv", cells)
    reading, whole = read(tmp_path, **changes)
    small()
    in_parts, windows = read(tmp_path, **changes)
    assert len(windows) == len(whole) > 0
    for i, (window, expected) in enumerate(zip(windows, whole, strict=True)):
        # Where the rate changes, the filter's ends lie on a line through the first and last sample.
        atol = 1e-7 if "rate" not in name else 2e-6 if 0 < i < len(whole) - 1 else 2e-4
        assert window.start_s == pytest.approx(expected.start_s, abs=1e-9)
        assert (window.subject, window.label, window.recording) == (
            expected.subject, expected.label, expected.recording)  # fmt: skip
        assert window.signals.keys() == expected.signals.keys()
        for sensor, values in window.signals.items():
            np.testing.assert_allclose(values, expected.signals[sensor], atol=atol)
    assert in_parts.ledger == reading.ledger
    assert not in_parts.ledger.unbalanced()


def test_memory_holds_no_more_rows_than_the_budget(tmp_path: Path, small, monkeypatch):
    write_csv(tmp_path / "walk.csv", walk(400.0))
    held = []
    fill = stream.RowStream.fill
    monkeypatch.setattr(
        stream.RowStream, "fill", lambda self, rows: (fill(self, rows), held.append(self.held))
    )
    small(budget=20_000)
    read(tmp_path)
    # Two rows' numbers of three axes, a time and a label; a block more than the budget.
    assert len(held) > 3
    assert max(held) < 20_000 / 5 + 300


def test_sensors_of_two_files_are_joined_in_parts_too(tmp_path: Path, small):
    cells = walk()
    accel = {name: cells[name] for name in ("t", "ax", "ay", "az", "who", "what")}
    pulse = {"t": [f"{i / 4:.2f}" for i in range(480)], "who": ["anna"] * 480,
             "bpm": [f"{60 + i % 7}" for i in range(480)]}  # fmt: skip
    write_csv(tmp_path / "accel.csv", accel)
    write_csv(tmp_path / "pulse.csv", pulse)
    changes = {"files": "accel.csv", "modalities": {"accel": ACCEL, "pulse": {
        "files": "pulse.csv", "rate_hz": 4, "columns": {"bpm": "bpm"}}}}  # fmt: skip
    reading, whole = read(tmp_path, **changes)
    small()
    in_parts, windows = read(tmp_path, **changes)
    assert [sorted(w.signals) for w in windows] == [["accel", "pulse"]] * len(whole)
    for window, expected in zip(windows, whole, strict=True):
        for sensor, values in window.signals.items():
            np.testing.assert_allclose(values, expected.signals[sensor], atol=2e-6)
    assert in_parts.ledger == reading.ledger


def test_people_whose_rows_alternate_are_sorted_by_person(tmp_path: Path, small, caplog):
    cells = walk(20.0)
    people = {who: cells | {"who": [who] * 1000} for who in ("anna", "ben", "cleo")}
    write_csv(tmp_path / "walk.csv", {
        name: [people[who][name][i] for i in range(1000) for who in people] for name in cells
    })  # fmt: skip
    small()
    reading, windows = read(tmp_path)
    assert "walk.csv: the rows of 3 people alternate; they are sorted by person in" in caplog.text
    (tmp_path / "walk.csv").unlink()
    for who, rows in people.items():
        write_csv(tmp_path / f"{who}.csv", rows)
    _, expected = read(tmp_path)
    assert [w.subject for w in windows] == [w.subject for w in expected]
    for window, other in zip(windows, expected, strict=True):
        assert window.label == other.label
        np.testing.assert_array_equal(window.signals["accel"], other.signals["accel"])
    assert reading.ledger["rows"].read == 3000


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("ax", "fast", "row 3001, column 'ax': 'fast' is not a number"),
        ("t", "", "row 3001, column 't': the time is missing"),
        ("t", "1.0", "row 3001, column 't': time goes back from 59.98 to 1 s"),
        ("who", "", "row 3001 has no subject"),
        ("ax", "inf", "row 3001, column 'ax': inf is not finite"),
    ],
)
def test_a_bad_cell_far_down_is_named_by_its_row(
    tmp_path: Path, small, column: str, cell: str, message: str
):
    cells = walk()
    cells[column][3000] = cell
    write_csv(tmp_path / "walk.csv", cells)
    small()
    with pytest.raises(DataError, match=re.escape(message)):
        read(tmp_path)


def test_what_is_only_seen_in_the_whole_file_is_seen(tmp_path: Path, small):
    small()
    cells = walk()
    cells["ax"][5000] = "-9999"
    write_csv(tmp_path / "walk.csv", cells)
    with pytest.raises(DataError, match="1 values of 'ax' are -9999, which looks like a mark"):
        read(tmp_path)
    write_csv(tmp_path / "walk.csv", walk(az=["9.8"] * 6000, ay=["0.1"] * 6000))
    with pytest.raises(Exception, match="looks like m/s\\^2"):
        read(tmp_path)


def test_a_blank_in_one_block_makes_no_texts_of_the_others(tmp_path: Path, small):
    write_csv(tmp_path / "walk.csv", walk())
    _, whole = read(tmp_path)
    cells = walk()
    cells["ax"][3000] = f'" {cells["ax"][3000]} "'
    write_csv(tmp_path / "walk.csv", cells)
    small()
    _, windows = read(tmp_path)
    for window, expected in zip(windows, whole, strict=True):
        np.testing.assert_array_equal(window.signals["accel"], expected.signals["accel"])


@pytest.mark.parametrize("form", ["gzip", "utf-16", "comments", "carriage returns"])
def test_bytes_are_unpacked_and_decoded_block_by_block(tmp_path: Path, small, form):
    text = csv_text(walk())
    write_csv(tmp_path / "walk.csv", walk())
    _, whole = read(tmp_path)
    commented = re.sub(r"\n(?=2)", "\n# a remark\n", text)
    content = {"gzip": gzip.compress(text.encode()), "utf-16": text.encode("utf-16"),
               "comments": commented.encode(),
               "carriage returns": text.replace("\n", "\r").encode()}[form]  # fmt: skip
    (tmp_path / "walk.csv").write_bytes(content)
    small()
    _, windows = read(tmp_path, **({"comment": "#"} if form == "comments" else {}))
    for window, expected in zip(windows, whole, strict=True):
        np.testing.assert_array_equal(window.signals["accel"], expected.signals["accel"])


def test_the_hour_that_a_zone_has_twice_may_span_blocks(tmp_path: Path, small):
    # Berlin, 27 October 2024: 02:59:59 is followed by 02:00:00.
    clock = np.r_[np.arange(9000, 10_800), np.arange(7200, 10_860)]
    stamps = [f"2024-10-27 {s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in clock.tolist()]
    rows = len(stamps)
    write_csv(tmp_path / "walk.csv", {
        "t": stamps, "bpm": [f"{60 + i % 9}" for i in range(rows)], "who": ["anna"] * rows,
        "what": ["walking"] * rows,
    })  # fmt: skip
    changes = {"time": {"column": "t", "unit": "iso", "zone": "Europe/Berlin"}, "window_s": 60,
               "modalities": {"pulse": {"rate_hz": 1, "columns": {"bpm": "bpm"}}}}  # fmt: skip
    _, whole = read(tmp_path, **changes)
    small()
    _, windows = read(tmp_path, **changes)
    assert [w.start_s for w in windows] == [w.start_s for w in whole]
    assert len(windows) == rows // 60
