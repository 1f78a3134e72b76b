"""The ledger of a table: the sums match the input, whatever the axis and whatever is lost."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.summary import advice
from sensor2llm.prepare import main
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.windows import read_windows
from tests.signals.tables.tables import DESCRIPTION, RATE, columns, csv_text, describe, read

ACCEL = DESCRIPTION["modalities"]["accel"]
AXES = {
    "time": {"modalities": {"accel": ACCEL}},
    "resampled": {"modalities": {"accel": {**ACCEL, "resample_hz": 20}}},
    "event": {"modalities": {"heart": {"axis": "event", "steps": 30, "columns": {"rr": "ms"}}}},
    "none": {"modalities": {"daily": {"axis": "none", "columns": {"rr": "1"}}}},
    "mixed": {
        "modalities": {
            "accel": ACCEL,
            "heart": {"axis": "event", "steps": 3, "columns": {"rr": "ms"}},
        }
    },
}


def table(seed: int) -> dict[str, list]:
    """Make rows with borders between labels, pauses, empty cells, shared stamps and two people."""
    rng = np.random.default_rng(seed)
    cells: dict[str, list] = {name: [] for name in (*columns(), "rr")}
    for person in ("anna", "ben"):
        start = 0.0
        for _ in range(int(rng.integers(2, 5))):
            seconds = float(rng.choice([0.5, 3.0, 7.3, 12.0]))
            part = columns(seconds, start)
            n = len(part["t"])
            part["who"] = [person] * n
            cut = int(rng.integers(0, n))
            part["what"] = ["walking"] * cut + [str(rng.choice(["resting", ""]))] * (n - cut)
            part["rr"] = [str(800 + i % 50) for i in range(n)]
            first, empty = rng.integers(0, n), rng.integers(0, 20)
            for name in ("ax", "ay", "az"):
                hole = range(n)[first : first + empty]
                part[name] = ["" if i in hole else v for i, v in enumerate(part[name])]
            for name, values in part.items():
                cells[name] += values
            start += seconds + float(rng.choice([0.0, 0.05, 1.0, 30.0]))
    for row in rng.integers(1, len(cells["t"]) - 1, 5):
        if cells["who"][row] == cells["who"][row - 1]:
            cells["t"][row] = cells["t"][row - 1]
    return cells


@pytest.mark.parametrize(("axis", "overlap", "seed"), [*product(AXES, (0.0, 0.5, 0.9), range(3))])
def test_every_row_of_every_file_is_kept_or_dropped_for_a_reason(
    tmp_path: Path, axis, overlap, seed
):
    files = [table(10 * seed + number) for number in range(2)]
    for number, cells in enumerate(files):
        (tmp_path / f"{number}.csv").write_text(csv_text(cells))
    reading, windows = read(tmp_path, overlap=overlap, **AXES[axis])
    rows, cut = reading.ledger["rows"], reading.ledger["windows"]
    assert rows.read == sum(len(cells["t"]) for cells in files)
    assert rows.read == rows.kept + rows.dropped.total()
    assert cut.read == cut.kept + cut.dropped.total()
    assert cut.kept == len(windows) > 0
    assert rows.changed["that share a time spread over their interval"] > 0


def test_what_is_lost_at_borders_is_said_and_what_to_do(tmp_path: Path, capsys):
    cells = columns(60.0)
    cells["what"] = [f"act{i // 150 % 2}" for i in range(len(cells["t"]))]
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    words = [str(describe(tmp_path)), "--out", str(tmp_path / "store"), "--picture", "none"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "windows: 30, 20 kept, 10 dropped: 10 at a border between labels" in lines
    assert (
        "rows: 3000 read, 2000 in windows, 1000 dropped: 1000 at a border between labels" in lines
    )
    assert lines[-1] == (
        "hint: 10 of 30 windows are left out at a border between labels; shorter windows (now 2 s) "
        "or more overlap keep more of them"
    )
    ledger = WindowStore.open(tmp_path / "store").ledger
    assert ledger["windows"].dropped == {"at a border between labels": 10}
    # And it is true: with more overlap, fewer rows are in no window.
    assert read(tmp_path, overlap=0.5)[0].ledger["rows"].dropped.total() < 1000


def test_hints_name_the_reason_and_the_way_out():
    ledger = Ledger()
    ledger.read("rows", 100)
    ledger.drop("rows", 9, "after the last whole window")
    assert advice(ledger, 5.0) == []
    ledger.drop("rows", 36, "in a piece shorter than a window")
    (hint,) = advice(ledger, None)
    assert hint == (
        "hint: 36 of 100 rows are left out in a piece shorter than a window; shorter windows or a "
        "longer max_gap_s keep more of them"
    )


def test_pieces_between_pauses_are_said(tmp_path: Path):
    first, second = columns(3.0), columns(1.0, start_s=60.0)
    cells = {name: first[name] + second[name] for name in first}
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    reading, windows = read(tmp_path)
    assert len(windows) == 1
    assert reading.ledger["rows"].dropped == {
        "after the last whole window": 50, "in a piece shorter than a window": 50,
    }  # fmt: skip


def test_short_pauses_that_are_bridged_are_said(tmp_path: Path):
    cells = {name: values[:60] + values[62:] for name, values in columns().items()}
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    reading, windows = read(tmp_path)
    assert len(windows) == 2
    assert reading.ledger["rows"].changed == {"after a short pause that is bridged": 1}


def test_what_is_classified_has_a_ledger_too(tmp_path: Path):
    cells = columns(5.0)
    spec = read_spec(tmp_path, cells)
    ledger = Ledger()
    named = {"t": "time_s", "ax": "ax", "ay": "ay", "az": "az"}
    (tmp_path / "new.csv").write_text(csv_text({named[n]: cells[n] for n in named}))
    assert len(list(read_windows(tmp_path / "new.csv", spec, ledger=ledger))) == 2
    assert ledger.lines() == [
        "windows: 2, 2 kept",
        "rows: 250 read, 200 in windows, 50 dropped: 50 after the last whole window",
    ]
    np.savez(tmp_path / "new.npz", accel=np.tile([[[0.1], [0.1], [1.0]]], (3, 1, 100)))
    ledger = Ledger()
    list(read_windows(tmp_path / "new.npz", spec, ledger=ledger))
    assert ledger.lines() == ["windows: 3, 3 kept"]
    ledger = Ledger()
    list(read_windows(tmp_path / "table.yaml", spec, ledger=ledger))
    assert (ledger["rows"].read, ledger.unbalanced()) == (250, {})


def read_spec(folder: Path, cells: dict[str, list]):
    (folder / "walk.csv").write_text(csv_text(cells))
    return read(folder, files="walk.csv")[0].spec


def test_a_store_that_would_be_empty_says_why(tmp_path: Path, capsys):
    (tmp_path / "walk.csv").write_text(csv_text(columns(1.0)))
    words = [str(describe(tmp_path)), "--out", str(tmp_path / "store"), "--picture", "none"]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("50 dropped: 50 in a piece shorter than a window")
    assert round(RATE) == 50
