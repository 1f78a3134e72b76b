"""Pictures of windows, confusion, training and calibration, written as PNG, SVG or PDF.

Figures are built without pyplot, so nothing global is kept and no display is needed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import ConfigError
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.window import Window

if TYPE_CHECKING:
    from sensor2llm.tasks.metrics import Predictions

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's colours, told apart by colour-blind readers."""


def plot_window(
    window: Window,
    spec: SignalSpec,
    path: str | Path,
    *,
    answer: str = "",
    probabilities: Mapping[str, float] | None = None,
) -> Path:
    """Draw each modality of a window, with the model's answer as the title.

    A modality that the window lacks is an empty panel that says so. `answer` is what the model said
    of it; each label's probability is drawn as bars below, where they are given.

    Raises:
        ConfigError: for a file name that no picture format ends in.
    """
    panels = len(spec.modalities) + bool(probabilities)
    heights = [_height(m, m.name in window.signals) for m in spec.modalities]
    if probabilities:
        heights.append(0.5 + 0.28 * min(len(probabilities), 6))
    figure = Figure(figsize=(8, 0.9 + sum(heights)), layout="constrained")
    grid = figure.subplots(panels, 1, squeeze=False, height_ratios=heights)
    axes: list[Axes] = list(grid[:, 0])
    for modality, axis in zip(spec.modalities, axes, strict=False):
        _draw_modality(axis, modality, window.signals.get(modality.name))
    if probabilities:
        _draw_bars(axes[-1], probabilities)
    if answer:
        figure.suptitle(answer, x=0.02, ha="left", fontsize=12, fontweight="bold", wrap=True)
    return save_picture(figure, path)


def plot_confusion(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], path: str | Path
) -> Path:
    """Draw a confusion matrix: colour is the share of the row, numbers are counts."""
    counts = np.asarray(confusion, dtype=float)
    unparsed = counts.shape[1] > len(labels) and counts[:, len(labels) :].any()
    columns = [*labels, "(unparsed)"] if unparsed else list(labels)
    counts = counts[:, : len(columns)]
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.6 + 0.48 * len(labels)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(labels)), labels)
    axis.set(xlabel="answer", ylabel="truth")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if share[row, column] > 0.6 else "black"
            axis.text(column, row, f"{count:.0f}", ha="center", va="center", color=colour, size=8)
    figure.colorbar(image, ax=axis, label="share of the true label", shrink=0.8)
    return save_picture(figure, path)


def plot_reliability(predictions: "Predictions", path: str | Path, *, bins: int = 15) -> Path:
    """Draw accuracy against confidence; on the diagonal, probabilities mean what they say."""
    # Here and not above: scikit-learn takes a second to import, and other pictures do without.
    from sensor2llm.tasks.metrics import reliability

    share, confidence, accuracy = reliability(predictions, bins)
    filled = share > 0
    error = float(np.sum(share * np.abs(confidence - accuracy)))
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1)
    upper.plot(confidence[filled], accuracy[filled], "o-", color=COLOURS[0])
    upper.set(ylabel="accuracy", ylim=(0, 1.02), title=f"expected calibration error {error:.3f}")
    edges = np.linspace(0, 1, bins + 1)
    lower.bar(edges[:-1], share, width=1 / bins, align="edge", color=COLOURS[0], edgecolor="white")
    lower.set(xlabel="confidence", ylabel="share", xlim=(0, 1))
    return save_picture(figure, path)


def check_picture(path: str | Path) -> None:
    """Raise ConfigError for a file name that no picture format ends in."""
    path = Path(path)
    if path.suffix[1:] not in FigureCanvasBase.get_supported_filetypes():
        raise ConfigError(
            f"cannot write a picture as {path.name}; end its name in .png, .svg or .pdf"
        )


def save_picture(figure: Figure, path: str | Path) -> Path:
    """Write a figure, in the format that its name ends in (see `check_picture`); give the path."""
    check_picture(path)
    path = Path(path)
    with replace_file(path) as part:
        figure.savefig(part, dpi=140, format=path.suffix[1:])
    return path


def _height(modality: Modality, present: bool) -> float:
    if not present:
        return 0.6
    return 0.4 + 0.22 * len(modality.channels) if modality.axis == "none" else 2.0


def _draw_modality(axis: Axes, modality: Modality, values: np.ndarray | None) -> None:
    axis.set_title(modality.name, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    if values is None or modality.axis == "none":
        text = "missing"
        if values is not None:
            # Values of different units share no scale: they are written, not drawn.
            pairs = zip(modality.channels, np.ravel(values), strict=True)
            text = "\n".join(f"{channel.name}  {v:.4g} {channel.unit}" for channel, v in pairs)
        axis.text(0.02, 0.5, text, va="center", transform=axis.transAxes, family="monospace")
        axis.set(xticks=[], yticks=[])
        return
    steps = np.arange(values.shape[1]) / (modality.rate_hz or 1.0)
    for i, (channel, row) in enumerate(zip(modality.channels, values, strict=True)):
        colour = COLOURS[i % len(COLOURS)]
        axis.plot(steps, row, color=colour, linewidth=1, label=channel.name)
    units = dict.fromkeys(channel.unit for channel in modality.channels)
    axis.set(
        xlabel="s" if modality.rate_hz else "event",
        ylabel=", ".join(units),
        xlim=(0, steps[-1] or 1),
    )
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)


def _draw_bars(axis: Axes, probabilities: Mapping[str, float], most: int = 6) -> None:
    best = sorted(probabilities.items(), key=lambda item: -item[1])[:most][::-1]
    bars = axis.barh([name for name, _ in best], [value for _, value in best], color=COLOURS[0])
    axis.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set(xlim=(0, 1.08), xlabel="probability")
