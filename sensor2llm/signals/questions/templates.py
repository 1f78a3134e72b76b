"""All templates of questions, by name.

Grid: how the true answer is rounded when it is written. Tolerance: how far an answer may lie from
the fact, which is not rounded, to count as true; of two tolerances the larger holds. A dominant
frequency is asked for where it holds at least 40 % of the signal's power.

| template | answer and grid | tolerance |
|---|---|---|
| intensity | still, light, moderate, vigorous | exact; both words within 10 % of a bound |
| step_rate | 0.1 steps a second, or 'no regular steps' | ± 0.1 steps a second or 10 % of it |
| heart_rate | 2 bpm | ± 5 bpm |
| trend | rising, falling, steady | exact; both words within 10 % of a bound |
| dominant_frequency | 0.1 Hz, 0.5 from 5 Hz, 1 from 20 Hz | ± 0.25 Hz or 10 % of it |
| orientation | sign and axis, `+x` | exact; both axes within 10 % of each other |
| rmssd | 2 ms, 5 from 20 ms, 10 from 100 ms | ± 5 ms or 20 % of it |
| irregularity | 1 %, 5 from 20 % | ± 2 % or 20 % of it |
| intensity_is | yes, no | both where the word is one of two within 10 % of a bound |
| trend_is | yes, no | both where the word is one of two within 10 % of a bound |
| has_steps | yes, no | exact |
| stronger_movement | yes, no | both within 10 % of each other |
| heart_rate_above | yes, no | both where the limit lies within ± 5 bpm |
| step_rate_above | yes, no | both where the limit lies within ± 0.1 steps a second or 10 % of it |
| dominant_frequency_above | yes, no | both where the limit lies within ± 0.25 Hz or 10 % of it |
| rmssd_above | yes, no | both where the limit lies within ± 5 ms or 20 % of it |
| irregularity_above | yes, no | both where the limit lies within ± 2 % or 20 % of it |
| which_missing | the sensors, or 'nothing is missing' | exact: all of them, in any order |
| is_missing | yes, no | exact |
"""

from sensor2llm.errors import ConfigError
from sensor2llm.signals.questions.missing import WhichMissing
from sensor2llm.signals.questions.readings import READINGS
from sensor2llm.signals.questions.template import Template
from sensor2llm.signals.questions.yes_no import (
    CategoryClaim,
    Missing,
    StepsClaim,
    StrongerMovement,
    ThresholdClaim,
    YesNo,
)

_READING = {reading.name: reading for reading in READINGS}
_ALL: tuple[Template, ...] = (
    *READINGS,
    YesNo(
        name="intensity_is",
        claim=CategoryClaim(_READING["intensity"]),
        paraphrases=(
            "Is the movement at the {sensor} {than}?",
            "Would you call the movement at the {sensor} {than}?",
            "Is {than} the right word for the movement at the {sensor}?",
            "The movement at the {sensor} is {than}. Yes or no?",
        ),
    ),
    YesNo(
        name="trend_is",
        claim=CategoryClaim(_READING["trend"]),
        paraphrases=(
            "Is the {sensor} {than}?",
            "Would you call the {sensor} {than}?",
            "Is {than} the right word for the {sensor}?",
            "The {sensor} is {than}. Yes or no?",
        ),
    ),
    YesNo(
        name="has_steps",
        claim=StepsClaim(),
        paraphrases=(
            "Does the {sensor} show regular steps?",
            "Are there regular steps at the {sensor}?",
            "Can one see regular steps in the {sensor}?",
            "Does the person take regular steps, by the {sensor}?",
        ),
    ),
    YesNo(
        name="stronger_movement",
        claim=StrongerMovement(),
        paraphrases=(
            "Is the movement at the {sensor} stronger than at the {than}?",
            "Does the {sensor} move more than the {than}?",
            "Is there more movement at the {sensor} than at the {than}?",
            "The {sensor} moves more than the {than}. Yes or no?",
        ),
    ),
    YesNo(
        name="heart_rate_above",
        claim=ThresholdClaim(_READING["heart_rate"]),
        paraphrases=(
            "Is the heart rate in the {sensor} above {than} bpm?",
            "Does the heart beat more than {than} times a minute in the {sensor}?",
            "Is the pulse in the {sensor} higher than {than} bpm?",
            "Are there more than {than} beats a minute in the {sensor}?",
        ),
        own=(
            "Is the heart rate above {than} bpm?",
            "Does the heart beat more than {than} times a minute?",
            "Is the pulse higher than {than} bpm?",
            "Are there more than {than} beats a minute?",
        ),
    ),
    YesNo(
        name="step_rate_above",
        claim=ThresholdClaim(_READING["step_rate"]),
        paraphrases=(
            "Does the {sensor} show more than {than} steps a second?",
            "Is the step rate at the {sensor} above {than} steps a second?",
            "Are there more than {than} steps a second at the {sensor}?",
            "Are the steps at the {sensor} faster than {than} a second?",
        ),
    ),
    YesNo(
        name="dominant_frequency_above",
        claim=ThresholdClaim(_READING["dominant_frequency"]),
        paraphrases=(
            "Is the main frequency of the {sensor} above {than} Hz?",
            "Does the {sensor} swing more than {than} times a second?",
            "Is the rhythm of the {sensor} faster than {than} Hz?",
            "Does the {sensor} repeat more than {than} times in a second?",
        ),
    ),
    YesNo(
        name="rmssd_above",
        claim=ThresholdClaim(_READING["rmssd"]),
        paraphrases=(
            "Is the RMSSD of the {sensor} above {than} ms?",
            "Is the RMSSD in the {sensor} larger than {than} ms?",
            "Does the {sensor} have an RMSSD of more than {than} ms?",
            "Do successive beats in the {sensor} differ by more than {than} ms?",
        ),
    ),
    YesNo(
        name="irregularity_above",
        claim=ThresholdClaim(_READING["irregularity"]),
        paraphrases=(
            "Do successive beats in the {sensor} differ by more than {than} %?",
            "Is the irregularity of the {sensor} above {than} %?",
            "Is the {sensor} more irregular than {than} %?",
            "Do the beats of the {sensor} differ by over {than} % of their mean?",
        ),
    ),
    WhichMissing(
        name="which_missing",
        paraphrases=(
            "Which sensor is missing?",
            "What is missing?",
            "What was not recorded?",
            "Which signals are missing?",
        ),
    ),
    YesNo(
        name="is_missing",
        claim=Missing(),
        paraphrases=(
            "Is the {sensor} missing?",
            "Is the signal of the {sensor} missing?",
            "Does the window lack the {sensor}?",
            "The {sensor} is missing. Yes or no?",
        ),
    ),
)
TEMPLATES: dict[str, Template] = {template.name: template for template in _ALL}


def template_named(name: str) -> Template:
    """Give a template by its name.

    Raises:
        ConfigError: If there is none.
    """
    if name not in TEMPLATES:
        raise ConfigError(f"unknown question template {name!r}; choose from {', '.join(TEMPLATES)}")
    return TEMPLATES[name]
