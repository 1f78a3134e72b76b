"""A language model in 8 or 4 bit: trained around, unchanged, saved, read again, measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.speed import quantised
from benchmarks.speed.llm_sizes import measure_sizes
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.evaluation.evaluation import evaluate_adapter, write_predictions
from sensor2llm.llm.config import LowRankConfig, PrefixConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.tasks.metrics import Predictions, paired_difference
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder
from tests.toy_store import make_store

SHORT = LoopConfig(epochs=1, batch_size=8, learning_rate=1e-2, precision="float32", steps=3)
QUANTISED = ("8bit", "4bit")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:bitsandbytes")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    folder = tmp_path_factory.mktemp("quantised")
    make_store(folder)
    first = Recipe(
        data=folder / "store",
        llm=str(tiny_folder("llama")),
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("quantization", QUANTISED)
def test_an_adapter_is_trained_saved_and_read_again(recipe, quantization, dtype, tmp_path):
    chosen = replace(
        recipe, llm_quantization=quantization, llm_dtype=dtype, out=tmp_path / "adapter"
    )
    trained = train_adapter(chosen)
    model, windows = trained.model.eval(), [trained.store[i] for i in range(4)]
    expected = model.score(windows)
    again = SensorLanguageModel.from_pretrained(
        chosen.out, dtype=dtype, quantization=quantization, device="cpu"
    )
    assert again.llm.fingerprint() == model.llm.fingerprint() == trained.fingerprint
    torch.testing.assert_close(again.score(windows), expected)
    metrics = evaluate_adapter(again, trained.store, trained.split).metrics
    assert 0 <= metrics["macro_f1"] <= 1
    # An adapter belongs to the checkpoint, whatever it is loaded in.
    plain = SensorLanguageModel.from_pretrained(chosen.out, dtype="float32", device="cpu")
    assert plain.score(windows).shape == expected.shape


@pytest.mark.parametrize("quantization", QUANTISED)
def test_what_reaches_into_the_layers_is_trained_with_checkpointing(recipe, quantization, tmp_path):
    chosen = replace(
        recipe,
        llm_quantization=quantization,
        llm_dtype="float32",
        llm_checkpointing=True,
        projector=ProjectorConfig(kind="cross_attention", tokens=2, hidden=16, every=1),
        lora=LowRankConfig(rank=2),
        prefix=PrefixConfig(tokens=2),
        out=tmp_path / "adapter",
    )
    trained = train_adapter(chosen)
    plain = train_adapter(replace(chosen, llm_checkpointing=False, out=tmp_path / "plain"))
    assert trained.model.llm.checkpointing
    assert trained.model.llm.fingerprint() == trained.fingerprint == plain.fingerprint
    windows = [trained.store[i] for i in range(4)]
    scores = [t.model.eval().score(windows) for t in (trained, plain)]
    torch.testing.assert_close(*scores, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["bundled", "tiny"])
def test_four_bits_stay_as_they_were_loaded_whatever_is_computed(name):
    place = str(tiny_folder("llama")) if name == "tiny" else name
    llm = FrozenLLM.load(place, dtype="bfloat16", quantization="4bit", device="cpu")
    before, ids = llm.fingerprint(), torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        first = llm.model(input_ids=ids).logits
        given = llm.embed(ids)
    assert llm.fingerprint() == before
    with_gradient = llm.model(inputs_embeds=given.requires_grad_()).logits
    torch.testing.assert_close(with_gradient, first)


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({"dtype": "float32"}, 1.0),
        ({"dtype": "bfloat16"}, 0.5),
        # A row of 192 or 512 numbers has one scale of 32 bits.
        ({"dtype": "bfloat16", "quantization": "8bit"}, 0.25),
        # 4 bits a number and a scale of 32 bits for 64 of them.
        ({"dtype": "bfloat16", "quantization": "4bit"}, (4 + 32 / 64) / 32),
    ],
)
def test_linear_layers_take_what_their_format_says(options, share):
    sizes = measure_sizes(FrozenLLM.load("bundled", device="cpu", **options))
    assert sizes.linear_share == pytest.approx(share, rel=0.03)
    assert sizes.linear_float32 == 4 * 6 * (4 * 192 * 192 + 3 * 192 * 512)
    rest = 8192 * 192 + 13 * 192
    whole = sizes.whole_float32 - sizes.linear_float32
    assert whole == pytest.approx(4 * rest, rel=0.001)
    assert sizes.linear < sizes.whole <= sizes.whole_float32
    assert sizes.whole - sizes.linear == pytest.approx(rest * (4 if share == 1 else 2), rel=0.01)


def test_biases_are_counted_and_tied_embeddings_once():
    sizes = measure_sizes(FrozenLLM.load(str(tiny_folder("gpt2")), dtype="float32", device="cpu"))
    model = FrozenLLM.load(str(tiny_folder("gpt2")), dtype="float32", device="cpu").model
    assert sizes.whole == sum(4 * p.numel() for p in model.parameters())
    layer = 32 * 96 + 96 + 32 * 32 + 32 + 2 * 32 * 128 + 128 + 32
    assert sizes.linear == sizes.linear_float32 == 4 * 2 * layer
    assert (sizes.linear_share, sizes.whole_share) == (1.0, 1.0)


def judged(predicted: list[int]) -> Predictions:
    return Predictions(
        labels=("sit", "stand", "walk"),
        true=np.tile([0, 1, 2], 8),
        predicted=np.array(predicted),
        subjects=np.repeat(["a", "b", "c", "d"], 6),
    )


def test_the_benchmark_pairs_what_two_formats_said_of_each_window(tmp_path):
    right = [0, 1, 2] * 8
    wrong, unread = [1, *right[1:]], [-1, *right[1:]]
    for name, predicted in (("bfloat16", right), ("8 bit", unread), ("4 bit", wrong)):
        folder = quantised.adapter_folder(tmp_path, name)
        folder.mkdir()
        write_predictions(judged(predicted), folder / "predictions.parquet")
    for name, predicted in (("8 bit", unread), ("4 bit", wrong)):
        difference, interval = paired_difference(judged(right), judged(predicted))
        found = quantised.loss(tmp_path, name)
        assert found["points_lost"] == pytest.approx(100 * difference)
        assert found["points_lost_interval"] == pytest.approx([100 * edge for edge in interval])


@pytest.mark.parametrize(("share", "points"), [(0.16, 2.0), (0.17, 2.1)])
def test_the_benchmark_says_whether_four_bits_reach_the_figures(share, points):
    row = {"name": "4 bit", "linear_share": share, "points_lost": points}
    found = quantised.summary([{"name": "bfloat16"}, row])
    reached = (share, points) == (0.16, 2.0)
    assert found["linear_share_within_limit"] is reached
    assert found["points_lost_within_limit"] is reached
    assert quantised.summary([{"name": "bfloat16"}]) == {}
