"""Any numbers: files, stores, standard input, arrays; and what is wrong with them, in one line."""

import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from sensor2llm.errors import DataError
from sensor2llm.signals.store import WindowStore
from tests.signals.stores import SPEC, make_windows
from tokenization_study.config import InputConfig
from tokenization_study.inputs import open_source

ROWS = np.round(np.random.default_rng(0).normal(size=(300, 2)), 3)
LINES = [f"7,A,{1000 + 50 * i},{x},{y};" for i, (x, y) in enumerate(ROWS.tolist())]


def windows(given, as_text=False, **options):
    source = open_source(
        given, InputConfig(window_steps=100, **options), as_text=as_text, as_values=True
    )
    chunks = list(source.chunks)
    return source, [w for chunk in chunks for w in chunk.windows], [
        text for chunk in chunks for text in chunk.texts
    ]  # fmt: skip


def table():
    columns = {"time_s": np.arange(300) / 50, "name": ["a"] * 300, "x": ROWS[:, 0], "y": ROWS[:, 1]}
    return pa.table(columns)


def check_rows(found):
    assert [w[0].shape for w in found] == [(2, 100)] * 3
    assert np.array_equal(np.concatenate([w[0] for w in found], axis=1), ROWS.T)


def test_csv_gives_its_numeric_columns_and_its_rate(tmp_path):
    csv.write_csv(table(), tmp_path / "walk.csv")
    source, found, texts = windows(tmp_path / "walk.csv", as_text=True)
    check_rows(found)
    assert source.rate_hz == 50
    assert source.notes == ["column name left out: no numbers", "column time_s left out: a clock"]
    assert "".join(texts) == (tmp_path / "walk.csv").read_text()


def test_parquet_and_npz_give_the_same_rows(tmp_path):
    parquet.write_table(table(), tmp_path / "walk.parquet")
    check_rows(windows(tmp_path / "walk.parquet")[1])
    np.savez(tmp_path / "walk.npz", accel=ROWS.T, labels=np.arange(3))
    check_rows(windows(tmp_path / "walk.npz")[1])


def test_chosen_columns_alone_are_read(tmp_path):
    csv.write_csv(table(), tmp_path / "walk.csv")
    _, found, _ = windows(tmp_path / "walk.csv", columns=("y",))
    assert np.array_equal(found[0][0][0], ROWS[:100, 1])
    with pytest.raises(DataError, match="no column 'z'; it has time_s, name, x, y"):
        windows(tmp_path / "walk.csv", columns=("z",))


