"""A window of an adapter's spec from the numbers of a sentence, and a line that says what was done.

    window, notes = make_window(read_numbers(sentence), adapter.spec)
    place_numbers(read_numbers(sentence), adapter.spec)     as typed, nothing converted

Values are repeated to fill a window that is longer, cut to its centre where it is shorter, and
resampled where a rate was typed; units are converted. Sensors that were not typed are missing.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from sensor2llm.errors import DataError
from sensor2llm.signals.facts.heart import is_beats
from sensor2llm.signals.facts.movement import is_acceleration
from sensor2llm.signals.modality import Channel, Modality, canonical_unit
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.signals.window import Window
from sensor2llm.tasks.typed.typed_numbers import TypedNumbers

INTERVALS = ((0.2, 3.0), (200.0, 3000.0))
"""Seconds, and milliseconds, between two beats of a heart."""
LEAST_SHARE = 0.125
"""Share of a window that must be typed; the rest is the same repeated."""
GRAVITY = {"g": 1.0, "m/s^2": 9.80665}
SYNONYMS = {
    "slept": "sleep", "asleep": "sleep", "walked": "steps", "step": "steps",
    "rhr": "resting heart rate", "nremhr": "non rem heart rate", "nrem": "non rem",
    "hr": "heart rate", "pulse": "heart rate",
}  # fmt: skip
HOURS = re.compile(r"\b(?:h|hours?|hrs?)\b")


def make_window(typed: TypedNumbers, spec: SignalSpec) -> tuple[Window, tuple[str, ...]]:
    """Make a window of the numbers that a person typed.

    Returns:
        the window, in the spec, and what was assumed or done, a phrase each.

    Raises:
        DataError: the numbers are too few, or of a sensor that the spec does not have; it says
            what was read and what is expected.
    """
    window, measured, notes = place_numbers(typed, spec)
    (converted,) = convert_windows([window], measured, spec, "the typed recording")
    return converted, notes


def place_numbers(
    typed: TypedNumbers, spec: SignalSpec
) -> tuple[Window, SignalSpec, tuple[str, ...]]:
    """Give a window in the unit and at the rate that were typed, its spec, and what was assumed.

    Raises:
        DataError: as `make_window` does.
    """
    if typed.pairs:
        window, notes = _from_pairs(typed, spec)
        return window, spec, notes
    return _from_series(typed, spec)


def _from_series(
    typed: TypedNumbers, spec: SignalSpec
) -> tuple[Window, SignalSpec, tuple[str, ...]]:
    modality = modality_for(typed, spec)
    if modality is None:
        raise _misfit(typed, spec)
    values, notes = _by_channel(typed, modality)
    unit, unit_note = _unit_of(typed, values, modality)
    rate_hz = typed.rate_hz if modality.axis == "time" and typed.rate_hz else modality.rate_hz
    if modality.axis == "time" and typed.rate_hz is None:
        notes.append(f"taken to be at {modality.rate_hz:g} Hz")
    length = modality.steps
    if rate_hz and modality.rate_hz:
        length = max(math.ceil(modality.steps * rate_hz / modality.rate_hz - 1e-9), 1)
    if values.shape[1] < LEAST_SHARE * length:
        raise _misfit(typed, spec)
    values, fitted = _to_length(values, length)
    notes += [note for note in (unit_note, *fitted) if note]
    if rate_hz != modality.rate_hz:
        notes.append(f"resampled from {rate_hz:g} to {modality.rate_hz:g} Hz")
    window = Window({modality.name: values.astype(np.float32)})
    channels = tuple(replace(channel, unit=unit) for channel in modality.channels)
    measured = SignalSpec(
        modalities=(replace(modality, channels=channels, steps=length, rate_hz=rate_hz),)
    )
    return window, measured, tuple(notes)


def modality_for(typed: TypedNumbers, spec: SignalSpec) -> Modality | None:
    """Give the modality that a typed series is of; None where the spec has none."""
    if typed.kind == "beats" or (typed.unit == "ms" and typed.kind != "acceleration"):
        return next((m for m in spec.modalities if is_beats(m)), None)
    channels, steps = typed.values.shape
    able = [
        m for m in spec.modalities
        if m.axis != "none" and (len(m.channels) == channels
                                 or (channels == 1 and steps % len(m.channels) == 0))
    ]  # fmt: skip
    middle = float(np.median(typed.values))
    if not any(low <= middle <= high for low, high in INTERVALS):
        able = [m for m in able if not is_beats(m)]
    if typed.kind == "acceleration" or typed.unit in GRAVITY:
        able = [m for m in able if is_acceleration(m)]
    # Acceleration as a sensor gives it holds gravity: `total` before `body`.
    return min(
        able, key=lambda m: (is_beats(m), "body" in m.name or "linear" in m.name), default=None
    )


def _by_channel(
    typed: TypedNumbers, modality: Modality
) -> tuple[Float[np.ndarray, "channel step"], list[str]]:
    width = len(modality.channels)
    if len(typed.values) == width:
        return typed.values, []
    names = ", ".join(modality.channel_names)
    return typed.values.reshape(-1, width).T, [f"read as rows of {names}"]


def _unit_of(
    typed: TypedNumbers, values: Float[np.ndarray, "channel step"], modality: Modality
) -> tuple[str, str]:
    """Give the unit that was typed; else the one in which gravity has its size, or the spec's."""
    own = canonical_unit(modality.units[0])
    if typed.unit:
        return typed.unit, ""
    if is_acceleration(modality):
        size = float(np.linalg.norm(values.mean(axis=1)))
        fits = [unit for unit, one in GRAVITY.items() if 0.5 * one <= size <= 2 * one]
        own = fits[0] if fits else own
    return own, f"taken to be in {own}"


