"""What a file's name, its folders or its first lines say: a person, a label, when it began."""

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.tables.description import Rule, TableClock
from sensor2llm.signals.tables.layout import TableLayout, open_text
from sensor2llm.signals.tables.times import Place, seconds


def of_path(rule: Rule, root: Path | None, path: Path, what: str) -> str:
    """Give the person or label of a whole file: the fixed one, or what a pattern finds in its name.

    Where the file's name does not have it, the folders below `root`, the searched one, are looked
    at, the nearest first.
    """
    kind, pattern = rule
    if kind != "file":
        return pattern
    folders = path.parts[:-1]
    if root is not None and path.is_relative_to(root):
        folders = path.relative_to(root).parts[:-1]
    name = _first_match(pattern, [path.name, *reversed(folders)], what, groups=1)
    if not name:
        where = " or its folders'" if folders else ""
        raise DataError(
            f"{path.name}: {what} {{file: {pattern[:60]}}} does not fit the file's name{where}"
        )
    return name


def start_of(clock: TableClock, path: Path, place: Path, layout: TableLayout) -> float:
    """Give the time of a file's first row in seconds, 0 where its clock says none.

    Args:
        clock: of the file.
        path: its name.
        place: where its bytes lie.
        layout: how it is written, for its first lines.
    """
    if clock.start is None:
        return 0.0
    kind, rule = clock.start
    text: str | None = rule
    if kind != "value":
        texts = [path.name, *reversed(path.parts[:-1])]
        if kind == "head":
            texts = ["\n".join(open_text(place, layout).head)]
        text = _first_match(rule, texts, "start", groups=9)
        if not text:
            what = "its first lines" if kind == "head" else "its name or its folders'"
            raise DataError(f"{path.name}: start {{{kind}: {rule[:60]}}} does not fit {what}")
    cell = pa.chunked_array([pa.array([text])])
    unit, form = clock.start_unit, clock.form
    return float(seconds(cell, unit, Place(path.name, "start"), form, clock.zone)[0])


def _first_match(pattern: str, names: Sequence[str], what: str, groups: int) -> str | None:
    """Give what a pattern, or its groups, find in the first text that it fits.

    Arrow's patterns take no longer than the text is long, whatever they are.
    """
    array = pa.array(list(names))
    try:
        fits = pc.match_substring_regex(array, pattern)
        count = min(re.compile(pattern).groups, groups, 8)
        parts = " ".join(rf"\{i + 2}" for i in range(count)) or r"\1"
        within = pc.replace_substring_regex(array, f"(?s)^.*?({pattern}).*$", parts)
    except (re.error, pa.ArrowInvalid, RecursionError, OverflowError) as error:
        raise SpecError(f"{what} {{file: {pattern[:60]}}} is no pattern: {error}") from error
    pairs = zip(within.to_pylist(), fits.to_pylist(), strict=True)
    return next((str(part) for part, fit in pairs if fit and part), None)
