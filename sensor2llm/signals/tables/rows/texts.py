"""The labels and people of rows, from the cells of their columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.columns import CodedTexts
from sensor2llm.signals.tables.keys.origin import label_key


def label_texts(
    cells: np.ndarray,
    labels: Mapping[str, str] | None,
    column: str,
    path: Path,
    exclude: Sequence[str] = (),
    first_row: int = 0,
) -> np.ndarray:
    """Give the label text of each cell of the label column; an empty cell has none.

    A cell that is to be left out needs no text.
    """
    codes, words = label_words(_coded(cells), labels, column, path, exclude, first_row)
    return np.array(words, dtype=object)[codes]


def label_words(
    cells: CodedTexts,
    labels: Mapping[str, str] | None,
    column: str,
    path: Path,
    exclude: Sequence[str] = (),
    first_row: int = 0,
) -> CodedTexts:
    """Give the label texts of cells in codes; see `label_texts`."""
    keys = [None if cell is None else label_key(cell) for cell in cells.words]
    if labels is None:
        return CodedTexts(cells.codes, keys)
    # YAML's truth values are true and false; Python's tables write True and False.
    keys = [key.lower() if key and key not in labels and key.lower() in ("true", "false") else key
            for key in keys]  # fmt: skip
    for code, key in enumerate(keys):
        if key is None or key in labels or key in exclude:
            continue
        if (rows := np.flatnonzero(cells.codes == code)).size:
            raise DataError(
                f"{path.name}: row {first_row + int(rows[0]) + 1}, column {column!r}: unknown "
                f"label {str(cells.words[code])[:60]!r}; labels has {listed(list(labels))}"
            )
    return CodedTexts(cells.codes, [None if key is None else labels.get(key, key) for key in keys])


def subject_words(cells: CodedTexts, path: Path, first_row: int = 0) -> CodedTexts:
    """Give the people of cells in codes: every row has a subject; 1.0 and 1 are one person."""
    nobody = [code for code, word in enumerate(cells.words) if word is None]
    if (rows := np.flatnonzero(np.isin(cells.codes, nobody))).size:
        raise DataError(f"{path.name}: row {first_row + int(rows[0]) + 1} has no subject")
    return CodedTexts(cells.codes, [word and label_key(word) for word in cells.words])


def _coded(cells: np.ndarray) -> CodedTexts:
    """Number the texts of cells."""
    words = {word: code for code, word in enumerate(dict.fromkeys(cells.tolist()))}
    return CodedTexts(np.array([words[cell] for cell in cells.tolist()], dtype=np.int32), [*words])
