"""Turn a recipe into an adapter: data, encoder, bridge, training, the adapter's folder."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.files import TRAINING
from sensor2llm.artefacts.manifest import check_out
from sensor2llm.errors import ModelError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.run import labelled
from sensor2llm.recipes.asking import TaskPart, make_head, make_source
from sensor2llm.recipes.baselines import LabelBaselines, measure_baselines
from sensor2llm.recipes.build import build_adapter, check_prompt, load_llm, open_data
from sensor2llm.recipes.config import CAPTIONING, CLASSIFICATION, REGRESSION, Recipe, TaskMix
from sensor2llm.recipes.features import FeatureStore, keep_check_windows, takes_placement
from sensor2llm.recipes.sources import BatchSource, TrainingRows
from sensor2llm.recipes.start import choose_encoder, load_start, start_recipe, take_over
from sensor2llm.recipes.task import AdapterTask
from sensor2llm.recipes.trust import measure_trust
from sensor2llm.signals.labels import check_labels, warn_of_labels
from sensor2llm.signals.splits.splits import Split, few_shots, label_fraction, make_split
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.tasks.aligned import AdapterDataset
from sensor2llm.training.checkpoint import drop_checkpoints, sole_run
from sensor2llm.training.config import config_for_rows
from sensor2llm.training.devices import process_state
from sensor2llm.training.loop import FitResult, fit
from sensor2llm.training.seeding import seeded

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedAdapter:
    """An adapter that was trained and saved, and how the run went."""

    model: SensorLanguageModel
    store: Windows
    split: Split
    result: FitResult
    fingerprint: str
    baselines: LabelBaselines | None = None


def train_adapter(recipe: Recipe, *, resume: bool = False) -> TrainedAdapter:
    """Run a recipe and save the adapter to `recipe.out`.

    The LLM's tensors are hashed before and after; the two must be equal.

    Raises:
        UserError: the data, the LLM, the encoder or the prompt cannot be used as given, or another
            process is at the same run.
    """
    recipe = start_recipe(recipe)
    check_out(recipe.out, "adapter")
    with sole_run(recipe.run):
        return _train(recipe, resume)


def _train(recipe: Recipe, resume: bool) -> TrainedAdapter:
    store: Windows = open_data(recipe)
    split = make_split(store, recipe.split)
    if recipe.classifies:
        check_labels(store, split)
        warn_of_labels(store, split)
    llm = load_llm(recipe)
    check_prompt(recipe, store, llm)
    start = load_start(recipe, store, split, llm)
    heard = choose_encoder(recipe, store, split, start, resume)
    if not resume:
        drop_checkpoints(recipe.run)
    # A ready encoder may hear other units or rates; rows, people and labels stay the same.
    store = convert_store(store, heard.encoder.spec) if heard else store
    before = llm.fingerprint()
    with seeded(recipe.loop.seed):
        adapter = take_over(build_adapter(recipe, store, split, heard, llm), start)
        model = SensorLanguageModel(
            adapter, llm, encoder_trainable=recipe.train_encoder, objective=recipe.objective
        )
        model.check_context()
        parts = _parts(recipe, model, store, split)
    recipe = replace(recipe, loop=config_for_rows(recipe.loop, len(parts["train"].rows)))
    task = make_task(recipe, model, parts, recipe.tasks)
    # Trained on the answers' tokens too, labels need none: what they score is what they are.
    if recipe.objective == "labels":
        model.measure_prior(task.prior_batches())
    identity = _identity(recipe, model, store, split)
    _align(recipe, model, parts, resume, identity)
    result = fit(task, recipe.loop, recipe.run / "adapter", resume=resume, identity=identity)
    _check_frozen(llm, before)
    if not process_state().is_main_process:
        return TrainedAdapter(model, store, split, result, before)
    trained = TrainedAdapter(model, store, split, result, before, _baselines(model, parts, result))
    _keep_limits(trained, parts)
    model.adapter.save_pretrained(recipe.out, {TRAINING: _summary(trained)})
    if trained.baselines:
        level = logging.WARNING if trained.baselines.is_behind else logging.INFO
        logger.log(level, trained.baselines.line())
    return trained


def _keep_limits(trained: TrainedAdapter, parts: Mapping[str, TaskPart]) -> None:
    """Keep in the adapter what it takes to say when it cannot, and to try another LLM."""
    model = trained.model
    model.adapter.trust = measure_trust(model, trained.store, trained.split)
    keep_check_windows(model, parts["validation"].rows, parts["train"].rows)


def _check_frozen(llm: FrozenLLM, before: str) -> None:
    if llm.fingerprint() != before:
        raise ModelError(
            "the language model's weights changed in training, or its settings, or a hook was left "
            "behind; this must not happen"
        )


def _parts(
    recipe: Recipe, model: SensorLanguageModel, store: Windows, split: Split
) -> dict[str, TaskPart]:
    """Read both parts' windows; a number to estimate is measured on the training windows."""
    parts = {
        "train": _part(recipe, model.adapter, store, "train", split.train),
        "validation": _part(recipe, model.adapter, store, "validation", split.validation),
    }
    regression = recipe.tasks.get(REGRESSION)
    if regression is not None and regression.weight:
        model.adapter.head = make_head(regression, parts["train"], model.llm).to(model.llm.device)
    return parts


