"""Tables of benchmarks that write their own, and of the adapter that answers questions."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.pooled_scores import table as pooled_table
from benchmarks.rhythm import alarm_table
from sensor2llm.evaluation.cards.task import SHARES, question_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
QUESTIONS = ROOT / "adapters" / "uci-har-questions" / "metrics_question_answering.json"
NAMES = ("bridges", "asthma", "quantised", "rhythm_numbers", "outputs")


def written(name: str) -> str:
    """Give a benchmark's table with the command that made it; nothing where it was not run."""
    folder = RESULTS / name
    if not (folder / "table.md").is_file():
        return ""
    table = (folder / "table.md").read_text(encoding="utf-8").rstrip()
    if not (folder / "results.json").is_file():
        return f"{table}\n"
    command = json.loads((folder / "results.json").read_text(encoding="utf-8"))["command"]
    return f"{table}\n" if command in table else f"{table}\n\n    {command}\n"


def worth() -> str:
    """Give what the LLM is worth, part by part, its headings as plain bold lines."""
    path = ROOT / "research" / "llm_ablation" / "results" / "table.md"
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8").strip().split("\n")[1:]
    told = (f"**{line.lstrip('# ')}**" if line.startswith("#") else line for line in lines)
    return "\n".join(told).strip() + "\n"


def pooled(name: str) -> str:
    """Give what methods reach on all folds' test people together, and their false alarms."""
    path = RESULTS / name / "results.json"
    if not path.is_file():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    parts = [pooled_table(found["rows"])]
    if found.get("false_alarms"):
        parts.append(alarm_table(found["false_alarms"]))
    used = found["data"].get("used")
    if used:
        kept = ", ".join(f"{count:,} {label}" for label, count in used.items())
        gone = ", ".join(f"{count:,} {why}" for why, count in found["data"]["left out"].items())
        parts.append(f"Windows: {kept}. Left out: {gone}.")
    return "\n\n".join([*parts, f"    {found['command']}"]) + "\n"


def questions() -> str:
    """Give the shares of true answers of the released adapter, by kind of question."""
    if not QUESTIONS.is_file():
        return ""
    found = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    told = "; ".join(f"{text} {found[name]:.1%}" for name, text in SHARES.items() if name in found)
    people = f"{found['windows']:,} windows of {found['subjects']} test people"
    parts = (question_table(found), f"{people}, all questions: {told}.", f"    {found['command']}")
    return "\n\n".join(parts) + "\n"


def conversation() -> str:
    """Give how often the second window of a chat is answered as it is alone."""
    path = RESULTS / "conversation_uci-har.json"
    if not path.is_file():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    told = (
        f"{found['second_equals_alone']:.1%} of {found['pairs']} second answers are what the model "
        f"writes for that window alone, {found['first_again']:.1%} the first answer again; "
        f"{found['second_right']:.1%} are right, alone {found['alone_right']:.1%}."
    )
    return f"{told}\n\n    {found['command']}\n"


RESULT_TABLES: Mapping[str, Callable[[], str]] = {
    "questions": questions,
    "llm_worth": worth,
    "conversation": conversation,
    **{name: partial(written, name) for name in NAMES},
    **{name: partial(pooled, name) for name in ("rhythm", "stress")},
}
