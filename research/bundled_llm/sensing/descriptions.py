"""Sentences about signals: one statement and one question for every fact, with its number.

The same tables serve whoever asks and answers about a real window: `statement(rng, fact, ...)`
and `question(rng, fact)`.
"""
# ruff: noqa: E501  (a template is read best in one line)

import random
from collections.abc import Sequence

from research.bundled_llm.sensing.numbers import write_list, write_number
from research.bundled_llm.sensing.phrase import Conversation, ask, say, sentence

STATEMENTS: dict[str, str] = {
    "dominant_frequency": "[the {signal} [swings|repeats|moves to and fro] at {value} Hz|the main "
    "[rhythm|frequency] of the {signal} is {value} Hz|the {signal} has its [strongest|main] rhythm "
    "at {value} Hz|the {signal} swings {value} times a second]",
    "no_rhythm": "[the {signal} has no [clear |]rhythm|there is no rhythm in the {signal}|the "
    "{signal} does not repeat]",
    "step_rate": "[the person takes {value} steps a minute|the step rate is {value} steps per "
    "minute|there are {value} steps in a minute]",
    "heart_rate": "[the heart beats {value} times a minute|the heart rate is {value} beats per "
    "minute|the pulse is {value} beats a minute|heart rate: {value} bpm]",
    "breathing_rate": "[the person breathes {value} times a minute|the breathing rate is {value} "
    "breaths per minute]",
    "skin_temperature": "[the skin temperature is {value} degrees Celsius|the skin is at {value} "
    "degrees]",
    "trend_up": "[the {signal} [rises|goes up|increases]|the {signal} is rising]",
    "trend_down": "[the {signal} [falls|goes down|decreases]|the {signal} is falling]",
    "trend_flat": "[the {signal} stays [about |]the same|the {signal} is steady]",
    "strong": "[the movement is [strong|large]|there is much movement]",
    "weak": "[there is [hardly any|almost no|very little] movement|the movement is [weak|small]]",
    "missing": "[the {signal} is missing|there is no {signal}|the {signal} was not recorded]",
    "length": "[the window is {value} seconds long|it lasts {value} seconds|it covers {value} "
    "seconds]",
}
QUESTIONS: dict[str, str] = {
    "dominant_frequency": "[At which frequency does the {signal} swing?|What is the main frequency "
    "of the {signal}?|How [fast|often] does the {signal} repeat?|What is the rhythm of the {signal}?]",
    "no_rhythm": "[Is there a rhythm in the {signal}?|Does the {signal} repeat?]",
    "step_rate": "[What is the step rate?|How many steps [a|per] minute?|How fast are the steps?]",
    "heart_rate": "[What is the heart rate?|How fast does the heart beat?|What is the pulse?|"
    "How many beats [a|per] minute?]",
    "breathing_rate": "[What is the breathing rate?|How fast does the person breathe?]",
    "skin_temperature": "[What is the skin temperature?|How warm is the skin?]",
    "trend": "[Does the {signal} rise or fall?|What is the trend of the {signal}?|Where does the "
    "{signal} go?|Is the {signal} rising or falling?]",
    "intensity": "[How strong is the movement?|Is there much movement?|How much movement is there?]",
    "missing": "[Is a signal missing?|Which signal is missing?|What is missing?|What was not "
    "recorded?]",
    "length": "[How long is the window?|How many seconds does it cover?|How long is it?]",
}
UNKNOWN = (
    "[I don't know. The [text|prompt|report] does not say.|I don't know.|I don't know; it is not "
    "stated.|I don't know. Nothing is said about it.]"
)
SIGNALS = (
    *("acceleration", "wrist acceleration", "chest acceleration", "hip acceleration"),
    *("angular speed", "arm swing", "gyroscope signal", "accelerometer signal"),
)
TREND_SIGNALS = ("heart rate", "temperature", "skin conductance", "pulse", "breathing rate")
MISSING_SIGNALS = ("ECG", "gyroscope", "skin conductance", "temperature", "heart rate signal")

