"""Pictures of a study: methods side by side, and lines over shares, ratios and missing sensors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sensor2llm.plots import COLOURS, save_picture

Line = Mapping[str, Any]
USES = {"fixed": "o", "finetuned": "s"}


def plot_methods(lines: Sequence[Line], path: Path) -> Path:
    """Draw every method's macro-F1 with its interval over people, a panel a store."""
    stores = list(dict.fromkeys(line["store"] for line in lines))
    methods = list(dict.fromkeys(line["method"] for line in lines))
    figure = Figure(figsize=(1.8 + 3.6 * len(stores), 1.4 + 0.42 * len(methods)),
                    layout="constrained")  # fmt: skip
    grid = figure.subplots(1, len(stores), sharey=True, squeeze=False)
    for axis, store in zip(grid[0], stores, strict=True):
        for line in (one for one in lines if one["store"] == store):
            place = methods.index(line["method"]) + (0.14 if line["use"] == "fixed" else -0.14)
            low, high = line["interval"] or (line["macro_f1"], line["macro_f1"])
            colour = COLOURS[0] if line["use"] == "finetuned" else COLOURS[1]
            axis.plot([low, high], [place, place], color=colour, linewidth=2)
            axis.plot(line["macro_f1"], place, USES[line["use"]], color=colour, markersize=5)
        axis.set(title=store, xlabel="macro-F1, 95 % over people")
        axis.grid(axis="x", color="#dddddd")
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    grid[0][0].set_yticks(range(len(methods)), methods)
    grid[0][0].invert_yaxis()
    handles = [
        grid[0][0].plot([], [], marker, color=colour, label=use)[0]
        for (use, marker), colour in zip(USES.items(), (COLOURS[1], COLOURS[0]), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return save_picture(figure, path)


def plot_curves(
    curves: Mapping[str, Mapping[str, Mapping[float, Line]]],
    path: Path,
    *,
    xlabel: str,
    log: bool = False,
) -> Path:
    """Draw macro-F1 over a number, a panel a store, a line a method.

    Args:
        curves: store to line's name to x to the result there.
        path: the picture to write.
        xlabel: what x is.
        log: whether x is drawn by its logarithm.
    """
    figure = Figure(figsize=(1.2 + 4.4 * len(curves), 4.6), layout="constrained")
    grid = figure.subplots(1, len(curves), squeeze=False)
    names = list(dict.fromkeys(name for lines in curves.values() for name in lines))
    handles: dict[str, Any] = {}
    for axis, (store, lines) in zip(grid[0], curves.items(), strict=True):
        for name, points in lines.items():
            xs = sorted(points)
            number = names.index(name)
            colour = COLOURS[number % len(COLOURS)]
            dashes = "-" if number < len(COLOURS) else "--"
            (handles[name],) = axis.plot(
                xs, [points[x]["macro_f1"] for x in xs], dashes, marker="o", markersize=4,
                color=colour, label=name,
            )  # fmt: skip
            spans = [points[x]["interval"] for x in xs if points[x]["interval"]]
            if len(spans) == len(xs):
                axis.fill_between(
                    xs, [s[0] for s in spans], [s[1] for s in spans], color=colour, alpha=0.08,
                    linewidth=0,
                )  # fmt: skip
        axis.set(title=store, xlabel=xlabel, ylabel="macro-F1")
        if log:
            axis.set_xscale("log")
            ticks = sorted({x for points in lines.values() for x in points})
            axis.set_xticks(ticks, [f"{x:g}" for x in ticks])
            axis.set_xticks([], minor=True)
        axis.grid(color="#eeeeee")
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=list(handles.values()), loc="outside lower center", frameon=False,
                  ncols=min(len(handles), 3))  # fmt: skip
    return save_picture(figure, path)
