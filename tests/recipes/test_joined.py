"""One adapter for data sets of different sensors: trained, saved, judged on all and on each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ArtefactError, ConfigError, DataError
from sensor2llm.evaluation.cards.adapter import write_card
from sensor2llm.evaluation.evaluation import evaluate_adapter, recipe_split
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.prepare import main as prepare
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.encoder import get_encoder
from sensor2llm.recipes.train import TrainedAdapter, train_adapter
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder

SHORT = LoopConfig(epochs=1, steps=2, batch_size=8, precision="float32")
NAMES = {"moves": ("activity", 15), "feels": ("rhythm", 150)}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Make two data sets, an encoder for each, and the store of both."""
    folder = tmp_path_factory.mktemp("joined")
    for name, (scenario, bout_s) in NAMES.items():
        config = SimulationConfig(scenario=scenario, subjects=6, sessions=1, bout_s=bout_s)
        simulate_store(folder / name, config)
        settings = EncoderConfig(width=8, pooled_steps=4, strides=(2, len(name) % 3 + 1, 1))
        recipe = EncoderRecipe(
            encoder=settings, pretrain_loop=SHORT, split=SplitConfig(kind="fold")
        )
        make_encoder(recipe, folder / name, folder / f"{name}-encoder")
    words = ["joined", "--out", str(folder / "both"), "--picture", "none", "--stores"]
    assert prepare([*words, *(str(folder / name) for name in NAMES)]) == 0
    return folder


@pytest.fixture(scope="module")
def recipe(base) -> Recipe:
    return Recipe(
        data=base / "both",
        split=SplitConfig(kind="published"),
        encoder="+".join(str(base / f"{name}-encoder") for name in NAMES),
        llm=str(tiny_folder("llama")),
        llm_dtype="float32",
        projector=ProjectorConfig(tokens=2, hidden=16),
        loop=replace(SHORT, epochs=1),
        out=base / "adapter",
    )


@pytest.fixture(scope="module")
def trained(recipe) -> TrainedAdapter:
    return train_adapter(recipe)


def test_it_hears_every_data_sets_sensors_and_knows_all_labels(trained, base):
    stores = [WindowStore.open(base / name) for name in NAMES]
    adapter = trained.model.adapter
    assert adapter.spec.names == tuple(name for store in stores for name in store.spec.names)
    assert set(adapter.label_names) == {label for store in stores for label in store.label_names}
    for store in stores:
        for name in store.spec.names:
            mean, _ = adapter.normaliser.statistics(name)
            assert len(mean) == len(store.spec[name].channels)


def test_a_saved_one_is_judged_on_all_and_on_each(trained, base, recipe):
    model = SensorLanguageModel.from_pretrained(recipe.out, llm=trained.model.llm).eval()
    both = evaluate_adapter(model, trained.store, trained.split)
    assert list(both.metrics["data_sets"]) == list(NAMES)
    said = both.predictions
    for name in NAMES:
        store = WindowStore.open(base / name)
        split = recipe_split(model.adapter.recipe, store)
        alone = evaluate_adapter(model, store, split)
        own = both.metrics["data_sets"][name]
        assert alone.metrics["macro_f1"] == pytest.approx(own["macro_f1"])
        assert alone.metrics["windows"] == own["windows"]
        here = np.char.startswith(said.subjects.astype(str), f"{name}/")
        assert alone.predictions.predicted.tolist() == said.predicted[here].tolist()
        assert "data_sets" not in alone.metrics
    both.save(recipe.out)
    card = write_card(recipe.out).read_text()
    assert "| moves | " in card
    assert trained.store.spec.length_text in card


def test_an_encoder_of_one_data_set_is_checked_for_leaks_in_the_store_of_both(base, recipe):
    store = WindowStore.open(base / "both")
    other = make_split(store, SplitConfig(kind="subject", seed=5))
    with pytest.raises(DataError, match=r"leak: the encoder .* \((moves|feels)/"):
        get_encoder(recipe, store, other, resume=False)


@pytest.mark.parametrize("order", [1, -1])
def test_each_of_the_joined_encoders_is_checked_for_leaks(base, recipe, tmp_path, order):
    """Those who taught one are tested; whichever stands first."""
    settings = EncoderRecipe(
        encoder=EncoderConfig(width=8, pooled_steps=4, strides=(2, 2, 1)),
        pretrain_loop=SHORT, split=SplitConfig(kind="fold", fold=2),
    )  # fmt: skip
    make_encoder(settings, base / "feels", tmp_path / "leaky")
    names = [str(base / "moves-encoder"), str(tmp_path / "leaky")][::order]
    store = WindowStore.open(base / "both")
    with pytest.raises(DataError, match=r"leak: the encoder '.*leaky' .* \(feels/"):
        get_encoder(
            replace(recipe, encoder="+".join(names)), store, make_split(store, recipe.split), False
        )


def test_an_encoder_of_both_is_checked_for_leaks_in_each_data_set(base, tmp_path):
    settings = EncoderRecipe(
        encoder=EncoderConfig(width=8, pooled_steps=4),
        pretrain_loop=SHORT,
        split=SplitConfig(kind="published"),
    )
    make_encoder(settings, base / "both", tmp_path / "encoder")
    store = WindowStore.open(base / "moves")
    wanted = Recipe(data=base / "moves", encoder=str(tmp_path / "encoder"))
    get_encoder(wanted, store, make_split(store, SplitConfig(kind="fold")), resume=False)
    with pytest.raises(DataError, match="leak: the encoder"):
        get_encoder(
            wanted, store, make_split(store, SplitConfig(kind="fold", fold=2)), resume=False
        )


def test_encoders_that_are_not_there_or_lack_a_normalisation_are_named(base, recipe, tmp_path):
    store = WindowStore.open(base / "both")
    split = make_split(store, recipe.split)
    with pytest.raises(ArtefactError, match="no encoder 'nothing'"):
        get_encoder(
            replace(recipe, encoder=f"{base / 'moves-encoder'}+nothing"), store, split, False
        )
    bare = get_encoder(
        replace(recipe, encoder=str(base / "feels-encoder")), WindowStore.open(base / "feels"),
        make_split(WindowStore.open(base / "feels"), SplitConfig(kind="fold")), False,
    )  # fmt: skip
    bare.encoder.save_pretrained(tmp_path / "bare")
    with pytest.raises(ConfigError, match="one of the joined encoders has no normalisation"):
        get_encoder(
            replace(recipe, encoder=f"{base / 'moves-encoder'}+{tmp_path / 'bare'}"),
            store, split, False,
        )  # fmt: skip
