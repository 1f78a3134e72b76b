"""Bring what was written onto the disk, so that a power cut finds it there."""

import os
from contextlib import suppress
from pathlib import Path


def sync_files(folder: Path) -> None:
    """Bring every file below a folder onto the disk."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            sync(path)


def sync_folders(folder: Path) -> None:
    """Bring the lists of names of a folder, and of every one below it, onto the disk."""
    for path in (*folder.rglob("*"), folder):
        if path.is_dir() and not path.is_symlink():
            sync(path)


def sync(path: Path) -> None:
    """Bring a file or a folder's list of names onto the disk, where the system can."""
    if path.is_dir():
        with suppress(OSError):
            _sync_open(path, os.O_RDONLY)
    else:
        _sync_open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)


def _sync_open(path: Path, flags: int) -> None:
    file = os.open(path, flags)
    try:
        os.fsync(file)
    finally:
        os.close(file)
