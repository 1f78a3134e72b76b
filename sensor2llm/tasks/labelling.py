"""Label every window of a recording, and write a row a window."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.model import SensorLanguageModel
from sensor2llm.tasks.classification import Prediction, classify
from sensor2llm.tasks.recording_file import read_windows

SUFFIXES = (".csv", ".parquet", ".json")


def label_file(
    model: SensorLanguageModel, file: str | Path, *, overlap: float = 0.0, batch_size: int = 64
) -> Iterator[Prediction]:
    """Cut a recording by the adapter's spec and yield what the model says of each window.

    Memory does not grow with the number of windows.

    Raises:
        DataError: the file cannot be read, or holds no whole window.
    """
    windows = read_windows(file, model.adapter.spec, overlap)
    first = True
    while part := list(islice(windows, batch_size)):
        first = False
        yield from classify(model, part, batch_size=batch_size)
    if first:
        length = model.adapter.spec.window_s
        told = f"of {length:g} s " if length else ""
        raise DataError(f"{Path(file).name} holds no whole window {told}without gaps")


def prediction_row(prediction: Prediction) -> dict[str, Any]:
    """Return a window as a row: start_s, subject if known, label, probability, `p_LABEL` of all."""
    p = prediction
    who = {"subject": p.subject} if p.subject not in (None, "unknown") else {}
    row = {"start_s": p.start_s, **who, "label": p.label, "probability": p.probabilities[p.label]}
    return row | {f"p_{name}": share for name, share in p.probabilities.items()}


def check_out(path: Path) -> None:
    """Refuse a file that cannot be written before any work is done.

    Raises:
        ConfigError: its name ends in nothing that is known.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"cannot write {path.name}; end it in {', '.join(SUFFIXES)}")


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as CSV, Parquet or JSON; an old file stays whole until the new one is."""
    check_out(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        if path.suffix == ".json":
            part.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        elif path.suffix == ".csv":
            csv.write_csv(pa.Table.from_pylist(rows), part)
        else:
            parquet.write_table(pa.Table.from_pylist(rows), part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
