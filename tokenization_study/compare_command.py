"""Compare raw-number prompts with encoded inputs: the same windows, the same frozen LLM.

python -m tokenization_study compare --adapter uci-har --data stores/uci_har --out runs/comparison
python -m tokenization_study audit STORE --comparison runs/comparison/comparison.json

Rows that were measured are kept in OUT/rows: the same command goes on after an interruption.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from sensor2llm.command import parse, to_config, verb_parser
from tokenization_study.comparison.config import ComparisonConfig


def parser() -> Any:
    """Give the parser of the verb."""
    made = verb_parser("compare", __doc__, package="tokenization_study")
    made.prog = "python -m tokenization_study compare"
    made.add_argument("--adapter", required=True, help="folder, released name or hub name")
    made.add_argument("--data", type=Path, required=True, metavar="STORE", help="a window store")
    made.add_argument("--out", type=Path, default=Path("runs/comparison"), help="results folder")
    made.add_argument("--llm", type=str | None, help="another place of the adapter's LLM")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_class_arguments(ComparisonConfig, as_group=False)
    return made


def run(argv: list[str]) -> int:
    """Run the verb."""
    made = parser()
    options = parse(made, argv)
    config = to_config(made, options, ComparisonConfig)

    from tokenization_study.comparison.run import compare
    from tokenization_study.comparison.table import markdown

    report = compare(
        options.adapter,
        options.data,
        options.out,
        config,
        llm=options.llm,
        command=shlex.join(["python", "-m", "tokenization_study", "compare", *argv]),
    )
    print(json.dumps(report, ensure_ascii=False) if options.json else markdown(report))
    return 0
