"""Time `prepare` of a large CSV against a bare typed read, and watch its memory for any format.

python -m benchmarks.speed.reading --megabytes 100 400 1000 --out benchmarks/results/reading.json
python -m benchmarks.speed.reading --megabytes --formats npz h5 xlsx --sizes 20 80
python -m benchmarks.speed.reading --megabytes --formats apple_health --sizes 100 1000

The file has a time, three axes at 50 Hz, a label and a person a row; a person's recording is
without a pause. `ratio` is the CPU time of reading, cutting and writing over that of pyarrow's
streaming read with the same column types plus writing the same windows from memory, one after the
other in this process, one thread. The peak is that of `sensor2llm prepare` in a process of its own,
files that are mapped included. `--formats` are files of about `--sizes` megabytes: of numbers where
they hold arrays, of a CSV of the same rows where they do not, a twentieth of that for a workbook.
One JSON object on stdout, and in the file `--out`. Files lie in a temporary folder (`--folder`),
and so does what waits on the disk (`TMPDIR`).
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.machine import record, write
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.windows import read_windows

Result = TypeVar("Result")
RATE_HZ, ROW_BYTES, CHUNK_ROWS = 50, 47, 500_000
WORDS = pa.dictionary(pa.int32(), pa.string())
TYPES = dict.fromkeys("txyz", pa.float64()) | {"activity": WORDS, "person": WORDS}
LABELS = ("walking", "sitting", "standing", "running")
DESCRIPTION = """
files: "*.csv"
time: {column: t, unit: s}
subject: {column: person}
label: {column: activity}
window_s: 2.56
modalities:
  acc: {columns: {x: m/s^2, y: m/s^2, z: m/s^2}, rate_hz: 50}
"""
WINDOWS = """
files: FILE
subject: {value: p0}
window_s: 2.56
KEYS
modalities:
  acc: {rate_hz: 50, COLUMNS}
"""
ARRAYS = WINDOWS.replace("KEYS\n", "").replace(
    "COLUMNS", "array: X, columns: {x: m/s^2, y: m/s^2, z: m/s^2}"
)
PATTERNS = ", ".join(f'{{column: "{axis}_*", name: {axis}, unit: m/s^2}}' for axis in "xyz")
WIDE = WINDOWS.replace("KEYS", "rows: windows").replace("COLUMNS", f"columns: [{PATTERNS}]")
STEPS, BLOCK = 128, 1000
COMMAND = """
import sys
from pathlib import Path
from sensor2llm.cli.program import main
assert main(sys.argv[1:]) in (0, None)
# Linux: of this process alone, where getrusage counts that which started it.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def write_table(folder: Path, megabytes: float, people: int) -> Path:
    """Write a CSV of about this size, and its description; give the description."""
    folder.mkdir()
    random, rows = np.random.default_rng(0), round(megabytes * 1e6 / ROW_BYTES / people)
    with (folder / "walks.csv").open("wb") as stream:
        for person in range(people):
            for first in range(0, rows, CHUNK_ROWS):
                steps = np.arange(first, min(rows, first + CHUNK_ROWS))
                axes = np.round(random.normal(0, 2, (3, len(steps))), 4)
                minutes = steps // (60 * RATE_HZ) % len(LABELS)
                table = pa.table({
                    "t": np.round(steps / RATE_HZ, 2), "x": axes[0], "y": axes[1],
                    "z": axes[2] + 9.8, "activity": pa.array(np.array(LABELS)[minutes].tolist()),
                    "person": pa.array([f"p{person}"] * len(steps)),
                })  # fmt: skip
                header = person == first == 0
                csv.write_csv(table, stream, csv.WriteOptions(include_header=header))
    description = folder / "walks.yaml"
    description.write_text(DESCRIPTION, encoding="utf-8")
    return description


