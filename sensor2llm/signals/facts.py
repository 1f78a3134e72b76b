"""Say what is true of a window, from its signals in physical units, before any normalisation.

    >>> spec = simulated_spec(SimulationConfig())
    >>> facts(window, spec)["wrist_acc.step_rate"].text
    'wrist_acc: 1.94 steps a second (116 a minute)'

The key of a fact is `modality.name`; what no modality says alone is under the name itself
(`missing`). NaN is bridged linearly; a modality with a channel that is all NaN counts as missing.
Which facts a modality has follows from its axis and units:

| facts | of |
|---|---|
| mean, spread | everything on a time or event axis |
| value | a row of values (axis none) |
| trend | one channel on a time or event axis |
| dominant_frequency | a time axis with 16 steps or more |
| intensity, step_rate, orientation | three channels of acceleration |
| heart_rate | one channel in bpm, or inter-beat intervals |
| rmssd, irregularity | inter-beat intervals (event axis in ms or s; named ibi, rr, nn or beat) |

A word is read from a number with bounds (intensity, trend) or from the largest of three
(orientation). Where that number up to 10 % larger or smaller gives another word, the fact names the
other word too (`near`): whoever judges a statement can let both pass.

Nothing here is a diagnosis.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sensor2llm.errors import SpecError
from sensor2llm.signals.periodicity import dominant_frequency, step_rate
from sensor2llm.signals.spec import Modality, SignalSpec, canonical_unit
from sensor2llm.signals.window import Window

Values = Float[np.ndarray, "channel step"]
FactValue = float | str | tuple[float, ...] | tuple[str, ...] | None

_G_PER_UNIT = {"g": 1.0, "mg": 1e-3, "m/s^2": 1 / 9.80665}
_MS_PER_UNIT = {"ms": 1.0, "s": 1000.0}
_BEAT_WORDS = ("ibi", "rr", "nn", "beat")
_ONE_FOOT_WORDS = ("ankle", "shank", "shin", "foot")

STILL_G, MODERATE_G, VIGOROUS_G = 0.0167, 0.091, 0.414
"""Bounds of the mean amplitude deviation in g: 16.7 mg parts sedentary activities from slow
walking [Vähä-Ypyä et al. 2015, Clin. Physiol. Funct. Imaging 35], 91 and 414 mg are 3 and 6 METs
[Vähä-Ypyä et al. 2015, PLoS ONE 10(8)]. They were found at the hip; a wrist reads higher."""

NEAR = 1.1
"""How many times larger or smaller a number may be for a word that is near."""


@dataclass(frozen=True)
class Fact:
    """One thing that is true of a window.

    `value` is a number, a word, one number a channel, or None where the thing is not there (no
    regular steps); `modality` is empty for facts about the window as a whole. `number` is what the
    word of an intensity was read from (mean amplitude deviation in g); `near` holds the other words
    that fit within `NEAR`.
    """

    name: str
    modality: str
    value: FactValue
    unit: str
    text: str
    number: float | None = None
    near: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The fact's key among the facts of a window."""
        return f"{self.modality}.{self.name}" if self.modality else self.name


def facts(window: Window, spec: SignalSpec) -> dict[str, Fact]:
    """Give the facts of a window by key, modality by modality in the spec's order.

    Raises:
        SpecError: If a signal's channels are not those of its modality in the spec.
    """
    found: dict[str, Fact] = {}
    missing = []
    for modality in spec.modalities:
        values = _present(window, modality)
        if values is None:
            missing.append(modality.name)
            continue
        for tell in _tellers(modality):
            found |= {fact.key: fact for fact in tell(modality, values)}
    text = f"missing: {', '.join(missing)}" if missing else "nothing is missing"
    found["missing"] = Fact("missing", "", tuple(missing), "", text)
    return found


def _present(window: Window, modality: Modality) -> Values | None:
    """Give a modality's values in float64 without NaN; None where there are none."""
    if modality.name not in window.signals:
        return None
    values = np.asarray(window.signals[modality.name], dtype=np.float64)
    if values.ndim != 2 or len(values) != len(modality.channels) or not values.shape[1]:
        raise SpecError(
            f"{modality.name} has shape {values.shape}; the spec says "
            f"({len(modality.channels)}, {modality.steps}) (channel, step)"
        )
    known = np.isfinite(values)
    if not known.any(axis=1).all():
        return None
    steps = np.arange(values.shape[1])
    bridged = [np.interp(steps, steps[k], row[k]) for row, k in zip(values, known, strict=True)]
    return np.stack(bridged)


