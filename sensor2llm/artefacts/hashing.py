"""The sha256 of a file."""

import hashlib
from pathlib import Path


def hash_file(path: Path) -> str:
    """Give a file's sha256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
