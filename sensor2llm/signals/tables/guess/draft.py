"""A description in YAML of what was guessed, each line with why, what is unsure marked CHECK."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.plausible import find_marker
from sensor2llm.signals.tables.guess.groups import GroupGuess, group_files
from sensor2llm.signals.tables.guess.paths import PersonGuess, guess_person, list_files, patterns
from sensor2llm.signals.tables.guess.sensors import SensorGuess

MARK = "CHECK"
_STEPS, _DAY_S = 60, 86400.0
_DEFAULT_RATE_HZ = 50.0
_FAST_HZ, _SHORT_S, _LONG_S, _LEAST = 10.0, 5, 60, 20


@dataclass
class Draft:
    """Hold a description as YAML lines, and its sensors for a drawing."""

    lines: list[str] = field(default_factory=list)
    sensors: dict[str, SensorGuess] = field(default_factory=dict)
    files: int = 0

    def add(
        self, key: str, value: Any, why: str = "", *, sure: bool = True, indent: int = 0
    ) -> None:
        """Add a line; `why` becomes its comment."""
        text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
        text = text.strip().removesuffix("...").strip()
        note = f"   # {'' if sure else MARK + ': '}{why}" if why else ""
        self.lines.append(f"{' ' * indent}{key}: {text}{note}")

    @property
    def text(self) -> str:
        """Give the file's text."""
        return "\n".join(self.lines) + "\n"

    @property
    def guesses(self) -> list[tuple[bool, str]]:
        """Give what was guessed, and whether it is sure."""
        reasons = [line.strip().partition("   # ") for line in self.lines if "   # " in line]
        return [
            (MARK not in why, f"{key}  ({why.removeprefix(MARK + ': ')})")
            for key, _, why in reasons
        ]


def draft_description(inputs: Sequence[Path], root: Path) -> Draft:
    """Look at files and describe them; patterns are written from `root`, the description's folder.

    Raises:
        DataError: for files that cannot be looked at, or hold no sensor.
    """
    paths = list_files(inputs)
    groups = group_files(paths)
    notes = [group for group in groups if group.annotations]
    devices = [group for group in groups if group.sensors]
    if not devices:
        unread = "".join(f" ({column!r}: {why})"
                         for column, why in list(groups[0].unread.items())[:1])  # fmt: skip
        raise DataError(
            f"no column of {groups[0].sample.path.name} looks like a sensor's{unread}; write a "
            "description by hand: docs/own_data.md has every key"
        )
    alone = all(len(group.paths) == 1 for group in devices)
    person = guess_person([path for group in devices for path in group.paths], root, alone=alone)
    draft = Draft(files=len(paths))
    draft.lines.append(
        f"# Guessed by `sensor2llm init`. Look at the lines marked {MARK}, then prepare it."
    )
    single = len(devices) == 1
    if single:
        _add_source(draft, devices[0], paths, root, 0)
    _add_person(draft, devices, person)
    _add_labels(draft, devices, notes, paths, root, person)
    _add_windows(draft, devices)
    draft.lines.append("modalities:")
    for group in devices:
        for sensor in group.sensors:
            name = next(_names(sensor.name, draft.sensors))
            draft.sensors[name] = sensor
            draft.lines.append(f"  {name}:")
            if not single:
                _add_source(draft, group, paths, root, 4)
            _add_sensor(draft, group, sensor)
    return draft


def _add_source(
    draft: Draft, group: GroupGuess, paths: Sequence[Path], root: Path, indent: int
) -> None:
    files = patterns(group.paths, [path for path in paths if path not in group.paths], root)
    draft.add("files", files[0] if len(files) == 1 else files, indent=indent)
    for key, value in group.sample.layout.items():
        draft.add(key, value, "as its rows are", sure=key != "encoding", indent=indent)
    _add_missing(draft, group, indent)
    for column, why in group.unread.items():
        mark = f"{MARK}: " * ("no number" in why)
        draft.lines.append(f"{' ' * indent}# {column!r} is not read   # {mark}{why}")
    events = all(sensor.event for sensor in group.sensors)
    if any(sensor.array for sensor in group.sensors) or (events and not group.clock):
        return
    if group.clock is None:
        why = "no column is a clock: rows come at this rate"
        draft.add("time", {"rate_hz": _rate(group)}, why, sure=False, indent=indent)
    else:
        draft.add("time", group.clock.key, group.clock.why, sure=group.clock.sure, indent=indent)


def _add_missing(draft: Draft, group: GroupGuess, indent: int) -> None:
    marks = {find_marker(row) for sensor in group.sensors for row in sensor.values} - {None}
    missing: list[Any] = sorted(int(mark) for mark in marks if mark is not None)
    words = list(dict.fromkeys(mark for sensor in group.sensors for mark in sensor.marks))
    if missing or words:
        why = "no numbers" if words else "far from all others"
        draft.add("missing", [*missing, *words], why, sure=False, indent=indent)


