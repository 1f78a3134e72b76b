"""Two data sets of simulated people on a tiny language model, for every part of the ablation."""

import pytest
import torch

from research.llm_ablation.training import Bench
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.encoder import LoadedEncoder
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.transforms import fit_normaliser
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder

LOOP = LoopConfig(epochs=2, steps=2, batch_size=8, learning_rate=1e-2, precision="float32")


@pytest.fixture(scope="session")
def benches(tmp_path_factory) -> dict[str, Bench]:
    """Give two data sets of simulated people whose sensors and labels differ."""
    folder = tmp_path_factory.mktemp("worth")
    found = {}
    for name, scenario, bout_s in (("moves", "activity", 15), ("feels", "rhythm", 150)):
        config = SimulationConfig(scenario=scenario, subjects=6, sessions=1, bout_s=bout_s)
        store = simulate_store(folder / f"{name}-store", config)
        recipe = Recipe(
            data=store.path,
            split=SplitConfig(kind="subject", test_share=0.4),
            llm=str(tiny_folder("llama")),
            llm_dtype="float32",
            projector=ProjectorConfig(tokens=2, hidden=16),
            objective="labels",
            loop=LOOP,
            out=folder / name,
        )
        split = make_split(store, recipe.split)
        torch.manual_seed(0)
        encoder = SignalEncoder(store.spec, EncoderConfig(width=8, pooled_steps=4)).eval()
        heard = LoadedEncoder(encoder, fit_normaliser(store, split.train))
        found[name] = Bench(recipe, store, split, heard, windows=12)
    return found


@pytest.fixture(scope="session")
def bench(benches) -> Bench:
    return benches["moves"]
