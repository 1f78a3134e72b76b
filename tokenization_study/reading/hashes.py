"""Hashes that say exactly what was audited."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sensor2llm.artefacts.hashing import hash_file
from sensor2llm.signals.store.store import WindowStore


class HashedStream:
    """Read a stream, and hash what was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Read so many bytes at most."""
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    def hash(self) -> str:
        """Give the sha256 of what was read so far."""
        return self._digest.hexdigest()


def hash_input(values: Any) -> str:
    """Give the sha256 of a file, of all files of a folder with their names, or of values' bytes."""
    if isinstance(values, WindowStore):
        return hash_input(values.path)
    if isinstance(values, str | Path):
        path = Path(values).expanduser()
        if path.is_file():
            return hash_file(path)
        digest = hashlib.sha256()
        for part in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{hash_file(part)}  {part.relative_to(path).as_posix()}\n".encode())
        return digest.hexdigest()
    if isinstance(values, list | tuple) and all(isinstance(line, str) for line in values):
        return hashlib.sha256("\n".join(values).encode("utf-8", "surrogatepass")).hexdigest()
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
