"""Say what is true of a window, from its signals in physical units, before any normalisation.

    >>> extract_facts(window, spec)["wrist_acc.step_rate"].text
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
| fev1, fvc, fev1_fvc | a spirogram: a time axis with a channel `volume` in L, of one blow |

A word is read from a number with bounds (intensity, trend) or from the largest of three
(orientation). Where that number up to 10 % larger or smaller gives another word, the fact names the
other word too (`near`): whoever judges a statement can let both pass.

FEV1 is the volume breathed out in the first second, FVC that of the whole blow [Miller et al. 2005,
Eur. Respir. J. 26]; the window begins where the blow begins.

Nothing here is a diagnosis.
"""

import functools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from sensor2llm.errors import SpecError
from sensor2llm.signals.facts import heart, lungs, movement
from sensor2llm.signals.facts.fact import (
    NEAR,
    Fact,
    FactExtractor,
    FactValue,
    Values,
    near_words,
    shared_unit,
    written,
)
from sensor2llm.signals.facts.movement import MODERATE_G, STILL_G, VIGOROUS_G, intensity
from sensor2llm.signals.facts.periodicity import strongest_frequency
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.window import Window

__all__ = [
    "MODERATE_G",
    "NEAR",
    "STILL_G",
    "VIGOROUS_G",
    "Fact",
    "FactValue",
    "extract_facts",
    "intensity",
    "trend",
]


def extract_facts(window: Window, spec: SignalSpec) -> dict[str, Fact]:
    """Give the facts of a window by key, modality by modality in the spec's order.

    Raises:
        SpecError: If a signal's channels are not those of its modality in the spec.
    """
    facts: dict[str, Fact] = {}
    missing = []
    for modality in spec.modalities:
        values = _present(window, modality)
        if values is None:
            missing.append(modality.name)
            continue
        for extract in _extractors(modality):
            facts |= {fact.key: fact for fact in extract(modality, values)}
    text = f"missing: {', '.join(missing)}" if missing else "nothing is missing"
    facts["missing"] = Fact("missing", "", tuple(missing), "", text)
    return facts


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
    finite = np.isfinite(values)
    if not finite.any(axis=1).all():
        return None
    steps = np.arange(values.shape[1])
    bridged = [np.interp(steps, steps[k], row[k]) for row, k in zip(values, finite, strict=True)]
    return np.stack(bridged)


def _extractors(modality: Modality) -> list[FactExtractor]:
    if modality.axis == "none":
        return [_row]
    extractors: list[FactExtractor] = [_level]
    if len(modality.channels) == 1:
        extractors.append(_trend)
    if modality.axis == "time":
        extractors.append(_frequency)
    kinds: tuple[tuple[bool, FactExtractor], ...] = (
        (movement.is_acceleration(modality), movement.extract_acceleration),
        (heart.is_heart_rate(modality), heart.extract_heart_rate),
        (heart.is_beats(modality), heart.extract_beats),
        (lungs.is_spirogram(modality), lungs.extract_lungs),
    )
    return extractors + [extract for fits, extract in kinds if fits]


def _listed(modality: Modality, numbers: list[float]) -> str:
    with_unit = [
        f"{written(number)} {unit}".strip()
        for number, unit in zip(numbers, modality.units, strict=True)
    ]
    if len(numbers) == 1:
        return with_unit[0]
    pairs = zip(modality.channel_names, with_unit, strict=True)
    return ", ".join(f"{name} {text}" for name, text in pairs)


def _row(modality: Modality, values: Values) -> Iterator[Fact]:
    numbers = values[:, 0].tolist()
    unit = shared_unit(modality)
    text = f"{modality.name}: {_listed(modality, numbers)}"
    channels = tuple(zip(modality.channel_names, modality.units, strict=True))
    yield Fact("value", modality.name, tuple(numbers), unit, text, channels=channels)


def _level(modality: Modality, values: Values) -> Iterator[Fact]:
    for name, numbers in (("mean", values.mean(axis=1)), ("spread", values.std(axis=1))):
        text = f"{modality.name}: {name} {_listed(modality, numbers.tolist())}"
        yield Fact(name, modality.name, tuple(numbers.tolist()), shared_unit(modality), text)


def _trend(modality: Modality, values: Values) -> Iterator[Fact]:
    strength = _trend_strength(values[0])
    word = _trend_word(strength)
    near = near_words(_trend_word, strength)
    yield Fact("trend", modality.name, word, "", f"{modality.name}: {word}", near=near)


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
    peak = strongest_frequency(values, float(modality.rate_hz or 1.0))
    if peak is not None:
        rate, share = peak
        text = f"{modality.name}: strongest frequency {rate:.2f} Hz"
        yield Fact("dominant_frequency", modality.name, rate, "Hz", text, number=share)
