"""List what is there by name: adapters, encoders, data sets, prompts, LLMs and tokenizers.

sensor2llm list
sensor2llm list adapters datasets --json
"""

import json
import sys
from importlib.metadata import EntryPoint, entry_points

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import ConfigError, run_verb

OPTIONS = ("json",)
PLUGINS = "sensor2llm.lists"
"""Entry points of packages that list a kind: a function that gives texts by name."""
LISTS = {
    "adapters": "sensor2llm.artefacts.manifest:describe_adapters",
    "encoders": "sensor2llm.encoders.foundation.catalogue:describe_kinds",
    "datasets": "sensor2llm.datasets.catalogue:describe_sources",
    "prompts": "sensor2llm.llm.templates:describe_templates",
    "llms": "sensor2llm.llm.catalogue.entries:describe_llms",
}
KINDS = (*LISTS, "tokenizers")


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    parser = verb_parser("list", __doc__, OPTIONS, module="sensor2llm list")
    kinds = f"{', '.join(KINDS)}; all of them where none is named"
    parser.add_argument("kind", nargs="*", help=kinds)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def list_names(argv: list[str] | None) -> None:
    """Print a line for each name, or one JSON object."""
    options = parse(make_parser(), argv)
    kinds = [kind for word in options.kind for kind in word.split(",")] or KINDS
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ConfigError(f"unknown kind '{unknown[0]}'; choose from {', '.join(KINDS)}")
    own = [EntryPoint(kind, place, PLUGINS) for kind, place in LISTS.items()]
    lists = {entry.name: entry for entry in (*own, *entry_points(group=PLUGINS))}
    names = {kind: lists[kind].load()() for kind in kinds if kind in lists}
    if options.json:
        print(json.dumps(names, ensure_ascii=False))
        return
    for kind, texts in names.items():
        width = max(map(len, texts)) + 2
        lines = [f"  {name:<{width}}{text}" for name, text in texts.items()]
        print("\n".join([kind, *lines] if len(names) > 1 else lines))


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: list_names(argv))


if __name__ == "__main__":
    sys.exit(main())
