"""The key `modalities` of a description: the sensors, their columns, units and rates."""

import math
from collections.abc import Mapping
from typing import Any, get_args

from sensor2llm.errors import SpecError
from sensor2llm.signals.spec import Axis, Channel, Modality
from sensor2llm.signals.tables.description import TableModality
from sensor2llm.signals.tables.fields import check_keys, number, shown, text, truth, whole
from sensor2llm.signals.tables.keys.layout import KEYS as LAYOUT_KEYS
from sensor2llm.signals.tables.keys.origin import SOURCE_KEYS

KEYS = ("columns", "rate_hz", "resample_hz", "axis", "steps", "max_gap_s", "optional", "scale",
        "array", "channels", *SOURCE_KEYS, *LAYOUT_KEYS)  # fmt: skip
# Of one window of one modality: more is a slip, and would not fit into memory many times over.
_MOST_VALUES = 1 << 24


def table_modality(name: str, entry: Any, window_s: Any) -> TableModality:
    """Read one modality, but for its files and its clock."""
    where = f"modality '{name}'"
    check_keys(entry, KEYS, required=("columns",), where=where)
    columns, channels, scale = _columns(entry["columns"], entry.get("scale"), where)
    axis = entry.get("axis", "time")
    if axis not in get_args(Axis):
        raise SpecError(
            f"unknown axis {shown(axis)} of {name!r}; choose from {', '.join(get_args(Axis))}"
        )
    rate, new_rate = _rates(entry, axis, where)
    steps = whole(entry.get("steps", 1), f"steps of {where}", least=1)
    if axis == "time":
        if window_s is None or number(window_s, "window_s") <= 0:
            raise SpecError(
                f"{where} has a time axis, so window_s must be positive, got {shown(window_s)}"
            )
        values = number(window_s, "window_s") * (new_rate or 0.0)
        steps = round(min(values, _MOST_VALUES + 1))
    if steps * len(channels) > _MOST_VALUES:
        raise SpecError(
            f"a window of {where} would hold more than {_MOST_VALUES} values; are window_s, steps "
            "and rates right?"
        )
    gap = number(entry.get("max_gap_s", max(0.1, 3 / (rate or math.inf))), f"max_gap_s of {where}")
    array = None if entry.get("array") is None else text(entry["array"], f"array of {where}")
    chosen = _chosen(entry.get("channels"), len(channels), where)
    if array is not None:
        columns = tuple(f"{array}[{i}]" for i in chosen or range(len(channels)))
    return TableModality(
        modality=Modality(name=name, channels=channels, steps=steps, axis=axis, rate_hz=new_rate),
        columns=columns,
        rate_hz=rate,
        max_gap_s=gap,
        optional=truth(entry.get("optional", False), f"optional of {where}"),
        array=array,
        channels=chosen,
        scale=scale,
    )


def _rates(entry: Mapping[str, Any], axis: Any, where: str) -> tuple[float | None, float | None]:
    """Give the rate of the rows, and the one that windows have."""
    plain = entry.get("rate_hz")
    if isinstance(plain, list):
        raise SpecError(f"{where} has two rates {shown(plain)}; a modality has one: split it")
    rate = None if plain is None else number(plain, f"rate_hz of {where}")
    if axis == "time" and (rate is None or rate <= 0):
        raise SpecError(f"{where} needs rate_hz above 0, got {shown(plain)}")
    return rate, number(entry.get("resample_hz", rate or 0), f"resample_hz of {where}") or None


def _columns(
    plain: Any, scale: Any, where: str
) -> tuple[tuple[str, ...], tuple[Channel, ...], tuple[float, ...] | None]:
    if isinstance(plain, Mapping):
        plain = [{"column": column, "unit": unit} for column, unit in plain.items()]
    if not isinstance(plain, list) or not plain:
        raise SpecError(
            f"columns of {where} must be a mapping of column to unit, got {shown(plain)}"
        )
    for entry in plain:
        check_keys(
            entry,
            ("column", "name", "unit", "low", "high", "scale"),
            required=("column", "unit"),
            where=f"columns of {where}",
        )
        if not isinstance(entry["unit"], str) or not entry["unit"].strip():
            raise SpecError(
                f"column {shown(entry['column'])} of {where} needs a unit, for example g or m/s^2 "
                f"('1' where it has none), got {shown(entry['unit'])}"
            )
    columns = tuple(text(entry["column"], f"a column of {where}") for entry in plain)
    channels = tuple(
        Channel(
            name=text(entry.get("name", column), f"the name of column {column!r}"),
            unit=text(entry["unit"], f"the unit of column {column!r}"),
            **_bounds(entry, where),
        )
        for column, entry in zip(columns, plain, strict=True)
    )
    return columns, channels, _scale(plain, 1 if scale is None else scale, where)


def _scale(entries: list[Mapping[str, Any]], general: Any, where: str) -> tuple[float, ...] | None:
    factors = tuple(number(entry.get("scale", general), f"scale of {where}") for entry in entries)
    if 0 in factors:
        raise SpecError(f"scale of {where} must not be 0; it is a unit's worth of one count")
    return None if set(factors) == {1.0} else factors


def _bounds(entry: Mapping[str, Any], where: str) -> dict[str, float]:
    """Read the least and the greatest value that a column can have, where they are set."""
    return {
        bound: number(entry[bound], f"{bound} of column {shown(entry['column'])} of {where}")
        for bound in ("low", "high")
        if entry.get(bound) is not None
    }


def _chosen(plain: Any, channels: int, where: str) -> tuple[int, ...] | None:
    if plain is None:
        return None
    entries = plain if isinstance(plain, list) else [plain]
    numbers = tuple(whole(entry, f"channels of {where}") for entry in entries)
    if len(numbers) != channels:
        raise SpecError(
            f"{where} has {channels} columns and {len(numbers)} channels of an array; give one each"
        )
    return numbers
