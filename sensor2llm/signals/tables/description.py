"""What is known of one's own table: its files, its columns, and the windows that come of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.tables.layout import DEFAULT_LAYOUT, TableLayout


@dataclass(frozen=True, kw_only=True)
class TableModality:
    """A modality of the windows and the columns that it is read from."""

    modality: Modality
    columns: tuple[str, ...]
    """Column of each channel, in the channels' order."""
    rate_hz: float | None = None
    """Rate of the rows, before `resample_hz`."""
    max_gap_s: float = 0.1
    """The longest pause that is bridged."""
    optional: bool = False
    """Whether a file may lack the columns."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Describe a table of recordings; see `config` for the YAML that it is read from."""

    spec: SignalSpec
    modalities: tuple[TableModality, ...]
    files: tuple[str, ...] = ()
    time: tuple[str, ...] = ()
    """The column of the time, or those of the date and the time; empty where rows have none."""
    time_unit: str = "s"
    subject: tuple[str, str] = ("value", "unknown")
    """Kind (`column`, `value` or `file`) and what it is."""
    label: str | None = None
    labels: Mapping[str, str] | None = None
    """Text of each cell of the label column; `None` takes the cells as they are."""
    labelled: bool = True
    """Whether labels are read; what is to be classified is read without."""
    overlap: float = 0.0
    layout: TableLayout = DEFAULT_LAYOUT
    root: Path | None = None
    """The folder that the files were looked for in."""
