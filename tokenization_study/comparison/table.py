"""The comparison as JSON, as a Markdown table, and in sentences."""

from typing import Any

from tokenization_study.comparison.rows import ComparisonRow

SCHEMA_VERSION = 1
COLUMNS = {
    "input": "input",
    "prompt": "prompt",
    "macro_f1": "macro-F1",
    "interval": "95 % interval",
    "written_macro_f1": "macro-F1, free text",
    "unparsed_rate": "unparsed",
    "positions": "positions",
    "not_fitting": "do not fit",
    "seconds_per_window": "s a window",
    "encoded_minus_this": "encoded above by",
    "encoded_minus_this_interval": "interval of that",
}
METHOD = (
    "All rows judge the same test windows, drawn once by person and label.",
    "Labels are scored: the likeliest label, its end of turn included, less what the label scores "
    "on 64 training windows (their labels unseen).",
    "Free text is what the LLM writes of itself, read as a label or counted as unparsed.",
    "Positions count everything: chat template, prompt, soft prompt, signal, longest answer.",
    "A window that does not fit the LLM's context counts as wrong.",
    "Few-shot examples are training windows, labels in turn, as many as fit the context.",
    "Soft prompts are learned for the serialisers that score best zero-shot on validation people.",
    "Intervals resample people.",
)


def report_of(rows: list[ComparisonRow], facts: dict[str, Any]) -> dict[str, Any]:
    """Give the comparison as plain JSON: `rows` is the table, `checks` what it says."""
    return {
        "schema_version": SCHEMA_VERSION,
        **facts,
        "method": list(METHOD),
        "checks": checks(rows),
        "rows": [row.shown() for row in rows],
    }


def checks(rows: list[ComparisonRow]) -> dict[str, Any]:
    """Say how the encoded inputs stand against the raw rows."""
    encoded = next(row for row in rows if row.input == "encoded inputs" and row.predicted)
    raw = [row for row in rows if row.input.startswith("raw numbers") and row.macro_f1 is not None]
    full = next(row for row in rows if "full rate" in row.input)
    best = max(raw, key=lambda row: row.macro_f1 or 0.0)
    shortest = min(raw, key=lambda row: row.positions)
    return {
        "encoded_macro_f1": encoded.macro_f1,
        "best_raw": f"{best.input}, {best.prompt}",
        "best_raw_macro_f1": best.macro_f1,
        "encoded_above_every_raw_row": all(
            (encoded.macro_f1 or 0.0) > (row.macro_f1 or 0.0) for row in raw
        ),
        "shortest_raw": f"{shortest.input}, {shortest.prompt}",
        "fewer_positions_than_shortest_raw": shortest.positions / encoded.positions,
        "fewer_positions_than_full_rate": full.positions / encoded.positions,
    }


def markdown(report: dict[str, Any]) -> str:
    """Write the comparison for people."""
    found = report["checks"]
    above = "above every" if found["encoded_above_every_raw_row"] else "not above every"
    lines = [
        "# Raw numbers against encoded inputs",
        "",
        f"{report['windows']} test windows of {report['people']} people ({report['data']}), "
        f"the frozen LLM {report['llm']}, adapter {report['adapter']}.",
        "",
        f"Encoded inputs reach macro-F1 {found['encoded_macro_f1']:.3f}, {above} raw row; the best "
        f"of those is {found['best_raw']} with {found['best_raw_macro_f1']:.3f}. They take "
        f"{found['fewer_positions_than_full_rate']:.0f} times fewer positions than plain numbers "
        f"at the full rate, and {found['fewer_positions_than_shortest_raw']:.1f} times fewer than "
        f"the shortest raw row ({found['shortest_raw']}).",
        "",
        f"Raw rows: {report['reduction']}.",
        "",
        "| " + " | ".join(COLUMNS.values()) + " |",
        "|" + "|".join("---" if name in ("input", "prompt") else "---:" for name in COLUMNS) + "|",
        *(f"| {' | '.join(_cell(row.get(name)) for name in COLUMNS)} |" for row in report["rows"]),
        "",
        *(f"- {sentence}" for sentence in report["method"]),
        "",
        f"Made by `{report['command']}`." if report.get("command") else "",
    ]
    return "\n".join(lines).rstrip() + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return " to ".join(_cell(part) for part in value)
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:.3f}"
    return str(value).replace("|", "¦")
