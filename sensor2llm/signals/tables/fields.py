"""Read the fields of a description: each is what it should be, or an error says what it is."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import DataError, SpecError

_LONGEST_TEXT, _LARGEST = 200, 10**9
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 60
_REPR.maxlist = _REPR.maxdict = 4
_REPR.maxlevel = 2


def read_description(path: Path) -> Any:
    """Read a description as plain types; on, off, yes and no are texts, as labels are."""
    try:
        return read_yaml(path, DataError, truth_words=False)
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist; write a description of your files (docs/own_data.md) there"
        ) from error


def shown(plain: Any) -> str:
    """Write a value for a message, short whatever it is."""
    return _REPR.repr(plain)


def check_keys(plain: Any, keys: Sequence[str], *, required: Sequence[str], where: str) -> None:
    """Refuse what is no mapping of these keys."""
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
