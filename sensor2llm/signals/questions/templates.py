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
| value | three digits, with the unit | ± 5 % of it |
| label | the label | exact |
| label_is | yes, no | exact |
| label_is_not | yes, no | exact |
| why | the label, then up to three readings | the label exact, each reading within its own |
| unanswerable | that it cannot be told | exact |
| more_movement | first or second | both within 10 % of each other |
| moves_more | yes, no | both within 10 % of each other |
| faster_steps | first or second | both within 10 % of each other |
| higher_heart_rate | first or second | both within 10 % of each other |
| more_irregular | first or second | both within 10 % of each other |
| same_label | yes, no | exact |
"""

from sensor2llm.errors import ConfigError
from sensor2llm.signals.questions.labels import LabelClaim, LabelQuestion, Unanswerable, Why
from sensor2llm.signals.questions.missing import WhichMissing
from sensor2llm.signals.questions.pairs import SameLabel, WhichWindow, WindowClaim
from sensor2llm.signals.questions.readings import READINGS, RowValue
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
    YesNo(name="intensity_is", claim=CategoryClaim(_READING["intensity"])),
    YesNo(name="trend_is", claim=CategoryClaim(_READING["trend"])),
    YesNo(name="has_steps", claim=StepsClaim()),
    YesNo(name="stronger_movement", claim=StrongerMovement()),
    YesNo(name="heart_rate_above", claim=ThresholdClaim(_READING["heart_rate"])),
    YesNo(name="step_rate_above", claim=ThresholdClaim(_READING["step_rate"])),
    YesNo(name="dominant_frequency_above", claim=ThresholdClaim(_READING["dominant_frequency"])),
    YesNo(name="rmssd_above", claim=ThresholdClaim(_READING["rmssd"])),
    YesNo(name="irregularity_above", claim=ThresholdClaim(_READING["irregularity"])),
    WhichMissing(name="which_missing"),
    YesNo(name="is_missing", claim=Missing()),
)
CLASSIC = tuple(template.name for template in _ALL)
"""What the earliest adapters are asked: of one window, without its label."""
MORE_MOVEMENT = WhichWindow(name="more_movement", fact="intensity")
_TALK: tuple[Template, ...] = (
    RowValue(),
    LabelQuestion(),
    YesNo(name="label_is", claim=LabelClaim()),
    YesNo(name="label_is_not", claim=LabelClaim(negated=True)),
    Why(),
    Unanswerable(),
    MORE_MOVEMENT,
    YesNo(name="moves_more", claim=WindowClaim(MORE_MOVEMENT), kind="comparison"),
    WhichWindow(name="faster_steps", fact="step_rate"),
    WhichWindow(name="higher_heart_rate", fact="heart_rate"),
    WhichWindow(name="more_irregular", fact="irregularity"),
    SameLabel(),
)
TEMPLATES: dict[str, Template] = {template.name: template for template in (*_ALL, *_TALK)}


def template_named(name: str) -> Template:
    """Give a template by its name.

    Raises:
        ConfigError: If there is none.
    """
    if name not in TEMPLATES:
        raise ConfigError(f"unknown question template {name!r}; choose from {', '.join(TEMPLATES)}")
    return TEMPLATES[name]