# activity: steps a second, beats a minute, breaths a minute; a rhythm of zero is none at all.
SCENES: dict[str, tuple[tuple[float, float], tuple[int, int], tuple[int, int]]] = {
    "walking": ((1.5, 2.2), (80, 118), (14, 22)),
    "running": ((2.5, 3.1), (130, 180), (28, 45)),
    "sitting": ((0, 0), (58, 85), (11, 17)),
    "standing": ((0, 0), (65, 92), (12, 18)),
    "lying": ((0, 0), (52, 78), (10, 15)),
    "sleeping": ((0, 0), (44, 66), (9, 15)),
}


def statement(rng: random.Random, fact: str, **values: object) -> str:
    """Say a fact as a sentence with a capital and a full stop."""
    return sentence(say(rng, STATEMENTS[fact], **values)) + "."


def question(rng: random.Random, fact: str, **values: object) -> str:
    """Ask for a fact."""
    return say(rng, QUESTIONS[fact], **values)


def scene(rng: random.Random, spaced: bool = False) -> tuple[str, dict[str, tuple[str, str, str]]]:
    """Draw an activity and facts that agree with it.

    Returns:
        The activity, and by question: its statement, its full answer and the signal it is about.
    """
    activity = rng.choice(list(SCENES))
    (low, high), beats, breaths = SCENES[activity]
    signal = rng.choice(SIGNALS)
    rhythm = round(rng.uniform(low, high), 1)
    facts: list[tuple[str, str, str, str]] = []
    if rhythm:
        facts.append(("dominant_frequency", "dominant_frequency", signal, f"{rhythm}"))
        facts.append(("step_rate", "step_rate", signal, str(round(rhythm * 60))))
    else:
        facts.append(("no_rhythm", "no_rhythm", signal, ""))
    facts.append(("intensity", "strong" if rhythm else "weak", signal, ""))
    facts.append(("heart_rate", "heart_rate", signal, str(rng.randint(*beats))))
    facts.append(("breathing_rate", "breathing_rate", signal, str(rng.randint(*breaths))))
    if rng.random() < 0.3:
        value = f"{rng.uniform(31, 35.9):.1f}"
        facts.append(("skin_temperature", "skin_temperature", signal, value))
    if rng.random() < 0.4:
        trended = rng.choice(TREND_SIGNALS)
        facts.append(("trend", rng.choice(("trend_up", "trend_down", "trend_flat")), trended, ""))
    if rng.random() < 0.3:
        facts.append(("missing", "missing", rng.choice(MISSING_SIGNALS), ""))
    facts.append(("length", "length", signal, str(rng.choice((2, 3, 5, 8, 10, 20, 30, 60)))))
    told = {}
    for asked, stated, about, value in facts:
        values = {"signal": about, "value": write_number(value, spaced)}
        told[asked] = (statement(rng, stated, **values), statement(rng, stated, **values), about)
    return activity, told


def about_a_window(rng: random.Random) -> Conversation:
    """Tell some facts of a window, ask for one to three; what was not told is not known."""
    spaced = rng.random() < 0.5
    _, told = scene(rng, spaced)
    shown = rng.sample(list(told), rng.randint(1, min(4, len(told))))
    if "trend" in shown and "heart_rate" in shown:
        shown.remove("trend")
    lead = say(rng, "[|||Window: |Signal: |Report: |Description: |Here is a window. ]")
    context = lead + " ".join(told[name][0] for name in shown)
    conversation: Conversation = []
    for turn in range(rng.choice((1, 1, 2, 3))):
        hidden = [
            name
            for name in ("heart_rate", "breathing_rate", "skin_temperature", "step_rate", "length")
            if name not in shown
        ]
        if hidden and rng.random() < 0.22:
            asked, answer = question(rng, rng.choice(hidden)), say(rng, UNKNOWN)
        else:
            name = rng.choice(shown)
            asked, answer = question(rng, name, signal=told[name][2]), told[name][1]
            if name == "no_rhythm":
                answer = "No. " + answer
        joint = rng.choice((" ", "\n"))
        conversation += ask(context + joint + asked if turn == 0 else asked, answer)
    return conversation


