"""What was measured about an adapter's answers, in a line, from the figures in its folder."""

import json
from pathlib import Path
from typing import Any

FIGURES = {
    "metrics.json": ("accuracy", "labels", "windows"),
    "metrics_question_answering.json": ("true", "answers to questions", "questions"),
    "metrics_human_questions.json": (
        "true",
        "answers to questions as people type them",
        "questions",
    ),
}
"""Files of an adapter's folder: the share of right answers, what of, and out of how many."""


def measured_line(folder: Path) -> str:
    """Say which share of an adapter's answers was right on people whom it had not seen."""
    texts = [text for file, what in FIGURES.items() if (text := _text(folder / file, *what))]
    answers = any("answers" in text for text in texts)
    if not texts:
        return "nothing was measured about the answers of this adapter"
    line = f"measured on unseen people, right: {', '.join(texts)}"
    return line if answers else f"{line}; its answers to questions were not measured"


def _text(path: Path, key: str, what: str, count: str) -> str:
    if not path.is_file():
        return ""
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if figures.get("split", "test") != "test" or key not in figures:
        return ""
    return f"{what} {100 * figures[key]:.0f} % of {figures[count]:,}"
