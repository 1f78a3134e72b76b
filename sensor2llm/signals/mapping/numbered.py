"""A recording's windows by their numbers, from 1; of a store that is the row, heard or not."""

from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.data_map import SAME
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window


def numbered_windows(
    file: Path, spec: SignalSpec, overlap: float = 0.0, ledger: Ledger | None = None
) -> tuple[Iterable[int], Iterator[Window]]:
    """Read a file or a store as `DataMap.read` does, and give its windows' numbers beside."""
    if not file.is_dir():
        return count(1), SAME.read(file, spec, overlap, ledger)
    rows, windows = SAME.read_rows(file, spec, ledger or Ledger())
    return [row + 1 for row in rows], windows


def find_window(file: Path, spec: SignalSpec, number: int) -> Window:
    """Give the window of a number.

    Raises:
        DataError: the file has not so many windows, or the adapter hears nothing of this one.
    """
    if number < 1:
        raise DataError(f"windows are numbered from 1; there is no number {number}")
    if file.is_dir():
        total = len(WindowStore.open(file))
        rows = range(number - 1, min(number, total))
        windows = list(SAME.read_rows(file, spec, Ledger(), rows)[1])
    else:
        windows = list(islice(SAME.read(file, spec), number))
        total = len(windows)
    if number > total:
        length = f" of {spec.length_text}" if spec.length_text else ""
        raise DataError(f"{file.name} has {total} windows{length}; there is no number {number}")
    if not windows:
        raise DataError(f"window {number} of {file.name} has no sensor that the adapter hears")
    return windows[-1]
