"""Turn a recipe into an adapter: data, encoder, bridge, training, the adapter's folder."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sensor2llm.adapter import SensorAdapter
from sensor2llm.adapter_files import build_projector
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ModelError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.soft_prompt import SoftPrompt
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.manifest import check_out
from sensor2llm.model import SensorLanguageModel
from sensor2llm.pretraining.run import labelled
from sensor2llm.prompting import Prompting
from sensor2llm.recipes.config import NONE, Recipe, to_plain
from sensor2llm.recipes.data import open_data
from sensor2llm.recipes.encoder import Heard, get_encoder
from sensor2llm.recipes.features import FeatureStore
from sensor2llm.recipes.task import AdapterTask, Rows
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits import Split, label_fraction, make_split
from sensor2llm.signals.store import WindowStore
from sensor2llm.signals.transforms import fit_normaliser
from sensor2llm.training.devices import process_state
from sensor2llm.training.loop import FitResult, fit
from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """An adapter that was trained and saved, and how the run went."""

    model: SensorLanguageModel
    store: WindowStore
    split: Split
    result: FitResult
    fingerprint: str


def train_adapter(recipe: Recipe, *, resume: bool = False) -> Trained:
    """Run a recipe and save the adapter to `recipe.out`.

    The LLM's tensors are hashed before and after; the two must be equal.

    Raises:
        UserError: the data, the LLM, the encoder or the prompt cannot be used as given.
    """
    check_out(recipe.out, "adapter")
    store = open_data(recipe)
    split = make_split(store, recipe.split)
    llm = load_llm(recipe)
    check_prompt(recipe, store, llm)
    heard = None if recipe.encoder == NONE else get_encoder(recipe, store, split, resume)
    before = llm.fingerprint()
    model = SensorLanguageModel(
        build_adapter(recipe, store, split, heard, llm), llm, objective=recipe.objective
    )
    task = _task(recipe, model, store, split)
    # Trained on the answers' tokens too, labels need none: what they score is what they are.
    if recipe.objective == "labels":
        model.measure_prior(task.prior_batches())
    identity = _identity(recipe, model, store, split)
    result = fit(task, recipe.loop, recipe.run / "adapter", resume=resume, identity=identity)
    if llm.fingerprint() != before:
        raise ModelError("the language model's weights changed in training; this must not happen")
    if process_state().is_main_process:
        model.adapter.save(recipe.out)
        write_json(recipe.out / "training.json", _summary(model, result, before))
    return Trained(model, store, split, result, before)


def load_llm(recipe: Recipe) -> FrozenLLM:
    """Load the recipe's frozen language model."""
    return FrozenLLM.load(
        recipe.llm,
        dtype=recipe.llm_dtype,
        quantization=recipe.llm_quantization,
        random_weights=recipe.llm_random_weights,
        seed=recipe.loop.seed,
    )


def check_prompt(recipe: Recipe, store: WindowStore, llm: FrozenLLM) -> None:
    """Render the prompt and every label once, before anything is trained.

    Raises:
        TemplateError: the template cannot be read, or needs what an adapter does not have.
        ConfigError: two labels are the same text to the LLM, or one is empty.
    """
    template = PromptTemplate.load(recipe.prompt)
    bare = SensorAdapter(
        spec=store.spec,
        label_names=store.label_names,
        template=template,
        llm_name=llm.name,
        llm_identity="",
    )
    _ = Prompting(bare, llm).answers


def build_adapter(
    recipe: Recipe, store: WindowStore, split: Split, heard: Heard | None, llm: FrozenLLM
) -> SensorAdapter:
    """Build the untrained adapter; what takes gradients is drawn from the loop's seed."""
    torch.manual_seed(recipe.loop.seed)
    encoder = heard.encoder if heard else None
    if encoder is not None:
        encoder.requires_grad_(recipe.train_encoder)
        encoder.aggregator.requires_grad_(False)  # the bridge reads steps, never the joint vector
    return SensorAdapter(
        spec=encoder.spec if encoder else store.spec,
        label_names=store.label_names,
        template=PromptTemplate.load(recipe.prompt),
        form="encoded",
        llm_name=llm.name,
        llm_identity=llm.identity,
        normaliser=heard.normaliser if heard else fit_normaliser(store, split.train),
        encoder=encoder,
        projector=_projector(recipe, encoder, llm),
        projector_config=recipe.projector if encoder else None,
        soft_prompt=_soft_prompt(recipe, llm),
        recipe=to_plain(recipe),
    )


