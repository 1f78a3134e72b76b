"""A small table of one's own, and its description, for the tests of their reading."""

from pathlib import Path

import numpy as np
import yaml

from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.tables.windows import read_windows

RATE = 50.0
DESCRIPTION = {
    "files": "*.csv",
    "time": {"column": "t", "unit": "s"},
    "subject": {"column": "who"},
    "label": "what",
    "window_s": 2,
    "modalities": {"accel": {"rate_hz": RATE, "columns": {"ax": "g", "ay": "g", "az": "g"}}},
}


def columns(seconds: float = 5.0, start_s: float = 0.0) -> dict[str, list]:
    t = start_s + np.arange(round(seconds * RATE)) / RATE
    return {
        "t": [f"{v:.3f}" for v in t],
        "ax": [f"{v:.5f}" for v in np.sin(t) * 0.1],
        "ay": ["0.01"] * len(t),
        "az": ["1.0"] * len(t),
        "who": ["anna"] * len(t),
        "what": ["walking"] * len(t),
    }


def csv_text(cells: dict[str, list], delimiter: str = ",") -> str:
    rows = zip(*cells.values(), strict=True)
    lines = [delimiter.join(cells), *(delimiter.join(map(str, row)) for row in rows)]
    return "\n".join(lines) + "\n"


def write_csv(path: Path, cells: dict[str, list]) -> None:
    path.write_text(csv_text(cells))


def describe(folder: Path, **changes) -> Path:
    path = folder / "table.yaml"
    path.write_text(yaml.safe_dump({**DESCRIPTION, **changes}))
    return path


def read(folder: Path, options: SourceOptions | None = None, **changes) -> tuple[Reading, list]:
    """Read a folder by a description: the reading, its ledger full, and the windows."""
    options = options or SourceOptions()
    reading = read_windows(
        describe(folder, **changes), overlap=options.overlap, window_s=options.window_s
    )
    found = list(reading.windows)
    for window in found:
        reading.spec.check(window)
    return reading, found


def windows(folder: Path, options: SourceOptions | None = None, **changes) -> list:
    return read(folder, options, **changes)[1]
