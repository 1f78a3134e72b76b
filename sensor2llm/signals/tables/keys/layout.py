"""The keys that say how a file is written (see `layout`)."""

from collections.abc import Mapping
from typing import Any

from sensor2llm.errors import SpecError
from sensor2llm.signals.tables.fields import number, shown, text, texts, truth, whole
from sensor2llm.signals.tables.layout import AXES, WORDS, TableLayout, is_encoding

KEYS = ("delimiter", "decimal", "encoding", "skip_rows", "comment", "units_row", "names", "header",
        "missing", "sheet", "axes")  # fmt: skip


def table_layout(plain: Mapping[str, Any]) -> TableLayout:
    """Read the keys of a layout among those of a description or a modality."""
    plain = {key: plain[key] for key in KEYS if plain.get(key) is not None}
    delimiter = plain.get("delimiter", ",")
    delimiter = WORDS.get(delimiter, delimiter) if isinstance(delimiter, str) else delimiter
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise SpecError(
            f"delimiter must be one character or one of {', '.join(WORDS)}, got {shown(delimiter)}"
        )
    encoding = plain.get("encoding")
    if encoding is not None and not (isinstance(encoding, str) and is_encoding(encoding)):
        raise SpecError(
            f"unknown encoding {shown(encoding)}; write utf-8, utf-16, latin-1, cp1252, ..."
        )
    decimal = plain.get("decimal", ".")
    if decimal not in (".", ",") or decimal == delimiter:
        raise SpecError(
            f"decimal must be '.' or ',' and no delimiter, got {shown(decimal)} and delimiter "
            f"{delimiter!r}"
        )
    return TableLayout(
        delimiter=delimiter,
        decimal=decimal,
        encoding=encoding,
        skip_rows=whole(plain.get("skip_rows", 0), "skip_rows"),
        comment=text(plain["comment"], "comment") if "comment" in plain else "",
        units_row=truth(plain.get("units_row", False), "units_row"),
        names=texts(plain["names"], "names") if "names" in plain else (),
        header=truth(plain.get("header", True), "header"),
        missing=_missing(plain["missing"]) if "missing" in plain else None,
        sheet=text(plain["sheet"], "sheet") if "sheet" in plain else "",
        axes=_axes(plain["axes"]) if "axes" in plain else (),
    )


def _missing(plain: Any) -> tuple[str | float, ...]:
    """Read what marks a missing value, each as a text and, where it is one, as a number."""
    entries = plain if isinstance(plain, list) else [plain]
    words = [text(entry, "an entry of missing") for entry in entries]
    numbers = [number(entry, "missing") for entry in entries if isinstance(entry, int | float)]
    return (*words, *numbers)


def _axes(plain: Any) -> tuple[str, ...]:
    names = texts(plain, "axes")
    if not set(names) <= set(AXES) or len(set(names)) < len(names) or "step" not in names:
        raise SpecError(
            f"axes must be {', '.join(AXES)} in the arrays' order, each once and 'step' among "
            f"them, got {shown(plain)}"
        )
    return names
