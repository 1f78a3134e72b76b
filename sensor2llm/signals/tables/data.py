"""What a person has at hand, cut into the windows that an adapter expects.

    str, Path                            a file or store, as `read_windows` reads it
    pandas, polars, pyarrow tables, or   columns named as the channels, and a time if there is one
    a mapping of columns
    numpy (sample, channel)              one recording, its rows in order of time
    numpy (window, channel, step)        ready windows
    Window, several of them, a store     ready windows, as the adapter's spec describes them

An array has all channels of the spec, in the spec's order; a sensor that is NaN throughout, or in a
ready window anywhere, is missing. A table's index is its time where it is one of dates and no
column is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sensor2llm.errors import ConfigError, DataError, SpecError, listed, one_line
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.named_columns import SAME_NAMES, TIMES, check_rate_hz, named_windows
from sensor2llm.signals.tables.npz import array_windows
from sensor2llm.signals.tables.windows import read_windows
from sensor2llm.signals.views.conversion import convert_store, convert_windows
from sensor2llm.signals.window import Window

TABLE, ARRAY = "the table", "the array"


class DataWindows(NamedTuple):
    """Hold the windows of some data, and what messages call the data."""

    windows: Iterator[Window]
    name: str


def data_windows(
    data: Any,
    spec: SignalSpec,
    *,
    rate_hz: float | None = None,
    columns: Mapping[str, str] = SAME_NAMES,
    overlap: float = 0.0,
    ledger: Ledger | None = None,
) -> DataWindows:
    """Cut what a person has at hand into windows of `spec`.

    Args:
        data: one of the kinds above.
        spec: what the windows are to be; sensors that the data lack are absent.
        rate_hz: samples a second of a table or an array; a table's time column may say it instead.
        columns: `<modality>.<channel>` -> the table's column of another name.
        overlap: share of a window that the next one repeats, 0 up to below 1.
        ledger: counts what becomes of rows and windows, once all windows are taken.

    Raises:
        DataError: data of another kind or shape, no rate, a missing column, a bad cell.
        SpecError: values that cannot be brought to `spec`.
        ConfigError: an option that the data have no use for.
    """
    ledger = Ledger() if ledger is None else ledger
    if not 0 <= overlap < 1:
        raise ConfigError(f"overlap must be from 0 to below 1, got {overlap:g}")
    options: dict[str, Any] = {"rate_hz": rate_hz, "renamed": columns}
    if isinstance(data, str | Path):
        reading = read_windows(data, spec, overlap, ledger, **options)
        return DataWindows(reading.windows, Path(data).name)
    if hasattr(data, "__arrow_c_stream__") or isinstance(data, Mapping):
        options["columns"] = _arrow_table(data)
        return DataWindows(named_windows(Path(TABLE), spec, overlap, ledger, **options), TABLE)
    if isinstance(data, np.ndarray):
        if columns:
            raise ConfigError("an array has no columns to name; give a table, or leave columns out")
        return DataWindows(_array_windows(data, spec, rate_hz, overlap, ledger), ARRAY)
    if rate_hz or columns or overlap:
        raise ConfigError(
            "rate_hz, columns and overlap are for tables, arrays and files; windows are cut already"
        )
    return DataWindows(_ready_windows(data, spec, ledger), "windows")


def _arrow_table(data: Any) -> pa.Table:
    """Read a table in memory; dates in its index become its time where no column is one."""
    try:
        table = pa.table(dict(data) if isinstance(data, Mapping) else data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{TABLE} cannot be read ({one_line(error, 150)})") from error
    if not len(table):
        raise DataError(f"{TABLE} has no rows; give some")
    names = [name.strip() for name in table.column_names]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{TABLE} has several columns called {twice[0]!r}; give each its own name")
    if not {*TIMES, "time", "timestamp"} & set(names):
        for index in (table.schema.pandas_metadata or {}).get("index_columns", ()):
            if isinstance(index, str) and pa.types.is_temporal(table.schema.field(index).type):
                names[table.column_names.index(index)] = "time"
    return table.rename_columns(names)


def _array_windows(
    array: np.ndarray, spec: SignalSpec, rate_hz: float | None, overlap: float, ledger: Ledger
) -> Iterator[Window]:
    check_rate_hz(rate_hz)
    names = [f"{m.name}.{channel}" for m in spec.modalities for channel in m.channel_names]
    shape, ready = array.shape, array.ndim == 3
    if array.dtype.kind not in "iuf" or array.ndim not in (2, 3) or shape[1] != len(names):
        turned = "; it is turned: pass its .T" if shape == (len(names), *shape[1:]) else ""
        raise DataError(
            f"{ARRAY} is {array.dtype} of shape {shape}; expected numbers (sample, channel) or "
            f"(window, channel, step) with {len(names)} channels: {listed(names)}{turned}"
        )
    timed = [f"{m.rate_hz:g}" for m in spec.modalities if m.rate_hz]
    if timed and rate_hz is None:
        raise DataError(
            f"{ARRAY} says no rate; say rate_hz=..., its samples a second (the adapter hears "
            f"{' and '.join(dict.fromkeys(timed))} Hz)"
        )
    if ready:
        if overlap:
            raise ConfigError(f"{ARRAY} holds ready windows {shape}; leave overlap out")
        return _ready_arrays(array, spec, rate_hz, ledger)
    table = pa.table({name: array[:, i] for i, name in enumerate(names)})
    return named_windows(Path(ARRAY), spec, overlap, ledger, rate_hz=rate_hz, columns=table)


def _ready_arrays(
    array: np.ndarray, spec: SignalSpec, rate_hz: float | None, ledger: Ledger
) -> Iterator[Window]:
    """Give ready windows, converted from their rate and length to the spec's."""
    steps = array.shape[2]
    if not len(array) or not steps:
        raise DataError(f"{ARRAY} of shape {array.shape} holds no window; give some")
    ends = np.cumsum([len(m.channels) for m in spec.modalities])
    parts = dict(zip(spec.names, np.split(array, ends[:-1], axis=1), strict=True))
    try:
        stated = SignalSpec(
            modalities=tuple(
                replace(m, steps=steps, rate_hz=rate_hz, window_s=None)
                if m.rate_hz
                else replace(m, steps=steps)
                for m in spec.modalities
            )
        )
    except SpecError as error:
        raise DataError(
            f"{ARRAY} gives every sensor {steps} steps, which does not fit ({error}); give Windows"
        ) from error
    windows = array_windows(Path(ARRAY), [parts], Table(spec=spec, modalities=()), ledger, stated)
    return convert_windows(windows, stated, spec, ARRAY)


def _ready_windows(data: Any, spec: SignalSpec, ledger: Ledger) -> Iterator[Window]:
    windows: Any = [data]
    if isinstance(getattr(data, "spec", None), SignalSpec):
        windows = convert_store(data, spec)
    elif isinstance(data, Iterable):
        windows = list(data)
    if isinstance(windows, list) and not all(isinstance(window, Window) for window in windows):
        raise DataError(
            f"cannot read {type(data).__name__}; expected a table (pandas, polars, pyarrow, a "
            "mapping of columns), a numpy array, a path, a Window or several"
        )
    if not len(windows):
        raise DataError("there is no window; give some")
    ledger.read("windows", len(windows))
    ledger.keep("windows", len(windows))
    return iter(windows)
