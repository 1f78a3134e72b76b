r"""The keys of a description that say which files, whose, and of what label.

files: "walks/*.csv"            # or a list of them; ** stands for any folders
subject: {column: person}       # or {value: anna}, or {file: "(p\d+)"}
label: activity                 # or {value: walking}, or {file: "(walk|sit)"}
labels: {1: walking, 2: sitting}
annotations: {file: labels.csv, start: start, stop: stop, label: label}
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sensor2llm.errors import SpecError
from sensor2llm.signals.tables.description import Rule, TableAnnotations, TableSource
from sensor2llm.signals.tables.fields import check_keys, mapping, number, shown, text, truth
from sensor2llm.signals.tables.keys.clock import KEYS as CLOCK_KEYS
from sensor2llm.signals.tables.keys.clock import clock
from sensor2llm.signals.tables.keys.layout import KEYS as LAYOUT_KEYS
from sensor2llm.signals.tables.keys.layout import table_layout
from sensor2llm.signals.tables.times import TIME_UNITS

SOURCE_KEYS = ("files", "time", "subject", "offset_s")
_RULES = ("column", "value", "file")
_ANNOTATION_KEYS = ("file", "files", "start", "stop", "duration", "duration_unit", "lasts_s",
                    "label", "subject", "relative", *CLOCK_KEYS[1:5], *LAYOUT_KEYS)  # fmt: skip


def files(plain: Any) -> tuple[str, ...]:
    """Read the patterns of files."""
    patterns = [plain] if isinstance(plain, str) else plain
    if not isinstance(patterns, list) or not all(isinstance(p, str) and p for p in patterns):
        patterns = []
    if not patterns:
        raise SpecError(
            f"files must be a file name, a pattern or a list of them, got {shown(plain)}"
        )
    return tuple(text(pattern, "files") for pattern in patterns)


def rule(plain: Any, what: str) -> Rule:
    """Read where the person or the label of a row stands."""
    if isinstance(plain, str):
        return "column", text(plain, what)
    if not isinstance(plain, Mapping) or len(plain) != 1 or next(iter(plain)) not in _RULES:
        why = "; splits are by subject" if what == "subject" else ""
        raise SpecError(
            f"{what} must be one of {{column: NAME}}, {{value: NAME}} or {{file: REGEX}}, got "
            f"{shown(plain)}{why}"
        )
    kind, value = next(iter(plain.items()))
    return str(kind), text(value, f"{kind} of {what}")


def own_source(plain: Mapping[str, Any], table: TableSource, where: str) -> TableSource | None:
    """Read a modality's files, clock, people and layout; None where all are the table's."""
    if not any(plain.get(key) is not None for key in (*SOURCE_KEYS, *LAYOUT_KEYS)):
        return None
    source = table
    if plain.get("files") is not None:
        source = replace(source, files=files(plain["files"]))
    if plain.get("time") is not None:
        source = replace(source, clock=clock(plain["time"], needed=False))
    if plain.get("subject") is not None:
        source = replace(source, subject=rule(plain["subject"], "subject"))
    if plain.get("offset_s") is not None:
        shift = number(plain["offset_s"], f"offset_s of {where}")
        source = replace(source, clock=replace(source.clock, offset_s=shift))
    return replace(source, layout=_with_layout(source.layout, plain))


def annotations(plain: Any, table: TableSource) -> TableAnnotations | None:
    """Read where labels stand that have files of their own."""
    if plain is None:
        return None
    check_keys(plain, _ANNOTATION_KEYS, required=("start", "label"), where="annotations")
    ends = [key for key in ("stop", "duration", "lasts_s") if plain.get(key) is not None]
    if len(ends) > 1:
        raise SpecError(f"annotations have {' and '.join(ends)}; one says how long a label lasts")
    patterns = plain.get("file") if plain.get("files") is None else plain["files"]
    unit = plain.get("duration_unit", "s")
    if unit not in TIME_UNITS:
        raise SpecError(f"unknown duration_unit {shown(unit)}; choose from {', '.join(TIME_UNITS)}")
    lasts = plain.get("lasts_s")
    return TableAnnotations(
        source=TableSource(
            files=files(patterns),
            clock=_start_clock(plain, table),
            subject=_people(plain.get("subject"), table),
            layout=_with_layout(table.layout, plain),
        ),
        stop=None if plain.get("stop") is None else text(plain["stop"], "stop"),
        duration=None if plain.get("duration") is None else text(plain["duration"], "duration"),
        duration_unit=unit,
        lasts_s=None if lasts is None else number(lasts, "lasts_s of annotations"),
        label=text(plain["label"], "label of annotations (the name of a column)"),
        relative=truth(plain.get("relative", False), "relative of annotations"),
    )


def _start_clock(plain: Mapping[str, Any], table: TableSource) -> Any:
    """Give the clock of the starts: its own, or that of the rows where nothing is said."""
    own = {key: plain[key] for key in CLOCK_KEYS[1:5] if plain.get(key) is not None}
    columns = {"column": plain["start"]}
    if "unit" in own or "format" in own:
        return clock(columns | own, needed=True)
    theirs = table.clock
    if not (theirs.columns or theirs.start):
        raise SpecError(
            "annotations need the unit of their start, for example unit: s or format: "
            "'%Y-%m-%d %H:%M:%S'; the table as a whole has no time to take it from"
        )
    unit = theirs.start_unit if theirs.unit == "samples" else theirs.unit
    same = {"unit": unit} if not theirs.form else {"format": theirs.form}
    same |= {"zone": theirs.zone} if theirs.zone else {}
    return clock(columns | same | own, needed=True)


def _people(plain: Any, table: TableSource) -> Rule:
    """Give whose labels they are: as is said, or as the table's files say.

    A file without the table's column of people, or whose name does not say whose it is, is
    anyone's, as long as there is one person.
    """
    if plain is not None:
        return rule(plain, "subject")
    kind, value = table.subject
    return ({"column": "any", "file": "any_file"}.get(kind, kind), value)


def _with_layout(layout: Any, plain: Mapping[str, Any]) -> Any:
    own = {key: plain[key] for key in LAYOUT_KEYS if plain.get(key) is not None}
    if not own:
        return layout
    written = table_layout({"delimiter": layout.delimiter, "decimal": layout.decimal} | own)
    return replace(layout, **{key: getattr(written, key) for key in own})


def labels(plain: Any) -> dict[str, str] | None:
    """Read the texts of the labels by the cells that stand for them, each in one spelling."""
    if plain is None:
        return None
    if isinstance(plain, list):
        plain = {text(entry, "an entry of labels"): entry for entry in plain}
    return {
        label_key(text(cell, "a cell of labels")): text(entry, f"the label of {shown(cell)}")
        for cell, entry in mapping(plain, "labels").items()
    }


def label_key(cell: str) -> str:
    """Give one spelling of a code: 1.0 is 1, as tables with empty cells write it."""
    return cell.partition(".")[0] if re.fullmatch(r"[-+]?\d+\.0*", cell) else cell
