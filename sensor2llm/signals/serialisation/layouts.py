"""Layouts: where the numbers of several channels stand in one text, and back."""

import json
from dataclasses import dataclass

from sensor2llm.errors import DataError

Table = list[list[str]]
"""Cells by channel, then by step."""


@dataclass(frozen=True)
class Inline:
    """Write channel after channel, the numbers of each in one run."""

    separator: str
    channel_separator: str
    unit: str
    missing: str

    def join(self, table: Table) -> str:
        """Give the text of a table of channels."""
        between = self.unit + self.separator
        return self.channel_separator.join(between.join(row) + self.unit for row in table)

    def split(self, text: str) -> Table:
        """Give the channels of a text."""
        rows = [row.split(self.separator) for row in text.split(self.channel_separator)]
        if not self.unit:
            return rows
        return [[cell.removesuffix(self.unit) for cell in row] for row in rows]


@dataclass(frozen=True)
class RowLayout:
    """Write one row a step, its columns the channels, as sensor files on disk do.

    A row may start with constant columns and an integer time; both are left out when read.
    """

    lead: str
    timestamp_start: int | None
    timestamp_step: int
    end: str
    unit: str
    missing: str

    def join(self, table: Table) -> str:
        """Give the text of a table of channels."""
        between = self.unit + ","
        rows = map(between.join, zip(*table, strict=True))
        end = f"{self.unit}{self.end}\n"
        lead = f"{self.lead}," if self.lead else ""
        if self.timestamp_start is None:
            return "".join(f"{lead}{row}{end}" for row in rows)
        times = range(
            self.timestamp_start,
            self.timestamp_start + len(table[0]) * self.timestamp_step,
            self.timestamp_step,
        )
        return "".join(f"{lead}{t},{row}{end}" for t, row in zip(times, rows, strict=True))

    def split(self, text: str) -> Table:
        """Give the channels of a text."""
        lead = (self.lead.count(",") + 1 if self.lead else 0) + (self.timestamp_start is not None)
        rows = [line.removesuffix(self.end).split(",")[lead:] for line in text.split("\n") if line]
        widths = sorted({len(row) for row in rows})
        if len(widths) > 1:
            raise DataError(f"csv rows have {widths} columns; every row needs the same number")
        columns = zip(*rows, strict=True)
        return [[cell.removesuffix(self.unit) for cell in column] for column in columns]


@dataclass(frozen=True)
class Json:
    """Write a JSON list of channels; with a unit an object that states it once."""

    unit: str
    missing: str = "null"

    def join(self, table: Table) -> str:
        """Give the text of a table of channels."""
        text = "[" + ", ".join("[" + ", ".join(row) + "]" for row in table) + "]"
        if not self.unit:
            return text
        return f'{{"unit": {json.dumps(self.unit.strip())}, "values": {text}}}'

    def split(self, text: str) -> Table:
        """Give the channels of a text."""
        try:
            # Numbers stay texts here: the number form reads them.
            content = json.loads(text, parse_float=str, parse_int=str)
        except json.JSONDecodeError as error:
            raise DataError(f"text is no JSON ({error}); was it written by 'json'?") from None
        rows = content.get("values") if isinstance(content, dict) else content
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise DataError("JSON of numbers must be a list of channels, each a list of numbers")
        return [[self.missing if cell is None else str(cell) for cell in row] for row in rows]


TextLayout = Inline | RowLayout | Json
"""What puts cells into one text and takes them out again; `missing` is its word for no value."""
