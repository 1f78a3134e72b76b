"""Find an archive's recordings, and label one part of it into one Parquet file.

A part is a file, or a range of a store's rows. Its Parquet file appears whole or not at all.
"""

import hashlib
import logging
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow as pa
from pyarrow import parquet

from sensor2llm.archive.labelling import (
    Labelling,
    LabelRows,
    label_file,
    label_windows,
    prediction_row,
)
from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import ConfigError, DataError, DiskFullError, UserError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.data_map import parse_map
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.classification import Prediction
from sensor2llm.tasks.likeness import LikenessVerdict, RecordingJudge

SUFFIXES = (".csv", ".parquet", ".pq", ".npz")
"""Files that are recordings wherever they lie; a TABLE.yaml is read where it is named."""
STORE_ROWS = 2048
"""A store's rows in a part: few enough that workers end together, many enough to judge alike."""
ATTEMPTS = 3
_ROW_GROUP, _ROWS_AS_DICTS = 8192, 256
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ArchivePart:
    """Name what one Parquet file tells of: a whole file, or some of a store's rows."""

    name: str
    path: str
    rows: tuple[int, int] | None = None

    @property
    def file(self) -> str:
        """Give its Parquet file's name: a hash first, as readers skip names like `_walk`."""
        key = self.name if self.rows is None else f"{self.name}:{self.rows[0]}-{self.rows[1]}"
        shown = "".join(c if c.isalnum() or c in "-." else "_" for c in key)[-80:]
        return f"{hashlib.sha256(key.encode()).hexdigest()[:16]}-{shown}.parquet"


@dataclass(frozen=True)
class PartResult:
    """Say what became of a part: windows that were labelled, or why none were."""

    windows: int = 0
    reason: str | None = None
    """A line; a traceback for a bug."""
    kind: Literal["recording", "model", "disk", "bug"] = "recording"
    """Whose fault: the recording's, the model's or the disk's (then no part can be labelled), or
    ours."""
    ledger: dict[str, Any] = field(default_factory=dict)
    """What became of its rows and windows, as `Ledger.to_dict` gives it."""


LabelPart = Callable[[SensorLanguageModel, ArchivePart, Labelling, Path], PartResult]
Outcomes = Generator[tuple[ArchivePart, PartResult], None, None]
Engine = Callable[[Labelling, Sequence[ArchivePart], Path], Outcomes]


def find_recordings(files: Sequence[Path], out: Path | None = None) -> dict[str, Path]:
    """Find files, stores and what lies in folders, in order; each is there once.

    A folder's recordings are called FOLDER/…/FILE. What lies in `out` is left out, and so are, in a
    folder, names that start with a dot and files of other kinds.

    Returns:
        Name of each in the results -> where it lies.

    Raises:
        DataError: one is not there, or a folder holds no recording.
        ConfigError: two have the same name.
    """
    recordings: dict[str, Path] = {}
    resolved: set[Path] = set()
    for file in files:
        if not file.exists():
            raise DataError(f"{file} does not exist")
        place, others = file.resolve(), Counter[str]()
        listed = list(_inside(place, place.name, out.resolve() if out else None, others))
        if others:
            kinds = ", ".join(sorted(kind or "no ending" for kind in others))
            logger.info(
                "%s: %d files of other kinds are left out (%s)", file, others.total(), kinds
            )
        if not listed:
            raise DataError(f"{file} holds no recording; expected files in {', '.join(SUFFIXES)}")
        for name, path in listed:
            if path.resolve() in resolved:
                continue
            if name in recordings:
                raise ConfigError(
                    f"two recordings are called {name} ({recordings[name]}, {path}); "
                    "give the folder above them"
                )
            resolved.add(path.resolve())
            recordings[name] = path
    return recordings


def is_store(path: Path) -> bool:
    """Say whether a folder is a window store."""
    return (path / "store.json").is_file()


def _inside(
    path: Path, name: str, out: Path | None, others: Counter[str], top: bool = True
) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        if top or path.suffix in SUFFIXES:
            yield name, path
        else:
            others[path.suffix] += 1
    elif is_store(path):
        yield name, path
    else:
        here = path.resolve()
        for inner in sorted(path.iterdir()):
            place = inner.resolve()
            # A link to a folder above would be walked for ever.
            if not inner.name.startswith(".") and place not in (out, here, *here.parents):
                yield from _inside(inner, f"{name}/{inner.name}", out, others, top=False)


def parts_of(name: str, path: Path, store_rows: int) -> list[ArchivePart]:
    """Cut a store into ranges of so many rows; a file is one part."""
    if not path.is_dir():
        return [ArchivePart(name, str(path))]
    total = len(WindowStore.open(path))
    starts = range(0, total, store_rows)
    return [ArchivePart(name, str(path), (i, min(i + store_rows, total))) for i in starts]


