"""The table of what a window costs, as `benchmarks.speed.suite` measured it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULT = Path(__file__).resolve().parent / "results" / "bench.json"
GROWTH = re.compile(r"(label|train), (\w+) ([\d,]+)")


def cost(path: Path = RESULT) -> str:
    """Give how cost grows along each axis, and what stands beside it; nothing before a run."""
    if not path.is_file():
        return ""
    result = json.loads(path.read_text(encoding="utf-8"))
    figures = result["figures"]
    lines = ["| what grows | to | labelling, times the base | training, times the base |"]
    lines.append("|---|---|---|---|")
    points = {m.group(2, 3): None for name in figures if (m := GROWTH.fullmatch(name))}
    for axis, value in points:
        cells = (_shown(figures.get(f"{verb}, {axis} {value}")) for verb in ("label", "train"))
        lines.append(f"| {axis.replace('_', ' ')} | {value} | {' | '.join(cells)} |")
    lines += ["", "| cost within one run | median (least to greatest) |", "|---|---|"]
    others = {name: f for name, f in figures.items() if not GROWTH.fullmatch(name)}
    lines += [f"| {name} | {_shown(figure)} |" for name, figure in others.items()]
    kind = "a quick run, no record; " if result["quick"] else ""
    busy = "busy" if result["busy"] else "idle"
    ran = f"{kind}{busy} machine, {result['cores']} cores, {result['seconds'] / 60:.0f} minutes"
    return "\n".join([*lines, "", f"    {result['command']}    # {ran}"]) + "\n"


def _shown(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return "–"
    return f"{figure['median']:.2f} ({figure['least']:.2f} to {figure['most']:.2f})"
