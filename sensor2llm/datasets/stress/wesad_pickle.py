"""Read WESAD's `S{n}.pkl`, written by Python 2, without running it; `wesad` has the rules.

`array_pickle` reads it: a pickle of plain containers and numpy arrays of numbers, and no other.

    {'signal': {'chest': {'ACC', 'ECG', 'EMG', 'EDA', 'Temp', 'Resp'},   700 Hz, (sample, channel)
                'wrist': {'ACC', 'BVP', 'EDA', 'TEMP'}},                 32, 64, 4, 4 Hz
     'label': 700 Hz, 'subject': 'S2'}

Both devices start together. Labels: 0 none, 1 baseline, 2 stress, 3 amusement, 4 meditation; 5 to 7
mean nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from sensor2llm.datasets.formats.array_pickle import PickledArray, load
from sensor2llm.datasets.motion.motion_tables import equal_runs
from sensor2llm.datasets.stress.wesad_wrist import physical
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
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
    ledger: Ledger,
) -> Recording:
    """Read one person's pickle."""
    content = load(path)
    if isinstance(content, dict) and content.get("subject", subject) != subject:
        raise DataError(
            f"{path.name} is of {str(content['subject'])[:20]!r}, expected {subject!r}; is it in "
            "another person's folder?"
        )
    labels = _labels(content, path)
    tracks, times = {}, [np.arange(len(labels)) / CHEST_HZ]
    for modality in spec.modalities:
        values = _signal(content, modality, path)
        if modality.name.startswith("chest"):
            if values.shape[1] != len(labels):
                raise DataError(
                    f"{path.name}: {modality.name} has {values.shape[1]} samples and the labels "
                    f"have {len(labels)}; both are at {CHEST_HZ:g} Hz, so they must be equal"
                )
            modality = replace(modality, rate_hz=CHEST_HZ)
        else:
            times.append(np.arange(values.shape[1]) / float(modality.rate_hz or 1.0))
        tracks[modality.name] = Track(modality, physical(subject, modality, values, ledger))
    if not any(name.startswith("chest") for name in tracks):
        del times[0]
    return Recording(
        subject=subject,
        tracks=tracks,
        annotations=tuple(_annotations(labels, texts)),
        name=subject,
        row_times_s=np.sort(np.concatenate(times)),
    )


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
    with np.errstate(over="ignore"):  # what becomes infinite cannot be, and is masked as such
        return np.asarray(values.T, dtype=np.float32)


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
    for start, stop in equal_runs(codes):
        if int(codes[start]) in CODES:
            text = texts[CODES[int(codes[start])]]
            yield Annotation(float(start / CHEST_HZ), float(stop / CHEST_HZ), text)
