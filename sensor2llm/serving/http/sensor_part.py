"""What a request says of a recording, and the windows that an adapter hears of it.

    {"type": "sensor", "values": {"accel.x": [0.1, …], …}, "rate_hz": 50, "units": "g"}
    {"type": "sensor", "data": "BASE64", "channels": ["accel.x", …], "rate_hz": 50}
    {"type": "sensor", "file_id": "file-…", "number": 3}

`values` are columns by name, or rows (sample, channel); `data` are such rows as little-endian
float32 in base64. Rows without `channels` have all channels of the adapter, in its order. What is
read stands in `sensor2llm.signals.tables.data`, and is read by it.
"""

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sensor2llm.archive.labelling import no_window
from sensor2llm.errors import ConfigError, DataError, SpecError, UserError, listed
from sensor2llm.serving.http.files import FileShelf
from sensor2llm.serving.notes import noted
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import measured_values
from sensor2llm.signals.modality import Modality
from sensor2llm.signals.scale import check_track_scale
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.tables.data import DataWindows, data_windows
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.signals.views.converted import unit_factor
from sensor2llm.signals.window import Window

MOST_READY = 1 << 14
"""Numbers of a request up to which others do not notice while they are read."""
Number = Annotated[float | None, Field(strict=True, allow_inf_nan=False)]


class SensorData(BaseModel):
    """Describe a recording: numbers by column or row, base64, or an uploaded file."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, list[Number]] | list[list[Number]] | None = None
    data: str | None = None
    file_id: str | None = None
    channels: list[str] | None = None
    rate_hz: Number = None
    units: str | dict[str, str] | None = None
    columns: dict[str, str] = Field(default_factory=dict)


class SensorPart(SensorData):
    """Describe a content part of a message: a recording, and which of its windows is meant."""

    type: Literal["sensor"]
    number: Annotated[int, Field(ge=1)] = 1


class RecordingWindows(NamedTuple):
    """Hold a recording's windows, what became of its rows, and what was said on the way."""

    windows: list[Window]
    name: str
    ledger: Ledger
    notes: list[str]


def read_part(part: SensorPart, spec: SignalSpec, shelf: FileShelf, most: int) -> RecordingWindows:
    """Cut the window that a content part means.

    Raises:
        UserError: the recording cannot be read, or has no such window.
    """
    if part.number > most:
        raise ConfigError(f"number must be at most {most}, got {part.number}; cut the recording")
    ledger = Ledger()
    with noted() as notes, _windows(part, spec, shelf, 0.0, ledger) as (windows, name):
        some = list(islice(windows, part.number))
    if len(some) < part.number:
        if not some:
            raise no_window(name, spec, ledger)
        raise DataError(f"{name} has {len(some)} windows; there is no number {part.number}")
    return RecordingWindows(some[-1:], name, ledger, notes)


def read_ready(data: SensorData, spec: SignalSpec) -> RecordingWindows | None:
    """Give the window that some numbers are already; None where they have to be looked at.

    Most requests are one window, and cutting it anew takes longer than to hear it.
    """
    size = _size(data)
    if not 0 < size <= MOST_READY or data.columns or getattr(data, "number", 1) > 1:
        return None
    ledger = Ledger()
    with noted() as notes, suppress(UserError):
        measured = _in_units(spec, data.units)
        if window := _ready_window(_table(data), measured, data.rate_hz):
            cut = _converted(data_windows([window], measured, ledger=ledger), measured, spec)
            return RecordingWindows(list(cut.windows), cut.name, ledger, notes)
    return None


def _size(data: SensorData) -> int:
    """Count a request's numbers; none where it is not one of columns, rows and base64."""
    if (data.values is None) == (data.data is None) or data.file_id is not None:
        return 0
    if data.data is not None:
        return len(data.data) // 5
    assert data.values is not None
    series = data.values.values() if isinstance(data.values, dict) else data.values
    return len(series) * max(map(len, series), default=0)


def read_recording(
    data: SensorData, spec: SignalSpec, shelf: FileShelf, most: int, overlap: float = 0.0
) -> RecordingWindows:
    """Cut all windows of a recording.

    Raises:
        UserError: it cannot be read, holds no window, or more than `most`.
    """
    ledger = Ledger()
    with noted() as notes, _windows(data, spec, shelf, overlap, ledger) as (windows, name):
        some = list(islice(windows, most + 1))
    if not some:
        raise no_window(name, spec, ledger)
    if len(some) > most:
        raise DataError(
            f"{name} has more than {most} windows, which is what one request may have; send it in "
            "pieces, or label it with `sensor2llm classify`"
        )
    return RecordingWindows(some, name, ledger, notes)


@contextmanager
def _windows(
    data: SensorData, spec: SignalSpec, shelf: FileShelf, overlap: float, ledger: Ledger
) -> Iterator[DataWindows]:
    """Give the windows in the adapter's units, while the recording can be read."""
    measured = _in_units(spec, data.units)
    options: dict[str, Any] = {"rate_hz": data.rate_hz, "columns": data.columns}
    options |= {"overlap": overlap, "ledger": ledger}
    if sum(source is not None for source in (data.values, data.data, data.file_id)) != 1:
        raise ConfigError("a recording needs one of values, data and file_id, and only one")
    if data.file_id is None:
        table = _table(data)
        yield _converted(data_windows(table, measured, **options), measured, spec)
        return
    if data.channels is not None:
        raise ConfigError("a file names its channels itself; leave channels out, or say columns")
    with shelf.reading(data.file_id) as path:
        yield _converted(data_windows(path, measured, **options), measured, spec)


