"""Help in two lengths: `--help` fits a screen, `--help-all` lists every option."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from copy import copy
from textwrap import wrap
from typing import Any, get_args

from jsonargparse import DefaultHelpFormatter

from sensor2llm.command.words import choices, dashed, takes_list, without_none

WIDTH = 100
OPTION_WIDTH = 36
"""Columns up to an option's text; a longer option moves its own text."""
BLANK = " " * OPTION_WIDTH
EXAMPLES = 2
STARTS = ("sensor2llm ", "python ", "cat ", "echo ", "accelerate ")
"""How a docstring's lines of examples begin."""
VALUES = {"int": "N", "float": "X", "bool": "true|false", "Path": "PATH", "str": "NAME"}


class HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keep the lines of the description, and show options with dashes."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        shown = copy(action)
        names = (name for name in action.option_strings if not name.endswith("+"))
        shown.option_strings = list(map(dashed, names))
        if takes_list(action) and action.nargs is None:
            shown.metavar = value_name(action)
        return str(super()._format_action_invocation(shown))


class ShortHelp(argparse.Action):
    """Print what the verb does, two examples and the options that people change."""

    def __init__(self, option_strings: list[str], dest: str) -> None:
        text = "show the options that people change, and end"
        super().__init__(option_strings, argparse.SUPPRESS, 0, None, argparse.SUPPRESS, help=text)

    def __call__(self, parser: Any, *_: Any) -> None:
        """Print and end."""
        sys.stdout.write(short_help(parser) + "\n")
        parser.exit()


class FullHelp(argparse.Action):
    """Print every option."""

    def __init__(self, option_strings: list[str], dest: str) -> None:
        text = "show every option, and end"
        super().__init__(option_strings, argparse.SUPPRESS, 0, None, argparse.SUPPRESS, help=text)

    def __call__(self, parser: Any, *_: Any) -> None:
        """Print and end."""
        parser.usage = usage_line(parser.needed)
        parser.print_help()
        parser.exit()


def needed_actions(parser: Any) -> list[argparse.Action]:
    """Give what must be typed; what only a recipe gives in practice is its --config."""
    config = parser._option_string_actions.get("--config")
    shown = [find_option(parser, name) for name in parser.shown]
    needed = [action for action in parser._actions if action.required or not action.option_strings]
    direct = [a for a in needed if not config or a in shown or not a.option_strings]
    return direct if len(direct) == len(needed) else [config, *direct]


def usage_line(needed: Iterable[argparse.Action]) -> str:
    """Name what must be given."""
    words = [" ".join([*map(dashed, a.option_strings[:1]), value_name(a)]) for a in needed]
    return " ".join(["%(prog)s", *words, "[options]"])


def short_help(parser: Any) -> str:
    """Write a verb's help for people: at most 100 columns, a line an option."""
    usage = f"usage: {usage_line(parser.needed) % {'prog': parser.prog}}"
    actions = [*_positionals(parser), *(find_option(parser, name) for name in parser.shown)]
    lines = [usage, "", *_description(parser.description), "", *map(_option_lines, actions)]
    return "\n".join([*lines, "", *_footer(parser)])


def find_option(parser: Any, name: str) -> argparse.Action:
    """Find the option that `--help` lists under a name.

    Raises:
        KeyError: there is none.
    """
    action: argparse.Action = parser._option_string_actions[f"--{name.replace('-', '_')}"]
    return action


def _positionals(parser: Any) -> list[argparse.Action]:
    return [action for action in parser._actions if not action.option_strings]


def _description(docstring: str) -> Iterator[str]:
    """Give the first paragraph, and the first lines that are examples."""
    lines = docstring.strip().splitlines()
    yield from lines[: lines.index("")] if "" in lines else lines
    yield ""
    yield from [f"  {line}" for line in lines if line.startswith(STARTS)][:EXAMPLES]


def _footer(parser: Any) -> Iterator[str]:
    yield f"`{parser.prog} --help-all` lists every option."
    if "--config" in parser._option_string_actions:
        yield "A YAML file with any of them goes behind --config; there, names have underscores."


def _option_lines(action: argparse.Action) -> str:
    """Give an option's name and value, and beside it the first sentence of its text."""
    name, value = _shown_name(action), value_name(action)
    head = "  ".join(["", " ".join(filter(None, [name, value]))])
    sentence = " ".join((action.help or "").split()).split(". ")[0].rstrip(".").replace("`", "")
    if sentence.split(" ")[0][1:].islower() or sentence.startswith("A "):
        sentence = sentence[0].lower() + sentence[1:]
    options = choices(_kind(action))
    if "|" not in value and not all(option in sentence for option in options):
        sentence += f" ({', '.join(options)})"
    lines = wrap(sentence + _default(action), WIDTH - OPTION_WIDTH)
    return "\n".join(
        [f"{head}  ".ljust(OPTION_WIDTH) + lines[0], *(BLANK + line for line in lines[1:])]
    )


def _shown_name(action: argparse.Action) -> str:
    return dashed(action.option_strings[0]) if action.option_strings else ""


def value_name(action: argparse.Action) -> str:
    """Name an option's value: its choices where they are short, else what it is."""
    if action.nargs == 0:
        return ""
    kind = _kind(action)
    options = "|".join(choices(kind))
    if action.metavar and str(action.metavar)[0] not in "{[":
        value = str(action.metavar)
    elif not action.option_strings:
        value = action.dest.upper()
    elif options:
        short = len(_shown_name(action)) + len(options) + 5 <= OPTION_WIDTH
        value = options if short else "KIND"
    else:
        value = VALUES.get(getattr(kind, "__name__", "str"), "VALUE")
    if action.nargs in ("?", "*"):
        value = f"[{value}]"
    return f"{value} …" if takes_list(action) or action.nargs in ("+", "*") else value


def _kind(action: argparse.Action) -> Any:
    """Give the type of an option's value, or of each value of a list."""
    hint = without_none(getattr(action, "_typehint", None))
    return get_args(hint)[0] if takes_list(action) and get_args(hint) else hint


def _default(action: argparse.Action) -> str:
    value = action.default
    if action.required or action.nargs == 0 or value in (None, "", argparse.SUPPRESS, [], ()):
        return ""
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return f" [{str(value).lower() if isinstance(value, bool) else value}]"
