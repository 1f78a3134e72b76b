"""Build what a recipe says: its windows, the frozen LLM, an adapter with untrained weights."""

import logging
from dataclasses import replace

import numpy as np
import torch

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.builders import build_cross_attention, build_projector
from sensor2llm.adapter.parts import (
    AdapterData,
    AdapterPrompt,
    Bridge,
    LLMReference,
    LLMTuning,
    Provenance,
)
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.extra.cross_attention import GatedCrossAttention
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import TemplateError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.compilation import compile_layers
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.prefix_tuning import LearnedPrefix
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.model.prompt_text import PromptRenderer
from sensor2llm.recipes.config import (
    CAPTIONING,
    CLASSIFICATION,
    NONE,
    QUESTION_ANSWERING,
    REGRESSION,
    Recipe,
    changes_of,
    to_plain,
)
from sensor2llm.recipes.encoder import LoadedEncoder
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.transforms import fit_normaliser
from sensor2llm.training.devices import process_state

PROMPTS = {QUESTION_ANSWERING: "question", CAPTIONING: "caption", REGRESSION: "estimate"}
logger = logging.getLogger(__name__)


def load_llm(recipe: Recipe) -> FrozenLLM:
    """Load the recipe's frozen language model, its layers compiled for training where wanted."""
    llm = FrozenLLM.load(
        recipe.llm,
        dtype=recipe.llm_dtype,
        quantization=recipe.llm_quantization,
        device_map=recipe.llm_device_map,
        random_weights=recipe.llm_random_weights,
        seed=recipe.loop.seed,
        checkpointing=recipe.llm_checkpointing,
    )
    if recipe.llm_compile:
        compile_layers(llm.model, llm.device)
        logger.info(
            "the language model's layers are compiled in the first step, which takes some seconds "
            "longer; docs/results/speed.md says after how many steps that pays"
        )
    return llm


def check_prompt(recipe: Recipe, store: Windows, llm: FrozenLLM) -> None:
    """Render the prompt and every label once, before anything is trained."""
    first, *others = load_templates(recipe).values()
    apart = recipe.projector.per_modality and recipe.encoder != NONE
    if "signals" in first.uses("encoded") and not apart:
        raise TemplateError(
            f"prompt '{first.name}' has a place for each modality; train with an encoder and "
            "projector.per_modality: true"
        )
    bare = SensorAdapter(
        data=AdapterData(spec=store.spec, label_names=store.label_names),
        prompt=AdapterPrompt(template=first, templates={one.task: one for one in others}),
        llm=LLMReference(name=llm.name, identity=""),
    )
    prompting = PromptRenderer(bare, llm)
    if prompting.classifies:
        _ = prompting.answers


def load_templates(recipe: Recipe) -> dict[str, PromptTemplate]:
    """Give the prompt template of every task, the adapter's own first."""
    tasks = sorted(recipe.tasks, key=lambda task: task != CLASSIFICATION)
    templates = {}
    for task in tasks:
        name = recipe.prompt if task == CLASSIFICATION else PROMPTS[task]
        templates[task] = PromptTemplate.load(recipe.tasks[task].prompt or name)
    return templates


def build_adapter(
    recipe: Recipe, store: Windows, split: Split, heard: LoadedEncoder | None, llm: FrozenLLM
) -> SensorAdapter:
    """Build the untrained adapter.

    Weights are drawn from torch's global generator: the caller seeds it, because a number head is
    drawn after them.
    """
    encoder, seed = heard.encoder if heard else None, recipe.loop.seed
    stated = replace(recipe, llm_compile=False)  # how fast it was trained is nothing of it
    prompt, prefix, lora = recipe.soft_prompt, recipe.prefix, recipe.lora
    templates = load_templates(recipe)
    if recipe.align_epochs:
        templates.setdefault(CAPTIONING, PromptTemplate.load(PROMPTS[CAPTIONING]))
    return SensorAdapter(
        data=AdapterData(
            spec=encoder.spec if encoder else store.spec,
            label_names=store.label_names,
            normaliser=heard.normaliser if heard else fit_normaliser(store, split.train),
        ),
        prompt=AdapterPrompt(template=next(iter(templates.values())), templates=templates),
        llm=LLMReference(name=llm.name, identity=llm.identity),
        bridge=_bridge(recipe, encoder, llm),
        tuning=LLMTuning(
            soft_prompt=SoftPrompt.start(prompt, llm, seed=seed) if prompt.tokens else None,
            prefix=LearnedPrefix.start(prefix, llm, seed=seed) if prefix.tokens else None,
            lora=LoraWeights.start(lora, llm, seed=seed) if lora.rank else None,
        ),
        provenance=Provenance(
            recipe=to_plain(stated),
            recipe_changes=changes_of(stated),
            taught=_taught(store, split, heard),
        ),
    )


def _bridge(recipe: Recipe, encoder: SignalEncoder | None, llm: FrozenLLM) -> Bridge:
    if encoder is None:
        return Bridge()
    config = recipe.projector
    return Bridge(
        encoder=encoder,
        projector=build_projector(config, encoder, llm.width, llm.embedding_std),
        projector_config=config,
        cross_attention=_cross_attention(config, llm),
    )


def _taught(store: Windows, split: Split, heard: LoadedEncoder | None) -> list[Taught]:
    """Say who teaches the bridge and is chosen on, and who taught the encoder."""
    own = Taught.of(store, np.concatenate([split.train, split.validation]))
    return [own, *(taught for taught in (heard.taught if heard else ()) if taught != own)]


def _cross_attention(config: ProjectorConfig, llm: FrozenLLM) -> GatedCrossAttention | None:
    if config.kind != "cross_attention":
        return None
    # The mark starts as a line break, which a prompt may have there anyway.
    ids = torch.tensor([llm.encode("\n")[-1:]])
    with torch.no_grad():
        mark = llm.embed(ids)[0].float().cpu()
    return build_cross_attention(config, mark, llm.layers, llm.hidden_width)


def open_data(recipe: Recipe) -> WindowStore:
    """Open the recipe's store; without one, simulate recordings into the run folder once."""
    if recipe.data is not None:
        return WindowStore.open(recipe.data)
    path = recipe.run / "store"
    with process_state().main_process_first():
        if path.is_dir() and WindowStore.open(path).source == f"simulated: {recipe.simulation}":
            return WindowStore.open(path)
        logger.info("simulating recordings of %d people", recipe.simulation.subjects)
        return simulate_store(path, recipe.simulation)
