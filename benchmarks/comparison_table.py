"""Raw numbers beside encoded inputs, a column a language model: what each remedy is worth on each.

    python -m tokenization_study compare --adapter ADAPTER --data STORE --out OUT

Each folder `tokenization_study/examples/uci_har_comparison*` holds what that command wrote for one
language model; all of them meet in one table.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenization_study.comparison.rows import FEW_SHOT, RAW, ZERO_SHOT
from tokenization_study.comparison.table import blindness_sentence, encoded_sentence

EXAMPLES = Path(__file__).resolve().parent.parent / "tokenization_study" / "examples"
SEEN = {"rates": "rate", "numbers": "numbers", "labels": "labels used"}


def comparison(folder: Path = EXAMPLES) -> str:
    """Give every form of numbers zero-shot, and the best of each other kind of row."""
    paths = sorted(folder.glob("uci_har_comparison*/comparison.json"))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    if not results:
        return ""
    best = [_best(result["rows"]) for result in results]
    kinds = sorted(
        dict.fromkeys(kind for rows in best for kind in rows),
        key=lambda kind: -max(rows[kind]["macro_f1"] or 0 for rows in best if kind in rows),
    )
    llms = [cell for r in results for cell in (f"{r['llm']}: macro-F1 (95 %)", "positions")]
    head = ["given, asked", *SEEN.values(), *llms]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for kind in kinds:
        rows = [one.get(kind) for one in best]
        seen = ({_count(row.get(name)): None for row in rows if row} for name in SEEN)
        cells = [kind, *(" / ".join(values) for values in seen)]
        cells += [cell for row in rows for cell in _cells(row)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n\n".join(["\n".join(lines), *map(_told, results)]) + "\n"


def _best(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Give the best row of each kind, by its name."""
    best: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        kind = _kind(row["input"], row["prompt"])
        if kind not in best or (row["macro_f1"] or 0) > (best[kind]["macro_f1"] or 0):
            best[kind] = row
    return best


def _kind(source: str, prompt: str) -> str:
    """Name a row without what validation people chose: which form, and how many examples fit."""
    prompt = FEW_SHOT if prompt.startswith(FEW_SHOT) else prompt
    if source.startswith(RAW) and (prompt != ZERO_SHOT or source.endswith("full rate")):
        source = re.sub(r": \w+", "", source)
    return f"{source}, {prompt}"


def _cells(row: Mapping[str, Any] | None) -> tuple[str, str]:
    """Give one language model's score and positions, or why it has none."""
    if row is None:
        return "–", "–"
    score = row.get("note") or "–"
    if row["macro_f1"] is not None:
        score = f"{row['macro_f1']:.3f}"
        if row["interval"]:
            score += " ({:.3f} to {:.3f})".format(*row["interval"])
    if row["not_fitting"]:
        score += f", {row['not_fitting']} of {row['windows'] or row['not_fitting']} do not fit"
    return score, _count(row["positions"])


def _count(value: Any) -> str:
    return value or "–" if isinstance(value, str) else f"{value:,.0f}" if value else "–"


def _told(result: Mapping[str, Any]) -> str:
    """Say what one comparison found, on what, and by which command."""
    text = f"{result['llm']}: {result['windows']} windows of {result['people']} test people; "
    text += f"raw rows see {result['reduction']}."
    if result["schema_version"] > 1:
        checks = result["checks"]
        text += f" {encoded_sentence(checks)} {blindness_sentence(checks)}".rstrip()
    return f"{text}\n\n    {result['command']}"
