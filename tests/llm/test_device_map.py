"""A language model that accelerate spreads: over the CPU's memory and the disk, as over GPUs."""

import pytest
import torch

from sensor2llm.errors import ConfigError, ModelError
from sensor2llm.llm.config import LowRankConfig, PrefixConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import generate
from sensor2llm.llm.tuning.hooks import input_device
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.config import ProjectorConfig, Recipe
from tests.llm.tiny import tiny_folder
from tests.models import small_adapter, windows

CPU = dict.fromkeys(["model.layers.0", "model.norm", "model.rotary_emb"], "cpu")
MAPS = {
    "auto": "auto",
    "a layer and the head on the disk": CPU
    | {"model.embed_tokens": "cpu"}
    | dict.fromkeys(["model.layers.1", "lm_head"], "disk"),
    "all on the disk": {"": "disk"},
}


def load(device_map=None, **options) -> FrozenLLM:
    options = {"dtype": "float32", "device": "cpu"} | options
    return FrozenLLM.load(str(tiny_folder("llama")), device_map=device_map, **options)


def results(llm, **options):
    """Give scores, an answer, and the bridge's gradients."""
    model = SensorLanguageModel(small_adapter(llm), llm, objective="both", **options).eval()
    scores = model.score(windows(3))
    answer = generate(llm, model.build.for_batch(model.features(windows(2))), max_new_tokens=4)
    step = model(windows(4))
    step.total.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return scores, answer, torch.cat(gradients)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_scores_answers_and_gradients_are_those_of_one_device(name, checkpointing, capfd):
    plain = results(load())
    llm = load(MAPS[name], checkpointing=checkpointing)
    assert (llm.device.type, llm.dtype) == ("cpu", torch.float32)
    before = llm.fingerprint()
    scores, answer, gradients = results(llm)
    torch.testing.assert_close(scores, plain[0], atol=1e-5, rtol=0)
    assert answer == plain[1]
    torch.testing.assert_close(gradients, plain[2], atol=1e-5, rtol=1e-4)
    assert llm.fingerprint() == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_shortcuts_of_a_model_on_the_disk_are_taken(dtype):
    able = load({"": "disk"}, dtype=dtype).shortcuts(40)
    assert (able.prefix, able.padding, able.tree, able.steps) == (True, True, True, True)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_four_bits_are_spread_too(checkpointing):
    options = {"quantization": "4bit", "dtype": "bfloat16"}
    expected = results(load(None, **options))
    spread = results(load("auto", checkpointing=checkpointing, **options))
    torch.testing.assert_close(spread[0], expected[0])
    assert spread[1] == expected[1]
    torch.testing.assert_close(spread[2], expected[2], atol=1e-5, rtol=1e-4)


def test_a_changed_weight_on_the_disk_changes_the_fingerprint():
    llm = load({"": "disk"})
    before, weights = llm.fingerprint(), llm.model.lm_head._hf_hook.weights_map
    read = type(weights).__getitem__
    changed = type("Changed", (type(weights),), {"__getitem__": lambda self, k: read(self, k) + 1})
    weights.__class__ = changed
    assert llm.fingerprint() != before


def test_a_model_takes_its_inputs_where_its_embeddings_are():
    assert input_device(load().model) == torch.device("cpu")
    offloaded = load({"": "disk"}).model
    assert offloaded.get_input_embeddings().weight.device.type == "meta"
    assert input_device(offloaded) == torch.device("cpu")


def test_random_weights_lie_on_one_device():
    with pytest.raises(ModelError) as caught:
        load("auto", random_weights=True)
    folder = tiny_folder("llama")
    expected = f"'{folder}' with random weights lies on one device; give no device map"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "inside",
    [
        {"lora": LowRankConfig(rank=2)},
        {"prefix": PrefixConfig(tokens=2)},
        {"projector": ProjectorConfig(kind="cross_attention")},
    ],
)
def test_what_reaches_into_layers_needs_them_on_one_device(inside):
    with pytest.raises(ConfigError) as caught:
        Recipe(llm_device_map="auto", **inside)
    assert str(caught.value) == (
        "llm_device_map spreads the LLM's layers over devices, and lora, prefix and the projector "
        "cross_attention reach into them; leave one of both out"
    )
