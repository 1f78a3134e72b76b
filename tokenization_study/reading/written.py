"""Windows written as text by a serialiser, with the place of every number."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.serialisation.serialise import (
    SERIALISERS,
    Serialiser,
    SerialiserConfig,
    make_serialiser,
)
from tokenization_study.config import AS_WRITTEN
from tokenization_study.reading.cells import Cells, find_cells
from tokenization_study.reading.windows import Chunk, Part, Window

FIT_VALUES = 65_536


@dataclass(frozen=True, eq=False)
class SerialisedText:
    """Hold texts, and their numbers by place in `joined` (the texts, a line break between two)."""

    texts: Sequence[str]
    joined: str
    text_starts: Int[np.ndarray, " text"]
    cells: Cells
    steps: int
    """Rows that the texts stand for."""

    @functools.cached_property
    def text_of(self) -> Int[np.ndarray, " cell"]:
        """Give the text of each number."""
        return np.searchsorted(self.text_starts, self.cells.starts, side="right") - 1

    @functools.cached_property
    def stretches(self) -> tuple[np.ndarray, np.ndarray]:
        """Give each number's stretch: from the end of the one before to its own end.

        A text's first stretch starts with the text, its last one ends with it.
        """
        ends = self.cells.stops.copy()
        last = np.diff(self.text_of, append=-1) != 0
        sizes = np.array([len(text) for text in self.texts], dtype=np.int64)
        of = self.text_of[last]
        ends[last] = self.text_starts[of] + sizes[of]
        begins = np.concatenate([[0], ends[:-1]])
        first = np.diff(self.text_of, prepend=-1) != 0
        begins[first] = self.text_starts[self.text_of[first]]
        return begins, ends


class Writer:
    """Write chunks in one form; its scale is taken from the first chunk, a modality at a time.

    What is missing is not written: its word would count as the numbers' tokens.
    """

    def __init__(
        self,
        serialiser: Serialiser | None,
        letters: bool = False,
        form: SerialiserConfig | None = None,
    ) -> None:
        self.name = serialiser.name if serialiser else AS_WRITTEN
        self._serialiser = serialiser
        self.letters = letters
        self._form = form or SerialiserConfig()
        self._fitted: list[Serialiser] = []

    @property
    def is_text(self) -> bool:
        """Say whether the input's own text is taken."""
        return self._serialiser is None

    def write(self, chunk: Chunk) -> SerialisedText:
        """Give a chunk's texts; raises DataError for a value that the form cannot write."""
        texts = list(chunk.texts) if self.is_text else list(map(self.window_text, chunk.windows))
        steps = sum(max(part.shape[1] for part in window) for window in chunk.windows)
        if self.is_text:
            steps = sum(text.count("\n") + (not text.endswith("\n")) for text in texts)
        return self.lay_out(texts, steps)

    def lay_out(self, texts: Sequence[str], steps: int = 0) -> SerialisedText:
        """Find the numbers of texts of this form."""
        joined = "\n".join(texts)
        lengths = np.array([len(text) + 1 for text in texts], dtype=np.int64)
        cells = find_cells(joined, spaced=self.name == "digits_spaced", letters=self.letters)
        return SerialisedText(texts, joined, np.cumsum(lengths) - lengths, cells, steps)

    def fit(self, chunk: Chunk) -> None:
        """Take the scale from the first windows, where the form has one."""
        if self._serialiser is None or self._fitted or not chunk.windows:
            return
        for part in range(max(map(len, chunk.windows))):
            rows = [np.ravel(w[part]) for w in chunk.windows if len(w) > part]
            values = np.concatenate(rows)[:FIT_VALUES]
            there = np.isfinite(values).any()
            self._fitted.append(self._serialiser.fit_scale(values) if there else self._serialiser)

    def window_text(self, window: Window) -> str:
        """Give one window's text, modality after modality."""
        text = ""
        for part, serialiser in zip(window, self.serialisers(window), strict=True):
            if more := self._part_text(part, serialiser):
                text += ("" if not text or text.endswith("\n") else "\n") + more
        return text

    def _part_text(self, part: Part, serialiser: Serialiser) -> str:
        missing = np.isnan(part) if part.dtype.kind == "f" else np.zeros(part.shape, dtype=bool)
        if not missing.any():
            return serialiser.write(part) if part.size else ""
        if self.name == "csv":
            # A row's cells stay in their columns: one without a value is empty.
            word = re.escape(self._form.missing + self._form.unit)
            end = re.escape(self._form.row_end)
            return re.sub(
                rf"(?:(?<=,)|^){word}(?=,|{end}$)", "", serialiser.write(part), flags=re.M
            )
        rows = [row[~gap] for row, gap in zip(part, missing, strict=True) if not gap.all()]
        return self._form.channel_separator.join(map(serialiser.write, rows))

    def serialisers(self, window: Window) -> list[Serialiser]:
        """Give the fitted form of each modality of a window."""
        assert self._serialiser is not None
        return [
            self._fitted[i] if i < len(self._fitted) else self._serialiser
            for i in range(len(window))
        ]

    def round_trip(self, window: Window) -> tuple[float, float]:
        """Give (largest error, bound) of writing a window and reading it back."""
        error = bound = 0.0
        for part, serialiser in zip(window, self.serialisers(window), strict=True):
            there = ~np.isnan(part) if part.dtype.kind == "f" else np.ones(part.shape, dtype=bool)
            if not there.any():
                continue
            back = serialiser.read(serialiser.write(part))
            if back.shape != part.shape:
                raise DataError(f"{self.name} read {back.shape} from {part.shape} values")
            back = back.astype(part.dtype) if part.dtype.kind == "f" else back
            off = np.abs(back.astype(np.float64) - part.astype(np.float64))[there]
            error, bound = max(error, float(off.max())), max(bound, serialiser.max_error(part))
        return error, bound


def make_writers(
    serialisers: Sequence[str | Serialiser], config: SerialiserConfig | None = None
) -> list[Writer]:
    """Give writers by name; raises ConfigError for an unknown name or one that comes twice."""
    writers = []
    letters = config is not None and config.bin_base > 10
    for entry in serialisers:
        if isinstance(entry, str):
            if entry not in (AS_WRITTEN, *SERIALISERS):
                choices = ", ".join((*SERIALISERS, AS_WRITTEN))
                raise ConfigError(f"unknown serialiser '{entry}'; choose from {choices}")
            serialiser = None if entry == AS_WRITTEN else make_serialiser(entry, config)
            writers.append(Writer(serialiser, letters and entry == "bins", config))
        else:
            writers.append(Writer(entry))
    names = [writer.name for writer in writers]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"serialiser '{name}' is given twice")
    return writers
