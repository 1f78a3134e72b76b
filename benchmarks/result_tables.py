"""README's tables of benchmarks that write their own: benchmarks/results/NAME/table.md."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
NAMES = ("bridges", "questions", "rhythm", "stress", "asthma", "quantised", "llm_worth")


def written(name: str) -> str:
    """Give a benchmark's table with the command that made it; nothing where it was not run."""
    folder = RESULTS / name
    if not (folder / "table.md").is_file():
        return ""
    table = (folder / "table.md").read_text(encoding="utf-8").rstrip()
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return f"{table}\n\n    {found['command']}\n"


RESULT_TABLES: Mapping[str, Callable[[], str]] = {name: partial(written, name) for name in NAMES}
