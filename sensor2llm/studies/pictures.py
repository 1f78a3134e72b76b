"""Pictures of a study: methods side by side, and lines over shares, ratios and missing sensors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sensor2llm.plots.figures import COLOURS, save_picture

Line = Mapping[str, Any]
USES = {"finetuned": ("s", COLOURS[0]), "fixed": ("o", COLOURS[1])}
# More bands than these hide one another.
MOST_BANDS = 4
# Width of a letter of the legend, in inches: names that are cut off say nothing.
LETTER_IN = 0.085


class Curve(NamedTuple):
    """What one line of a picture, and one row of its table, is about."""

    method: str
    use: str
    also: str = ""

    def __str__(self) -> str:
        return ", ".join(part for part in self if part)


Points = Mapping[float, Line]
"""x to the result there."""


def plot_methods(lines: Sequence[Line], path: Path) -> Path:
    """Draw every method's macro-F1 with its interval over people, a panel a store."""
    stores = list(dict.fromkeys(line["store"] for line in lines))
    methods = list(dict.fromkeys(line["method"] for line in lines))
    figure = Figure(figsize=(1.8 + 3.6 * len(stores), 1.5 + 0.46 * len(methods)),
                    layout="constrained")  # fmt: skip
    grid = figure.subplots(1, len(stores), sharey=True, squeeze=False)
    for axis, store in zip(grid[0], stores, strict=True):
        of_store = [line for line in lines if line["store"] == store]
        for line in of_store:
            both = len({one["use"] for one in of_store if one["method"] == line["method"]}) > 1
            shift = 0.15 if line["use"] == "fixed" else -0.15
            _draw_result(axis, line, methods.index(line["method"]) + shift * both)
        for place in range(1, len(methods), 2):
            axis.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", zorder=0)
        axis.set(title=store, xlabel="macro-F1, 95 % over people")
        axis.grid(axis="x", color="#dddddd")
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    grid[0][0].set_yticks(range(len(methods)), methods)
    grid[0][0].set_ylim(len(methods) - 0.5, -0.5)
    handles = [
        Line2D([], [], marker=marker, color=colour, linewidth=2, markersize=5, label=use)
        for use, (marker, colour) in USES.items()
        if any(line["use"] == use for line in lines)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return save_picture(figure, path)


def _draw_result(axis: Axes, line: Line, place: float) -> None:
    marker, colour = USES[line["use"]]
    low, high = line["interval"] or (line["macro_f1"], line["macro_f1"])
    axis.plot([low, high], [place, place], color=colour, linewidth=2)
    axis.plot(line["macro_f1"], place, marker, color=colour, markersize=5)


def plot_curves(
    curves: Mapping[str, Mapping[Curve, Points]],
    path: Path,
    *,
    xlabel: str,
    log: bool = False,
    whole: bool = False,
) -> Path:
    """Draw macro-F1 over a number, a panel a store, a line a method and use.

    A method has a colour; fixed is dashed where fine-tuned is there, too. `whole`: x is a count.
    """
    styles = _styles(list(dict.fromkeys(one for lines in curves.values() for one in lines)))
    width = 1.2 + 4.4 * len(curves)
    longest = max(len(str(one)) for one in styles)
    columns = min(len(styles), max(1, int(width / (0.5 + LETTER_IN * longest))))
    height = 3.8 + 0.22 * -(-len(styles) // columns)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(1, len(curves), squeeze=False)
    handles: dict[Curve, Any] = {}
    for axis, (store, lines) in zip(grid[0], curves.items(), strict=True):
        for one, points in lines.items():
            handles[one] = _draw_curve(axis, points, styles[one], len(lines) <= MOST_BANDS)
            handles[one].set_label(str(one))
        axis.set(title=store, xlabel=xlabel)
        if log:
            axis.set_xscale("log")
            ticks = sorted({x for points in lines.values() for x in points})
            axis.set_xticks(ticks, [f"{x:g}" for x in ticks])
            axis.set_xticks([], minor=True)
        if whole:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(color="#eeeeee")
        axis.spines[["top", "right"]].set_visible(False)
    grid[0][0].set_ylabel("macro-F1")
    shown = [handles[one] for one in styles]
    figure.legend(handles=shown, loc="outside lower center", frameon=False, ncols=columns)
    return save_picture(figure, path)


def _styles(names: Sequence[Curve]) -> dict[Curve, dict[str, Any]]:
    methods = list(dict.fromkeys(one.method for one in names))
    uses = {one.use for one in names}
    styles: dict[Curve, dict[str, Any]] = {}
    for one in names:
        number = methods.index(one.method)
        styles[one] = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": "--" if one.use == "fixed" and len(uses) > 1 else "-",
            "marker": "^" if one.also else ("o", "D")[number // len(COLOURS) % 2],
        }
    return styles


def _draw_curve(axis: Axes, points: Points, style: Mapping[str, Any], band: bool) -> Any:
    xs = sorted(points)
    (line,) = axis.plot(xs, [points[x]["macro_f1"] for x in xs], markersize=4, **style)
    spans = [points[x]["interval"] for x in xs if points[x]["interval"]]
    if band and len(spans) == len(xs):
        low, high = zip(*spans, strict=True)
        axis.fill_between(xs, low, high, color=style["color"], alpha=0.1, linewidth=0)
    return line
