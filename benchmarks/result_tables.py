"""README's tables of benchmarks that write their own, and of the adapter that answers questions."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sensor2llm.tasks.task_card import SHARES, question_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
QUESTIONS = ROOT / "adapters" / "uci-har-questions" / "metrics_question_answering.json"
NAMES = ("bridges", "rhythm", "stress", "asthma", "quantised", "llm_worth")


def written(name: str) -> str:
    """Give a benchmark's table with the command that made it; nothing where it was not run."""
    folder = RESULTS / name
    if not (folder / "table.md").is_file():
        return ""
    table = (folder / "table.md").read_text(encoding="utf-8").rstrip()
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    told = found["command"] in table
    return f"{table}\n" if told else f"{table}\n\n    {found['command']}\n"


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
    "conversation": conversation,
    **{name: partial(written, name) for name in NAMES},
}