def _projector(recipe: Recipe, encoder: SignalEncoder | None, llm: FrozenLLM) -> Any:
    if encoder is None:
        return None
    return build_projector(recipe.projector, encoder, llm.width, llm.embedding_std)


def _soft_prompt(recipe: Recipe, llm: FrozenLLM) -> SoftPrompt | None:
    config = recipe.soft_prompt
    return SoftPrompt.start(config, llm, seed=recipe.loop.seed) if config.tokens else None


def _task(
    recipe: Recipe, model: SensorLanguageModel, store: WindowStore, split: Split
) -> AdapterTask:
    train = labelled(store, split.train)
    if recipe.label_fraction < 1:
        train = label_fraction(store, train, recipe.label_fraction, recipe.loop.seed)
    parts = {"train": train, "validation": labelled(store, split.validation)}
    rows = {name: _rows(recipe, model.adapter, store, name, part) for name, part in parts.items()}
    size, seed = recipe.loop.batch_size, recipe.loop.seed
    return AdapterTask(model, rows["train"], rows["validation"], size, seed)


def _rows(
    recipe: Recipe,
    adapter: SensorAdapter,
    store: WindowStore,
    name: str,
    rows: NDArray[np.int64],
) -> Rows:
    """Keep the features of a frozen encoder; give signals where it is trained or there is none."""
    dataset = WindowDataset(store, rows, adapter.normaliser)
    if adapter.encoder is None or recipe.train_encoder:
        return dataset
    key: dict[str, object] = {
        "encoder": adapter.encoder.fingerprint(),
        "normaliser": adapter.normaliser.to_dict() if adapter.normaliser else None,
        "store": str(store.path.resolve()),
        "rows": [len(rows), int(rows.sum())],
    }
    with process_state().main_process_first():
        return FeatureStore.write(recipe.run / "features" / name, adapter, dataset, key)


def _identity(
    recipe: Recipe, model: SensorLanguageModel, store: WindowStore, split: Split
) -> dict[str, Any]:
    """Give what must be equal for a checkpoint to be gone on from."""
    encoder = model.adapter.encoder
    return {
        "llm": model.llm.identity,
        "encoder": encoder.fingerprint()
        if encoder and not recipe.train_encoder
        else recipe.encoder,
        "projector": asdict(recipe.projector),
        "soft_prompt": asdict(recipe.soft_prompt),
        "objective": recipe.objective,
        "prompt": model.adapter.template.to_dict(),
        "people": {part: list(names) for part, names in split.subjects(store).items()},
        "label_fraction": recipe.label_fraction,
    }


def _summary(model: SensorLanguageModel, result: FitResult, fingerprint: str) -> dict[str, Any]:
    trainable = sum(p.numel() for p in model.adapter.parameters() if p.requires_grad)
    return {
        "validation_macro_f1": result.best_score,
        "steps": result.steps,
        "windows_per_s": result.rows_per_s,
        "ended": result.ended,
        "trainable_parameters": trainable,
        "tokens_per_window": model.tokens_per_window,
        "llm_fingerprint": fingerprint,
        "llm_unchanged": True,
    }


def summary_of(trained: Trained, *, as_json: bool) -> str:
    """Give the run's figures as one JSON object or as lines for a person."""
    import json

    figures = _summary(trained.model, trained.result, trained.fingerprint)
    figures["adapter"] = str(trained.model.adapter.recipe["out"])
    if as_json:
        return json.dumps(figures)
    rounded = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in figures.items()}
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in rounded.items())
