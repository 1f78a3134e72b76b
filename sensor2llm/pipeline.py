"""An adapter and its LLM for people with a table: labels, answers and vectors in one line each.

    model = sensor2llm.load("uci-har-bundled")
    labels = model.classify(frame, rate_hz=50)      a window a row: start_s, label, probability, …
    model.ask(window, "What is the person doing?").text
    model.embed(frame, rate_hz=50)                  (window, feature)

What can be given as data stands in `sensor2llm.signals.tables.data`; the verbs `classify` and
`chat` do the same from the command line.
"""

import importlib.util
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float

from sensor2llm.archive.bouts import LENGTH
from sensor2llm.archive.labelling import (
    LabelRows,
    check_batch_size,
    check_risk,
    label_recording,
    no_window,
    tell,
)
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.data_map import parse_map
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.tables.data import data_windows
from sensor2llm.signals.tables.named_columns import SAME_NAMES
from sensor2llm.signals.window import Window
from sensor2llm.tasks.answering import Answer, answer_question
from sensor2llm.tasks.batch_split import BatchSplitOnOOM
from sensor2llm.tasks.loading import load_model

EmbeddingKind = Literal["encoder", "signal_tokens"]
logger = logging.getLogger(__name__)


def load(
    name: str | Path,
    *,
    llm: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    llm_accept: bool = False,
) -> "SensorPipeline":
    """Load an adapter with its frozen LLM.

    Args:
        name: a released name (`uci-har-bundled`), an adapter's folder, or a hub name.
        llm: another place of the adapter's LLM.
        device: where it runs; the first GPU if there is one, else the CPU.
        dtype: number format of the LLM: auto, float32, bfloat16 or float16; the recipe's where
            None.
        llm_accept: go on with another LLM than the adapter's where it labels the adapter's check
            windows alike.

    Raises:
        ArtefactError: the adapter is broken, or made for another LLM, which was not accepted.
        ModelError: the LLM cannot be loaded.

    Example:
        >>> import sensor2llm
        >>> model = sensor2llm.load("uci-har-bundled", device="cpu", dtype="float32")
        >>> model.labels[:3]
        ('walking', 'walking upstairs', 'walking downstairs')
    """
    return SensorPipeline(load_model(name, llm, device=device, dtype=dtype, llm_accept=llm_accept))


