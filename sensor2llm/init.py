"""Look at your files and write their description, for `prepare` to read.

sensor2llm init walks --out mine.yaml
sensor2llm init p1_acc.csv p1_gyr.csv labels.csv --out mine.yaml
sensor2llm prepare mine.yaml --out stores/mine
"""

import json
from pathlib import Path

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import ConfigError, run_verb

OPTIONS = ("out", "overwrite", "json")


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("init", __doc__, OPTIONS)).add_argument
    add("files", type=Path, nargs="+", help="files, folders of them, zip archives")
    add("--out", type=Path, required=True, help="the description to write, TABLE.yaml")
    add("--overwrite", action="store_true", help="replace a description that is there")
    add("--json", action="store_true", help="print what was guessed as one JSON object")
    return parser


def init(argv: list[str] | None) -> None:
    """Look, guess, write, and say what was guessed and how sure that is."""
    args = parse(make_parser(), argv)
    if args.out.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"--out must be a .yaml file, got {args.out}")
    if args.out.exists() and not args.overwrite:
        raise ConfigError(f"{args.out} is there already; choose another name, or --overwrite")
    from sensor2llm.plots.first_look import write_description

    summary, text = write_description(args.files, args.out)
    print(json.dumps(summary) if args.json else text)


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: init(argv))


if __name__ == "__main__":
    raise SystemExit(main())
