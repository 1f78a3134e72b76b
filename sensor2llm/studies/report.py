"""Tell a study: results.json, results.parquet, README.md and pictures, from its finished cells."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sensor2llm.artefacts.atomic_write import update_folder
from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.grid import cells
from sensor2llm.studies.results import tabulate
from sensor2llm.studies.runner import read_cells
from sensor2llm.studies.sections import SECTIONS, Lines, table
from sensor2llm.training.record import versions, write_json

RESULTS, TABLE, REPORT = "results.json", "results.parquet", "README.md"
INTERVALS = ("interval", "difference_interval")
# What a whole study may lack; a column of nothing else would have no type.
MAY_LACK = ("difference", "p", *(f"{name}_{end}" for name in INTERVALS for end in ("low", "high")))


def write_report(study: StudyConfig, command: str, *, as_json: bool = False) -> str:
    """Write what the finished cells say, and give the report's text, or its JSON."""
    records = read_cells(study)
    lines = tabulate(study, records)
    results = {
        "name": study.name,
        "command": command,
        "cells": len(records),
        "cells_wanted": len(cells(study)),
        "versions": versions(),
        "published": study.published,
        "pretraining": pretraining_of(records),
        "rows": lines,
    }
    with update_folder(study.report or study.out) as part:
        write_json(part / RESULTS, results)
        _write_table(part / TABLE, lines)
        text = describe(study, results, part)
        (part / REPORT).write_text(text, encoding="utf-8")
    return json.dumps(results) if as_json else text


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


def describe(study: StudyConfig, figures: Mapping[str, Any], folder: Path) -> str:
    """Write the report as Markdown, and its pictures into the folder."""
    lines: Lines = figures["rows"]
    parts = [f"# {study.name}"]
    if figures["command"]:
        parts += ["", f"    {figures['command']}"]
    parts += [
        "",
        f"{figures['cells']} of {figures['cells_wanted']} cells. macro-F1 is of all folds' test "
        "windows together with its 95 % interval over people; mean and sd are over people; the "
        f"difference is to `{study.baseline}` (as the row is, fixed or fine-tuned, or fine-tuned "
        "where it is nothing else) on the same windows of the same runs, p by Wilcoxon's "
        "signed-rank test over people; the released metric is CroSSL's own (micro-F1 at 0.5 in "
        "batches of 8), for comparison with its paper only.",
    ]
    for title, tell in SECTIONS.items():
        body = tell(study, lines, folder)
        if body:
            parts += ["", f"## {title}", "", *body]
    parts += _pretraining_section(figures["pretraining"])
    return "\n".join(parts).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _pretraining_section(pretraining: Sequence[Mapping[str, Any]]) -> list[str]:
    if not pretraining:
        return []
    rows = [
        [one["store"], one["method"], f"{one['seconds']:.0f}", f"{one['longest_seconds']:.0f}",
         f"{one['windows_per_s']:.0f}", f"{one['stopped_early']} of {one['runs']}"]
        for one in pretraining
    ]  # fmt: skip
    heads = ["store", "method", "mean s", "longest s", "windows/s", "stopped early"]
    note = "One thread a run; runs share the machine, so speeds are not a benchmark."
    return ["", "## Pretraining", "", note, "", *table(heads, rows)]


def _write_table(path: Path, lines: Lines) -> None:
    """Write the rows as Parquet; intervals become two columns."""
    flat = []
    for line in lines:
        plain = {k: v for k, v in line.items() if k not in INTERVALS}
        for name in INTERVALS:
            low, high = line[name] or (None, None)
            plain |= {f"{name}_low": low, f"{name}_high": high}
        flat.append(plain)
    types = dict.fromkeys(MAY_LACK, pa.float64())
    types |= dict.fromkeys(("without", "missing"), pa.list_(pa.string()))
    inferred = pa.Table.from_pylist(flat).schema
    schema = pa.schema([(field.name, types.get(field.name, field.type)) for field in inferred])
    pq.write_table(pa.Table.from_pylist(flat, schema=schema), path)
