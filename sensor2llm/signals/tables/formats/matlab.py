"""Arrays of MATLAB files: version 5 by scipy; 7.3, which is HDF5, by h5py (extra `[mat]`).

Fields of a structure are named `structure.field`. HDF5 that MATLAB did not write is read as it is;
MATLAB's arrays are stored with their axes turned round, and are turned back. Of HDF5 some rows are
read at a time; of version 5 scipy reads an array as a whole.
"""

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.errors import DataError, one_line
from sensor2llm.signals.tables.formats.stored_array import StoredArray

_HDF5 = b"\x89HDF\r\n\x1a\n"
_SMALLEST_BUDGET, _EXPANSION, _MOST_NAMES = 1 << 27, 20, 10_000
# The class that MATLAB says of an array of characters.
_CHARACTERS = ("char", "string")


def open_mat(path: Path, wanted: Collection[str]) -> tuple[list[str], dict[str, StoredArray]]:
    """Give the names of all arrays, and those that are wanted: of version 5 in memory."""
    with path.open("rb") as stream:
        start = stream.read(1024)
    budget = max(_SMALLEST_BUDGET, _EXPANSION * path.stat().st_size)
    with _readable(path):
        # MATLAB puts 512 bytes of its own before HDF5's.
        if _HDF5 in (start[:8], start[512:520]):
            return _open_hdf5(path, wanted, budget)
        return _read_version_5(path, wanted, budget)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn whatever the libraries raise of a broken file into one line."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path.name} cannot be read as a MATLAB or HDF5 file, is it truncated? "
            f"{one_line(error, 120)}"
        ) from error


def _check(path: Path, name: str, size: int, budget: int) -> None:
    if size > budget:
        raise DataError(
            f"{path.name}: {name!r} claims {size} bytes; at most {budget} are read from a file of "
            "this size"
        )


def _read_version_5(
    path: Path, wanted: Collection[str], budget: int
) -> tuple[list[str], dict[str, StoredArray]]:
    from scipy.io import loadmat, whosmat

    tops = {name.partition(".")[0] for name in wanted}
    listing = whosmat(path)
    for name, shape, _ in listing:
        _check(path, name, math.prod(shape) * 8, budget)
    stored = loadmat(path, variable_names=list(tops), chars_as_strings=True)
    names: list[str] = []
    arrays: dict[str, StoredArray] = {}
    for name, _, kind in listing:
        if kind == "struct" and name not in tops:
            # Its fields are named, whoever asks for them.
            stored |= loadmat(path, variable_names=[name], chars_as_strings=True)
        fields = dict(_fields(name, stored[name])) if name in stored else {name: None}
        names += list(fields)
        arrays |= {
            key: value for key, value in fields.items() if key in wanted and value is not None
        }
    return names, arrays


def _fields(name: str, value: Any) -> list[tuple[str, np.ndarray]]:
    if not isinstance(value, np.ndarray):
        return []
    if value.dtype.names and value.size == 1:
        single = value.reshape(1)[0]
        return [pair for field in value.dtype.names
                for pair in _fields(f"{name}.{field}", single[field])]  # fmt: skip
    if value.dtype == object:
        texts = [cell.reshape(-1)[0] if isinstance(cell, np.ndarray) and cell.size == 1 else cell
                 for cell in value.reshape(-1).tolist()]  # fmt: skip
        if all(isinstance(text, str) for text in texts):
            value = np.array(texts).reshape(value.shape)
    return [(name, value)]


def _open_hdf5(
    path: Path, wanted: Collection[str], budget: int
) -> tuple[list[str], dict[str, StoredArray]]:
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            f"{path.name} is a MATLAB 7.3 or HDF5 file; reading it needs h5py: pip install "
            "'sensor2llm[mat]'; or write its arrays with numpy.savez"
        ) from error
    names: list[str] = []
    arrays: dict[str, StoredArray] = {}
    with h5py.File(path, "r") as stored:

        def visit(name: str, item: Any) -> bool | None:
            plain = name.replace("/", ".")
            if isinstance(item, h5py.Dataset):
                names.append(plain)
                if plain in wanted:
                    _check(path, plain, item.size * item.dtype.itemsize, budget)
                    arrays[plain] = _dataset(path, stored, item, h5py)
            # Anything else than None ends the visit.
            return True if len(names) > _MOST_NAMES else None

        # MATLAB keeps each cell of its cell arrays, which may be many, below `#refs#`.
        for top in (name for name in stored if not name.startswith("#")):
            hard = isinstance(stored.get(top, getlink=True), h5py.HardLink)
            if hard and len(names) <= _MOST_NAMES:
                visit(top, item := stored[top])
                if isinstance(item, h5py.Group):
                    item.visititems(lambda name, item, top=top: visit(f"{top}/{name}", item))
    return names, arrays


class HdfArray:
    """Stand for a dataset of numbers or texts in an HDF5 file, whose axes may be turned round."""

    def __init__(self, path: Path, item: Any, *, texts: bool, turned: bool) -> None:
        self._path, self._name, self._texts, self._turned = path, item.name, texts, turned
        self.shape: tuple[int, ...] = item.shape[::-1] if turned else item.shape
        self.dtype: np.dtype[Any] = np.dtype(str) if texts else item.dtype

    def __getitem__(self, key: tuple[slice, ...], /) -> np.ndarray:
        """Read a part into memory."""
        import h5py

        with _readable(self._path), h5py.File(self._path, "r") as stored:
            item = stored[self._name]
            if self._texts:
                return np.array(item.asstr()[key], dtype=str)
            return item[key[::-1]].T if self._turned else np.asarray(item[key])


def _dataset(path: Path, stored: Any, item: Any, h5py: Any) -> StoredArray:
    kind = item.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if h5py.check_ref_dtype(item.dtype):
        return np.array([_characters(_cell(stored, ref, h5py)) for ref in item[()].reshape(-1)])
    texts = h5py.check_string_dtype(item.dtype) is not None
    if kind in _CHARACTERS and not texts:
        return np.array([_characters(row) for row in np.asarray(item[()]).T])
    return HdfArray(path, item, texts=texts, turned=bool(kind) and not texts)


def _cell(stored: Any, reference: Any, h5py: Any) -> np.ndarray:
    """Read what a reference points at, without the detour of an object of its own."""
    cell = h5py.h5r.dereference(reference, stored.id)
    values = np.empty(cell.shape, cell.dtype)
    cell.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def _characters(codes: Any) -> str:
    return "".join(map(chr, np.asarray(codes).reshape(-1).tolist())).strip()
