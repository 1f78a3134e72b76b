"""Compare ways to make an encoder: a grid of methods, stores, folds and seeds.

sensor2llm study --config benchmarks/studies/headline.yaml
sensor2llm study --config benchmarks/studies/headline.yaml --workers 8 --out runs/headline

Writes results.json, results.parquet, README.md and pictures. An interrupted study goes on where it
was; `--report-only` writes what is there.
"""

import shlex
import sys

from jsonargparse import SUPPRESS

from sensor2llm.command import VerbParser, parse, recipe_parser, to_config
from sensor2llm.errors import run_verb
from sensor2llm.studies.config import StudyConfig

OPTIONS = ("config", "out", "report", "folds", "seeds", "baseline", "features", "labels.shares",
           "labels.by", "labels.draws", "missing.inference", "missing.finetuning", "engine",
           "workers", "worker-cpus", "worker-gpus", "address", "report-only", "json")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    parser = recipe_parser("study", __doc__, StudyConfig, OPTIONS)
    only = "run nothing, write the report of what is there"
    parser.add_argument("--report_only", action="store_true", help=only)
    parser.add_argument("--tell", dest="report_only", action="store_true", help=SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object")
    return parser


def study(argv: list[str]) -> None:
    """Run what is missing, write the report and print its tables."""
    args = parse(parser := make_parser(), argv)
    config = to_config(parser, args, StudyConfig)

    from sensor2llm.studies.report import write_report
    from sensor2llm.studies.runner import run_study

    if not args.report_only:
        run_study(config)
    print(write_report(config, command_of("sensor2llm.study", argv), as_json=args.json))


def command_of(module: str, argv: list[str]) -> str:
    """Give the command that makes these results again; how they were shown is left out."""
    left_out = ("--report-only", "--report_only", "--tell", "--json")
    return shlex.join(["python", "-m", module, *(word for word in argv if word not in left_out)])


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: study(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    raise SystemExit(main())
