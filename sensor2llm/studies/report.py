"""Tell a study: results.json, results.parquet, README.md and pictures, from its finished cells."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.grid import cells
from sensor2llm.studies.pictures import Line, plot_curves, plot_methods
from sensor2llm.studies.results import tabulate
from sensor2llm.studies.runner import read_cells
from sensor2llm.training.record import versions, write_bytes, write_json

RESULTS, TABLE, REPORT = "results.json", "results.parquet", "README.md"
Lines = Sequence[Line]


def write_report(study: StudyConfig, command: str, *, as_json: bool = False) -> str:
    """Write what the finished cells say, and give the report's text, or its JSON.

    Raises:
        DataError: no cell is finished.
    """
    records = read_cells(study)
    lines = tabulate(study, records)
    found = {
        "name": study.name,
        "command": command,
        "cells": len(records),
        "cells_wanted": len(cells(study)),
        "versions": versions(),
        "published": study.published,
        "pretraining": pretraining_of(records),
        "rows": lines,
    }
    folder = study.report or study.out
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RESULTS, found)
    _write_table(folder / TABLE, lines)
    text = describe(study, found, folder)
    write_bytes(folder / REPORT, text.encode("utf-8"))
    return json.dumps(found) if as_json else text


def pretraining_of(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give each store's and method's pretraining time and speed, averaged over its cells."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        if record["pretraining"]:
            groups[record["store"], record["method"]].append(record["pretraining"])
    return [
        {
            "store": store,
            "method": method,
            "runs": len(runs),
            "seconds": float(np.mean([run["seconds"] for run in runs])),
            "longest_seconds": float(np.max([run["seconds"] for run in runs])),
            "windows_per_s": float(np.mean([run["windows_per_s"] for run in runs])),
            "stopped_early": sum(run["ended"] == "early" for run in runs),
        }
        for (store, method), runs in groups.items()
    ]


def describe(study: StudyConfig, found: Mapping[str, Any], folder: Path) -> str:
    """Write the report as Markdown, and its pictures into the folder."""
    lines: Lines = found["rows"]
    parts = [f"# {study.name}", "", f"    {found['command']}" if found["command"] else ""]
    parts += [
        "",
        f"{found['cells']} of {found['cells_wanted']} cells. macro-F1 is of all folds' test windows"
        " together with its 95 % interval over people; mean and sd are over people; the difference "
        f"is to `{study.baseline}` on the same windows of the same runs, p by Wilcoxon's signed-"
        "rank test over people; the released metric is CroSSL's own (micro-F1 at 0.5 in batches of "
        "8), for comparison with its paper only.",
    ]
    for title, tell in SECTIONS.items():
        body = tell(study, lines, folder)
        if body:
            parts += ["", f"## {title}", "", *body]
    parts += _pretraining_section(found["pretraining"])
    return "\n".join(parts).replace("\n\n\n", "\n\n") + "\n"


def _plain(line: Line) -> bool:
    return line["share"] == 1 and not line["without"] and not line["missing"]


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
        published = any(store in cell for cell in study.published.values())
        rows = [_method_cells(study, line, published) for line in of_store]
        if published:
            rows += _only_published(study, store, {(r[0], r[1]) for r in rows})
            heads.append("published")
        parts += [f"### {store}: {first['people']} people, {first['windows']} test windows", ""]
        parts += [*table(heads, rows), ""]
    return parts


def _method_cells(study: StudyConfig, line: Line, published: bool) -> list[str]:
    cells_ = [
        line["method"], line["use"], _with_interval(line),
        f"{line['mean_over_people']:.3f} ± {line['sd_over_people']:.3f}",
        f"{line['f1_crossl_released_of_runs']:.3f}", _difference(line),
        "–" if line["p"] is None else f"{line['p']:.3f}", str(line["runs"]),
    ]  # fmt: skip
    said = study.published.get(f"{line['method']} {line['use']}", {})
    return [*cells_, said.get(line["store"], "–")] if published else cells_


def _only_published(study: StudyConfig, store: str, here: set[tuple[str, str]]) -> list[list[str]]:
    """Give rows for what the paper has and this run has not."""
    found = []
    for name, cell in study.published.items():
        method, _, use = name.rpartition(" ")
        if store in cell and (method, use) not in here:
            found.append([method, use, *["–"] * 6, cell[store]])
    return found


def _options(study: StudyConfig, lines: Lines, folder: Path) -> list[str]:
    """Tell methods that were run with several values of one numeric option."""
    curves: dict[str, dict[str, dict[float, Line]]] = defaultdict(lambda: defaultdict(dict))
    option = ""
    for line in lines:
        name, _, words = line["method"].rpartition(" ")
        words, _, value = words.partition("=")
        if _plain(line) and name and _is_number(value):
            option = words
            curves[line["store"]][f"{name}, {line['use']}"][float(value)] = line
    if not curves:
        return []
    plot_curves(curves, folder / "options.png", xlabel=option.replace("_", " "))
    parts = [f"![macro-F1 over {option}](options.png)", ""]
    return parts + _curve_tables(curves, option.replace("_", " "), lambda x: f"{x:g}")


def _labels(study: StudyConfig, lines: Lines, folder: Path) -> list[str]:
    """Tell label efficiency; the full labels stand at the end of each line."""
    shares = {line["share"] for line in lines}
    if len(shares) < 2:
        return []
    curves: dict[str, dict[str, dict[float, Line]]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        if line["without"] or line["missing"]:
            continue
        for by in study.labels.by if line["share"] == 1 else (line["by"],):
            name = f"{line['method']}, {line['use']}" + (", share of people" * (by == "subject"))
            curves[line["store"]][name][100 * line["share"]] = line
    plot_curves(curves, folder / "labels.png", xlabel="labels, %", log=True)
    parts = ["![macro-F1 over the share of labels](labels.png)", ""]
    return parts + _curve_tables(curves, "labels", lambda x: f"{x:g} %")


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
    curves: dict[str, dict[str, dict[float, Line]]] = defaultdict(lambda: defaultdict(dict))
    groups: dict[tuple[str, str, int], list[Line]] = defaultdict(list)
    for line in chosen:
        name = f"{line['method']}, {line['use']}"
        groups[line["store"], name, len(line[field])].append(line)
    for (store, name, count), members in groups.items():
        # A mean over sets has no interval of its own; each set's stands in the table below.
        mean = float(np.mean([line["macro_f1"] for line in members]))
        curves[store][name][count] = {"macro_f1": mean, "interval": None}
    plot_curves(curves, picture, xlabel="modalities missing, mean over sets")
    parts = [f"![macro-F1 by how many modalities are missing]({picture.name})", ""]
    parts += _curve_tables(curves, "modalities missing", lambda x: f"{x:g}")
    for store in curves:
        parts += _sets(store, [line for line in chosen if line["store"] == store], field)
    return parts


def _sets(store: str, lines: Lines, field: str) -> list[str]:
    """Give a row a set of missing modalities, a column a method."""
    names = list(dict.fromkeys(f"{line['method']}, {line['use']}" for line in lines))
    sets: dict[str, dict[str, str]] = defaultdict(dict)
    for line in lines:
        missing = ", ".join(line[field]) or "nothing"
        sets[missing][f"{line['method']}, {line['use']}"] = _with_interval(line)
    rows = [[missing, *(said.get(name, "–") for name in names)] for missing, said in sets.items()]
    return [f"### {store}, set by set", "", *table(["missing", *names], rows), ""]


def _curve_tables(
    curves: Mapping[str, Mapping[str, Mapping[float, Line]]],
    title: str,
    written: Callable[[float], str],
) -> list[str]:
    parts = []
    for store, lines in curves.items():
        xs = sorted({x for points in lines.values() for x in points})
        heads = [f"{store}: {title}", *(written(x) for x in xs)]
        rows = [
            [name, *(_with_interval(points[x]) if x in points else "–" for x in xs)]
            for name, points in lines.items()
        ]
        parts += [*table(heads, rows), ""]
    return parts


def _pretraining_section(found: Sequence[Mapping[str, Any]]) -> list[str]:
    if not found:
        return []
    rows = [
        [one["store"], one["method"], f"{one['seconds']:.0f}", f"{one['longest_seconds']:.0f}",
         f"{one['windows_per_s']:.0f}", f"{one['stopped_early']} of {one['runs']}"]
        for one in found
    ]  # fmt: skip
    heads = ["store", "method", "mean s", "longest s", "windows/s", "stopped early"]
    note = "One thread a run; runs share the machine, so speeds are not a benchmark."
    return ["", "## Pretraining", "", note, "", *table(heads, rows)]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Give a Markdown table's lines."""
    return [
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


SECTIONS: dict[str, Callable[[StudyConfig, Lines, Path], list[str]]] = {
    "Methods": _methods,
    "Options": _options,
    "Few labels": _labels,
    "Missing when windows are judged": _missing,
    "Missing when labels are learnt, and afterwards": _missing_twice,
}


def _with_interval(line: Line) -> str:
    if not line["interval"]:
        return f"{line['macro_f1']:.3f}"
    low, high = line["interval"]
    return f"{line['macro_f1']:.3f} ({low:.3f} to {high:.3f})"


def _difference(line: Line) -> str:
    if line["difference"] is None:
        return "–"
    between = line["difference_interval"]
    span = f" ({between[0]:+.3f} to {between[1]:+.3f})" if between else ""
    return f"{line['difference']:+.3f}{span}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _write_table(path: Path, lines: Lines) -> None:
    """Write the rows as Parquet; intervals become two columns."""
    flat = []
    for line in lines:
        plain = {k: v for k, v in line.items() if not k.endswith("interval")}
        for name in ("interval", "difference_interval"):
            low, high = line[name] or (None, None)
            plain |= {f"{name}_low": low, f"{name}_high": high}
        flat.append(plain)
    part = path.with_name(path.name + ".part")
    pq.write_table(pa.Table.from_pylist(flat), part)
    part.replace(path)
