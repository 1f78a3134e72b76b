"""The rows of the comparison, each kept as it is measured, and their table.

The table is plain JSON, Markdown, and sentences about it.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)
SCHEMA_VERSION = 1
# Of a row: in its file, not in the table.
NOT_SHOWN = ("predicted", "validation_macro_f1")
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


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """What one way to give windows to the frozen LLM reached; the columns of the table.

    Args:
        input: what the LLM (or the control) is given.
        prompt: how it is asked, or how it is decided.
        macro_f1: by label scoring, over all windows; None where nothing was run.
        interval: of it, 95 %, people resampled.
        written_macro_f1: by what the LLM writes of itself; None where it writes nothing.
        unparsed_rate: share of written answers that are no label.
        positions: mean positions a window, everything counted.
        not_fitting: windows that are longer than the LLM's context; they count as wrong.
        windows: how many were judged.
        seconds_per_window: of label scoring, on this machine.
        encoded_minus_this: the encoded inputs' macro-F1 less this row's.
        encoded_minus_this_interval: of it, 95 %, people resampled.
        predicted: each window's label by scoring, -1 for none (kept, not shown).
        validation_macro_f1: on windows of validation people (kept, not shown).
    """

    input: str
    prompt: str
    macro_f1: float | None = None
    interval: tuple[float, float] | None = None
    written_macro_f1: float | None = None
    unparsed_rate: float | None = None
    positions: float = 0.0
    not_fitting: int = 0
    windows: int = 0
    seconds_per_window: float | None = None
    encoded_minus_this: float | None = None
    encoded_minus_this_interval: tuple[float, float] | None = None
    predicted: tuple[int, ...] = ()
    validation_macro_f1: float | None = None

    @property
    def name(self) -> str:
        """Name the row's file."""
        words = f"{self.input} {self.prompt}".lower()
        return "_".join("".join(c if c.isalnum() else " " for c in words).split())

    def shown(self) -> dict[str, Any]:
        """Give the columns of the table."""
        plain = {k: v for k, v in asdict(self).items() if k not in NOT_SHOWN}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def digest(*parts: Any) -> str:
    """Hash what a row depends on."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class RowStore:
    """Rows by the exact inputs they were made from, a file each."""

    folder: Path

    def get(
        self, blank: ComparisonRow, inputs: str, make: Callable[[], ComparisonRow]
    ) -> ComparisonRow:
        """Read a row that was made from these inputs, or make it and keep it."""
        path = self.folder / f"{blank.name}.json"
        if (cached := _read(path)) and cached.get("inputs") == inputs:
            return _row(cached["row"])
        row = make()
        write_json(path, {"inputs": inputs, "row": asdict(row)})
        f1 = "counted only" if row.macro_f1 is None else f"macro-F1 {row.macro_f1:.3f}"
        logger.info("%s, %s: %s, %.0f positions", row.input, row.prompt, f1, row.positions)
        return row


def _row(plain: dict[str, Any]) -> ComparisonRow:
    row = ComparisonRow(**plain)
    return replace(
        row,
        predicted=tuple(row.predicted),
        interval=None if row.interval is None else (row.interval[0], row.interval[1]),
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def encoded_row(blank: ComparisonRow, results: dict[str, Any]) -> ComparisonRow:
    """Fill the adapter's row from its evaluations by score and by text."""
    score, text = results["score"], results["text"]
    row = with_metrics(blank, score, positions=score["tokens_per_window"])
    return replace(
        row,
        written_macro_f1=text["macro_f1"],
        unparsed_rate=text["unparsed_rate"],
        seconds_per_window=1 / max(score["windows_per_s"], 1e-9),
        predicted=results["predicted"],
    )


def with_metrics(blank: ComparisonRow, metrics: dict[str, Any], positions: float) -> ComparisonRow:
    """Fill a row from an evaluation's metrics."""
    interval = metrics["interval"]
    return replace(
        blank,
        macro_f1=metrics["macro_f1"],
        interval=(interval[0], interval[1]) if interval else None,
        positions=float(positions),
        windows=metrics["windows"],
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
    verdict = report["checks"]
    above = "above every" if verdict["encoded_above_every_raw_row"] else "not above every"
    lines = [
        "# Raw numbers against encoded inputs",
        "",
        f"{report['windows']} test windows of {report['people']} people ({report['data']}), "
        f"the frozen LLM {report['llm']}, adapter {report['adapter']}.",
        "",
        f"Encoded inputs reach macro-F1 {verdict['encoded_macro_f1']:.3f}, {above} raw row; the "
        f"best of those is {verdict['best_raw']} with {verdict['best_raw_macro_f1']:.3f}. They "
        f"take {verdict['fewer_positions_than_full_rate']:.0f} times fewer positions than plain "
        f"numbers at the full rate, and "
        f"{verdict['fewer_positions_than_shortest_raw']:.1f} times fewer than "
        f"the shortest raw row ({verdict['shortest_raw']}).",
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
