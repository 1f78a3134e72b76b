"""Formats beside CSV: each gives the windows of the plain file, or one line that says why not."""

import datetime
import gzip
import zipfile
from pathlib import Path

import h5py
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pytest
import scipy.io

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.tables.windows import read_windows
from tests.signals.tables.tables import RATE, columns, csv_text, read, windows

CELLS = columns()
NUMBERS = {name: [float(cell) for cell in CELLS[name]] for name in ("t", "ax", "ay", "az")}
TABLE = pa.table(NUMBERS | {"who": CELLS["who"], "what": CELLS["what"]})
ACCEL = np.array([NUMBERS[name] for name in ("ax", "ay", "az")])
READY = np.stack([ACCEL[:, :100], ACCEL[:, 100:200]])
MODALITY = {"rate_hz": RATE, "columns": {"ax": "g", "ay": "g", "az": "g"}}


def expected(folder: Path) -> list:
    """Give the windows of the plain file."""
    plain = folder / "plain"
    plain.mkdir()
    (plain / "walk.csv").write_text(csv_text(CELLS))
    return windows(plain)


def check_alike(found: list, folder: Path) -> None:
    for window, plain in zip(found, expected(folder), strict=True):
        np.testing.assert_allclose(window.signals["accel"], plain.signals["accel"], atol=1e-6)
        assert (window.subject, window.label) == (plain.subject, plain.label)
        assert window.start_s == pytest.approx(plain.start_s)


def test_feather_is_read(tmp_path: Path):
    pyarrow.feather.write_feather(TABLE, str(tmp_path / "walk.feather"))
    check_alike(windows(tmp_path, files="*.feather"), tmp_path)


def test_feather_that_is_none_or_claims_too_much_is_refused(tmp_path: Path):
    (tmp_path / "walk.feather").write_bytes(b"ARROW1\0\0 and no more")
    with pytest.raises(DataError, match=r"walk\.feather cannot be read as Feather \(version 2\)"):
        windows(tmp_path, files="*.feather")
    zeros = pa.table(dict.fromkeys(("t", "ax", "ay", "az"), pa.array(np.zeros(3_000_000))))
    pyarrow.feather.write_feather(zeros, str(tmp_path / "walk.feather"), compression="zstd")
    with pytest.raises(DataError, match=r"walk\.feather claims \d+ cells .* but has \d+ bytes"):
        windows(tmp_path, files="*.feather", label=None, subject={"value": "me"})


def workbook(path: Path, rows: list[list], sheets: tuple[str, ...] = ("Walk",)) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows if name == sheets[-1] else [["nothing"]]:
            sheet.append(row)
    book.save(path)


def sheet_rows(**changes) -> list[list]:
    cells = NUMBERS | {"who": CELLS["who"], "what": CELLS["what"]} | changes
    return [list(cells), *map(list, zip(*cells.values(), strict=True))]


@pytest.mark.parametrize("name", ["walk.xlsx", "walk.csv"])
def test_a_workbook_is_read_whatever_its_name(tmp_path: Path, name):
    workbook(tmp_path / name, sheet_rows())
    check_alike(windows(tmp_path, files=name), tmp_path)


def test_a_sheet_has_a_name_a_head_and_cells_of_many_kinds(tmp_path: Path):
    start = datetime.datetime(2023, 9, 6, 8)
    dates = [start + datetime.timedelta(seconds=i / RATE) for i in range(250)]
    codes, empty = [1] * 249 + [None], [0.1, *[0.0] * 248, None]
    rows = [["device: watch"], *sheet_rows(t=dates, what=codes, ax=empty)]
    rows.insert(2, ["s", "g", "g", "g"])
    workbook(tmp_path / "walk.xlsx", rows, ("About", "Walk"))
    keys = {"sheet": "Walk", "skip_rows": 1, "units_row": True, "labels": {1: "walking"}}
    found = windows(tmp_path, files="*.xlsx", time={"column": "t", "unit": "iso"}, **keys)
    assert [w.label for w in found] == ["walking"] * 2
    assert found[0].start_s == start.replace(tzinfo=datetime.UTC).timestamp()
    with pytest.raises(DataError, match=r"walk\.xlsx has no sheet 'Run'; it has About, Walk"):
        windows(tmp_path, files="*.xlsx", sheet="Run")
    with pytest.raises(DataError, match="no column 'ax'; it has device: watch"):
        windows(tmp_path, files="*.xlsx", sheet="Walk")
    with pytest.raises(DataError, match=r"has no line below the first 999 \(skip_rows\)"):
        windows(tmp_path, files="*.xlsx", sheet="Walk", skip_rows=999)