def _align(
    recipe: Recipe,
    model: SensorLanguageModel,
    parts: Mapping[str, TaskPart],
    resume: bool,
    identity: dict[str, Any],
) -> None:
    """Train the projector alone on captions first, where the recipe has two stages."""
    if not recipe.align_epochs:
        return
    adapter = model.adapter
    held = [p for p in adapter.parameters() if p.requires_grad]
    own = {id(p) for m in (adapter.projector, adapter.cross_attention) if m for p in m.parameters()}
    for parameter in held:
        parameter.requires_grad_(id(parameter) in own)
    mix = recipe.tasks.get(CAPTIONING, TaskMix(per_window=1))
    try:
        task = make_task(recipe, model, parts, {CAPTIONING: replace(mix, weight=1.0)})
        loop = replace(recipe.loop, epochs=recipe.align_epochs)
        fit(task, loop, recipe.run / "align", resume=resume, identity=identity)
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def make_task(
    recipe: Recipe,
    model: SensorLanguageModel,
    parts: Mapping[str, TaskPart],
    tasks: Mapping[str, TaskMix],
) -> AdapterTask:
    """Make every task's items of the training and the validation windows."""
    adapter, judges = model.adapter, {}
    target = adapter.head.target if adapter.head else None
    made: dict[str, list[BatchSource]] = {"train": [], "validation": []}
    for task in sorted(tasks, key=lambda name: name != CLASSIFICATION):
        if not tasks[task].weight:
            continue
        for name, part in parts.items():
            source, judge = make_source(task, tasks[task], part, adapter, target)
            made[name].append(source)
        if judge is not None:
            judges[task] = judge
    size, seed = recipe.loop.batch_size, recipe.loop.seed
    return AdapterTask(
        model, made["train"], made["validation"], size, seed, judges, recipe.modality_dropout
    )


def _part(
    recipe: Recipe,
    adapter: SensorAdapter,
    store: Windows,
    name: str,
    positions: NDArray[np.int64],
) -> TaskPart:
    """Give one part's windows: labelled ones, and where few are wanted, those few."""
    if set(recipe.tasks) == {CLASSIFICATION}:
        positions = labelled(store, positions)
    if name == "train" and recipe.label_fraction < 1:
        positions = label_fraction(store, positions, recipe.label_fraction, recipe.loop.seed)
    if name == "train" and recipe.shots is not None:
        positions = few_shots(store, positions, recipe.shots, recipe.loop.seed)
    seed = 2 * recipe.loop.seed + (name != "train")
    # Half of what validates a conversation is in wordings that training never meets.
    held_out = 0.0 if name == "train" else 0.5
    rows = _rows(recipe, adapter, store, name, positions)
    return TaskPart(store, positions, rows, seed, held_out)


