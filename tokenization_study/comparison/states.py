"""What the frozen LLM's own hidden states of a number prompt hold, by a linear probe.

    states = read_states(model, texts, folder)                 (window, pooling, layer, width)
    predicted, chosen = probe_states(parts, labels, classes)   chosen["layer"], chosen["pooling"]

The prompt is the zero-shot one; nothing is generated. What a probe reads there is more than what
the LLM can be asked for.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Int

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.evaluation.probe import FeatureSet, linear_probe
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.config import ProbeConfig

POOLINGS = ("the last position", "the mean over positions")
INVERSE_PENALTIES = (0.001, 0.01, 0.1)
"""Lower than for an encoder: these features are many, and the windows few."""
AT_ONCE = 20
"""Windows between two writes: what a killed run loses at most."""

States = Float16[np.ndarray, "window pooling layer width"]


def read_states(model: SensorLanguageModel, texts: Sequence[str], folder: Path) -> States:
    """Give every layer's hidden states of each window's prompt; what is on disk is not run again.

    Args:
        model: of `text_model`, zero-shot.
        texts: of the windows.
        folder: of files of `AT_ONCE` windows each; its name must say what they were made from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(texts), AT_ONCE):
        path = folder / f"{start}.npy"
        if not path.is_file():
            some = [window_states(model, text) for text in texts[start : start + AT_ONCE]]
            with replace_file(path) as part, part.open("wb") as file:
                np.save(file, np.stack(some))
        parts.append(np.load(path))
    return np.concatenate(parts)


@torch.no_grad()
def window_states(
    model: SensorLanguageModel, text: str
) -> Float16[np.ndarray, "pooling layer width"]:
    """Run one prompt and pool each layer's states: the last position, and the mean over all."""
    ids = torch.tensor([model.prompting.ids(signal=text)], device=model.llm.device)
    last = torch.tensor([ids.shape[1] - 1], device=ids.device)
    run = model.llm.run(model.llm.embed(ids), ids, places=last, states=True)
    layers = [layer[0].float() for layer in run.hidden_states]
    pooled = [[layer[-1] for layer in layers], [layer.mean(0) for layer in layers]]
    return torch.stack([torch.stack(kind) for kind in pooled]).cpu().numpy().astype(np.float16)


def probe_states(
    states: Mapping[str, States], labels: Mapping[str, Int[np.ndarray, " window"]], classes: int
) -> tuple[Int[np.ndarray, " window"], dict[str, Any]]:
    """Fit logistic regression to each layer and pooling; validation people choose among all.

    Args:
        states: of the parts train, validation and test.
        labels: of the same windows.
        classes: how many labels there are.

    Returns:
        The labels predicted for the test windows, and what was chosen.
    """
    config, best, chosen = ProbeConfig(inverse_penalties=INVERSE_PENALTIES), None, {}
    for pooling, layer in product(range(len(POOLINGS)), range(states["train"].shape[2])):
        parts = {
            part: FeatureSet(
                features=values[:, pooling, layer].astype(np.float32), labels=labels[part]
            )
            for part, values in states.items()
        }
        classify, fitted = linear_probe(parts["train"], parts["validation"], classes, config)
        if best is None or fitted["validation_macro_f1"] > chosen["validation_macro_f1"]:
            best = classify(parts["test"].features).argmax(1)
            chosen = {"pooling": POOLINGS[pooling], "layer": layer, **fitted}
    assert best is not None
    return best, chosen
