"""Write README's tables from what was measured: never a figure by hand.

    python -m benchmarks.tables            writes README.md
    python -m benchmarks.tables --check    exit code 1 where README.md is not what it would write

Sources: adapters/*/metrics.json (written by `evaluate`) and benchmarks/results/*.json.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def adapters() -> str:
    """Give a row a released adapter."""
    head = ("adapter", "data, test people", "macro-F1 (95 % over people)", "no LLM", "text only")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for path in sorted((ROOT / "adapters").glob("*/metrics.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        if "controls" in found:
            lines.append(_adapter_row(path.parent.name, found))
    commands = [
        f"    {json.loads(p.read_text(encoding='utf-8'))['command']}"
        for p in sorted((ROOT / "adapters").glob("*/metrics.json"))
    ]
    return "\n".join([*lines, "", *commands]) + "\n"


def _adapter_row(name: str, found: Mapping[str, Any]) -> str:
    interval = found["interval"]
    between = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    controls = found["controls"]
    people = f"{found['data']['source'].split(', http')[0]}, {found['subjects']}"
    return (
        f"| [`{name}`](adapters/{name}) | {people} | {found['macro_f1']:.3f}{between} "
        f"| {controls['probe']['macro_f1']:.3f} | {controls['text_only']['macro_f1']:.3f} |"
    )


def speed() -> str:
    """Give the ratios that `benchmarks.speed` measured on the bundled model."""
    path = ROOT / "benchmarks" / "results" / "speed.json"
    if not path.is_file():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    measured = found["sdpa"]
    lines = ["| ratio within one run | measured | windows/s |", "|---|---|---|"]
    for name, title in RATIOS.items():
        row = measured[name]
        lines.append(f"| {title} | {row['ratio']:.2f} | {row['windows_per_s']:.0f} |")
    load = found["load_average_before"][0]
    ran = f"{found['threads']} thread, load {load:.1f}, torch {found['torch']}"
    return "\n".join([*lines, "", f"    {found['command']}    # {ran}"]) + "\n"


RATIOS = {
    "training_against_llm_alone": "adapter training / the LLM's own forward and backward",
    "scoring_against_bare_forward": "label scoring / the LLM's bare forward",
    "scoring_against_each_label": "label scoring / each label alone",
}
TABLES: Mapping[str, Callable[[], str]] = {"adapters": adapters, "speed": speed}


def rewritten(text: str) -> str:
    """Give README's text with every marked table written anew."""
    return MARKED.sub(lambda m: m[1] + TABLES[m[2]]() + m[3], text)


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if check:
        return int(rewritten(text) != text)
    readme.write_text(rewritten(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