def test_lines_give_the_columns_that_vary(tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text("\n".join(LINES) + "\nodd line 3\n")
    source, found, texts = windows(path, as_text=True)
    check_rows(found)
    assert "".join(texts) == path.read_text()
    assert source.notes == [
        "column 1 left out: constant",
        "column 2 left out: a clock",
        "1 lines have another number of numbers",
    ]
    check_rows(windows(LINES)[1])
    assert np.array_equal(windows(LINES, columns=("4",))[1][0][0][0], ROWS[:100, 1])
    with pytest.raises(DataError, match="columns go from 1 to 4"):
        windows(LINES, columns=("5",))
    with pytest.raises(DataError, match="columns of a text are numbers from 1"):
        windows(LINES, columns=("x",))


def test_standard_input_is_read_once(monkeypatch):
    data = io.BytesIO("\r\n".join(LINES).encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(data))
    source, found, texts = windows("-", as_text=True)
    check_rows(found)
    assert source.name == "standard input"
    assert "".join(texts) == "\r\n".join(LINES)


def test_a_store_keeps_its_windows_units_and_rate(tmp_path):
    store = WindowStore.write(tmp_path / "store", SPEC, make_windows(labels=("a", "b")), source="x")
    source, found, _ = windows(tmp_path / "store")
    assert len(found) == len(store)
    assert source.rate_hz == SPEC.modalities[0].rate_hz
    assert source.unit == SPEC.modalities[0].units[0]
    for window, stored in zip(found, store, strict=True):
        assert all(
            np.array_equal(a, b) for a, b in zip(window, stored.signals.values(), strict=True)
        )
    _, some, _ = windows(store, max_windows=2)
    assert len(some) == 2


def test_a_described_table_is_read_by_its_description(tmp_path):
    columns = {"t": np.arange(300) / 50, "x": ROWS[:, 0], "y": ROWS[:, 1]}
    csv.write_csv(pa.table(columns), tmp_path / "walk.csv")
    (tmp_path / "t.yaml").write_text(
        "files: walk.csv\ntime: {column: t, unit: s}\nwindow_s: 2\n"
        "subject: {value: anna}\nmodalities:\n"
        "  accel: {rate_hz: 50, columns: {x: g, y: g}}\n"
    )
    source, found, _ = windows(tmp_path / "t.yaml")
    assert (source.unit, source.rate_hz, len(found)) == ("g", 50, 3)


@pytest.mark.parametrize("shape", [(40,), (2, 40), (3, 2, 40)])
def test_arrays_are_taken_as_they_are(shape):
    source, found, _ = windows(np.ones(shape))
    assert len(found) == (shape[0] if len(shape) == 3 else 1)
    assert source.has_text is False


def test_memory_does_not_hold_a_long_file(tmp_path):
    path = tmp_path / "long.txt"
    path.write_text(("\n".join(LINES) + "\n") * 300)
    source = open_source(path, InputConfig(), as_text=True, as_values=False)
    longest = max(sum(map(len, chunk.texts)) for chunk in source.chunks)
    assert longest < 1.1 * 2**20 < path.stat().st_size


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "a.txt is empty"),
        ("a.txt", b"no digits here\n", "there is no number in the text"),
        ("a.txt", b"1.5\n2.5\n\xe9t\xe9 3\n", r"a.txt: line 3 is not UTF-8 \(byte 0xE9\)"),
        ("a.txt", "1,5\n".encode("utf-16"), "is UTF-16; convert it"),
        ("a.csv", b"x,y\n", "a.csv"),
        ("a.csv", b"x,y\na,b\n", "a.csv has no column of numbers"),
        ("a.csv", b"x,y\n1,2\ninf,3\n", "row 2, column 'x': inf is not finite"),
        ("a.csv", b"x,y\n1,2\n\xff\xfe,3\n", "encodings mixed|UTF8|cannot be read"),
        ("a.npz", b"PK broken", "cannot be read as .npz"),
        ("a.parquet", b"PAR1 broken", "cannot be read as Parquet"),
    ],
)
def test_bad_files_are_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        windows(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing.csv", "missing.csv does not exist"),
        (np.array([]), "not empty"),
        (np.ones((1, 1, 1, 1)), "values must be"),
        (np.array([1.0, np.inf, 2.0]), "1 values are infinite, the first in channel 1 at step 2"),
        (np.full(10, np.nan), "no number in the input"),
        ([10**400, 1], "fit 64 bits|regular array"),
        (np.array(["a"]), "values must be numbers"),
        ([[1, 2], [3]], "regular array"),
        (["9" * 400 + " 1", "8 2"], "too large for a number"),
    ],
)
def test_bad_values_are_one_line(given, message):
    with pytest.raises(DataError, match=message) as caught:
        windows(given)
    assert "\n" not in str(caught.value)


def test_nan_is_a_missing_value():
    values = np.where(np.arange(40) == 3, np.nan, np.arange(40.0))
    _, found, _ = windows(values)
    assert int(np.isnan(found[0][0]).sum()) == 1


def test_a_csv_without_a_header_loses_no_row(tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in ROWS.tolist()) + "\n")
    source, found, _ = windows(path)
    check_rows(found)
    assert "the first row is numbers: read as raw lines" in source.notes
