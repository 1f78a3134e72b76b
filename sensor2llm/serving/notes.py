"""What the library says in log lines while it reads something, for whoever asked for that.

with noted() as notes:
    windows = list(data_windows(data, spec).windows)
notes                            ["walk.csv: the columns a, b are not read"]
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from contextvars import ContextVar

MOST_NOTES = 20
"""Lines that are passed on; further ones are counted."""

_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)


class _NoteHandler(logging.Handler):
    """Give a line to the request in whose context it was written; listen while there is a block.

    To begin and to end to listen makes logging forget what it remembers of every logger.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._blocks, self._level, self._counting = 0, logging.NOTSET, threading.Lock()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what this package logs, and leave its logger as it was once nobody listens."""
        library = logging.getLogger("sensor2llm")
        with self._counting:
            if not self._blocks:
                self._level = library.level
                library.addHandler(self)
                library.setLevel(min(library.getEffectiveLevel(), logging.INFO))
            self._blocks += 1
        try:
            yield
        finally:
            with self._counting:
                self._blocks -= 1
                if not self._blocks:
                    library.removeHandler(self)
                    library.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        notes = _notes.get()
        if notes is not None:
            notes.append(record.getMessage())


_HANDLER = _NoteHandler()
listening = _HANDLER.listening
"""Keep listening between the blocks of `noted`, which are then cheap."""


def is_for_the_log(record: logging.LogRecord) -> bool:
    """Say whether a line is for who runs the server: a filter for its log's handlers."""
    return _notes.get() is None or record.levelno > logging.WARNING


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """Collect this package's log lines of the block, in this thread or task."""
    notes: list[str] = []
    token = _notes.set(notes)
    try:
        with _HANDLER.listening():
            yield notes
    finally:
        _notes.reset(token)
        if (more := len(notes) - MOST_NOTES) > 1:
            notes[MOST_NOTES:] = [f"… and {more} more lines"]
