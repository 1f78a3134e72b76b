"""Measure an adapter on the people of one part of a store.

    evaluation = evaluate_adapter(model, store, split, controls=True)
    evaluation.metrics["macro_f1"], evaluation.metrics["controls"]["zeroed"]["macro_f1"]
    evaluation.save("adapters/har")        metrics.json and predictions.parquet; what was read from
                                           text goes to metrics_text.json, predictions_text.parquet

Windows without a label are left out. Nothing here looks at a part other than `part`, except the
majority and probe controls, which learn from the training people.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Int

from sensor2llm.adapter import FeatureBatch
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.model import SensorLanguageModel
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits import Split, make_split
from sensor2llm.signals.store import WindowStore
from sensor2llm.tasks.aligned import AlignedWindows
from sensor2llm.tasks.classification import By, answer
from sensor2llm.tasks.controls import (
    DISTORTIONS,
    Distortion,
    compare,
    hide_modality,
    majority,
    other_windows,
    probe,
    random_llm,
)
from sensor2llm.tasks.metrics import Predictions, measure
from sensor2llm.tasks.probe import FeatureSet
from sensor2llm.training.bar import ProgressBar
from sensor2llm.training.record import write_json

Rows = Int[np.ndarray, " window"]


@dataclass(frozen=True)
class Evaluation:
    """Hold what was measured: plain JSON metrics, and what was said of each window."""

    metrics: dict[str, Any]
    predictions: Predictions

    def save(self, folder: str | Path) -> Path:
        """Write metrics and predictions into a folder; a reader never sees half a file."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(self.predictions, folder / f"predictions{self.suffix}.parquet")
        write_json(folder / f"metrics{self.suffix}.json", self.metrics)
        return folder

    @property
    def suffix(self) -> str:
        """Give what its files' names end with: answers read from text stand beside the scored."""
        return "_text" if self.metrics["by"] == "text" else ""


def evaluate_adapter(
    model: SensorLanguageModel,
    store: WindowStore,
    split: Split,
    *,
    part: str = "test",
    rows: Rows | None = None,
    by: By = "score",
    controls: bool = False,
    missing: bool = False,
    batch_size: int = 64,
    seed: int = 0,
    progress_bar: bool = False,
) -> Evaluation:
    """Measure an adapter on its frozen LLM.

    Args:
        model: adapter and LLM.
        store: labelled windows.
        split: who taught, who was chosen on, who judges.
        part: train, validation or test.
        rows: windows of the store to judge in place of the whole part's.
        by: `score` takes the likeliest label; `text` reads the LLM's free answer.
        controls: also measure every control; see `controls`.
        missing: also measure with each modality taken away.
        batch_size: windows at a time.
        seed: of the bootstrap and of the controls' draws.
        progress_bar: show one on stderr.

    Raises:
        DataError: no labelled window, or a label that the adapter does not know.
        SpecError: the store's channels, units or rates are not the adapter's.
    """
    passes = 1 + controls * (2 + len(DISTORTIONS)) + missing * len(_taken_away(model, store))
    bar = ProgressBar(progress_bar)
    run = _Run(model, AlignedWindows(store, model.adapter), by, batch_size, seed, passes, bar)
    try:
        found = _evaluated(run, split, part, rows, controls, missing)
        bar.update(1.0, "measured")
        return found
    finally:
        bar.close()


def _evaluated(
    run: "_Run", split: Split, part: str, rows: Rows | None, controls: bool, missing: bool
) -> Evaluation:
    by, seed, model, store = run.by, run.seed, run.model, run.windows.store
    rows = run.windows.labelled(split[part] if rows is None else rows)
    real, windows_per_s = run.predict(rows, told="windows as they are")
    metrics = measure(real, seed=seed, windows_per_s=windows_per_s, **run.measured()).to_dict()
    metrics |= {"split": part, "by": by, "llm": model.llm.name, "data": data_facts(store, split)}
    if controls:
        metrics["controls"] = dict(run.controls(real, rows, split))
    if missing:
        metrics["missing"] = dict(run.missing(real, rows))
    return Evaluation(metrics, real)


def recipe_split(recipe: Mapping[str, Any], store: WindowStore) -> Split:
    """Make the split again that an adapter or an encoder was trained with.

    Without one in the recipe it is the published split of the store, or one by subject.
    """
    known = recipe.get("split")
    if known is None:
        published = bool(store.published.get("train") and store.published.get("test"))
        return make_split(store, SplitConfig(kind="published" if published else "subject"))
    try:
        return make_split(store, SplitConfig(**known))
    except TypeError as error:
        raise ConfigError(f"the recipe's split cannot be read ({error}); train again") from error


def data_facts(store: WindowStore, split: Split) -> dict[str, Any]:
    """Return what a card says of the data: source, and how many people are in each part."""
    people = {part: len(who) for part, who in split.subjects(store).items()}
    return {"source": store.source, "store": store.path.name, "people": people}


