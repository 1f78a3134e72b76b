"""Read ready windows from a file of arrays: .npz, .npy, .mat, .h5, .ts.

An array (window, channel, step) a modality, named like it or as the description says by `array`,
with its axes in the order that `axes` says; and, if there are any, `labels`, `subjects` and
`starts` (window,), or the arrays that the description names for them. One-hot labels are those of
the description's `labels`, in its order. A modality that holds NaN is absent from its window; a
label that is NaN or empty is none. Labels and subjects are texts (bytes are UTF-8), whole numbers
or truth values, one a window.

Windows that are not of the expected rate, unit or length say what they are:
`NAME.rate_hz`, a number, and `NAME.unit`, one text or one a channel:

    np.savez("walk.npz", **{"accel": values, "accel.rate_hz": 100.0, "accel.unit": "m/s^2"})
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import measured_values
from sensor2llm.signals.scale import check_track_scale
from sensor2llm.signals.segment import excluded
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.file_facts import of_path
from sensor2llm.signals.tables.formats.described import arrays_of
from sensor2llm.signals.tables.formats.npz_arrays import load_arrays
from sensor2llm.signals.tables.rows.texts import label_texts
from sensor2llm.signals.window import Window

EXTRAS = ("labels", "subjects", "starts")
STATED = ("rate_hz", "unit")
_LOOKED_AT = 1_000_000


def npz_windows(
    path: Path, table: Table, ledger: Ledger, spec: SignalSpec | None = None
) -> Iterator[Window]:
    """Give a file's windows."""
    yield from array_windows(path, arrays_of(path, table), table, ledger, spec)


def array_windows(
    path: Path,
    arrays: dict[str, np.ndarray],
    table: Table,
    ledger: Ledger,
    spec: SignalSpec | None = None,
) -> Iterator[Window]:
    """Give the windows of arrays in memory, as of a file's; `path` is what messages call them."""
    n = len(next(iter(arrays.values())))
    signals = {
        name: _checked(path, (spec or table.spec)[name], arrays[name], table, ledger)
        for name in table.spec.names
        if name in arrays
    }
    labels = _labels(path, arrays, table, n)
    subjects = _subjects(path, table, arrays, n)
    starts = _starts(path, arrays, n)
    ledger.read("windows", n)
    for i in range(n):
        there = {
            name: values[i] for name, values in signals.items() if not np.isnan(values[i]).any()
        }
        if not there:
            ledger.drop("windows", 1, "with NaN in every sensor")
            continue
        if labels[i] is not None and labels[i] in table.exclude:
            ledger.drop("windows", 1, excluded(labels[i]))
            continue
        for name in signals.keys() - there.keys():
            ledger.change("windows", 1, f"without {name}, which holds NaN")
        ledger.keep("windows")
        yield Window(
            signals=there,
            subject=subjects[i],
            label=labels[i],
            start_s=float(starts[i]),
        )


def npz_spec(path: Path, spec: SignalSpec) -> SignalSpec:
    """Give what a file says of its windows; `spec` itself where it says nothing.

    What is not said of a modality is as in `spec`; its steps are those of its array.
    """
    keys = {f"{name}.{what}" for name in spec.names for what in STATED}
    names, arrays = load_arrays(path, keys)
    if not arrays:
        return spec
    shapes = {name: array.shape for name, array in load_arrays(path, spec.names)[1].items()}
    modalities = tuple(
        _stated(path, spec[name], spec.length_s(name), shapes[name], arrays)
        for name in spec.names
        if name in names
    )
    if not modalities:
        return spec
    return SignalSpec(modalities=modalities).subset(m.name for m in modalities)


def _stated(
    path: Path,
    ours: Modality,
    length_s: float | None,
    shape: tuple[int, ...],
    arrays: dict[str, np.ndarray],
) -> Modality:
    channels = ours.channels
    units = _words(path, f"{ours.name}.unit", np.ravel(arrays.get(f"{ours.name}.unit", ours.units)))
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
        raise SpecError(
            f"{path.name}: '{ours.name}.rate_hz' must be one number, got {listed([str(rate)])}"
        )
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