def label_part(
    model: SensorLanguageModel, part: ArchivePart, labelling: Labelling, folder: Path
) -> PartResult:
    """Label a part's windows into its Parquet file, which is there once it is whole.

    A file that is there is not made again. A part whose process was ended so often that memory
    must be short for it is given up.
    """
    target = folder / part.file
    if target.is_file():
        return PartResult(parquet.read_metadata(target).num_rows)
    tries = [folder / f"{part.file}.try{i}" for i in range(1, ATTEMPTS + 1)]
    attempt = next((path for path in tries if not path.exists()), None)
    if attempt is None:
        return PartResult(
            reason=f"its process was ended {ATTEMPTS} times, as happens where memory is short"
        )
    ledger = Ledger()
    try:
        with replace_file(target, attempt), attempt.open("wb") as file:
            windows = _write_part(model, part, labelling, ledger, file, folder)
    except DiskFullError as error:
        return PartResult(reason=" ".join(str(error).split()), kind="disk")
    except (UserError, OSError) as error:
        return PartResult(reason=" ".join(str(error).split()))
    except Exception:
        return PartResult(reason=f"{part.name}:\n{traceback.format_exc()}", kind="bug")
    for path in tries:
        path.unlink(missing_ok=True)
    return PartResult(windows, ledger=ledger.to_dict())


def _write_part(
    model: SensorLanguageModel,
    part: ArchivePart,
    labelling: Labelling,
    ledger: Ledger,
    file: IO[bytes],
    folder: Path,
) -> int:
    """Write a row a window, and say of each what its recording turned out to be."""
    labels = LabelRows(model, labelling.abstain)
    numbers, predictions = _predictions(model, part, labelling, ledger, labels.judge)
    judged, names = labels.judge.profile is not None, model.adapter.label_names
    if not judged:
        rows = _numbered(part, numbers, labels.rows(predictions, LikenessVerdict()))
        return _write(file, _schema(names), rows)
    # What a recording is like is known at its end: rows wait in a file that a kill takes away.
    with tempfile.TemporaryFile(dir=folder) as draft:
        plain = (prediction_row(prediction) for prediction in predictions)
        _write(draft, _schema(names), _numbered(part, numbers, plain))
        columns = labels.judge.verdict().columns
        for check, some in Counter(check for check in columns if check).items():
            ledger.change("windows", some, f"unlike what the adapter learned from ({check})")
        batches = parquet.ParquetFile(draft).iter_batches(_ROWS_AS_DICTS)
        stored: Iterator[dict[str, Any]] = (row for b in batches for row in b.to_pylist())
        finished = map(labels.finish, stored, columns)
        return _write(file, _schema(names).append(pa.field("unlike", pa.string())), finished)


def _predictions(
    model: SensorLanguageModel,
    part: ArchivePart,
    labelling: Labelling,
    ledger: Ledger,
    judge: RecordingJudge,
) -> tuple[Iterable[int], Iterator[Prediction]]:
    """Give the windows' numbers in their recording, and what the model says of each."""
    spec, size = model.adapter.spec, labelling.batch_size
    data_map = parse_map(labelling.map, spec)
    if part.rows is None:
        options: dict[str, Any] = {"overlap": labelling.overlap, "batch_size": size}
        options |= {"ledger": ledger, "data_map": data_map, "judge": judge}
        return count(), label_file(model, part.path, **options)
    # A store is told of once, with its first part.
    numbers, windows = data_map.read_rows(
        Path(part.path), spec, ledger, range(*part.rows), quiet=part.rows[0] > 0
    )
    return numbers, label_windows(model, judge.watch(windows), size)


def _numbered(
    part: ArchivePart, numbers: Iterable[int], rows: Iterable[Mapping[str, object]]
) -> Iterator[Mapping[str, object]]:
    for row, number in zip(rows, numbers, strict=False):
        yield {"file": part.name, "window": number, **row}


def _schema(labels: Sequence[str]) -> pa.Schema:
    text, number = pa.string(), pa.float64()
    fields = {"file": text, "window": pa.int64(), "start_s": number, "subject": text}
    fields |= {"label": text, "probability": number, **{f"p_{name}": number for name in labels}}
    return pa.schema(fields)


def _write(file: IO[bytes], schema: pa.Schema, rows: Iterator[Mapping[str, object]]) -> int:
    """Write rows as they come; those that wait for their group are Arrow's, a tenth as large."""
    written, few = 0, iter(lambda: list(islice(rows, _ROWS_AS_DICTS)), [])
    batches = (pa.RecordBatch.from_pylist(some, schema) for some in few)
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(batches, _ROW_GROUP // _ROWS_AS_DICTS)):
            writer.write_table(table := pa.Table.from_batches(group))
            written += len(table)
    return written