def write_predictions(predictions: Predictions, path: Path) -> None:
    """Write a row a window: index, subject, start_s, true, predicted, probability, and `p_LABEL`.

    `predicted` is null where the answer could not be read; without probabilities those columns
    are left out.
    """
    p, names = predictions, np.array([*predictions.labels, None], dtype=object)
    columns: dict[str, Any] = {
        "index": np.arange(len(p.true)) if p.index is None else p.index,
        "subject": p.subjects.astype(str),
        "start_s": np.zeros(len(p.true)) if p.starts is None else p.starts,
        "true": pa.array(names[p.true], pa.string()),
        "predicted": pa.array(names[p.predicted], pa.string()),
    }
    if p.probabilities is not None:
        columns["probability"] = p.probabilities.max(1)
        columns |= {f"p_{n}": p.probabilities[:, i] for i, n in enumerate(p.labels)}
    part = path.with_name(path.name + ".part")
    try:
        pq.write_table(pa.table(columns), part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _taken_away(model: SensorLanguageModel, store: WindowStore) -> list[tuple[int, str]]:
    """Give the modalities, with their numbers, that adapter and store both have."""
    return [(i, name) for i, name in enumerate(model.adapter.spec.names) if name in store.spec]


@dataclass
class _Run:
    """One evaluation: how windows are read and answered."""

    model: SensorLanguageModel
    windows: AlignedWindows
    by: By
    batch_size: int
    seed: int
    passes: int
    """How often all windows are answered for."""
    bar: ProgressBar
    done: float = 0.0

    def measured(self) -> dict[str, Any]:
        llm = self.model.llm
        tokens = float(self.model.tokens_per_window)
        return {"tokens_per_window": tokens, "llm_fingerprint": llm.fingerprint()}

    def predict(
        self,
        rows: Rows,
        *,
        told: str,
        heard: Rows | None = None,
        distort: Distortion | None = None,
        model: SensorLanguageModel | None = None,
    ) -> tuple[Predictions, float]:
        """Answer for `rows`, though the signal may be another's (`heard`) or distorted."""
        listener, store = model or self.model, self.windows.store
        before = time.perf_counter()
        heard = rows if heard is None else heard
        said = answer(listener, self._batches(listener, heard, distort, told), by=self.by)
        seconds = time.perf_counter() - before
        predictions = Predictions(
            labels=self.model.adapter.label_names,
            true=self.windows.labels[rows],
            predicted=said.predicted,
            subjects=store.subjects[rows],
            probabilities=said.probabilities,
            index=rows,
            starts=np.asarray(store.starts)[rows],
        )
        return predictions, len(rows) / max(seconds, 1e-9)

    def _batches(
        self, model: SensorLanguageModel, rows: Rows, distort: Distortion | None, told: str
    ) -> Iterator[FeatureBatch]:
        generator = torch.Generator().manual_seed(self.seed)
        for batch in self.windows.batches(rows, self.batch_size):
            self.bar.update(self.done / self.passes, told)
            with torch.no_grad():
                yield model.features(distort(batch, generator) if distort else batch)
            self.done += min(self.batch_size / len(rows), 1.0)

    def controls(
        self, real: Predictions, rows: Rows, split: Split
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Measure every control on the same windows."""
        train = self.windows.labelled(split["train"])
        yield "majority", compare(real, majority(real, self.windows.labels[train]), seed=self.seed)
        if self.model.adapter.encoder is not None:
            yield "probe", compare(real, self._probe(real, rows, split), seed=self.seed)
        drawn = random_llm(self.model.llm, self.seed)
        stranger = SensorLanguageModel(self.model.adapter, drawn, check=False).eval()
        found = self.predict(rows, told="control random_llm", model=stranger)
        yield "random_llm", self._compare(real, *found, llm=drawn)
        for name, distort in DISTORTIONS.items():
            found = self.predict(rows, told=f"control {name}", distort=distort)
            yield name, self._compare(real, *found)
        heard = rows[other_windows(real.true, self.seed)]
        found = self.predict(rows, told="control another_window", heard=heard)
        yield "another_window", self._compare(real, *found)

    def missing(self, real: Predictions, rows: Rows) -> Iterator[tuple[str, dict[str, Any]]]:
        """Measure with each modality that the store has taken away."""
        for i, name in _taken_away(self.model, self.windows.store):
            found = self.predict(rows, told=f"without {name}", distort=hide_modality(i, name))
            yield name, self._compare(real, *found)

    def _compare(
        self, real: Predictions, control: Predictions, windows_per_s: float, llm: Any = None
    ) -> dict[str, Any]:
        measured = self.measured() | {"windows_per_s": windows_per_s}
        if llm is not None:
            measured["llm_fingerprint"] = llm.fingerprint()
        return compare(real, control, seed=self.seed, **measured)

    def _probe(self, real: Predictions, rows: Rows, split: Split) -> Predictions:
        train = self._features(self.windows.labelled(split["train"]))
        validation = self._features(self.windows.labelled(split["validation"]))
        return probe(real, train, validation, self._features(rows).features)

    @torch.no_grad()
    def _features(self, rows: Rows) -> FeatureSet:
        """Average the steps that the bridge gets to four a modality: order in time is kept."""
        parts = []
        for batch in self.windows.batches(rows, 4 * self.batch_size):
            steps = self.model.features(batch).steps
            assert steps is not None
            quarters = [
                part.mean(2) for part in steps.float().tensor_split(4, dim=2) if part.numel()
            ]
            parts.append(torch.stack(quarters, 2).flatten(1).cpu().numpy())
        if not parts:
            raise DataError("the probe control needs labelled training and validation windows")
        return FeatureSet(features=np.concatenate(parts), labels=self.windows.labels[rows])
