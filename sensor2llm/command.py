"""The command line of a verb: options from dataclasses, recipe files, one line where they fail."""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from jsonargparse import (
    ArgumentError,
    ArgumentParser,
    DefaultHelpFormatter,
    Namespace,
    get_loader,
    set_loader,
    set_parsing_settings,
)

from sensor2llm.artefacts.yaml_file import check_yaml, read_yaml
from sensor2llm.errors import ConfigError, one_line

C = TypeVar("C")

_YAML = get_loader("yaml")
WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keep the lines of the description, and the usage short: what must be given."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Name what must be given; everything else is `[options]`."""
        words = ["%(prog)s", *map(_in_usage, filter(_is_needed, actions)), "[options]"]
        super().add_usage(usage or " ".join(words), actions, groups, prefix)


def verb_parser(verb: str, description: str | None, package: str = "sensor2llm") -> ArgumentParser:
    """Build a verb's parser; its errors come out of `parse`, one line each.

    Args:
        verb: the module that is run.
        description: the module's docstring; its lines are kept in `--help`.
        package: where the module is.
    """
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    set_loader("yaml", _load_yaml, exceptions=(yaml.YAMLError,))
    return ArgumentParser(
        prog=f"python -m {package}.{verb}",
        description=description,
        formatter_class=_HelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
    )


def recipe_parser(verb: str, description: str | None, config: type) -> ArgumentParser:
    """Build a parser whose options are a dataclass's fields, nested ones with dots.

    `--config` reads a YAML file with the same names.
    """
    parser = verb_parser(verb, description)
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_class_arguments(config, as_group=False)
    return parser