Teller = Callable[[Modality, Values], Iterator[Fact]]


def _tellers(modality: Modality) -> list[Teller]:
    if modality.axis == "none":
        return [_row]
    tellers: list[Teller] = [_level]
    if len(modality.channels) == 1:
        tellers.append(_trend)
    if modality.axis == "time":
        tellers.append(_frequency)
    if len(modality.channels) == 3 and _unit(modality) in _G_PER_UNIT:
        tellers.append(_acceleration)
    if len(modality.channels) == 1 and _unit(modality) == "bpm":
        tellers.append(_heart_rate)
    if modality.axis == "event" and _unit(modality) in _MS_PER_UNIT and _says_beats(modality):
        tellers.append(_intervals)
    return tellers


def _unit(modality: Modality) -> str:
    """Give the unit all channels share, or an empty text."""
    units = {canonical_unit(unit) for unit in modality.units}
    return units.pop() if len(units) == 1 else ""


def _says_beats(modality: Modality) -> bool:
    names = f"{modality.name} {modality.channel_names[0]}".lower().replace("_", " ").split()
    return any(name.startswith(word) for name in names for word in _BEAT_WORDS)


def _number(value: float) -> str:
    """Write three significant digits without exponent."""
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def _listed(modality: Modality, numbers: list[float]) -> str:
    with_unit = [
        f"{_number(number)} {unit}".strip()
        for number, unit in zip(numbers, modality.units, strict=True)
    ]
    if len(numbers) == 1:
        return with_unit[0]
    pairs = zip(modality.channel_names, with_unit, strict=True)
    return ", ".join(f"{name} {text}" for name, text in pairs)


def _row(modality: Modality, values: Values) -> Iterator[Fact]:
    numbers = values[:, 0].tolist()
    unit = _unit(modality)
    text = f"{modality.name}: {_listed(modality, numbers)}"
    yield Fact("value", modality.name, tuple(numbers), unit, text)


def _level(modality: Modality, values: Values) -> Iterator[Fact]:
    for name, numbers in (("mean", values.mean(axis=1)), ("spread", values.std(axis=1))):
        text = f"{modality.name}: {name} {_listed(modality, numbers.tolist())}"
        yield Fact(name, modality.name, tuple(numbers.tolist()), _unit(modality), text)


def _trend(modality: Modality, values: Values) -> Iterator[Fact]:
    strength = _trend_strength(values[0])
    word = _trend_word(strength)
    near = _near(_trend_word, strength)
    yield Fact("trend", modality.name, word, "", f"{modality.name}: {word}", near=near)


def _near(word_of: Callable[[float], str], number: float) -> tuple[str, ...]:
    """Give the other words of a number that is up to 10 % larger or smaller."""
    words = dict.fromkeys((word_of(number / NEAR), word_of(number * NEAR)))
    return tuple(word for word in words if word != word_of(number))


def trend(values: Float[np.ndarray, "step"]) -> str:
    """Give `rising`, `falling` or `steady`.

    It rises or falls where a straight line explains at least half of the variance (p < 0.01) and
    changes over the window by at least 2 % of the mean absolute value.
    """
    return _trend_word(_trend_strength(values))


def _trend_word(strength: float) -> str:
    if abs(strength) < 1:
        return "steady"
    return "rising" if strength > 0 else "falling"


def _trend_strength(values: Float[np.ndarray, "step"]) -> float:
    """Give how many times steeper the line is than it has to be; below zero if it falls.

    A steeper line through the same scatter has the statistic and the change grow alike.
    """
    count = len(values)
    if count < 4 or np.ptp(values) <= 1e-9 * np.abs(values).max():
        return 0.0
    time = np.arange(count) - (count - 1) / 2
    centred = values - values.mean()
    change = float(centred @ time / (time @ time)) * (count - 1)
    explained = min(float((centred @ time) ** 2 / (time @ time * (centred @ centred))), 1 - 1e-12)
    statistic = np.sqrt(explained * (count - 2) / (1 - explained))
    clear = float(statistic) / _least_statistic(count)
    matters = abs(change) / (0.02 * float(np.abs(values).mean()))
    return float(np.copysign(min(clear, matters), change))


