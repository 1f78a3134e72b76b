"""Print what completes verbs and options in your shell: bash, zsh or fish.

sensor2llm completion bash > ~/.local/share/bash-completion/completions/sensor2llm
sensor2llm completion fish > ~/.config/fish/completions/sensor2llm.fish
"""

import argparse
import sys
from typing import Literal

from sensor2llm.cli.program import all_verbs, load_verb, summary
from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.command.plain import copy_options
from sensor2llm.errors import run_verb

OPTIONS = ()


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    parser = verb_parser("completion", __doc__, OPTIONS)
    parser.add_argument("shell", type=Literal["bash", "zsh", "fish"], help="your shell")
    return parser


def script(shell: str) -> str:
    """Write the script that completes every verb and its options."""
    import shtab

    program = argparse.ArgumentParser("sensor2llm")
    program.add_argument("--version", action="store_true", help="show the version, and end")
    verbs = program.add_subparsers()
    for verb in all_verbs():
        plain = verbs.add_parser(verb, help=summary(verb))
        copy_options(load_verb(verb).make_parser(), plain, shtab.FILE)
    return str(shtab.complete(program, shell))


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: print(script(parse(make_parser(), argv).shell)))


if __name__ == "__main__":
    sys.exit(main())
