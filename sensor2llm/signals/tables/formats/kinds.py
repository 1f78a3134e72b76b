"""Which format a file is in: by its name, and where a workbook bears another one, by its bytes."""

import zipfile
from pathlib import Path

PARQUET, FEATHER = (".parquet", ".pq"), (".feather", ".arrow")
ARRAYS = (".npz", ".npy", ".mat", ".h5", ".hdf5", ".ts")
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
TEXTS = (".csv", ".tsv", ".txt", ".dat", ".log")
READABLE = (*TEXTS, *(f"{name}.gz" for name in TEXTS), *PARQUET, *FEATHER, *ARRAYS, *WORKBOOKS)
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# What is in a zip archive that is a workbook.
_PARTS = ("xl/workbook", "content.xml")


def is_workbook(path: Path) -> bool:
    """Say whether a file is a workbook, whatever its name."""
    with path.open("rb") as stream:
        start = stream.read(4)
    if start != _ZIP:
        return start == _OLE
    try:
        with zipfile.ZipFile(path) as stored:
            return any(name.startswith(_PARTS) for name in stored.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        return False


def is_array_file(path: Path) -> bool:
    """Say whether a file holds arrays."""
    return path.suffix in ARRAYS