def value_only(rng: random.Random) -> Conversation:
    """Ask for one of several numbers told, as a number alone."""
    spaced = rng.random() < 0.5
    values = {
        "heart rate": str(rng.randint(45, 180)),
        "breathing rate": str(rng.randint(9, 40)),
        "step rate": str(rng.randint(80, 190)),
        "skin temperature": f"{rng.uniform(30, 36):.1f}",
        "frequency": f"{rng.uniform(0.5, 4):.1f}",
        "age": str(rng.randint(18, 90)),
        "length": str(rng.randint(2, 60)),
    }
    names = rng.sample(list(values), rng.randint(2, 4))
    written = {name: write_number(values[name], spaced) for name in names}
    shape = rng.choice(("The {k} is {v}.", "{k}: {v}", "{k} = {v}", "{k} {v},"))
    context = rng.choice((" ", "\n")).join(
        sentence(shape.format(k=name, v=value)) for name, value in written.items()
    ).rstrip(",")  # fmt: skip
    asked = rng.choice(names)
    words = "[ |\n][What is the {k}?|Give the {k}[.| as a number.]|{K}?|Which {k} is stated?]"
    return ask(context + say(rng, words, k=asked, K=sentence(asked)), written[asked])


def which_activity(rng: random.Random) -> Conversation:
    """Tell facts of a scene and ask which of the listed activities fits."""
    activity, told = scene(rng, rng.random() < 0.5)
    still = {"sitting", "standing", "lying", "sleeping"}
    others = [name for name in SCENES if name != activity and not {name, activity} <= still]
    names = [activity, *rng.sample(others, min(len(others), rng.choice((1, 1, 2))))]
    rng.shuffle(names)
    keep = [n for n in ("dominant_frequency", "no_rhythm", "intensity", "heart_rate") if n in told]
    if activity in still:
        keep = [name for name in keep if name != "heart_rate" or rng.random() < 0.5]
    context = " ".join(told[name][0] for name in keep)
    words = "[Which activity fits|What is the person doing|Which is it|Activity]: {all}?"
    return ask(f"{context} {say(rng, words, all=_either(names))}", activity)


def heart_values(rng: random.Random) -> Conversation:
    """Show values of a heart rate and ask for words about them."""
    spaced = rng.random() < 0.5
    word, (low, high) = rng.choice((("slow", (40, 52)), ("normal", (62, 88)), ("fast", (125, 185))))
    middle = rng.randint(low, high)
    values = [middle + rng.randint(-3, 3) for _ in range(rng.randint(2, 6))]
    listed = write_list(rng, values, spaced)
    words = "Heart rate[ values| at rest|]: {list}[. |\n]Is it slow, normal or fast?"
    return ask(say(rng, words, list=listed), word)


def paragraph(rng: random.Random) -> str:
    """Write two to five sentences about one window, ending with what the person does."""
    activity, told = scene(rng, rng.random() < 0.3)
    names = rng.sample(list(told), rng.randint(2, min(5, len(told))))
    if "trend" in names and "heart_rate" in names:
        names.remove("trend")
    end = say(
        rng,
        "[The person is {a}.|This is {a}.|All this fits {a}.|So the activity is {a}.|"
        "Such a signal is typical of {a}.]",
        a=activity,
    )
    sentences = [told[name][0] for name in names]
    whole = [end, *sentences] if rng.random() < 0.3 else [*sentences, end]
    return " ".join(whole)


def _either(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]


MAKERS = (
    (40, about_a_window),
    (25, value_only),
    (22, which_activity),
    (13, heart_values),
)
