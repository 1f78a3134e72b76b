"""The sections of a study's report: tables in Markdown, and a picture each."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from sensor2llm.studies.config import StudyConfig, Use
from sensor2llm.studies.grid import cells
from sensor2llm.studies.pictures import Curve, Line, plot_curves, plot_methods

Lines = Sequence[Line]
Curves = dict[str, dict[Curve, dict[float, Line]]]
"""Store to what a line is about to x to the result there."""
NOTHING = "–"
SMALLEST_P = 0.001


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Give a Markdown table's lines."""
    return [
        f"| {' | '.join(map(_escaped, heads))} |",
        "|---" * len(heads) + "|",
        *(f"| {' | '.join(map(_escaped, row))} |" for row in rows),
    ]


def _methods(study: StudyConfig, lines: Lines, folder: Path) -> list[str]:
    """Tell every method with all labels and all modalities."""
    chosen = [line for line in lines if _plain(line)]
    if not chosen:
        return []
    plot_methods(chosen, folder / "methods.png")
    parts = ["![macro-F1 of every method](methods.png)", ""]
    for store in dict.fromkeys(line["store"] for line in chosen):
        of_store = [line for line in chosen if line["store"] == store]
        first = of_store[0]
        heads = ["method", "use", "macro-F1 (95 %)", "mean ± sd over people", "released metric",
                 f"difference to {study.baseline} (95 %)", "p", "runs"]  # fmt: skip
        rows = [_method_cells(line) for line in of_store]
        if published := _published(study, store):
            heads.append("published")
            rows = _with_published(rows, published)
        people = "1 person" if first["people"] == 1 else f"{first['people']} people"
        parts += [f"### {store}: {people}, {first['windows']} test windows", ""]
        parts += [*table(heads, rows), ""]
    return parts


def _method_cells(line: Line) -> list[str]:
    return [
        line["method"], line["use"], _with_interval(line),
        f"{line['mean_over_people']:.3f} ± {line['sd_over_people']:.3f}",
        f"{line['f1_crossl_released_of_runs']:.3f}", _difference(line),
        _probability(line["p"]), str(line["runs"]),
    ]  # fmt: skip


def _published(study: StudyConfig, store: str) -> dict[tuple[str, str], str]:
    """Give the paper's cells of a store by method and use; the use may be left open."""
    results = {}
    for name, of_store in study.published.items():
        if store in of_store:
            method, _, use = name.rpartition(" ")
            key = (method, use) if method and use in get_args(Use) else (name, "")
            results[key] = of_store[store]
    return results


def _with_published(
    rows: Sequence[Sequence[str]], published: Mapping[tuple[str, str], str]
) -> list[list[str]]:
    """Put the paper's cells beside ours; then rows for what the paper has and this run has not."""
    left, joined = dict(published), []
    for row in rows:
        key = (row[0], row[1]) if (row[0], row[1]) in published else (row[0], "")
        joined.append([*row, published.get(key, NOTHING)])
        left.pop(key, None)
    blanks = len(rows[0]) - 2
    theirs = [
        [method, use or NOTHING, *[NOTHING] * blanks, cell] for (method, use), cell in left.items()
    ]
    return joined + theirs


def _options(study: StudyConfig, lines: Lines, folder: Path) -> list[str]:
    """Tell methods that were run with several values of one numeric option."""
    listed = {cell.title: (cell, study.methods[cell.method].options) for cell in cells(study)}
    by_option: dict[str, Curves] = defaultdict(_curves)
    for line in lines:
        cell, options = listed[line["method"]]
        for option, value in cell.options.items():
            if not isinstance(options[option], list) or not _is_number(value) or not _plain(line):
                continue
            rest = " ".join(w for w in cell.title.split(" ") if w != f"{option}={value}")
            curve = Curve(rest, line["use"])
            by_option[option][line["store"]][curve][float(value)] = line
    parts = []
    for option, curves in by_option.items():
        words, picture = option.replace("_", " "), f"{option}.png"
        plot_curves(curves, folder / picture, xlabel=words)
        parts += [f"![macro-F1 over {words}]({picture})", ""]
        parts += _curve_tables(curves, words, "{:g}".format)
    return parts


