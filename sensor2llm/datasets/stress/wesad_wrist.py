"""Read WESAD's wrist device (Empatica E4) from its CSV files; `wesad` has the rules.

A file's first line is the start (Unix time, UTC), its second the rate in Hz; then come the values.
Sensors that start at different times are put on one clock, whose zero is the earliest start.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Float64

from sensor2llm.datasets.formats.text_tables import read_batches
from sensor2llm.datasets.published import possible_values
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.window import Annotation, Recording, Track

FILES = {
    "wrist_bvp": ("BVP", 1),
    "wrist_acc": ("ACC", 3),
    "wrist_eda": ("EDA", 1),
    "wrist_temp": ("TEMP", 1),
}
"""The file of each modality, and how many columns it has."""

HEADER = ("start_s", "condition")
NO_CONDITION = "none"
ACC_COUNTS_PER_G, MIN_NORM_G = 64.0, 0.25
SKIN_DEGC = (0.0, 50.0)
NO_SKIN = "with a temperature outside 0 to 50 degC, taken as missing"
MAX_WAIT_S, MAX_S = 3600.0, 2 * 86_400.0
_NUMBER = re.compile(r"\s*-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


def recording(
    folder: Path,
    labels: Path,
    spec: SignalSpec,
    texts: Mapping[str, str],
    ledger: Ledger,
) -> Recording:
    """Read one person's wrist recording."""
    e4 = folder / f"{folder.name}_E4_Data"
    if not e4.is_dir():
        raise DataError(
            f"{folder.name} has no folder {e4.name}, nor has everyone a pickle; unpack "
            f"{e4.name}.zip into a folder of that name"
        )
    parts = {name: read_e4(e4 / f"{file}.csv", columns) for name, (file, columns) in FILES.items()}
    zero = min(start for start, _, _ in parts.values())
    for name, (start, rate_hz, values) in parts.items():
        place = f"{folder.name}/{FILES[name][0]}.csv"
        _check_file(place, values.shape[1], rate_hz, spec[name].rate_hz, start - zero)
    return Recording(
        subject=folder.name,
        tracks={
            name: Track(spec[name], physical(folder.name, spec[name], values, ledger), start - zero)
            for name, (start, _, values) in parts.items()
        },
        annotations=read_labels(labels, texts),
        name=folder.name,
        row_times_s=np.sort(
            np.concatenate(
                [start - zero + np.arange(v.shape[1]) / rate for start, rate, v in parts.values()]
            )
        ),
    )


def _check_file(
    place: str, rows: int, rate_hz: float, expected_hz: float | None, wait_s: float
) -> None:
    """Refuse a file at another rate, of more than two days, or of another recording."""
    if rate_hz != expected_hz:
        raise DataError(f"{place} is at {rate_hz:g} Hz, expected {expected_hz:g} Hz")
    if rows / rate_hz > MAX_S:
        raise DataError(f"{place} lasts {rows / rate_hz:.0f} s; a device records up to two days")
    if wait_s > MAX_WAIT_S:
        raise DataError(
            f"{place} starts {wait_s:g} s after another sensor's file; are these of one recording?"
        )


def physical(
    subject: str, modality: Modality, values: Float[np.ndarray, "channel step"], ledger: Ledger
) -> Float[np.ndarray, "channel step"]:
    """Convert the wrist's acceleration to g; mask values that cannot be, as a skin of 382 degC."""
    if modality.name.endswith("_temp"):
        low, high = SKIN_DEGC
        outside = (values < low) | (values > high)
        ledger.change("samples", int(outside.sum()), NO_SKIN)
        return np.where(outside, np.nan, values)
    if modality.name == "wrist_acc":
        values = values / ACC_COUNTS_PER_G
    values = possible_values(subject, values, modality, ledger)
    if modality.name == "wrist_acc":
        norms = np.linalg.norm(values, axis=0)
        norm = float(np.nanmedian(norms)) if np.isfinite(norms).any() else 1.0
        if norm < MIN_NORM_G:
            raise DataError(
                f"{subject}: wrist_acc has a median norm of {norm:.3g} g, where gravity is 1 g; "
                f"expected counts of 1/{ACC_COUNTS_PER_G:g} g as the device writes them"
            )
    return values


