"""Read WESAD's `S{n}.pkl`, written by Python 2, without running it; `wesad` has the rules.

A pickle is a program: loading one can do anything to the machine. Here only a pickle of plain
containers and numpy arrays of numbers is read. The few names that such a pickle calls are answered
by this module's own classes, so that not even numpy's code runs on its contents; any other name is
an error before it is called.

    {'signal': {'chest': {'ACC', 'ECG', 'EMG', 'EDA', 'Temp', 'Resp'},   700 Hz, (sample, channel)
                'wrist': {'ACC', 'BVP', 'EDA', 'TEMP'}},                 32, 64, 4, 4 Hz
     'label': 700 Hz, 'subject': 'S2'}

Both devices start together. Labels: 0 none, 1 baseline, 2 stress, 3 amusement, 4 meditation; 5 to 7
mean nothing.
"""

import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from sensor2llm.errors import DataError
from sensor2llm.signals.sources.wesad_wrist import physical
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.window import Annotation, Recording, Track

CHEST_HZ = 700.0
CODES = {1: "baseline", 2: "stress", 3: "amusement", 4: "meditation"}
LAST_CODE = 7
KEYS = {
    "wrist_bvp": "BVP",
    "wrist_acc": "ACC",
    "wrist_eda": "EDA",
    "wrist_temp": "TEMP",
    "chest_ecg": "ECG",
    "chest_emg": "EMG",
    "chest_eda": "EDA",
    "chest_temp": "Temp",
    "chest_resp": "Resp",
    "chest_acc": "ACC",
}
"""The key of each modality within its device."""


def recording(
    path: Path,
    subject: str,
    spec: SignalSpec,
    texts: Mapping[str, str],
    notes: Counter[str],
) -> Recording:
    """Read one person's pickle.

    Args:
        path: The file.
        subject: The person.
        spec: Holds the modalities to read.
        texts: Label text of each condition.
        notes: Counts the masked temperatures.

    Raises:
        DataError: If the file holds anything but numbers (it is not run), or lacks a signal.
    """
    content = load(path)
    labels = _labels(content, path)
    tracks = {}
    for modality in spec.modalities:
        values = _signal(content, modality, path)
        if modality.name.startswith("chest"):
            if values.shape[1] != len(labels):
                raise DataError(
                    f"{path.name}: {modality.name} has {values.shape[1]} samples and the labels "
                    f"have {len(labels)}; both are at {CHEST_HZ:g} Hz, so they must be equal"
                )
            modality = replace(modality, rate_hz=CHEST_HZ)
        tracks[modality.name] = Track(modality, physical(modality.name, values, notes))
    annotations = tuple(_annotations(labels, texts))
    return Recording(subject=subject, tracks=tracks, annotations=annotations, name=subject)


def load(path: Path) -> Any:
    """Load a pickle of plain containers and numpy arrays of numbers.

    Returns:
        The containers; an array is a `PickledArray`.

    Raises:
        DataError: If it asks for any other class (named; nothing is run), or is damaged.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except DataError as error:
        raise DataError(f"{path.name} {error}") from error
    # A damaged pickle can raise nearly anything.
    except Exception as error:
        raise DataError(
            f"{path.name} is no whole pickle ({type(error).__name__}: {error}); download it again"
        ) from error


class PickledArray:
    """Hold an array of numbers that came out of a pickle."""

    values: np.ndarray = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        """Take the state that numpy writes: version, shape, dtype, column-major, bytes."""
        _, shape, dtype, column_major, content = state
        flat = np.frombuffer(_encode(content), dtype.numpy)
        self.values = flat.reshape(shape, order="F" if column_major else "C")


class _Dtype:
    """Stand for a numpy dtype, of numbers alone."""

    def __init__(self, name: str, *_flags: object) -> None:
        self.numpy = np.dtype(str(name))
        if self.numpy.kind not in "biuf":
            raise DataError(
                f"holds an array of {self.numpy.name}, not of numbers; the file was not run"
            )

    def __setstate__(self, state: Any) -> None:
        self.numpy = self.numpy.newbyteorder(state[1])


def _reconstruct(*_: object) -> PickledArray:
    """Give an empty array, whose contents come with its state."""
    return PickledArray()


def _scalar(dtype: _Dtype, content: str | bytes) -> Any:
    return np.frombuffer(_encode(content), dtype.numpy)[0].item()


def _encode(text: str | bytes, *_: object) -> bytes:
    """Give bytes: Python 2 wrote them as text."""
    if isinstance(text, bytes):
        return text
    return text.encode("latin1")


_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
_ALLOWED: dict[tuple[str, str], object] = {
    **{(module, "_reconstruct"): _reconstruct for module in _CORE},
    **{(module, "scalar"): _scalar for module in _CORE},
    ("numpy", "dtype"): _Dtype,
    # Only ever an argument of `_reconstruct`: nothing that could be called.
    ("numpy", "ndarray"): "numpy.ndarray",
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    """Answer the names of a pickle of arrays, and refuse all others."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise DataError(
                f"asks for {module}.{name}; only numpy arrays of numbers are read, and the file "
                "was not run: download it again from the data set's own page"
            ) from None


def _signal(content: Any, modality: Modality, path: Path) -> Float[np.ndarray, "channel sample"]:
    """Take a signal out of the pickle's content, so that its memory is freed after use."""
    device, key = modality.name.split("_")[0], KEYS[modality.name]
    try:
        array = content["signal"][device].pop(key)
    except (KeyError, TypeError, AttributeError):
        array = None
    channels = len(modality.channels)
    if not isinstance(array, PickledArray):
        raise DataError(f"{path.name} has no array ['signal'][{device!r}][{key!r}]")
    values = array.values if array.values.ndim > 1 else array.values[:, None]
    if values.ndim != 2 or values.shape[1] != channels:
        raise DataError(
            f"{path.name}: ['signal'][{device!r}][{key!r}] has shape {array.values.shape}, "
            f"expected (sample, {channels})"
        )
    return np.asarray(values.T, dtype=np.float64)


def _labels(content: Any, path: Path) -> Integer[np.ndarray, " sample"]:
    array = content.get("label") if isinstance(content, dict) else None
    if not isinstance(array, PickledArray) or array.values.dtype.kind not in "iu":
        raise DataError(f"{path.name} has no array of whole numbers ['label']")
    codes = array.values.ravel()
    unknown = np.flatnonzero((codes < 0) | (codes > LAST_CODE))
    if unknown.size:
        raise DataError(
            f"{path.name}: label {codes[unknown[0]]} at sample {unknown[0]}, "
            f"expected 0 to {LAST_CODE}"
        )
    return codes


def _annotations(
    codes: Integer[np.ndarray, " sample"], texts: Mapping[str, str]
) -> Iterator[Annotation]:
    bounds = np.r_[0, np.flatnonzero(np.diff(codes.astype(np.int64))) + 1, len(codes)]
    for start, stop in pairwise(bounds):
        if stop > start and int(codes[start]) in CODES:
            text = texts[CODES[int(codes[start])]]
            yield Annotation(float(start / CHEST_HZ), float(stop / CHEST_HZ), text)
