"""A language model is causal and runs on input embeddings, or it is refused in one line."""

import pytest
import torch

from benchmarks.robustness.llm_zoo import build
from sensor2llm.errors import ModelError
from sensor2llm.llm.checks.causality import refuse_unfit
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from tests.models import small_adapter, tiny_llm, windows


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "big_bird"])
def test_a_model_whose_tokens_see_each_other_is_refused(family, tmp_path, capfd):
    folder = build(family, tmp_path / family)
    capfd.readouterr()
    with pytest.raises(ModelError, match=rf"{family} \({family}\) is no causal language model"):
        FrozenLLM.load(str(folder), dtype="float32")
    assert capfd.readouterr().err == ""


def test_the_same_family_as_a_causal_decoder_is_taken(tmp_path):
    folder = build("bert", tmp_path / "bert", is_decoder=True)
    assert FrozenLLM.load(str(folder), dtype="float32").name == "bert"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["llama", "gemma3n_text", "gemma4_text", "qwen3_moe"])
def test_causal_families_are_taken_in_every_type(family, dtype, tmp_path):
    llm = FrozenLLM.load(str(build(family, tmp_path / family)), dtype=dtype)
    assert llm.dtype == getattr(torch, dtype)


@pytest.mark.parametrize("family", ["gemma3n_text", "gemma4_text"])
def test_layers_that_embed_tokens_once_more_get_them(family, tmp_path):
    llm = FrozenLLM.load(str(build(family, tmp_path / family)), dtype="float32")
    ids = torch.tensor([[5, 6, 7, llm.pad_id, 9]])
    with torch.no_grad():
        expected = llm.model(input_ids=ids).logits
        output = llm.run(llm.embed(ids), ids).logits
        slot = ids.clone()
        slot[0, 3] = llm.signal_id
        with_slot = llm.run(llm.embed(ids), slot).logits
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(with_slot, expected, atol=1e-5, rtol=0)
    with pytest.raises(AssertionError, match="embed the tokens once more"):
        llm.run(llm.embed(ids))
    model = SensorLanguageModel(small_adapter(llm), llm)
    with pytest.raises(ModelError, match="embed the tokens once more: embeddings alone do not"):
        model.embed(windows(1))


def test_a_model_that_loses_something_on_embeddings_is_refused(monkeypatch):
    llm = tiny_llm("qwen2")
    run = llm.runner.run

    def losing(vectors, *args, **options):
        return run(0.5 * vectors, *args, **options)

    monkeypatch.setattr(llm.runner, "run", losing)
    with pytest.raises(ModelError, match=r"qwen2-chat \(qwen2\) says something else for input emb"):
        refuse_unfit(llm)


def test_a_model_that_takes_no_embeddings_is_refused(monkeypatch):
    llm = tiny_llm("qwen2")

    def refusing(*args, **options):
        raise NotImplementedError("no embeddings\nhere")

    monkeypatch.setattr(llm.runner, "run", refusing)
    with pytest.raises(ModelError, match=r"not run on input embeddings \(no embeddings here\)"):
        refuse_unfit(llm)
