"""Pictures of an encoder's embeddings: maps of windows, units by modality, attention by time.

points = project_tsne(features)                               or project_umap, with the extra
plot_map(points, classes, people, "embeddings_tsne.png", title="t-SNE")
plot_selectivity(shares, spec.names, "selectivity.png")
plot_attention(attention, modality, time, spec.names, "attention.png")
draw_embedding(read_encoder(folder, store), "pictures")       all but the last, with numbers

Maps are for the eye: distances between far groups mean little in them. The probes measure.
"""

import logging
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation.embedding import (
    Attention,
    Shares,
    attention_shares,
    cross_modal_share,
    selectivity,
    spread,
    time_aligned_share,
)
from sensor2llm.evaluation.encoder_evaluation import ReadEncoder, measure_encoder
from sensor2llm.evaluation.probe import encoder_features
from sensor2llm.plots.figures import COLOURS, save_picture
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)

Points = Float[np.ndarray, "window 2"]
MARKERS = ("o", "^", "X")
MOST_NAMES = len(COLOURS) * len(MARKERS)
"""Names that colour and marker together tell apart; of more, there is no legend."""
MOST_POINTS = 2000
FEWEST_POINTS = 5
"""Fewer windows have no neighbourhood to draw."""


def draw_embedding(
    given: ReadEncoder,
    folder: str | Path,
    metrics: dict[str, Any] | None = None,
    *,
    part: str = "test",
    seed: int = 0,
) -> dict[str, Any]:
    """Write the pictures of one part's windows, and embedding.json with every number.

    Args:
        given: encoder, normaliser, store and split.
        folder: gets embeddings_tsne.png, embeddings_umap.png (if umap-learn is installed; else
            one line says so), selectivity.png and embedding.json.
        metrics: what `measure_encoder` gave of the same part; measured here where it is not that
            (None, or an adapter's metrics).
        part: whose windows.
        seed: of the maps, and of the bootstrap.

    Returns:
        What embedding.json holds: the metrics, each unit's shares and the pictures' names.

    Raises:
        DataError: there are too few windows to draw, or all embeddings are the same.
    """
    folder = Path(folder)
    if metrics is None or "knn" not in metrics:
        metrics = measure_encoder(given, part=part, seed=seed)
    rows = balanced_rows(given.dataset(part).labels, MOST_POINTS)
    drawn = WindowDataset(given.store, given.dataset(part).indices[rows], given.normaliser)
    found = encoder_features(given.encoder, drawn)
    classes = np.asarray(given.store.label_names)[found.labels]
    people = given.store.subjects[drawn.indices]
    pictures = []
    for name, title, project in (("tsne", "t-SNE", project_tsne), ("umap", "UMAP", project_umap)):
        try:
            points = project(found.features, seed)
        except ConfigError as error:
            logger.info("no embeddings_%s.png: %s", name, error)
            continue
        path = folder / f"embeddings_{name}.png"
        told = f"{title} of {len(points)} {part} windows"
        pictures.append(plot_map(points, classes, people, path, title=told).name)
    shares, names = given.shares(part), given.store.spec.names
    pictures.append(plot_selectivity(shares, names, folder / "selectivity.png").name)
    units = [dict(zip(names, row, strict=True)) for row in shares.tolist()]
    numbers = {**metrics, "unit_shares": units, "drawn": len(rows), "pictures": pictures}
    write_json(folder / "embedding.json", numbers)
    logger.info("kept in %s: %s, embedding.json", folder, ", ".join(pictures))
    return numbers


