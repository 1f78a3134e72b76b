"""Pictures of an encoder's embeddings: maps of windows, and units by modality.

plot_map(points, classes, people, "embeddings_tsne.png", title="t-SNE")
plot_selectivity(shares, spec.names, "selectivity.png")
draw_embedding(read_encoder(folder, store), "pictures")       both, with numbers

Maps are for the eye: distances between far groups mean little in them. The probes measure.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sensor2llm.errors import ConfigError
from sensor2llm.evaluation.embedding import Shares, selectivity
from sensor2llm.evaluation.encoder_evaluation import ReadEncoder, measure_encoder
from sensor2llm.evaluation.probe import encoder_features
from sensor2llm.plots.figures import COLOURS, save_picture
from sensor2llm.plots.projection import Points, balanced_rows, project_tsne, project_umap
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)

MARKERS = ("o", "^", "X")
MOST_NAMES = len(COLOURS) * len(MARKERS)
"""Names that colour and marker together tell apart; of more, there is no legend."""
MOST_POINTS = 2000


def draw_embedding(
    encoder: ReadEncoder,
    folder: str | Path,
    metrics: dict[str, Any] | None = None,
    *,
    part: str = "test",
    seed: int = 0,
) -> dict[str, Any]:
    """Write the pictures of one part's windows, and embedding.json with every number.

    The folder gets embeddings_tsne.png, embeddings_umap.png (if umap-learn is installed; else one
    line says so), selectivity.png and embedding.json.

    Args:
        encoder: with its normaliser, store and split.
        folder: where all goes.
        metrics: what `measure_encoder` gave of the same part; measured here where it is not that
            (None, or an adapter's metrics).
        part: whose windows.
        seed: of the maps, and of the bootstrap.

    Raises:
        DataError: there are too few windows to draw, or all embeddings are the same.
    """
    folder = Path(folder)
    if metrics is None or "knn" not in metrics:
        metrics = measure_encoder(encoder, part=part, seed=seed)
    rows = balanced_rows(encoder.dataset(part).labels, MOST_POINTS)
    windows = WindowDataset(encoder.store, encoder.dataset(part).indices[rows], encoder.normaliser)
    embedded = encoder_features(encoder.encoder, windows)
    classes = np.asarray(encoder.store.label_names)[embedded.labels]
    people = encoder.store.subjects[windows.indices]
    pictures = []
    for name, title, project in (("tsne", "t-SNE", project_tsne), ("umap", "UMAP", project_umap)):
        try:
            points = project(embedded.features, seed)
        except ConfigError as error:
            logger.info("no embeddings_%s.png: %s", name, error)
            continue
        path = folder / f"embeddings_{name}.png"
        caption = f"{title} of {len(points)} {part} windows"
        pictures.append(plot_map(points, classes, people, path, title=caption).name)
    shares, names = encoder.shares(part), encoder.store.spec.names
    pictures.append(plot_selectivity(shares, names, folder / "selectivity.png").name)
    units = [dict(zip(names, row, strict=True)) for row in shares.tolist()]
    numbers = {**metrics, "unit_shares": units, "drawn": len(rows), "pictures": pictures}
    write_json(folder / "embedding.json", numbers)
    logger.info("kept in %s: %s, embedding.json", folder, ", ".join(pictures))
    return numbers


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
    """
    figure = Figure(figsize=(13, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_points(left, points, np.asarray(classes), "class", "classes")
    _draw_points(right, points, np.asarray(people), "person", "people")
    if title:
        figure.suptitle(title, fontsize=12)
    return save_picture(figure, path)


def plot_selectivity(shares: Shares, modalities: Sequence[str], path: str | Path) -> Path:
    """Draw what each modality brings to each unit; units are in order of their modality."""
    order = np.lexsort((-shares.max(1), shares.argmax(1)))
    numbers = selectivity(shares, modalities)
    size = (max(6.0, 2.5 + 0.16 * len(shares)), 1.9 + 0.4 * len(modalities))
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(shares[order].T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [f"{name} ({share:.2f})" for name, share in numbers["share"].items()]
    axis.set_yticks(range(len(modalities)), names)
    axis.set_xticks([])
    axis.set(xlabel=f"{len(shares)} units of the joint embedding, by their modality")
    axis.set_title(
        f"mean selectivity {numbers['mean_index']:.2f} (even: {numbers['even']:.2f})", fontsize=10
    )
    figure.colorbar(image, ax=axis, label="share")
    return save_picture(figure, path)


def _draw_points(axis: Axes, points: Points, names: np.ndarray, one: str, many: str) -> None:
    different = sorted(np.unique(names).tolist(), key=_in_numbers)
    distinct = len(different) <= MOST_NAMES
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
    note = "" if distinct else f"; {len(different)} {many}, colours repeat"
    axis.set_title(f"by {one}{note}", fontsize=10)
    if distinct:
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
