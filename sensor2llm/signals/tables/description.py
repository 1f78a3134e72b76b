"""What is known of one's own table: its files, its columns, and the windows that come of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.tables.layout import DEFAULT_LAYOUT, TableLayout

SAMPLES = "samples"
"""The unit of a clock that counts rows, which come at a rate."""


@dataclass(frozen=True, kw_only=True)
class TableClock:
    """Say when a row was measured."""

    columns: tuple[str, ...] = ()
    """The column of the time, or those of the date and the time; empty where rows have none."""
    unit: str = "s"
    """A unit of `times`, or `samples`: rows, or what `columns` counts, come at `rate_hz`."""
    form: str = ""
    """How dates are written, where the unit is `format`."""
    zone: str = ""
    """Zone of dates that do not say their offset; empty: UTC."""
    offset_s: float = 0.0
    """What is added to the times, so that they are those of the other files."""
    rate_hz: float | None = None
    """Samples a second, where the unit is `samples`; `None`: the modality's."""
    start: tuple[str, str] | None = None
    """Time of the first row, where rows are counted: kind (`value`, `head`, `file`), and what."""
    start_unit: str = "s"

    @property
    def name(self) -> str:
        """Give what messages call its column."""
        return " ".join(self.columns)


NO_CLOCK = TableClock()
Rule = tuple[str, str]
"""Kind (`column`, `value` or `file`) and what it is: whom or what a row belongs to."""


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """Name files, and say how they are written, whose they are and when their rows were."""

    files: tuple[str, ...] = ()
    clock: TableClock = NO_CLOCK
    subject: Rule = ("value", "unknown")
    layout: TableLayout = DEFAULT_LAYOUT


@dataclass(frozen=True, kw_only=True)
class TableAnnotations:
    """Say where labels stand that have files of their own: from when to when, and which."""

    source: TableSource
    """Its clock has the column of the start."""
    stop: str | None = None
    duration: str | None = None
    duration_unit: str = "s"
    lasts_s: float | None = None
    """How long each lasts; without this, `stop` and `duration`, up to the person's next one."""
    label: str = "label"
    relative: bool = False
    """Whether times count from the person's first row."""


@dataclass(frozen=True, kw_only=True)
class TableModality:
    """A modality of the windows and the columns that it is read from."""

    modality: Modality
    columns: tuple[str, ...]
    """Column of each channel, in the channels' order; of an array `NAME[i]`, of a row that is a
    window a pattern or `first..last`."""
    rate_hz: float | None = None
    """Rate of the rows, before `resample_hz`."""
    max_gap_s: float = 0.1
    """The longest pause that is bridged."""
    optional: bool = False
    """Whether a file may lack the columns."""
    array: str | None = None
    """The array of a file of arrays, where it has not the modality's name."""
    channels: tuple[int, ...] | None = None
    """Which channels of the array, counted from 0; all where `None`."""
    scale: tuple[float, ...] | None = None
    """What the numbers of each column are multiplied by to be in its unit."""
    source: TableSource | None = None
    """Files or a clock of its own; `None`: the table's."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Describe a table of recordings; see `config` for the YAML that it is read from."""

    spec: SignalSpec
    modalities: tuple[TableModality, ...]
    files: tuple[str, ...] = ()
    clock: TableClock = NO_CLOCK
    subject: Rule = ("value", "unknown")
    layout: TableLayout = DEFAULT_LAYOUT
    label: Rule | None = None
    labels: Mapping[str, str] | None = None
    """Text of each cell of the label column; `None` takes the cells as they are."""
    exclude: tuple[str, ...] = ()
    """Labels whose windows are left out."""
    annotations: TableAnnotations | None = None
    labelled: bool = True
    """Whether labels are read; what is to be classified is read without."""
    rows_are_windows: bool = False
    """Whether each row is a window."""
    partial: bool = False
    """Whether it is a part of a joined table, so that its labels may stand in another part."""
    overlap: float = 0.0
    root: Path | None = None
    """The folder that the files were looked for in."""

    @property
    def joined(self) -> bool:
        """Say whether modalities come from several files or clocks."""
        return any(entry.source is not None for entry in self.modalities)

    def by_source(self) -> tuple["Table", ...]:
        """Give a table for the modalities of each source."""
        own = TableSource(
            files=self.files, clock=self.clock, subject=self.subject, layout=self.layout
        )
        groups: dict[TableSource, list[TableModality]] = {}
        for entry in self.modalities:
            groups.setdefault(entry.source or own, []).append(replace(entry, source=None))
        return tuple(
            replace(
                self,
                modalities=tuple(entries),
                spec=self.spec.subset(entry.modality.name for entry in entries),
                files=source.files,
                clock=source.clock,
                subject=source.subject,
                layout=source.layout,
                partial=True,
            )
            for source, entries in groups.items()
        )