def packed_table(folder: Path, megabytes: float, kind: str) -> Path:
    """Write a CSV as above in another format, and its description."""
    people = 4
    description = write_table(folder, megabytes / (20 if kind == "xlsx" else 1), people)
    path, name = folder / "walks.csv", f"walks.{kind}"
    if kind == "gz":
        with path.open("rb") as rows, gzip.open(folder / "walks.csv.gz", "wb", 1) as out:
            shutil.copyfileobj(rows, out)
        name = "walks.csv.gz"
    elif kind == "zip":
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
            out.write(path, "walks.csv")
    else:
        batches = csv.open_csv(path, convert_options=csv.ConvertOptions(column_types=TYPES))
        if kind == "parquet":
            with parquet.ParquetWriter(folder / name, batches.schema) as out:
                for batch in batches:
                    out.write_batch(batch)
        elif kind == "feather":
            with pa.ipc.new_file(str(folder / name), batches.schema) as out:
                for batch in batches:
                    out.write_batch(batch)
        else:
            write_sheet(folder / name, batches)
    path.unlink()
    description.write_text(DESCRIPTION.replace("*.csv", name), encoding="utf-8")
    return description


def write_sheet(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    """Write rows as a workbook."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(list(TYPES))
    for batch in batches:
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            sheet.append(row)
    book.save(path)


def window_file(folder: Path, megabytes: float, kind: str) -> Path:
    """Write a file of ready windows, and its description."""
    folder.mkdir()
    random = np.random.default_rng(0)
    windows = round(megabytes * 1e6 / (8 * 3 * STEPS))
    path, table = folder / f"X.{kind}", WIDE if kind == "csv" else ARRAYS
    if kind == "csv":
        blocks = (random.normal(0, 2, (min(BLOCK, windows - first), 3 * STEPS)).round(4)
                  for first in range(0, windows, BLOCK))  # fmt: skip
        names = [f"{axis}_{i}" for axis in "xyz" for i in range(STEPS)]
        schema = pa.schema([(name, pa.float64()) for name in names])
        with csv.CSVWriter(path, schema) as out:
            for block in blocks:
                out.write(pa.table(dict(zip(names, block.T.copy(), strict=True)), schema))
    else:
        array = random.normal(0, 2, (windows, 3, STEPS)).round(4)
        WINDOW_WRITERS[kind](path, array)
    description = folder / "windows.yaml"
    description.write_text(table.replace("FILE", path.name), encoding="utf-8")
    return description


def write_hdf5(path: Path, array: np.ndarray) -> None:
    """Write an array as HDF5."""
    import h5py

    with h5py.File(path, "w") as stored:
        stored["X"] = array


def write_ts(path: Path, array: np.ndarray) -> None:
    """Write windows in the format of the UCR archive."""
    with path.open("w", encoding="utf-8") as out:
        out.write("@problemName walks\n@classLabel false\n@data\n")
        for window in array:
            out.write(":".join(",".join(map(repr, row.tolist())) for row in window) + "\n")


WINDOW_WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "npz": lambda path, array: np.savez(path, X=array),
    "npy": lambda path, array: np.save(path, array),
    "h5": write_hdf5, "ts": write_ts,
}  # fmt: skip


def apple_health(folder: Path, megabytes: float) -> Path:
    """Write an export of Apple Health: heart rate and steps, a record a minute, of years."""
    folder.mkdir()
    path, minute = folder / "export.xml", datetime(2000, 1, 1, tzinfo=UTC)
    record = (' <Record type="HKQuantityTypeIdentifier{}" sourceName="Apple Watch" '
              'sourceVersion="10.4" unit="{}" creationDate="{}" startDate="{}" endDate="{}" '
              'value="{}"/>\n')  # fmt: skip
    with path.open("w", encoding="utf-8") as out:
        out.write('<?xml version="1.0" encoding="UTF-8"?>\n<HealthData locale="en_GB">\n')
        while out.tell() < megabytes * 1e6:
            for _ in range(BLOCK):
                times = [
                    f"{minute + timedelta(seconds=s):%Y-%m-%d %H:%M:%S} +0000" for s in (0, 59)
                ]
                out.write(record.format("HeartRate", "count/min", *times[::-1], times[0],
                                        60 + minute.minute))  # fmt: skip
                out.write(record.format("StepCount", "count", times[1], *times, minute.minute))
                minute += timedelta(minutes=1)
        out.write("</HealthData>\n")
    return path


def peak_mb(words: list[str], out: Path) -> float:
    """Give the peak of memory of `sensor2llm prepare` in a process of its own."""
    call = ["prepare", *words, "--out", str(out), "--picture", "none"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *call], capture_output=True, text=True, check=True
    )
    return round(float(done.stdout.split()[-1]), 1)


def format_peak(folder: Path, kind: str, megabytes: float) -> dict[str, Any]:
    """Write a file of a format, and give the peak of reading it."""
    if kind == "apple_health":
        path = apple_health(folder, megabytes)
        words = [kind, "--from", str(path)]
    elif kind in PACKED:
        words = [str(packed_table(folder, megabytes, kind))]
    else:
        words = [str(window_file(folder, megabytes, kind.removeprefix("wide-")))]
    size = sum(f.stat().st_size for f in folder.iterdir()) / 1e6
    peak = peak_mb(words, folder / "store")
    return {"format": kind, "megabytes": round(size, 1), "peak_mb": peak}


PACKED = ("gz", "zip", "parquet", "feather", "xlsx")
FORMATS = (*PACKED, *WINDOW_WRITERS, "wide-csv", "apple_health")


def seconds(call: Callable[[], Result]) -> tuple[float, Result]:
    """Give the CPU seconds of a call, and its result."""
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result


def read_typed(path: Path) -> int:
    """Read a CSV block by block with the columns' types, and give its rows."""
    options = csv.ReadOptions(use_threads=False)
    convert = csv.ConvertOptions(column_types=TYPES)
    return sum(len(batch) for batch in csv.open_csv(path, options, convert_options=convert))


def prepare(description: Path, out: Path) -> WindowStore:
    """Read a table's windows into a store."""
    reading = read_windows(description)
    return WindowStore.write(out, reading.spec, reading.windows, ledger=reading.ledger)


def measure(folder: Path, megabytes: float, people: int) -> dict[str, Any]:
    """Compare the times, and give the peak of memory."""
    description = write_table(folder, megabytes, people)
    path = folder / "walks.csv"
    typed_s, rows = seconds(lambda: read_typed(path))
    prepare_s, store = seconds(lambda: prepare(description, folder / "prepared"))
    windows = list(store)
    write_s, _ = seconds(lambda: WindowStore.write(folder / "again", store.spec, windows))
    return {
        "megabytes": round(path.stat().st_size / 1e6, 1), "people": people, "rows": rows,
        "windows": len(windows), "typed_read_s": round(typed_s, 2), "write_s": round(write_s, 2),
        "prepare_s": round(prepare_s, 2), "ratio": round(prepare_s / (typed_s + write_s), 3),
        "peak_mb": peak_mb([str(description)], folder / "store"),
    }  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, nargs="*", default=[100.0, 400.0])
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=[])
    parser.add_argument("--sizes", type=float, nargs="+", default=[20.0, 80.0])
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where the files lie for a while")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    started, rows, peaks = os.getloadavg(), list[dict[str, Any]](), list[dict[str, Any]]()
    # The first, small one is to import what is imported once.
    for megabytes in [1.0, *options.megabytes] if options.megabytes else []:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            rows.append(measure(Path(folder) / "table", megabytes, options.people))
    for kind in options.formats:
        for megabytes in options.sizes:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                peaks.append(format_peak(Path(folder) / "table", kind, megabytes))
    result = record("speed.reading", {"files": rows[1:], "formats": peaks}, started)
    print(json.dumps(result, indent=2))
    write(result, options.out)


if __name__ == "__main__":
    main()
