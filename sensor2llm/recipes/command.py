"""The command line of a dataclass: every field an option, and a YAML file with the same names."""

from pathlib import Path
from typing import Any, TypeVar

from sensor2llm.errors import ConfigError

C = TypeVar("C")


def recipe_parser(verb: str, description: str, config: type) -> Any:
    """Build a parser whose options are a dataclass's fields, nested ones with dots.

    Bad values end as a ConfigError, not as a usage page.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog=f"python -m sensor2llm.{verb}", description=description, exit_on_error=False
    )
    parser.add_argument("--config", action="config", help="recipe file, YAML")
    parser.add_class_arguments(config, as_group=False)
    return parser


def parse(parser: Any, argv: list[str] | None) -> Any:
    """Parse a command line.

    Raises:
        ConfigError: one line that names what cannot be.
    """
    from jsonargparse import ArgumentError

    try:
        return parser.parse_args(argv)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(_line(str(error))) from None


def to_config(parser: Any, options: Any, config: type[C]) -> C:
    """Build the dataclass from parsed options."""
    chosen = parser.instantiate(options)
    return config(**{name: chosen[name] for name in config.__dataclass_fields__})  # type: ignore[attr-defined]


def read_recipe(path: Path, config: type[C]) -> C:
    """Read a recipe file.

    Raises:
        ConfigError: the file is not there, no YAML, or has a field that there is not.
    """
    parser = recipe_parser("train_adapter", "", config)
    return to_config(parser, parse(parser, [f"--config={path}"]), config)


def _line(text: str) -> str:
    lines = [line.strip(" -") for line in text.splitlines() if line.strip(" -")]
    return "; ".join(lines[:3]) if lines else "the options cannot be read"
