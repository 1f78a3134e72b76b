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

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import MeasuredValues
from sensor2llm.signals.scale import ScaleSample
from sensor2llm.signals.segment import excluded
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.file_facts import of_path
from sensor2llm.signals.tables.formats.described import open_windows
from sensor2llm.signals.tables.rows.texts import label_texts
from sensor2llm.signals.window import Window

EXTRAS = ("labels", "subjects", "starts")


def npz_windows(
    path: Path, table: Table, ledger: Ledger, spec: SignalSpec | None = None
) -> Iterator[Window]:
    """Give a file's windows."""
    with open_windows(path, table) as (windows, blocks):
        yield from array_windows(path, blocks, table, ledger, spec, windows)


def array_windows(
    path: Path,
    blocks: Iterable[dict[str, np.ndarray]],
    table: Table,
    ledger: Ledger,
    spec: SignalSpec | None = None,
    windows: int | None = None,
) -> Iterator[Window]:
    """Give the windows of arrays, some windows at a time, the last once all were looked at.

    Args:
        path: what messages call them.
        blocks: arrays by modality, and labels, subjects and starts.
        table: their description.
        ledger: counts what becomes of windows.
        spec: what they say that they are, where that is not the table's.
        windows: how many there are, where that is known before they are read.
    """
    reader = _BlockReader(path, table, ledger, spec or table.spec, windows)
    before: Iterable[Window] = ()
    for arrays in blocks:
        yield from before
        before = reader.windows(arrays)
    reader.finish()
    yield from before


class _BlockReader:
    """Turn blocks of arrays into windows, and look at all values at the end."""

    def __init__(
        self, path: Path, table: Table, ledger: Ledger, spec: SignalSpec, windows: int | None
    ) -> None:
        self.path, self.table, self.ledger, self.total = path, table, ledger, windows
        self._checks = {m.name: _ArrayCheck(path, m, table, ledger) for m in spec.modalities}
        self._first = 0

    def windows(self, arrays: dict[str, np.ndarray]) -> Iterator[Window]:
        """Check a block, and give its windows as they are asked for."""
        n = len(next(iter(arrays.values())))
        signals = {name: check.take(arrays[name])
                   for name, check in self._checks.items() if name in arrays}  # fmt: skip
        labels, subjects = self._labels(arrays, n), self._subjects(arrays, n)
        starts = _starts(self.path, arrays, n)
        self._first += n
        self.ledger.read("windows", n)
        return self._present(signals, labels, subjects, starts)

    def finish(self) -> None:
        """Look at all values."""
        for check in self._checks.values():
            check.finish()

    def _present(
        self,
        signals: Mapping[str, np.ndarray],
        labels: np.ndarray,
        subjects: np.ndarray,
        starts: np.ndarray,
    ) -> Iterator[Window]:
        """Leave out what is missing or excluded, and count it."""
        ledger = self.ledger
        for i in range(len(labels)):
            there = {
                name: values[i] for name, values in signals.items() if not np.isnan(values[i]).any()
            }
            if not there:
                ledger.drop("windows", 1, "with NaN in every sensor")
                continue
            if labels[i] is not None and labels[i] in self.table.exclude:
                ledger.drop("windows", 1, excluded(labels[i]))
                continue
            for name in signals.keys() - there.keys():
                ledger.change("windows", 1, f"without {name}, which holds NaN")
            ledger.keep("windows")
            yield Window(
                signals=there, subject=subjects[i], label=labels[i], start_s=float(starts[i])
            )

    def _labels(self, arrays: dict[str, np.ndarray], n: int) -> np.ndarray:
        table, path = self.table, self.path
        rule = table.label if table.labelled else None
        if rule and rule[0] != "column":
            cells = np.full(n, of_path(rule, table.root, path, "label"), dtype=object)
        else:
            cells = _texts(path, _from_one_hot(arrays, table), "labels", n, self.total)
        name = rule[1] if rule and rule[0] == "column" else "labels"
        return label_texts(cells, table.labels, name, path, table.exclude, self._first)

    def _subjects(self, arrays: dict[str, np.ndarray], n: int) -> np.ndarray:
        table, path = self.table, self.path
        if "subjects" not in arrays:
            kind, name = table.subject
            if kind == "column":
                raise DataError(
                    f"{path.name} has no array {name[:60]!r} and none 'subjects'; splits are by "
                    "subject: add one, or write subject: {value: NAME} or {file: REGEX}"
                )
            return np.full(n, of_path(table.subject, table.root, path, "subject"), dtype=object)
        subjects = _texts(path, arrays, "subjects", n, self.total)
        if None in (people := subjects.tolist()):
            nobody = self._first + people.index(None) + 1
            raise DataError(f"{path.name}: window {nobody} has no subject")
        return subjects


class _ArrayCheck:
    """Take out what was not measured; refuse what is no number, and another unit at the end."""

    def __init__(self, path: Path, modality: Modality, table: Table, ledger: Ledger) -> None:
        self._path, self._modality = path, modality
        names = [f"{modality.name}.{name}" for name in modality.channel_names]
        scales = {entry.modality.name: entry.scale for entry in table.modalities}
        self._measured = MeasuredValues(
            modality, names, table.layout.missing, ledger, "steps", scales.get(modality.name)
        )
        self._sample = ScaleSample(modality)

    def take(self, values: np.ndarray) -> np.ndarray:
        """Give windows with NaN for what was not measured."""
        modality = self._modality
        if values.dtype.kind not in "iuf":
            raise DataError(
                f"{self._path.name}: {modality.name!r} holds {values.dtype}; expected numbers "
                "(window, channel, step)"
            )
        if values.ndim != 3 or values.shape[1] != len(modality.channels):
            # Windows are checked one by one, and say which shape they should have.
            return values
        values = values.astype(np.float32) if values.dtype.kind != "f" else values
        steps = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
        steps = self._measured.take(steps)
        self._sample.see(steps)
        return np.moveaxis(steps.reshape(values.shape[1], len(values), values.shape[2]), 0, 1)

    def finish(self) -> None:
        """Look at all that was taken."""
        try:
            self._measured.check()
            self._sample.check()
        except (DataError, SpecError) as error:
            raise type(error)(f"{self._path.name}: {error}") from error


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


def _texts(
    path: Path, arrays: dict[str, np.ndarray], name: str, n: int, total: int | None
) -> np.ndarray:
    """Give one text a window, None where there is none: objects, shape (window,)."""
    array = arrays.get(name)
    if array is None:
        return np.full(n, None, dtype=object)
    if array.ndim > 1 and array.size != max(array.shape):
        total = total or n
        raise DataError(
            f"{path.name}: {name!r} has shape {(total, *array.shape[1:])}, expected ({total},): "
            "one a window; of one-hot rows take the argmax, and name the classes by labels: "
            "{0: NAME, ...}"
        )
    return word_cells(path, name, array.reshape(n))


def word_cells(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """Give texts, whole numbers or truth values as texts, None where there is none."""
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