def test_a_date_and_a_time_of_day_of_a_sheet_are_put_together(tmp_path: Path):
    start = datetime.datetime(2023, 9, 6, 8)
    steps = [start + datetime.timedelta(seconds=i / RATE) for i in range(250)]
    cells = {"day": [step.date() for step in steps], "clock": [step.time() for step in steps]}
    workbook(tmp_path / "walk.xlsx", sheet_rows(**cells))
    time = {"column": ["day", "clock"], "unit": "iso"}
    found = windows(tmp_path, files="*.xlsx", time=time)
    assert [w.start_s - found[0].start_s for w in found] == [0, 2]
    assert found[0].start_s == start.replace(tzinfo=datetime.UTC).timestamp()


def test_a_broken_workbook_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "walk.xlsx", "w") as stored:
        stored.writestr("xl/workbook.xml", b"no XML")
    with pytest.raises(DataError, match=r"walk\.xlsx cannot be read as a workbook: "):
        windows(tmp_path, files="walk.xlsx")
    with zipfile.ZipFile(tmp_path / "walk.xlsx", "w", zipfile.ZIP_DEFLATED) as stored:
        stored.writestr("xl/workbook.xml", bytes(80 << 20))
    with pytest.raises(DataError, match=r"claims to unpack to 80 MB; at most 64 MB are read"):
        windows(tmp_path, files="walk.xlsx")


def test_a_zip_archive_is_read_file_by_file(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "walks.zip", "w", zipfile.ZIP_DEFLATED) as stored:
        for person in ("anna", "bo"):
            text = csv_text(CELLS).replace("anna", person)
            stored.writestr(f"data/{person}/walk.csv.gz", gzip.compress(text.encode()))
        stored.writestr("data/readme.md", "about")
        stored.writestr("__MACOSX/data/._walk.csv", b"\0")
        stored.writestr("../outside.csv", "t\n1\n")
    assert {w.subject for w in windows(tmp_path, files="walks.zip")} == {"anna", "bo"}
    rule = {"file": r"(anna|bo)$"}
    found = windows(tmp_path, files="*.zip/data/b*/*.csv.gz", subject=rule)
    assert {w.subject for w in found} == {"bo"}
    with pytest.raises(DataError, match=r"no file fits 'walks\.zip/none/\*'"):
        windows(tmp_path, files="walks.zip/none/*")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"broken\.zip cannot be read as a zip archive"):
        windows(tmp_path, files="broken.zip")


def test_a_file_that_expands_without_end_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "walks.zip", "w", zipfile.ZIP_DEFLATED) as stored:
        stored.writestr("walk.csv", bytes(70 << 20))
    with pytest.raises(DataError, match=r"walks\.zip: walk\.csv unpacks to more than 20 times its"):
        windows(tmp_path, files="walks.zip")


ARRAYS = {"label": "y", "subject": {"column": "groups"}, "time": None}
Y, GROUPS = ["walking", "walking"], ["anna", "anna"]


def save_npy(folder: Path) -> str:
    for name, array in (("X", READY), ("y", Y), ("groups", GROUPS)):
        np.save(folder / f"{name}.npy", np.array(array))
    return "X.npy"


def save_npz(folder: Path) -> str:
    np.savez(folder / "d.npz", X=READY, y=Y, groups=GROUPS)
    return "d.npz"


def save_mat(folder: Path) -> str:
    cells = np.array([*map(np.str_, GROUPS)], dtype=object)
    scipy.io.savemat(folder / "d.mat", {"X": READY, "y": Y, "groups": cells})
    return "d.mat"


