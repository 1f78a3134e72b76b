"""Attention of a masked autoencoder's decoder: who looks at whom, by modality and time.

plot_attention(attention, modality, time, spec.names, "attention.png")
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from sensor2llm.evaluation.attention_shares import (
    Attention,
    attention_shares,
    cross_modal_share,
    time_aligned_share,
)
from sensor2llm.plots.figures import save_picture
from sensor2llm.training.record import write_json


def plot_attention(
    attention: Attention,
    modality_of_token: Int[np.ndarray, " token"],
    time_of_token: Int[np.ndarray, " token"],
    modalities: Sequence[str],
    path: str | Path,
) -> Path:
    """Draw who looks at whom: a map a layer and head, tokens by modality, then time.

    Rows are queries, columns keys; lines part the modalities. Each panel says how much of the
    attention is cross-modal, and how much of that is time-aligned.

    `time_of_token` numbers moments; tokens of no modality (-1) are left out. Raises DataError where
    sizes do not match, or the tokens are of fewer than two modalities.
    """
    cross = cross_modal_share(attention, modality_of_token)
    aligned = time_aligned_share(attention, modality_of_token, time_of_token)
    order = np.lexsort((time_of_token, modality_of_token))
    order = order[modality_of_token[order] >= 0]
    edges = np.flatnonzero(np.diff(modality_of_token[order])) + 0.5
    ends = np.array([-0.5, *edges, len(order) - 0.5])
    names = [modalities[i] for i in np.unique(modality_of_token[order])]
    layers, heads = cross.shape
    figure = Figure(figsize=(1.2 + 2.6 * heads, 0.6 + 2.8 * layers), layout="constrained")
    grid = figure.subplots(layers, heads, squeeze=False)
    for (layer, head), axis in np.ndenumerate(grid):
        axis.imshow(attention[layer, head][np.ix_(order, order)], cmap="Blues", vmin=0)
        for edge in edges:
            axis.axhline(edge, color="#999999", linewidth=0.8)
            axis.axvline(edge, color="#999999", linewidth=0.8)
        centres = (ends[1:] + ends[:-1]) / 2
        # Names at the outside only: within, they would crowd the maps.
        axis.set_yticks(centres, names if head == 0 else [""] * len(names))
        below = names if layer == layers - 1 else [""] * len(names)
        axis.set_xticks(centres, below, rotation=30, ha="right", rotation_mode="anchor")
        axis.tick_params(length=0, labelsize=8)
        numbers = f"cross {cross[layer, head]:.2f}, aligned {aligned[layer, head]:.2f}"
        axis.set_title(f"layer {layer + 1}, head {head + 1}\n{numbers}", fontsize=8)
    figure.supylabel("query", fontsize=9)
    figure.supxlabel("key", fontsize=9)
    return save_picture(figure, path)


def draw_attention(
    attention: Attention, modalities: Sequence[str], folder: str | Path
) -> dict[str, Any]:
    """Write attention.png and attention.json: a masked autoencoder's decoder with nothing hidden.

    Token i of the `attention`, averaged over windows, is part `i % parts` of modality `i // parts`,
    as `MaskedAutoencoder.attention` gives it. Returns the shares that attention.json holds.
    """
    folder = Path(folder)
    parts = attention.shape[-1] // len(modalities)
    owner = np.repeat(np.arange(len(modalities)), parts)
    times = np.tile(np.arange(parts), len(modalities))
    shares = attention_shares(attention, owner, times)
    plot_attention(attention, owner, times, modalities, folder / "attention.png")
    write_json(folder / "attention.json", shares)
    return shares
