"""Whose a table's rows are, and which label they bear."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sensor2llm.errors import DataError, SpecError, listed


def label_key(cell: str) -> str:
    """Give one spelling of a code: 1.0 is 1, as tables with empty cells write it."""
    return cell.partition(".")[0] if re.fullmatch(r"[-+]?\d+\.0*", cell) else cell


def label_texts(
    cells: np.ndarray, labels: Mapping[str, str] | None, column: str, path: Path
) -> np.ndarray:
    """Give the label text of each cell of the label column; an empty cell has none."""
    words = {cell: label_key(cell) for cell in dict.fromkeys(cells.tolist()) if cell is not None}
    if labels is not None:
        # YAML's truth values are true and false; Python's tables write True and False.
        for cell, key in words.items():
            if key not in labels and key.lower() in ("true", "false"):
                words[cell] = key.lower()
        for cell, key in words.items():
            if key not in labels:
                row = cells.tolist().index(cell)
                raise DataError(
                    f"{path.name}: row {row + 1}, column {column!r}: unknown "
                    f"label {cell[:60]!r}; labels has {listed(list(labels))}"
                )
        words = {cell: labels[key] for cell, key in words.items()}
    return np.array([words.get(cell) for cell in cells.tolist()], dtype=object)


def subject_texts(cells: np.ndarray, path: Path) -> np.ndarray:
    """Check that every row has a subject; 1.0 and 1 are one person."""
    if None in (subjects := cells.tolist()):
        raise DataError(f"{path.name}: row {subjects.index(None) + 1} has no subject")
    people = {cell: label_key(cell) for cell in dict.fromkeys(subjects)}
    return np.array([people[cell] for cell in subjects], dtype=object)


def fixed_subject(subject: tuple[str, str], root: Path | None, path: Path) -> str:
    """Give the subject of a whole file: the fixed one, or what a pattern finds in its name.

    Where the file's name does not have it, the folders below `root`, the searched one, are looked
    at, the nearest first.
    """
    kind, rule = subject
    if kind != "file":
        return rule
    folders = path.parts[:-1]
    if root is not None and path.is_relative_to(root):
        folders = path.relative_to(root).parts[:-1]
    names = pa.array([path.name, *reversed(folders)])
    try:
        fits = pc.match_substring_regex(names, rule)
        within = 1 if re.compile(rule).groups == 0 else 2
        subjects = pc.replace_substring_regex(names, f"(?s)^.*?({rule}).*$", rf"\{within}")
    except (re.error, pa.ArrowInvalid, RecursionError, OverflowError) as error:
        raise SpecError(f"subject {{file: {rule[:60]}}} is no pattern: {error}") from error
    name = next((s for s, fit in zip(subjects.to_pylist(), fits.to_pylist(), strict=True)
                 if fit), None)  # fmt: skip
    if not name:
        where = " or its folders'" if folders else ""
        raise DataError(
            f"{path.name}: subject {{file: {rule[:60]}}} does not fit the file's name{where}"
        )
    return str(name)