def save_mat73(folder: Path) -> str:
    with h5py.File(folder / "d.mat", "w", userblock_size=512) as stored:
        stored.create_dataset("X", data=READY.T).attrs["MATLAB_class"] = np.bytes_("double")
        for name, texts in (("y", Y), ("groups", GROUPS)):
            cells = stored.create_dataset(name, (1, 2), dtype=h5py.ref_dtype)
            cells.attrs["MATLAB_class"] = np.bytes_("cell")
            for i, text in enumerate(texts):
                codes = np.array([[ord(c)] for c in text], np.uint16)
                cells[0, i] = stored.create_dataset(f"#refs#/{name}{i}", data=codes).ref
    return "d.mat"


def save_hdf5(folder: Path) -> str:
    with h5py.File(folder / "d.h5", "w") as stored:
        stored["X"], stored["y"], stored["groups"] = READY, Y, GROUPS
    return "d.h5"


@pytest.mark.parametrize("save", [save_npy, save_npz, save_mat, save_mat73, save_hdf5])
def test_arrays_are_found_by_the_names_that_the_file_has(tmp_path: Path, save):
    modalities = {"accel": MODALITY | {"array": "X"}}
    found = windows(tmp_path, files=save(tmp_path), modalities=modalities, **ARRAYS)
    assert [(w.subject, w.label) for w in found] == [("anna", "walking")] * 2
    for window, values in zip(found, READY, strict=True):
        np.testing.assert_allclose(window.signals["accel"], values, atol=1e-6)


@pytest.mark.parametrize(
    ("axes", "order"),
    [
        (["window", "step", "channel"], (0, 2, 1)),
        (["step", "channel", "window"], (2, 1, 0)),
        (["channel", "window", "step"], (1, 0, 2)),
    ],
)
def test_axes_may_be_in_any_order(tmp_path: Path, axes, order):
    np.savez(tmp_path / "d.npz", accel=np.transpose(READY, order))
    one = {"files": "d.npz", "label": None, "subject": {"value": "me"}, "time": None}
    for window, values in zip(windows(tmp_path, axes=axes, **one), READY, strict=True):
        np.testing.assert_allclose(window.signals["accel"], values, atol=1e-6)


def test_sensors_share_an_array_and_one_channel_needs_no_axis(tmp_path: Path):
    both = np.concatenate([READY, READY[:, ::-1]], axis=1)
    np.savez(tmp_path / "d.npz", X=both, ecg=READY[:, 0])
    one = {"files": "d.npz", "label": None, "subject": {"value": "me"}, "time": None}
    modalities = {
        "accel": MODALITY | {"array": "X", "channels": [0, 1, 2]},
        "turned": MODALITY | {"array": "X", "channels": [3, 4, 5]},
    }
    found = windows(tmp_path, modalities=modalities, **one)
    np.testing.assert_array_equal(found[0].signals["turned"], found[0].signals["accel"][::-1])
    ecg = {"ecg": {"rate_hz": RATE, "columns": {"ecg": "mV"}, "array": "ecg"}}
    found = windows(tmp_path, modalities=ecg, axes=["window", "step"], **one)
    np.testing.assert_allclose(found[1].signals["ecg"], READY[1, :1], atol=1e-6)
    modalities["accel"]["channels"] = [0, 1, 9]
    with pytest.raises(DataError, match=r"'X' has shape \(2, 6, 100\) .* and no channel 9"):
        windows(tmp_path, modalities=modalities, **one)


@pytest.mark.parametrize("turned", [False, True])
def test_arrays_may_hold_rows(tmp_path: Path, turned):
    values = ACCEL if turned else ACCEL.T
    people = {"subject": {"value": "anna"}, "label": "what", "time": {"column": "t", "unit": "s"}}
    scipy.io.savemat(tmp_path / "d.mat", {"data": {"acc": values}, "t": NUMBERS["t"],
                                          "what": CELLS["what"]})  # fmt: skip
    modalities = {"accel": MODALITY | {"array": "data.acc"}}
    axes = {"axes": ["channel", "step"]} if turned else {}
    check_alike(windows(tmp_path, files="d.mat", modalities=modalities, **people, **axes), tmp_path)
    if turned:
        with pytest.raises(DataError, match=r"has shape \(3, 250\).*turned: write axes: \[channel"):
            windows(tmp_path, files="d.mat", modalities=modalities, **people)


