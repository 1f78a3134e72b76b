"""Audit tokenizers on your numbers and write a report.

python -m tokenization_study audit recording.csv --tokenizer bundled cl100k_base --out audit
python -m tokenization_study audit STORE --serialiser plain digits_spaced --data.max_windows 200
cat lines.txt | python -m tokenization_study audit - --fail-on high
"""

import contextlib
import gc
import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sensor2llm.command import parse, verb_parser
from sensor2llm.errors import ConfigError
from sensor2llm.signals.serialisation.config import SerialiserConfig
from tokenization_study.config import AuditConfig, InputConfig


def parser() -> Any:
    """Give the parser of the verb."""
    made = verb_parser("audit", __doc__, package="tokenization_study")
    made.prog = "python -m tokenization_study audit"
    made.add_argument(
        "input", help="CSV, Parquet, .npz, window store, TABLE.yaml, a text file, or - (stdin)"
    )
    made.add_argument(
        "--tokenizer", nargs="+", action="extend", default=[], metavar="T",
        help="bundled, a tiktoken encoding, a file or folder, mistral:v3, a hub name; LABEL=T",
    )  # fmt: skip
    made.add_argument(
        "--serialiser", nargs="+", action="extend", default=[], metavar="S",
        help="plain, fixed, … or as_written for a text's own lines",
    )  # fmt: skip
    made.add_argument("--out", type=Path | None, help="folder for report.json, .md and .html")
    made.add_argument("--fail_on", type=str | None, help="exit with 1 from low, medium or high on")
    made.add_argument("--json", action="store_true", help="print the report as one JSON object")
    made.add_argument("--pattern", type=str | None, help="split pattern of an unknown rank file")
    made.add_argument("--threads", type=int, default=1, help="threads that encode, where possible")
    made.add_argument("--comparison", type=Path | None, help="a comparison's JSON to show beside")
    made.add_class_arguments(InputConfig, "data")
    made.add_class_arguments(AuditConfig, "audit")
    made.add_class_arguments(SerialiserConfig, "form")
    return made


def run(argv: list[str]) -> int:
    """Run the verb: 0, or 1 where `--fail_on` is reached."""
    made = parser()
    options = parse(made, argv)
    chosen = made.instantiate(options)
    _check(options)

    from tokenization_study.audit import audit
    from tokenization_study.report.report import check_target

    if options.out:
        check_target(options.out)
    with collector_paused():
        report = audit(
            options.input,
            options.tokenizer or None,
            options.serialiser or None,
            data=chosen.data,
            config=chosen.audit,
            form=chosen.form,
            pattern=options.pattern,
            threads=options.threads,
            command=shlex.join(["python", "-m", "tokenization_study", "audit", *argv]),
        )
    if options.comparison:
        report = replace(report, comparison=_comparison(options.comparison))
    if options.out:
        report.save(options.out)
    print(json.dumps(report.to_dict(), ensure_ascii=False) if options.json else report.text())
    if options.out and not options.json:
        print(f"report: {options.out / 'report.html'}")
    return 1 if options.fail_on and report.reaches(options.fail_on) else 0


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the process's collector from looking for cycles in many tuples: there are none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check(options: Any) -> None:
    from tokenization_study.config import SEVERITIES

    if options.fail_on not in (None, *SEVERITIES[1:]):
        choices = ", ".join(SEVERITIES[1:])
        raise ConfigError(f"unknown severity '{options.fail_on}'; choose from {choices}")
    if options.threads < 1:
        raise ConfigError(f"threads must be positive, got {options.threads}")


def _comparison(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path.name} is no comparison's JSON ({error})") from None
