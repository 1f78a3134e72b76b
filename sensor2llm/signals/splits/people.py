"""Who people are: known by their data set and their name, however the two are spelled."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

_FILES = re.compile(r"\s*:?\s*\d+ files?\b.*")
_WHOLE = re.compile(r"(?<![\d.])(\d+)\.0+(?![\d.])")
_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")

Person = tuple[str, str]
"""A data set and a name in it, both in one spelling."""
_SIMULATED = "~simulated"


def simulated_of(name: str) -> str:
    """Name whose windows were made of this person's; see `is_simulated`."""
    return name + _SIMULATED


def is_simulated(name: str) -> bool:
    """Say whether windows under this name were made of a person's own.

    They teach where the person teaches, and nobody is chosen or judged on them.
    """
    return name.endswith(_SIMULATED)


def person_key(name: str) -> str:
    """Give one spelling of a person's name.

    Case, space around it, invisible letters, leading zeros and the `.0` of a number do not count,
    nor does that windows were made of the person's.

    Example:
        >>> {person_key(name) for name in ("S1", "s1 ", "s01", "ｓ１", "s1.0")}
        {'s1'}
    """
    text = unicodedata.normalize("NFKC", name.removesuffix(_SIMULATED)).casefold()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return _ZEROS.sub("", _WHOLE.sub(r"\1", " ".join(text.split())))


def data_set_key(source: str) -> str:
    """Give one spelling of a data set, from the words that tell where the data come from.

    How many files there are, and what follows a semicolon (which labels), are not the data set.

    Example:
        >>> data_set_key("table.yaml: 6 files") == data_set_key("Table.yaml: 7 files")
        True
    """
    first = unicodedata.normalize("NFKC", source).casefold().split(";")[0]
    return " ".join(_FILES.sub("", first).split())


def known_people(names: Iterable[str], source: str, parts: Mapping[str, str]) -> list[Person]:
    """Give each person's data set and name.

    Args:
        names: as a store has them; of data sets side by side `name/person`.
        source: where the data come from, in words.
        parts: of data sets side by side, name -> source; one of no known source is its own.
    """
    if not parts:
        return [(data_set_key(source), person_key(name)) for name in names]
    people = []
    for part, slash, person in (name.partition("/") for name in names):
        data = data_set_key(parts.get(part) or part)
        people.append((data, person_key(person if slash else part)))
    return people
