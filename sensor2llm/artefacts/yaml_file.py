"""YAML that people wrote, read within a budget: a few bytes cannot stand for gigabytes.

content = read_yaml(path, ConfigError)

Size, depth and nodes are counted before anything is built, each alias as what it stands for.
"""

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from sensor2llm.errors import UserError, one_line

MOST_BYTES = 1 << 20
MOST_NODES = 100_000
DEEPEST = 64
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOOL = "tag:yaml.org,2002:bool"


class _WordLoader(_LOADER):  # type: ignore[misc, valid-type]
    """Read `on`, `off`, `yes` and `no` as texts: YAML 1.2 dropped them as truth values."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
        for first, resolvers in _LOADER.yaml_implicit_resolvers.items()
    }


_WordLoader.add_implicit_resolver(
    _BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


class YamlBudgetError(yaml.YAMLError):
    """Raise for a YAML text that is too large, too deep, or says a key twice."""


def read_yaml(
    path: Path, error: type[UserError], name: str = "", *, truth_words: bool = True
) -> Any:
    """Read a YAML file.

    Args:
        path: the file, UTF-8.
        error: what is raised where it cannot be read.
        name: what it is called in the message; the file's name where empty.
        truth_words: whether on, off, yes and no are truth values; else they are texts.

    Raises:
        UserError: of the kind `error`, in one line that says what is wrong.
        FileNotFoundError: there is no such file.
    """
    name = name or path.name
    if path.stat().st_size > MOST_BYTES:
        raise error(f"{name} is no YAML (larger than {MOST_BYTES >> 20} MiB); is it another file?")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
        check_yaml(text)
        return yaml.load(text, Loader=_LOADER if truth_words else _WordLoader)
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        place = f"line {line}, byte 0x{content[wrong.start]:02X}"
        raise error(f"{name} is no YAML: not UTF-8 ({place}); save it as UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as wrong:
        raise error(f"{name} is no YAML: {one_line(wrong, 180)}") from None


def check_yaml(text: str) -> None:
    """Look at a YAML text before it is built.

    Raises:
        YamlBudgetError: It is too large or too deep, refers to itself, or has a key twice.
        yaml.YAMLError: It is no YAML.
    """
    if len(text) > MOST_BYTES:
        raise YamlBudgetError(f"larger than {MOST_BYTES >> 20} MiB")
    sizes: dict[str, int] = {}
    """What each anchor stands for, in nodes; 0 while it is open."""
    stack = [_Node()]
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.NodeEvent):
            _check_key(stack[-1], event)
        if isinstance(event, yaml.AliasEvent):
            if not sizes.get(event.anchor or ""):
                raise YamlBudgetError(f"'*{event.anchor}' stands for nothing, or for itself")
            stack[-1].nodes += sizes[event.anchor or ""]
        elif isinstance(event, yaml.CollectionStartEvent):
            stack.append(_Node(event.anchor, isinstance(event, yaml.MappingStartEvent)))
            sizes[event.anchor or ""] = 0
        elif isinstance(event, yaml.CollectionEndEvent | yaml.ScalarEvent):
            done = _Node(event.anchor) if isinstance(event, yaml.ScalarEvent) else stack.pop()
            sizes[done.anchor or ""] = done.nodes
            stack[-1].nodes += done.nodes
        if len(stack) > DEEPEST:
            raise YamlBudgetError(f"nested deeper than {DEEPEST}")
        if stack[-1].nodes > MOST_NODES:
            raise YamlBudgetError(f"more than {MOST_NODES} values, aliases counted in full")


class _Node:
    """A node that is being read: how many nodes it stands for, and the keys of a mapping."""

    def __init__(self, anchor: str | None = None, is_mapping: bool = False) -> None:
        self.anchor, self.nodes = anchor, 1
        self.keys: set[str] | None = set() if is_mapping else None
        self.at_key = True


def _check_key(node: _Node, event: yaml.NodeEvent) -> None:
    if node.keys is None:
        return
    if node.at_key and isinstance(event, yaml.ScalarEvent) and event.value != "<<":
        if event.value in node.keys:
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise YamlBudgetError(f"the key {event.value!r} is there twice (line {line})")
        node.keys.add(event.value)
    node.at_key = not node.at_key
