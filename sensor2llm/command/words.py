"""Words as they are typed and shown: dashes in option names, lists with spaces or commas."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

PLAIN = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
}
LIST_TYPES = (tuple, list, Sequence)
LISTS = {int: "whole numbers", float: "numbers"}


def dashed(name: str) -> str:
    """Show an option's name as it is typed: `--loop.batch_size` becomes `--loop.batch-size`."""
    return name.replace("_", "-")


def underscored(word: str) -> str:
    """Give an option's word with the underscores of its field; other words stay as they are."""
    name, sign, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{sign}{value}" if name.startswith("--") else word


def program_name(verb: str, module: str) -> str:
    """Say how a verb was started: `sensor2llm VERB`, or `python -m` and its module."""
    started = PurePath(sys.argv[0])
    if started.stem == "sensor2llm":
        return f"sensor2llm {dashed(verb)}"
    if started.parts[-2:] == ("sensor2llm", "__main__.py"):
        return f"python -m sensor2llm {dashed(verb)}"
    return f"python -m {module}"


def without_none(hint: Any) -> Any:
    """Give the type that an option has where it is set."""
    if get_origin(hint) in (Union, UnionType):
        (hint, *others) = (member for member in get_args(hint) if member is not type(None))
        return Union[(hint, *others)]
    return hint


def choices(hint: Any) -> tuple[str, ...]:
    """Give the words that a `Literal` option takes; none for another."""
    inner = without_none(hint)
    return tuple(map(str, get_args(inner))) if get_origin(inner) is Literal else ()


def may_be_file(hint: Any) -> bool:
    """Say whether an option takes a file or folder, or a name in place of it."""
    return without_none(hint) in (Path, str, None)


def type_words(hint: Any) -> str:
    """Say in words what a type takes."""
    inner = without_none(hint)
    if get_origin(inner) in LIST_TYPES:
        kind = get_args(inner)[0]
        each = f", each {type_words(kind)}" if choices(kind) else ""
        return f"a list of {LISTS.get(kind, 'words')}{each}"
    if get_origin(inner) is dict or inner is dict:
        return "a mapping of names to values"
    if options := choices(inner):
        return f"one of {', '.join(options)}"
    return PLAIN.get(inner) or str(getattr(inner, "__name__", inner))


def takes_list(action: argparse.Action | None) -> bool:
    """Say whether an option takes several values."""
    hint = without_none(getattr(action, "_typehint", None))
    return action is not None and (action.nargs in ("+", "*") or get_origin(hint) in LIST_TYPES)


def join_lists(words: Sequence[str], options: dict[str, argparse.Action]) -> list[str]:
    """Let every list option take `a b c`, `a,b,c` and `[a, b, c]`.

    Returns:
        Words that a parser of single values understands: a list is one YAML list, or, where an
        option takes several words, these.
    """
    joined, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        name, sign, value = word.partition("=")
        action = options.get(name)
        if not takes_list(action) or name.endswith("+"):
            joined.append(word)
            continue
        values = [value] if sign else _values(rest)
        joined += _list_words(name, values, action)
    return joined


def _values(rest: list[str]) -> list[str]:
    """Take the words up to the next option, or to the end of a list in brackets."""
    values: list[str] = []
    while rest and not rest[0].startswith("--"):
        values.append(rest.pop(0))
        if values[0].startswith("[") and values[-1].endswith("]"):
            break
    return values


def _list_words(name: str, values: list[str], action: argparse.Action | None) -> list[str]:
    if action is None or not values:
        return [name]
    items = [item for value in values for item in _split(value)]
    if action.nargs is not None:
        return [name, *items]
    if values[0].startswith("[") or values == ["null"]:
        return [f"{name}={' '.join(values)}"]
    (kind, *_) = get_args(without_none(action._typehint))  # type: ignore[attr-defined]
    # Quotes keep what is text from being read as a number; a number must not have them.
    texts = items if kind in (int, float) else [json.dumps(item) for item in items]
    return [f"{name}=[{', '.join(texts)}]"]


def _split(value: str) -> list[str]:
    """Divide a word at its commas, unless a file or folder has that name."""
    if Path(value).exists():
        return [value]
    return [item for item in value.split(",") if item]
