"""A verb's options as argparse's own, for what reads parsers: completion in shells."""

import argparse
from typing import Any

from sensor2llm.command.help import value_name
from sensor2llm.command.words import choices, dashed, may_be_file


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
