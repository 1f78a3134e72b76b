"""Windows: what training and evaluation read, be it a folder or a view over several.

    windows.digests        a number a window; equal signals have equal numbers
    windows.fingerprint    one hash of all that they hold, not of where they lie

Caches, resumed runs, studies and the leak check know data by these.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import UInt64

from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window

# Read at a time while windows are iterated over.
_CHUNK_ROWS = 64
Indices = Sequence[int] | np.ndarray


class Windows(ABC):
    """Read windows by the row: a WindowStore, or a view over stores."""

    path: Path
    """Where they lie, for messages and records."""
    spec: SignalSpec
    source: str
    """Where the data come from, in words."""
    published: Mapping[str, Sequence[str]]
    """The data set's own split: part -> people."""
    parts: Mapping[str, str]
    """Of data sets side by side, name -> source; people are named `name/person`."""
    label_names: tuple[str, ...]
    subject_names: tuple[str, ...]
    present: np.ndarray
    """Whether a modality is there: bool (n, modality)."""
    labels: np.ndarray
    """Label numbers, -1 for none: (n,)."""
    subject_ids: np.ndarray
    """Each window's index into `subject_names`: (n,)."""
    starts: np.ndarray
    """Each window's start in its recording in seconds: (n,)."""

    def _take_words(self, store: "Windows") -> None:
        """Take over what a view of one store does not change."""
        self.path, self.source, self.published = store.path, store.source, store.published
        self.parts, self.label_names = store.parts, store.label_names

    @property
    def subjects(self) -> np.ndarray:
        """Give every window's subject name: (n,)."""
        return np.asarray(self.subject_names)[self.subject_ids]

    @property
    def recording_ids(self) -> np.ndarray:
        """Give every window's recording as a number, (n,); its person's where none is named."""
        return self.subject_ids

    def recording_of(self, row: int) -> str | None:
        """Name a window's recording; None where none is named."""
        return None

    def placement_of(self, row: int) -> str | None:
        """Name where a window's device was worn (waist, pocket, wrist); None where none is told."""
        return None

    @property
    def names_recordings(self) -> bool:
        """Say whether the data tell a person's recordings apart."""
        return False

    @property
    @abstractmethod
    def digests(self) -> np.ndarray:
        """Give a hash of each window's signals as they were written, uint64 (n,)."""

    @cached_property
    def fingerprint(self) -> str:
        """Give a hash of all that they hold, of a view by what it reads and what it makes of it."""
        return fingerprint(self, self._origin())

    def _origin(self) -> Mapping[str, Any]:
        """Give the fingerprints of what a view reads, and what it makes of it, as plain JSON."""
        return {}

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Window]:
        return self.windows(range(len(self)))

    def __getitem__(self, row: SupportsIndex) -> Window:
        return next(self.windows([range(len(self))[row]]))

    def windows(self, rows: Sequence[int]) -> Iterator[Window]:
        """Yield these windows, read some at a time."""
        for first in range(0, len(rows), _CHUNK_ROWS):
            chunk = rows[first : first + _CHUNK_ROWS]
            signals = self.read(chunk)
            for i, row in enumerate(chunk):
                label = int(self.labels[row])
                there = zip(self.spec.names, self.present[row], strict=True)
                yield Window(
                    # A copy: a window that is kept must not keep its neighbours.
                    signals={name: signals[name][i].copy() for name, present in there if present},
                    subject=self.subject_names[int(self.subject_ids[row])],
                    label=self.label_names[label] if label >= 0 else None,
                    start_s=float(self.starts[row]),
                    recording=self.recording_of(row),
                )

    @abstractmethod
    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy windows out: modality name -> float32 (batch, channel, step), absent ones zeros.

        `names` are the modalities to read; by default all, in the spec's order.
        """


class SelectedWindows(Windows):
    """Windows that are some rows of a store, changed or not: recordings and hashes are the store's.

    Classes below set `store` and `_rows`.
    """

    store: Windows
    _rows: np.ndarray

    def places_of(self, rows: Sequence[int]) -> tuple[list[int], list[int]]:
        """Give which of these rows of the store are here, and where."""
        wanted = np.asarray(rows)
        first = np.searchsorted(self._rows, wanted)
        there = np.append(self._rows, -1)[first] == wanted
        return wanted[there].tolist(), first[there].tolist()

    @property
    def recording_ids(self) -> np.ndarray:
        """Give the windows' recordings as the store numbers them."""
        return np.asarray(self.store.recording_ids)[self._rows]

    @property
    def names_recordings(self) -> bool:
        """Say whether the store tells a person's recordings apart."""
        return self.store.names_recordings

    def recording_of(self, row: int) -> str | None:
        """Name a window's recording as the store does."""
        return self.store.recording_of(int(self._rows[row]))

    def placement_of(self, row: int) -> str | None:
        """Name where a window's device was worn as the store does."""
        return self.store.placement_of(int(self._rows[row]))

    @property
    def digests(self) -> np.ndarray:
        """Give the hashes of the windows as the store has them."""
        return np.asarray(self.store.digests)[self._rows]


def digest_window(window: Window) -> int:
    """Hash a window's signals; its label, person and start are left out."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(window.signals):
        values = np.ascontiguousarray(window.signals[name], dtype="<f4")
        digest.update(f"{name} {values.shape} ".encode())
        digest.update(values.tobytes())
    return int.from_bytes(digest.digest(), "little")


def digest_windows(windows: Iterable[Window]) -> UInt64[np.ndarray, " window"]:
    """Hash each window's signals, reading all of them."""
    return np.fromiter((digest_window(window) for window in windows), np.uint64)


def fingerprint(store: Windows, origin: Mapping[str, Any] | None = None) -> str:
    """Give "sha256:…" of windows, labels, people, starts, spec, published split and source."""
    facts = {
        "spec": store.spec.to_dict(),
        "labels": list(store.label_names),
        "people": list(store.subject_names),
        "published": {part: list(people) for part, people in store.published.items()},
        "source": store.source,
        "parts": dict(store.parts),
        "origin": dict(origin or {}),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for values, dtype in (
        (store.digests, "<u8"),
        (store.labels, "<i8"),
        (store.subject_ids, "<i4"),
        (store.starts, "<f8"),
        (store.present, "?"),
        *([(store.recording_ids, "<i4")] if store.names_recordings else []),
    ):
        digest.update(np.ascontiguousarray(values, dtype=dtype).tobytes())
    return f"sha256:{digest.hexdigest()}"