def read_e4(path: Path, columns: int) -> tuple[float, float, Float64[np.ndarray, "channel step"]]:
    """Read one CSV file of the wrist device.

    Returns:
        Start in Unix seconds, rate in Hz, and values of shape (channel, step).
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; unpack the archive again")
    text, names = path.read_bytes(), [str(i) for i in range(columns)]
    try:
        batches = read_batches(path, dict.fromkeys(names, pa.float64()), names)
        table = pa.Table.from_batches(batches)
        rows = np.stack([table[name].to_numpy() for name in names])
    except DataError:
        rows = np.empty((columns, 0))
    whole = np.isfinite(rows).all() and rows.shape[1] > 2
    if not whole or rows[0, 1] <= 0 or (rows[:, :2] != rows[:1, :2]).any():
        raise _first_fault(path, text, columns)
    return float(rows[0, 0]), float(rows[0, 1]), rows[:, 2:]


def _first_fault(path: Path, text: bytes, columns: int) -> DataError:
    """Say which line is malformed: looked for only once reading has failed."""
    name = f"{path.parent.name}/{path.name}"
    lines = text.decode(errors="replace").splitlines()
    for row, line in enumerate(lines, 1):
        cells = line.split(",")
        if line.strip() and not (len(cells) == columns and all(map(_is_number, cells))):
            expected = "a number" if columns == 1 else f"{columns} numbers"
            return DataError(f"{name}: row {row}: {line[:80]!r} is not {expected}")
    if len(lines) < 3:
        return DataError(f"{name} has no values; unpack the archive again")
    return DataError(
        f"{name}: rows 1 and 2 are {lines[0][:80]!r} and {lines[1][:80]!r}, expected one start "
        "(Unix seconds) and one rate above 0 Hz"
    )


def _is_number(cell: str) -> bool:
    # Not `float` alone: it takes forms, such as 1_000, that the quick reader refuses.
    return bool(_NUMBER.fullmatch(cell)) and math.isfinite(float(cell))


def find_labels(folder: Path) -> Path:
    """Find the one label file, `*labels*.csv`, of a person's folder."""
    paths = sorted(folder.glob("*labels*.csv"))
    if not paths:
        raise DataError(
            f"{folder.name} has neither {folder.name}.pkl nor labels: write "
            f"{folder.name}_labels.csv there, with the header '{','.join(HEADER)}' and rows such "
            "as '1862,baseline', each holding until the next ('none' where no condition is)"
        )
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise DataError(f"{folder} has {len(paths)} label files, {names}; keep one")
    return paths[0]


def describe_labels(files: Iterable[Path]) -> str:
    """Say in a few words where the labels come from, and whether they are estimated."""
    if any("estimated" in path.name.lower() for path in files):
        return "labels ESTIMATED (*labels_estimated*.csv), not the official ones"
    return "labels from CSV files beside the recordings"


def read_labels(path: Path, texts: Mapping[str, str]) -> tuple[Annotation, ...]:
    """Read when which condition held; the last row holds to the end."""
    where = f"{path.parent.name}/{path.name}"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where} is no UTF-8 text of two columns; write it again") from error
    if not rows or tuple(rows[0]) != HEADER:
        head = lines[0][:80] if lines else ""
        raise DataError(f"{where}: line 1 is {head!r}, expected '{','.join(HEADER)}'")
    starts: list[tuple[float, str]] = []
    for line, row in enumerate(rows[1:], 2):
        if len(row) != 2 or not _is_number(row[0]):
            shown = ",".join(row)[:80]
            raise DataError(f"{where}: line {line}: {shown!r} is not 'seconds,condition'")
        start_s, condition = float(row[0]), row[1].lower()
        if condition not in (NO_CONDITION, *texts):
            conditions = ", ".join((NO_CONDITION, *texts))
            raise DataError(
                f"{where}: line {line}: unknown condition {row[1][:40]!r}; choose from {conditions}"
            )
        if starts and start_s <= starts[-1][0]:
            raise DataError(
                f"{where}: line {line}: {start_s:g} s is not after {starts[-1][0]:g} s; sort them"
            )
        starts.append((start_s, condition))
    return tuple(
        Annotation(start_s=start_s, stop_s=stop_s, label=texts[condition])
        for (start_s, condition), (stop_s, _) in pairwise([*starts, (math.inf, NO_CONDITION)])
        if condition != NO_CONDITION
    )
