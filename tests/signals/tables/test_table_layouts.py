"""How text files are written: each layout gives the same windows as the plain file, or one line."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sensor2llm.errors import DataError, SpecError
from tests.signals.tables.tables import DESCRIPTION, columns, csv_text, windows

PLAIN = csv_text(columns())
HEAD = "device: watch\nstarted, late\n\n"
COMMA = {n: [c.replace(".", ",") for c in cells] for n, cells in columns().items()}
ROWS = PLAIN.split("\n", 1)[1]


def expected(folder: Path) -> list:
    """Give the windows of the plain file."""
    plain = folder / "plain"
    plain.mkdir()
    (plain / "walk.csv").write_text(PLAIN)
    return windows(plain)


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (HEAD + PLAIN, {"skip_rows": 3}),
        (HEAD + PLAIN, {"skip_rows": 2}),
        ("# one, two\n#three\n" + PLAIN, {"comment": "#"}),
        (PLAIN.replace("\n1.0", "\n% pause\n1.0", 1), {"comment": "%"}),
        (csv_text(COMMA, ";"), {"decimal": ",", "delimiter": ";"}),
        (csv_text(COMMA, "\t"), {"decimal": ",", "delimiter": "tab"}),
        (csv_text(columns(), "\t"), {"delimiter": "tab"}),
        (csv_text(columns(), "\t"), {"delimiter": "\\t"}),
        (csv_text(columns(), ";"), {"delimiter": "semicolon"}),
        (csv_text(columns(), " "), {"delimiter": "space"}),
        (csv_text(columns(), "|"), {"delimiter": "pipe"}),
        (PLAIN.replace("\n", "\ns,g,g,g,,\n", 1), {"units_row": True}),
        (ROWS, {"names": ["t", "ax", "ay", "az", "who", "what"]}),
        ("1, 2\n" + ROWS, {"names": ["t", "ax", "ay", "az", "who", "what"], "skip_rows": 1}),
        (PLAIN.encode("utf-16"), {}),
        (PLAIN.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (PLAIN.replace("walking", "gehen ü").encode("latin-1"), {"encoding": "latin-1"}),
        (PLAIN.encode("utf-8-sig"), {}),
        (PLAIN.replace("\n", "\r\n"), {}),
        (PLAIN.replace("\n", "\r"), {}),
        (gzip.compress(PLAIN.encode(), mtime=0), {}),
        (gzip.compress(PLAIN.encode("utf-16"), mtime=0), {}),
        (PLAIN.replace("t,ax,ay,az", ' "t", "ax",ay , "az"', 1), {}),
        (PLAIN.replace(",walking", ', "walking"'), {}),
        (PLAIN.replace("ax,ay,az", "ax,,", 1), {"names": list(columns()), "skip_rows": 1}),
    ],
)  # fmt: skip
def test_a_layout_gives_the_windows_of_the_plain_file(tmp_path: Path, content, changes):
    whole = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "walk.csv").write_bytes(whole)
    for window, plain in zip(windows(tmp_path, **changes), expected(tmp_path), strict=True):
        np.testing.assert_array_equal(window.signals["accel"], plain.signals["accel"])
        assert (window.subject, window.start_s) == (plain.subject, plain.start_s)
        assert window.label in ("walking", "gehen ü")


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (HEAD + PLAIN, {}, "it has device: watch; line 4 names it: write skip_rows: 3"),
        ("# a\n# b\n" + PLAIN, {}, "line 3 names it: write skip_rows: 2"),
        (csv_text(columns(), ";"), {}, "no column 'ax'; it has t;ax;.*; write delimiter: ';'"),
        (csv_text(COMMA, ";"), {"delimiter": ";"}, r"'0,00000' is not a .*write decimal: ','"),
        (PLAIN.replace("\n", "\ns,g,g,g,,\n", 1), {}, "'g' is not a number; .*units_row: true"),
        (ROWS, {}, r"no column 'ax'; it has 0\.000, .*; its first line is numbers"),
        ("\n".join(line.rsplit(",", 2)[0] for line in ROWS.splitlines()), {},
         r"its first line is numbers: name the columns with names: \[time, x"),
        (PLAIN.encode("utf-16-le"), {}, "looks like UTF-16; write encoding: utf-16-le"),
        (PLAIN.replace("walking", "é").encode("latin-1"), {}, "line 2 is not UTF-8.*latin-1"),
        ("é" + PLAIN, {"encoding": "ascii"}, "is not in the encoding ascii"),
        (PLAIN.replace("az", "ax", 1), {}, "2 columns are called 'ax'; give each its own name"),
        (PLAIN.replace("1.0,anna", "?,anna", 1), {}, r"'\?' is not a number;.*missing: \['\?'\]"),
        (PLAIN, {"skip_rows": 999}, r"has no line below the first 999 \(skip_rows\)"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:200], {}, "cannot be unpacked, is it truncated"),
        (gzip.compress(PLAIN.encode() + b" " * (1 << 27), mtime=0), {}, "than 20 times its size"),
        (b"PK\x03\x04rest", {}, "is a zip archive, such as an Excel workbook; save the sheet"),
        (b"MATLAB 5.0 MAT-file", {}, "is a MATLAB file; write its arrays with numpy"),
        (b"\x89HDF\r\n", {}, "is an HDF5 or MATLAB 7.3 file"),
        (b"BZh91AY", {}, "is compressed with bzip2"),
        (b"PAR1", {}, "is Parquet; name it .parquet"),
        (b"a,b\n1,\0\0\x01\x02", {}, "holds bytes that are no text; CSV, Parquet and .npz"),
        (b"x," * (1 << 20) + b"\n", {}, "its header is longer than a megabyte"),
        (b"x," * 20_000 + b"\n1\n", {}, "has 20001 columns; at most 10000"),
        (PLAIN.encode() + b"1," + b"1" * (2 << 20) + b",1,1,a,b\n", {}, "cannot be read as CSV"),
    ],
)  # fmt: skip
def test_a_layout_that_is_not_described_is_refused_with_what_to_write(
    tmp_path: Path, content, changes, message
):
    (tmp_path / "walk.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message) as error:
        windows(tmp_path, **changes)
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delimiter": "tabs"}, "delimiter must be one character or one of comma, semicolon, tab"),
        ({"delimiter": ["\t"]}, "delimiter must be one character"),
        ({"decimal": ","}, "decimal must be '.' or ',' and no delimiter"),
        ({"encoding": "zip"}, "unknown encoding 'zip'; write utf-8"),
        ({"encoding": "punycode"}, "unknown encoding 'punycode'"),
        ({"encoding": 8}, "unknown encoding 8"),
        ({"skip_rows": -1}, "skip_rows must be a whole number from 0 to 1000000000, got -1"),
        ({"skip_rows": 1.5}, "skip_rows must be a whole number from 0 to 1000000000, got 1.5"),
        ({"units_row": "yes"}, "units_row must be true or false, got 'yes'"),
        ({"comment": []}, r"comment must be a text, got \[\]"),
        ({"names": []}, r"names must be a text or a list of them, got \[\]"),
        ({"missing": [[1]]}, r"an entry of missing must be a text, got \[1\]"),
    ],
)
def test_a_key_of_the_layout_that_cannot_be(tmp_path: Path, changes, message):
    (tmp_path / "walk.csv").write_text(PLAIN)
    with pytest.raises(SpecError, match=message):
        windows(tmp_path, **changes)


def test_files_are_found_by_absolute_and_recursive_patterns(tmp_path: Path):
    for person in ("sub-01", "sub-02"):
        (tmp_path / "data" / person / "day1").mkdir(parents=True)
        (tmp_path / "data" / person / "day1" / "walk.csv").write_text(PLAIN)
    subject = {"file": r"sub-(\d+)"}
    for pattern in ("data/**/*.csv", str(tmp_path / "data" / "*" / "*" / "*.csv")):
        people = [w.subject for w in windows(tmp_path, files=pattern, subject=subject)]
        assert people == ["01", "01", "02", "02"]
    # The nearest folder counts, and none above the one that is searched.
    people = {w.subject for w in windows(tmp_path, files="data/**/*.csv", subject={"file": r"\d"})}
    assert people == {"1"}
    with pytest.raises(DataError, match="does not fit the file's name or its folders'"):
        windows(tmp_path, files="data/**/*.csv", subject={"file": tmp_path.name})


@pytest.mark.parametrize("pattern", ["*.txt", ".", "..", "data**", "/nowhere-at-all/*.csv", "\0"])
def test_a_pattern_that_fits_no_file(tmp_path: Path, pattern):
    (tmp_path / "walk.csv").write_text(PLAIN)
    with pytest.raises((DataError, SpecError), match=r"no file fits|is no YAML"):
        windows(tmp_path, files=pattern)


@pytest.mark.parametrize("rule", [r"(a+)+$", r"((a*)*)*!x", r"(a|aa)+$"])
def test_a_pattern_takes_no_longer_the_longer_the_name(tmp_path: Path, rule):
    name = "a" * 60 + "!"
    (tmp_path / f"{name}.csv").write_text(PLAIN)
    with pytest.raises(DataError, match="does not fit the file's name"):
        windows(tmp_path, subject={"file": rule})


@pytest.mark.parametrize("rule", ["(", "(?=a)b", "(?P<a>", "a{99999}"])
def test_a_pattern_that_is_none(tmp_path: Path, rule):
    (tmp_path / "walk.csv").write_text(PLAIN)
    with pytest.raises(SpecError, match=r"subject \{file: .* is no pattern"):
        windows(tmp_path, subject={"file": rule})


@pytest.mark.parametrize(
    ("cells", "labels", "text"),
    [
        (["1"] * 250, {1: "walking"}, "walking"),
        (["1.0"] * 250, {1: "walking"}, "walking"),
        (["1"] * 250, {1.0: "walking"}, "walking"),
        (["1.0"] * 250, ["1"], "1"),
        (["1.0"] * 250, None, "1"),
        (["True"] * 250, {True: "walking"}, "walking"),
        (["true"] * 250, {True: "walking"}, "walking"),
        (["True"] * 250, None, "True"),
        (["NaN"] * 250, ["walking"], None),
    ],
)
def test_a_code_is_one_label_however_it_is_spelled(tmp_path: Path, cells, labels, text):
    (tmp_path / "walk.csv").write_text(csv_text(columns() | {"what": cells}))
    assert {w.label for w in windows(tmp_path, labels=labels)} == {text}


def test_on_and_off_are_texts_in_a_description(tmp_path: Path):
    (tmp_path / "walk.csv").write_text(csv_text(columns() | {"what": ["on"] * 250}))
    windows(tmp_path)
    path = tmp_path / "table.yaml"
    path.write_text(path.read_text() + "labels: [on, off, yes, No]\n")
    from sensor2llm.signals.tables.config import load

    assert load(path).labels == {"on": "on", "off": "off", "yes": "yes", "No": "No"}


def test_one_person_is_one_person_though_a_table_writes_floats(tmp_path: Path):
    (tmp_path / "a.csv").write_text(csv_text(columns() | {"who": ["7"] * 250}))
    (tmp_path / "b.csv").write_text(csv_text(columns() | {"who": ["7.0"] * 250}))
    assert {w.subject for w in windows(tmp_path)} == {"7"}


@pytest.mark.parametrize(
    ("column", "array", "message"),
    [
        ("what", pa.array([b"\xff"] * 250), "column 'what' holds binary that is no text"),
        ("what", pa.array([["a"]] * 250), "column 'what' holds list.* that is no text"),
        ("who", pa.array([{"a": 1}] * 250), "column 'who' holds struct.* that is no text"),
        ("who", pa.array([float("nan")] * 250), "row 1 has no subject"),
        ("ax", pa.array([["a"]] * 250), "column 'ax': .* is not a number"),
    ],
)
def test_a_parquet_column_of_another_type(tmp_path: Path, column, array, message):
    cells = {n: [float(v) for v in c] if n[0] in "ta" else c for n, c in columns().items()}
    pq.write_table(pa.table(cells | {column: array}), tmp_path / "walk.parquet")
    with pytest.raises(DataError, match=message):
        windows(tmp_path, files="*.parquet")


def test_parquet_of_nullable_types_is_read(tmp_path: Path):
    cells = {n: [float(v) for v in c] if n[0] in "ta" else c for n, c in columns().items()}
    cells |= {"what": pa.array([True] * 250), "who": pa.array([1.0] * 249 + [1.0])}
    cells["ax"] = pa.array([None, *cells["ax"][1:]])
    pq.write_table(pa.table(cells), tmp_path / "walk.parquet")
    found = windows(tmp_path, files="*.parquet", labels={True: "walking", False: "resting"})
    assert [(w.label, w.subject) for w in found] == [("walking", "1")] * 2


def test_parquet_that_expands_to_gigabytes_is_refused_by_what_it_claims(tmp_path: Path):
    zeros = pa.array(np.zeros(3_000_000))
    pq.write_table(pa.table(dict.fromkeys(("t", "ax", "ay", "az"), zeros)), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(DataError, match=r"a\.parquet claims 12000000 cells .* but has \d+ bytes"):
        windows(tmp_path, files="*.parquet", label=None, subject={"value": "me"})


def test_a_parquet_column_name_that_several_have(tmp_path: Path):
    cells = [pa.array([float(v) for v in columns()[n]]) for n in ("t", "ax", "ay", "az")]
    table = pa.Table.from_arrays([*cells, cells[1]], names=["t", "ax", "ay", "az", "ax"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="2 columns are called 'ax'; give each its own name in the"):
        windows(tmp_path, files="*.parquet", label=None, subject={"value": "me"})


def test_many_columns_are_not_all_listed(tmp_path: Path):
    (tmp_path / "walk.csv").write_text(",".join(f"column{i}" * 9 for i in range(500)) + "\n1\n")
    accel = DESCRIPTION["modalities"]["accel"]
    with pytest.raises(DataError, match=r"no column 'ax'; it has column0.*, … \(490 more\)"):
        windows(tmp_path, modalities={"accel": accel})
