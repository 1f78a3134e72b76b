"""WindowStore: windows of any number of people in one folder of memory-mapped arrays.

    store.json        format version, spec, label names, subjects, published splits, source, n,
                      fingerprint; of data sets side by side also their names and sources (parts);
                      what was read, kept, dropped and changed to make it (ledger)
    <modality>.npy    float32 (n, channel, step); rows of an absent modality are zeros
    present.npy       bool (n, modality)
    labels.npy        int64 (n,), -1 where a window has no label
    subjects.npy      int32 (n,), index into store.json's subjects
    starts.npy        float64 (n,), seconds
    recordings.npy    int32 (n,), index into store.json's recordings; stores whose windows name
                      none, as older ones, have neither
    digests.npy       uint64 (n,), a hash of each window's signals; older stores have none

Nothing is read into memory before it is asked for, and writing holds one window at a time.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.artefacts.atomic_write import repair, replace_folder
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import Indices, Windows, digest_windows, fingerprint
from sensor2llm.signals.store.writer import write_arrays
from sensor2llm.signals.window import Window

FORMAT_VERSION = 1
KEYS = {"version", "spec", "label_names", "subjects", "published", "source", "parts", "n",
        "fingerprint", "ledger", "recordings", "placements"}  # fmt: skip


class WindowStore(Windows):
    """Read windows from a folder that `WindowStore.write` made.

    Example:
        >>> store = WindowStore.write("store", spec, [window] * 4)
        >>> store[0].label, store.read([3, 1, 2])["wrist_acc"].shape
        ('walking', (3, 3, 250))

    Raises:
        DataError: If the folder is no store, or is truncated or corrupt.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        meta = _read_meta(self.path)
        try:
            self.spec = SignalSpec.from_dict(meta["spec"])
            self.label_names = tuple(meta["label_names"])
            self.subject_names = tuple(meta["subjects"])
            self.published = dict(meta["published"])
            self.source = meta["source"]
            self.parts = dict(meta.get("parts", {}))
            self.ledger = Ledger.from_dict(meta.get("ledger", {}))
            self.recording_names = tuple(meta.get("recordings", ()))
            self.placements = dict(meta.get("placements", {}))
            self._n = int(meta["n"])
            self._fingerprint: str | None = meta.get("fingerprint")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DataError(
                f"window store '{self.path}' has a broken store.json: {error}"
            ) from error
        modalities = self.spec.modalities
        self._modalities = {m.name: self._map(m.name, np.float32, m.shape) for m in modalities}
        self.present = self._map("present", np.bool_, (len(modalities),))
        self.labels = self._map("labels", np.int64, ())
        self.subject_ids = self._map("subjects", np.int32, ())
        self.starts = self._map("starts", np.float64, ())
        if self.names_recordings:
            self._recording_ids = self._map("recordings", np.int32, ())
        self._check_ids()

    @classmethod
    def open(cls, path: str | Path) -> "WindowStore":
        """Open the store at `path`."""
        return cls(path)

    def _map(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        file, expected = self.path / f"{name}.npy", (self._n, *shape)
        try:
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # a broken header makes numpy raise whatever there is
            raise DataError(
                f"window store '{self.path}' is damaged: {file.name} is missing or truncated "
                f"({error}); prepare it again"
            ) from error
        if array.shape != expected or array.dtype != dtype:
            raise DataError(
                f"window store '{self.path}' is damaged: {file.name} holds {array.dtype} "
                f"{array.shape}, expected {np.dtype(dtype)} {expected}; prepare it again"
            )
        return array

    def _check_ids(self) -> None:
        numbers = [
            ("labels", self.labels, len(self.label_names), -1),
            ("subjects", self.subject_ids, len(self.subject_names), 0),
        ]
        if self.names_recordings:
            numbers.append(("recordings", self._recording_ids, len(self.recording_names), 0))
        for name, ids, count, lowest in numbers:
            if ids.min() < lowest or ids.max() >= count:
                raise DataError(
                    f"window store '{self.path}' is damaged: {name}.npy points outside the "
                    f"{count} {name} of store.json; prepare it again"
                )

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled memmap would carry all its data to a worker process.
        return WindowStore, (self.path,)

    @property
    def names_recordings(self) -> bool:
        """Say whether the store tells a person's recordings apart."""
        return bool(self.recording_names)

    @property
    def recording_ids(self) -> np.ndarray:
        """Give every window's recording as a number, (n,); its person's where none is named."""
        return self._recording_ids if self.names_recordings else self.subject_ids

    def recording_of(self, row: int) -> str | None:
        """Name a window's recording among its person's; None where the store names none."""
        number = int(self.recording_ids[row])
        return self.recording_names[number] if self.names_recordings else None

    def placement_of(self, row: int) -> str | None:
        """Name where a window's device was worn; None where the store does not say."""
        return self.placements.get(str(self.recording_of(row)))

    def _origin(self) -> Mapping[str, Any]:
        return {"placements": self.placements} if self.placements else {}

    @cached_property
    def digests(self) -> np.ndarray:
        """Give a hash of each window's signals, uint64 (n,); a store without them is read once."""
        written = (self.path / "digests.npy").is_file()
        return self._map("digests", np.uint64, ()) if written else digest_windows(self)

    @cached_property
    def fingerprint(self) -> str:
        """Give a hash of all that the store holds, as it was made when the store was written."""
        return self._fingerprint or fingerprint(self, self._origin())

    def modality(self, name: str) -> np.ndarray:
        """Give one modality of all windows, memory-mapped: (n, channel, step)."""
        return self._modalities[self.spec[name].name]

    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy windows out: modality name -> float32 (batch, channel, step), absent ones zeros."""
        rows = np.asarray(indices, dtype=np.int64)
        wanted = self.spec.names if names is None else names
        return {name: np.asarray(self.modality(name))[rows] for name in wanted}

    @staticmethod
    def write(
        path: str | Path,
        spec: SignalSpec,
        windows: Iterable[Window],
        label_names: Sequence[str] | None = None,
        published: Mapping[str, Sequence[str]] | None = None,
        source: str = "",
        parts: Mapping[str, str] | None = None,
        ledger: Ledger | None = None,
        placements: Mapping[str, str] | None = None,
    ) -> "WindowStore":
        """Write windows one by one into a new store and open it.

        A store that is already at `path` is replaced at the very end; a failure leaves it whole.

        Args:
            path: The folder to make.
            spec: What every window is checked against.
            windows: Any iterable; only one window is held at a time.
            label_names: Labels in the order of their numbers; by default in order of appearance.
            published: The data set's own split: `{"train": [subject, …], "test": [subject, …]}`.
            source: Where the data come from, in words.
            parts: Of data sets side by side, name -> source; people are named `name/person`.
            ledger: What became of what was read, filled while the windows are taken.
            placements: Of recordings, by name, where the device was worn: a word.

        Raises:
            DataError: If something else is at `path`, a label is unknown, a window has no subject
                or there is no window.
            SpecError: If a window does not fit the spec.
        """
        path = Path(path)
        if path.exists() and not _may_replace(path):
            raise DataError(
                f"'{path}' exists and is no window store; move it away or choose another --out"
            )
        with replace_folder(path, _is_foreign) as part:
            meta = write_arrays(part, spec, windows, label_names, ledger)
            splits = {name: list(people) for name, people in (published or {}).items()}
            meta |= {"version": FORMAT_VERSION, "published": splits, "source": source}
            meta |= {"parts": dict(parts)} if parts else {}
            meta |= {"placements": dict(placements)} if placements else {}
            meta |= {"ledger": _counted(ledger, meta["n"]).to_dict()}
            file = part / "store.json"
            file.write_text(json.dumps(meta, indent=1), encoding="utf-8")
            meta["fingerprint"] = WindowStore(part).fingerprint
            file.write_text(json.dumps(meta, indent=1), encoding="utf-8")
        return WindowStore(path)


def _read_meta(path: Path) -> dict[str, Any]:
    repair(path)
    file = path / "store.json"
    if not file.is_file():
        raise DataError(
            f"'{path}' is not a window store (no store.json in it); "
            "make one with `sensor2llm prepare`"
        )
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
        version = meta["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"window store '{path}' has a broken store.json: {error}") from error
    if version != FORMAT_VERSION:
        unknown = ", ".join(sorted(set(meta) - KEYS)) or "none"
        raise DataError(
            f"window store '{path}' has format version {version}, this program reads "
            f"{FORMAT_VERSION}; keys unknown here: {unknown}; upgrade sensor2llm "
            "(pip install -U sensor2llm), or prepare it again"
        )
    return meta


def _counted(ledger: Ledger | None, windows: int) -> Ledger:
    """Give the ledger once the windows were read; a reader without one has read windows only."""
    ledger = ledger or Ledger()
    if not ledger["windows"].read:
        ledger.read("windows", windows)
        ledger.keep("windows", windows)
    return ledger


def _may_replace(path: Path) -> bool:
    return (path / "store.json").is_file() or (path.is_dir() and not any(path.iterdir()))


def _is_foreign(name: str) -> bool:
    """Say whether an entry beside an old store's files is somebody's own, and stays."""
    return name not in ("store.json", "classes.png") and not name.endswith(".npy")
