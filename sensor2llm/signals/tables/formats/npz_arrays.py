"""The arrays of .npz and .npy files, none of which may claim more than the file can hold."""

import math
import shutil
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from sensor2llm.errors import DataError, listed, one_line
from sensor2llm.signals.tables.formats.stored_array import MappedArray, StoredArray

# Arrays may be this large, or as many times larger than the file: zeros compress a thousandfold.
_SMALLEST_BUDGET, _EXPANSION = 1 << 27, 20
# Smaller arrays are unpacked into memory, larger ones into a folder.
_IN_MEMORY = 1 << 22
_NPY = b"\x93NUMPY"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class ArrayHeader(NamedTuple):
    """Say what an array claims to be."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """Give the bytes of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


class PackedArray:
    """Stand for an array of a .npz, which is unpacked when some of it is read for the first time.

    Args:
        path: the .npz.
        member: its file in there.
        header: what it claims to be.
        folder: where a large one is unpacked to.
    """

    def __init__(
        self, path: Path, member: zipfile.ZipInfo, header: ArrayHeader, folder: Path
    ) -> None:
        self._path, self._member, self._folder = path, member, folder
        self.shape, self.dtype, self._bytes = header.shape, header.dtype, header.bytes
        self._array: StoredArray | None = None

    def __getitem__(self, key: tuple[slice, ...], /) -> np.ndarray:
        """Read a part into memory."""
        if self._array is None:
            self._array = self.load() if self._bytes <= _IN_MEMORY else self._unpack()
        return self._array[key]

    def load(self) -> np.ndarray:
        """Read all of it into memory."""
        with self._opened() as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    def _unpack(self) -> StoredArray:
        place = self._folder / f"{self._member.header_offset}.npy"
        with self._opened() as stream:
            with place.open("wb") as out:
                shutil.copyfileobj(stream, out)
            return _mapped(place)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with (
            _readable(self._path, "npz"),
            zipfile.ZipFile(self._path) as stored,
            stored.open(self._member) as stream,
        ):
            yield stream


def _mapped(place: Path) -> MappedArray:
    return MappedArray(partial(np.load, place, mmap_mode="r", allow_pickle=False))


def load_arrays(path: Path, wanted: Collection[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Give the names of all arrays, and those that are wanted, in memory."""
    names, arrays = open_npz(path, wanted, path.parent)
    return names, {name: array.load() for name, array in arrays.items()}


def open_npz(
    path: Path, wanted: Collection[str], folder: Path
) -> tuple[list[str], dict[str, PackedArray]]:
    """Give the names of all arrays, and those that are wanted; `folder` is for large ones."""
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; write it again")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            single = stream.read(len(_NPY)) == _NPY
        why = "it is a single array (.npy)" if single else "is it truncated?"
        raise DataError(f"{path.name} cannot be read as .npz, {why}; numpy.savez writes one")
    with _readable(path, "npz"), zipfile.ZipFile(path) as stored:
        names = [name.removesuffix(".npy") for name in stored.namelist()]
        budget = max(_SMALLEST_BUDGET, _EXPANSION * path.stat().st_size)
        arrays: dict[str, PackedArray] = {}
        for info in stored.infolist():
            if (name := info.filename.removesuffix(".npy")) in arrays:
                raise DataError(f"{path.name} holds {name!r} twice; write it again")
            if name in wanted:
                with stored.open(info) as stream:
                    header = _header(path, name, stream, info.file_size, budget)
                arrays[name] = PackedArray(path, info, header, folder)
                budget -= header.bytes
        return names, arrays


def open_npy(path: Path) -> StoredArray:
    """Open the array of a .npy file."""
    size = path.stat().st_size
    with _readable(path, "npy"):
        with path.open("rb") as stream:
            header = _header(path, path.stem, stream, size, max(_SMALLEST_BUDGET, size))
        # An empty one cannot be mapped.
        return _mapped(path) if header.bytes else np.empty(header.shape, header.dtype)


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever zipfile, its decompressors and numpy raise of a broken file into one line."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path.name} cannot be read as .{kind}, is it truncated? {one_line(error, 150)}"
        ) from error


def _header(path: Path, name: str, stream: IO[bytes], size: int, budget: int) -> ArrayHeader:
    """Read an array's header, which may claim no more than what is there."""
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise DataError(f"{path.name}: {name!r} has the .npy version {version}; expected 1 or 2")
    shape, _, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise DataError(
            f"{path.name}: {name!r} holds Python objects, as windows of different lengths do; "
            "write numbers of one shape (window, channel, step)"
        )
    if dtype.kind not in "biufSU":
        raise DataError(f"{path.name}: {name!r} holds {dtype}; expected numbers or texts")
    if min(shape, default=0) < 0:
        raise ValueError(f"{name!r} claims the shape {shape}")
    header = ArrayHeader(shape, dtype)
    if header.bytes > min(budget, max(0, size - stream.tell())):
        raise DataError(
            f"{path.name}: {name!r} claims {dtype} {listed([str(shape)])}, {header.bytes} bytes; "
            f"there are {size}, and at most {budget} are read from a file of this size"
        )
    return header
