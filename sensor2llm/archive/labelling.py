"""Label every window of a recording, and write a row a window."""

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.tables.windows import read_windows
from sensor2llm.signals.window import Window
from sensor2llm.tasks.batch_split import BatchSplitOnOOM
from sensor2llm.tasks.classification import Prediction, classify
from sensor2llm.tasks.loading import load_model

SUFFIXES = (".csv", ".parquet", ".json")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """Say who labels what, alike in every process.

    Args:
        adapter: folder, released name or hub name.
        llm: another place of the adapter's LLM.
        overlap: share of a window that the next one repeats, 0 up to below 1.
        batch_size: windows at a time.

    Raises:
        ConfigError: an overlap or a batch size that cannot be.
    """

    adapter: str
    llm: str | None = None
    overlap: float = 0.0
    batch_size: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise ConfigError(f"overlap must be from 0 to below 1, got {self.overlap:g}")
        _check_batch_size(self.batch_size)

    def load(self) -> SensorLanguageModel:
        """Load the adapter with its LLM; see `load_model`."""
        return load_model(self.adapter, self.llm)


def label_file(
    model: SensorLanguageModel,
    file: str | Path,
    *,
    overlap: float = 0.0,
    batch_size: int = 64,
    ledger: Ledger | None = None,
) -> Iterator[Prediction]:
    """Cut a recording by the adapter's spec and yield what the model says of each window.

    Memory does not grow with the number of windows. The ledger counts what is labelled, and why
    the rest is not.

    Raises:
        DataError: the file cannot be read, or holds no whole window.
    """
    ledger = Ledger() if ledger is None else ledger
    windows = read_windows(file, model.adapter.spec, overlap, ledger)
    first = True
    for prediction in label_windows(model, windows, batch_size):
        first = False
        yield prediction
    if first:
        length = model.adapter.spec.length_text
        told = f"of {length} " if length else ""
        why = "".join(f"; {line}" for line in ledger.lines())
        raise DataError(f"{Path(file).name} holds no whole window {told}without gaps{why}")


def label_windows(
    model: SensorLanguageModel, windows: Iterable[Window], batch_size: int = 64
) -> Iterator[Prediction]:
    """Label windows as they come, a batch at a time.

    Raises:
        SpecError: a window does not fit the adapter's spec.
    """
    _check_batch_size(batch_size)
    coming, halving = iter(windows), BatchSplitOnOOM()
    while part := list(islice(coming, batch_size)):
        yield from classify(model, part, batch_size=batch_size, halving=halving)


def prediction_row(prediction: Prediction) -> dict[str, Any]:
    """Return a window as a row: start_s, subject if known, label, probability, `p_LABEL` of all."""
    p = prediction
    who = {"subject": p.subject} if p.subject not in (None, "unknown") else {}
    row = {"start_s": p.start_s, **who, "label": p.label, "probability": p.probabilities[p.label]}
    return row | {f"p_{name}": share for name, share in p.probabilities.items()}


def tell_rows(
    labelling: Labelling, file: Path, out: Path | None = None, *, as_json: bool = False
) -> str:
    """Label one recording and give what a verb prints of it; what got no label is logged.

    Args:
        labelling: who labels, and how windows are cut.
        file: the recording.
        out: a file to write the rows to.
        as_json: give one JSON object instead of lines.

    Raises:
        ConfigError: `out` cannot be written.
        DataError: the recording cannot be read, or holds no whole window.
    """
    if out:
        check_out(out)
    model, overlap, size = labelling.load(), labelling.overlap, labelling.batch_size
    ledger = Ledger()
    labelled = label_file(model, file, overlap=overlap, batch_size=size, ledger=ledger)
    rows = [prediction_row(prediction) for prediction in labelled]
    for line in ledger.lines():
        logger.info("%s: %s", file.name, line)
    if out:
        write_rows(rows, out)
    if as_json:
        plain = {"file": file.name, "windows": rows, "ledger": ledger.to_dict()}
        return json.dumps(plain, ensure_ascii=False)
    if out:
        return f"{len(rows)} windows -> {out}"
    return "\n".join(
        f"{row['start_s']:>10.2f} s  {row['probability']:.2f}  {row['label']}" for row in rows
    )


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
    with replace_file(path) as part:
        if path.suffix == ".json":
            part.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        elif path.suffix == ".csv":
            csv.write_csv(pa.Table.from_pylist(rows), part)
        else:
            parquet.write_table(pa.Table.from_pylist(rows), part)


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, got {batch_size}")
