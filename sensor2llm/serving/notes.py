"""What the library says in log lines while it reads something, for whoever asked for that.

with noted() as notes:
    windows = list(data_windows(data, spec).windows)
notes                            ["walk.csv: the columns a, b are not read"]
"""

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar

MOST_NOTES = 20
"""Lines that are passed on; further ones are counted."""

_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)


class _NoteHandler(logging.Handler):
    """Give a line to the request in whose context it was written."""

    def emit(self, record: logging.LogRecord) -> None:
        notes = _notes.get()
        if notes is not None:
            notes.append(record.getMessage())


_HANDLER = _NoteHandler(logging.INFO)


def is_for_the_log(record: logging.LogRecord) -> bool:
    """Say whether a line is for who runs the server: a filter for its log's handlers."""
    return _notes.get() is None or record.levelno > logging.WARNING


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """Collect this package's log lines of the block, in this thread or task."""
    library = logging.getLogger("sensor2llm")
    if _HANDLER not in library.handlers:
        library.addHandler(_HANDLER)
        library.setLevel(min(library.getEffectiveLevel(), logging.INFO))
    notes: list[str] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)
        if (more := len(notes) - MOST_NOTES) > 1:
            notes[MOST_NOTES:] = [f"… and {more} more lines"]