def _rate(group: GroupGuess) -> float:
    return next((s.rate_hz for s in group.sensors if s.rate_hz), _DEFAULT_RATE_HZ)


def _add_person(draft: Draft, devices: Sequence[GroupGuess], person: PersonGuess) -> None:
    column = next((group.person for group in devices if group.person), None)
    if column is not None:
        draft.add("subject", {"column": column}, "by its name")
    else:
        draft.add("subject", {person.rule[0]: person.rule[1]}, person.why, sure=person.sure)


def _add_labels(
    draft: Draft,
    devices: Sequence[GroupGuess],
    notes: Sequence[GroupGuess],
    paths: Sequence[Path],
    root: Path,
    person: PersonGuess,
) -> None:
    if labelled := next((group for group in devices if group.label), None):
        named = labelled.label_named
        why = "by its name" if named else "its cells are a few words"
        draft.add("label", labelled.label, why, sure=named)
    elif notes:
        group = notes[0]
        own = patterns(group.paths, [path for path in paths if path not in group.paths], root)
        keys: dict[str, Any] = {
            "file": own[0] if len(own) == 1 else own,
            **(group.annotations or {}),
        }
        keys |= _unit(group, devices)
        if group.person:
            keys["subject"] = {"column": group.person}
        keys |= group.sample.layout
        sure = _same_clock(group, devices) and bool({"stop", "duration"} & set(keys))
        why = "same clock as the sensors" if sure else "is its clock that of the sensors?"
        draft.add("annotations", keys, why, sure=sure)
    elif words := _words(devices, person):
        draft.add(
            "label", {"file": f"({'|'.join(words)})"}, "words in the files' names", sure=False
        )
    else:
        draft.lines.append(f"# label: NAME   # {MARK}: no column and no file looks like labels")


def _unit(notes: GroupGuess, devices: Sequence[GroupGuess]) -> dict[str, Any]:
    """Give the unit of the labels' times: as they say, or the sensors' where both begin near 0."""
    if notes.clock is not None:
        return {k: v for k, v in notes.clock.key.items() if k in ("unit", "format")}
    theirs = devices[0].clock
    if theirs is None or theirs.times_s[0] > _DAY_S:
        return {"unit": "s", "relative": True}
    return {"unit": theirs.key.get("unit", "s")}


def _same_clock(notes: GroupGuess, devices: Sequence[GroupGuess]) -> bool:
    """Say whether labels and sensors are of the same time, by what of both was looked at."""
    if notes.clock is None or devices[0].clock is None:
        return False
    labels, rows = notes.clock.times_s, devices[0].clock.times_s
    return bool(labels.min() <= rows[-1] and labels.max() >= rows[0] - _DAY_S)


def _words(devices: Sequence[GroupGuess], person: PersonGuess) -> list[str]:
    """Give the words that tell a device's files apart, if they are a few that come again."""
    stems = [re.findall(r"[A-Za-z]{3,}", path.stem) for path in devices[0].paths]
    common = set.intersection(*map(set, stems)) if stems else set()
    words = [word for stem in stems for word in stem if word not in common]
    classes = sorted(set(words))
    return classes if 1 < len(classes) < len(words) and len(classes) <= 20 else []


def _add_windows(draft: Draft, devices: Sequence[GroupGuess]) -> None:
    rates = [s.rate_hz or _rate(group) for group in devices for s in group.sensors if not s.event]
    steps = max((s.steps for group in devices for s in group.sensors), default=0)
    if steps:
        draft.add(
            "window_s", steps / _DEFAULT_RATE_HZ, "the arrays' steps at that rate", sure=False
        )
    elif rates:
        length = _SHORT_S if max(rates) >= _FAST_HZ else max(_LONG_S, round(_LEAST / max(rates)))
        draft.add("window_s", length, "what a label is of: 5 s of movement, minutes of a heart")


def _add_sensor(draft: Draft, group: GroupGuess, sensor: SensorGuess) -> None:
    if sensor.array:
        draft.add("array", sensor.array, indent=4)
    if sensor.event:
        draft.add("axis", "event", "a row a beat", indent=4)
        draft.add("steps", _STEPS, "beats a window", indent=4)
    else:
        rate = sensor.rate_hz or _rate(group)
        why = "its stamps come so" if sensor.rate_hz else "nothing says it"
        rate = round(rate) if rate == round(rate) else rate
        draft.add("rate_hz", rate, why, sure=bool(sensor.rate_hz), indent=4)
    units = [{"column": column, "unit": unit} for column, unit in sensor.units.items()]
    columns = dict(sensor.units) if len(units) == len(sensor.units) else units
    draft.add("columns", columns, sensor.why, sure=sensor.sure_units, indent=4)
    if sensor.scale != 1:
        draft.add("scale", sensor.scale, "a count in its unit", indent=4)


def _names(name: str, used: Any) -> Iterator[str]:
    yield from (
        word for word in [name, *(f"{name}_{i}" for i in range(2, 1000))] if word not in used
    )
