"""The command line of a verb: options from dataclasses, recipe files, one line where they fail."""

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_args

import yaml
from jsonargparse import (
    ArgumentError,
    ArgumentParser,
    Namespace,
    get_loader,
    set_loader,
    set_parsing_settings,
)

from sensor2llm.artefacts.yaml_file import check_yaml
from sensor2llm.command.help import FullHelp, HelpFormatter, ShortHelp, needed_actions
from sensor2llm.command.options import RecipeFile, TypedOption, name_errors
from sensor2llm.command.words import PLAIN, dashed, join_lists, program_name, underscored
from sensor2llm.errors import ConfigError, UserError, one_line

C = TypeVar("C")

_YAML = get_loader("yaml")


class VerbParser(ArgumentParser):
    """Parse a verb's words; what cannot be is one line of ours."""

    shown: tuple[str, ...] = ()
    """Options that `--help` lists, those that people change."""
    recipe: str | None = None
    """The recipe file that was read."""
    needed: Sequence[argparse.Action] = ()
    """What must be given; while words are read, jsonargparse hides it."""

    def add_class_arguments(self, *words: Any, **settings: Any) -> Any:
        """Add a dataclass's fields; also of classes within a mapping, which have their parser."""
        names = super().add_class_arguments(*words, **settings)
        name_errors(self)
        return names

    def _parse_known_args(self, *words: Any, **settings: Any) -> tuple[Any, list[str]]:
        try:
            namespace, rest = super()._parse_known_args(*words, **settings)
        except ArgumentError as error:
            raise ConfigError(self._incomplete(error)) from None
        if rest:
            name = rest[0].partition("=")[0]
            kind = "unknown option" if name.startswith("-") else "unexpected"
            shown = dashed(name) if name.startswith("--") else name
            raise ConfigError(f"{kind} '{shown}'; {self._hint(dashed(name))}")
        return namespace, rest

    def validate(self, namespace: Namespace, *words: Any, **settings: Any) -> None:
        """Check that every field is one that there is, and that none is missing.

        Raises:
            ConfigError: naming the first field, or all that are missing.
        """
        try:
            super().validate(namespace, *words, **settings)
        except KeyError:
            raise ConfigError(self._unknown_field(namespace)) from None
        except TypeError:
            required = [action for action in self._actions if action.required]
            missing = [a for a in required if namespace.get(a.dest) is None]
            if not missing:
                raise
            names = ", ".join(dashed(a.option_strings[0]) if a.option_strings else a.dest
                              for a in missing)  # fmt: skip
            raise ConfigError(
                f"missing {names}; `{self.prog} --help` says what goes there"
            ) from None

    def _incomplete(self, error: ArgumentError) -> str:
        """Say what an option lacks, or that it takes nothing."""
        name = (error.argument_name or "").partition("/")[0]
        if (action := self._option_string_actions.get(name)) is None:
            return one_line(error.message)
        return f"{dashed(name)} {'takes no' if action.nargs == 0 else 'needs a'} value"

    def _unknown_field(self, namespace: Namespace) -> str:
        """Say which field is none, and which might be meant."""
        helps = (ShortHelp, FullHelp, argparse._HelpAction)
        options = [a.dest for a in self._actions if not isinstance(a, helps)]
        mappings = tuple(f"{a.dest}." for a in self._actions if isinstance(a, TypedOption))
        leaves = namespace.keys()
        name = next(k for k in leaves if k not in options and not k.startswith(mappings))
        source = f"{self.recipe}: " if self.recipe else ""
        return f"{source}unknown field '{name}'; {self._hint(name, options)}"

    def _hint(self, name: str, names: Sequence[str] = ()) -> str:
        options = names or list(map(dashed, self._option_string_actions))
        near = difflib.get_close_matches(name, options, n=1, cutoff=0.75)
        if near:
            return f"did you mean {near[0].removeprefix('--')}?"
        if getattr(self, "_inner_parser", False):
            return f"fields are {', '.join(options)}"
        return f"`{self.prog} --help-all` lists what there is"


def verb_parser(
    verb: str, description: str | None, options: Iterable[str] = (), *, module: str | None = None
) -> VerbParser:
    """Build a verb's parser; its errors come out of `parse`, one line each.

    Args:
        verb: what is typed behind `sensor2llm`.
        description: the module's docstring: what the verb does, then lines of examples.
        options: what `--help` lists, in this order, as it is typed without `--`; `--help-all`
            lists every option.
        module: what is typed behind `python -m`; by default `sensor2llm.VERB`.
    """
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    set_loader("yaml", _load_yaml, exceptions=(yaml.YAMLError,))
    parser = VerbParser(
        prog=program_name(verb, module or f"sensor2llm.{verb}"),
        description=description,
        formatter_class=HelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
        add_help=False,
    )
    parser.shown = tuple(options)
    parser.add_argument("-h", "--help", action=ShortHelp)
    parser.add_argument("--help_all", action=FullHelp)
    return parser


def recipe_parser(
    verb: str, description: str | None, config: type, options: Iterable[str] = ()
) -> VerbParser:
    """Build a parser whose options are a dataclass's fields, nested ones with dots.

    `--config` reads a YAML file with the same names.
    """
    parser = verb_parser(verb, description, options)
    text = "YAML file with any of these options"
    parser.add_argument("--config", action=RecipeFile, metavar="FILE", help=text)
    parser.add_class_arguments(config, as_group=False, skip=_unseen(config, options))
    return parser


def _unseen(config: type, options: Iterable[str]) -> set[str]:
    """Give the fields that can be left out, for speed: of `--help` alone, what it does not show."""
    if not {"-h", "--help"} & set(sys.argv) or "--help-all" in map(dashed, sys.argv):
        return set()
    shown = {underscored(f"--{option}")[2:].partition(".")[0] for option in options}
    required = {f.name for f in fields(config) if f.default is f.default_factory is MISSING}
    return {field.name for field in fields(config)} - shown - required


def parse(parser: VerbParser, argv: list[str] | None) -> Any:
    """Parse a command line; `--show-prompt` is `--show_prompt`, a list `a b c` or `a,b,c`.

    Raises:
        ConfigError: one line that names what cannot be.
    """
    name_errors(parser)
    parser.needed = needed_actions(parser)
    words = [underscored(word) for word in (sys.argv[1:] if argv is None else argv)]
    try:
        return parser.parse_args(join_lists(words, parser._option_string_actions))
    except UserError:
        raise
    except (ArgumentError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ConfigError(one_line(str(error))) from None


def to_config(parser: VerbParser, options: Any, config: type[C]) -> C:
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


def read_recipe(path: Any, config: type[C]) -> C:
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
            kind = PLAIN.get(hint, "given") if hint is not str else "given"
            raise ConfigError(f"{option} must be {kind}, got null; leave it out or set it")


def _plain(value: Any) -> str:
    return "null" if value is None else one_line(repr(value), 60)


def _load_yaml(text: str) -> Any:
    """Read a value as jsonargparse does, within the budget of YAML files."""
    check_yaml(text)
    return _YAML(text)
