"""Intensity, orientation and steps of an accelerometer."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from sensor2llm.signals.facts.fact import NEAR, Fact, Values, near_words, shared_unit
from sensor2llm.signals.facts.periodicity import step_rate
from sensor2llm.signals.spec import Modality

_G_PER_UNIT = {"g": 1.0, "mg": 1e-3, "m/s^2": 1 / 9.80665}
_ONE_FOOT_WORDS = ("ankle", "shank", "shin", "foot")

STILL_G, MODERATE_G, VIGOROUS_G = 0.0167, 0.091, 0.414
"""Bounds of the mean amplitude deviation in g: 16.7 mg parts sedentary activities from slow
walking [Vähä-Ypyä et al. 2015, Clin. Physiol. Funct. Imaging 35], 91 and 414 mg are 3 and 6 METs
[Vähä-Ypyä et al. 2015, PLoS ONE 10(8)]. They were found at the hip; a wrist reads higher."""


def is_acceleration(modality: Modality) -> bool:
    """Say whether these are three channels in a unit of acceleration."""
    return len(modality.channels) == 3 and shared_unit(modality) in _G_PER_UNIT


def extract_acceleration(modality: Modality, values: Values) -> Iterator[Fact]:
    """Extract `intensity`, `orientation` and, on a time axis, `step_rate`."""
    in_g = values * _G_PER_UNIT[shared_unit(modality)]
    mean = in_g.mean(axis=1)
    # Linear acceleration has no gravity: norm and axes mean something else there.
    if not 0.5 <= np.linalg.norm(mean) <= 2.0:
        return
    norm = np.linalg.norm(in_g, axis=0)
    deviation = float(np.abs(norm - norm.mean()).mean())
    word = intensity(deviation)
    text = f"{modality.name}: {word} (mean amplitude deviation {1000 * deviation:.0f} mg)"
    near = near_words(intensity, deviation)
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
