"""The comparison's table: plain JSON, Markdown, and sentences about it."""

from collections.abc import Iterable, Mapping
from typing import Any

from tokenization_study.comparison.prompts import PRIOR_WINDOWS
from tokenization_study.comparison.rows import (
    ENCODED,
    FEW_SHOT,
    FOREST,
    LEARNED,
    RAW,
    STATES,
    ZERO_SHOT,
    ComparisonRow,
)

SCHEMA_VERSION = 2
COLUMNS = {
    "input": "input",
    "prompt": "prompt",
    "sensors": "sensors",
    "rates": "rate",
    "numbers": "numbers",
    "positions": "positions",
    "labels": "labels used",
    "windows": "windows",
    "macro_f1": "macro-F1",
    "interval": "95 % interval",
    "written_macro_f1": "macro-F1, free text",
    "unparsed_rate": "unparsed",
    "not_fitting": "do not fit",
    "seconds_per_window": "s a window",
    "encoded_minus_this": "encoded above by",
    "encoded_minus_this_interval": "interval of that",
    "note": "note",
}
WORDS = ("input", "prompt", "sensors", "rates", "note")
METHOD = (
    "All rows judge the same test windows, drawn once by person and label.",
    "Labels are scored: the likeliest label, its end of turn included, less what the label scores "
    f"on {PRIOR_WINDOWS} training windows (their labels unseen).",
    "Free text is what the LLM writes of itself, read as a label or counted as unparsed; where the "
    "column is empty it was not asked (`--free-text`).",
    "Numbers are what a window's text holds, or the encoder is given; positions count all that the "
    "LLM runs: chat template, prompt, soft prompt, signal, longest answer.",
    "Labels used are labelled training windows that a row is fitted to or shown; the encoder and "
    "the adapter had theirs before.",
    "A row that would take longer than `--row-minutes` is not thinned out: it is timed on its "
    "longest window, and its note says what it would take.",
    "Layer and pooling of a probe of hidden states, and its penalty, are chosen on validation "
    "people; random forests have scikit-learn's settings, and nothing is chosen.",
    "A window that does not fit the LLM's context counts as wrong.",
    "Few-shot examples are training windows, labels in turn, as many as fit the context.",
    "Examples, soft prompts, probes and the encoder's own rate are for the serialisers that score "
    "best zero-shot on validation people.",
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
    """Say how the encoded inputs stand against the raw rows, and what those rows' numbers hold."""
    encoded = next(row for row in rows if row.input == ENCODED and row.predicted)
    raw = [row for row in rows if row.input.startswith(RAW)]
    asked = [row for row in raw if row.prompt.startswith((ZERO_SHOT, FEW_SHOT, LEARNED))]
    best = {
        name: _best(row for row in raw if row.prompt.startswith(prompts))
        for name, prompts in (
            ("best_raw", (ZERO_SHOT, FEW_SHOT, LEARNED)),
            ("best_states", (STATES,)),
            ("best_forest", (FOREST,)),
        )
    }
    few = [row.labels for row in raw if row.prompt.startswith(STATES)]
    best["best_forest_as_many_labels"] = _best(
        row for row in raw if row.prompt.startswith(FOREST) and row.labels in few
    )
    measured = [row for row in asked if row.macro_f1 is not None]
    shortest = min(measured or asked, key=lambda row: row.positions)
    longest = max(asked, key=lambda row: row.positions)
    return {
        "encoded_macro_f1": encoded.macro_f1,
        **{name: _named(row) for name, row in best.items()},
        **{f"{name}_macro_f1": row.macro_f1 if row else None for name, row in best.items()},
        "encoded_above_every_raw_row": all(
            (encoded.macro_f1 or 0.0) > (row.macro_f1 or 0.0) for row in measured
        ),
        "shortest_raw": _named(shortest),
        "fewer_positions_than_shortest_raw": shortest.positions / encoded.positions,
        "longest_raw": _named(longest),
        "fewer_positions_than_longest_raw": longest.positions / encoded.positions,
    }


def _best(rows: Iterable[ComparisonRow]) -> ComparisonRow | None:
    measured = [row for row in rows if row.macro_f1 is not None]
    return max(measured, key=lambda row: row.macro_f1 or 0.0, default=None)


def _named(row: ComparisonRow | None) -> str | None:
    return None if row is None else f"{row.input}, {row.prompt}"


def markdown(report: dict[str, Any]) -> str:
    """Write the comparison for people."""
    lines = [
        "# Raw numbers against encoded inputs",
        "",
        f"{report['windows']} test windows of {report['people']} people ({report['data']}), "
        f"the frozen LLM {report['llm']}, adapter {report['adapter']}.",
        "",
        f"{encoded_sentence(report['checks'])} {blindness_sentence(report['checks'])}".strip(),
        "",
        f"Raw rows: {report['reduction']}.",
        "",
        "| " + " | ".join(COLUMNS.values()) + " |",
        "|" + "|".join("---" if name in WORDS else "---:" for name in COLUMNS) + "|",
        *(f"| {' | '.join(_cell(row.get(name)) for name in COLUMNS)} |" for row in report["rows"]),
        "",
        *(f"- {sentence}" for sentence in report["method"]),
        "",
        f"Made by `{report['command']}`." if report.get("command") else "",
    ]
    return "\n".join(lines).rstrip() + "\n"


def encoded_sentence(verdict: Mapping[str, Any]) -> str:
    """Say how the encoded inputs stand against prompts of numbers."""
    above = "above every" if verdict["encoded_above_every_raw_row"] else "not above every"
    others = f"{above} prompt of raw numbers; no such prompt was run"
    if (best := verdict["best_raw"]) is not None:
        others = (
            f"{above} prompt of raw numbers; the best of those is {best} with "
            f"{verdict['best_raw_macro_f1']:.3f}"
        )
    return (
        f"Encoded inputs reach macro-F1 {verdict['encoded_macro_f1']:.3f}, {others}. They take "
        f"{verdict['fewer_positions_than_longest_raw']:.0f} times fewer positions than the longest "
        f"({verdict['longest_raw']}), and {verdict['fewer_positions_than_shortest_raw']:.1f} times "
        f"fewer than the shortest that was run ({verdict['shortest_raw']})."
    )


def blindness_sentence(verdict: Mapping[str, Any]) -> str:
    """Say how much of the gap to the encoded inputs the numbers themselves would close.

    Empty where no forest was measured, or no prompt is below the encoded inputs.
    """
    prompt, forest = verdict["best_raw_macro_f1"], verdict["best_forest_macro_f1"]
    if forest is None or prompt is None or prompt >= verdict["encoded_macro_f1"]:
        return ""
    gap = verdict["encoded_macro_f1"] - prompt
    texts = [f"The same numbers give a random forest {forest:.3f}"]
    if (few := verdict["best_forest_as_many_labels_macro_f1"]) is not None:
        texts[0] += f" with all labels or {few:.3f} with as many as the LLM's rows"
    if (states := verdict["best_states_macro_f1"]) is not None:
        texts.append(f"a linear probe of the LLM's own states of the prompt reaches {states:.3f}")
    share = 100 * min(max(forest - prompt, 0.0) / gap, 1.0)
    return (
        f"{', and '.join(texts)}: {share:.0f} % of the gap between the best prompt and the encoded "
        "inputs is the LLM's blindness to digits, not what the numbers lack."
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return " to ".join(_cell(part) for part in value)
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:.3f}"
    return str(value).replace("|", "¦")
