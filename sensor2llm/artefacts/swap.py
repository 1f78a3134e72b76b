"""Exchange what two names stand for, in one step, where system and file system can."""

import ctypes
import errno
import os
import sys

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
