"""Every bridge from a recipe: trained a few steps, saved, read again, and the LLM unchanged."""

from dataclasses import replace

import pytest
import torch

from sensor2llm.bridge.config import PROJECTOR_KINDS, ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.llm.config import LowRankConfig, PrefixConfig, SoftPromptConfig
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder
from tests.toy_store import make_store

SHORT = LoopConfig(epochs=1, batch_size=8, learning_rate=1e-2, precision="float32", steps=3)
OPTIONS = {
    **{kind: {"projector": {"kind": kind}} for kind in PROJECTOR_KINDS},
    "scale": {"projector": {"scale": True}},
    "per_modality": {"projector": {"kind": "qformer", "per_modality": True, "tokens": 4}},
    "lora": {"lora": LowRankConfig(rank=2)},
    "prefix": {"prefix": PrefixConfig(tokens=2), "soft_prompt": SoftPromptConfig(tokens=0)},
    "all": {
        "projector": {"kind": "cross_attention", "every": 1},
        "lora": LowRankConfig(rank=2),
        "prefix": PrefixConfig(tokens=2),
    },
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    folder = tmp_path_factory.mktemp("bridges")
    make_store(folder)
    first = Recipe(
        data=folder / "store",
        llm=str(tiny_folder("llama")),
        llm_dtype="float32",
        new_encoder=EncoderRecipe(
            encoder=EncoderConfig(width=8, pooled_steps=4),
            pretrain_loop=SHORT,
            finetune_loop=SHORT,
        ),
        projector=ProjectorConfig(tokens=2, hidden=16),
        loop=SHORT,
        out=folder / "first",
    )
    train_adapter(first)
    return replace(first, encoder=str(folder / "first-run" / "encoder"))


@pytest.mark.parametrize("name", OPTIONS)
def test_every_bridge_is_trained_saved_and_read_again(recipe, name, tmp_path):
    given = dict(OPTIONS[name])
    sizes = {"tokens": 2, "hidden": 16, **given.pop("projector", {})}
    trained = train_adapter(
        replace(recipe, projector=ProjectorConfig(**sizes), out=tmp_path / name, **given)
    )
    windows = [trained.store[i] for i in range(4)]
    model = SensorLanguageModel.from_pretrained(tmp_path / name, llm=trained.model.llm)
    expected = trained.model.eval().score(windows)
    torch.testing.assert_close(model.score(windows), expected)
    assert model.llm.fingerprint() == trained.fingerprint
    assert model.generate(windows, max_new_tokens=4) == trained.model.generate(
        windows, max_new_tokens=4
    )
    assert len(model.generate(windows[:2], max_new_tokens=4)) == 2
    learned = given["prefix"].tokens if "prefix" in given else 0
    assert model.tokens_per_window == learned + len(model.prompting.ids()) + longest(model)
    card = (tmp_path / name / "README.md").read_text()
    assert ("Not frozen" in card) == ("lora" in given)
    assert ("not one of its weights is changed" in card) == ("lora" not in given)


def longest(model):
    return max(map(len, model.prompting.answers.ids))
