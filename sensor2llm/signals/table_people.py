"""Whose a table's rows are, and which label they bear."""

import re
from pathlib import Path

from sensor2llm.errors import DataError
from sensor2llm.signals.table_config import Table


def label_texts(cells: list[str | None], table: Table, path: Path) -> list[str | None]:
    """Give the label text of each cell of the label column; an empty cell has none.

    Raises:
        DataError: For a cell that the description's `labels` does not have.
    """
    if table.labels is None:
        return cells
    for row, cell in enumerate(cells, 1):
        if cell is not None and cell not in table.labels:
            raise DataError(
                f"{path.name}: row {row}, column {table.label!r}: unknown label {cell!r}; labels "
                f"has {', '.join(table.labels)}"
            )
    return [None if cell is None else table.labels[cell] for cell in cells]


def subject_texts(cells: list[str | None], path: Path) -> list[str]:
    """Check that every row has a subject.

    Raises:
        DataError: For an empty cell.
    """
    if None in cells:
        raise DataError(f"{path.name}: row {cells.index(None) + 1} has no subject")
    return [str(cell) for cell in cells]


def fixed_subject(table: Table, path: Path) -> str:
    """Give the subject of a whole file: the fixed one, or what a pattern finds in its name.

    Raises:
        DataError: If the pattern finds nothing.
    """
    kind, rule = table.subject
    if kind != "file":
        return rule
    match = re.search(rule, path.name)
    if match is None:
        raise DataError(f"{path.name}: subject {{file: {rule}}} does not fit the file's name")
    return match.group(1) if match.groups() else match.group(0)
