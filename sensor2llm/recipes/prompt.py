"""What the language model gets, before anything is trained: `train_adapter --show-prompt`."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.parts import AdapterData, AdapterPrompt, LLMReference
from sensor2llm.adapter.signal_text import SignalText, window_variables
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.model.prompt_text import PromptRenderer
from sensor2llm.pretraining.run import labelled
from sensor2llm.recipes.build import build_adapter, load_llm, open_data
from sensor2llm.recipes.config import NEW, NONE, Recipe
from sensor2llm.recipes.encoder import LoadedEncoder, find_encoders, load_encoder
from sensor2llm.recipes.start import start_recipe
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import Split, make_split
from sensor2llm.signals.store.windows import Windows

ENCODED, FEW_SHOT = "encoded", "few_shot"
NUMBERS = SignalText(form="fixed", steps=16)
"""How the forms without an encoder write a window: a channel in time is averaged to 16 numbers."""


def prompt_of(recipe: Recipe, form: str = ENCODED) -> str:
    """Give exactly what the LLM's tokenizer gets for the first training window.

    The encoded form has its placeholders; other forms, which are not trained, have the window's
    numbers, and a few-shot form a solved window a label from the training people.

    Raises:
        TemplateError: the prompt has no such form.
    """
    recipe = start_recipe(recipe)
    store = open_data(recipe)
    split, llm = make_split(store, recipe.split), load_llm(recipe)
    if form != ENCODED:
        return _untrained_prompt(recipe, store, split, llm, form)
    adapter = build_adapter(recipe, store, split, _encoder(recipe, store), llm)
    prompting = PromptRenderer(adapter, llm)
    first = WindowDataset(store, split.train[:1], adapter.normaliser).batch(np.arange(1))
    variables = window_variables(first, adapter.spec, adapter.normaliser, adapter.window_variables)
    values = variables[0] if variables else None
    if adapter.encoder is not None:
        return prompting.text(template_values=values)
    [text] = adapter.signal_text.rows(first, store.spec, adapter.normaliser)
    return prompting.text(signal=text, template_values=values)


def _untrained_prompt(
    recipe: Recipe, store: Windows, split: Split, llm: FrozenLLM, form: str
) -> str:
    adapter = SensorAdapter(
        data=AdapterData(spec=store.spec, label_names=store.label_names),
        prompt=AdapterPrompt(template=PromptTemplate.load(recipe.prompt), form=form),
        llm=LLMReference(name=llm.name, identity=""),
    )
    first = int(labelled(store, split.train)[0])
    window = store[first]
    variables: dict[str, Any] = {
        "missing": [n for n in store.spec.names if n not in window.signals]
    }
    if form == FEW_SHOT:
        variables["examples"] = list(_examples(store, split, first))
    return PromptRenderer(adapter, llm, variables).text(signal=NUMBERS.write(window, store.spec))


def _examples(store: Windows, split: Split, shown: int) -> Iterator[dict[str, str]]:
    """Give the first training window of each label, the one that is asked about left out."""
    rows = [row for row in labelled(store, split.train).tolist() if row != shown]
    for label in range(len(store.label_names)):
        for row in rows:
            if store.labels[row] == label:
                numbers = NUMBERS.write(store[row], store.spec)
                yield {"numbers": numbers, "label": store.label_names[label]}
                break


def _encoder(recipe: Recipe, store: Windows) -> LoadedEncoder | None:
    """Give the recipe's encoder, a new one before its training."""
    if recipe.encoder == NONE:
        return None
    if recipe.encoder == NEW:
        return LoadedEncoder(SignalEncoder(store.spec, recipe.new_encoder.encoder), None)
    return load_encoder(*find_encoders(recipe.encoder))
