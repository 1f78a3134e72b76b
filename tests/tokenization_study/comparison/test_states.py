"""A linear probe of the LLM's hidden states."""

import numpy as np
import pytest
import torch

from sensor2llm.tasks.loading import load_model
from tokenization_study.comparison import prompts, states


def test_a_killed_reading_of_states_goes_on(folders, monkeypatch, tmp_path, llm):
    model = load_model(str(folders[0]), llm)
    asked = prompts.text_model(model.adapter, model.llm, "zero_shot", {})
    texts = [f"{i}, 2" for i in range(5)]
    monkeypatch.setattr(states, "AT_ONCE", 2)
    whole = states.read_states(asked, texts, tmp_path / "whole")
    known, read = states.window_states, []

    def killed(model, text):
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(text)
        return known(model, text)

    monkeypatch.setattr(states, "window_states", killed)
    with pytest.raises(KeyboardInterrupt):
        states.read_states(asked, texts, tmp_path / "part")
    read.clear()
    np.testing.assert_array_equal(states.read_states(asked, texts, tmp_path / "part"), whole)
    assert read == texts[2:]
    ids = asked.prompting.ids(signal=texts[0])
    assert whole.shape == (5, 2, 1 + model.llm.layers, model.llm.hidden_width)
    last = model.llm.run(model.llm.embed(torch.tensor([ids])), states=True).hidden_states
    np.testing.assert_allclose(whole[0, 0, -1], last[-1][0, -1].float(), atol=1e-2)
    np.testing.assert_allclose(whole[0, 1, 1], last[1][0].float().mean(0), atol=1e-2)


def test_a_probe_takes_the_layer_that_validation_people_choose():
    """Layer 1 of the last position holds the labels; the others hold noise."""
    generator, labels = np.random.default_rng(0), {}
    read = {}
    for part, count in (("train", 60), ("validation", 30), ("test", 30)):
        labels[part] = np.arange(count) % 3
        read[part] = generator.normal(size=(count, 2, 3, 4)).astype(np.float16)
        read[part][:, 0, 1, :3] += 6 * np.eye(3)[labels[part]]
    predicted, chosen = states.probe_states(read, labels, 3)
    assert predicted.tolist() == labels["test"].tolist()
    assert (chosen["layer"], chosen["pooling"]) == (1, "the last position")
