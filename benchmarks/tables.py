"""Write the tables of README and of the site from what was measured: never a figure by hand.

    python -m benchmarks.tables            writes README.md and docs/**/*.md
    python -m benchmarks.tables --check    exit code 1 where a page is not what it would write

Sources: adapters/*/metrics.json (written by `evaluate`), benchmarks/results/*.json, and the
studies' benchmarks/results/*/results.json.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.chosen import CHOSEN
from benchmarks.comparison_table import comparison
from benchmarks.result_tables import RESULT_TABLES
from benchmarks.serving_table import serving
from benchmarks.speed_tables import SPEED_TABLES, spread
from benchmarks.study_tables import STUDY_TABLES
from sensor2llm.evaluation.cards.adapter import repeats_text

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def adapter_files(pattern: str) -> list[Path]:
    """Find files of released adapters: README has people train `adapters/mine`, which is none."""
    files = sorted((ROOT / "adapters").glob(f"*/{pattern}"))
    return [file for file in files if not file.parent.name.startswith("mine")]


def summary() -> str:
    """Give README's table: what each released adapter reaches, beside the probe without an LLM."""
    head = ("what is recognised", "data, test people", "adapter, macro-F1 (95 % over people)")
    lines = ["| " + " | ".join((*head, "no LLM")) + " |", "|---" * 4 + "|"]
    for path in adapter_files("metrics.json"):
        name, metrics = path.parent.name, json.loads(path.read_text(encoding="utf-8"))
        replaced = (ROOT / "adapters" / name.removesuffix("-bundled") / "metrics.json").is_file()
        if "controls" in metrics and not (name.endswith("-bundled") and replaced):
            task = f"{_task(metrics['labels'])}, `{name}`"
            lines.append(_summary_row(task, _people(metrics), metrics, metrics["controls"]))
    return "\n".join(lines) + "\n"


def _task(labels: Sequence[str]) -> str:
    if all(label.isdecimal() for label in labels):
        return f"levels {labels[0]} to {labels[-1]}"
    return ", ".join(labels) if len(labels) <= 5 else f"{len(labels)} activities"


def _summary_row(
    task: str, people: str, metrics: Mapping[str, Any], others: Mapping[str, Any]
) -> str:
    score = f"{metrics['macro_f1']:.3f}{_between(metrics)}"
    return f"| {task} | {people} | {score} | {others['probe']['macro_f1']:.3f} |"


def _people(metrics: Mapping[str, Any]) -> str:
    """Name the data without its address or settings, what is to be known of it, and the people."""
    parts = metrics["data"]["source"].split("; ")
    named = "; ".join(re.split(r", http|: SimulationConfig", part)[0] for part in parts)
    return f"{named}, {metrics['subjects']}"


def adapters() -> str:
    """Give a row a released adapter."""
    score = "macro-F1 by label scoring, this seed (95 % over people)"
    head = ("adapter", "data, test people", score, "mean of its recipe's runs", "by free text")
    head = (*head, "no LLM", "text only")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for path in adapter_files("metrics.json"):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if "controls" in metrics:
            text = path.with_name("metrics_text.json")
            read = json.loads(text.read_text(encoding="utf-8")) if text.is_file() else None
            lines.append(_adapter_row(path.parent.name, metrics, read))
    commands = [
        f"    {json.loads(p.read_text(encoding='utf-8'))['command']}"
        for p in adapter_files("metrics*.json")
    ]
    return "\n".join([*lines, "", *commands]) + "\n"


def _adapter_row(name: str, metrics: Mapping[str, Any], read: Mapping[str, Any] | None) -> str:
    controls, folder = metrics["controls"], ROOT / "adapters" / name
    score = f"{metrics['macro_f1']:.3f}, {_seed(folder)}{_between(metrics)}"
    written = f"{read['macro_f1']:.3f}, unparsed {read['unparsed_rate']:.2%}" if read else "–"
    return (
        f"| `{name}` | {_people(metrics)} | {score} | {_repeats(folder)} "
        f"| {written} | {controls['probe']['macro_f1']:.3f} "
        f"| {controls['text_only']['macro_f1']:.3f} |"
    )


