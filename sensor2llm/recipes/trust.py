"""Add to an adapter what its training windows look like, and calibrate its labels."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import CLASSIFICATION
from sensor2llm.adapter.calibration import Calibration, calibrate
from sensor2llm.adapter.trust import Trust
from sensor2llm.encoders.orientation import turn_free_names
from sensor2llm.errors import DataError, one_line
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.augment import half_band
from sensor2llm.recipes.config import NEW
from sensor2llm.signals.likeness.profile import Signals, TrainingProfile, Variant, fit_profile
from sensor2llm.signals.likeness.statistics import is_acceleration
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.tasks.classification import predictions

logger = logging.getLogger(__name__)


def measure_trust(
    model: SensorLanguageModel,
    store: Windows,
    split: Split,
    batch_size: int = 64,
    folds: Sequence[Path] = (),
) -> Trust:
    """Measure the training and validation people's windows, and calibrate on validation people.

    What cannot be measured is left out, and a line says why. With `folds`, `predictions.parquet` of
    adapters by the same recipe, each of people that it never saw, everybody in them calibrates
    [cross-conformal prediction, Vovk 2015].

    Raises:
        DataError: a label that the adapter does not know.
        SpecError: the store's windows cannot be brought to the adapter's spec.
    """
    model.adapter.trust = Trust()  # what is calibrated is the adapter without a temperature
    converted = convert_store(store, model.adapter.spec, quiet=True)
    taught = np.sort(np.concatenate([split.train, split.validation]))
    return Trust(
        _profile(model.adapter, converted, taught),
        _fold_calibration(folds, model.adapter.label_names, store, split)
        if folds
        else _calibration(model, converted, split, batch_size),
    )


def _profile(adapter: SensorAdapter, store: Windows, taught: np.ndarray) -> TrainingProfile | None:
    spec, encoder = adapter.spec, adapter.encoder
    try:
        if store.spec.names != spec.names:
            raise DataError(f"'{store.path}' does not have all of {', '.join(spec.names)}")
        profile = fit_profile(
            store,
            taught,
            np.asarray(store.labels)[taught],
            turn_free=turn_free_names(spec, encoder.config) if encoder else (),
            variants=heard_variants(adapter.recipe, spec),
        )
    except DataError as error:
        logger.warning("what training windows look like is not kept: %s", error)
        return None
    if not profile.recordings:
        logger.info("the store names no recordings: a person's windows count as one")
    return profile


def heard_variants(recipe: Mapping[str, Any], spec: SignalSpec) -> list[Variant]:
    """Give what a recipe's training did to windows that another device does: losses, and both.

    Only of an encoder that was made in the same run: of another its recipe says nothing.
    """
    supervised = (recipe.get("new_encoder") or {}).get("supervised") or {}
    augment = (supervised.get("augment") or {}) if recipe.get("encoder") == NEW else {}
    accelerations = [m.name for m in spec.modalities if is_acceleration(m)]
    timed = [m.name for m in spec.modalities if m.rate_hz]

    def without_gravity(signals: Signals) -> Signals:
        moved = {n: signals[n] - signals[n].mean(-1, keepdims=True) for n in accelerations}
        return {**signals, **moved}

    def at_half_rate(signals: Signals) -> Signals:
        slow = {n: half_band(torch.from_numpy(signals[n])).numpy() for n in timed}
        return {**signals, **slow}

    losses = [loss for key, loss in (("gravity_loss", without_gravity), ("rate_loss", at_half_rate))
              if augment.get(key)]  # fmt: skip
    both = [lambda signals: at_half_rate(without_gravity(signals))] if len(losses) > 1 else []
    return [*losses, *both]


def _calibration(
    model: SensorLanguageModel, store: Windows, split: Split, batch_size: int
) -> Calibration | None:
    rows = split.validation[np.asarray(store.labels)[split.validation] >= 0]
    if CLASSIFICATION not in model.adapter.templates or not len(rows):
        return None
    answers = predictions(model, store, rows, batch_size=batch_size)
    assert answers.probabilities is not None  # labels are scored
    people = np.unique(answers.subjects, return_inverse=True)[1]
    return calibrate(answers.probabilities.astype(np.float64), answers.true, people)


def _fold_calibration(
    files: Sequence[Path], labels: Sequence[str], store: Windows, split: Split
) -> Calibration:
    columns = ["subject", "true", *(f"p_{label}" for label in labels)]
    tables = []
    for file in files:
        try:
            tables.append(parquet.read_table(file, columns=columns))
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"'{file}' has no predictions of these labels ({one_line(error, 80)}); give "
                "predictions.parquet that `evaluate` wrote of adapters by the same recipe"
            ) from error
    table = pa.concat_tables(tables)
    people, numbers = np.unique(table["subject"].to_pylist(), return_inverse=True)
    test = set(split.subjects(store)["test"])
    if leaked := sorted(test & set(people.tolist())):
        raise DataError(f"leak: {leaked[0]} is a test person; the folds are of all others")
    probabilities = np.stack([table[f"p_{label}"].to_numpy() for label in labels], 1)
    true = np.array([labels.index(label) for label in table["true"].to_pylist()])
    return calibrate(probabilities.astype(np.float64), true, numbers)
