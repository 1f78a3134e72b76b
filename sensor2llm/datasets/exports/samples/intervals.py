"""Labels of a recording from a table of intervals: `start,end,label`, and `person` where it helps.

    start,end,label,person
    2024-05-01T08:00:00+02:00,2024-05-01T08:30:00+02:00,walking,anna
    1714545000,1714546800,resting,anna

Times are date times with their zone, or numbers: seconds since 1970 in UTC, from 1e11 on
milliseconds. Where the device's clock has no zone, date times are taken as that clock showed them.
`stop` is another word for `end`, `subject` for `person`; without that column the intervals are
everyone's. Cells are between commas, semicolons or tabs, or in a workbook.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from sensor2llm.datasets.exports.samples.device import Clock
from sensor2llm.datasets.exports.samples.text import wall_seconds
from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.columns import column_chunks, column_names, texts
from sensor2llm.signals.tables.formats.kinds import is_workbook
from sensor2llm.signals.tables.layout import DEFAULT_LAYOUT, TableLayout, open_text
from sensor2llm.signals.window import Annotation

EXAMPLE = "2024-05-01T08:00:00+02:00"
_ALIASES = {"stop": "end", "subject": "person"}
_MILLISECONDS = 1e11


@dataclass(frozen=True)
class Moment:
    """Hold a time of the table: in UTC where that is known, and as a clock showed it."""

    text: str
    utc_s: float | None
    wall_s: float
    dated: bool

    def seconds(self, clock: Clock, where: str) -> float:
        """Give it on a device's clock.

        Raises:
            DataError: If nothing says which moment of that clock it is.
        """
        if clock == "none" and self.dated:
            raise DataError(
                f"{where}: {self.text!r} is a date, and the recording has none; give seconds from "
                "its start"
            )
        if clock == "utc" and self.utc_s is None:
            raise DataError(
                f"{where}: {self.text!r} has no zone; write it like {EXAMPLE}, or in seconds "
                "since 1970"
            )
        return self.wall_s if clock != "utc" or self.utc_s is None else self.utc_s


@dataclass(frozen=True)
class LabelInterval:
    """Hold a row of the table."""

    row: int
    start: Moment
    end: Moment
    label: str
    person: str | None


class ExportLabels:
    """Hold the intervals of a table, and give those of a person."""

    def __init__(self, name: str, intervals: list[LabelInterval]) -> None:
        self.name, self.intervals = name, intervals

    def check_people(self, people: list[str]) -> None:
        """Raise DataError for intervals of people of whom there is no recording."""
        strange = {i.person for i in self.intervals if i.person} - set(people)
        if strange:
            raise DataError(
                f"{self.name} has labels of {listed(sorted(strange), 4)}; the recordings are of "
                f"{listed(people, 4)}"
            )

    def of_person(self, person: str, clock: Clock) -> list[Annotation]:
        """Give a person's labels in order of time, on the clock of their recording.

        Raises:
            DataError: For intervals that end before they start, or overlap with another label.
        """
        notes: list[tuple[Annotation, int]] = []
        for interval in self.intervals:
            if interval.person not in (None, person):
                continue
            where = f"{self.name}: row {interval.row}"
            start_s = interval.start.seconds(clock, where)
            stop_s = interval.end.seconds(clock, where)
            if not stop_s > start_s:
                raise DataError(
                    f"{where}: it ends at {interval.end.text!r}, not after its start "
                    f"{interval.start.text!r}"
                )
            notes.append((Annotation(start_s, stop_s, interval.label), interval.row))
        notes.sort(key=lambda note: (note[0].start_s, note[0].stop_s))
        self._refuse_overlaps(notes)
        return [note for note, _ in notes]

    def _refuse_overlaps(self, notes: list[tuple[Annotation, int]]) -> None:
        longest: tuple[Annotation, int] | None = None
        for note, row in notes:
            if longest and note.start_s < longest[0].stop_s and note.label != longest[0].label:
                raise DataError(
                    f"{self.name}: rows {longest[1]} ({longest[0].label!r}) and {row} "
                    f"({note.label!r}) overlap; a moment has one label"
                )
            if longest is None or note.stop_s > longest[0].stop_s:
                longest = (note, row)


def read_intervals(path: Path) -> ExportLabels:
    """Read a table of intervals: text, or whatever else `signals.tables` reads.

    Raises:
        DataError: For a missing file or column, a time that is none, or a row without a label.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a CSV with start, end and label")
    layout = _layout(path)
    header = [_ALIASES.get(name.lower(), name.lower()) for name in column_names(path, layout)]
    if not {"start", "end", "label"} <= set(header):
        shown = ",".join(header)[:60]
        raise DataError(f"{path.name}: its first line is {shown!r}, expected 'start,end,label'")
    intervals = list(_rows(path, layout, header))
    return ExportLabels(path.name, intervals)


def _layout(path: Path) -> TableLayout:
    """Say what stands between cells: a spreadsheet's program writes a semicolon in some places."""
    if is_workbook(path):
        return DEFAULT_LAYOUT
    first = open_text(path, DEFAULT_LAYOUT).head[0]
    return replace(DEFAULT_LAYOUT, delimiter=next((mark for mark in "\t;" if mark in first), ","))


def _rows(path: Path, layout: TableLayout, header: list[str]) -> Iterator[LabelInterval]:
    names = column_names(path, layout)
    roles = {role: names[header.index(role)] for role in ("start", "end", "label", "person")
             if role in header}  # fmt: skip
    kinds = dict.fromkeys(roles.values(), pa.string())
    row = 0
    for data in column_chunks(path, list(roles.values()), layout, kinds):
        columns = {role: texts(data, name, path, layout).tolist() for role, name in roles.items()}
        for cells in zip(*columns.values(), strict=True):
            row, cell = row + 1, dict(zip(columns, cells, strict=True))
            where = f"{path.name}: row {row}"
            if empty := [role for role in ("start", "end", "label") if cell[role] is None]:
                raise DataError(f"{where} has no {empty[0]}; expected {','.join(header)}")
            start, end = (_moment(cell[name], where) for name in ("start", "end"))
            yield LabelInterval(row, start, end, cell["label"], cell.get("person"))


def _moment(text: str, where: str) -> Moment:
    if re.fullmatch(r"-?\d+(\.\d*)?", text):
        number = float(text)
        number = number / 1000 if abs(number) >= _MILLISECONDS else number
        return Moment(text, number, number, dated=False)
    try:
        moment = datetime.fromisoformat(re.sub(r"\s+([+-]\d\d:?\d\d)$", r"\1", text))
    except ValueError as error:
        raise DataError(
            f"{where}: {text[:40]!r} is no time; write it like {EXAMPLE}, or in seconds since 1970"
        ) from error
    return Moment(
        text, moment.timestamp() if moment.tzinfo else None, wall_seconds(moment), dated=True
    )
