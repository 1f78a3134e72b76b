"""Every recipe file of the repository is read, and trains for a few steps on small things."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sensor2llm.command import read_recipe
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import NEW, Recipe, TaskMix
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.config import SplitConfig
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "recipes"
RECIPES = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
FEW = {"epochs": 1, "steps": 2, "batch_size": 8, "precision": "float32", "patience": 0}
SHORT = LoopConfig(epochs=1, steps=2, batch_size=8, precision="float32")
ENCODER = EncoderRecipe(
    encoder=EncoderConfig(width=8, pooled_steps=4), pretrain_loop=SHORT, finetune_loop=SHORT
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Recipe]:
    """Simulate people in motion and people who breathe out, with an encoder for each."""
    folder = tmp_path_factory.mktemp("files")
    found = {}
    for scenario in ("activity", "spirometry"):
        bout_s = 10 if scenario == "activity" else None
        config = SimulationConfig(scenario=scenario, subjects=8, sessions=1, bout_s=bout_s)
        simulate_store(folder / scenario, config)
        recipe = Recipe(
            data=folder / scenario,
            llm=str(tiny_folder("llama")),
            llm_dtype="float32",
            new_encoder=ENCODER,
            loop=SHORT,
            out=folder / f"{scenario}-adapter",
        )
        train_adapter(recipe)
        encoder = str(folder / f"{scenario}-adapter-run" / "encoder")
        found[scenario] = replace(recipe, encoder=encoder)
    return found


@pytest.fixture(scope="module")
def long_llm(tmp_path_factory) -> str:
    """Give a tiny LLM whose context holds the prompt of conversations."""
    folder = tmp_path_factory.mktemp("llm") / "long"
    shutil.copytree(tiny_folder("llama"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 1024}))
    return str(folder)


def test_there_is_a_recipe_of_each_kind():
    kinds = {"questions", "multi_task", "two_stage", "few_shot", "cross_attention", "qformer"}
    assert kinds | {"reprogramming", "prefix_tuning", "lora", "regression"} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_file_trains_a_few_steps(name, made, long_llm, tmp_path):
    given = read_recipe(RECIPES[name], Recipe)
    base = made["spirometry" if given.prompt == "asthma" else "activity"]
    tasks = {task: small(mix) for task, mix in given.tasks.items()}
    recipe = replace(
        given,
        data=base.data,
        split=SplitConfig(),
        encoder=NEW if given.encoder == NEW else base.encoder,
        new_encoder=ENCODER,
        llm=long_llm if any(mix.conversation for mix in tasks.values()) else base.llm,
        llm_dtype="float32",
        llm_quantization=None,
        tasks=tasks,
        projector=replace(given.projector, hidden=12 if given.projector.heads == 3 else 16),
        loop=replace(given.loop, **FEW),
        out=tmp_path / name,
    )
    trained = train_adapter(recipe)
    windows = [trained.store[i] for i in range(3)]
    model = SensorLanguageModel.from_pretrained(tmp_path / name, llm=trained.model.llm)
    assert model.llm.fingerprint() == trained.fingerprint
    if "classification" in tasks:
        torch.testing.assert_close(model.score(windows).sum(1), torch.ones(3))


def small(mix: TaskMix) -> TaskMix:
    """Ask for what the simulated windows have."""
    return replace(mix, target="heart_rate.heart_rate" if mix.target else None)
