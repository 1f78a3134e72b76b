"""Write WFDB annotations as PhysioNet publishes them."""

import warnings
from pathlib import Path

import numpy as np


def write_notes(record: Path, extension: str, samples, texts=None, rate_hz=None) -> None:
    """Write marks of `record` (a path without extension): rhythm changes with texts, or beats."""
    symbols = ["N" if texts is None else "+"] * len(samples)
    with warnings.catch_warnings():
        # wfdb calls pandas in ways that newer versions of it warn about.
        warnings.simplefilter("ignore", DeprecationWarning)
        import wfdb

        wfdb.wrann(
            record.name,
            extension,
            np.asarray(samples, dtype=np.int64),
            symbol=symbols,
            aux_note=texts,
            fs=rate_hz,
            write_dir=str(record.parent),
        )
