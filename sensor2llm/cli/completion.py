"""Print what completes verbs and options in your shell: bash, zsh or fish.

sensor2llm completion bash > ~/.local/share/bash-completion/completions/sensor2llm
sensor2llm completion fish > ~/.config/fish/completions/sensor2llm.fish
"""

import argparse
from typing import Any, Literal

from sensor2llm.cli.program import all_verbs, load_verb, summary
from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.command.help import value_name
from sensor2llm.command.words import choices, dashed, may_be_file
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


def copy_options(parser: Any, plain: argparse.ArgumentParser, files: Any) -> None:
    """Give a plain parser a verb's words, options with dashes."""
    for action in parser._actions:
        if "-h" in action.option_strings or action.help == argparse.SUPPRESS:
            continue
        names = [dashed(name) for name in action.option_strings] or [action.dest]
        about: dict[str, Any] = {"help": (action.help or "").split("\n")[0].replace("%", "%%")}
        if action.nargs == 0:
            plain.add_argument(*names, action="store_true", **about)
            continue
        hint = getattr(action, "_typehint", None)
        about |= {"choices": choices(hint) or None, "metavar": value_name(action)}
        value = plain.add_argument(*names, nargs=action.nargs, **about)
        if may_be_file(hint):
            value.complete = files  # type: ignore[attr-defined]