def _rows(
    recipe: Recipe,
    adapter: SensorAdapter,
    store: Windows,
    name: str,
    rows: NDArray[np.int64],
) -> TrainingRows:
    """Keep the features of a frozen encoder; give signals where it is trained or there is none."""
    dataset = AdapterDataset(store, rows, adapter)
    if adapter.encoder is None or recipe.train_encoder:
        return dataset
    key: dict[str, object] = {
        "encoder": adapter.encoder.fingerprint(),
        "normaliser": adapter.normaliser.to_dict() if adapter.normaliser else None,
        "scale": recipe.projector.scale,
        "given": [*sorted(adapter.window_variables), *["placement"] * takes_placement(adapter)],
    }
    with process_state().main_process_first():
        return FeatureStore.write(recipe.run / "features" / name, adapter, dataset, key)


def _identity(
    recipe: Recipe, model: SensorLanguageModel, store: Windows, split: Split
) -> dict[str, Any]:
    """Give what must be equal for a checkpoint to be gone on from."""
    encoder = model.adapter.encoder
    return {
        "llm": model.llm.identity,
        "encoder": encoder.fingerprint() if encoder else recipe.encoder,
        "projector": asdict(recipe.projector),
        "soft_prompt": asdict(recipe.soft_prompt),
        "objective": recipe.objective,
        "prompt": model.adapter.template.to_dict(),
        "data": store.fingerprint,
        "people": {part: list(names) for part, names in split.subjects(store).items()},
        "label_fraction": recipe.label_fraction,
        "shots": recipe.shots,
        "tasks": {task: asdict(mix) for task, mix in recipe.tasks.items()},
        "align_epochs": recipe.align_epochs,
        "modality_dropout": recipe.modality_dropout,
        "llm_loaded": [recipe.llm_dtype, recipe.llm_quantization],
        "inside": [asdict(recipe.prefix), asdict(recipe.lora)],
        # Runs of earlier releases started from nothing, and say nothing of it.
        **({"start_from": recipe.start_from} if recipe.start_from else {}),
    }


def _baselines(
    model: SensorLanguageModel, parts: Mapping[str, TaskPart], result: FitResult
) -> LabelBaselines | None:
    """Compare an adapter that says labels with what is reached without the LLM."""
    if CLASSIFICATION not in model.adapter.templates:
        return None
    return measure_baselines(
        model.eval(), parts, result.best_score if _only_labels(model) else None
    )


def _only_labels(model: SensorLanguageModel) -> bool:
    return set(model.adapter.templates) == {CLASSIFICATION}


def _summary(trained: TrainedAdapter) -> dict[str, Any]:
    model, result, baselines = trained.model, trained.result, trained.baselines
    trainable = sum(p.numel() for p in model.adapter.parameters() if p.requires_grad)
    figures = {
        "validation_macro_f1" if _only_labels(model) else "validation_score": result.best_score
    }
    if baselines:
        figures["validation_macro_f1_majority"] = baselines.majority
        figures["validation_macro_f1_probe"] = baselines.probe
    return figures | {
        "steps": result.steps,
        "windows_per_s": result.rows_per_s,
        "ended": result.ended,
        "trainable_parameters": trainable,
        "tokens_per_window": model.tokens_per_window,
        "llm_fingerprint": trained.fingerprint,
        "llm_unchanged": True,
    }


def summary_of(trained: TrainedAdapter, *, as_json: bool) -> str:
    """Give the run's figures as one JSON object or as lines for a person."""
    import json

    figures = _summary(trained)
    figures["adapter"] = str(trained.model.adapter.recipe["out"])
    if as_json:
        return json.dumps(figures)
    rounded = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in figures.items()}
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in rounded.items())
