"""Audit what tokenizers do to your numbers, and write a report.

sensor2llm audit recording.csv --tokenizer bundled cl100k_base --out audit
sensor2llm audit STORE --serialiser plain digits_spaced --data.max-windows 200
cat lines.txt | sensor2llm audit - --fail-on high
"""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Literal

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import run_verb
from sensor2llm.signals.serialisation.config import SerialiserConfig
from tokenization_study.comparison.config import read_comparison
from tokenization_study.config import AuditConfig, InputConfig

OPTIONS = ("tokenizer", "serialiser", "out", "fail-on", "comparison", "pattern", "threads",
           "data.columns", "data.rate-hz", "data.window-steps", "data.unit", "data.max-windows",
           "processes", "form.decimals", "audit.context-tokens", "audit.price-per-million-tokens",
           "audit.signal-tokens", "audit.seed", "json")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    parser = verb_parser("audit", __doc__, OPTIONS, module="tokenization_study audit")
    add, several = parser.add_argument, {"nargs": "+", "action": "extend", "default": []}
    add("input", help="CSV, Parquet, .npz, window store, TABLE.yaml, text file, or - (stdin)")
    tokenizers = "bundled, a tiktoken encoding, a file or folder, mistral:v3, a hub name; LABEL=T"
    add("--tokenizer", metavar="T", help=tokenizers, **several)
    forms = "plain, fixed, … or as_written for a text's own lines"
    add("--serialiser", metavar="S", help=forms, **several)
    add("--out", type=Path | None, help="folder for report.json, .md and .html")
    severity = Literal["low", "medium", "high"] | None
    add("--fail_on", type=severity, help="exit with 1 from this severity on")
    add("--json", action="store_true", help="print the report as one JSON object")
    add("--pattern", type=str | None, help="split pattern of an unknown rank file")
    add("--threads", type=int, default=1, help="threads that encode, where possible")
    add(
        "--processes",
        type=int | None,
        help="processes that count; unset: one a free core",
    )
    add("--comparison", type=Path | None, help="a comparison's JSON to show beside")
    parser.add_class_arguments(InputConfig, "data")
    parser.add_class_arguments(AuditConfig, "audit")
    parser.add_class_arguments(SerialiserConfig, "form")
    return parser


def run(argv: list[str]) -> int:
    """Run the verb: 0, or 1 where `--fail-on` is reached."""
    options = parse(parser := make_parser(), argv)
    chosen = parser.instantiate(options)
    from tokenization_study.audit import audit
    from tokenization_study.report.report import check_target

    if options.out:
        check_target(options.out)
    report = audit(
        options.input, options.tokenizer or None, options.serialiser or None,
        data=chosen.data, config=chosen.audit, form=chosen.form, pattern=options.pattern,
        threads=options.threads, processes=options.processes,
        command=shlex.join(["python", "-m", "tokenization_study", "audit", *argv]),
    )  # fmt: skip
    if options.comparison:
        report = replace(report, comparison=read_comparison(options.comparison))
    if options.out:
        report.save(options.out)
    place = f"\nreport: {options.out / 'report.html'}" if options.out else ""
    plain = json.dumps(report.to_dict(), ensure_ascii=False) if options.json else None
    print(plain or report.text() + place)
    return 1 if options.fail_on and report.reaches(options.fail_on) else 0


def main(argv: list[str]) -> int:
    """Run the verb."""
    return run_verb(lambda: run(argv))