def _seed(folder: Path) -> str:
    recipe = yaml.safe_load((folder / "resolved.yaml").read_text(encoding="utf-8"))
    return f"seed {recipe['loop']['seed']}"


def _repeats(folder: Path) -> str:
    """Give the mean over the runs that `adapters` made by the same recipe; a dash for none."""
    path = folder / "metrics_repeated.json"
    return repeats_text(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else "–"


def repeated() -> str:
    """Give the adapters' figures over seeds or folds, as `adapters` measured them."""
    probe = "best probe on the same encoder, no LLM"
    head = ("runs", "label scoring", "free text", "unparsed", probe, "positions")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    commands = []
    for path in sorted(RESULTS.glob("adapters_*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        runs, means = result["runs"], result["summary"]
        unparsed = max(run["text"]["unparsed_rate"] for run in runs)
        positions = max(run["tokens_per_window"] for run in runs)
        name = path.stem.removeprefix("adapters_")
        best = max([means["probe"], *_probes(name)], key=lambda one: one["macro_f1"])
        cells = [f"{name.replace('_', ' ')}, {len(runs)}", spread(means["score"])]
        cells += [spread(means["text"]), f"{unparsed:.1%}", spread(best)]
        lines.append(f"| {' | '.join(cells)} | {positions:.0f} |")
        commands.append(f"    {result['command']}")
    return "\n".join([*lines, "", *commands]) + "\n" if commands else ""


def _probes(name: str) -> list[dict[str, float]]:
    """Give what `encoders` measured of the encoders that the adapters stand on."""
    path = RESULTS / f"encoders_{name}.json"
    if not path.is_file():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))["summary"].items()
    return [
        {"macro_f1": row["mean_of_folds"], "sd": row["sd_of_folds"]}
        for title, row in rows
        if title.startswith("crossl, ")
    ]


def encoders() -> str:
    """Give CroSSL then labels against labels alone, as `encoders` measured them."""
    path = RESULTS / "encoders_wisdm_watch.json"
    if not path.is_file():
        return ""
    result = json.loads(path.read_text(encoding="utf-8"))
    lines = ["| encoder, judged by | macro-F1 of all folds | 95 % over people |", "|---|---|---|"]
    for name, row in result["summary"].items():
        value = row.get("pooled", row.get("difference"))
        low, high = row["interval"]
        lines.append(f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} |")
    return "\n".join([*lines, "", f"    {result['command']}"]) + "\n"


def _between(row: Mapping[str, Any]) -> str:
    interval = row["interval"]
    return f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


TABLES: Mapping[str, Callable[[], str]] = {
    "summary": summary,
    "adapters": adapters,
    "repeated": repeated,
    "encoders": encoders,
    "comparison": comparison,
    "serving": serving,
    **SPEED_TABLES,
    **STUDY_TABLES,
    **RESULT_TABLES,
}


def pages() -> list[Path]:
    """Give the files that hold marked tables, or may."""
    made = (ROOT / "docs" / "_build", ROOT / "docs" / "generated")
    texts = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", *(p for p in texts if not any(p.is_relative_to(m) for m in made))]


def rewritten(text: str) -> str:
    """Give a page's text with every marked table written anew, and who chose anything of it."""
    return MARKED.sub(lambda m: m[1] + _with_choice(m[2]) + m[3], text)


def _with_choice(name: str) -> str:
    text = TABLES[name]()
    return f"{text}\n{CHOSEN[name]}\n" if text and name in CHOSEN else text


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    changed = {page: rewritten(text) for page, text in texts.items() if rewritten(text) != text}
    if check:
        return int(bool(changed))
    for page, text in changed.items():
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
