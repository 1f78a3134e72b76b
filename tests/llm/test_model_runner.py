"""A model's forward on input embeddings."""

import pytest
import torch

from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.hooks import decoder_layers
from tests.llm.tiny import tiny_folder


@pytest.mark.parametrize(("family", "runs"), [("llama", 2), ("qwen3", 2), ("gpt2", 5)])
def test_the_last_layers_feed_forward_runs_where_it_is_read(family, runs):
    """Of families that are not known to have one without a look at other positions, everywhere."""
    llm = FrozenLLM.load(str(tiny_folder(family)), dtype="float32")
    vectors, places = llm.embed(torch.tensor([[11, 12, 13, 51, 52]] * 2)), torch.tensor([2, 4])
    lengths = []
    first = next(decoder_layers(llm.model)[-1].mlp.children())
    hook = first.register_forward_hook(lambda *call: lengths.append(call[-1].shape[1]))
    with torch.no_grad():
        some = llm.run(vectors, places=places).logits
        everywhere = llm.run(vectors).logits
    llm.run(vectors, places=places)  # with gradients
    hook.remove()
    torch.testing.assert_close(some, everywhere[:, places], atol=1e-6, rtol=0)
    assert lengths == [runs, 5, 5]