def balanced_rows(labels: Int[np.ndarray, " window"], most: int) -> Int[np.ndarray, " chosen"]:
    """Choose at most `most` windows, as evenly from all classes as their sizes allow, ascending.

    Of each class they are spread over the windows' order.
    """
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    chosen, left = [], most
    # The smallest first: what it does not need goes to the others.
    for done, rows in enumerate(sorted(classes, key=len)):
        chosen.append(spread(rows, left // (len(classes) - done)))
        left -= len(chosen[-1])
    return np.sort(np.concatenate(chosen))


def project_tsne(features: Float[np.ndarray, "window feature"], seed: int = 0) -> Points:
    """Lay standardised features out on a plane by t-SNE, begun at their principal components.

    Raises:
        DataError: there are fewer than five windows, or all features are the same.
    """
    features = _standardised(features)
    perplexity = min(30.0, (len(features) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(features)


def project_umap(features: Float[np.ndarray, "window feature"], seed: int = 0) -> Points:
    """Lay standardised features out on a plane by UMAP.

    Raises:
        ConfigError: umap-learn is not installed.
        DataError: there are fewer than five windows, or all features are the same.
    """
    with warnings.catch_warnings():
        # Said on import; tensorflow is for another class than this one.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        try:
            from umap import UMAP
        except ImportError as error:
            raise ConfigError(
                "drawing a UMAP needs umap-learn: pip install 'sensor2llm[umap]'"
            ) from error
    features = _standardised(features)
    neighbours = min(15, len(features) - 1)
    # With a seed it works with one job, and warns unless it is told so.
    return UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(features)


def plot_map(
    points: Points,
    classes: Sequence[str] | np.ndarray,
    people: Sequence[str] | np.ndarray,
    path: str | Path,
    *,
    title: str = "",
) -> Path:
    """Draw the same points twice, coloured by class and by person.

    Up to 24 names are told apart by colour and marker; of more, colours repeat, and the title says
    how many there are.

    Raises:
        ConfigError: for a file name that no picture format ends in.
    """
    figure = Figure(figsize=(13, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_points(left, points, np.asarray(classes), "class", "classes")
    _draw_points(right, points, np.asarray(people), "person", "people")
    if title:
        figure.suptitle(title, fontsize=12)
    return save_picture(figure, path)


def plot_selectivity(shares: Shares, modalities: Sequence[str], path: str | Path) -> Path:
    """Draw what each modality brings to each unit; units are in order of their modality.

    Raises:
        ConfigError: for a file name that no picture format ends in.
    """
    order = np.lexsort((-shares.max(1), shares.argmax(1)))
    found = selectivity(shares, modalities)
    size = (max(6.0, 2.5 + 0.16 * len(shares)), 1.9 + 0.4 * len(modalities))
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(shares[order].T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [f"{name} ({share:.2f})" for name, share in found["share"].items()]
    axis.set_yticks(range(len(modalities)), names)
    axis.set_xticks([])
    axis.set(xlabel=f"{len(shares)} units of the joint embedding, by their modality")
    axis.set_title(
        f"mean selectivity {found['mean_index']:.2f} (even: {found['even']:.2f})", fontsize=10
    )
    figure.colorbar(image, ax=axis, label="share")
    return save_picture(figure, path)


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

    Args:
        attention: weights, averaged over windows.
        modality_of_token: number of each token's modality; tokens of none (-1) are left out.
        time_of_token: number of each token's moment.
        modalities: their names.
        path: the picture to write.

    Raises:
        ConfigError: for a file name that no picture format ends in.
        DataError: the sizes do not match, or the tokens are of fewer than two modalities.
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

    Args:
        attention: weights, averaged over windows; token i is part `i % parts` of modality
            `i // parts`, as `MaskedAutoencoder.attention` gives them.
        modalities: their names.
        folder: where both files go.

    Returns:
        The shares that attention.json holds.

    Raises:
        DataError: there are fewer than two modalities.
    """
    folder = Path(folder)
    parts = attention.shape[-1] // len(modalities)
    owner = np.repeat(np.arange(len(modalities)), parts)
    times = np.tile(np.arange(parts), len(modalities))
    shares = attention_shares(attention, owner, times)
    plot_attention(attention, owner, times, modalities, folder / "attention.png")
    write_json(folder / "attention.json", shares)
    return shares


def _standardised(features: Float[np.ndarray, "window feature"]) -> np.ndarray:
    if len(features) < FEWEST_POINTS:
        raise DataError(
            f"{len(features)} windows are too few to draw a map of; at least {FEWEST_POINTS} "
            "are needed"
        )
    if not np.ptp(features, axis=0).any():
        raise DataError(
            f"all {len(features)} windows have one and the same embedding: there is no map of it; "
            "the encoder has collapsed, train it in another way"
        )
    return StandardScaler().fit_transform(features)


def _draw_points(axis: Axes, points: Points, names: np.ndarray, one: str, many: str) -> None:
    different = sorted(np.unique(names).tolist(), key=_in_numbers)
    told_apart = len(different) <= MOST_NAMES
    look = {
        name: (COLOURS[i % len(COLOURS)], MARKERS[i // len(COLOURS) % len(MARKERS)])
        for i, name in enumerate(different)
    }
    # In mixed order: name by name, the last would lie over all others.
    mixed = np.random.default_rng(0).permutation(len(points))
    for marker in MARKERS:
        rows = [i for i in mixed if look[names[i]][1] == marker]
        colours = [look[names[i]][0] for i in rows]
        x, y = points[rows].T
        axis.scatter(x, y, s=12, c=colours, marker=marker, linewidths=0, alpha=0.75)
    axis.set(xticks=[], yticks=[])
    note = "" if told_apart else f"; {len(different)} {many}, colours repeat"
    axis.set_title(f"by {one}{note}", fontsize=10)
    if told_apart:
        handles = [
            Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5, label=name)
            for name, (colour, marker) in look.items()
        ]
        axis.legend(
            handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8
        )


def _in_numbers(name: str) -> list[str | int]:
    """Sort "s2" before "s10"."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
