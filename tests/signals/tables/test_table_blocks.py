"""Files of arrays, workbooks and wide tables of any size: read in blocks, the windows stay."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.tables import columns, layout, npz
from sensor2llm.signals.tables.formats import described, npz_arrays
from sensor2llm.signals.tables.windows import read_windows
from tests.signals.tables.tables import RATE, describe, read

AXES = ("x", "y", "z")
UNITS = dict.fromkeys(AXES, "1")
WINDOWS, STEPS = 40, 100
MANY = 1000
"""Windows of 2.4 MB."""


def values(windows: int = WINDOWS) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (windows, 3, STEPS))


def labels(windows: int) -> list[str]:
    return [("walking", "sitting", "")[i % 3] for i in range(windows)]


def people(windows: int) -> list[str]:
    return [f"p{4 * i // windows}" for i in range(windows)]


def named(array: np.ndarray) -> dict[str, np.ndarray]:
    return {"X": array, "y": np.array(labels(len(array))), "groups": np.array(people(len(array)))}


def save_npz(folder: Path, array: np.ndarray) -> str:
    np.savez(folder / "d.npz", **named(array))
    return "d.npz"


def save_packed(folder: Path, array: np.ndarray) -> str:
    np.savez_compressed(folder / "d.npz", **named(np.asfortranarray(array)))
    return "d.npz"


def save_npy(folder: Path, array: np.ndarray) -> str:
    for name, other in named(array).items():
        np.save(folder / f"{name}.npy", other)
    return "X.npy"


def save_h5(folder: Path, array: np.ndarray) -> str:
    with h5py.File(folder / "d.h5", "w") as stored:
        stored.create_dataset("X", data=array, chunks=(8, *array.shape[1:]))
        stored["y"], stored["groups"] = labels(len(array)), people(len(array))
    return "d.h5"


def save_mat73(folder: Path, array: np.ndarray) -> str:
    with h5py.File(folder / "d.mat", "w", userblock_size=512) as stored:
        turned = stored.create_dataset("X", data=array.T, chunks=(*array.shape[:0:-1], 8))
        turned.attrs["MATLAB_class"] = np.bytes_("double")
        stored["y"], stored["groups"] = labels(len(array)), people(len(array))
    return "d.mat"


def save_ts(folder: Path, array: np.ndarray) -> str:
    with (folder / "d.ts").open("w") as out:
        out.write("@problemName Walks\n@classLabel true walking sitting\n@data\n")
        for window, label in zip(array.tolist(), labels(len(array)), strict=True):
            out.write(":".join(",".join(map(repr, row)) for row in window) + f":{label}\n")
    return "d.ts"


def wide(array: np.ndarray) -> pa.Table:
    cells = {f"{axis}_{i}": array[:, c, i] for c, axis in enumerate(AXES) for i in range(STEPS)}
    return pa.table(cells | {"y": labels(len(array)), "groups": people(len(array))})


def save_wide_csv(folder: Path, array: np.ndarray) -> str:
    pa.csv.write_csv(wide(array), folder / "d.csv")
    return "d.csv"


def save_wide_parquet(folder: Path, array: np.ndarray) -> str:
    pq.write_table(wide(array), folder / "d.parquet", row_group_size=200)
    return "d.parquet"


WINDOW_FILES = [save_npz, save_packed, save_npy, save_h5, save_mat73, save_ts, save_wide_csv,
                save_wide_parquet]  # fmt: skip
Save = Callable[[Path, np.ndarray], str]


def keys(save: Save, folder: Path, array: np.ndarray) -> dict:
    accel: dict = {"rate_hz": RATE, "array": "X", "columns": UNITS}
    options: dict = {"files": save(folder, array), "time": None, "label": "y",
                     "subject": {"column": "groups"}}  # fmt: skip
    if save is save_ts:
        options["subject"] = {"value": "p0"}
    if save in (save_wide_csv, save_wide_parquet):
        options["rows"] = "windows"
        accel = {"rate_hz": RATE, "columns": [{"column": f"{axis}_*", "name": axis, "unit": "1"}
                                              for axis in AXES]}  # fmt: skip
    return options | {"modalities": {"accel": accel}}


@pytest.fixture
def small(monkeypatch):
    """Let a block be a few windows, and let arrays wait on the disk."""

    def shrink(windows: int = 7) -> None:
        monkeypatch.setattr(described, "_BLOCK_CELLS", windows * 3 * STEPS)
        monkeypatch.setattr(columns, "_CHUNK_CELLS", (windows + 1) * 3 * STEPS)
        # A text file's blocks are of so many bytes; a window takes 6,000.
        monkeypatch.setattr(columns, "_ROW_BYTES", windows * 6000 / columns.CHUNK_ROWS)
        monkeypatch.setattr(layout, "_PIECE_BYTES", 3999)
        monkeypatch.setattr(npz_arrays, "_IN_MEMORY", 0)

    return shrink


@pytest.mark.parametrize("save", WINDOW_FILES)
def test_windows_in_blocks_are_those_of_the_whole(tmp_path: Path, save: Save, small, monkeypatch):
    array = values()
    array[5, 1, 3] = np.nan
    options = keys(save, tmp_path, array)
    reading, whole = read(tmp_path, **options)
    small()
    blocks, check = [], npz._ArrayCheck.take
    monkeypatch.setattr(
        npz._ArrayCheck, "take", lambda self, part: (blocks.append(len(part)), check(self, part))[1]
    )
    in_blocks, windows = read(tmp_path, **options)
    assert len(windows) == len(whole) == WINDOWS - 1
    rest = np.delete(array, 5, axis=0)
    for i, (window, expected) in enumerate(zip(windows, whole, strict=True)):
        np.testing.assert_allclose(window.signals["accel"], rest[i], atol=1e-6)
        assert (window.subject, window.label) == (expected.subject, expected.label)
    assert [w.label for w in windows][:5] == ["walking", "sitting", None, "walking", "sitting"]
    assert in_blocks.ledger == reading.ledger
    assert in_blocks.ledger["windows"].dropped == {"with NaN in every sensor": 1}
    assert not in_blocks.ledger.unbalanced()
    assert sum(blocks) == WINDOWS
    assert max(blocks) <= 8


# Of a text file, the megabyte that a header may take is more than these windows.
@pytest.mark.parametrize("save", [save for save in WINDOW_FILES if save is not save_wide_csv])
def test_memory_holds_some_windows_of_a_file(tmp_path: Path, save: Save, small):
    array = values(MANY)
    path = describe(tmp_path, **keys(save, tmp_path, array))
    size = array.nbytes
    del array
    small(50)
    tracemalloc.start()
    count = sum(1 for _ in read_windows(path).windows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == MANY
    # A window of a block is float64, float32, and checked; a wide table has 300 columns' names.
    assert peak < size / 2


@pytest.mark.parametrize("save", [save_npz, save_h5, save_wide_csv])
def test_what_is_wrong_far_down_is_said_by_its_window(tmp_path: Path, save: Save, small):
    small()
    array = values()
    array[-1, 0, 0] = -9999
    message = r"1 values of '.*x.*' are -9999, which looks like a mark"
    with pytest.raises(DataError, match=message):
        read(tmp_path, **keys(save, tmp_path, array))
    options = keys(save, tmp_path, values()) | {"labels": ["walking", "standing"]}
    with pytest.raises(DataError, match="row 2, column 'y': unknown label 'sitting'"):
        read(tmp_path, **options)
    accel = options["modalities"]["accel"]
    accel["columns"] = (
        [entry | {"unit": "rad/s"} for entry in accel["columns"]]
        if isinstance(accel["columns"], list)
        else dict.fromkeys(AXES, "rad/s")
    )
    with pytest.raises(SpecError, match="looks like deg/s"):
        read(tmp_path, **keys(save, tmp_path, 30 * values()) | {"modalities": {"accel": accel}})


def test_a_window_far_down_without_a_person_is_named(tmp_path: Path, small):
    small()
    who = people(WINDOWS)
    who[33] = ""
    np.savez(tmp_path / "d.npz", **named(values()) | {"groups": who})
    with pytest.raises(DataError, match=r"d\.npz: window 34 has no subject"):
        read(tmp_path, **keys(lambda *_: "d.npz", tmp_path, values()))


def test_labels_of_a_wrong_shape_are_refused_by_the_whole_shape(tmp_path: Path, small):
    small()
    np.savez(tmp_path / "d.npz", **named(values()) | {"y": np.zeros((WINDOWS, 2))})
    with pytest.raises(DataError, match=r"'labels' has shape \(40, 2\), expected \(40,\)"):
        read(tmp_path, **keys(lambda *_: "d.npz", tmp_path, values()))


SECONDS = 60.0


def rows() -> dict[str, list]:
    n = round(SECONDS * RATE)
    x = np.random.default_rng(1).normal(0, 1, (3, n)).round(4).tolist()
    return {"t": (np.arange(n) / RATE).tolist(), **dict(zip(AXES, x, strict=True)),
            "what": ["walking"] * n, "who": ["anna"] * n}  # fmt: skip


def rows_npz(path: Path) -> str:
    np.savez(path / "d.npz", **{name: np.array(cells) for name, cells in rows().items()})
    return "d.npz"


def rows_h5(path: Path) -> str:
    with h5py.File(path / "d.h5", "w") as stored:
        for name, cells in rows().items():
            stored[name] = cells
    return "d.h5"


def rows_xlsx(path: Path) -> str:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in ([], *zip(*[[name, *cells] for name, cells in rows().items()], strict=True)):
        sheet.append([None, *row])
    book.save(path / "d.xlsx")
    return "d.xlsx"


def rows_feather(path: Path) -> str:
    pyarrow.feather.write_feather(pa.table(rows()), str(path / "d.feather"))
    return "d.feather"


@pytest.mark.parametrize("save", [rows_npz, rows_h5, rows_xlsx, rows_feather])
def test_rows_of_any_file_come_in_blocks(tmp_path: Path, save, small, monkeypatch):
    small()
    counts = []
    chunks = columns.column_chunks

    def watched(*arguments, **options):
        for chunk in chunks(*arguments, **options):
            counts.append(len(chunk))
            yield chunk

    name, modalities = save(tmp_path), {"accel": {"rate_hz": RATE, "columns": UNITS}}
    monkeypatch.setattr("sensor2llm.signals.tables.rows.file_rows.column_chunks", watched)
    reading, windows = read(tmp_path, files=name, modalities=modalities)
    cells = rows()
    expected = np.array([cells[axis] for axis in AXES]).reshape(3, -1, 100).swapaxes(0, 1)
    np.testing.assert_allclose([w.signals["accel"] for w in windows], expected, atol=1e-6)
    assert sum(counts) == reading.ledger["rows"].read == SECONDS * RATE
    assert max(counts) == 8 * 3 * STEPS // 6
