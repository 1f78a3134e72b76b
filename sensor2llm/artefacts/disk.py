"""What only the operating system can do: bring onto the disk, and exchange two names."""

import ctypes
import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

# Where two names cannot be swapped: an old kernel, a file system that does not know how, a mount.
_NO_SWAP = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV, errno.EBUSY)


def exchange(one: bytes, other: bytes) -> bool:
    """Exchange what two names stand for, in one step; False where the system cannot.

    Linux renameat2(2) with RENAME_EXCHANGE, macOS renamex_np(2) with RENAME_SWAP: both are 2.
    """
    here = -100  # AT_FDCWD
    try:
        if sys.platform == "linux":
            call = ctypes.CDLL(None, use_errno=True).renameat2
            failed = call(here, one, here, other, 2)
        else:
            failed = ctypes.CDLL(None, use_errno=True).renamex_np(one, other, 2)
    except (AttributeError, TypeError):  # a C library without it; Windows, which has no such handle
        return False
    if failed and (number := ctypes.get_errno()) not in _NO_SWAP:
        raise OSError(number, os.strerror(number), os.fsdecode(other))
    return not failed


def sync_files(folder: Path) -> None:
    """Bring all files below a folder onto the disk."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            sync(path)


def sync_folders(folder: Path) -> None:
    """Bring the lists of names of a folder and of those below it onto the disk."""
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
