"""Draw how the cost of a window grows, from the suite's figures."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.speed.cost import BASE
from sensor2llm.plots.figures import COLOURS, save_picture

VERBS = {"label": "labelling", "train": "training"}


def draw_growth(figures: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw times the base's cost over times the base's value, a line an axis, least to greatest."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, len(VERBS), sharey=True)
    for panel, (verb, title) in zip(panels, VERBS.items(), strict=True):
        for colour, (axis, base) in zip(COLOURS, asdict(BASE).items(), strict=False):
            points = [(1.0, 1.0, 1.0, 1.0), *_points(figures, f"{verb}, {axis}", base)]
            times, least, median, most = zip(*sorted(points), strict=True)
            name = f"{axis.replace('_', ' ')} (base {base})"
            panel.plot(times, median, marker="o", markersize=4, color=colour, label=name)
            panel.fill_between(times, least, most, color=colour, alpha=0.2)
        panel.set(xscale="log", yscale="log", title=title, xlabel="times the base's value")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("times the base's cost of a window")
    panels[-1].legend(fontsize=8)
    save_picture(figure, path)


def _points(
    figures: Mapping[str, Mapping[str, Any]], name: str, base: int
) -> list[tuple[float, float, float, float]]:
    """Give each point's value over the base's, and its least, median and greatest cost."""
    points = []
    for title, figure in figures.items():
        if match := re.fullmatch(f"{name} ([\\d,]+)", title):
            value = int(match[1].replace(",", ""))
            points.append((value / base, figure["least"], figure["median"], figure["most"]))
    return points
