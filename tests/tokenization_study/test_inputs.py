"""Any numbers: files, stores, standard input, arrays; and what is wrong with them, in one line."""

import bz2
import gzip
import io
import lzma
import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from sensor2llm.errors import DataError
from sensor2llm.signals.store.store import WindowStore
from tests.signals.stores import SPEC, make_windows
from tokenization_study.config import InputConfig
from tokenization_study.reading.inputs import open_source

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


def test_a_parquet_name_that_is_no_text_is_one_line(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"accel": [1.0, 2.0]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"accel", b"ac\x9fel"))
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as Parquet, is it truncated"):
        windows(path)


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
    assert source.columns == ["accel x", "accel y", "accel z", "rr", "person age", "person mass"]
    for window, stored in zip(found, store, strict=True):
        for modality, part in zip(SPEC.modalities, window, strict=True):
            assert np.array_equal(part, stored.signals.get(modality.name, part[:, :0]))
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


@pytest.mark.parametrize(
    ("header", "names", "second"),
    [
        ("x,y,,", ["x", "y"], []),
        ("x,x,,", ["x", "x (no. 2)"],
         ["two columns are called 'x': the second one is 'x (no. 2)'"]),
        (",,a,b", ["no. 1", "no. 2", "a", "b"], []),
        ("x,x (no. 3),x,y", ["x", "x (no. 3)", "x (no. 3)'", "y"],
         ["two columns are called 'x': the second one is 'x (no. 3)''"]),
        ("a,no. 3,,b", ["a", "no. 3", "no. 3'", "b"], []),
        (" x , x,b,c", ["x", "x (no. 2)", "b", "c"],
         ["two columns are called 'x': the second one is 'x (no. 2)'"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_equal_and_empty_names_are_told_apart(tmp_path, kind, header, names, second):
    """Every column is read under a name of its own; none is taken for another."""
    values = np.round(np.random.default_rng(0).normal(size=(4, 300)), 3)
    values[len(names) :] = np.nan
    path = tmp_path / f"walk.{kind}"
    if kind == "csv":
        cells = [["" if np.isnan(v) else str(v) for v in row] for row in values.T]
        path.write_text(header + "\n" + "".join(",".join(row) + "\n" for row in cells))
    else:
        columns = [pa.array(row, from_pandas=True) for row in values]
        parquet.write_table(pa.Table.from_arrays(columns, names=header.split(",")), path)
    source, found, _ = windows(path)
    assert source.columns == names
    assert np.array_equal(np.concatenate([w[0] for w in found], axis=1), values[: len(names)])
    assert [n for n in source.notes if "two columns are called" in n] == second


PACKED = {
    "gzip": gzip.compress(b"x,y\n1,2\n"), "bzip2": bz2.compress(b"x,y\n1,2\n"),
    "xz": lzma.compress(b"x,y\n1,2\n"), "a zip archive": b"PK\x03\x04 an Excel file",
    "zstd": b"\x28\xb5\x2f\xfd and more",
}  # fmt: skip


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("name", ["walk.csv.gz", "walk.csv", "walk.txt"])
def test_packed_files_are_never_audited_as_text(tmp_path, kind, name):
    path = tmp_path / name
    path.write_bytes(PACKED[kind])
    with pytest.raises(DataError, match=f"^{name} is .*{kind}.*unpack it first: .* {name}$"):
        windows(path)


@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
@pytest.mark.parametrize("content", [b"1,2\n3,\x004\n", "1,2\n3,4\n".encode("utf-16-le")])
def test_bytes_that_are_no_text_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: line [12] holds a NUL byte; it is no text"):
        windows(tmp_path / name)


def test_a_long_header_is_no_table(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"," * 20_000 + b"\n1\n")
    with pytest.raises(DataError, match="more than 10000 columns; is it a table"):
        windows(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"x" * (2 << 20))
    with pytest.raises(DataError, match="the first line is longer than 1 MiB"):
        windows(tmp_path / "b.csv")


COUNTER = 18_446_744_073_709_551_000


@pytest.mark.parametrize("kind", ["csv", "parquet", "lines"])
@pytest.mark.parametrize(
    ("integers", "reason"),
    [
        ([COUNTER + i for i in range(40)], "left out: a clock"),
        ([COUNTER + 7 * i % 40 for i in range(40)], r"integers beyond 2\^53 would be rounded"),
        ([-(2**53) - 1 - i % 3 for i in range(40)], r"integers beyond 2\^53 would be rounded"),
    ],
)
def test_integers_that_a_float_would_round_are_not_read_as_floats(tmp_path, kind, integers, reason):
    rows = [f"{n},{i % 7}.5" for i, n in enumerate(integers)]
    given, name = rows, "1"
    if kind != "lines":
        given, name = tmp_path / f"a.{kind}", "n"
    if kind == "csv":
        given.write_text("n,x\n" + "\n".join(rows) + "\n")
    if kind == "parquet":
        dtype = pa.int64() if min(integers) < 0 else pa.uint64()
        columns = {"n": pa.array(integers, dtype), "x": [i % 7 + 0.5 for i in range(40)]}
        parquet.write_table(pa.table(columns), given)
    source, found, _ = windows(given)
    assert found[0][0].tolist() == [[i % 7 + 0.5 for i in range(40)]]
    assert [n for n in source.notes if n.startswith(f"column {name} left out")]
    assert any(re.search(reason, note) for note in source.notes)
    if "rounded" in reason:
        with pytest.raises(DataError, match=f"column {name} cannot be read: integers beyond"):
            windows(given, columns=(name,))


def test_integers_that_fit_are_read():
    _, found, _ = windows([f"{2**53 - i % 3},{i % 7}" for i in range(40)])
    assert found[0][0][0].tolist() == [2**53 - i % 3 for i in range(40)]


def test_missing_values_are_counted(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(
        f"{i % 7}.5,{'3.25' if i % 10 == 0 else '2.5' if i % 10 == 5 else ''}\n"
        for i in range(40)))  # fmt: skip
    source, _, _ = windows(tmp_path / "a.csv")
    assert source.notes == ["32 of 80 values are missing: no text is written for them"]
