"""The types of what an artefact's manifest holds; a manifest comes from anywhere.

A name beside its value: what is there is of this type, or is refused in one line. What may be left
out is not told here.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from sensor2llm.errors import ArtefactError, one_line

BROKEN = (
    OSError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError,
    ArithmeticError,
)  # fmt: skip
"""What building from a manifest raises where the manifest is broken."""
LARGEST = 1 << 20
"""Of a count in a manifest: widths, layers, tokens."""
DEEPEST = 512
"""Layers and blocks of one part."""
DEEP = (
    "depth", "layers", "llm_layers", "resnet_blocks", "inception_modules", "tabular_layers",
    "every",
)  # fmt: skip


class ManifestType(NamedTuple):
    """Say in words what a value must be, and whether it is."""

    words: str
    fits: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def is_text(value: Any) -> bool:
    """Say whether a value is text that can be written: no half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _optional(kind: ManifestType) -> ManifestType:
    return ManifestType(f"{kind.words} or null", lambda v: v is None or kind.fits(v))


def _is_hashes(value: Any) -> bool:
    """Say whether a value maps files of the folder itself to hashes."""
    if not isinstance(value, Mapping) or not all(map(is_text, value.values())):
        return False
    paths = [PurePosixPath(name) for name in value]
    return not any(path.is_absolute() or ".." in path.parts for path in paths)


def _is_settings(value: Any) -> bool:
    """Say whether settings claim no size beyond reason."""
    if isinstance(value, Mapping):
        return all(
            isinstance(name, str)
            and (name not in DEEP or not _is_number(one) or one <= DEEPEST)
            and _is_settings(one)
            for name, one in value.items()
        )
    if isinstance(value, list):
        return len(value) <= DEEPEST and all(map(_is_settings, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _is_number(value) and abs(value) <= LARGEST
    return True


TEXT = ManifestType("text", is_text)
TEXTS = ManifestType("a list of texts", _list_of(is_text))
NUMBERS = ManifestType("a list of numbers", _list_of(_is_number))
COUNT = ManifestType(f"a whole number up to {LARGEST}", _is_count)
MAPPING = ManifestType("a mapping", lambda value: isinstance(value, Mapping))
SETTINGS = ManifestType(f"settings (numbers up to {LARGEST}, depths to {DEEPEST})", _is_settings)
HASHES = ManifestType("files of the folder and their hashes", _is_hashes)
COMMON = {"spec": MAPPING, "files": HASHES, "versions": MAPPING, "normaliser": _optional(MAPPING)}
KINDS = {
    "adapter": COMMON
    | {
        "label_names": TEXTS, "label_texts": TEXTS, "label_prior": NUMBERS, "template": MAPPING,
        "templates": MAPPING, "form": TEXT, "signal_text": MAPPING, "llm": TEXT,
        "llm_identity": TEXT, "encoder": _optional(SETTINGS), "projector": _optional(SETTINGS),
        "llm_width": _optional(COUNT), "llm_layers": _optional(COUNT),
        "llm_hidden": _optional(COUNT), "target": _optional(MAPPING),
        "head_width": _optional(COUNT), "lora_rank": COUNT, "prefix_tokens": COUNT,
        "soft_tokens": COUNT,
    },
    "encoder": COMMON
    | {"encoder": SETTINGS, "fingerprint": TEXT, "label_names": _optional(TEXTS), "parts": MAPPING},
}  # fmt: skip


def check_types(manifest: Mapping[str, Any], path: Path) -> None:
    """Look at the values of a manifest whose kind is known.

    Raises:
        ArtefactError: naming the first that cannot be.
    """
    for name, kind in KINDS[manifest["kind"]].items():
        if name in manifest and not kind.fits(manifest[name]):
            value = one_line(repr(manifest[name]), 60)
            raise ArtefactError(f"'{path}' is broken: {name} must be {kind.words}, got {value}")
