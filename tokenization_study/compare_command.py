"""Compare raw numbers in the prompt with encoded inputs: the same windows, the same LLM.

sensor2llm compare --adapter uci-har --data stores/uci_har --out runs/comparison
sensor2llm compare --adapter uci-har --data STORE --serialisers plain,digits_spaced --windows 200
sensor2llm audit STORE --comparison runs/comparison/comparison.json

Rows that were measured are kept in OUT/rows: the same command goes on after an interruption.
"""

import json
import shlex
from pathlib import Path

from sensor2llm.command import VerbParser, parse, to_config, verb_parser
from sensor2llm.errors import run_verb
from tokenization_study.comparison.config import ComparisonConfig

OPTIONS = ("adapter", "data", "out", "llm", "windows", "modality", "rate-hz", "decimals",
           "serialisers", "shots", "learned", "soft-tokens", "train-windows", "validation-windows",
           "epochs", "learning-rate", "row-minutes", "tokens-at-once", "seed", "json")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    parser = verb_parser("compare", __doc__, OPTIONS, module="tokenization_study compare")
    add = parser.add_argument
    add("--adapter", required=True, help="folder, released name or hub name of an adapter")
    add("--data", type=Path, required=True, metavar="STORE", help="a window store")
    add("--out", type=Path, default=Path("runs/comparison"), help="folder of the results")
    add("--llm", type=str | None, help="where the adapter's LLM lies, if elsewhere")
    add("--json", action="store_true", help="print one JSON object")
    parser.add_class_arguments(ComparisonConfig, as_group=False)
    return parser


def run(argv: list[str]) -> None:
    """Run the verb."""
    options = parse(parser := make_parser(), argv)
    config = to_config(parser, options, ComparisonConfig)
    command = shlex.join(["python", "-m", "tokenization_study", "compare", *argv])

    from tokenization_study.comparison.run import compare
    from tokenization_study.comparison.table import markdown

    where = (options.adapter, options.data, options.out, config)
    report = compare(*where, llm=options.llm, command=command)
    print(json.dumps(report, ensure_ascii=False) if options.json else markdown(report))


def main(argv: list[str]) -> int:
    """Run the verb."""
    return run_verb(lambda: run(argv))
