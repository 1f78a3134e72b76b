"""A picture of what a store holds: one typical window a class, all in the same scales."""

from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from textwrap import fill

import numpy as np
from jaxtyping import Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sensor2llm.plots.figures import COLOURS, save_picture
from sensor2llm.signals.spec import Modality
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.window import Window

MAX_CLASSES = 18
"""More panels than this cannot be read on one page: the most frequent classes are drawn."""
_COLUMNS = 6
# Windows a class that are looked at: their median hardly moves with more.
_LOOKED_AT = 128
_LEGEND_ROWS = 6
_TITLE_LETTERS = 24
_GREY = "#666666"


def plot_classes(store: Windows, path: str | Path, seed: int = 0) -> Path:
    """Draw a typical window of each class: a column a class, a row a modality.

    A modality has the same scale in every panel. A window is typical where its standard deviations
    are closest to the medians of its class, among at most 128 windows that `seed` draws, of which
    only those count where the fewest modalities are missing.

    A store without labels has one typical window of all.

    Raises:
        ConfigError: For a file name that no picture format ends in.
    """
    windows = {name: store[row] for name, row in typical_rows(store, seed).items()}
    modalities = store.spec.modalities
    columns = ceil(len(windows) / ceil(len(windows) / _COLUMNS))
    bands = ceil(len(windows) / columns)
    height = 0.95 if len(modalities) > 1 else 1.6
    size = (2.4 + 2.0 * columns, 0.7 + bands * (0.55 + height * len(modalities)))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=0.03))
    # One axis a (band of classes, modality, class in the band).
    grid = figure.subplots(bands * len(modalities), columns, squeeze=False)
    grid = grid.reshape(bands, len(modalities), columns)
    places = grid.transpose(0, 2, 1).reshape(bands * columns, len(modalities))
    for panels, (name, window) in zip(places, windows.items(), strict=False):
        _title(panels[0], name, window.subject)
        for axis, modality in zip(panels, modalities, strict=True):
            _draw(axis, modality, window.signals.get(modality.name))
            if modality.rate_hz:
                axis.set_xlim(0, store.spec.length_s(modality.name))
    for axis in places[len(windows) :].flat:
        axis.set_visible(False)
    for i, modality in enumerate(modalities):
        _share_scale(grid[:, i], modality, windows.values())
    _name_steps(grid, modalities)
    figure.align_ylabels(grid[:, :, 0].ravel())
    figure.suptitle(_heading(store, len(windows)), x=0.01, ha="left", fontsize=12)
    return save_picture(figure, path)


def typical_rows(store: Windows, seed: int = 0) -> dict[str, int]:
    """Give the row of a typical window of each class (see plot_classes); `(no label)` without."""
    labels, generator = np.asarray(store.labels), np.random.default_rng(seed)
    counts = np.bincount(labels[labels >= 0], minlength=len(store.label_names))
    frequent = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
    drawn = {store.label_names[i]: i for i in np.sort(frequent).tolist() if counts[i]}
    rows = {}
    for name, number in (drawn or {"(no label)": -1}).items():
        own = np.flatnonzero(labels == number)
        if len(own) > _LOOKED_AT:
            own = np.sort(generator.choice(own, _LOOKED_AT, replace=False))
        rows[name] = _typical(store, own)
    return rows


def _typical(store: Windows, rows: np.ndarray) -> int:
    present = np.asarray(store.present)[rows]
    sets, which, counts = np.unique(present, axis=0, return_inverse=True, return_counts=True)
    # The most modalities first, then the set that the most windows have.
    best = max(range(len(sets)), key=lambda i: (int(sets[i].sum()), int(counts[i])))
    rows = rows[which.ravel() == best]
    moving = [m.name for m, there in zip(store.spec.modalities, sets[best], strict=True)
              if there and m.steps > 1]  # fmt: skip
    if not moving:
        return int(rows[0])
    spread = np.stack([v.std(axis=2).mean(axis=1) for v in store.read(rows, moving).values()])
    middle = np.median(spread, axis=1, keepdims=True)
    distance = np.abs(spread - middle) / np.where(middle > 0, middle, 1.0)
    return int(rows[distance.sum(axis=0).argmin()])


