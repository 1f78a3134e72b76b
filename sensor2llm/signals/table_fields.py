"""Read the fields of a description: each is what it should be, or an error says what it is."""

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sensor2llm.errors import DataError, SpecError

_MOST_BYTES, _MOST_ALIASES, _LONGEST_TEXT = 1 << 17, 20, 200
_MOST_LISTED, _LONGEST_LIST, _LARGEST = 12, 120, 10**9
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 60
_REPR.maxlist = _REPR.maxdict = 4
_REPR.maxlevel = 2


class _Loader(yaml.SafeLoader):
    """Read `on`, `off`, `yes` and `no` as texts, which labels are; few aliases, so that none grow.

    YAML 1.2 dropped them as truth values.
    """

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Count an alias before it is followed."""
        self.aliases += self.check_event(yaml.AliasEvent)
        if self.aliases > _MOST_ALIASES:
            raise yaml.YAMLError(f"it has more than {_MOST_ALIASES} aliases; write them out")
        return super().compose_node(parent, index)


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")


def read_yaml(path: Path) -> Any:
    """Read a description as plain types.

    Raises:
        DataError: For a file that is missing or no YAML.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(
                f"{path.name} has more than {_MOST_BYTES} bytes; is it a description (YAML)?"
            )
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; see the docstring of table_config") from error
    except RecursionError as error:
        raise DataError(f"{path.name} is no YAML: it is nested too deeply") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from error


def shown(plain: Any) -> str:
    """Write a value for a message, short whatever it is."""
    return _REPR.repr(plain)


def listed(names: Sequence[str]) -> str:
    """List names for a message, the first ones where there are many."""
    cut = [name if len(name) <= 40 else f"{name[:37]}..." for name in names[:_MOST_LISTED]]
    while len(", ".join(cut)) > _LONGEST_LIST:
        cut.pop()
    return ", ".join(cut) + f", ... ({len(names)} in all)" * (len(names) > len(cut))


def check_keys(plain: Any, keys: Sequence[str], *, required: Sequence[str], where: str) -> None:
    """Refuse what is no mapping of these keys.

    Raises:
        SpecError: For an unknown key, naming those that there are, or for a missing one.
    """
    for key in mapping(plain, where):
        if key not in keys:
            raise SpecError(f"{where}: unknown key {shown(key)}; choose from {', '.join(keys)}")
    for key in required:
        if plain.get(key) is None:
            raise SpecError(f"{where}: the key '{key}' is missing")


def mapping(plain: Any, where: str) -> Mapping[Any, Any]:
    """Give a mapping."""
    if not isinstance(plain, Mapping):
        raise SpecError(f"{where} must be a mapping of keys to values, got {shown(plain)}")
    return plain


def number(plain: Any, where: str) -> float:
    """Give a finite number."""
    try:
        is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
        if is_number and math.isfinite(value := float(plain)):
            return value
    except OverflowError:
        pass
    raise SpecError(f"{where} must be a number, got {shown(plain)}")


def whole(plain: Any, where: str, least: int = 0) -> int:
    """Give a whole number of at least `least`."""
    value = number(plain, where)
    if value != round(value) or not least <= value <= _LARGEST:
        raise SpecError(
            f"{where} must be a whole number from {least} to {_LARGEST}, got {shown(plain)}"
        )
    return round(value)


def truth(plain: Any, where: str) -> bool:
    """Give true or false."""
    if not isinstance(plain, bool):
        raise SpecError(f"{where} must be true or false, got {shown(plain)}")
    return plain


def text(plain: Any, where: str) -> str:
    """Give a text that is not empty; a number or a truth value is one, as YAML wrote it."""
    if isinstance(plain, bool):
        plain = str(plain).lower()
    words = "" if plain is None or isinstance(plain, list | Mapping) else str(plain).strip()
    if 0 < len(words) <= _LONGEST_TEXT:
        return words
    most = f" of at most {_LONGEST_TEXT} characters" * (len(words) > _LONGEST_TEXT)
    raise SpecError(f"{where} must be a text{most}, got {shown(plain)}")


def texts(plain: Any, where: str) -> tuple[str, ...]:
    """Give one text, or a list of them, as texts."""
    entries = plain if isinstance(plain, list) else [plain]
    if not entries:
        raise SpecError(f"{where} must be a text or a list of them, got {shown(plain)}")
    return tuple(text(entry, where) for entry in entries)
