"""Time `prepare` of a large CSV against a bare typed read, and watch its memory.

python -m benchmarks.speed.reading --megabytes 100 400 1000 --out benchmarks/results/reading.json

The file has a time, three axes at 50 Hz, a label and a person a row; a person's recording is
without a pause. `ratio` is the CPU time of reading, cutting and writing over that of pyarrow's
streaming read with the same column types plus writing the same windows from memory, one after the
other in this process, one thread. The peak is that of `sensor2llm prepare` in a process of its own.
One JSON object on stdout, and in the file `--out`. Files lie in a temporary folder (`--folder`).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pyarrow import csv

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
COMMAND = """
import resource, sys
from sensor2llm.cli.program import main
assert main(sys.argv[1:]) in (0, None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
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
    call = ["prepare", str(description), "--out", str(folder / "store")]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *call], capture_output=True, text=True, check=True
    )
    return {
        "megabytes": round(path.stat().st_size / 1e6, 1), "people": people, "rows": rows,
        "windows": len(windows), "typed_read_s": round(typed_s, 2), "write_s": round(write_s, 2),
        "prepare_s": round(prepare_s, 2), "ratio": round(prepare_s / (typed_s + write_s), 3),
        "peak_mb": round(float(done.stdout.split()[-1]), 1),
    }  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[100.0, 400.0])
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where the files lie for a while")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    started, rows = os.getloadavg(), []
    for megabytes in [1.0, *options.megabytes]:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            row = measure(Path(folder) / "table", megabytes, options.people)
            rows.append(row)
    # The first, small one was to import what is imported once.
    result = record("speed.reading", {"files": rows[1:]}, started)
    print(json.dumps(result, indent=2))
    write(result, options.out)


if __name__ == "__main__":
    main()
