"""Measure an adapter on the people of one part of a store.

    evaluation = evaluate_adapter(model, store, split, controls=True)
    evaluation.metrics["macro_f1"], evaluation.metrics["controls"]["zeroed"]["macro_f1"]
    evaluation.save("adapters/har")        metrics.json and predictions.parquet; what was read from
                                           text goes to metrics_text.json, predictions_text.parquet

Windows without a label are left out. Nothing here looks at a part other than `part`, except the
majority and probe controls, which learn from the training people. Where a device runs out of
memory, batches are halved once for the rest of the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import ConfigError
from sensor2llm.evaluation.control_run import (
    CONTROL_PASSES,
    fit_probe,
    run_controls,
    run_missing,
    run_silent_controls,
    shared_modalities,
)
from sensor2llm.evaluation.missing import missing_subsets
from sensor2llm.evaluation.passes import EvaluationRunner, Rows
from sensor2llm.evaluation.trust import trust_metrics
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import Split, make_split
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.conversion import conversions
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.side_by_side import own_split
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.classification import By
from sensor2llm.tasks.metrics import Predictions, measure
from sensor2llm.training.bar import ProgressBar
from sensor2llm.training.record import write_json


@dataclass(frozen=True)
class Evaluation:
    """Hold what was measured: plain JSON metrics, and what was said of each window."""

    metrics: dict[str, Any]
    predictions: Predictions

    def save(self, folder: str | Path) -> Path:
        """Write metrics and predictions into a folder; a reader never sees half a file."""
        folder = Path(folder)
        write_predictions(self.predictions, folder / f"predictions{self.suffix}.parquet")
        write_json(folder / f"metrics{self.suffix}.json", self.metrics)
        return folder

    @property
    def suffix(self) -> str:
        """Give what its files' names end with: answers read from text stand beside the scored."""
        return "_text" if self.metrics["by"] == "text" else ""


def evaluate_adapter(
    model: SensorLanguageModel,
    store: Windows,
    split: Split,
    *,
    part: str = "test",
    rows: Rows | None = None,
    by: By = "score",
    controls: bool = False,
    missing: bool = False,
    control_windows: int | None = None,
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
        controls: also measure every control; see `run_controls`.
        missing: also measure with every subset of the modalities taken away; see `run_missing`.
        control_windows: controls and missing modalities are judged on so many windows at most,
            spread evenly; None for all of them.
        batch_size: windows at a time.
        seed: of the bootstrap and of the controls' draws.
        progress_bar: show one on stderr.

    Raises:
        DataError: no labelled window, or a label that the adapter does not know.
        ConfigError: the device's memory does not suffice for half a batch.
        SpecError: the store's windows cannot be brought to the adapter's spec.
    """
    windows, bar = AdapterWindows(store, model.adapter), ProgressBar(progress_bar)
    subsets = missing_subsets(shared_modalities(model, store)) if missing else []
    judged = windows.labelled(split[part] if rows is None else rows)
    fewer = min(len(judged), control_windows or len(judged))
    passes = EvaluationRunner(
        model,
        windows,
        judged,
        by,
        batch_size,
        seed,
        probed=controls or missing,
        total=len(judged) + (controls * CONTROL_PASSES + len(subsets)) * fewer,
        bar=bar,
    )
    try:
        evaluation = _evaluated(passes, split, part, controls, subsets, control_windows)
        bar.update(1.0, "measured")
        return evaluation
    finally:
        bar.close()


def _evaluated(
    passes: EvaluationRunner,
    split: Split,
    part: str,
    controls: bool,
    subsets: Sequence[tuple[str, ...]],
    control_windows: int | None,
) -> Evaluation:
    real, store = passes.run_pass("windows as they are"), passes.windows.store
    speed = {"windows_per_s": real.windows_per_s}
    metrics = measure(real.predictions, seed=passes.seed, **passes.facts(), **speed).to_dict()
    metrics |= {"split": part, "by": passes.by, "llm": passes.model.llm.name}
    metrics["data"] = data_facts(store, split)
    if len(store.parts) > 1:
        metrics["data_sets"] = by_data_set(real.predictions, passes.seed)
    metrics |= trust_metrics(passes.model.adapter.trust, passes.windows, real.predictions)
    probe = fit_probe(passes, real, split, needed=controls)
    fewer, places = passes.on_some(control_windows)
    some, probe_of_some = real.take(places), probe.take(places) if probe else None
    if controls:
        metrics["controls"] = dict(run_silent_controls(passes, real, probe, split))
        metrics["controls"] |= dict(run_controls(fewer, some, probe_of_some))
    if subsets:
        metrics |= run_missing(fewer, some, probe_of_some, subsets)
    return Evaluation(metrics, real.predictions)


def by_data_set(predictions: Predictions, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Measure each of several data sets side by side, whose people are named `data set/person`.

    Only labels that a data set has enter its mean; another's label is a wrong answer there.
    """
    owners = np.array([str(person).split("/", 1)[0] for person in predictions.subjects])
    metrics = {}
    for name in dict.fromkeys(owners.tolist()):
        one = predictions.take(np.flatnonzero(owners == name))
        known = np.isin(one.predicted, one.true)
        one = replace(one, predicted=np.where(known, one.predicted, -1), probabilities=None)
        own = measure(one, seed=seed).to_dict()
        keys = ("macro_f1", "interval", "balanced_accuracy", "accuracy", "windows", "subjects")
        metrics[name] = {key: own[key] for key in keys}
    return metrics


def recipe_split(recipe: Mapping[str, Any], store: Windows) -> Split:
    """Make the split again that an adapter or an encoder was trained with.

    Without one in the recipe it is the published split of the store, or one by subject. A store
    that an adapter learned side by side with others has the part of that split that it brought.
    """
    options = recipe.get("split")
    if options and options.get("kind") == "published" and not store.published:
        return make_split(store, own_split(store))
    if options is None:
        published = bool(store.published.get("train") and store.published.get("test"))
        return make_split(store, SplitConfig(kind="published" if published else "subject"))
    try:
        return make_split(store, SplitConfig(**options))
    except TypeError as error:
        raise ConfigError(f"the recipe's split cannot be read ({error}); train again") from error


def checked_split(
    recipe: Mapping[str, Any], store: Windows, taught: Sequence[Taught], what: str
) -> Split:
    """Make the split of a recipe on a store, whose test people have taught nothing.

    `what` is judged, for messages: "the adapter 'mine'". Another store than it learned from divides
    otherwise; `taught` says who taught it.

    Raises:
        DataError: test people are among those who taught it.
    """
    split = recipe_split(recipe, store)
    for people in taught:
        people.check(store, split.test, what)
    return split


def data_facts(store: Windows, split: Split) -> dict[str, Any]:
    """Return what a card says of the data: source, and how many people are in each part.

    `converted` says what was brought to the adapter's spec, where anything was.
    """
    people = {part: len(who) for part, who in split.subjects(store).items()}
    facts = {"source": store.source, "store": store.path.name, "people": people}
    if isinstance(store, ConvertedView) and (changes := conversions(store.store.spec, store.spec)):
        facts["converted"] = changes
    return facts


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
    with replace_file(path) as part:
        pq.write_table(pa.table(columns), part)