def test_arrays_may_be_columns_by_name(tmp_path: Path):
    np.savez(tmp_path / "d.npz", **NUMBERS, who=CELLS["who"], what=CELLS["what"])
    check_alike(windows(tmp_path, files="d.npz"), tmp_path)
    np.savez(tmp_path / "d.npz", **NUMBERS | {"t": [0.0]}, who=CELLS["who"], what=CELLS["what"])
    with pytest.raises(DataError, match="its arrays have different numbers of rows: ax 250"):
        windows(tmp_path, files="d.npz")


def test_one_hot_labels_are_those_of_the_description(tmp_path: Path):
    one = {"files": "d.npz", "subject": {"value": "me"}, "time": None, "label": None}
    np.savez(tmp_path / "d.npz", accel=READY, labels=[[0, 1], [1, 0]])
    found = windows(tmp_path, labels=["walking", "sitting"], **one)
    assert [w.label for w in found] == ["sitting", "walking"]
    np.savez(tmp_path / "d.npz", accel=READY, labels=[[0.5, 0.5], [1, 0]])
    with pytest.raises(DataError, match="'labels' has shape"):
        windows(tmp_path, labels=["walking", "sitting"], **one)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MATLAB 5.0 MAT-file" + bytes(100), "cannot be read as a MATLAB or HDF5 file"),
        (b"", r"d\.mat is empty"),
        (b"anything", "cannot be read as a MATLAB or HDF5 file"),
    ],
)
def test_a_broken_matlab_file_is_refused(tmp_path: Path, content, message):
    (tmp_path / "d.mat").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        windows(tmp_path, files="d.mat")
    assert len(str(error.value)) < 300


def test_arrays_that_claim_more_than_the_file_can_hold_are_refused(tmp_path: Path):
    scipy.io.savemat(tmp_path / "d.mat", {"accel": np.zeros((60_000, 3, 100))}, do_compression=True)
    with pytest.raises(DataError, match="'accel' claims 144000000 bytes; at most 134217728 are"):
        windows(tmp_path, files="d.mat")


TS = """#about
@problemName Walks
@timeStamps false
@classLabel true walking sitting
@data
"""


def ts_line(window: np.ndarray, label: str) -> str:
    return ":".join(",".join(map(str, row)) for row in window) + f":{label}\n"


def test_windows_of_the_ucr_archive_are_read(tmp_path: Path):
    (tmp_path / "d.ts").write_text(TS + ts_line(READY[0], "walking") + ts_line(READY[1], "sitting"))
    one = {"files": "*.ts", "subject": {"value": "me"}, "time": None, "label": "y"}
    found = windows(tmp_path, modalities={"accel": MODALITY | {"array": "X"}}, **one)
    assert [w.label for w in found] == ["walking", "sitting"]
    np.testing.assert_allclose(found[1].signals["accel"], READY[1], atol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TS, "has no window below @data"),
        (TS.replace("Stamps false", "Stamps true"), r"holds \(time, value\) pairs"),
        (TS.replace("classLabel", "targetLabel"), "holds targets of a regression"),
        (TS + "1,2:1,2,3:a\n", "line 6: channels of 2, 3 steps; a window has one length"),
        (TS + "1,2:a\n1,2,3:a\n", r"line 7: a window of shape \(1, 3\) below one of \(1, 2\)"),
        (TS + "1,x:a\n", "line 6, value 2: 'x' is not a number"),
        ("1,2:a\n", "line 1: a line before @data begins with @"),
    ],
)
def test_an_archive_that_cannot_be_read_is_refused(tmp_path: Path, content, message):
    (tmp_path / "d.ts").write_text(content)
    one = {"files": "*.ts", "subject": {"value": "me"}, "time": None, "label": "y"}
    with pytest.raises(DataError, match=message):
        windows(tmp_path, modalities={"accel": MODALITY | {"array": "X"}}, **one)


