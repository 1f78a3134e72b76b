"""Read ready windows from a .npz file.

An array (window, channel, step) a modality, named like it; and, if there are any, `labels`,
`subjects` and `starts` (window,). A modality that holds NaN is absent from its window. Windows that
are not of the expected rate, unit or length say what they are: `NAME.rate_hz`, a number, and
`NAME.unit`, one text or one a channel:

    np.savez("walk.npz", **{"accel": values, "accel.rate_hz": 100.0, "accel.unit": "m/s^2"})
"""

import zipfile
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.table_config import Table
from sensor2llm.signals.table_people import fixed_subject, label_texts
from sensor2llm.signals.window import Window

EXTRAS = ("labels", "subjects", "starts")
SAID = ("rate_hz", "unit")


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


def npz_spec(path: Path, spec: SignalSpec) -> SignalSpec:
    """Give what a file says of its windows; `spec` itself where it says nothing.

    What is not said of a modality is as in `spec`; its steps are those of its array.

    Raises:
        DataError: For a truncated file.
        SpecError: For a rate or units that cannot be, or lengths that do not fit each other.
    """
    said = {f"{name}.{what}" for name in spec.names for what in SAID}
    if said.isdisjoint(_load(path, ())[0]):
        return spec
    _, arrays = _load(path, {*spec.names, *said})
    kept = [m.name for m in spec.modalities if m.name in arrays]
    found = (_said(path, spec[name], spec.length_s(name), arrays) for name in kept)
    return SignalSpec(modalities=tuple(found)).subset(kept) if kept else spec


def _said(
    path: Path, ours: Modality, length_s: float | None, arrays: dict[str, np.ndarray]
) -> Modality:
    shape, channels = arrays[ours.name].shape, ours.channels
    units = np.ravel(arrays.get(f"{ours.name}.unit", ours.units))
    rate = np.asarray(arrays.get(f"{ours.name}.rate_hz", ours.rate_hz or np.nan))
    if len(shape) != 3:
        raise SpecError(
            f"{path.name}: {ours.name!r} has shape {shape}; expected (window, channel, step)"
        )
    if len(units) not in (1, len(channels)):
        raise SpecError(
            f"{path.name}: '{ours.name}.unit' holds {len(units)} units; give one, or one for each "
            f"of {', '.join(ours.channel_names)}"
        )
    if rate.size != 1 or rate.dtype.kind not in "iuf":
        raise SpecError(f"{path.name}: '{ours.name}.rate_hz' must be one number, got {rate}")
    written = zip(channels, np.broadcast_to(units, len(channels)).tolist(), strict=True)
    rate_hz = None if np.isnan(rate).all() else float(rate.item())
    if length_s and rate_hz and abs(length_s * rate_hz - shape[2]) > 0.5:
        # Half a step off is rounding; more is another length.
        length_s = shape[2] / rate_hz
    return replace(
        ours,
        # Bounds are in the expected unit; they are looked at when the values are.
        channels=tuple(replace(c, unit=str(unit), low=None, high=None) for c, unit in written),
        steps=shape[2],
        rate_hz=rate_hz,
        window_s=length_s,
    )


def _load(path: Path, wanted: Collection[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Give the names of all arrays, and those that are wanted."""
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; write it again")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return stored.files, {name: stored[name] for name in stored.files if name in wanted}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise DataError(f"{path.name} cannot be read as .npz, is it truncated? {error}") from error


def _arrays(path: Path, modalities: tuple[str, ...]) -> dict[str, np.ndarray]:
    names, arrays = _load(path, {*modalities, *EXTRAS})
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