def _checked(
    path: Path, modality: Modality, values: np.ndarray, table: Table, ledger: Ledger
) -> np.ndarray:
    """Give an array with NaN for what was not measured; refuse no numbers, or another unit."""
    if values.dtype.kind not in "iuf":
        raise DataError(
            f"{path.name}: {modality.name!r} holds {values.dtype}; expected numbers "
            "(window, channel, step)"
        )
    if values.ndim != 3 or values.shape[1] != len(modality.channels):
        # Windows are checked one by one, and say which shape they should have.
        return values
    values = values.astype(np.float32) if values.dtype.kind != "f" else values
    steps = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    names = [f"{modality.name}.{name}" for name in modality.channel_names]
    scales = {entry.modality.name: entry.scale for entry in table.modalities}
    options = {"scale": scales.get(modality.name)}
    try:
        steps = measured_values(
            steps, modality, names, table.layout.missing, ledger, "steps", **options
        )
        check_track_scale(modality, steps[:, :: max(1, steps.shape[1] // _LOOKED_AT)])
    except (DataError, SpecError) as error:
        raise type(error)(f"{path.name}: {error}") from error
    return np.moveaxis(steps.reshape(values.shape[1], len(values), values.shape[2]), 0, 1)


def _labels(path: Path, arrays: dict[str, np.ndarray], table: Table, n: int) -> np.ndarray:
    rule = table.label if table.labelled else None
    if rule and rule[0] != "column":
        cells = np.full(n, of_path(rule, table.root, path, "label"), dtype=object)
    else:
        cells = _texts(path, _from_one_hot(arrays, table), "labels", n)
    name = rule[1] if rule and rule[0] == "column" else "labels"
    return label_texts(cells, table.labels, name, path, table.exclude)


def _from_one_hot(arrays: dict[str, np.ndarray], table: Table) -> dict[str, np.ndarray]:
    """Give one label a window where the rows are one-hot and the description names the classes."""
    labels, classes = arrays.get("labels"), list(table.labels or ())
    if labels is None or labels.ndim != 2 or labels.shape[1] != len(classes) or len(classes) < 2:
        return arrays
    if (
        labels.dtype.kind not in "iufb"
        or not (np.sort(labels, axis=1) == np.eye(len(classes))[-1]).all()
    ):
        return arrays
    return arrays | {"labels": np.array(classes)[labels.argmax(axis=1)]}


def _subjects(path: Path, table: Table, arrays: dict[str, np.ndarray], n: int) -> np.ndarray:
    if "subjects" not in arrays:
        kind, name = table.subject
        if kind == "column":
            raise DataError(
                f"{path.name} has no array {name[:60]!r} and none 'subjects'; splits are by "
                "subject: add one, or write subject: {value: NAME} or {file: REGEX}"
            )
        return np.full(n, of_path(table.subject, table.root, path, "subject"), dtype=object)
    subjects = _texts(path, arrays, "subjects", n)
    if None in (people := subjects.tolist()):
        raise DataError(f"{path.name}: window {people.index(None) + 1} has no subject")
    return subjects


def _texts(path: Path, arrays: dict[str, np.ndarray], name: str, n: int) -> np.ndarray:
    """Give one text a window, None where there is none: objects, shape (window,)."""
    array = arrays.get(name)
    if array is None:
        return np.full(n, None, dtype=object)
    if array.ndim > 1 and array.size != max(array.shape):
        raise DataError(
            f"{path.name}: {name!r} has shape {array.shape}, expected ({n},): one a window; of "
            "one-hot rows take the argmax, and name the classes by labels: {0: NAME, ...}"
        )
    return _words(path, name, array.reshape(n))


def _words(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path.name}: {name!r} holds bytes that are no UTF-8") from error
    if array.dtype.kind == "f":
        # Beyond its digits a float stands for several whole numbers: other people, other classes.
        digits = 2.0 ** (np.finfo(array.dtype).nmant + 1)
        broken = (array != np.round(array)) & ~np.isnan(array) | (np.abs(array) > digits)
        if broken.any():
            raise DataError(
                f"{path.name}: {name!r} holds {array[broken][0]:g} ({array.dtype}); expected "
                "texts or whole numbers"
            )
        words = [None if np.isnan(value) else str(int(value)) for value in array]
    elif array.dtype.kind == "b":
        words = [str(value).lower() for value in array.tolist()]
    else:
        words = [str(value).strip() or None for value in array.tolist()]
    return np.array(words, dtype=object)


def _starts(path: Path, arrays: dict[str, np.ndarray], n: int) -> np.ndarray:
    starts = arrays.get("starts", np.zeros(n))
    if starts.dtype.kind not in "iuf" or starts.size != n or not np.isfinite(starts).all():
        raise DataError(f"{path.name}: 'starts' must hold one number of seconds a window")
    return starts.reshape(n)