def wide_text(names: bool = True) -> str:
    head = [f"{axis}_{i}" for axis in ("ax", "ay", "az") for i in range(100)]
    rows = [",".join([*map(str, window.reshape(-1)), "walking", "anna"]) for window in READY]
    return "\n".join([",".join([*head, "what", "who"])] * names + rows) + "\n"


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        (True, ["ax_*", "ay_*", "az_*"]),
        (True, ["ax_0..ax_99", "ay_0..ay_99", "az_0..az_99"]),
        (False, ["1..100", "101..200", "201..300"]),
    ],
)
def test_a_row_may_be_a_window(tmp_path: Path, names, patterns):
    (tmp_path / "walk.csv").write_text(wide_text(names))
    entries = [{"column": column, "name": axis, "unit": "g"}
               for column, axis in zip(patterns, ("x", "y", "z"), strict=True)]  # fmt: skip
    own = {} if names else {"header": False, "label": "301", "subject": {"column": "302"}}
    keys = {
        "rows": "windows",
        "time": None,
        "modalities": {"accel": {**MODALITY, "columns": entries}},
    }
    reading, found = read(tmp_path, **keys | own)
    assert [(w.subject, w.label) for w in found] == [("anna", "walking")] * 2
    np.testing.assert_allclose(found[1].signals["accel"], READY[1], atol=1e-6)
    assert (reading.ledger["windows"].kept, reading.ledger.unbalanced()) == (2, {})


def test_rows_that_are_no_windows_are_refused(tmp_path: Path):
    (tmp_path / "walk.csv").write_text(wide_text())
    keys = {"rows": "windows", "time": None}
    with pytest.raises(DataError, match=r"no columns fit 'ax'; .* write a pattern \(x_\*\) or a"):
        windows(tmp_path, **keys)
    entries = [{"column": column, "name": column, "unit": "g"} for column in ("ax_*", "ay_1*")]
    modalities = {"accel": {**MODALITY, "columns": entries}}
    with pytest.raises(DataError, match="the channels of 'accel' have 100, 11 steps in a row"):
        windows(tmp_path, modalities=modalities, **keys)
    with pytest.raises(
        SpecError, match="rows can be 'windows', where each row is one, got 'steps'"
    ):
        windows(tmp_path, rows="steps")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 0}, "scale of modality 'accel' must not be 0"),
        ({"scale": "x"}, "scale of modality 'accel' must be a number, got 'x'"),
        ({"channels": [0]}, "has 3 columns and 1 channels of an array; give one each"),
        ({"axes": ["window"]}, "axes must be window, channel, step in the arrays' order"),
        ({"axes": ["step", "time"]}, "axes must be window, channel, step"),
    ],
)
def test_a_modality_that_cannot_be(tmp_path: Path, changes, message):
    with pytest.raises(SpecError, match=message):
        windows(tmp_path, modalities={"accel": MODALITY | changes})


def test_counts_are_scaled_and_markers_are_those_of_the_counts(tmp_path: Path):
    counts = [str(round(float(cell) * 64)) for cell in CELLS["az"]]
    cells = CELLS | {"az": ["-999", *counts[1:]]}
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    entries = [{"column": "ax", "unit": "g"}, {"column": "ay", "unit": "g"},
               {"column": "az", "unit": "g", "scale": 1 / 64}]  # fmt: skip
    modalities = {"accel": {"rate_hz": RATE, "columns": entries}}
    reading, found = read(tmp_path, modalities=modalities, missing=[-999])
    assert found[0].signals["accel"][2].tolist() == [1.0] * 100
    assert reading.ledger["rows"].changed["with a mark of a missing value (-999)"] == 1


def test_columns_of_a_text_file_are_numbers_unless_a_cell_is_none(tmp_path: Path):
    cells = CELLS | {"who": ["007"] * 250, "what": ["1e3"] * 250}
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    assert {(w.subject, w.label) for w in windows(tmp_path)} == {("007", "1e3")}
    cells["ay"] = [*cells["ay"]]
    cells["ay"][201] = "0.01x"
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    with pytest.raises(DataError, match=r"row 202, column 'ay': '0\.01x' is not a number"):
        windows(tmp_path)


def test_a_feather_file_is_read_for_an_adapter_by_its_names(tmp_path: Path):
    (tmp_path / "walk.csv").write_text(csv_text(CELLS))
    spec = read(tmp_path)[0].spec
    table = TABLE.rename_columns(["time_s", *TABLE.column_names[1:]])
    pyarrow.feather.write_feather(table, str(tmp_path / "walk.feather"))
    found = list(read_windows(tmp_path / "walk.feather", spec).windows)
    assert [(w.subject, w.label, w.start_s) for w in found] == [
        ("unknown", None, 0.0), ("unknown", None, 2.0),
    ]  # fmt: skip
