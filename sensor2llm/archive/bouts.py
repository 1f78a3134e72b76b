"""Labels summed up: minutes a label a day, and bouts of one label.

    labels = sensor2llm.load("uci-har-bundled").classify(frame, rate_hz=50)
    summarise_labels(labels)        day (where times are dates), label, minutes, windows
    label_bouts(labels)             label, start_s, end_s, duration_s, probability, windows

A window counts from its start to that of the next one, at most for its own length, so that time in
which windows overlap counts once. Times are dates where they count seconds from 1970, as date times
and stamps of most devices do; days are those of the recording's own clock (UTC where it has a
zone). Rows of another `file` or `subject`, where there are such columns, are another recording.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float
from pyarrow import csv, parquet

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import ConfigError, DataError, listed
from sensor2llm.signals.spec import SignalSpec

logger = logging.getLogger(__name__)
LENGTH = "window_s"
"""What a table of labels says of itself: how long its windows are, in seconds."""
# No recording that counts from its own start lasts three years: later seconds are dates, from 1973.
_DATES_S = 1e8
# Less is rounding, not a gap.
_SLACK_S = 1e-3
_DAY_S = 86_400
_RECORDING = ("file", "subject")


class WindowSpans(NamedTuple):
    """Hold where windows lie: one after the other, as a table has them."""

    starts_s: Float[np.ndarray, " window"]
    seconds: Float[np.ndarray, " window"]
    """From each window's start to the next one's, or its length at a recording's or piece's end."""
    follows: Bool[np.ndarray, " window"]
    """Whether a window starts before the one above it is over, in the same recording."""

    @property
    def ends_s(self) -> Float[np.ndarray, " window"]:
        """Give when each window stops to count."""
        return self.starts_s + self.seconds


def summarise_labels(labels: Any, window_s: float | None = None) -> Any:
    """Sum up the minutes of each label, a day, where times are dates, or else a recording.

    Args:
        labels: a table, a window a row in order of time: pandas, polars or pyarrow; it has
            `start_s` and `label`.
        window_s: how long a window is in seconds; what `classify` noted of the table where None.

    Returns:
        A row a recording, day and label, of the kind of table that was given, pandas or pyarrow.

    Raises:
        DataError: a column is missing, or nothing says how long windows are.
    """
    table = summary_table(*_read(labels, window_s, "start_s", "label"))
    return _as_given(labels, without_empty_day(table))


def label_bouts(labels: Any, window_s: float | None = None) -> Any:
    """Join neighbouring windows of one label to bouts; a gap between windows ends one.

    Args:
        labels: as for `summarise_labels`, with `probability`.
        window_s: likewise.

    Returns:
        A row a bout, of the kind of table that was given: `probability` is its windows' mean.

    Raises:
        DataError: a column is missing, nothing says how long windows are, or neighbouring windows
            have one and the same time.
    """
    columns = ("start_s", "label", "probability")
    return _as_given(labels, bout_table(*_read(labels, window_s, *columns)))


def summary_table(labels: pa.Table, window_s: float) -> pa.Table:
    """Sum up as `summarise_labels` does; `day` is null where times are no dates."""
    spans, dates = window_spans(labels, window_s), labels["start_s"].to_numpy() >= _DATES_S
    days = np.floor(spans.starts_s / _DAY_S).astype("datetime64[D]").astype(str)
    keys = [name for name in (*_RECORDING, "day", "label") if name in (*labels.column_names, "day")]
    table = labels.select([name for name in keys if name != "day"])
    table = table.append_column("day", pa.array(days, pa.string(), mask=~dates))
    table = table.append_column("minutes", pa.array(spans.seconds / 60))
    # One thread: groups stand in the order of their first windows.
    grouped = table.group_by(keys, use_threads=False)
    sums = grouped.aggregate([("minutes", "sum"), ("minutes", "count")])
    sums = sums.select([*keys, "minutes_sum", "minutes_count"])
    return sums.rename_columns([*keys, "minutes", "windows"])


def without_empty_day(table: pa.Table) -> pa.Table:
    """Leave out the day where no time is a date."""
    days = "day" in table.column_names and table["day"].null_count == len(table)
    return table.drop_columns("day") if days else table


def bout_table(labels: pa.Table, window_s: float) -> pa.Table:
    """Join as `label_bouts` does."""
    spans, names = window_spans(labels, window_s), _codes(labels, ["label"])
    alike = _codes(labels, [name for name in _RECORDING if name in labels.column_names])
    untimed = np.flatnonzero((np.diff(spans.starts_s) == 0) & (alike[1:] == alike[:-1]))
    if untimed.size:
        row = int(untimed[0])
        raise DataError(
            f"windows {row + 1} and {row + 2} both start at {spans.starts_s[row]:g} s; bouts need "
            "the time of each window"
        )
    first = np.flatnonzero(~spans.follows | np.r_[True, names[1:] != names[:-1]])
    last = np.r_[first[1:], len(names)] - 1
    counts = last - first + 1
    start_s, end_s = spans.starts_s[first], spans.ends_s[last]
    mean = np.add.reduceat(labels["probability"].to_numpy(), first) / counts
    keys = labels.select([n for n in (*_RECORDING, "label") if n in labels.column_names])
    numbers = {"start_s": start_s, "end_s": end_s, "duration_s": end_s - start_s}
    bouts = keys.take(pa.array(first))
    for name, values in {**numbers, "probability": mean, "windows": counts}.items():
        bouts = bouts.append_column(name, pa.array(values))
    return bouts


SUMS: Mapping[str, Callable[[pa.Table, float], pa.Table]] = {
    "summary": summary_table,
    "bouts": bout_table,
}


def window_spans(labels: pa.Table, window_s: float) -> WindowSpans:
    """Say how long each window counts, and which continue the one above."""
    starts = labels["start_s"].to_numpy().astype(np.float64)
    alike = _codes(labels, [name for name in _RECORDING if name in labels.column_names])
    steps = np.diff(starts)
    goes_on = (alike[1:] == alike[:-1]) & (steps > 0) & (steps <= window_s + _SLACK_S)
    seconds = np.full(len(starts), float(window_s))
    seconds[:-1][goes_on] = np.minimum(steps[goes_on], window_s)
    return WindowSpans(starts, seconds, np.r_[False, goes_on][: len(starts)])


def window_length_s(spec: SignalSpec) -> float:
    """Give how long windows of a spec are; raises ConfigError where that is not one length."""
    if len(spec.lengths_s) != 1:
        raise ConfigError(
            "minutes and bouts need windows of one length in seconds; this adapter's are of "
            f"{spec.length_text or 'events or rows'}: leave --summary and --bouts out"
        )
    return spec.lengths_s[0]


def day_text(seconds: float) -> str:
    """Give the day of a time; '' where it is no date."""
    if seconds < _DATES_S:
        return ""
    return str(np.datetime64(int(seconds // _DAY_S), "D"))


def clock_text(seconds: float) -> str:
    """Write a time for a person: a date time where it is one, else seconds."""
    if seconds < _DATES_S:
        return f"{seconds:.2f} s"
    moment = np.datetime64(round(seconds * 1000), "ms").astype("datetime64[s]")
    return str(moment).replace("T", " ")


def _read(labels: Any, window_s: float | None, *needed: str) -> tuple[pa.Table, float]:
    if not hasattr(labels, "__arrow_c_stream__"):
        raise DataError(f"cannot sum up {type(labels).__name__}; give the table of `classify`")
    table = pa.table(labels)
    if missing := [name for name in needed if name not in table.column_names]:
        raise DataError(
            f"the table of labels has no column {missing[0]!r}; it has {listed(table.column_names)}"
        )
    if not len(table):
        raise DataError("the table of labels has no rows; give some windows")
    if window_s is None:
        noted = getattr(labels, "attrs", {}).get(LENGTH)
        window_s = noted or (table.schema.metadata or {}).get(LENGTH.encode())
    if not window_s or float(window_s) <= 0:
        raise DataError("the table does not say how long its windows are; give window_s=...")
    return table.replace_schema_metadata(None), float(window_s)


def _codes(table: pa.Table, names: list[str]) -> np.ndarray:
    """Number what stands in some columns: rows with the same number are alike."""
    numbers = np.zeros(len(table), np.int64)
    for name in names:
        column = table[name].combine_chunks().dictionary_encode(null_encoding="encode")
        numbers = numbers * (len(column.dictionary) + 1) + column.indices.to_numpy()
    return numbers


def _as_given(labels: Any, table: pa.Table) -> Any:
    return cast(Any, table.to_pandas() if type(labels).__module__.startswith("pandas") else table)


def sums_of(out: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    """Name what is wanted, and what an earlier run summed up: there may be more windows now."""
    return tuple(name for name in SUMS if name in wanted or (out / f"{name}.csv").is_file())


def write_sums(
    out: Path, names: Sequence[str], recordings: Mapping[str, Sequence[Path]], window_s: float
) -> None:
    """Write a file for each sum; the old one stays whole until the new one is.

    `recordings` are, by name, the Parquet files of their windows.
    """
    for name in names:
        with replace_file(out / f"{name}.csv") as part, contextlib.ExitStack() as stack:
            writer = None
            for table in _tables(name, recordings, window_s):
                writer = writer or stack.enter_context(csv.CSVWriter(part, table.schema))
                writer.write_table(table)
            if writer is None:
                part.touch()


def _tables(
    name: str, recordings: Mapping[str, Sequence[Path]], window_s: float
) -> Iterator[pa.Table]:
    """Sum up each recording; one whose windows have no times is left out with a line."""
    for recording, paths in recordings.items():
        labels = pa.concat_tables(map(parquet.read_table, paths)).sort_by("window")
        try:
            yield SUMS[name](labels, window_s)
        except DataError as error:
            logger.warning("%s has no %s: %s", recording, name, error)
