"""Windows in memory, read as a store is.

held = InMemoryWindows([window, other], spec)
held.read([0, 1])["accel"]
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import SupportsIndex

import numpy as np

from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import Indices, Windows, digest_windows
from sensor2llm.signals.window import Window

NOBODY = "unknown"


class InMemoryWindows(Windows):
    """Hold windows of one spec as `Windows`, so that views take them as they take a store.

    A row of values (axis none) with NaN is missing. A window without a subject is of `unknown`.

    Args:
        windows: of the spec; each may lack modalities.
        spec: what every window is checked against.
        name: what messages call them.

    Raises:
        SpecError: If a window does not fit the spec.
    """

    def __init__(self, windows: Sequence[Window], spec: SignalSpec, name: str = "windows") -> None:
        self.spec, self.path, self.source = spec, Path(name), ""
        self.published, self.parts = {}, {}
        self._windows = [spec.without_gaps(window) for window in windows]
        for window in self._windows:
            spec.check(window)
        people = [window.subject or NOBODY for window in windows]
        labels = [window.label for window in windows]
        self.subject_names = tuple(dict.fromkeys(people))
        self.label_names = tuple(dict.fromkeys(label for label in labels if label is not None))
        person = {name: number for number, name in enumerate(self.subject_names)}
        number = {name: number for number, name in enumerate(self.label_names)}
        self.subject_ids = np.array([person[name] for name in people], np.int32)
        self.labels = np.array([-1 if n is None else number[n] for n in labels], np.int64)
        self.starts = np.array([window.start_s for window in windows], np.float64)
        there = [[name in window.signals for name in spec.names] for window in self._windows]
        self.present = np.array(there, np.bool_).reshape(len(windows), len(spec.names))

    def __iter__(self) -> Iterator[Window]:
        return iter(self._windows)

    def __getitem__(self, row: SupportsIndex) -> Window:
        return self._windows[row]

    @property
    def names_recordings(self) -> bool:
        """Say whether a window names its recording."""
        return any(window.recording for window in self._windows)

    @cached_property
    def recording_ids(self) -> np.ndarray:
        """Give every window's recording as a number, (n,); its person's where none is named."""
        keys = [(window.subject, window.recording) for window in self._windows]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        return np.array([numbers[key] for key in keys], np.int32)

    def recording_of(self, row: int) -> str | None:
        """Name a window's recording; None where it names none."""
        return self._windows[row].recording

    @cached_property
    def digests(self) -> np.ndarray:
        """Give a hash of each window's signals."""
        return digest_windows(self._windows)

    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy windows out: modality name -> float32 (batch, channel, step), absent ones zeros."""
        chosen = [self._windows[i] for i in np.asarray(indices, dtype=np.int64).tolist()]
        arrays = {}
        for name in self.spec.names if names is None else names:
            arrays[name] = np.zeros((len(chosen), *self.spec[name].shape), np.float32)
            for row, window in enumerate(chosen):
                if name in window.signals:
                    arrays[name][row] = window.signals[name]
        return arrays