def parse(parser: ArgumentParser, argv: list[str] | None) -> Any:
    """Parse a command line; `--show-prompt` is `--show_prompt`.

    Raises:
        ConfigError: one line that names what cannot be.
    """
    words = [_underscored(word) for word in (sys.argv[1:] if argv is None else argv)]
    config = _config(words)
    if Path(config).is_file():
        _check_names(read_yaml(Path(config), ConfigError, config), config)
    try:
        return parser.parse_args(words)
    except (ArgumentError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ConfigError(_line(str(error), parser, config)) from None


def to_config(parser: ArgumentParser, options: Any, config: type[C]) -> C:
    """Build the dataclass from parsed options.

    Raises:
        ConfigError: the values do not go together.
    """
    _check_values(parser, options)
    try:
        chosen = parser.instantiate(options)
    except TypeError as error:
        # In a mapping's entries (a task's settings) null is let through for any value.
        raise ConfigError(
            f"a value is null or of another type than is needed ({one_line(error, 120)}); leave "
            "it out or set it"
        ) from None
    return config(**{name: chosen[name] for name in config.__dataclass_fields__})  # type: ignore[attr-defined]


def read_recipe(path: Path, config: type[C]) -> C:
    """Read a recipe file.

    Raises:
        ConfigError: the file is not there, no YAML, or has a field that there is not.
    """
    parser = recipe_parser("train_adapter", None, config)
    return to_config(parser, parse(parser, [f"--config={path}"]), config)


def _check_values(parser: ArgumentParser, options: Any) -> None:
    """Raise ConfigError for what jsonargparse lets through: null for a value, a value for a group.

    Both come from a recipe file only.
    """
    hints = {a.dest: hint for a in parser._actions if (hint := getattr(a, "_typehint", None))}
    for option, hint in hints.items():
        *groups, name = option.split(".")
        if ".".join(groups) in hints:
            continue
        inner = options
        for i, group in enumerate(groups):
            inner = inner.get(group)
            if not isinstance(inner, Namespace):
                path = ".".join(groups[: i + 1])
                raise ConfigError(
                    f"{path} has fields of its own, such as {path}.{name}; got {_plain(inner)}"
                )
        if inner.get(name) is None and type(None) not in (hint, *get_args(hint)):
            kind = WORDS.get(getattr(hint, "__name__", ""), "given")
            raise ConfigError(f"{option} must be {kind}, got null; leave it out or set it")


def _plain(value: Any) -> str:
    return "null" if value is None else one_line(repr(value), 60)


def _load_yaml(text: str) -> Any:
    """Read a value as jsonargparse does, within the budget of YAML files."""
    check_yaml(text)
    return _YAML(text)


def _check_names(content: Any, config: str) -> None:
    """Raise ConfigError for a recipe whose names are no texts: jsonargparse would fail on them."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if not isinstance(name, str):
                raise ConfigError(f"{config}: {name!r} is no option's name; put quotes around it")
            _check_names(value, config)
    elif isinstance(content, list):
        for value in content:
            _check_names(value, config)


def _underscored(word: str) -> str:
    name, sign, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{sign}{value}" if name.startswith("--") else word


def _config(words: list[str]) -> str:
    """Give the recipe file that was typed."""
    for word, after in pairwise([*words, ""]):
        if word.startswith("--config"):
            return word.partition("=")[2] or after
    return "the options"


def _is_needed(action: argparse.Action) -> bool:
    return bool(action.required or not action.option_strings)


def _in_usage(action: argparse.Action) -> str:
    value = str(action.metavar or action.dest.upper())
    return " ".join([*action.option_strings[:1], value])


def _line(text: str, parser: ArgumentParser, config: str) -> str:
    """Put jsonargparse's words into ours; what is not known here keeps its own."""
    line = " ".join(text.split())
    for pattern, say in MESSAGES.items():
        if found := re.match(pattern, line):
            return say(parser, config, *found.groups())
    return line


def _wrong_type(_: ArgumentParser, __: str, name: str, kind: str, given: str) -> str:
    if choices := re.fullmatch(r"typing\.Literal\[(.*)\]", kind):
        return f"unknown {name} '{given}'; choose from {choices[1].replace(chr(39), '')}"
    plain = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", kind)
    return f"{name} must be {WORDS.get(plain, plain)}, got '{given}'"


def _no_value(_: ArgumentParser, __: str, name: str) -> str:
    return f"{name} needs a value"


def _unknown_word(parser: ArgumentParser, _: str, words: str) -> str:
    name = words.split()[0].partition("=")[0]
    kind = "unknown option" if name.startswith("-") else "unexpected"
    return f"{kind} '{name}'; {_hint(name, parser)}"


def _missing(parser: ArgumentParser, _: str, names: str) -> str:
    known = _options(parser)
    typed = [f"--{name}" if f"--{name}" in known else name for name in names.split(", ")]
    return f"missing {', '.join(typed)}; `{parser.prog} --help` says what goes there"


def _unknown_field(parser: ArgumentParser, config: str, group: str | None, name: str) -> str:
    field = f"{group}.{name}" if group else name
    return f"{config}: unknown field '{field}'; {_hint('--' + field, parser)}"


def _no_file(_: ArgumentParser, __: str, path: str) -> str:
    return f"recipe file {path} does not exist"


def _no_mapping(_: ArgumentParser, config: str) -> str:
    return f"{config}: expected a YAML mapping of option names to values"


def _no_yaml(_: ArgumentParser, config: str, problem: str) -> str:
    return f"{config} is no YAML ({problem})"


def _no_group(_: ArgumentParser, __: str, group: str, given: str) -> str:
    return f"{group} has fields of its own, such as --{group}.NAME VALUE; '{given}' is no such file"


def _hint(name: str, parser: ArgumentParser) -> str:
    near = difflib.get_close_matches(name, _options(parser), n=1, cutoff=0.75)
    if near:
        return f"did you mean {near[0].removeprefix('--')}?"
    return f"`{parser.prog} --help` lists what there is"


def _options(parser: ArgumentParser) -> list[str]:
    return [name for action in parser._actions for name in action.option_strings]


MESSAGES: dict[str, Callable[..., str]] = {
    r'Parser key "([^"]+)":;? *Expected an? (.+?)\. Got value: (.*)': _wrong_type,
    r'Parser key "([^"]+)":.*Union subtypes.*? - Expected an? (.+?) - .*Given value: (.*)': (
        _wrong_type
    ),
    r"argument ([^:]+): expected one argument": _no_value,
    r"unrecognized arguments: (.+)": _unknown_word,
    r"the following arguments are required: (.+)": _missing,
    r"(?:Group '([^']+)' does not accept option|Option) '([^']+)'(?: is not accepted)?": (
        _unknown_field
    ),
    r'Parser key "config": File does not exist: (.+)': _no_file,
    r"Unexpected config:": _no_mapping,
    r"Problems parsing config: (.+)": _no_yaml,
    r"Parser key \"([^\"]+)\":;? *.*Unable to load config ['\"]([^'\"]+)": _no_group,
}
