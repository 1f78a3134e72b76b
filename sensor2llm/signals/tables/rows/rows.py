"""Rows of a table in memory: times, values by modality, labels and subjects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sensor2llm.signals.tables.columns import CodedTexts

NO_TEXT = -1


class TextNumbers:
    """Number texts in order of appearance; no text is -1."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str | None, int] = {None: NO_TEXT}

    def of(self, column: CodedTexts) -> np.ndarray:
        """Give the number of each row's text, int32."""
        return np.array([self._of(word) for word in column.words], dtype=np.int32)[column.codes]

    def _of(self, text: str | None) -> int:
        number = self._numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(str(text))
        return number


@dataclass(frozen=True, eq=False)
class TableRows:
    """Hold rows of one file: times in seconds, values by modality, label and subject a row."""

    path: Path
    times_s: np.ndarray
    values: dict[str, np.ndarray]
    labels: np.ndarray
    """Numbers of texts."""
    subjects: np.ndarray
    """Numbers of texts."""
    numbers: TextNumbers
    first_row: int = 0
    """How many rows of the file are before these, where they follow each other."""

    @property
    def person(self) -> str:
        """Give the subject of the first row."""
        return self.numbers.texts[self.subjects[0]]

    def part(self, rows: np.ndarray | slice) -> "TableRows":
        """Keep these rows."""
        return TableRows(
            path=self.path,
            times_s=self.times_s[rows],
            values={name: values[:, rows] for name, values in self.values.items()},
            labels=self.labels[rows],
            subjects=self.subjects[rows],
            numbers=self.numbers,
            first_row=self.first_row + (rows.start or 0 if isinstance(rows, slice) else 0),
        )


def concat_rows(parts: Sequence[TableRows]) -> TableRows:
    """Put rows one after the other; a modality that some lack is NaN there."""
    if len(parts) == 1:
        return parts[0]
    channels = {name: len(values) for rows in parts for name, values in rows.values.items()}
    return TableRows(
        path=parts[0].path,
        times_s=np.concatenate([rows.times_s for rows in parts]),
        values={
            name: np.concatenate([_values(rows, name, count) for rows in parts], axis=1)
            for name, count in channels.items()
        },
        labels=np.concatenate([rows.labels for rows in parts]),
        subjects=np.concatenate([rows.subjects for rows in parts]),
        numbers=parts[0].numbers,
        first_row=parts[0].first_row,
    )


def _values(rows: TableRows, name: str, channels: int) -> np.ndarray:
    if name in rows.values:
        return rows.values[name]
    return np.full((channels, len(rows.times_s)), np.nan)
