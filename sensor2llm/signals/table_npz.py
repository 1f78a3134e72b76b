"""Read ready windows from a .npz file.

An array (window, channel, step) a modality, named like it; and, if there are any, `labels`,
`subjects` and `starts` (window,). A modality that holds NaN is absent from its window.
"""

import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.table_config import Table
from sensor2llm.signals.table_people import fixed_subject, label_texts
from sensor2llm.signals.window import Window

EXTRAS = ("labels", "subjects", "starts")


def npz_windows(path: Path, table: Table, notes: Counter[str]) -> Iterator[Window]:
    """Give a file's windows.

    Raises:
        DataError: For a truncated file, no known modality, arrays of different lengths,
            or arrays that are no numbers.
    """
    arrays = _arrays(path, table.spec.names)
    n = len(next(iter(arrays.values())))
    signals = {name: arrays[name] for name in table.spec.names if name in arrays}
    given = arrays.get("labels")
    labels = label_texts([None] * n if given is None else [str(g) for g in given], table, path)
    for i in range(n):
        kept = {
            name: values[i] for name, values in signals.items() if not np.isnan(values[i]).any()
        }
        notes["modalities left out of a window because of NaN"] += len(signals) - len(kept)
        if kept:
            yield Window(
                signals=kept,
                subject=str(arrays["subjects"][i])
                if "subjects" in arrays
                else fixed_subject(table, path),
                label=labels[i],
                start_s=float(arrays["starts"][i]) if "starts" in arrays else 0.0,
            )


def _arrays(path: Path, modalities: tuple[str, ...]) -> dict[str, np.ndarray]:
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; write it again")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            names = stored.files
            wanted = [name for name in names if name in (*modalities, *EXTRAS)]
            arrays = {name: stored[name] for name in wanted}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise DataError(f"{path.name} cannot be read as .npz, is it truncated? {error}") from error
    if not set(modalities) & set(arrays):
        raise DataError(
            f"{path.name} has the arrays {', '.join(names)}; expected one a modality: "
            f"{', '.join(modalities)}"
        )
    lengths = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{path.name}: its arrays have different numbers of windows: {listed}")
    return arrays
