"""Get a named language model into this person's cache, checked by hash.

sensor2llm get smollm2
sensor2llm get smollm2 --json
"""

import json
import sys

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import run_verb
from sensor2llm.llm.catalogue.entries import CATALOGUE, catalogue_entry

OPTIONS = ("json",)


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    parser = verb_parser("get", __doc__, OPTIONS)
    parser.add_argument("llm", nargs="?", default="", help=", ".join(CATALOGUE))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _main(argv: list[str] | None) -> None:
    options = parse(make_parser(), argv)
    entry = catalogue_entry(options.llm)

    from sensor2llm.llm.catalogue.download import get_llm

    path = get_llm(entry)
    if options.json:
        content = {"name": entry.name, "path": str(path), "licence": entry.licence}
        print(json.dumps(content | {"bytes": entry.file_bytes, "sha256": entry.sha256}))
    else:
        print(f"{entry.name}: {entry.what}; {entry.licence}; {path}")


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
