"""Open what a person wants audited: a file, a store, standard input, arrays, lines.

| input | numbers | text of its own |
|---|---|---|
| .csv .tsv | numeric columns | its lines |
| .parquet .pq | numeric columns | |
| .npz | every array of numbers: (step,), (channel, step) or (window, channel, step) | |
| window store | all modalities | |
| TABLE.yaml | the windows it describes | |
| any other file, `-` (standard input), a list of lines | the numbers of its lines | its lines |
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.formats.kinds import PARQUET
from sensor2llm.signals.tables.formats.npz_arrays import load_arrays
from sensor2llm.signals.tables.npz import EXTRAS
from tokenization_study.config import InputConfig
from tokenization_study.reading.hashes import HashedStream, hash_input
from tokenization_study.reading.lines import LineReader, read_blocks
from tokenization_study.reading.windows import AuditSource, Chunk, Window, chunks_of, cut_rows

LINES_AT_ONCE = 20_000
Values = Any
"""Anything that `open_source` takes: a path, an array, a list of numbers or lines, a store."""


def open_source(
    values: Values, config: InputConfig, *, seed: int = 0, as_text: bool, as_values: bool
) -> AuditSource:
    """Open an input.

    Args:
        values: A path or `-`; an array (step,), (channel, step) or (window, channel, step); a list
            of numbers or of lines; a WindowStore.
        config: What is read of it.
        seed: Of the choice of windows.
        as_text: Whether its own text is wanted.
        as_values: Whether its numbers are wanted.

    Raises:
        DataError: For an input that is missing, empty or broken, or has no number.
    """
    source = _open(values, config, seed, as_text, as_values)
    if not (isinstance(values, str | Path) and str(values) == "-"):
        source.hash = partial(hash_input, values)
    return source


def _open(
    values: Values, config: InputConfig, seed: int, as_text: bool, as_values: bool
) -> AuditSource:
    if isinstance(values, WindowStore):
        return _store(values, config, seed)
    if isinstance(values, str | Path):
        return _path(str(values), config, seed, as_text, as_values)
    if isinstance(values, list | tuple) and values and all(isinstance(i, str) for i in values):
        return _lines(_blocks(values), "lines", "lines", config, as_values)
    return _array(values, config)


def _path(name: str, config: InputConfig, seed: int, as_text: bool, as_values: bool) -> AuditSource:
    if name == "-":
        stream = HashedStream(sys.stdin.buffer)
        blocks = read_blocks(stream, "standard input")
        source = _lines(blocks, "standard input", "lines", config, as_values)
        source.hash = stream.hash
        return source
    path = Path(name).expanduser()
    if path.is_dir():
        return _store(WindowStore.open(path), config, seed)
    if not path.exists():
        raise DataError(f"{name} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty")
    if path.suffix in (".yaml", ".yml"):
        return _described(path, config)
    if path.suffix == ".npz":
        return _npz(path, config)
    if path.suffix in (".csv", ".tsv", *PARQUET):
        return _table(path, config, as_text, as_values)
    return _lines(_read(path), path.name, "raw lines", config, as_values)


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    """Put lines together into blocks of bounded length."""
    for start in range(0, len(lines), LINES_AT_ONCE):
        part = lines[start : start + LINES_AT_ONCE]
        yield "".join(line if line.endswith("\n") else line + "\n" for line in part)


def _read(path: Path) -> Iterator[str]:
    with path.open("rb") as stream:
        yield from read_blocks(stream, path.name)


def _lines(
    blocks: Iterable[str], name: str, kind: str, config: InputConfig, as_values: bool
) -> AuditSource:
    notes: list[str] = []
    reader = LineReader(config, notes, as_values)
    return AuditSource(
        name=name,
        chunks=reader.chunks(blocks),
        columns=reader.names,
        kind=kind,
        rate_hz=config.rate_hz,
        unit=config.unit,
        window_steps=config.window_steps,
        has_text=True,
        notes=notes,
    )


def _table(path: Path, config: InputConfig, as_text: bool, as_values: bool) -> AuditSource:
    # pyarrow's readers take a moment to import; the other inputs do without.
    from tokenization_study.reading.tables import TableReader, has_header

    if path.suffix not in PARQUET and not has_header(path):
        source = _lines(_read(path), path.name, "CSV without a header", config, as_values)
        source.notes.append("the first row is numbers: read as raw lines")
        return source
    notes: list[str] = []
    reader = TableReader(path, config, notes)
    windows = cut_rows(reader.blocks(), config.window_steps)
    parts: list[Iterator[Chunk]] = []
    if as_values:
        parts.append(chunks_of(windows, config.max_windows, notes))
    if as_text and path.suffix not in PARQUET:
        parts.append(LineReader(config, notes, as_values=False).chunks(_read(path)))
    return AuditSource(
        name=path.name,
        chunks=chain.from_iterable(parts),
        columns=reader.columns,
        kind="Parquet" if path.suffix in PARQUET else "CSV",
        rate_hz=reader.rate(),
        unit=config.unit,
        window_steps=config.window_steps,
        has_text=path.suffix not in PARQUET,
        notes=notes,
    )


def _store(store: WindowStore, config: InputConfig, seed: int) -> AuditSource:
    rows = np.arange(len(store))
    if config.max_windows is not None and config.max_windows < len(rows):
        chosen = np.random.default_rng(seed).choice(rows, config.max_windows, replace=False)
        rows = np.sort(chosen)
    first = store.spec.modalities[0]

    def windows() -> Iterator[Window]:
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            arrays = store.read(part)
            for i, present in enumerate(store.present[part]):
                there = zip(store.spec.names, present, strict=True)
                if present.any():
                    yield tuple(arrays[n][i] if p else arrays[n][i][:, :0] for n, p in there)

    notes = (
        [] if len(rows) == len(store) else [f"{len(rows)} of {len(store)} windows, chosen by seed"]
    )
    return AuditSource(
        name=store.path.name,
        chunks=chunks_of(windows(), notes=notes),
        columns=_channels(store.spec),
        kind=f"window store ({', '.join(store.spec.names)})",
        rate_hz=config.rate_hz or first.rate_hz,
        unit=config.unit or first.units[0],
        window_steps=first.steps,
        notes=notes,
    )


def _described(path: Path, config: InputConfig) -> AuditSource:
    from sensor2llm.signals.tables.windows import read_windows

    reading = read_windows(path)
    first = reading.spec.modalities[0]
    none = {m.name: np.empty((len(m.channels), 0)) for m in reading.spec.modalities}
    windows = (tuple((none | dict(window.signals)).values()) for window in reading.windows)
    notes: list[str] = []
    return AuditSource(
        name=path.name,
        chunks=chunks_of(windows, config.max_windows, notes),
        columns=_channels(reading.spec),
        notes=notes,
        kind=f"table ({', '.join(reading.spec.names)})",
        rate_hz=config.rate_hz or first.rate_hz,
        unit=config.unit or first.units[0],
        window_steps=first.steps,
    )


def _npz(path: Path, config: InputConfig) -> AuditSource:
    names, _ = load_arrays(path, ())
    _, arrays = load_arrays(path, set(names) - set(EXTRAS))
    signals = {
        n: a for n, a in arrays.items() if a.dtype.kind in "iuf" and a.size and a.ndim in (1, 2, 3)
    }
    if not signals:
        raise DataError(f"{path.name} has no array of numbers; it has {listed(arrays)}")
    none = [np.empty((np.atleast_2d(array).shape[-2], 0)) for array in signals.values()]
    windows = (
        (*none[:i], *window, *none[i + 1 :])
        for i, array in enumerate(signals.values())
        for window in _windows(array, config)
    )
    notes: list[str] = []
    counts = zip(signals, map(len, none), strict=True)
    return AuditSource(
        name=path.name,
        chunks=chunks_of(windows, config.max_windows, notes),
        columns=[f"{n} {k + 1}" if count > 1 else n for n, count in counts for k in range(count)],
        notes=notes,
        kind=f"npz ({', '.join(signals)})",
        rate_hz=config.rate_hz,
        unit=config.unit,
        window_steps=config.window_steps,
    )


def _array(data: Any, config: InputConfig) -> AuditSource:
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise DataError(f"values must be numbers in a regular array: {error}") from None
    if values.dtype.kind == "O" or values.dtype.kind not in "iuf":
        raise DataError(f"values must be numbers that fit 64 bits, or lines; got {values.dtype}")
    if not values.size or values.ndim not in (1, 2, 3):
        raise DataError(
            "values must be (step,), (channel, step) or (window, channel, step) and not empty, "
            f"got {values.shape}"
        )
    notes: list[str] = []
    return AuditSource(
        name="values",
        chunks=chunks_of(_windows(values, config), config.max_windows, notes),
        notes=notes,
        kind=f"array of {' x '.join(map(str, values.shape))}",
        rate_hz=config.rate_hz,
        unit=config.unit,
        window_steps=values.shape[2] if values.ndim == 3 else config.window_steps,
    )


def _channels(spec: SignalSpec) -> list[str]:
    pairs = [(m.name, channel) for m in spec.modalities for channel in m.channel_names]
    return [c if c.startswith(name) else f"{name} {c}" for name, c in pairs]


def _windows(values: np.ndarray, config: InputConfig) -> Iterator[Window]:
    """Cut an array into windows; three axes are windows already."""
    if values.ndim == 3:
        return ((window,) for window in values)
    return cut_rows([np.atleast_2d(values)], config.window_steps)
