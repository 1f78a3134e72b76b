"""Sensors' names as people say them, and as they are recognised in a text."""

import functools
import re
from collections.abc import Mapping

from sensor2llm.signals.facts.facts import Fact

Facts = Mapping[str, Fact]
"""What `sensor2llm.signals.facts.facts.facts` gives of one window, by key."""

SPOKEN = {
    "acc": "accelerometer", "accel": "accelerometer", "gyro": "gyroscope", "mag": "magnetometer",
    "hr": "heart rate", "ibi": "beat series", "rr": "beat series", "nn": "beat series",
    "temp": "temperature", "eda": "skin conductance", "bvp": "blood volume pulse",
    "ecg": "ECG", "eeg": "EEG", "emg": "EMG", "eog": "EOG",
}  # fmt: skip
"""Parts of a modality's name that are written out; the others stay as they are."""


def sensors_told(facts: Facts) -> tuple[str, ...]:
    """Give the names of all modalities that the facts of a window tell of, missing ones last."""
    there = dict.fromkeys(fact.modality for fact in facts.values() if fact.modality)
    return (*there, *missing_sensors(facts))


def missing_sensors(facts: Facts) -> tuple[str, ...]:
    """Give the names of the modalities that a window lacks, in the spec's order."""
    value = facts["missing"].value
    assert isinstance(value, tuple)
    return tuple(str(name) for name in value)


@functools.cache
def spoken_names(names: tuple[str, ...]) -> Mapping[str, str]:
    """Give the words for every modality: `wrist_acc` is the `wrist accelerometer`.

    Where two names would read the same, both keep their own words (`wrist acc`, `wrist accel`).
    """
    long = {name: _written_out(name) for name in names}
    folded = [words.casefold() for words in long.values()]
    return {
        name: words if folded.count(words.casefold()) == 1 else name.replace("_", " ")
        for name, words in long.items()
    }


def _written_out(name: str) -> str:
    return " ".join(SPOKEN.get(part.lower(), part) for part in name.split("_") if part)


def listed(names: tuple[str, ...], spoken: Mapping[str, str]) -> str:
    """Join sensors as in a sentence: `the ankle gyroscope, the EEG and the heart rate`."""
    words = [f"the {spoken[name]}" for name in names]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


@functools.cache
def _sensors(names: tuple[str, ...]) -> tuple[str, Mapping[str, str]]:
    """Give a pattern of all sensors' words, longest first, and the name that each stands for."""
    name_of = {name.replace("_", " ").casefold(): name for name in names}
    name_of |= {words.casefold(): name for name, words in spoken_names(names).items()}
    longest = sorted(name_of, key=len, reverse=True)
    return f"({'|'.join(map(re.escape, longest))})(?![\\w-])", name_of


def mark_sensors(text: str, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Put `<0>`, `<1>`, … in the places of sensors (`the wrist accelerometer`) in lower-case text.

    Returns:
        The marked text, and the modalities' names by mark.
    """
    pattern, name_of = _sensors(names)
    sensors: list[str] = []

    def mark(match: re.Match[str]) -> str:
        sensors.append(name_of[match[1]])
        return f"<{len(sensors) - 1}>"

    return re.sub(rf"\bthe {pattern}", mark, text), tuple(sensors)


def with_articles(text: str, names: tuple[str, ...]) -> str:
    """Put `the` before the sensors that lower-case text names without it."""
    pattern, _ = _sensors(names)
    return re.sub(rf"(?<!the )(?<![\w-]){pattern}", r"the \1", text)
