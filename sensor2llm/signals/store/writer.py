"""Write the arrays of a WindowStore in one pass: files grow a window at a time."""

import math
import os
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import digest_window
from sensor2llm.signals.window import Window

_LONGEST_NAME = 200


class GrowingArray:
    """Append rows to a .npy file whose first axis is counted when it is closed.

    numpy pads the header so that the first axis can grow in place.
    """

    def __init__(self, path: Path, dtype: type, shape: tuple[int, ...]) -> None:
        self._file = path.open("w+b")
        self._dtype, self._shape, self._rows = np.dtype(dtype), shape, 0
        self._row_bytes = self._dtype.itemsize * math.prod(shape)
        self._body = self._write_header()

    def _write_header(self) -> int:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows, *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()

    def append(self, row: np.ndarray | float | bool) -> None:
        """Add one row of the array's shape."""
        self._file.write(np.ascontiguousarray(row, dtype=self._dtype).tobytes())
        self._rows += 1

    def skip(self) -> None:
        """Add one row of zeros as a hole in the file, which takes no room on the disk."""
        self._file.seek(self._row_bytes, os.SEEK_CUR)
        self._rows += 1

    def __enter__(self) -> "GrowingArray":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None:
                self._file.truncate(self._body + self._rows * self._row_bytes)
                self._file.seek(0)
                body = self._write_header()
                assert body == self._body, "the .npy header outgrew its padding"


class _Names:
    """Number names in order of appearance, or within a given list."""

    def __init__(self, names: Sequence[str] | None, kind: str) -> None:
        self.fixed, self.kind = names is not None, kind
        self.ids = {name: i for i, name in enumerate(names or ())}
        for name in self.ids:
            check_name(name, kind)

    def number(self, name: str) -> int:
        if name not in self.ids:
            check_name(name, self.kind)
            if self.fixed:
                labels = ", ".join(self.ids)
                raise DataError(f"unknown label {name!r}; the labels are {labels}")
            self.ids[name] = len(self.ids)
        return self.ids[name]


def check_name(name: str, kind: str) -> None:
    """Raise for a label or a subject that cannot stand in a file, a prompt or a line of text.

    Raises:
        DataError: For half of a surrogate pair, a control character, more than 200 characters, or
            in a label `<|`, which begins the tokens that language models and signals have.
    """
    if any(unicodedata.category(c) in ("Cs", "Cc") for c in name):
        raise DataError(f"the {kind} {ascii(name)[:60]} holds a character that is none; rename it")
    if len(name) > _LONGEST_NAME:
        raise DataError(f"the {kind} {name[:40]!r}... has {len(name)} characters; shorten it")
    if kind == "label" and "<|" in name:
        raise DataError(f"the label {name!r} holds '<|', which begins a token; rename it")


class _Recordings:
    """Number people's recordings in order of appearance; those without a name are one a person."""

    def __init__(self) -> None:
        self.ids: dict[tuple[int, str], int] = {}

    def number(self, person: int, name: str) -> int:
        check_name(name, "recording")
        return self.ids.setdefault((person, name), len(self.ids))

    def meta(self, file: Path) -> dict[str, list[str]]:
        """Give their names; where there is none, their file goes."""
        names = [name for _, name in self.ids]
        if any(names):
            return {"recordings": names}
        file.unlink()
        return {}


def write_arrays(
    folder: Path,
    spec: SignalSpec,
    windows: Iterable[Window],
    label_names: Sequence[str] | None,
    ledger: Ledger | None,
) -> dict[str, Any]:
    """Write windows one by one into a folder's arrays, and give what store.json says of them.

    Raises:
        DataError: If a label is unknown, a window has no subject or there is no window.
        SpecError: If a window does not fit the spec.
    """
    labels, subjects, n = _Names(label_names, "label"), _Names(None, "subject"), 0
    recordings = _Recordings()
    with ExitStack() as stack:

        def grow(name: str, dtype: type, shape: tuple[int, ...]) -> GrowingArray:
            return stack.enter_context(GrowingArray(folder / f"{name}.npy", dtype, shape))

        arrays = {m.name: grow(m.name, np.float32, m.shape) for m in spec.modalities}
        present = grow("present", np.bool_, (len(arrays),))
        label_ids, subject_ids = grow("labels", np.int64, ()), grow("subjects", np.int32, ())
        recording_ids = grow("recordings", np.int32, ())
        starts, digests = grow("starts", np.float64, ()), grow("digests", np.uint64, ())
        for n, raw in enumerate(windows, start=1):
            window = spec.without_gaps(raw)
            _check(window, spec, n - 1)
            for name, array in arrays.items():
                values = window.signals.get(name)
                array.skip() if values is None else array.append(values)
            present.append(np.array([name in window.signals for name in arrays]))
            label_ids.append(-1 if window.label is None else labels.number(window.label))
            subject_ids.append(person := subjects.number(str(window.subject)))
            recording_ids.append(recordings.number(person, window.recording or ""))
            starts.append(window.start_s)
            digests.append(digest_window(window))
    if n == 0:
        why = "".join(f"; {line}" for line in ledger.lines()) if ledger else ""
        raise DataError(
            f"there is no window to store; are the recordings shorter than a window?{why}"
        )
    return {"n": n, "spec": spec.to_dict(), "label_names": list(labels.ids),
            "subjects": list(subjects.ids),
            **recordings.meta(folder / "recordings.npy")}  # fmt: skip


def _check(window: Window, spec: SignalSpec, i: int) -> None:
    try:
        spec.check(window)
    except SpecError as error:
        raise SpecError(f"window {i} (subject {window.subject}): {error}") from error
    if window.subject is None:
        raise DataError(f"window {i} has no subject; splits are by subject, so name one")
