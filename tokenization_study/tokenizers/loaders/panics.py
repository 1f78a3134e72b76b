"""Calls into libraries that end a program where a file is broken."""

import contextlib
import os
import sys
from collections.abc import Iterator

from sensor2llm.errors import ModelError, one_line


@contextlib.contextmanager
def library_call(before: str, after: str = "") -> Iterator[None]:
    """Turn whatever a library raises, a panic too, into a ModelError around the library's words.

    Meanwhile nothing is written to stderr.
    """
    sys.stderr.flush()
    own, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise ModelError(f"{before}{one_line(error, 140)}{after}") from None
    finally:
        os.dup2(own, 2)
        os.close(own)
        os.close(nowhere)
