"""Unpack the arrays of a .npz file, none of which may claim more than the file can hold."""

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np

from sensor2llm.errors import DataError, listed

# Arrays may be this large, or as many times larger than the file: zeros compress a thousandfold.
_SMALLEST_BUDGET, _EXPANSION = 1 << 27, 20
_NPY = b"\x93NUMPY"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def load_arrays(path: Path, wanted: Collection[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Give the names of all arrays, and those that are wanted."""
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; write it again")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            single = stream.read(len(_NPY)) == _NPY
        why = "it is a single array (.npy)" if single else "is it truncated?"
        raise DataError(f"{path.name} cannot be read as .npz, {why}; numpy.savez writes one")
    try:
        with zipfile.ZipFile(path) as stored:
            names = [name.removesuffix(".npy") for name in stored.namelist()]
            budget = max(_SMALLEST_BUDGET, _EXPANSION * path.stat().st_size)
            arrays = {}
            for info in stored.infolist():
                if (name := info.filename.removesuffix(".npy")) in arrays:
                    raise DataError(f"{path.name} holds {name!r} twice; write it again")
                if name in wanted:
                    with stored.open(info) as stream:
                        arrays[name] = _array(path, name, stream, info.file_size, budget)
                    budget -= arrays[name].nbytes
            return names, arrays
    except DataError:
        raise
    except Exception as error:
        # A broken archive makes zipfile, its decompressors and numpy raise whatever there is.
        why = " ".join(str(error).split())[:150]
        raise DataError(f"{path.name} cannot be read as .npz, is it truncated? {why}") from error


def load_array(path: Path) -> np.ndarray:
    """Read the array of a .npy file."""
    size = path.stat().st_size
    try:
        with path.open("rb") as stream:
            return _array(path, path.stem, stream, size, max(_SMALLEST_BUDGET, size))
    except DataError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:150]
        raise DataError(f"{path.name} cannot be read as .npy, is it truncated? {why}") from error


def _array(path: Path, name: str, stream: IO[bytes], size: int, budget: int) -> np.ndarray:
    """Read an array once its header is known to claim no more than what is there."""
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
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > min(budget, max(0, size - stream.tell())):
        raise DataError(
            f"{path.name}: {name!r} claims {dtype} {listed([str(shape)])}, {claimed} bytes; there "
            f"are {size}, and at most {budget} are read from a file of this size"
        )
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)
