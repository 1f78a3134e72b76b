"""Questions, answers and paragraphs on the table of facts."""
# ruff: noqa: E501  (a template is read best in one line)

import random

from research.bundled_llm.sensing.facts import FACTS
from research.bundled_llm.sensing.phrase import Conversation, Maker, ask, pick, say

_ALL = tuple(fact for facts in FACTS.values() for fact in facts)
_POLITE = "[||||||Please tell me: |I have a question. |Question: ]"


def known_fact(rng: random.Random) -> Conversation:
    """Ask for one fact, or for two or three of a topic in turn."""
    facts = rng.choice(list(FACTS.values()))
    conversation: Conversation = []
    for words, answer in rng.sample(facts, rng.choice((1, 1, 1, 2, 3))):
        conversation += ask(say(rng, _POLITE) + say(rng, words), say(rng, answer))
    return conversation


def told_fact(rng: random.Random) -> Conversation:
    """Tell two facts, ask for one of them."""
    first, second = rng.sample(_ALL, 2)
    context = f"{say(rng, first[1])} {say(rng, second[1])}"
    words, answer = rng.choice((first, second))
    return ask(f"{context}\n{say(rng, words)}", say(rng, answer))


def per_minute(rng: random.Random) -> Conversation:
    """Convert between times a second and times a minute."""
    tenths = rng.randint(5, 40)
    hertz, minute = f"{tenths / 10:g}", str(tenths * 6)
    if rng.random() < 0.5:
        return ask(
            say(rng, "[How many times a minute is {h} Hz?|{h} Hz is how many a minute?|A signal "
                "swings at {h} Hz. How often is that a minute?]", h=hertz),
            minute,
        )  # fmt: skip
    words = "[How many Hz are {m} a minute?|{m} steps a minute are how many Hz?]"
    return ask(say(rng, words, m=minute), f"{hertz} Hz")


def sample_count(rng: random.Random) -> Conversation:
    """Count the values of a window from its rate and its length."""
    rate, seconds = (
        rng.choice((1, 2, 4, 5, 10, 20, 25, 50, 64, 100)),
        rng.choice((1, 2, 3, 4, 5, 10)),
    )
    words = (
        "[A sensor measures {r} values a second. How many values are in {s} seconds?|At {r} Hz, how "
        "many values has a window of {s} seconds?|{s} seconds at {r} Hz: how many values?]"
    )
    return ask(say(rng, words, r=rate, s=seconds), str(rate * seconds))


def heart_rate_sense(rng: random.Random) -> Conversation:
    """Ask whether a heart rate is usual at rest."""
    rate = rng.choice((rng.randint(35, 55), rng.randint(62, 98), rng.randint(105, 180)))
    words = (
        "[Is a heart rate of {n} [bpm|beats per minute] normal at rest?|My heart rate at rest is {n}."
        " Is that normal?|At rest the heart beats {n} times a minute. Is it normal?]"
    )
    answer = (
        "No, that is slow." if rate < 60 else "No, that is fast." if rate > 100 else
        "Yes, that is normal at rest."
    )  # fmt: skip
    return ask(say(rng, words, n=rate), answer)


def unit_of(rng: random.Random) -> Conversation:
    """Ask for the unit of something, or for the sensor of it."""
    what, unit, sensor = rng.choice(_MEASURED)
    if rng.random() < 0.5:
        return ask(say(rng, "[What is the unit of {w}?|Unit of {w}?|In which unit is {w} given?]",
                       w=what), unit)  # fmt: skip
    return ask(say(rng, "[Which sensor measures {w}?|What measures {w}?]", w=what), sensor)


_MEASURED = (
    ("heart rate", "beats per minute", "a pulse sensor"),
    ("acceleration", "metres per second squared", "an accelerometer"),
    ("frequency", "hertz", "a frequency counter"),
    ("temperature", "degrees Celsius", "a thermometer"),
    ("skin conductance", "microsiemens", "an electrodermal sensor"),
    ("angular speed", "degrees per second", "a gyroscope"),
    ("step rate", "steps per minute", "a step counter"),
    ("air pressure", "pascal", "a barometer"),
    ("weight", "kilograms", "a scale"),
    ("time", "seconds", "a clock"),
    ("brain waves", "microvolts", "an EEG"),
    ("breathing rate", "breaths per minute", "a chest belt"),
)
MAKERS: tuple[tuple[float, Maker], ...] = (
    (60, known_fact),
    (16, told_fact),
    (6, per_minute),
    (5, sample_count),
    (7, heart_rate_sense),
    (6, unit_of),
)


def paragraph(rng: random.Random) -> str:
    """Write three to six facts of one topic one after the other, or one question and its answer."""
    facts = rng.choice(list(FACTS.values()))
    if rng.random() < 0.25:
        words, answer = rng.choice(facts)
        return f"{say(rng, words)} {say(rng, answer)}"
    return " ".join(say(rng, answer) for _, answer in rng.sample(facts, rng.randint(3, 6)))


def conversation(rng: random.Random) -> Conversation:
    """Make one conversation of this file."""
    return pick(rng, MAKERS)(rng)