class SensorPipeline:
    """Label, ask about and embed windows of a person's own data.

    Args:
        model: adapter and LLM.

    Example:
        >>> import sensor2llm
        >>> model = sensor2llm.load("uci-har-bundled", device="cpu", dtype="float32")
        >>> from sensor2llm.datasets.simulation.phone import simulate_columns
        >>> recording = simulate_columns("walking", "lying", bout_s=32)
        >>> labels = model.classify(recording)
        >>> labels.columns[:3].tolist(), len(labels)
        (['start_s', 'label', 'probability'], 25)
        >>> sensor2llm.label_bouts(labels)["label"].tolist()
        ['walking', 'lying']
        >>> answer = model.ask(recording, "What is the person doing?")
        >>> answer.text, answer.probability > 0.9
        ('walking (1.00).', True)
        >>> model.embed(recording).shape
        (25, 288)
    """

    def __init__(self, model: SensorLanguageModel) -> None:
        self.model = model.eval()

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the labels that the adapter says."""
        return self.model.adapter.label_names

    @property
    def spec(self) -> SignalSpec:
        """Describe the windows: sensors, channels, units, rates."""
        return self.model.adapter.spec

    def classify(
        self,
        data: Any,
        *,
        rate_hz: float | None = None,
        columns: Mapping[str, str] = SAME_NAMES,
        overlap: float = 0.0,
        batch_size: int = 64,
        abstain: float | None = None,
        turns: Sequence[str] = (),
    ) -> Any:
        """Label every window of some data.

        Args:
            data: a table (pandas, polars, pyarrow, a mapping of columns) whose columns are named
                as the spec's channels; a numpy array (sample, channel) or (window, channel, step)
                with the spec's channels in order; a path to CSV, Parquet, .npz, TABLE.yaml or a
                window store; a Window or several.
            rate_hz: samples a second of a table or an array; a table with a time column needs none.
            columns: `<modality>.<channel>` -> the table's column of another name.
            overlap: share of a window that the next one repeats, 0 up to below 1.
            batch_size: windows at a time.
            abstain: the share of wrong labels that is taken: a label is `unknown` where it is less
                sure, and throughout recordings that are unlike what the adapter learned from.
            turns: how the device's axes lie, as `fit-axes` writes it: total_acc.x=-y.

        Returns:
            A row a window: `start_s`, `subject` where known, `label`, `probability`, `p_LABEL` for
            each label, and `unlike`, the check that the window's recording fails, where the adapter
            says what it learned from (`.attrs["likeness"]` has the
            sentences). It is a pandas DataFrame where pandas is installed, else a pyarrow
            Table. What became of rows and windows stands in `.attrs["ledger"]` (of a Table, as
            JSON in `.schema.metadata[b"ledger"]`), the windows' length in `window_s` beside it.

        Raises:
            DataError: the data cannot be read, or hold no whole window; the line says why.
            SpecError: they cannot be brought to the adapter's spec.
            ConfigError: an option that cannot be, or an adapter that says no labels.
        """
        ledger = Ledger()
        windows, name = data_windows(
            data, self.spec, rate_hz=rate_hz, columns=columns, overlap=overlap, ledger=ledger
        )
        check_risk(abstain)
        labels = LabelRows(self.model, abstain)
        windows = labels.judge.watch(parse_map(turns, self.spec).turned(windows))
        labelled = list(label_recording(self.model, windows, name, ledger, batch_size))
        verdict = labels.judge.verdict()
        rows = list(labels.rows(labelled, verdict))
        tell(name, ledger, verdict)
        lengths = self.spec.lengths_s
        length_s = lengths[0] if len(lengths) == 1 else None
        facts = {"ledger": ledger.to_dict(), LENGTH: length_s}
        facts |= {"likeness": verdict.to_dict()} if labels.judge.profile else {}
        return _as_table(rows, facts)

    def ask(
        self,
        data: Any,
        question: str,
        *,
        number: int | Sequence[int] = 1,
        rate_hz: float | None = None,
        columns: Mapping[str, str] = SAME_NAMES,
        max_new_tokens: int = 96,
    ) -> Answer:
        """Ask in plain words about a window.

        Args:
            data: a Window, or anything that `classify` takes.
            question: in plain words.
            number: which of the data's windows, from 1; several can be compared (the last two).
            rate_hz: as for `classify`.
            columns: as for `classify`.
            max_new_tokens: where the answer is cut off.

        Returns:
            What is said, with where it comes from (`kind`, `source`), its probability where it was
            scored, and the fact computed from the signal beside (`measured`).

        Raises:
            DataError: there is no such window, or the data cannot be read.
            ConfigError: the question holds what is no character, or an option that cannot be.
        """
        windows, name = data_windows(data, self.spec, rate_hz=rate_hz, columns=columns)
        numbers = [number] if isinstance(number, int) else list(number)
        first = list(islice(windows, max(0, *numbers)))
        for wrong in (n for n in numbers if n < 1 or len(first) < n):
            has = f"{name} has {len(first)} windows" if wrong > 0 else "windows are numbered from 1"
            raise DataError(f"{has}; there is no number {wrong}")
        chosen = [first[n - 1] for n in numbers]
        return answer_question(self.model, chosen, question, max_new_tokens=max_new_tokens)

    def embed(
        self,
        data: Any,
        *,
        of: EmbeddingKind = "encoder",
        rate_hz: float | None = None,
        columns: Mapping[str, str] = SAME_NAMES,
        overlap: float = 0.0,
        batch_size: int = 64,
    ) -> Float[np.ndarray, " window *shape"]:
        """Give each window's vectors.

        Args:
            data: as for `classify`.
            of: `encoder`: the encoder's features, averaged over its steps, sensor after sensor in
                the spec's order, a missing one's zeros: (window, sensor x feature).
                `signal_tokens`: what the LLM is given of the window: (window, token, width).
            rate_hz: as for `classify`.
            columns: as for `classify`.
            overlap: as for `classify`.
            batch_size: windows at a time.

        Raises:
            DataError: the data cannot be read, or hold no whole window.
            ConfigError: another kind of vector, or an adapter without an encoder.
        """
        if of not in get_args(EmbeddingKind):
            choices = ", ".join(get_args(EmbeddingKind))
            raise ConfigError(f"unknown vectors {of!r}; choose from {choices}")
        if self.model.adapter.encoder is None:
            raise ConfigError("this adapter hears windows as text and has no encoder; take another")
        check_batch_size(batch_size)
        ledger = Ledger()
        windows, name = data_windows(
            data, self.spec, rate_hz=rate_hz, columns=columns, overlap=overlap, ledger=ledger
        )
        vectors = list(self._vectors(windows, of, batch_size))
        if not vectors:
            raise no_window(name, self.spec, ledger)
        return np.concatenate(vectors)

    @torch.no_grad()
    def _vectors(
        self, windows: Iterator[Window], of: EmbeddingKind, batch_size: int
    ) -> Iterator[np.ndarray]:
        halving = BatchSplitOnOOM()
        while part := [replace(window, label=None) for window in islice(windows, batch_size)]:
            for features in halving(self.model.features, part):
                assert features.steps is not None  # there is an encoder
                tokens = self.model.adapter.media(features) if of == "signal_tokens" else None
                vectors = features.steps.mean(2).flatten(1) if tokens is None else tokens
                yield vectors.float().cpu().numpy()

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the adapter's folder; the LLM is named in it, not copied."""
        return self.model.adapter.save(folder)

    @classmethod
    def from_pretrained(cls, name: str | Path, **options: Any) -> "SensorPipeline":
        """Load an adapter with its LLM; see `load`."""
        return cls(load_model(name, **options))

    def push_to_hub(self, repo_id: str, *, private: bool = True) -> str:
        """Upload the adapter's files to the Hugging Face hub and return the commit's address."""
        return self.model.adapter.push_to_hub(repo_id, private=private)


def _as_table(rows: list[dict[str, Any]], facts: Mapping[str, Any]) -> Any:
    """Give rows as a DataFrame where pandas is installed, with what belongs to them."""
    table = pa.Table.from_pylist(rows)
    if importlib.util.find_spec("pandas") is None:
        return table.replace_schema_metadata({k: json.dumps(v) for k, v in facts.items()})
    frame = table.to_pandas()
    frame.attrs.update(facts)
    return frame
