"""Give memory back: what a large request took, the C library keeps for the next one."""

import asyncio
import ctypes
import sys

EVERY_S = 10.0


def return_memory() -> None:
    """Let the system have what is free; only glibc has to be told."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


async def keep_returning_memory() -> None:
    """Return memory now and then, until it is cancelled."""
    while True:
        await asyncio.sleep(EVERY_S)
        await asyncio.to_thread(return_memory)