def _heading(store: Windows, drawn: int) -> str:
    length = f" of {store.spec.length_text}" if store.spec.length_text else ""
    classes = len(set(np.asarray(store.labels).tolist()) - {-1})
    some = f" ({drawn} most frequent of {classes})" if classes > drawn else ""
    each = f" a class{some}" if classes else ""
    return f"{store.path.name}: one typical window{length}{each}"


def _title(axis: Axes, name: str, subject: str | None) -> None:
    axis.set_title(fill(name, _TITLE_LETTERS), loc="left", fontsize=10, fontweight="bold", pad=15)
    axis.annotate(
        f"person {subject}", (0, 1), (0, 4), "axes fraction", "offset points",
        fontsize=8, color=_GREY,
    )  # fmt: skip


def _draw(axis: Axes, modality: Modality, values: np.ndarray | None) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8, length=2)
    axis.set_xlim(0, max(modality.steps - 1, 1))
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=modality.axis == "event"))
    if modality.axis == "none":
        axis.set(xticks=[], yticks=[])
        axis.spines[["left", "bottom"]].set_visible(False)
    if values is None:
        _write(axis, "missing", _GREY)
    elif modality.axis == "none":
        # Values of different units share no scale: they are written, not drawn.
        pairs = zip(modality.channels, np.ravel(values), strict=True)
        lines = [f"{c.name}  {v:.4g} {c.unit}".removesuffix(" 1") for c, v in pairs]
        _write(axis, "\n".join(lines), "black")
    else:
        steps = np.arange(modality.steps) / (modality.rate_hz or 1.0)
        for i, row in enumerate(values):
            axis.plot(steps, row, color=COLOURS[i % len(COLOURS)], linewidth=0.9)


def _write(axis: Axes, text: str, colour: str) -> None:
    axis.text(0.04, 0.5, text, va="center", fontsize=8, color=colour, transform=axis.transAxes)


def _share_scale(
    axes: Shaped[np.ndarray, "band column"], modality: Modality, windows: Iterable[Window]
) -> None:
    """Give all panels of a modality one scale; name it on the left, its channels on the right."""
    units = ", ".join(dict.fromkeys(modality.units)) if modality.axis != "none" else ""
    label = f"{modality.name}\n{'(no unit)' if units == '1' else units}".strip()
    for axis in axes[:, 0]:
        axis.set_ylabel(label, rotation=0, ha="right", ma="right", va="center", fontsize=9)
    drawn = [w.signals[modality.name] for w in windows if modality.name in w.signals]
    if modality.axis == "none" or not drawn:
        return
    low, high = min(v.min() for v in drawn), max(v.max() for v in drawn)
    margin = 0.05 * (high - low) or 1.0
    for axis in axes.flat:
        axis.set_ylim(low - margin, high + margin)
    for axis in axes[:, 1:].flat:
        axis.tick_params(labelleft=False)
    names = [name.removeprefix(f"{modality.name}_") for name in modality.channel_names]
    if names == [modality.name]:
        return
    lines = [Line2D([], [], color=COLOURS[i % len(COLOURS)]) for i in range(len(names))]
    axes[0, -1].legend(
        lines, names, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8,
        handlelength=1.0, ncols=ceil(len(names) / _LEGEND_ROWS),
    )  # fmt: skip


def _name_steps(
    grid: Shaped[np.ndarray, "band modality column"], modalities: Sequence[Modality]
) -> None:
    """Write seconds below each band; where axes differ, below each modality."""
    shared = all(m.axis == "time" and m.window_s is None for m in modalities)
    for i, modality in enumerate(modalities):
        for axis in grid[:, i].flat:
            if shared and i < len(modalities) - 1:
                axis.tick_params(labelbottom=False)
            elif modality.axis != "none":
                axis.set_xlabel("s" if modality.rate_hz else "event", fontsize=8, labelpad=1)
