"""Start from an adapter that is there: its encoder, bridge and learned prompt, for other labels.

    python -m sensor2llm.train_adapter --from uci-har-bundled --data STORE

What it is made of (sizes of the bridge, the LLM, the prompt) is its recipe's; labels, windows and
training are one's own.
"""

from dataclasses import replace

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.files import RECIPE, find_adapter
from sensor2llm.artefacts.manifest import first_line
from sensor2llm.command import read_recipe
from sensor2llm.errors import ArtefactError, ConfigError, SpecError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.recipes.config import NEW, NONE, Recipe
from sensor2llm.recipes.encoder import LoadedEncoder, check_people, get_encoder
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.conversion import convert_store

FIXED = ("projector", "soft_prompt", "prefix", "lora")
"""What a recipe cannot change of the adapter that it starts from."""
USUAL = ("llm", "prompt")
"""What is the same unless the recipe says otherwise: the LLM may lie elsewhere."""
OWN = ("encoder.", "head.")
"""Weights that are there already, and those of a regression's head: its number is one's own."""


def start_recipe(recipe: Recipe) -> Recipe:
    """Give a recipe with what the adapter that it starts from is made of."""
    if recipe.start_from is None:
        return recipe
    usual = Recipe()
    theirs = read_recipe(find_adapter(recipe.start_from) / RECIPE, Recipe)
    theirs = replace(theirs, encoder=NONE if theirs.encoder == NONE else NEW)
    for name in (*FIXED, "encoder"):
        if getattr(recipe, name) not in (getattr(usual, name), getattr(theirs, name)):
            raise ConfigError(
                f"{name} is that of the adapter '{recipe.start_from}' that is started from; leave "
                f"{name} out, or start from nothing"
            )
    same = [name for name in USUAL if getattr(recipe, name) == getattr(usual, name)]
    return replace(recipe, **{name: getattr(theirs, name) for name in (*FIXED, "encoder", *same)})


def load_start(
    recipe: Recipe, store: Windows, split: Split, llm: FrozenLLM
) -> SensorAdapter | None:
    """Load the adapter that a recipe starts from; None where it starts from nothing."""
    if recipe.start_from is None:
        return None
    adapter, name = SensorAdapter.load(recipe.start_from), f"the adapter '{recipe.start_from}'"
    if not llm.matches(adapter.llm_identity):
        adapter.check_llm(llm.name, llm.identity)
    taught = adapter.taught or (Taught(),)
    check_people(taught, adapter.recipe, store, split, recipe.split, name)
    try:
        convert_store(store, adapter.spec, quiet=True)
    except SpecError as error:
        raise SpecError(f"the data do not fit {name}: {error}") from error
    return adapter


def choose_encoder(
    recipe: Recipe, store: Windows, split: Split, start: SensorAdapter | None, resume: bool
) -> LoadedEncoder | None:
    """Give the encoder that is started from, or the recipe's; None where there is none."""
    if start is not None and start.encoder is not None:
        return LoadedEncoder(start.encoder, start.normaliser, start.taught)
    return None if recipe.encoder == NONE else get_encoder(recipe, store, split, resume)


def take_over(adapter: SensorAdapter, start: SensorAdapter | None) -> SensorAdapter:
    """Give a new adapter the weights of the one that it starts from, and name who taught them."""
    if start is None:
        return adapter
    own = {name: value for name, value in adapter.state_dict().items() if name.startswith(OWN)}
    theirs = {k: value for k, value in start.state_dict().items() if not k.startswith(OWN)}
    try:
        adapter.load_state_dict(own | theirs)
    except RuntimeError as error:
        raise ArtefactError(
            f"the adapter '{adapter.recipe['start_from']}' is not made as its recipe says "
            f"({first_line(error)}); train it again, or start from another"
        ) from error
    others = (taught for taught in start.taught if taught not in adapter.taught)
    adapter.taught = (*adapter.taught, *others)
    return adapter
