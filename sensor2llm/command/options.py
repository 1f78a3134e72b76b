"""Options that name themselves where a value cannot be; what they check is jsonargparse's.

jsonargparse joins its reasons to one text. Its actions know the option, its type and the value, so
these subclasses say it themselves. They are the private classes behind every option with a type
and every group of options: there is no public place to step in.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser
from jsonargparse._actions import _ActionConfigLoad
from jsonargparse._typehints import ActionTypeHint

from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.command.words import choices, dashed, type_words, underscored
from sensor2llm.errors import ConfigError, UserError, one_line


class TypedOption(ActionTypeHint):
    """Take a value of a type; typed, its name has dashes, in a recipe file underscores."""

    def __call__(self, *words: Any, **settings: Any) -> Any:
        """Read what was typed."""
        self._shown = dashed(self.dest)
        try:
            return super().__call__(*words, **settings)
        finally:
            del self._shown

    def _check_type_(self, value: Any, **context: Any) -> Any:
        typed = one_line(str(getattr(value, "val", value)), 60)
        try:
            return super()._check_type_(value, **context)
        except (TypeError, ValueError) as error:
            raise ConfigError(self._reason(typed, error)) from None

    def _reason(self, typed: str, error: BaseException) -> str:
        name = getattr(self, "_shown", self.dest)
        if inner := _own_error(error):
            return f"{name}: {inner}"
        if options := choices(self._typehint):
            return f"unknown {name} '{typed}'; choose from {', '.join(options)}"
        return f"{name} must be {type_words(self._typehint)}, got '{typed}'"


class GroupOption(_ActionConfigLoad):
    """Take a YAML file for the options of a group."""

    def _load_config(self, value: Any, parser: ArgumentParser) -> Any:
        try:
            return super()._load_config(value, parser)
        except TypeError:
            name = dashed(self.dest)
            raise ConfigError(
                f"{self.dest} has fields of its own, such as --{name}.NAME VALUE; "
                f"'{one_line(str(value), 60)}' is no such file"
            ) from None


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a mapping that is longer than a path may be
        return False


class RecipeFile(ActionConfigFile):
    """Read a recipe: a YAML file, or a YAML mapping that is typed."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: Any = None) -> None:
        """Check the file and read it into the options."""
        if _is_file(values):
            content = read_yaml(Path(values), ConfigError, values)
            if not isinstance(content, Mapping):
                raise ConfigError(f"{values}: expected a YAML mapping of option names to values")
            _check_names(content, values)
        parser.recipe = values
        try:
            super().__call__(parser, cfg, values, option_string)
        except TypeError:
            reason = "is a folder" if Path(values).is_dir() else "does not exist"
            raise ConfigError(f"recipe file '{one_line(values, 99)}' {reason}") from None


class PresetOption(argparse.Action):
    """Read a recipe of a folder by its name, as `--config` reads a file; what is typed later wins.

    Args:
        names: of the option.
        folder: where recipes lie, each NAME.yaml.
        settings: as argparse takes them.
    """

    def __init__(self, *names: Any, folder: Path, **settings: Any) -> None:
        super().__init__(*names, **settings | {"default": argparse.SUPPRESS, "metavar": "NAME"})
        self._recipes = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
        self.help = f"{self.help}: {', '.join(self._recipes)}"

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: Any = None) -> None:
        """Read the recipe into the options."""
        if values not in self._recipes:
            raise ConfigError(
                f"unknown preset '{one_line(values, 60)}'; choose from {', '.join(self._recipes)}"
            )
        config = parser._option_string_actions["--config"]
        config(parser, cfg, str(self._recipes[values]), "--config")


def name_errors(parser: ArgumentParser) -> None:
    """Let a parser's options, those of groups too, speak for themselves.

    Each is also known by its name with underscores, which is how words are looked up.
    """
    for action in parser._actions:
        for option in action.option_strings:
            parser._option_string_actions.setdefault(underscored(option), action)
        for plain, own in ((ActionTypeHint, TypedOption), (_ActionConfigLoad, GroupOption)):
            if type(action) is plain:
                action.__class__ = own


def _own_error(error: BaseException | None) -> UserError | None:
    """Give the error of ours that jsonargparse's stands on."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__
    return error


def _check_names(content: Any, source: str) -> None:
    """Raise ConfigError for a recipe whose names are no texts: jsonargparse would fail on them."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if not isinstance(name, str):
                raise ConfigError(f"{source}: {name!r} is no option's name; put quotes around it")
            _check_names(value, source)
    elif isinstance(content, list):
        for value in content:
            _check_names(value, source)