def _labels(study: StudyConfig, lines: Lines, folder: Path) -> list[str]:
    """Tell label efficiency; the full labels stand at the end of each line."""
    chosen = [line for line in lines if not line["without"] and not line["missing"]]
    if len({line["share"] for line in chosen}) < 2:
        return []
    curves = _curves()
    for line in chosen:
        for by in study.labels.by if line["share"] == 1 else (line["by"],):
            curve = Curve(line["method"], line["use"], "share of people" * (by == "subject"))
            curves[line["store"]][curve][100 * line["share"]] = line
    plot_curves(curves, folder / "labels.png", xlabel="labels, %", log=True)
    parts = ["![macro-F1 over the share of labels](labels.png)", ""]
    parts += _curve_tables(curves, "labels", "{:g} %".format)
    if any(line["difference"] is not None for line in chosen):
        parts += [f"Difference to `{study.baseline}` with the same labels:", ""]
        parts += _curve_tables(curves, "labels", "{:g} %".format, _difference)
    return parts


def _missing(study: StudyConfig, lines: Lines, folder: Path) -> list[str]:
    """Tell what is left when modalities are missing at inference only."""
    chosen = [line for line in lines if line["share"] == 1 and not line["without"]]
    return _missing_tables(chosen, "missing", folder / "missing.png")


def _missing_twice(study: StudyConfig, lines: Lines, folder: Path) -> list[str]:
    """Tell what is left when modalities are missing when labels are learnt, and afterwards."""
    chosen = [line for line in lines if line["share"] == 1 and line["without"] == line["missing"]]
    return _missing_tables(chosen, "without", folder / "missing_finetuning.png")


def _missing_tables(chosen: Lines, field: str, picture: Path) -> list[str]:
    if not any(line[field] for line in chosen):
        return []
    curves = _curves()
    groups: dict[tuple[str, Curve, int], list[Line]] = defaultdict(list)
    for line in chosen:
        curve = Curve(line["method"], line["use"])
        groups[line["store"], curve, len(line[field])].append(line)
    for (store, curve, count), members in groups.items():
        # A mean over sets has no interval of its own; each set's stands in the table below.
        mean = float(np.mean([line["macro_f1"] for line in members]))
        curves[store][curve][count] = {"macro_f1": mean, "interval": None}
    plot_curves(curves, picture, xlabel="modalities missing, mean over sets", whole=True)
    parts = [f"![macro-F1 by how many modalities are missing]({picture.name})", ""]
    parts += _curve_tables(curves, "modalities missing", "{:g}".format)
    for store in curves:
        parts += _sets(store, [line for line in chosen if line["store"] == store], field)
    return parts


def _sets(store: str, lines: Lines, field: str) -> list[str]:
    """Give a row a set of missing modalities, a column a method."""
    sets: dict[str, dict[str, str]] = defaultdict(dict)
    for line in lines:
        missing = ", ".join(line[field]) or "nothing"
        sets[missing][str(Curve(line["method"], line["use"]))] = _with_interval(line)
    names = list(dict.fromkeys(name for scores in sets.values() for name in scores))
    rows = [
        [missing, *(scores.get(name, NOTHING) for name in names)]
        for missing, scores in sets.items()
    ]
    return [f"### {store}, set by set", "", *table(["missing", *names], rows), ""]


def _curve_tables(
    curves: Curves,
    title: str,
    written: Callable[[float], str],
    cell: Callable[[Line], str] | None = None,
) -> list[str]:
    parts, cell = [], cell or _with_interval
    for store, lines in curves.items():
        xs = sorted({x for points in lines.values() for x in points})
        heads = [f"{store}: {title}", *(written(x) for x in xs)]
        rows = [
            [str(curve), *(cell(points[x]) if x in points else NOTHING for x in xs)]
            for curve, points in lines.items()
        ]
        parts += [*table(heads, rows), ""]
    return parts


SECTIONS: dict[str, Callable[[StudyConfig, Lines, Path], list[str]]] = {
    "Methods": _methods,
    "Options": _options,
    "Few labels": _labels,
    "Missing when windows are judged": _missing,
    "Missing when labels are learnt, and afterwards": _missing_twice,
}


def _curves() -> Curves:
    return defaultdict(lambda: defaultdict(dict))


def _plain(line: Line) -> bool:
    return line["share"] == 1 and not line["without"] and not line["missing"]


def _with_interval(line: Line) -> str:
    if not line["interval"]:
        return f"{line['macro_f1']:.3f}"
    low, high = line["interval"]
    return f"{line['macro_f1']:.3f} ({low:.3f} to {high:.3f})"


def _difference(line: Line) -> str:
    if line["difference"] is None:
        return NOTHING
    between = line["difference_interval"]
    span = f" ({between[0]:+.3f} to {between[1]:+.3f})" if between else ""
    return f"{line['difference']:+.3f}{span}"


def _probability(p: float | None) -> str:
    if p is None:
        return NOTHING
    return f"{p:.3f}" if p >= SMALLEST_P else f"< {SMALLEST_P}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