def _ready_window(table: Any, spec: SignalSpec, rate_hz: float | None) -> Window | None:
    """Give the window that a table is; None where it is none, or not of all that was measured."""
    pairs = [(m.name, channel) for m in spec.modalities for channel in m.channel_names]
    if isinstance(table, np.ndarray):
        if table.shape[1] != len(pairs):
            return None
        table = {f"{name}.{channel}": table[:, i] for i, (name, channel) in enumerate(pairs)}
    alone = len({channel for _, channel in pairs}) == len(pairs)
    keys = {channel: f"{name}.{channel}" for name, channel in pairs} if alone else {}
    columns = {keys.get(name, name): values for name, values in table.items()}
    signals = {}
    for m in spec.modalities:
        names = [f"{m.name}.{channel}" for channel in m.channel_names]
        if not any(name in columns for name in names):
            continue
        rows = [columns.pop(name) for name in names if name in columns]
        if rate_hz is None or m.rate_hz is None or not math.isclose(rate_hz, m.rate_hz):
            return None
        if len(rows) < len(names) or not _are_plain(values := np.array(rows), m):
            return None
        signals[m.name] = values
    return Window(signals) if signals and not columns else None


def _are_plain(values: np.ndarray, modality: Modality) -> bool:
    """Say whether values are one window's, all measured, and in the unit that they are said to be.

    What is not plain the readers look at, and say in their words.
    """
    if values.shape != modality.shape or not np.isfinite(values).all():
        return False
    try:
        measured = measured_values(values, modality, modality.channel_names, None, Ledger())
        if not np.isfinite(measured).all():
            return False
        check_track_scale(modality, measured)
    except UserError:
        return False
    return True


def _converted(cut: DataWindows, measured: SignalSpec, spec: SignalSpec) -> DataWindows:
    windows = convert_windows(cut.windows, measured, spec, cut.name)
    return DataWindows(windows, cut.name)


def _table(data: SensorData) -> Any:
    """Give the numbers as columns by name, or as an array with the adapter's channels."""
    if isinstance(data.values, dict):
        if data.channels is not None:
            raise ConfigError("values name their columns themselves; leave channels out")
        lengths = {name: len(column) for name, column in data.values.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns have different lengths: {_lengths(lengths)}")
        return {name: _numbers(column) for name, column in data.values.items()}
    rows = _rows(data)
    if data.channels is None:
        return rows
    if rows.shape[1] != len(data.channels):
        raise DataError(
            f"rows have {rows.shape[1]} numbers and channels {len(data.channels)} names"
        )
    if len(set(data.channels)) < len(data.channels):
        raise DataError("two channels have one name; give each its own")
    return {name: rows[:, i] for i, name in enumerate(data.channels)}


def _lengths(lengths: dict[str, int]) -> str:
    return listed(f"{name} {length}" for name, length in lengths.items())


def _numbers(column: list[float | None]) -> np.ndarray:
    return np.array(column, dtype=np.float64)  # None is NaN


def _rows(data: SensorData) -> np.ndarray:
    """Give rows (sample, channel) of values or of base64."""
    if data.values is not None:
        assert isinstance(data.values, list)  # columns by name are no rows
        widths = sorted({len(row) for row in data.values})
        if len(widths) != 1 or not widths[0]:
            counts = listed(map(str, widths)) or "none"
            raise DataError(f"rows of values need as many numbers each, got {counts}")
        return np.array([_numbers(row) for row in data.values])
    if not data.channels:
        raise ConfigError("data needs channels: the names of its columns, in order")
    try:
        raw = base64.b64decode(data.data or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"data is no base64 ({error}); encode float32 values as base64") from None
    size = 4 * len(data.channels)
    if not raw or len(raw) % size:
        raise DataError(
            f"data holds {len(raw)} bytes; float32 rows of {len(data.channels)} channels have "
            f"{size} bytes each"
        )
    values = np.frombuffer(raw, "<f4").reshape(-1, len(data.channels)).astype(np.float64)
    if np.isinf(values).any():
        raise DataError("data holds infinite values; write NaN where nothing was measured")
    return values


def _in_units(spec: SignalSpec, units: str | dict[str, str] | None) -> SignalSpec:
    """Give the adapter's spec in the units that a recording is said to be in.

    A unit alone is that of every sensor which measures its quantity.

    Raises:
        SpecError: it is of no sensor's quantity, or a name is that of no channel or sensor.
    """
    if units is None:
        return spec
    pairs = [(m.name, channel) for m in spec.modalities for channel in m.channels]
    if isinstance(units, str):
        unit_of = {m: units for m, channel in pairs if unit_factor(units, channel.unit)}
        if not unit_of:
            ours = listed(dict.fromkeys(channel.unit for _, channel in pairs))
            raise SpecError(f"no sensor is measured in anything like {units!r}; units are {ours}")
        return _with_units(spec, unit_of)
    names = [*spec.names, *(f"{m}.{c.name}" for m, c in pairs), *(c.name for _, c in pairs)]
    if strange := [name for name in units if name not in names]:
        choices = listed(dict.fromkeys(names))
        raise SpecError(f"units name {strange[0]!r}; sensors and channels are {choices}")
    return _with_units(spec, units)


def _with_units(spec: SignalSpec, units: Mapping[str, str]) -> SignalSpec:
    modalities = []
    for m in spec.modalities:
        channels = []
        for channel in m.channels:
            keys = (f"{m.name}.{channel.name}", channel.name, m.name)
            unit = next((units[key] for key in keys if key in units), channel.unit)
            same = unit == channel.unit
            channels.append(channel if same else replace(channel, unit=unit, low=None, high=None))
        modalities.append(replace(m, channels=tuple(channels)))
    return SignalSpec(modalities=tuple(modalities), window_s=spec.window_s)