def _to_length(
    values: Float[np.ndarray, "channel step"], length: int
) -> tuple[Float[np.ndarray, "channel step"], list[str]]:
    steps = values.shape[1]
    if steps == length:
        return values, []
    if steps < length:
        return np.resize(values.T, (length, len(values))).T, [
            f"{steps} steps are repeated to fill the {length} of a window"
        ]
    start = (steps - length) // 2
    return values[:, start : start + length], [
        f"of {steps} steps the {length} in the middle are heard"
    ]


def _from_pairs(typed: TypedNumbers, spec: SignalSpec) -> tuple[Window, tuple[str, ...]]:
    """Put the values of a summary at the channels whose names their words are most like."""
    rows = {m.name: np.full((len(m.channels), 1), np.nan, np.float32)
            for m in spec.modalities if m.axis == "none"}  # fmt: skip
    places = [
        (m, i, c) for m in spec.modalities if m.name in rows for i, c in enumerate(m.channels)
    ]
    scores = [
        (likeness(words, channel), number, place)
        for place, (_, _, channel) in enumerate(places)
        for number, (words, _) in enumerate(typed.pairs)
    ]
    used: dict[int, int] = {}
    for score, number, place in sorted(scores, reverse=True):
        if score > 0 and place not in used and number not in used.values():
            used[place] = number
    if 2 * len(used) <= len(places) or not places:
        raise _misfit(typed, spec)
    for place, number in used.items():
        modality, row, channel = places[place]
        words, value = typed.pairs[number]
        hours = canonical_unit(channel.unit) == "min" and HOURS.search(words)
        rows[modality.name][row, 0] = 60 * value if hours else value
    there = {name: values for name, values in rows.items() if not np.isnan(values).any()}
    missing = [name for name in rows if name not in there]
    notes = [f"{', '.join(missing)}: not typed, so missing"] if missing else []
    if not there:
        raise _misfit(typed, spec)
    return Window(there), tuple(notes)


def likeness(words: str, channel: Channel) -> float:
    """Give the share of a channel's words that stand around a value, less for words left over."""
    spoken = " ".join(SYNONYMS.get(word, word) for word in words.split()).split()
    own = channel.name.replace("_", " ").casefold().split()
    shared = len(set(own) & set(spoken))
    return shared / len(own) - 0.01 * len(set(spoken) - set(own)) if shared else 0.0


def _misfit(typed: TypedNumbers, spec: SignalSpec) -> DataError:
    return DataError(f"read {typed}; this adapter expects {expected(spec.modalities)}")


def expected(modalities: Sequence[Modality]) -> str:
    """Say what an adapter hears, in a few words."""
    rows = [m for m in modalities if m.axis == "none"]
    names = [channel.name.replace("_", " ") for m in rows for channel in m.channels]
    texts = [f"values of {', '.join(names)}"] if rows else []
    for m in modalities:
        if m.axis == "time":
            texts.append(
                f"{m.name}: {m.steps} x {len(m.channels)} in {m.units[0]} at {m.rate_hz:g} Hz"
            )
        elif m.axis == "event":
            texts.append(f"{m.name}: {m.steps} in {m.units[0]}")
    return "; ".join(texts)
