"""Give assistants tools that look at sensor files, label them and answer about windows.

sensor2llm mcp
sensor2llm mcp uci-har-bundled runs/har
"""

import sys

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import ConfigError, run_verb

OPTIONS = ("abstain", "llm")


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("mcp", __doc__, OPTIONS)).add_argument
    add("adapter", nargs="*", help="folders, released names or hub names; else all released ones")
    risk = "say unknown where more labels would be wrong than this share, or data are unlike"
    add("--abstain", type=float | None, nargs="?", const=0.05, metavar="RISK", help=risk)
    add("--llm", type=str | None, help="where the adapters' LLM lies, if elsewhere")
    return parser


def _main(argv: list[str] | None) -> None:
    options = parse(make_parser(), argv)
    try:
        from sensor2llm.serving.tools.assistant import make_server
    except ImportError as error:
        raise ConfigError(f"mcp needs {error.name}: pip install 'sensor2llm[mcp]'") from error
    from sensor2llm.artefacts.manifest import released_names
    from sensor2llm.serving.tools.toolbox import SensorToolbox

    adapters = options.adapter or released_names("adapter")
    make_server(SensorToolbox(adapters, options.llm, options.abstain)).run("stdio")


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