@functools.cache
def _least_statistic(count: int) -> float:
    """Give the t statistic from which a line explains half of the variance, with p < 0.01."""
    from scipy.special import stdtrit

    return max(float(np.sqrt(count - 2)), float(stdtrit(count - 2, 0.995)))


def _frequency(modality: Modality, values: Values) -> Iterator[Fact]:
    found = dominant_frequency(values, float(modality.rate_hz or 1.0))
    if found is not None:
        text = f"{modality.name}: strongest frequency {found:.2f} Hz"
        yield Fact("dominant_frequency", modality.name, found, "Hz", text)


def _acceleration(modality: Modality, values: Values) -> Iterator[Fact]:
    in_g = values * _G_PER_UNIT[_unit(modality)]
    mean = in_g.mean(axis=1)
    # Linear acceleration has no gravity: norm and axes mean something else there.
    if not 0.5 <= np.linalg.norm(mean) <= 2.0:
        return
    norm = np.linalg.norm(in_g, axis=0)
    deviation = float(np.abs(norm - norm.mean()).mean())
    word = intensity(deviation)
    text = f"{modality.name}: {word} (mean amplitude deviation {1000 * deviation:.0f} mg)"
    near = _near(intensity, deviation)
    yield Fact("intensity", modality.name, word, "", text, number=deviation, near=near)
    yield _orientation(modality, mean)
    if modality.rate_hz:
        yield _steps(modality, in_g, word == "still")


def intensity(deviation_g: float) -> str:
    """Give `still`, `light`, `moderate` or `vigorous` for a mean amplitude deviation in g."""
    if deviation_g < STILL_G:
        return "still"
    if deviation_g < MODERATE_G:
        return "light"
    return "moderate" if deviation_g < VIGOROUS_G else "vigorous"


def _orientation(modality: Modality, mean: Float[np.ndarray, "3"]) -> Fact:
    size = np.abs(mean)
    axis = int(size.argmax())
    share = float(size[axis] / np.linalg.norm(mean))
    words = [
        ("-" if value < 0 else "+") + name
        for value, name in zip(mean, modality.channel_names, strict=True)
    ]
    word = words[axis]
    near = tuple(words[i] for i in range(3) if i != axis and size[i] * NEAR >= size[axis])
    angle = np.degrees(np.arccos(min(share, 1.0)))
    text = f"{modality.name}: gravity lies along {word} ({angle:.0f} degrees off)"
    return Fact("orientation", modality.name, word, "", text, near=near)


def _steps(modality: Modality, in_g: Values, still: bool) -> Fact:
    one_foot = any(word in modality.name.lower() for word in _ONE_FOOT_WORDS)
    rate = None if still else step_rate(in_g, float(modality.rate_hz or 1.0), one_foot)
    text = f"{modality.name}: no regular steps"
    if rate is not None:
        text = f"{modality.name}: {rate:.2f} steps a second ({60 * rate:.0f} a minute)"
    return Fact("step_rate", modality.name, rate, "Hz", text)


def _heart_rate(modality: Modality, values: Values) -> Iterator[Fact]:
    rate = float(values.mean())
    text = f"{modality.name}: heart rate {rate:.0f} bpm"
    yield Fact("heart_rate", modality.name, rate, "bpm", text)


def _intervals(modality: Modality, values: Values) -> Iterator[Fact]:
    intervals = values[0] * _MS_PER_UNIT[_unit(modality)]
    mean = float(intervals.mean())
    if mean <= 0:
        return
    yield from _heart_rate(modality, np.array([[60_000 / mean]]))
    if len(intervals) < 2:
        return
    rmssd = float(np.sqrt(np.mean(np.diff(intervals) ** 2)))
    text = f"{modality.name}: RMSSD {rmssd:.0f} ms"
    yield Fact("rmssd", modality.name, rmssd, "ms", text)
    share = rmssd / mean
    text = f"{modality.name}: successive intervals differ by {100 * share:.0f} % of their mean"
    yield Fact("irregularity", modality.name, share, "1", text)
